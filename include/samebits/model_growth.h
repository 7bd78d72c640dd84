/* Two forwards of the same tokens side by side: what a difference costs, and how it grows from layer to layer. */
#ifndef SAMEBITS_MODEL_GROWTH_H
#define SAMEBITS_MODEL_GROWTH_H

#include "samebits/model_eval.h"

typedef struct sb_growth_point {
  char name[64]; /* "model.layers.0" (the residual after the block), a Linear's output, "lm_head" */
  bool is_layer; /* a residual, or the logits: a point of the curve */
  int64_t elements, different;
  double max_abs, mean_abs;
  double relative; /* root of the sum of squares of the differences over that of the values */
} sb_growth_point;

typedef struct sb_growth {
  sb_evaluation base, other;
  int64_t flips; /* predictions that differ */
  int point_count;
  sb_growth_point *points; /* in the order of execution */
  char says[1024];         /* the mechanisms, as they were applied */
} sb_growth;

/* Both of the same model. SB_USAGE: a mechanism that applies to no Linear layer; else as sb_model_eval. */
sb_status sb_model_growth(const sb_model *model, const sb_eval_options *base, const sb_eval_options *other,
                          const sb_tensor *tokens, sb_growth *growth);
void sb_growth_free(sb_growth *growth);

#endif
