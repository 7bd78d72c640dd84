#ifndef SAMEBITS_MODELS_COMPARE_H
#define SAMEBITS_MODELS_COMPARE_H

#include "samebits/model_compare.h"

/* Fills r->weights from the layers of r->a and r->b. */
sb_status sb_compare_weights(sb_model_comparison *r);

/* Elements that are not the same (sb_compare), and the largest distance among them (NaN if one is). */
sb_status sb_count_differences(const sb_tensor *a, const sb_tensor *b, int64_t *different, double *max_abs);

#endif
