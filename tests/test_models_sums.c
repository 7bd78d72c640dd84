/* Captured inputs times our operands give captured outputs, in the folder that SAMEBITS_MODELS names; without it the
 * suite is skipped. */
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

static const char *models;

/* x as the step makes it, f64 [rows, cols], by the recipe's activation side. */
static double *operand(const sb_stored *row, sb_step step, const sb_tensor *x) {
  sb_tensor out[SB_SLOTS];
  const int64_t count = sb_tensor_count(x), cols = x->dims[1];
  double *values = malloc((size_t)count * sizeof *values);
  sb_ok(sb_stored_run(row, SB_ACTIVATION, step, 0, x, out));
  /* A product of float8 codes is scaled afterwards: codes times scale, not rounded in between. */
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

/* From each captured input, our operands multiplied in f64 give each captured output within the bound, every element.
 */
START_TEST(outputs) {
  char path[PATH_MAX];
  sb_model *model;
  sb_model_report report;
  sb_safetensors *file;
  const sb_stored *row;
  int64_t elements = 0;
  snprintf(path, sizeof path, "%s/%s/%s", models, runs[_i].recipe, runs[_i].model);
  sb_ok(sb_model_open(path, &model));
  sb_ok(sb_model_inspect(model, &report));
  snprintf(path, sizeof path, "%s/%s/%s.safetensors", models, runs[_i].recipe, runs[_i].activations);
  sb_ok(sb_safetensors_open(path, &file));
  sb_ok(sb_stored_find(runs[_i].recipe, &row));
  for (int i = 0; i < report.layer_count; i++) elements += check_layer(row, runs[_i].step, &report.layers[i], file);
  ck_assert_int_gt(report.layer_count, 0);
  ck_assert_int_gt(elements, 0);
  sb_safetensors_close(file);
  sb_model_report_free(&report);
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
  suite_add_tcase(suite, tests);
  return run_suite(suite);
}
