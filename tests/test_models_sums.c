/* Captured inputs times our operands give captured outputs, and captured tokens the captured logits, in the folder that
 * SAMEBITS_MODELS names; without it the suite is skipped. */
#include "conformance/models/eval_parts.h"
#include "conformance/models/layer.h"
#include "conformance/models/quantize.h"
#include "samebits/safetensors.h"
#include "tests/captured_models.h"
#include "tests/suite.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>

#define INT8   "int8-dynamic-act-int4-weight"
#define FLOAT8 "float8-dynamic-act-float8-weight"
#define INT4   "int4-weight-only"
#define MIXED  "float8-dynamic-act-int4-weight"

static const char *models;

/* x as the step makes it, f64 [rows, cols], by the recipe's activation side. */
static double *operand(const sb_stored *row, sb_step step, const sb_tensor *x) {
  sb_tensor out[SB_SLOTS];
  const int64_t count = sb_tensor_count(x), cols = x->dims[1];
  double *values = malloc((size_t)count * sizeof *values);
  sb_ok(sb_stored_run(row, SB_ACTIVATION, step, 0, x, out));
  /* The bound is over the exact product: codes times scale, not rounded in between. */
  const bool codes = step == SB_CONVERT && out[SB_CODES].format == SB_E4M3;
  for (int64_t i = 0; i < count; i++)
    values[i] =
        codes ? sb_load(SB_E4M3, out[SB_CODES].data, i) * sb_load(out[SB_SCALE].format, out[SB_SCALE].data, i / cols)
              : sb_load(out[SB_OUTPUT].format, out[SB_OUTPUT].data, i);
  sb_slots_free(out);
  return values;
}

/* The weight of a layer, f64 [N, K]: of a master by prepare, of an artifact as stored. */
static double *weight_of(const sb_stored *row, const sb_model_layer *l) {
  sb_tensor x = {0}, out[SB_SLOTS] = {0}, codes = {0}, scale = {0}, zero_point = {0};
  const int64_t count = l->rows * l->cols;
  double *values = malloc((size_t)count * sizeof *values);
  if (l->quantized && l->format == SB_E4M3) {
    sb_ok(sb_model_layer_load(l, &codes, &scale, &zero_point));
    for (int64_t i = 0; i < count; i++)
      values[i] = sb_load(SB_E4M3, codes.data, i) * sb_load(scale.format, scale.data, i / l->cols);
  } else {
    sb_ok(sb_model_layer_weight(l, SB_BF16, &x));
    if (!l->quantized && row) sb_ok(sb_stored_run(row, SB_WEIGHT, SB_PREPARE, row->group_size, &x, out));
    const sb_tensor *from = out[SB_OUTPUT].data ? &out[SB_OUTPUT] : &x;
    for (int64_t i = 0; i < count; i++) values[i] = sb_load(from->format, from->data, i);
  }
  sb_tensor_free(&x);
  sb_slots_free(out);
  sb_tensor_free(&codes);
  sb_tensor_free(&scale);
  sb_tensor_free(&zero_point);
  return values;
}

static sb_tensor captured(const sb_safetensors *file, const char *module, const char *which) {
  char name[512];
  snprintf(name, sizeof name, "%s.%s", module, which);
  const sb_tensor *t = sb_safetensors_find(file, name);
  ck_assert_msg(t != NULL, "no %s", name);
  sb_tensor flat = *t;
  flat.rank = 2;
  flat.dims[1] = t->dims[t->rank - 1];
  flat.dims[0] = sb_tensor_count(t) / flat.dims[1];
  return flat;
}

