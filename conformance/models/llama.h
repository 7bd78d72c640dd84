/* A Llama ready to run: its shape, its weights as the matrix product wants them, and one thread's work on some
 * sequences. */
#ifndef SAMEBITS_MODELS_LLAMA_H
#define SAMEBITS_MODELS_LLAMA_H

#include "conformance/models/layer.h"
#include "conformance/models/lora.h"
#include "conformance/models/mechanism.h"
#include "samebits/model_eval.h"

typedef struct sb_llama_config {
  int64_t hidden, intermediate, layers, heads, kv_heads, head_dim, vocabulary;
  float norm_eps;
  double rope_theta;
} sb_llama_config;

/* From config.json, every number checked. SB_UNSUPPORTED: another architecture, scaled rotary embeddings, biases. */
sb_status sb_llama_config_read(const json_t *config, const char *label, sb_llama_config *c);

/* ---- the matrix product ---- */

enum { SB_PANEL = 16 }; /* columns of a panel: 16 outputs for each of K inputs, contiguous */

/* Floats that the panels of W [n, k] take. */
int64_t sb_panels_size(int64_t n, int64_t k);
void sb_panels_fill(const float *w, int64_t n, int64_t k, float *panels);

/* y[m, n] = x[m, k] W^T of f32, or of bf16 (held in f32; not rounded), each sum in PyTorch's order (sums.h). */
void sb_multiply(sb_format T, const float *x, int64_t m, int64_t k, const float *panels, int64_t n, float *y);

/* Causal attention of one head over one sequence: q, k, v and out [length, dim] with row strides. Rounds to bf16 where
 * `narrow`: scores, scaled scores, probabilities, output. */
typedef struct sb_attention {
  const float *q, *k, *v;
  float *out, *scratch; /* scratch: sb_attention_scratch floats */
  int64_t length, dim, q_stride, kv_stride;
  float scaling;
  bool narrow;
} sb_attention;
int64_t sb_attention_scratch(int64_t length, int64_t dim);
void sb_attend(const sb_attention *a);

/* One rounding to bf16, in place. */
void sb_narrow(float *values, int64_t count);

/* ---- Linear ---- */

typedef struct sb_linear {
  int64_t n, k;
  float *panels;
  bool recipe;    /* its weight is quantized, or stored so; else it is left in float */
  bool quantized; /* the input is, too, by `activation` */
  bool scaled;    /* both operands are codes times scale in f32, whatever T (float8 convert) */
  sb_spec activation;
  const sb_lora_layer *adapter; /* beside it; NULL: none */
  sb_rewritten *rewritten;      /* the input's step, with mechanisms; NULL: `activation` */
  char says[512];               /* the mechanisms that were applied to either side; "" none */
} sb_linear;

typedef struct sb_linear_input { /* an input as a Linear takes it */
  float *values;
  float *scale;        /* [rows], where scaled */
  uint16_t *narrow[2]; /* bf16 on its way in and out of the reference */
  uint8_t *codes;
} sb_linear_input;

/* How the Linear layers of a model are made. */
typedef struct sb_linear_how {
  sb_format T;
  const sb_stored *row; /* NULL: float */
  int64_t group;
  sb_linear_step step;
  bool stored;            /* the model is an artifact: what it has in float stays so */
  const sb_lora *adapter; /* NULL: none */
  const char *mechanisms; /* applied to both sides' steps; NULL: none */
  sb_adapter_place place;
} sb_linear_how;

/* Quantizes the weight once. */
sb_status sb_linear_make(const sb_model_layer *layer, const sb_linear_how *how, sb_linear *linear);
void sb_linear_free(sb_linear *linear);

/* x [rows, k] -> in, as `linear` takes it; then y [rows, n]. */
sb_status sb_linear_quantize(const sb_linear *linear, sb_format T, const float *x, int64_t rows, sb_linear_input *in);
void sb_linear_run(const sb_linear *linear, sb_format T, const sb_linear_input *in, int64_t rows, float *y);

/* ---- the model ---- */

enum { SB_Q, SB_K, SB_V, SB_O, SB_GATE, SB_UP, SB_DOWN, SB_BLOCK_LINEARS };

typedef struct sb_llama_block {
  sb_linear linear[SB_BLOCK_LINEARS];
  float *input_norm, *post_norm;
} sb_llama_block;

typedef struct sb_llama {
  sb_llama_config config;
  sb_format T;
  float *embedding, *norm;
  sb_llama_block *blocks;
  sb_linear head;
} sb_llama;

/* Reads and quantizes all weights. */
sb_status sb_llama_make(const sb_model *model, const sb_model_report *report, const sb_linear_how *how,
                        sb_llama *llama);
void sb_llama_free(sb_llama *llama);

/* The token that logits [vocabulary] predict: the first of the largest. */
int64_t sb_llama_prediction(const float *logits, int64_t vocabulary);

/* How many Linear layers it has, and how many of them are quantized. */
int sb_llama_linears(const sb_llama *llama, int *quantized);

/* The mechanisms that were applied to its Linear layers; NULL: none was. */
const char *sb_llama_says(const sb_llama *llama);

/* The same in parts, for two models side by side. The pass keeps what every Linear of the last block gave. */
typedef struct sb_llama_pass sb_llama_pass;
sb_status sb_llama_begin(const sb_llama *llama, const int32_t *tokens, int64_t count, int64_t length,
                         sb_llama_pass **pass);
sb_status sb_llama_block_run(sb_llama_pass *pass, int64_t number);
sb_status sb_llama_end(sb_llama_pass *pass, float *logits);
void sb_llama_pass_free(sb_llama_pass *pass);
const float *sb_llama_kept(const sb_llama_pass *pass, int linear); /* [tokens, n]; SB_BLOCK_LINEARS: the residual */

/* Logits [count, length, vocabulary] of sequences of token ids [count, length]; single-threaded. */
sb_status sb_llama_forward(const sb_llama *llama, const int32_t *tokens, int64_t count, int64_t length, float *logits);

#endif
