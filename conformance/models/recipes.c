#include "conformance/models/recipes.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define DTYPE(name) "{\"_type\":\"torch.dtype\",\"_data\":\"" name "\"}"
#define ENUM(t, v)  "{\"_type\":\"" t "\",\"_data\":\"" v "\"}"
#define PER_ROW     "{\"_type\":\"PerRow\",\"_version\":1,\"_data\":{\"dim\":-1}}"
#define MM_CONFIG(v)                                                                                                   \
  "{\"_type\":\"Float8MMConfig\"" v ",\"_data\":{\"emulate\":false,\"use_fast_accum\":true,\"pad_inner_dim\":false}}"

/* The attributes are those of torchao 0.18 (flatten_tensor_state_dict, config_to_dict) and, for the last two, 0.11. */
static const sb_stored table[] = {
    {.recipe = "int8-dynamic-act-int4-weight",
     .type = "IntxUnpackedToInt8Tensor",
     .config = "Int8DynamicActivationIntxWeightConfig",
     .version = 2,
     .variant = "",
     .flavor = SB_TORCHAO_0_18_CPU,
     .group_size = 32,
     .config_data = "{\"weight_dtype\":" DTYPE(
         "int4") ",\"weight_granularity\":{\"_type\":\"PerGroup\",\"_version\":1,"
                 "\"_data\":{\"group_size\":$G}},\"weight_mapping_type\":" ENUM(
                     "MappingType",
                     "SYMMETRIC") ","
                                  "\"weight_scale_dtype\":null,\"act_mapping_type\":" ENUM(
                                      "MappingType",
                                      "ASYMMETRIC") ","
                                                    "\"intx_packing_format\":" ENUM(
                                                        "IntxPackingFormat",
                                                        "UNPACKED_TO_INT8") ","
                                                                            "\"intx_choose_qparams_algorithm\":" ENUM(
                                                                                "IntxChooseQParamsAlgorithm",
                                                                                "AFFINE") "}",
     .tensor_data = "{\"target_dtype\":" DTYPE("int4") ",\"block_size\":[1,$G],\"dtype\":" DTYPE(
         "$T") ","
               "\"activation_quantization\":\"int8_asym_per_token\"}",
     .told_by = "activation_quantization"},
    {.recipe = "int4-weight-only",
     .type = "Int4Tensor",
     .config = "Int4WeightOnlyConfig",
     .version = 2,
     .variant = "",
     .flavor = SB_TORCHAO_0_18_CPU,
     .group_size = 128,
     .skips = true,
     .config_data =
         "{\"group_size\":$G,\"set_inductor_config\":true,"
         "\"int4_packing_format\":" ENUM("Int4PackingFormat", "PLAIN") ","
                                                                       "\"int4_choose_qparams_algorithm\":" ENUM(
                                                                           "Int4ChooseQParamsAlgorithm",
                                                                           "TINYGEMM") ","
                                                                                       "\"int4_tile_packed_ntile\":8}",
     .tensor_data = "{\"block_size\":[1,$G],\"shape\":[$N,$K],\"activation_dtype\":" DTYPE("bfloat16") "}",
     .told_by = "activation_dtype"},
    {.recipe = "float8-dynamic-act-float8-weight",
     .type = "Float8Tensor",
     .config = "Float8DynamicActivationFloat8WeightConfig",
     .version = 2,
     .variant = "",
     .flavor = SB_TORCHAO_0_18_CPU,
     .group_size = 0,
     .gate = "CUDA compute capability 8.9",
     .multiple = 16,
     .bf16_only = true,
     .config_data = "{\"activation_dtype\":" DTYPE("float8_e4m3fn") ",\"weight_dtype\":" DTYPE(
         "float8_e4m3fn") ","
                          "\"granularity\":[" PER_ROW "," PER_ROW "],\"mm_config\":" MM_CONFIG(
                              ",\"_version\":1") ","
                                                 "\"activation_value_lb\":null,\"activation_value_ub\":null,\"alg_id\":"
                                                 "0,"
                                                 "\"kernel_preference\":" ENUM(
                                                     "KernelPreference",
                                                     "AUTO") ","
                                                             "\"packing_format\":" ENUM(
                                                                 "Float8PackingFormat",
                                                                 "PLAIN") ",\"set_inductor_config\":true}",
     .tensor_data = "{\"block_size\":[1,$K],\"mm_config\":" MM_CONFIG(
         "") ",\"act_quant_kwargs\":{"
             "\"_type\":\"QuantizeTensorToFloat8Kwargs\",\"_data\":{\"float8_dtype\":" DTYPE(
                 "float8_e4m3fn") ","
                                  "\"granularity\":{\"_type\":\"PerRow\",\"_data\":{\"dim\":-1}},\"mm_config\":null,"
                                  "\"hp_value_lb\":null,\"hp_value_ub\":null,\"kernel_preference\":" ENUM(
                                      "KernelPreference",
                                      "AUTO") "}},\"kernel_preference\":" ENUM("KernelPreference",
                                                                               "AUTO") ",\"dtype\":" DTYPE("$T") "}",
     .told_by = "act_quant_kwargs._data.granularity._type"},
    {.recipe = "float8-dynamic-act-int4-weight",
     .type = "Int4Tensor",
     .config = "Float8DynamicActivationInt4WeightConfig",
     .version = 1,
     .variant = "plain",
     .flavor = SB_TORCHAO_0_18_CPU,
     .group_size = 128,
     .gate = "CUDA compute capability 9.0",
     .skips = true,
     .config_data = "{\"int4_packing_format\":\"plain\"}",
     .tensor_data = "{\"block_size\":[1,$G],\"shape\":[$N,$K],\"activation_dtype\":" DTYPE("float8_e4m3fn") "}",
     .told_by = "activation_dtype"},
    {.recipe = "int8-dynamic-act-int4-weight",
     .type = "LinearActivationQuantizedTensor/AffineQuantizedTensor/PlainAQTTensorImpl",
     .config = "Int8DynamicActivationInt4WeightConfig",
     .version = 1,
     .variant = "",
     .flavor = SB_TORCHAO_0_11_CPU,
     .group_size = 32,
     .config_data = "{\"group_size\":$G}",
     .tensor_data = "{\"block_size\":[1,$G],\"quant_min\":-8,\"quant_max\":7,"
                    "\"input_quant_func\":\"_int8_asymm_per_token_quant\"}",
     .told_by = "input_quant_func"},
    /* Int8DynActInt4WeightQATQuantizer of 0.11: plain tensors M.weight, M.scales, M.zeros */
    {.recipe = "int8-dynamic-act-int4-weight",
     .type = "8da4w",
     .variant = "",
     .flavor = SB_TORCHAO_0_11_CPU,
     .group_size = 32},
};

