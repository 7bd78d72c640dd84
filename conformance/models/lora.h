/* LoRA adapters as PEFT saves them: adapter_config.json and adapter_model.safetensors. */
#ifndef SAMEBITS_MODELS_LORA_H
#define SAMEBITS_MODELS_LORA_H

#include "samebits/tensor.h"

typedef struct sb_lora_layer {
  char *name; /* of the module: "model.layers.0.self_attn.q_proj" */
  int64_t n, k, r;
  sb_format format; /* of the adapter: what B A is rounded to */
  float *a, *b;     /* A [r, k], B [n, r] */
  float scaling;    /* lora_alpha / r, or lora_alpha / sqrt(r) */
} sb_lora_layer;

typedef struct sb_lora {
  int count;
  sb_lora_layer *layers;
} sb_lora;

/* SB_FILE: unreadable, or A and B do not fit; SB_UNSUPPORTED: what is no plain LoRA of Linear layers (DoRA, biases,
 * embeddings, modules saved whole). */
sb_status sb_lora_open(const char *folder, sb_lora *lora);
void sb_lora_free(sb_lora *lora);
const sb_lora_layer *sb_lora_find(const sb_lora *lora, const char *module); /* NULL: none, also of a NULL adapter */

/* weight [n, k] = r(weight + delta); delta = B A * scaling in f32, rounded to the adapter's format (PEFT's
 * get_delta_weight and merge, peft/tuners/lora/layer.py). */
sb_status sb_lora_merge(const sb_lora_layer *layer, sb_tensor *weight);

/* y [rows, n] = r(y + r(r(B r(A x)) * scaling)), as the adapter's forward; T is y's format. */
sb_status sb_lora_beside(const sb_lora_layer *layer, sb_format T, const float *x, int64_t rows, float *y);

#endif
