/* What each Linear layer computes with, on both sides: scale, zero point, codes, weight; and which mechanisms make the
 * difference. */
#include "conformance/models/compare.h"
#include "conformance/models/layer.h"
#include "conformance/models/quantize.h"
#include "samebits/compare.h"
#include "samebits/explain.h"

#include <stdio.h>
#include <stdlib.h>

/* One side's tensors, all owned. */
typedef struct side {
  sb_tensor x; /* a float weight, in T; absent: an artifact */
  sb_tensor slots[SB_SLOTS];
} side;

static void side_free(side *s) {
  sb_tensor_free(&s->x);
  sb_slots_free(s->slots);
}

/* The format that a quantized layer dequantizes to. */
static sb_format dtype_of(const sb_model_layer *l) {
  if (!l->quantized || l->format == SB_I4) return l->quantized ? l->scale_format : l->format;
  const char *name = json_string_value(json_object_get(json_object_get(l->weight->attributes, "dtype"), "_data"));
  return name && strcmp(name, "float32") == 0 ? SB_F32 : name && strcmp(name, "float16") == 0 ? SB_F16 : SB_BF16;
}

static sb_status load_artifact(const sb_model_layer *l, sb_format T, side *s) {
  sb_status status = sb_model_layer_load(l, &s->slots[SB_CODES], &s->slots[SB_SCALE], &s->slots[SB_ZERO_POINT]);
  return status ? status : sb_model_layer_weight(l, T, &s->slots[SB_OUTPUT]);
}

/* A float weight: as training sees it, quantized by `row`, or left as it is. */
static sb_status load_master(const sb_model_layer *l, sb_format T, const sb_stored *row, int64_t group, side *s) {
  sb_status status = sb_model_layer_weight(l, T, &s->x);
  if (!status && row) status = sb_stored_run(row, SB_WEIGHT, SB_PREPARE, group, &s->x, s->slots);
  return status;
}

static sb_status count(const side *a, const side *b, sb_slot slot, int64_t *different, double *max_abs) {
  const sb_tensor *x = &a->slots[slot], *y = &b->slots[slot];
  *different = -1;
  if (!x->data || !y->data) return SB_OK;
  return sb_count_differences(x, y, different, max_abs);
}

static void name_mechanism(sb_weight_difference *w, const char *id) {
  for (int i = 0; i < w->mechanism_count; i++)
    if (strcmp(w->mechanisms[i], id) == 0) return;
  if (w->mechanism_count < SB_WEIGHT_MECHANISMS) snprintf(w->mechanisms[w->mechanism_count++], 48, "%s", id);
}

/* ---- a master against its artifact: by the contract of prepare ---- */

/* Layers that wait for an explanation. Those of one row length are explained together, as the rows of one matrix: one
 * search, and a set of mechanisms that gives every bit of all of them. */
enum { MAX_STACK = 1 << 22 }; /* elements */

typedef struct waiting {
  side master, artifact;
  sb_weight_difference *difference;
  bool done;
} waiting;

typedef struct queue {
  const sb_stored *row;
  int64_t group;
  int count, room;
  waiting *layers;
} queue;

static sb_status enqueue(queue *q, side *master, side *artifact, sb_weight_difference *w) {
  if (q->count == q->room) {
    const int room = q->room ? 2 * q->room : 32;
    waiting *layers = reallocarray(q->layers, (size_t)room, sizeof *layers);
    if (!layers) return sb_fail(SB_NO_MEMORY, "no memory for a comparison");
    q->layers = layers;
    q->room = room;
  }
  q->layers[q->count++] = (waiting){*master, *artifact, w, false};
  *master = *artifact = (side){0};
  return SB_OK;
}

/* The artifact's tensors that a rewritten contract must give. */
static bool is_explained(const sb_stored *row, sb_slot slot) {
  return slot == SB_CODES || slot == SB_OUTPUT || slot == SB_SCALE ||
         (slot == SB_ZERO_POINT && strcmp(row->recipe, "int4-weight-only") == 0);
}

