/* Captured runs of two models: activations of every module, and logits. */
#include "conformance/models/compare.h"
#include "conformance/models/quantize.h"
#include "samebits/compare.h"
#include "samebits/safetensors.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct pair {
  sb_safetensors *a, *b;
} pair;

static sb_status open_pair(const char *a, const char *b, pair *p) {
  *p = (pair){0};
  const sb_status status = sb_safetensors_open(a, &p->a);
  return status ? status : sb_safetensors_open(b, &p->b);
}

static void close_pair(pair *p) {
  sb_safetensors_close(p->a);
  sb_safetensors_close(p->b);
}

static sb_status find(const sb_safetensors *file, const char *name, const sb_tensor **tensor) {
  *tensor = sb_safetensors_find(file, name);
  if (*tensor && sb_format_of((*tensor)->format)->is_float && sb_tensor_count(*tensor) > 0) return SB_OK;
  return sb_fail(SB_FILE, "%s: no floating-point tensor \"%.200s\"", sb_safetensors_path(file), name);
}

typedef struct sums {
  const sb_tensor *a, *b;
  double max_abs, total;
} sums;

static bool add(void *context, int64_t index) {
  sums *s = context;
  const double distance = fabs(sb_load(s->a->format, s->a->data, index) - sb_load(s->b->format, s->b->data, index));
  if (distance > s->max_abs || isnan(distance)) s->max_abs = distance;
  s->total += distance;
  return true;
}

static sb_status compare(const pair *p, const char *name, sb_comparison *c, sums *s) {
  sb_status status = find(p->a, name, &s->a);
  if (!status) status = find(p->b, name, &s->b);
  if (!status) status = sb_compare(s->a, s->b, c, add, s);
  return status ? sb_fail_in(status, "%s", name) : SB_OK;
}

/* ---- activations ---- */

/* Whether both steps of the recipe make the same of this input. */
static sb_status same_operand(const sb_tensor *input, const char *recipe, bool *same) {
  *same = true;
  const sb_stored *row;
  sb_status status = sb_stored_find(recipe, &row);
  sb_spec spec;
  if (status || sb_stored_spec(row, SB_ACTIVATION, SB_PREPARE, input->format, 0, &spec))
    return status; /* no such side */
  sb_tensor x = *input, prepared[SB_SLOTS], converted[SB_SLOTS];
  x.rank = 2;
  x.dims[1] = input->dims[input->rank - 1];
  x.dims[0] = sb_tensor_count(input) / x.dims[1];
  memset(converted, 0, sizeof converted);
  status = sb_stored_run(row, SB_ACTIVATION, SB_PREPARE, 0, &x, prepared);
  if (!status) status = sb_stored_run(row, SB_ACTIVATION, SB_CONVERT, 0, &x, converted);
  int64_t different = 0;
  if (!status) status = sb_count_differences(&prepared[SB_OUTPUT], &converted[SB_OUTPUT], &different, NULL);
  *same = different == 0;
  sb_slots_free(prepared);
  sb_slots_free(converted);
  return status;
}

static sb_status look_at_first(const pair *p, const char *module, const sb_model_comparison *models, int64_t different,
                               int64_t elements, bool input_equal, sb_first_difference *first) {
  if (asprintf(&first->tensor, "%s.output", module) < 0) return sb_fail(SB_NO_MEMORY, "no memory");
  first->different = different;
  first->elements = elements;
  first->operands_equal = input_equal;
  for (int i = 0; models && i < models->weight_count; i++)
    if (strcmp(models->weights[i].name, module) == 0 && models->weights[i].output != 0) first->operands_equal = false;
  const char *recipe = !models ? NULL : models->b.recipe ? models->b.recipe : models->a.recipe;
  if (!recipe || !first->operands_equal) return SB_OK;
  char name[512];
  const sb_tensor *input;
  snprintf(name, sizeof name, "%s.input", module);
  const sb_status status = find(p->a, name, &input);
  return status ? status : same_operand(input, recipe, &first->operands_equal);
}