int sb_stored_count(void) { return (int)(sizeof table / sizeof *table); }
const sb_stored *sb_stored_at(int index) { return &table[index]; }

sb_status sb_stored_find(const char *recipe, const sb_stored **row) {
  char known[256] = "";
  for (int i = 0; i < sb_stored_count(); i++) {
    if (table[i].flavor != SB_TORCHAO_0_18_CPU) continue;
    *row = &table[i];
    if (strcmp(table[i].recipe, recipe) == 0) return SB_OK;
    snprintf(known + strlen(known), sizeof known - strlen(known), " %s", table[i].recipe);
  }
  *row = NULL;
  return sb_fail(SB_USAGE, "no artifact is known for the recipe '%.60s' (known:%s)", recipe, known);
}

/* The template with its places filled in. */
static json_t *fill(const char *template, int64_t g, int64_t n, int64_t k, const char *T) {
  char text[2048];
  size_t at = 0;
  for (const char *from = template; *from && at + 24 < sizeof text; from++) {
    if (*from != '$')
      text[at++] = *from;
    else if (*++from == 'T')
      at += (size_t)snprintf(text + at, sizeof text - at, "%s", T);
    else
      at += (size_t)snprintf(text + at, sizeof text - at, "%" PRId64, *from == 'G' ? g : *from == 'N' ? n : k);
  }
  text[at] = 0;
  return json_loads(text, 0, NULL);
}

json_t *sb_stored_config_data(const sb_stored *row, int64_t group_size) {
  return fill(row->config_data, group_size, 0, 0, "");
}

json_t *sb_stored_tensor_data(const sb_stored *row, int64_t group_size, int64_t rows, int64_t cols, sb_format T) {
  static const char *const names[SB_FORMATS] = {[SB_F32] = "float32", [SB_BF16] = "bfloat16", [SB_F16] = "float16"};
  return fill(row->tensor_data, group_size, rows, cols, names[T] ? names[T] : "float32");
}

json_t *sb_stored_config_block(const sb_stored *row, int64_t group_size) {
  return json_pack("{s:b,s:n,s:s,s:{s:{s:o,s:s,s:i}},s:b}", "include_input_output_embeddings", 0,
                   "modules_to_not_convert", "quant_method", "torchao", "quant_type", "default", "_data",
                   sb_stored_config_data(row, group_size), "_type", row->config, "_version", row->version,
                   "untie_embedding_weights", 0);
}