/* Rows of `from` below those of `to`; `to` is new where it has no data. */
static sb_status stack(sb_tensor *to, const sb_tensor *from) {
  const int64_t old = to->data ? sb_tensor_bytes(to) : 0, more = sb_tensor_bytes(from);
  sb_tensor joined = *from;
  if (to->data) joined.dims[0] += to->dims[0];
  const sb_status status = sb_tensor_alloc(&joined);
  if (status) return status;
  if (old) memcpy(joined.data, to->data, (size_t)old);
  memcpy((char *)joined.data + old, from->data, (size_t)more);
  sb_tensor_free(to);
  *to = joined;
  return SB_OK;
}

static sb_status search(const queue *q, const sb_tensor *x, const sb_tensor out[SB_SLOTS], sb_explained_set *set) {
  sb_spec spec;
  sb_contract_case at;
  sb_explanation *e = NULL;
  sb_tensor in[SB_SLOTS] = {[SB_X] = *x};
  const sb_explain_options how = {.most = 4, .any_size = 1}; /* convert against prepare: two contracts */
  set->count = 0;
  sb_status status = sb_stored_spec(q->row, SB_WEIGHT, SB_PREPARE, x->format, q->group, &spec);
  if (status) return status;
  sb_contract_case_of(&spec, &at);
  status = sb_explain_tensors(&at, "weights", in, out, &how, &e);
  if (!status && e->verdict == SB_EXPLAINED && e->set_count > 0) *set = e->sets[0];
  if (!status) sb_explanation_free(e);
  return status;
}

/* Explains layer `first` together with the later ones of its row length (alone: by itself). */
static sb_status explain(queue *q, int first, bool alone) {
  sb_tensor x = {0}, out[SB_SLOTS] = {0};
  int taken[4096], count = 0;
  sb_status status = SB_OK;
  for (int i = first; !status && i < q->count && count < 4096 && !(alone && count); i++) {
    const waiting *w = &q->layers[i];
    if (w->done || w->master.x.dims[1] != q->layers[first].master.x.dims[1] ||
        w->master.x.format != q->layers[first].master.x.format)
      continue;
    if (count && sb_tensor_count(&x) + sb_tensor_count(&w->master.x) > MAX_STACK) continue;
    taken[count++] = i;
    status = stack(&x, &w->master.x);
    for (int s = 0; !status && s < SB_SLOTS; s++)
      if (is_explained(q->row, (sb_slot)s)) status = stack(&out[s], &w->artifact.slots[s]);
  }
  sb_explained_set set;
  if (!status) status = search(q, &x, out, &set);
  sb_tensor_free(&x);
  sb_slots_free(out);
  for (int i = 0; !status && i < count; i++) {
    waiting *w = &q->layers[taken[i]];
    if (!set.count && count > 1) {
      status = explain(q, taken[i], true); /* one of them may be of its own kind */
      continue;
    }
    for (int k = 0; k < set.count; k++) name_mechanism(w->difference, set.steps[k].id);
    w->done = true;
  }
  return status;
}

static void queue_free(queue *q) {
  for (int i = 0; i < q->count; i++) {
    side_free(&q->layers[i].master);
    side_free(&q->layers[i].artifact);
  }
  free(q->layers);
}

/* ---- two artifacts: what can be told without the weight ---- */

/* Whether every scale of one side that differs is the other's under the floor eps: s' = max(s, eps). */
static bool is_floor(const sb_tensor *low, const sb_tensor *high, double eps) {
  const int64_t elements = sb_tensor_count(low);
  for (int64_t i = 0; i < elements; i++) {
    const double s = sb_load(low->format, low->data, i), floored = sb_load(high->format, high->data, i);
    if (floored != (s < eps ? eps : s)) return false;
  }
  return true;
}