sb_status sb_activations_compare(const char *file_a, const char *file_b, const sb_model_comparison *models,
                                 sb_activations_comparison *r) {
  pair p;
  *r = (sb_activations_comparison){0};
  sb_status status = open_pair(file_a, file_b, &p);
  const char *listed = status ? NULL : sb_safetensors_metadata(p.a, "order");
  if (!status && !listed) status = sb_fail(SB_FILE, "%s: no metadata \"order\" of its modules", file_a);
  char *order = listed ? strdup(listed) : NULL, *rest = NULL;
  double total = 0, elements = 0;
  for (char *module = order ? strtok_r(order, " ", &rest) : NULL; !status && module;
       module = strtok_r(NULL, " ", &rest)) {
    char name[512];
    sb_comparison input, output;
    sums in = {0}, out = {0};
    snprintf(name, sizeof name, "%s.input", module);
    status = compare(&p, name, &input, &in);
    snprintf(name, sizeof name, "%s.output", module);
    if (!status) status = compare(&p, name, &output, &out);
    if (status) break;
    r->modules++;
    r->max_abs = out.max_abs > r->max_abs || isnan(out.max_abs) ? out.max_abs : r->max_abs;
    total += out.total;
    elements += (double)output.elements;
    if (!output.different) continue;
    if (r->differing++ == 0)
      status = look_at_first(&p, module, models, output.different, output.elements, input.different == 0, &r->first);
  }
  if (!status && r->modules == 0) status = sb_fail(SB_FILE, "%s: its metadata \"order\" names no module", file_a);
  r->mean_abs = elements > 0 ? total / elements : 0;
  free(order);
  close_pair(&p);
  return status;
}

/* ---- logits ---- */

static sb_status split(const char *text, char path[4096], const char **tensor) {
  const char *hash = strrchr(text, '#');
  if (!hash || hash == text || !hash[1] || hash - text >= 4096)
    return sb_fail(SB_USAGE, "'%.200s' is not FILE#TENSOR", text);
  snprintf(path, 4096, "%.*s", (int)(hash - text), text);
  *tensor = hash + 1;
  return SB_OK;
}

/* The index of the row's largest value; the first of equal ones. */
static int64_t prediction(const sb_tensor *t, int64_t row, int64_t vocabulary) {
  int64_t best = 0;
  for (int64_t i = 1; i < vocabulary; i++)
    if (sb_load(t->format, t->data, row * vocabulary + i) > sb_load(t->format, t->data, row * vocabulary + best))
      best = i;
  return best;
}

sb_status sb_logits_compare(const char *a, const char *b, sb_logits_comparison *r) {
  char path_a[4096], path_b[4096];
  const char *name_a = "", *name_b = "";
  const sb_tensor *x = NULL, *y = NULL;
  *r = (sb_logits_comparison){0};
  sb_status status = split(a, path_a, &name_a);
  if (!status) status = split(b, path_b, &name_b);
  if (status) return status;
  pair p;
  sb_comparison c = {0};
  sums s = {0};
  status = open_pair(path_a, path_b, &p);
  if (!status) status = find(p.a, name_a, &x);
  if (!status) status = find(p.b, name_b, &y);
  s.a = x;
  s.b = y;
  if (!status) status = sb_compare(x, y, &c, add, &s);
  if (!status) {
    const int64_t vocabulary = x->rank ? x->dims[x->rank - 1] : 1;
    *r = (sb_logits_comparison){.elements = c.elements,
                                .different = c.different,
                                .predictions = c.elements / vocabulary,
                                .max_abs = s.max_abs,
                                .mean_abs = s.total / (double)c.elements};
    for (int64_t row = 0; row < r->predictions; row++)
      r->predictions_differ += prediction(x, row, vocabulary) != prediction(y, row, vocabulary);
  }
  close_pair(&p);
  return status;
}