/* Every element within the bound of K f32 additions (and two scalings) and one rounding to bf16 of the f64 sum. */
static int64_t check_layer(const sb_stored *row, sb_step step, const sb_model_layer *l, const sb_safetensors *file) {
  const sb_tensor x = captured(file, l->name, "input"), y = captured(file, l->name, "output");
  const bool as_float = step == SB_CONVERT && !l->quantized;
  const double steps = (double)l->cols + 2, gamma = steps * 0x1p-24 / (1 - steps * 0x1p-24);
  double *w = weight_of(step == SB_CONVERT ? NULL : row, l), *a = NULL;
  ck_assert(x.dims[1] == l->cols && y.dims[1] == l->rows && x.dims[0] == y.dims[0]);
  if (as_float) {
    a = malloc((size_t)sb_tensor_count(&x) * sizeof *a);
    for (int64_t i = 0; i < sb_tensor_count(&x); i++) a[i] = sb_load(x.format, x.data, i);
  } else
    a = operand(row, step, &x);
  for (int64_t r = 0; r < x.dims[0]; r++)
    for (int64_t n = 0; n < l->rows; n++) {
      double sum = 0, size = 0;
      for (int64_t k = 0; k < l->cols; k++) {
        const double product = a[r * l->cols + k] * w[n * l->cols + k];
        sum += product;
        size += fabs(product);
      }
      const double got = sb_load(y.format, y.data, r * l->rows + n),
                   bound = gamma * size + 0x1p-8 * (fabs(sum) + gamma * size);
      ck_assert_msg(fabs(got - sum) <= bound, "%s.output[%lld, %lld] is %a, the sum is %a, the bound %a", l->name,
                    (long long)r, (long long)n, got, sum, bound);
    }
  free(a);
  free(w);
  return sb_tensor_count(&y);
}

static const struct {
  const char *recipe, *model, *activations;
  sb_step step;
} runs[] = {{INT8, "master", "activations-prepare", SB_PREPARE},
            {INT8, "qat", "activations-convert", SB_CONVERT},
            {FLOAT8, "master", "activations-prepare", SB_PREPARE},
            {FLOAT8, "qat", "activations-convert", SB_CONVERT}};

typedef struct captured_run { /* one of `runs`, opened */
  sb_model *model;
  sb_model_report report;
  sb_safetensors *file;
  const sb_stored *row;
} captured_run;

static captured_run open_run(int i) {
  char path[PATH_MAX];
  captured_run run;
  snprintf(path, sizeof path, "%s/%s/%s", models, runs[i].recipe, runs[i].model);
  sb_ok(sb_model_open(path, &run.model));
  sb_ok(sb_model_inspect(run.model, &run.report));
  snprintf(path, sizeof path, "%s/%s.safetensors", runs[i].recipe, runs[i].activations);
  run.file = open_captured(models, path);
  sb_ok(sb_stored_find(runs[i].recipe, &run.row));
  ck_assert_int_gt(run.report.layer_count, 0);
  return run;
}

static void close_run(captured_run *run) {
  sb_safetensors_close(run->file);
  sb_model_report_free(&run->report);
  sb_model_close(run->model);
}

/* From each captured input, our operands multiplied in f64 give each captured output within the bound, every element.
 */
START_TEST(outputs) {
  captured_run run = open_run(_i);
  int64_t elements = 0;
  for (int i = 0; i < run.report.layer_count; i++)
    elements += check_layer(run.row, runs[_i].step, &run.report.layers[i], run.file);
  ck_assert_int_gt(elements, 0);
  close_run(&run);
}
END_TEST

static int64_t different(const float *ours, const sb_tensor *theirs) {
  int64_t count = 0;
  for (int64_t i = 0; i < sb_tensor_count(theirs); i++)
    count += (double)ours[i] != sb_load(theirs->format, theirs->data, i);
  return count;
}

/* From each captured input, every Linear layer gives every bit of the captured output. */
static void check_bits(const sb_linear *l, const char *name, const sb_safetensors *file) {
  const sb_tensor x = captured(file, name, "input"), y = captured(file, name, "output");
  const int64_t rows = x.dims[0], count = sb_tensor_count(&x);
  float *values = malloc((size_t)count * sizeof *values), *out = malloc((size_t)(rows * l->n) * sizeof *out);
  sb_linear_input in = {.values = malloc((size_t)count * sizeof(float)),
                        .scale = malloc((size_t)rows * sizeof(float)),
                        .narrow = {malloc((size_t)count * 2), malloc((size_t)count * 2)},
                        .codes = malloc((size_t)count)};
  for (int64_t i = 0; i < count; i++) values[i] = (float)sb_load(x.format, x.data, i);
  ck_assert(l->k == x.dims[1] && l->n == y.dims[1]);
  sb_ok(sb_linear_quantize(l, SB_BF16, values, rows, &in));
  sb_linear_run(l, SB_BF16, &in, rows, out);
  ck_assert_msg(different(out, &y) == 0, "%s: %d of %d", name, (int)different(out, &y), (int)(rows * l->n));
  free(values);
  free(out);
  free(in.values);
  free(in.scale);
  free(in.narrow[0]);
  free(in.narrow[1]);
  free(in.codes);
}

