/* What a model is: its Linear layers, the recipe by configuration and by tensors, and what a loader would not tell. */
#include "conformance/models/layer.h"

#include <ctype.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

const char *const sb_model_source_names[4] = {"none", "config", "tensors", "both"};

static void warn(sb_model_report *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void warn(sb_model_report *r, const char *format, ...) {
  char **list = reallocarray(r->warnings, (size_t)r->warning_count + 1, sizeof(char *));
  if (!list) return;
  r->warnings = list;
  va_list arguments;
  va_start(arguments, format);
  if (vasprintf(&list[r->warning_count], format, arguments) >= 0) r->warning_count++;
  va_end(arguments);
}

/* ---- which tensors are weights of Linear layers, and in which order they run ---- */

static const char *const order[] = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"};

static bool is_linear(const sb_model_tensor *t) {
  static const char *const others[] = {"embed", "wte.", "wpe.", "norm", "conv"};
  const size_t length = strlen(t->name);
  if (length < 8 || strcmp(t->name + length - 7, ".weight") != 0) return false;
  for (size_t i = 0; i < sizeof others / sizeof *others; i++)
    if (strstr(t->name, others[i])) return false;
  const sb_tensor *plain = sb_model_plain(t);
  return !plain || plain->rank == 2;
}

/* The number of the block a module is in: "model.layers.12.mlp.up_proj" -> 12; INT_MAX: none. */
static long block_of(const char *name) {
  for (const char *at = name; (at = strchr(at, '.')); at++)
    if (isdigit((unsigned char)at[1])) return strtol(at + 1, NULL, 10);
  return INT_MAX;
}

static int place_of(const char *name) {
  const char *dot = strrchr(name, '.');
  int place = 0;
  while (place < (int)(sizeof order / sizeof *order) && strcmp(order[place], dot ? dot + 1 : name) != 0) place++;
  return place;
}

static int compare_layers(const void *a, const void *b) {
  const char *x = ((const sb_model_layer *)a)->name, *y = ((const sb_model_layer *)b)->name;
  const long block = block_of(x) < block_of(y) ? -1 : block_of(x) > block_of(y);
  if (block) return (int)block;
  return place_of(x) != place_of(y) ? place_of(x) - place_of(y) : strcmp(x, y);
}

/* ---- the tensors' tier ---- */

typedef struct tiers {
  const sb_stored *config, *tensors;
  int64_t config_group, tensors_group;
  bool groups_differ;
} tiers;

static sb_status add_layer(const sb_model *m, sb_model_report *r, const sb_model_tensor *t, const char *name,
                           size_t length, tiers *found) {
  sb_model_layer *l = &r->layers[r->layer_count];
  *l = (sb_model_layer){.name = strndup(name, length)};
  if (!l->name) return sb_fail(SB_NO_MEMORY, "%s: no memory", m->path);
  r->layer_count++;
  const sb_stored *row;
  const sb_status status = sb_layer_read(m, t, l, &row);
  if (status) return sb_fail_in(status, "%s", m->path);
  if (!row) return SB_OK;
  r->quantized++;
  const int64_t group = row->group_size ? l->group_size : 0;
  l->group_size = group;
  if (found->tensors && strcmp(found->tensors->recipe, row->recipe) != 0)
    return sb_fail(SB_USAGE, "%s: its tensors hold two recipes, %s and (in %.200s) %s; one model has one", m->path,
                   found->tensors->recipe, t->name, row->recipe);
  if (found->tensors && found->tensors_group != group) found->groups_differ = true;
  if (!found->tensors) found->tensors_group = group;
  found->tensors = row;
  return SB_OK;
}

static bool is_tied(const sb_model *m, const sb_model_tensor **embedding) {
  *embedding = sb_model_find(m, "model.embed_tokens.weight");
  return json_is_true(json_object_get(m->config, "tie_word_embeddings")) && *embedding && sb_model_plain(*embedding) &&
         !sb_model_find(m, "lm_head.weight");
}

static sb_status find_layers(const sb_model *m, sb_model_report *r, tiers *found) {
  r->layers = calloc((size_t)m->tensor_count + 1, sizeof *r->layers);
  if (!r->layers) return sb_fail(SB_NO_MEMORY, "%s: no memory", m->path);
  sb_status status = SB_OK;
  for (int i = 0; !status && i < m->tensor_count; i++) {
    const sb_model_tensor *t = sb_model_at(m, i);
    if (is_linear(t))
      status = add_layer(m, r, t, t->name, strlen(t->name) - 7, found);
    else if (t->attributes)
      warn(r, "%s is a %s, though no Linear layer: it is not looked into", t->name, t->type);
  }
  const sb_model_tensor *embedding;
  if (!status && r->layer_count && is_tied(m, &embedding)) {
    status = add_layer(m, r, embedding, "lm_head", 7, found);
    r->layers[r->layer_count - 1].tied = true;
    warn(r, "lm_head is tied to model.embed_tokens and has no tensor of its own");
  }
  if (!status && r->layer_count == 0)
    status =
        sb_fail(SB_FILE, "%s: no weight of a Linear layer among its %d tensors: not a model", m->path, m->tensor_count);
  qsort(r->layers, (size_t)r->layer_count, sizeof *r->layers, compare_layers);
  return status;
}

/* ---- warnings ---- */

static bool listed(const json_t *names, const char *name) {
  size_t i;
  json_t *value;
  json_array_foreach((json_t *)(uintptr_t)names, i,
                     value) if (json_string_value(value) && strcmp(json_string_value(value), name) == 0) return true;
  return false;
}

static void warn_unquantized(const sb_model *m, sb_model_report *r) {
  const json_t *left = json_object_get(json_object_get(m->config, "quantization_config"), "modules_to_not_convert");
  for (int i = 0; i < r->layer_count; i++) {
    const sb_model_layer *l = &r->layers[i];
    if (l->quantized == listed(left, l->name) && l->quantized)
      warn(r, "%s is quantized, though modules_to_not_convert lists it", l->name);
    if (!l->quantized && !listed(left, l->name))
      warn(r, "%s is left in float (%s) silently: no configuration says so", l->name, sb_format_of(l->format)->name);
  }
}

static void warn_tiers(const sb_model *m, sb_model_report *r, const tiers *t) {
  if (t->config && !t->tensors)
    warn(r, "the configuration says %s, but no Linear layer is quantized", t->config->recipe);
  if (t->config && t->tensors && strcmp(t->config->recipe, t->tensors->recipe) != 0)
    warn(r, "the tiers disagree: the configuration says %s, the tensors are %s", t->config->recipe, t->tensors->recipe);
  else if (t->config && t->tensors && t->config_group != t->tensors_group)
    warn(r, "the tiers disagree: the configuration says group size %" PRId64 ", the tensors have %" PRId64,
         t->config_group, t->tensors_group);
  if (t->groups_differ)
    warn(r, "layers have different group sizes; %" PRId64 " is that of the first", t->tensors_group);
  if (!m->config) warn(r, "no config.json beside it: only the tensors tell what it is");
  if (m->flattened && !t->config)
    warn(r,
         "flattened safetensors without a quantization_config: from_pretrained loads freshly initialised weights in "
         "place of the %d quantized ones",
         r->quantized);
  if (t->tensors && strcmp(t->tensors->type, "8da4w") == 0)
    warn(r, "plain tensors (weight, scales, zeros): nothing but their names tells the recipe");
  else if (t->tensors && t->tensors->flavor == SB_TORCHAO_0_11_CPU)
    warn(r, "written by torchao 0.11 (AffineQuantizedTensor): torchao 0.18 has no such classes and cannot load it");
  if (m->explicit_file) {
    warn(r, "an explicit file overrides detection: %s is read, whatever its folder's configuration or index names",
         m->weights_name);
  }
}

sb_status sb_model_inspect(const sb_model *m, sb_model_report *r) {
  *r = (sb_model_report){.shards = m->shard_count};
  tiers t = {0};
  char label[PATH_MAX];
  snprintf(label, sizeof label, "%.2000s/config.json", m->folder);
  sb_status status = sb_stored_of_config(label, m->config, &t.config, &t.config_group);
  if (!status) status = find_layers(m, r, &t);
  if (status) {
    sb_model_report_free(r);
    return status;
  }
  const sb_stored *row = t.tensors ? t.tensors : t.config;
  r->recipe = row ? row->recipe : NULL;
  r->group_size = t.tensors ? t.tensors_group : t.config ? t.config_group : 0;
  r->source = t.config && t.tensors ? SB_FROM_BOTH
              : t.config            ? SB_FROM_CONFIG
              : t.tensors           ? SB_FROM_TENSORS
                                    : SB_FROM_NOTHING;
  warn_tiers(m, r, &t);
  if (t.tensors) warn_unquantized(m, r);
  for (int i = 0; i < m->note_count; i++) warn(r, "%s", m->notes[i]);
  return SB_OK;
}

const sb_model_layer *sb_model_layer_find(const sb_model_report *report, const char *name) {
  for (int i = 0; i < report->layer_count; i++)
    if (strcmp(report->layers[i].name, name) == 0) return &report->layers[i];
  return NULL;
}

void sb_model_report_free(sb_model_report *r) {
  for (int i = 0; i < r->layer_count; i++) free(r->layers[i].name);
  for (int i = 0; i < r->warning_count; i++) free(r->warnings[i]);
  free(r->layers);
  free(r->warnings);
  *r = (sb_model_report){0};
}
