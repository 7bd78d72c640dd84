/* Checks 2 and 4: what is stored, and what both models compute with. */
#include "conformance/models/equivalence_parts.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

/* ---- 2 and 4: weights ---- */

typedef struct counts {
  int names, shapes, formats;
  int64_t tensors, differing, elements, different;
  double max_abs;
  const char *first;
} counts;

static void count_in(counts *n, const char *name, int64_t elements, int64_t different, double max_abs) {
  n->tensors++;
  n->elements += elements;
  n->different += different;
  n->differing += different > 0;
  if (different > 0 && !n->first) n->first = name;
  if (max_abs > n->max_abs || isnan(max_abs)) n->max_abs = max_abs;
}

/* The float weight of a layer of `train` in T, its adapter merged. */
sb_status sb_merged_weight(const job *j, const sb_model_layer *l, sb_tensor *weight) {
  sb_status status = sb_model_layer_weight(l, j->result->dtype, weight);
  const sb_lora_layer *adapter = sb_lora_find(&j->adapter, l->name);
  return status || !adapter ? status : sb_lora_merge(adapter, weight);
}

/* What is stored of a layer: what converting the trained weight gives, or the weight itself. */
static sb_status compare_stored(const job *j, const sb_model_layer *a, const sb_model_layer *b, counts *n) {
  sb_tensor x = {0}, made[SB_SLOTS] = {0}, stored[SB_SLOTS] = {0};
  int64_t different = 0, one;
  double far = 0;
  sb_status status = sb_merged_weight(j, a, &x);
  if (!status && b->quantized) {
    status = sb_stored_run(j->row, SB_WEIGHT, SB_CONVERT, j->group, &x, made);
    if (!status) status = sb_model_layer_load(b, &stored[SB_CODES], &stored[SB_SCALE], &stored[SB_ZERO_POINT]);
    for (int s = 0; !status && s < SB_SLOTS; s++) {
      if (!stored[s].data || !made[s].data) continue;
      status = sb_count_differences(&made[s], &stored[s], &one, s == SB_CODES ? &far : NULL);
      different += status ? 0 : one;
    }
  } else if (!status) {
    status = sb_model_layer_weight(b, j->result->dtype, &stored[SB_OUTPUT]);
    if (!status) status = sb_count_differences(&x, &stored[SB_OUTPUT], &different, &far);
  }
  if (!status) count_in(n, a->name, a->rows * a->cols, different, far);
  sb_tensor_free(&x);
  sb_slots_free(made);
  sb_slots_free(stored);
  return status;
}

sb_status sb_check_parameters(job *j) {
  sb_equivalence_check *c = &j->result->checks[PARAMETERS];
  counts n = {0};
  sb_status status = SB_OK;
  for (int i = 0; i < j->models.parameter_count; i++) {
    const sb_parameter *p = &j->models.parameters[i];
    if (strncmp(p->note, "only in", 7) == 0)
      n.names++, sb_note(c, "%.80s is %s", p->name, p->note[8] == 'a' ? "only in TRAIN" : "only in EVAL");
    else if (strcmp(p->note, "shapes differ") == 0)
      n.shapes++, sb_note(c, "%.80s: shapes differ", p->name);
    else if (strcmp(p->note, "formats differ") == 0)
      n.formats++, sb_note(c, "%.80s: formats differ", p->name);
    const size_t length = strlen(p->name);
    char module[512];
    snprintf(module, sizeof module, "%.*s", length > 7 ? (int)length - 7 : 0, p->name);
    if (!sb_model_layer_find(&j->models.a, module)) count_in(&n, p->name, p->elements, p->different, p->max_abs);
  }
  for (int i = 0; !status && i < j->models.a.layer_count; i++) {
    const sb_model_layer *a = &j->models.a.layers[i], *b = sb_model_layer_find(&j->models.b, a->name);
    if (!b) continue; /* counted by its name */
    if (a->rows != b->rows || a->cols != b->cols) {
      if (j->models.weight_count) n.shapes++, sb_note(c, "%.80s: shapes differ", a->name);
      continue;
    }
    const bool left = j->models.b.quantized && !b->quantized;
    const bool skipped =
        left && (a->tied || (j->row->multiple && (a->rows % j->row->multiple || a->cols % j->row->multiple)) ||
                 (j->row->skips && j->group && a->cols % j->group));
    if (left && !skipped) n.formats++;
    if (left) sb_note(c, "%.80s is left in float%s", a->name, skipped ? ", as upstream's convert leaves it" : "");
    status = compare_stored(j, a, b, &n);
    if (status) status = sb_fail_in(status, "%s", a->name);
  }
  if (status) return status;
  sb_figure(c, "tensors", (double)n.tensors);
  sb_figure(c, "names", n.names);
  sb_figure(c, "shapes", n.shapes);
  sb_figure(c, "formats", n.formats);
  sb_figure(c, "tensors_different", (double)n.differing);
  sb_figure(c, "elements", (double)n.elements);
  sb_figure(c, "elements_different", (double)n.different);
  sb_figure(c, "max_abs", n.max_abs);
  sb_judge(c, !n.names && !n.shapes && !n.formats && !n.different);
  if (n.first) sb_note(c, "first: %.100s", n.first);
  if (n.names || n.shapes)
    sb_cause(j, "configuration: not the same architecture (%.300s)", c->note);
  else if (2 * n.differing > n.tensors)
    sb_cause(
        j, "seed or different input: %" PRId64 " of %" PRId64 " tensors differ, as those of another training run do%s",
        n.differing, n.tensors, j->adapter.count ? ", or the adapter is not the one that was merged" : "");
  else if (n.differing)
    sb_cause(
        j, "different parameters: %" PRId64 " of %" PRId64 " tensors were changed after training, the first is %.100s",
        n.differing, n.tensors, n.first);
  if (n.formats) sb_cause(j, "configuration: a layer that training quantized is left in float (%.200s)", c->note);
  return SB_OK;
}