START_TEST(bits_of_outputs) {
  captured_run run = open_run(_i);
  const sb_linear_how how = {.T = SB_BF16,
                             .row = run.row,
                             .group = run.row->group_size,
                             .step = runs[_i].step == SB_CONVERT ? SB_LINEAR_CONVERT : SB_LINEAR_PREPARE,
                             .stored = run.report.quantized};
  for (int i = 0; i < run.report.layer_count; i++) {
    sb_linear linear;
    sb_ok(sb_linear_make(&run.report.layers[i], &how, &linear));
    check_bits(&linear, run.report.layers[i].name, run.file);
    sb_linear_free(&linear);
  }
  close_run(&run);
}
END_TEST

static const struct {
  const char *model, *recipe, *tensor;
  sb_linear_step step;
  sb_format T;
} passes[] = {
    {"baseline", INT8, "baseline.f32", SB_LINEAR_FLOAT, SB_F32},
    {"baseline", INT8, "baseline.bf16", SB_LINEAR_FLOAT, SB_BF16},
    {INT8 "/master", INT8, "prepare.f32", SB_LINEAR_PREPARE, SB_F32},
    {INT8 "/master", INT8, "prepare.bf16", SB_LINEAR_PREPARE, SB_BF16},
    {INT8 "/qat-f32", INT8, "convert.f32", SB_LINEAR_CONVERT, SB_F32},
    {INT8 "/qat", INT8, "convert.bf16", SB_LINEAR_CONVERT, SB_BF16},
    {FLOAT8 "/master", FLOAT8, "prepare.f32", SB_LINEAR_PREPARE, SB_F32},
    {FLOAT8 "/master", FLOAT8, "prepare.bf16", SB_LINEAR_PREPARE, SB_BF16},
    {FLOAT8 "/qat", FLOAT8, "convert.bf16", SB_LINEAR_CONVERT, SB_BF16},
    {INT4 "/master", INT4, "prepare.f32", SB_LINEAR_PREPARE, SB_F32},
    {INT4 "/master", INT4, "prepare.bf16", SB_LINEAR_PREPARE, SB_BF16},
    {MIXED "/master", MIXED, "prepare.f32", SB_LINEAR_PREPARE, SB_F32},
    {MIXED "/master", MIXED, "prepare.bf16", SB_LINEAR_PREPARE, SB_BF16},
};

/* The whole forward pass gives every bit of the captured logits, in both dtypes, for every recipe and step. */
START_TEST(logits) {
  char path[PATH_MAX];
  sb_model *model;
  sb_evaluation e;
  snprintf(path, sizeof path, "%s/%s", models, passes[_i].model);
  sb_ok(sb_model_open(path, &model));
  snprintf(path, sizeof path, "%s/logits.safetensors", passes[_i].recipe);
  sb_safetensors *file = open_captured(models, path);
  const sb_tensor *theirs = sb_safetensors_find(file, passes[_i].tensor), *tokens = sb_safetensors_find(file, "tokens");
  ck_assert(theirs && tokens && sb_tensor_count(theirs) > 0);
  float *ours = malloc((size_t)sb_tensor_count(theirs) * sizeof *ours);
  const sb_eval_options options = {
      .dtype = passes[_i].T,
      .recipe = passes[_i].step == SB_LINEAR_FLOAT ? NULL : passes[_i].recipe,
      .step = passes[_i].step,
      .logits = ours,
  };
  sb_ok(sb_model_eval(model, &options, tokens, &e));
  ck_assert_int_eq(theirs->dims[theirs->rank - 1] * e.rows * tokens->dims[1], sb_tensor_count(theirs));
  ck_assert_msg(different(ours, theirs) == 0, "%s %s: %d", passes[_i].model, passes[_i].tensor,
                (int)different(ours, theirs));
  free(ours);
  sb_evaluation_free(&e);
  sb_safetensors_close(file);
  sb_model_close(model);
}
END_TEST

int main(void) {
  models = captured_models();
  if (!models) return SKIPPED;
  Suite *suite = suite_create("models_sums");
  TCase *tests = tcase_create("models_sums");
  tcase_set_timeout(tests, 300);
  tcase_add_loop_test(tests, outputs, 0, sizeof runs / sizeof *runs);
  tcase_add_loop_test(tests, bits_of_outputs, 0, sizeof runs / sizeof *runs);
  tcase_add_loop_test(tests, logits, 0, sizeof passes / sizeof *passes);
  suite_add_tcase(suite, tests);
  return run_suite(suite);
}
