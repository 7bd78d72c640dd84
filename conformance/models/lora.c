#include "conformance/models/lora.h"
#include "conformance/models/config.h"
#include "conformance/models/llama.h"
#include "samebits/safetensors.h"

#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- reading ---- */

/* What would make the adapter something else than B A beside a Linear. */
static sb_status check_config(const char *path, const json_t *config) {
  static const char *const off[] = {"use_dora", "lora_bias", "fan_in_fan_out", "use_qalora"};
  const json_t *saved = json_object_get(config, "modules_to_save");
  const char *type = json_string_value(json_object_get(config, "peft_type")),
             *bias = json_string_value(json_object_get(config, "bias"));
  if (type && strcmp(type, "LORA") != 0)
    return sb_fail(SB_UNSUPPORTED, "%s: peft_type is \"%.60s\", not LORA", path, type);
  for (size_t i = 0; i < sizeof off / sizeof *off; i++)
    if (json_is_true(json_object_get(config, off[i])))
      return sb_fail(SB_UNSUPPORTED, "%s: %s is not implemented", path, off[i]);
  if (bias && strcmp(bias, "none") != 0) return sb_fail(SB_UNSUPPORTED, "%s: biases are not implemented", path);
  if (json_is_array(saved) && json_array_size(saved))
    return sb_fail(SB_UNSUPPORTED, "%s: modules_to_save is not implemented", path);
  return SB_OK;
}

/* The number of a pattern whose key ends the module's name, else the one of all modules. */
static double number_of(const json_t *config, const char *pattern, const char *key, const char *module) {
  const char *name;
  json_t *value;
  json_object_foreach(json_object_get(config, pattern), name, value) {
    const size_t length = strlen(name), all = strlen(module);
    if (all >= length && strcmp(module + all - length, name) == 0 && (all == length || module[all - length - 1] == '.'))
      return json_number_value(value);
  }
  return json_number_value(json_object_get(config, key));
}

static float *floats_of(const sb_tensor *t) {
  const int64_t count = sb_tensor_count(t);
  float *values = malloc(((size_t)count + 1) * sizeof *values);
  for (int64_t i = 0; values && i < count; i++) values[i] = (float)sb_load(t->format, t->data, i);
  return values;
}

static sb_status add_layer(sb_lora *lora, const json_t *config, const char *path, const char *module,
                           const sb_tensor *a, const sb_tensor *b) {
  if (!b || a->rank != 2 || b->rank != 2 || a->dims[0] != b->dims[1] || a->format != b->format ||
      !sb_format_of(a->format)->is_float || a->dims[0] < 1)
    return sb_fail(SB_FILE, "%s: lora_A and lora_B of \"%.200s\" are not [r, K] and [N, r] of one float format", path,
                   module);
  const double alpha = number_of(config, "alpha_pattern", "lora_alpha", module), r = (double)a->dims[0],
               told = number_of(config, "rank_pattern", "r", module);
  if (!(alpha > 0) || told != r)
    return sb_fail(SB_FILE, "%s: \"%.200s\" has rank %" PRId64 "; adapter_config.json says rank %g, lora_alpha %g",
                   path, module, a->dims[0], told, alpha);
  sb_lora_layer *l = &lora->layers[lora->count];
  *l = (sb_lora_layer){.name = strdup(module),
                       .n = b->dims[0],
                       .k = a->dims[1],
                       .r = a->dims[0],
                       .format = a->format,
                       .a = floats_of(a),
                       .b = floats_of(b),
                       .scaling = (float)(alpha / (json_is_true(json_object_get(config, "use_rslora")) ? sqrt(r) : r))};
  lora->count++;
  return l->name && l->a && l->b ? SB_OK : sb_fail(SB_NO_MEMORY, "%s: no memory", path);
}

/* "base_model.model.MODULE.lora_A.weight" or "...lora_A.default.weight" */
static bool split(const char *name, const char *which, char module[512]) {
  static const char prefix[] = "base_model.model.";
  if (strncmp(name, prefix, sizeof prefix - 1) != 0) return false;
  const char *at = strstr(name, which);
  if (!at || (strcmp(at + strlen(which), ".weight") != 0 && strcmp(at + strlen(which), ".default.weight") != 0))
    return false;
  return snprintf(module, 512, "%.*s", (int)(at - name) - (int)sizeof prefix + 1, name + sizeof prefix - 1) < 512;
}

static sb_status read_layers(sb_lora *lora, const json_t *config, const char *path, const sb_safetensors *file) {
  const int count = sb_safetensors_count(file);
  lora->layers = calloc((size_t)count + 1, sizeof *lora->layers);
  if (!lora->layers) return sb_fail(SB_NO_MEMORY, "%s: no memory", path);
  sb_status status = SB_OK;
  for (int i = 0; !status && i < count; i++) {
    const char *name = sb_safetensors_name(file, i);
    char module[512], other[1024];
    if (split(name, ".lora_B", module)) continue;
    if (!split(name, ".lora_A", module))
      return sb_fail(SB_UNSUPPORTED, "%s: the tensor \"%.200s\" is no lora_A or lora_B of a Linear layer", path, name);
    const char *rest = strstr(name, ".lora_A") + strlen(".lora_A");
    snprintf(other, sizeof other, "base_model.model.%s.lora_B%s", module, rest);
    status = add_layer(lora, config, path, module, sb_safetensors_find(file, name), sb_safetensors_find(file, other));
  }
  if (!status && lora->count == 0) status = sb_fail(SB_FILE, "%s: no lora_A in it", path);
  return status;
}

