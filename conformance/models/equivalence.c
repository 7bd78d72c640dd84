/* The five checks of a trained model against the one that is evaluated. */
#include "conformance/models/equivalence_parts.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { MAX_LOGITS = 1 << 26 };

void sb_figure(sb_equivalence_check *c, const char *name, double value) {
  if (c->figure_count == SB_EQUIVALENCE_FIGURES) return;
  c->figures[c->figure_count].name = name;
  c->figures[c->figure_count++].value = value;
}

void sb_judge(sb_equivalence_check *c, bool holds) { c->state = holds ? SB_CHECK_HOLDS : SB_CHECK_FAILS; }

void sb_note(sb_equivalence_check *c, const char *format, ...) {
  const size_t at = strlen(c->note);
  va_list arguments;
  va_start(arguments, format);
  if (at) snprintf(c->note + at, sizeof c->note - at, "; ");
  vsnprintf(c->note + strlen(c->note), sizeof c->note - strlen(c->note), format, arguments);
  va_end(arguments);
}

void sb_cause(job *j, const char *format, ...) {
  if (j->result->cause_count == SB_EQUIVALENCE_CAUSES) return;
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(j->result->causes[j->result->cause_count++], sizeof *j->result->causes, format, arguments);
  va_end(arguments);
}

/* ---- 1: configurations ---- */

static void check_configurations(job *j) {
  sb_equivalence_check *c = &j->result->checks[CONFIGURATIONS];
  int unexpected = 0;
  for (int i = 0; i < j->models.field_count; i++) {
    const sb_field_difference *f = &j->models.fields[i];
    if (f->expected) continue;
    if (unexpected++ < 4) sb_note(c, "%.60s: %.40s | %.40s", f->field, f->a ? f->a : "absent", f->b ? f->b : "absent");
  }
  sb_figure(c, "different", unexpected);
  sb_figure(c, "expected", j->models.field_count - unexpected);
  sb_judge(c, unexpected == 0);
  if (unexpected) sb_cause(j, "configuration: %.400s", c->note);
}

/* ---- forwards ---- */

sb_status sb_equivalence_forward(const job *j, const sb_model *model, sb_linear_step step, sb_adapter_place place,
                                 float *logits) {
  const bool own = model == j->eval && j->models.b.quantized;
  const sb_eval_options o = {.dtype = j->result->dtype,
                             .recipe = !own && j->row ? j->row->recipe : NULL,
                             .step = j->row ? step : SB_LINEAR_FLOAT,
                             .group = j->group,
                             .threads = j->options->threads,
                             .adapter = model == j->train && j->adapter.count ? &j->adapter : NULL,
                             .place = place,
                             .logits = logits};
  sb_evaluation e;
  const sb_status status = sb_model_eval(model, &o, &j->tokens, &e);
  if (!status) sb_evaluation_free(&e);
  return status;
}

distance sb_distance(const job *j, const float *a, const float *b) {
  distance d = {0};
  double total = 0;
  for (int64_t i = 0; i < j->logits; i++) {
    const double far = fabs((double)a[i] - (double)b[i]);
    d.different += sb_f32_bits(a[i]) != sb_f32_bits(b[i]);
    total += far;
    if (far > d.max_abs || isnan(far)) d.max_abs = far;
  }
  for (int64_t i = 0; i < j->logits; i += j->vocabulary)
    d.flips += sb_llama_prediction(a + i, j->vocabulary) != sb_llama_prediction(b + i, j->vocabulary);
  d.mean_abs = total / (double)j->logits;
  return d;
}

static void figures_of(const job *j, sb_equivalence_check *c, const distance *d) {
  const int64_t predictions = j->logits / j->vocabulary;
  sb_figure(c, "logits", (double)j->logits);
  sb_figure(c, "logits_different", (double)d->different);
  sb_figure(c, "max_abs", d->max_abs);
  sb_figure(c, "mean_abs", d->mean_abs);
  sb_figure(c, "predictions", (double)predictions);
  sb_figure(c, "predictions_different", (double)d->flips);
}

