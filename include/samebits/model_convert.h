/* A float model to the artifact that torchao 0.18 would write: every Linear's weight by the recipe's convert. */
#ifndef SAMEBITS_MODEL_CONVERT_H
#define SAMEBITS_MODEL_CONVERT_H

#include "samebits/model.h"

typedef struct sb_convert_options {
  const char *recipe;
  int64_t group_size; /* 0: the recipe's default */
  sb_format dtype;    /* f32 or bf16: what the master is loaded in; SB_FORMATS: its own */
  bool lift_gates;    /* also what upstream converts only on a certain device, or not in this dtype */
  bool dry_run;       /* nothing is written */
} sb_convert_options;

typedef struct sb_converted {
  sb_format dtype;
  int64_t group_size, bytes_before, bytes_after; /* of all tensors */
  int layers, converted, left_count;
  char **left; /* "lm_head: 259 rows are no multiple of 16", one for each layer left in float */
} sb_converted;

/* Writes FOLDER/model.safetensors and FOLDER/config.json; the folder is made, or is empty. SB_USAGE: an unknown recipe,
 * or a folder that holds something; SB_UNSUPPORTED: the device gate, upstream's refusal, or a model that is quantized
 * already; SB_INVALID: no layer would be converted. */
sb_status sb_model_convert(const sb_model *model, const sb_convert_options *options, const char *folder,
                           sb_converted *result);
void sb_converted_free(sb_converted *result);

#endif
