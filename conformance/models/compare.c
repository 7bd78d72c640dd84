/* Two models: configurations field by field, plain parameters bit by bit. */
#include "conformance/models/compare.h"
#include "conformance/models/parts.h"
#include "samebits/compare.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- configurations ---- */

/* What converting a master changes, and what names a file rather than a model. */
static bool is_expected(const char *field) {
  static const char *const fields[] = {"quantization_config", "dtype", "torch_dtype", "transformers_version",
                                       "_name_or_path"};
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
    if (strncmp(field, fields[i], strlen(fields[i])) == 0) return true;
  return false;
}

static char *text_of(const json_t *value) {
  return value ? json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_SORT_KEYS) : NULL;
}

static sb_status add_field(sb_model_comparison *r, const char *field, const json_t *a, const json_t *b) {
  sb_field_difference *fields = reallocarray(r->fields, (size_t)r->field_count + 1, sizeof *fields);
  if (!fields) return sb_fail(SB_NO_MEMORY, "no memory for a comparison");
  r->fields = fields;
  fields[r->field_count++] = (sb_field_difference){strdup(field), text_of(a), text_of(b), is_expected(field)};
  return SB_OK;
}

static sb_status compare_values(sb_model_comparison *r, const char *path, const json_t *a, const json_t *b, int depth);

static sb_status compare_field(sb_model_comparison *r, const char *path, const char *key, const json_t *a,
                               const json_t *b, int depth) {
  char field[512];
  snprintf(field, sizeof field, "%s%s%.200s", path, *path ? "." : "", key);
  return compare_values(r, field, a, b, depth);
}

static sb_status compare_values(sb_model_comparison *r, const char *path, const json_t *a, const json_t *b, int depth) {
  const char *key;
  json_t *value;
  if (a && b && json_equal(a, b)) return SB_OK;
  if (!json_is_object(a) || !json_is_object(b) || depth == 8) return add_field(r, path, a, b);
  sb_status status = SB_OK;
  json_object_foreach((json_t *)(uintptr_t)a, key, value) {
    if (!status) status = compare_field(r, path, key, value, json_object_get(b, key), depth + 1);
  }
  json_object_foreach((json_t *)(uintptr_t)b, key, value) {
    if (!status && !json_object_get(a, key)) status = compare_field(r, path, key, NULL, value, depth + 1);
  }
  return status;
}

static sb_status compare_configs(const sb_model *a, const sb_model *b, sb_model_comparison *r) {
  if (!a->config && !b->config) return SB_OK;
  if (!a->config || !b->config)
    return add_field(r, "config.json", a->config ? json_true() : NULL, b->config ? json_true() : NULL);
  return compare_values(r, "", a->config, b->config, 0);
}

/* ---- parameters ---- */

typedef struct extremes {
  const sb_tensor *a, *b;
  double max_abs;
} extremes;

static bool note_extreme(void *context, int64_t index) {
  extremes *e = context;
  const double distance = fabs(sb_load(e->a->format, e->a->data, index) - sb_load(e->b->format, e->b->data, index));
  if (distance > e->max_abs || isnan(distance)) e->max_abs = distance;
  return true;
}

sb_status sb_count_differences(const sb_tensor *a, const sb_tensor *b, int64_t *different, double *max_abs) {
  sb_comparison c;
  extremes e = {a, b, 0};
  const sb_status status = sb_compare(a, b, &c, note_extreme, &e);
  if (status) return status;
  *different = c.different;
  if (max_abs) *max_abs = e.max_abs;
  return SB_OK;
}

static bool same_shape(const sb_tensor *a, const sb_tensor *b) {
  bool same = a->rank == b->rank;
  for (int d = 0; same && d < a->rank; d++) same = a->dims[d] == b->dims[d];
  return same;
}

/* A float master is loaded in the artifact's format before anything is computed: so its parameters are compared. */
static sb_status compare_plain(const sb_tensor *a, const sb_tensor *b, bool cast, sb_parameter *p) {
  p->elements = sb_tensor_count(a);
  if (!same_shape(a, b)) {
    p->different = p->elements;
    p->note = "shapes differ";
    return SB_OK;
  }
  if (!cast || a->format == b->format) {
    if (a->format != b->format) p->note = "formats differ";
    return sb_count_differences(a, b, &p->different, &p->max_abs);
  }
  sb_tensor narrowed;
  sb_status status = sb_tensor_cast(a, b->format, &narrowed);
  if (status) return status;
  p->note = "a cast to the format of b";
  status = sb_count_differences(&narrowed, b, &p->different, &p->max_abs);
  sb_tensor_free(&narrowed);
  return status;
}