static sb_status check_logits(job *j) {
  sb_equivalence_check *c = &j->result->checks[LOGITS];
  sb_status status = sb_equivalence_forward(j, j->train, SB_LINEAR_PREPARE, SB_ADAPTER_BESIDE, j->of_train);
  if (!status) status = sb_equivalence_forward(j, j->eval, SB_LINEAR_CONVERT, SB_ADAPTER_MERGED_FIRST, j->of_eval);
  if (status) return status;
  const distance d = sb_distance(j, j->of_train, j->of_eval);
  figures_of(j, c, &d);
  sb_judge(c, d.different == 0);
  return SB_OK;
}

/* ---- 5: prepare against convert ---- */

static sb_status check_steps(job *j) {
  sb_equivalence_check *c = &j->result->checks[STEPS];
  int64_t elements = 0, different = 0, one;
  double far = 0, most = 0;
  if (!j->row) {
    sb_note(c, "no recipe is known: --recipe R");
    return SB_OK;
  }
  sb_status status = SB_OK;
  for (int i = 0; !status && i < j->models.a.layer_count; i++) {
    const sb_model_layer *a = &j->models.a.layers[i];
    sb_tensor x, prepared[SB_SLOTS] = {0}, converted[SB_SLOTS] = {0};
    status = sb_merged_weight(j, a, &x);
    if (!status) status = sb_stored_run(j->row, SB_WEIGHT, SB_PREPARE, j->group, &x, prepared);
    if (!status) status = sb_stored_run(j->row, SB_WEIGHT, SB_CONVERT, j->group, &x, converted);
    if (!status) status = sb_count_differences(&prepared[SB_OUTPUT], &converted[SB_OUTPUT], &one, &far);
    if (!status) elements += a->rows * a->cols, different += one, most = far > most ? far : most;
    sb_tensor_free(&x);
    sb_slots_free(prepared);
    sb_slots_free(converted);
  }
  if (!status) status = sb_equivalence_forward(j, j->train, SB_LINEAR_PREPARE, SB_ADAPTER_MERGED_FIRST, j->of_train);
  if (!status) status = sb_equivalence_forward(j, j->train, SB_LINEAR_CONVERT, SB_ADAPTER_MERGED_FIRST, j->other);
  if (status) return status;
  const distance d = sb_distance(j, j->of_train, j->other);
  sb_figure(c, "weights", (double)elements);
  sb_figure(c, "weights_different", (double)different);
  sb_figure(c, "weights_max_abs", most);
  figures_of(j, c, &d);
  sb_judge(c, different == 0 && d.different == 0);
  char ids[300] = "";
  for (int i = 0; i < j->models.weight_count && !*ids; i++)
    for (int k = 0; k < j->models.weights[i].mechanism_count; k++)
      snprintf(ids + strlen(ids), sizeof ids - strlen(ids), "%s%s", k ? "+" : "", j->models.weights[i].mechanisms[k]);
  if (*ids) sb_note(c, "%s", ids);
  if (c->state == SB_CHECK_FAILS)
    sb_cause(j, "numeric mechanism: %s prepare and convert of %s differ%s%s%s", sb_flavor_names[j->row->flavor],
             j->row->recipe,
             different ? " in the weights"
                       : ", with equal weights: in the activations, the sum, or a layer that convert leaves in float",
             *ids ? ": " : "", ids);
  return SB_OK;
}

/* ---- the whole ---- */

static sb_format own_dtype(const job *j) {
  const sb_model_tensor *t = sb_model_find(j->eval, "model.norm.weight");
  const sb_tensor *plain = t ? sb_model_plain(t) : NULL;
  return plain && plain->format == SB_BF16 ? SB_BF16 : SB_F32;
}