/* The value at a path of keys joined by dots. */
static const json_t *at_path(const json_t *object, const char *path) {
  char key[64];
  while (object && *path) {
    const size_t length = strcspn(path, ".");
    snprintf(key, sizeof key, "%.*s", (int)length, path);
    object = json_object_get(object, key);
    path += length + (path[length] == '.');
  }
  return object;
}

sb_status sb_stored_of_tensor(const char *name, const char *type, const json_t *attributes, const sb_stored **row) {
  bool known = false;
  for (int i = 0; i < sb_stored_count(); i++) {
    *row = &table[i];
    if (strcmp(table[i].type, type) != 0) continue;
    known = true;
    if (!table[i].told_by) return SB_OK;
    json_t *expected = fill(table[i].tensor_data, 1, 1, 1, "float32");
    const bool same = json_equal(at_path(expected, table[i].told_by), at_path(attributes, table[i].told_by));
    json_decref(expected);
    if (same) return SB_OK;
  }
  *row = NULL;
  if (!known)
    return sb_fail(SB_FILE,
                   "tensor \"%.200s\" is of the unknown subclass %.100s; known are IntxUnpackedToInt8Tensor, "
                   "Int4Tensor and Float8Tensor of torchao 0.18 and AffineQuantizedTensor of 0.11 (other int4 "
                   "packings: save with int4_packing_format \"plain\")",
                   name, type);
  return sb_fail(SB_FILE,
                 "tensor \"%.200s\" is a %.100s, but its attributes are those of no known recipe (weight only, "
                 "or another activation)",
                 name, type);
}

/* ---- the configuration ---- */

static sb_status of_entry(const char *label, const json_t *entry, const sb_stored **row, int64_t *group_size) {
  const char *type = json_string_value(json_object_get(entry, "_type"));
  const json_t *data = json_object_get(entry, "_data");
  *row = NULL;
  for (int i = 0; type && i < sb_stored_count(); i++)
    if (table[i].config && strcmp(table[i].config, type) == 0) *row = &table[i];
  if (!*row)
    return sb_fail(SB_FILE,
                   "%s: quantization_config: quant_type \"%.100s\" is not known (known: the configurations of "
                   "the recipes that `samebits list recipes` shows)",
                   label, type ? type : "");
  const json_t *weight = json_object_get(data, "weight_dtype");
  json_t *expected = sb_stored_config_data(*row, (*row)->group_size);
  const json_t *expected_weight = json_object_get(expected, "weight_dtype");
  const bool same = !expected_weight || !weight || json_equal(weight, expected_weight);
  json_decref(expected);
  if (!same) {
    const char *dtype = json_string_value(json_object_get(weight, "_data"));
    return sb_fail(SB_FILE, "%s: quantization_config: %s with weight_dtype %.40s is no known recipe", label, type,
                   dtype ? dtype : "?");
  }
  const json_t *group = json_object_get(data, "group_size");
  if (!group) group = at_path(data, "weight_granularity._data.group_size");
  *group_size = (*row)->group_size;
  if (group && (!json_is_integer(group) || json_integer_value(group) <= 0))
    return sb_fail(SB_FILE, "%s: quantization_config: group_size is not a positive number", label);
  if (group) *group_size = json_integer_value(group);
  return SB_OK;
}

sb_status sb_stored_of_config(const char *label, const json_t *config, const sb_stored **row, int64_t *group_size) {
  const json_t *block = json_object_get(config, "quantization_config");
  *row = NULL;
  if (!block || json_is_null(block)) return SB_OK;
  const char *method = json_string_value(json_object_get(block, "quant_method"));
  if (!method || strcmp(method, "torchao") != 0)
    return sb_fail(SB_FILE, "%s: quantization_config: quant_method is \"%.60s\", not torchao", label,
                   method ? method : "");
  const json_t *types = json_object_get(block, "quant_type");
  if (!json_is_object(types) || json_object_size(types) == 0)
    return sb_fail(SB_FILE, "%s: quantization_config: quant_type is not an object with a configuration", label);
  const char *key;
  json_t *entry;
  json_object_foreach((json_t *)(uintptr_t)types, key, entry) {
    const sb_stored *other;
    int64_t group = 0;
    const sb_status status = of_entry(label, entry, &other, &group);
    if (status) return status;
    if (*row && strcmp((*row)->recipe, other->recipe) != 0)
      return sb_fail(SB_USAGE, "%s: quantization_config names two recipes, %s and %s; one model has one", label,
                     (*row)->recipe, other->recipe);
    *row = other;
    *group_size = group;
  }
  return SB_OK;
}