static void explain_artifacts(const side *a, const side *b, sb_weight_difference *w) {
  const sb_tensor *x = &a->slots[SB_SCALE], *y = &b->slots[SB_SCALE];
  if (w->scale <= 0 || x->format != y->format) return;
  const double eps = sb_format_eps(x->format);
  if (is_floor(x, y, eps) || is_floor(y, x, eps)) name_mechanism(w, "eps-value");
}

/* ---- one layer ---- */

static sb_status compare_layer(const sb_model_layer *la, const sb_model_layer *lb, queue *q, sb_weight_difference *w) {
  side a = {0}, b = {0};
  const sb_format T = lb->quantized ? dtype_of(lb) : la->quantized ? dtype_of(la) : lb->format;
  *w = (sb_weight_difference){.name = la->name, .elements = la->rows * la->cols, .note = ""};
  if (la->rows != lb->rows || la->cols != lb->cols) {
    w->output = w->elements;
    w->note = "shapes differ";
    return SB_OK;
  }
  sb_status status = la->quantized ? load_artifact(la, T, &a) : load_master(la, T, q->row, q->group, &a);
  if (!status)
    status = lb->quantized ? load_artifact(lb, T, &b) : load_master(lb, T, la->quantized ? q->row : NULL, q->group, &b);
  if (!status && !lb->quantized && !la->quantized) {
    b.slots[SB_OUTPUT] = b.x; /* the artifact's layer in float */
    b.x = (sb_tensor){0};
    w->note = "left in float: training quantizes it, the artifact does not";
  }
  w->scales = a.slots[SB_SCALE].data ? sb_tensor_count(&a.slots[SB_SCALE]) : 0;
  if (!status) status = count(&a, &b, SB_SCALE, &w->scale, NULL);
  if (!status) status = count(&a, &b, SB_ZERO_POINT, &w->zero_point, NULL);
  if (!status) status = count(&a, &b, SB_CODES, &w->codes, NULL);
  if (!status) status = count(&a, &b, SB_OUTPUT, &w->output, &w->max_abs);
  const bool differs = w->scale > 0 || w->codes > 0 || w->output != 0 || w->zero_point > 0;
  if (!status && differs) {
    if (la->quantized && lb->quantized)
      explain_artifacts(&a, &b, w);
    else if (lb->quantized)
      status = enqueue(q, &a, &b, w);
    else if (la->quantized)
      status = enqueue(q, &b, &a, w);
  }
  side_free(&a);
  side_free(&b);
  return status;
}

sb_status sb_compare_weights(sb_model_comparison *r) {
  const sb_model_report *quantized = r->b.quantized ? &r->b : &r->a;
  if (!quantized->quantized) return SB_OK; /* two float models: their weights are parameters */
  queue q = {.group = quantized->group_size};
  sb_status status = SB_OK;
  for (int i = 0; !q.row && !status && i < quantized->layer_count; i++)
    status = sb_layer_row(&quantized->layers[i], &q.row);
  if (status) return status;
  r->weights = calloc((size_t)r->a.layer_count + 1, sizeof *r->weights);
  if (!r->weights) return sb_fail(SB_NO_MEMORY, "no memory for a comparison");
  for (int i = 0; !status && i < r->a.layer_count; i++) {
    const sb_model_layer *la = &r->a.layers[i], *lb = sb_model_layer_find(&r->b, la->name);
    if (!lb) continue;                                                                  /* a parameter of one side */
    if (!la->quantized && !lb->quantized && r->a.quantized && r->b.quantized) continue; /* float in both artifacts */
    status = compare_layer(la, lb, &q, &r->weights[r->weight_count++]);
    if (status) status = sb_fail_in(status, "%s", la->name);
  }
  for (int i = 0; !status && i < q.count; i++)
    if (!q.layers[i].done) status = explain(&q, i, false);
  queue_free(&q);
  return status;
}
