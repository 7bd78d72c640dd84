/* The forward pass of the Llama family, in f32 or bf16 with PyTorch's rounding points between modules, and the
 * evaluation loss. Sums are f32 in the order in which PyTorch's CPU kernels add, whatever the machine, so the same
 * model gives the same bits everywhere. */
#ifndef SAMEBITS_MODEL_EVAL_H
#define SAMEBITS_MODEL_EVAL_H

#include "samebits/model.h"

/* What a Linear computes: the float weight; both operands fake-quantized (training); both really quantized
 * (deployment). */
typedef enum sb_linear_step { SB_LINEAR_FLOAT, SB_LINEAR_PREPARE, SB_LINEAR_CONVERT } sb_linear_step;
extern const char *const sb_linear_step_names[3];

/* Where a LoRA adapter is: merged into the weight before it is quantized, or after; or beside the Linear, as in
 * training. */
typedef enum sb_adapter_place { SB_ADAPTER_MERGED_FIRST, SB_ADAPTER_MERGED_LAST, SB_ADAPTER_BESIDE } sb_adapter_place;

typedef struct sb_eval_options {
  sb_format dtype;               /* f32 or bf16; SB_FORMATS: the model's own */
  const char *recipe;            /* of a float model; NULL: none. A quantized model has its own */
  sb_linear_step step;           /* of a float model with a recipe */
  int64_t group;                 /* of a float model with a recipe; 0: upstream's */
  int threads;                   /* 0: one a core */
  const struct sb_lora *adapter; /* of a float model (conformance/models/lora.h); NULL: none */
  sb_adapter_place place;
  const char *mechanisms; /* "ID[@activation|@weight],...": catalogued mechanisms in every Linear; NULL: none */
  float *logits;          /* NULL, or room for [rows, length, vocabulary] */
} sb_eval_options;

typedef struct sb_evaluation {
  sb_format dtype;
  const char *recipe; /* NULL: float */
  sb_linear_step step;
  bool ours; /* upstream refuses this forward on a CPU: the numbers are by this project's definition of it */
  int linears, quantized; /* Linear layers, and those that are quantized: not those that upstream leaves in float */
  int64_t rows, predictions;
  double loss, perplexity; /* mean negative log likelihood, and its exponential */
  double *row_loss;        /* of each row, summed */
} sb_evaluation;

/* tokens: integers [rows, length], length at least 2. Negative log likelihood of each next token: logits to f32,
 * log_softmax in f32, sums in f64. SB_UNSUPPORTED: not a Llama, or a setting that is not implemented; SB_INVALID: a
 * token out of the vocabulary; SB_FILE: a tensor is missing or of another shape. */
sb_status sb_model_eval(const sb_model *model, const sb_eval_options *options, const sb_tensor *tokens,
                        sb_evaluation *result);
void sb_evaluation_free(sb_evaluation *result);

#endif