/* ---- 4: the weight rebuilt ---- */

typedef struct orders {
  int64_t elements, first, last, between; /* different from that of `eval`: merged first, merged last; of each other */
} orders;

/* The weights that both orders and `eval` compute with. */
static sb_status rebuild(const job *j, const sb_model_layer *a, const sb_model_layer *b, orders *o) {
  const sb_lora_layer *adapter = sb_lora_find(&j->adapter, a->name);
  const bool quantized = j->row && (b->quantized || !j->models.b.quantized);
  const sb_step step = b->quantized ? SB_CONVERT : SB_PREPARE;
  sb_tensor of_eval = {0}, plain = {0}, x = {0}, slots[3][SB_SLOTS] = {{{0}}};
  int64_t one;
  sb_status status = sb_model_layer_weight(a, j->result->dtype, &plain);
  if (!status) status = sb_merged_weight(j, a, &x);
  if (!status) status = sb_model_layer_weight(b, j->result->dtype, &of_eval);
  if (!status && quantized) status = sb_stored_run(j->row, SB_WEIGHT, step, j->group, &x, slots[0]);
  if (!status && quantized) status = sb_stored_run(j->row, SB_WEIGHT, step, j->group, &plain, slots[1]);
  if (!status && quantized && !b->quantized)
    status = sb_stored_run(j->row, SB_WEIGHT, step, j->group, &of_eval, slots[2]);
  sb_tensor *first = quantized ? &slots[0][SB_OUTPUT] : &x, *last = quantized ? &slots[1][SB_OUTPUT] : &plain;
  const sb_tensor *target = quantized && !b->quantized ? &slots[2][SB_OUTPUT] : &of_eval;
  if (!status && adapter) status = sb_lora_merge(adapter, last);
  if (!status) status = sb_count_differences(first, target, &one, NULL);
  o->elements += a->rows * a->cols;
  o->first += status ? 0 : one;
  if (!status) status = sb_count_differences(last, target, &one, NULL);
  o->last += status ? 0 : one;
  if (!status) status = sb_count_differences(first, last, &one, NULL);
  o->between += status ? 0 : one;
  for (int i = 0; i < 3; i++) sb_slots_free(slots[i]);
  sb_tensor_free(&of_eval);
  sb_tensor_free(&plain);
  sb_tensor_free(&x);
  return status;
}

sb_status sb_check_rebuilt(job *j) {
  sb_equivalence_check *c = &j->result->checks[REBUILT];
  orders o = {0};
  sb_status status = SB_OK;
  bool missing = false;
  for (int i = 0; !status && i < j->models.a.layer_count; i++) {
    const sb_model_layer *a = &j->models.a.layers[i], *b = sb_model_layer_find(&j->models.b, a->name);
    if (!b || a->rows != b->rows || a->cols != b->cols)
      missing = true;
    else
      status = rebuild(j, a, b, &o);
    if (status) status = sb_fail_in(status, "%s", a->name);
  }
  if (status) return status;
  sb_figure(c, "weights", (double)o.elements);
  sb_figure(c, "merge_then_quantize_different", (double)o.first);
  sb_figure(c, "quantize_then_merge_different", (double)o.last);
  sb_figure(c, "orders_differ", (double)o.between);
  sb_judge(c, !missing && (o.first == 0 || o.last == 0));
  if (!j->adapter.count) {
    sb_note(c, "no adapter: both orders are the same");
    return SB_OK;
  }
  sb_note(c, "%d adapted layers, merged in %s", j->adapter.count, sb_format_of(j->adapter.layers[0].format)->name);
  if (o.between && c->state == SB_CHECK_HOLDS)
    sb_note(c, "EVAL was %s", o.first == 0 ? "merged, then quantized" : "quantized, then merged");
  status = j->row ? sb_equivalence_forward(j, j->train, SB_LINEAR_PREPARE, SB_ADAPTER_MERGED_LAST, j->other) : SB_OK;
  if (!status && j->row) {
    const distance last = sb_distance(j, j->other, j->of_eval), beside = sb_distance(j, j->other, j->of_train);
    sb_figure(c, "quantize_then_merge_max_abs", last.max_abs);
    sb_figure(c, "quantize_then_merge_predictions_different", (double)last.flips);
    sb_figure(c, "quantize_then_merge_max_abs_from_training", beside.max_abs);
    status = sb_equivalence_forward(j, j->train, SB_LINEAR_PREPARE, SB_ADAPTER_MERGED_FIRST, j->other);
  }
  if (!status && j->row) {
    const distance first = sb_distance(j, j->other, j->of_eval);
    sb_figure(c, "merge_then_quantize_max_abs", first.max_abs);
    sb_figure(c, "merge_then_quantize_predictions_different", (double)first.flips);
  }
  if (!status && !o.between && c->state == SB_CHECK_HOLDS && j->result->checks[LOGITS].state == SB_CHECK_FAILS)
    sb_cause(j,
             "merge order: training ran the adapter beside the weight, EVAL has it merged: the sums round differently");
  if (!status && o.between && (c->state == SB_CHECK_FAILS || j->result->checks[LOGITS].state == SB_CHECK_FAILS))
    sb_cause(j,
             "merge order: %" PRId64 " of %" PRId64 " weights depend on whether the adapter is merged before or after "
             "quantizing%s",
             o.between, o.elements,
             o.first == 0  ? "; EVAL was merged first, training ran the adapter beside the quantized weight"
             : o.last == 0 ? "; EVAL was quantized first"
                           : "; EVAL is of neither order");
  return status;
}