static sb_status choose(job *j) {
  sb_equivalence *r = j->result;
  sb_status status = SB_OK;
  if (j->models.a.quantized)
    return sb_fail(SB_UNSUPPORTED, "%s is quantized (%s): TRAIN is the float checkpoint that was trained",
                   sb_model_path(j->train), j->models.a.recipe);
  r->dtype = j->options->dtype != SB_FORMATS ? j->options->dtype : own_dtype(j);
  for (int i = 0; !j->row && !status && i < j->models.b.layer_count; i++)
    status = sb_layer_row(&j->models.b.layers[i], &j->row);
  if (!status && j->row && j->options->recipe && strcmp(j->row->recipe, j->options->recipe) != 0)
    return sb_fail(SB_USAGE, "%s is of the recipe %s, not %s; one run has one", sb_model_path(j->eval), j->row->recipe,
                   j->options->recipe);
  j->group = j->models.b.group_size;
  if (!status && !j->row && j->options->recipe) {
    status = sb_stored_find(j->options->recipe, &j->row);
    if (!status) j->group = j->options->group && j->row->group_size ? j->options->group : j->row->group_size;
  }
  if (!status) r->recipe = j->row ? j->row->recipe : NULL;
  if (!status && j->options->adapter) status = sb_lora_open(j->options->adapter, &j->adapter);
  for (int i = 0; !status && i < j->adapter.count; i++)
    if (!sb_model_layer_find(&j->models.a, j->adapter.layers[i].name))
      status = sb_fail(SB_FILE, "%s: it adapts \"%.200s\", which is no Linear layer of %s", j->options->adapter,
                       j->adapter.layers[i].name, sb_model_path(j->train));
  return status;
}

/* As many rows of the tokens as fit, and room for three times their logits. */
static sb_status make_room(job *j, const sb_tensor *tokens) {
  sb_llama_config config;
  sb_status status = sb_llama_config_read(j->train->config, sb_model_path(j->train), &config);
  if (status) return status;
  if (tokens->rank != 2 || tokens->dims[0] < 1 || tokens->dims[1] < 2)
    return sb_fail(SB_INVALID, "the tokens are not integers [rows, length] with a length of at least 2");
  j->tokens = *tokens;
  j->vocabulary = config.vocabulary;
  const int64_t row = config.vocabulary * tokens->dims[1], most = row < MAX_LOGITS ? MAX_LOGITS / row : 1;
  if (j->tokens.dims[0] > most) j->tokens.dims[0] = most;
  j->result->rows = j->tokens.dims[0];
  j->logits = row * j->tokens.dims[0];
  j->of_eval = calloc((size_t)j->logits, sizeof(float));
  j->of_train = calloc((size_t)j->logits, sizeof(float));
  j->other = calloc((size_t)j->logits, sizeof(float));
  return j->of_eval && j->of_train && j->other ? SB_OK : sb_fail(SB_NO_MEMORY, "no memory for logits");
}

sb_status sb_model_equivalence(const sb_model *train, const sb_model *eval, const sb_tensor *tokens,
                               const sb_equivalence_options *options, sb_equivalence *result) {
  static const char *const names[SB_EQUIVALENCE_CHECKS] = {"configurations", "parameters", "logits", "rebuilt",
                                                           "prepare against convert"};
  job j = {.train = train, .eval = eval, .options = options, .result = result};
  *result = (sb_equivalence){0};
  for (int i = 0; i < SB_EQUIVALENCE_CHECKS; i++) result->checks[i].name = names[i];
  sb_status status = sb_model_compare(train, eval, &j.models);
  if (!status) status = choose(&j);
  if (!status) status = make_room(&j, tokens);
  if (!status) check_configurations(&j);
  if (!status) status = sb_check_parameters(&j);
  const bool runs =
      !status && result->checks[PARAMETERS].figures[1].value == 0 && result->checks[PARAMETERS].figures[2].value == 0;
  for (int i = LOGITS; !status && !runs && i < SB_EQUIVALENCE_CHECKS; i++) {
    sb_judge(&result->checks[i], false);
    sb_note(&result->checks[i], "not computed: names or shapes differ");
  }
  if (!status && runs) status = check_logits(&j);
  if (!status && runs) status = sb_check_rebuilt(&j);
  if (!status && runs) status = check_steps(&j);
  result->equal = !status;
  for (int i = 0; i < SB_EQUIVALENCE_CHECKS; i++)
    if (result->checks[i].state == SB_CHECK_FAILS) result->equal = false;
  if (!status && !result->equal && !result->cause_count)
    sb_cause(&j, "none of the known ones: the first check that fails says where to look");
  sb_model_comparison_free(&j.models);
  sb_lora_free(&j.adapter);
  free(j.of_eval);
  free(j.of_train);
  free(j.other);
  return status;
}
