/* Models: a checkpoint in any of the forms that torchao and transformers write, and what can be told from it.
 *
 * A model is a folder (config.json, and model.safetensors, its index with shards, or pytorch_model.bin) or one weights
 * file. Nothing in a file is executed; a hostile or broken one is SB_FILE with one line. */
#ifndef SAMEBITS_MODEL_H
#define SAMEBITS_MODEL_H

#include "samebits/recipe.h"

typedef struct sb_model sb_model;
typedef struct sb_model_tensor sb_model_tensor;

/* Reads everything. `*model` is NULL on failure and is freed by sb_model_close otherwise. SB_FILE; SB_USAGE: a
 * configuration that names more than one recipe. */
sb_status sb_model_open(const char *path, sb_model **model);
void sb_model_close(sb_model *model); /* NULL is allowed */
const char *sb_model_path(const sb_model *model);

/* Logical tensors ("model.layers.0.mlp.up_proj.weight"), a subclass with all its parts being one, by name. */
int sb_model_count(const sb_model *model);
const sb_model_tensor *sb_model_at(const sb_model *model, int index);
const sb_model_tensor *sb_model_find(const sb_model *model, const char *name); /* NULL: none */
const char *sb_model_tensor_name(const sb_model_tensor *tensor);
const char *sb_model_tensor_type(const sb_model_tensor *tensor); /* "Tensor", "Int4Tensor", ... */
const sb_tensor *sb_model_plain(const sb_model_tensor *tensor);  /* NULL: it is a subclass */

/* The weight of one Linear layer [N, K], as stored. */
typedef struct sb_model_layer {
  char *name; /* the module: "model.layers.0.mlp.up_proj" */
  const sb_model_tensor *weight;
  bool quantized, tied;                  /* tied: it has no tensor of its own, `weight` is the embedding's */
  const char *recipe;                    /* of a quantized one */
  int64_t rows, cols, group_size, bytes; /* group_size 0: one scale a row, or none */
  sb_format format, scale_format;        /* i4, e4m3, or the float format; scale_format SB_FORMATS: none */
  sb_tensor codes, scale, zero_point;    /* as stored, borrowed: codes i8 [N, K], packed [N, K/2], or e4m3 */
  bool packed, transposed;               /* codes two to a byte; scale and zero_point [K/g, N] */
} sb_model_layer;

typedef enum sb_model_source { SB_FROM_NOTHING, SB_FROM_CONFIG, SB_FROM_TENSORS, SB_FROM_BOTH } sb_model_source;
extern const char *const sb_model_source_names[4];

typedef struct sb_model_report {
  const char *recipe; /* NULL: no quantization */
  int64_t group_size; /* 0: one scale a row, or no recipe */
  sb_model_source source;
  int shards;
  int layer_count, quantized;
  sb_model_layer *layers; /* every Linear layer, in the order of execution */
  int warning_count;
  char **warnings; /* what the tiers disagree on, and what no loader would tell */
} sb_model_report;

/* Detection in two tiers: the `quantization_config` block, else the tensors. SB_FILE: a subclass that is not known
 * (with a hint), parts that do not fit together, or no Linear layer at all; SB_USAGE: two recipes. */
sb_status sb_model_inspect(const sb_model *model, sb_model_report *report);
void sb_model_report_free(sb_model_report *report);

/* The layer of that name, or NULL. */
const sb_model_layer *sb_model_layer_find(const sb_model_report *report, const char *name);

/* A layer's codes, scale and zero_point as golden files have them, newly allocated (sb_tensor_free): codes [N, K] i8 or
 * e4m3, scale and zero_point [N, K/g]; zero_point absent where there is none. SB_FILE: a code that is not of the
 * format. */
sb_status sb_model_layer_load(const sb_model_layer *layer, sb_tensor *codes, sb_tensor *scale, sb_tensor *zero_point);

/* The weight that the layer computes with, [N, K] in T: dequantized as its class does it, or the float weight cast. */
sb_status sb_model_layer_weight(const sb_model_layer *layer, sb_format T, sb_tensor *weight);

#endif
