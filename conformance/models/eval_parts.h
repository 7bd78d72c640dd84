/* What an evaluation and the comparison of two share. */
#ifndef SAMEBITS_MODELS_EVAL_PARTS_H
#define SAMEBITS_MODELS_EVAL_PARTS_H

#include "conformance/models/llama.h"

/* A model ready to run, and the tokens checked. */
typedef struct sb_ready {
  sb_model_report report;
  sb_llama llama;
  int32_t *ids;
  sb_evaluation evaluation; /* row_loss is there, nothing is summed */
} sb_ready;

sb_status sb_ready_make(const sb_model *model, const sb_eval_options *options, const sb_tensor *tokens, sb_ready *r);
void sb_ready_free(sb_ready *r);

/* -log softmax(logits)[target], in f32. */
float sb_negative_log_likelihood(const float *logits, int64_t vocabulary, int32_t target);

/* loss and perplexity from the rows. */
void sb_evaluation_sum(sb_evaluation *e);

#endif