static int64_t elements_of(const sb_model_tensor *t) {
  return t->part_count ? sb_tensor_count(&t->parts[0].tensor) : 0;
}

/* Whether comparing Linear layers looks at it. */
static bool is_weight(const sb_model_comparison *r, const char *name) {
  for (int i = 0; i < r->weight_count; i++) {
    const size_t length = strlen(r->weights[i].name);
    if (strncmp(name, r->weights[i].name, length) == 0 && name[length] == '.') return true;
  }
  return false;
}

static sb_status compare_parameters(const sb_model *a, const sb_model *b, sb_model_comparison *r) {
  r->parameters = calloc((size_t)a->tensor_count + (size_t)b->tensor_count + 1, sizeof *r->parameters);
  if (!r->parameters) return sb_fail(SB_NO_MEMORY, "no memory for a comparison");
  const bool cast = !r->a.quantized && r->b.quantized;
  for (int i = 0; i < a->tensor_count; i++) {
    const sb_model_tensor *x = sb_model_at(a, i), *y = sb_model_find(b, x->name);
    if (is_weight(r, x->name)) continue;
    sb_parameter *p = &r->parameters[r->parameter_count++];
    *p = (sb_parameter){.name = x->name, .note = ""};
    sb_status status = SB_OK;
    if (y && sb_model_plain(x) && sb_model_plain(y))
      status = compare_plain(sb_model_plain(x), sb_model_plain(y), cast, p);
    else {
      p->elements = p->different = elements_of(x);
      p->note = y ? "a subclass on one side" : "only in a";
    }
    if (status) return sb_fail_in(status, "%s", x->name);
  }
  for (int i = 0; i < b->tensor_count; i++) {
    const sb_model_tensor *y = sb_model_at(b, i);
    if (sb_model_find(a, y->name) || is_weight(r, y->name)) continue;
    const int64_t count = elements_of(y);
    r->parameters[r->parameter_count++] =
        (sb_parameter){.name = y->name, .elements = count, .different = count, .note = "only in b"};
  }
  return SB_OK;
}

/* ---- the whole ---- */

static void judge(sb_model_comparison *r) {
  r->exact = r->parameter_count + r->weight_count > 0;
  const bool converted = !r->a.quantized && r->b.quantized;
  for (int i = 0; i < r->field_count; i++)
    if (!r->fields[i].expected || (!converted && strncmp(r->fields[i].field, "dtype", 5) == 0)) r->exact = false;
  for (int i = 0; i < r->parameter_count; i++)
    if (r->parameters[i].different) r->exact = false;
  for (int i = 0; i < r->weight_count; i++) {
    const sb_weight_difference *w = &r->weights[i];
    if (w->scale > 0 || w->zero_point > 0 || w->codes > 0 || w->output != 0) r->exact = false;
    if (w->output <= 0 || r->first.tensor) continue;
    if (asprintf(&r->first.tensor, "%s.weight", w->name) < 0) r->first.tensor = NULL;
    r->first.different = w->output;
    r->first.elements = w->elements;
    r->first.operands_equal = w->scale == 0 && w->codes == 0 && w->zero_point <= 0;
  }
  for (int i = 0; i < r->parameter_count && !r->first.tensor; i++) {
    const sb_parameter *p = &r->parameters[i];
    if (!p->different) continue;
    r->first = (sb_first_difference){strdup(p->name), p->different, p->elements, false};
  }
}

sb_status sb_model_compare(const sb_model *a, const sb_model *b, sb_model_comparison *r) {
  *r = (sb_model_comparison){0};
  sb_status status = sb_model_inspect(a, &r->a);
  if (!status) status = sb_model_inspect(b, &r->b);
  if (!status) status = compare_configs(a, b, r);
  if (!status) status = sb_compare_weights(r);
  if (!status) status = compare_parameters(a, b, r);
  if (status)
    sb_model_comparison_free(r);
  else
    judge(r);
  return status;
}

void sb_model_comparison_free(sb_model_comparison *r) {
  for (int i = 0; i < r->field_count; i++) {
    free(r->fields[i].field);
    free(r->fields[i].a);
    free(r->fields[i].b);
  }
  free(r->fields);
  free(r->parameters);
  free(r->weights);
  free(r->first.tensor);
  sb_model_report_free(&r->a);
  sb_model_report_free(&r->b);
  *r = (sb_model_comparison){0};
}