sb_status sb_lora_open(const char *folder, sb_lora *lora) {
  char path[PATH_MAX];
  json_t *config = NULL;
  sb_safetensors *file = NULL;
  *lora = (sb_lora){0};
  snprintf(path, sizeof path, "%.4000s/adapter_config.json", folder);
  sb_status status = sb_json_read(path, &config);
  if (!status) status = check_config(path, config);
  snprintf(path, sizeof path, "%.4000s/adapter_model.safetensors", folder);
  if (!status) status = sb_safetensors_open(path, &file);
  if (!status) status = read_layers(lora, config, path, file);
  sb_safetensors_close(file);
  json_decref(config);
  if (status) sb_lora_free(lora);
  return status;
}

void sb_lora_free(sb_lora *lora) {
  for (int i = 0; i < lora->count; i++) {
    free(lora->layers[i].name);
    free(lora->layers[i].a);
    free(lora->layers[i].b);
  }
  free(lora->layers);
  *lora = (sb_lora){0};
}

const sb_lora_layer *sb_lora_find(const sb_lora *lora, const char *module) {
  for (int i = 0; lora && i < lora->count; i++)
    if (strcmp(lora->layers[i].name, module) == 0) return &lora->layers[i];
  return NULL;
}

/* ---- computing ---- */

static void round_all(sb_format format, float *values, int64_t count) {
  uint32_t room;
  for (int64_t i = 0; format != SB_F32 && i < count; i++) {
    sb_store(format, &room, 0, (double)values[i]);
    values[i] = (float)sb_load(format, &room, 0);
  }
}

/* y [rows, n] = x [rows, k] w^T, w [n, k] */
static sb_status multiply(sb_format T, const float *x, int64_t rows, int64_t k, const float *w, int64_t n, float *y) {
  float *panels = malloc(((size_t)sb_panels_size(n, k) + 1) * sizeof *panels);
  if (!panels) return sb_fail(SB_NO_MEMORY, "no memory for an adapter");
  sb_panels_fill(w, n, k, panels);
  sb_multiply(T, x, rows, k, panels, n, y);
  free(panels);
  return SB_OK;
}

sb_status sb_lora_merge(const sb_lora_layer *l, sb_tensor *weight) {
  if (weight->dims[0] != l->n || weight->dims[1] != l->k)
    return sb_fail(SB_FILE, "the adapter of %s is of [%" PRId64 ", %" PRId64 "], its weight is not", l->name, l->n,
                   l->k);
  float *turned = malloc(((size_t)(l->k * l->r) + 1) * sizeof *turned),
        *delta = malloc(((size_t)(l->n * l->k) + 1) * sizeof *delta);
  sb_status status = turned && delta ? SB_OK : sb_fail(SB_NO_MEMORY, "no memory for an adapter");
  for (int64_t i = 0; !status && i < l->k * l->r; i++) turned[i] = l->a[i % l->r * l->k + i / l->r];
  if (!status) status = multiply(SB_F32, l->b, l->n, l->r, turned, l->k, delta);         /* 1: sums in f32 */
  for (int64_t i = 0; !status && i < l->n * l->k; i++) delta[i] = delta[i] * l->scaling; /* 2 */
  if (!status) round_all(l->format, delta, l->n * l->k);                                 /* 3 */
  for (int64_t i = 0; !status && i < l->n * l->k; i++)                                   /* 4: in f32, then to T */
    sb_store(weight->format, weight->data, i, (double)((float)sb_load(weight->format, weight->data, i) + delta[i]));
  free(turned);
  free(delta);
  return status;
}

sb_status sb_lora_beside(const sb_lora_layer *l, sb_format T, const float *x, int64_t rows, float *y) {
  float *in = malloc(((size_t)(rows * l->k) + 1) * sizeof *in),
        *low = malloc(((size_t)(rows * l->r) + 1) * sizeof *low),
        *high = malloc(((size_t)(rows * l->n) + 1) * sizeof *high);
  sb_status status = in && low && high ? SB_OK : sb_fail(SB_NO_MEMORY, "no memory for an adapter");
  if (!status) {
    memcpy(in, x, (size_t)(rows * l->k) * sizeof *in);
    round_all(l->format, in, rows * l->k); /* 1 */
    status = multiply(l->format, in, rows, l->k, l->a, l->r, low);
  }
  if (!status) {
    round_all(l->format, low, rows * l->r); /* 2 */
    status = multiply(l->format, low, rows, l->r, l->b, l->n, high);
  }
  if (!status) {
    round_all(l->format, high, rows * l->n); /* 3 */
    for (int64_t i = 0; i < rows * l->n; i++) high[i] = high[i] * l->scaling;
    round_all(l->format, high, rows * l->n); /* 4 */
    for (int64_t i = 0; i < rows * l->n; i++) y[i] = y[i] + high[i];
    round_all(T, y, rows * l->n); /* 5 */
  }
  free(in);
  free(low);
  free(high);
  return status;
}
