/* Steps of ref/ chained over one set of tensors. */
#ifndef SAMEBITS_APPLY_H
#define SAMEBITS_APPLY_H

#include "samebits/recipe.h"

/* The spec of another step of the same recipe, side, flavor, dtype and group. A variant without that step is replaced
 * by the main variant where `main_instead`. SB_USAGE: there is no such step. */
sb_status sb_spec_step(const sb_spec *spec, sb_step step, bool main_instead, sb_spec *other);

/* Runs a step of ref/ on `slots`: takes what the step takes from there, and puts what it yields there, newly allocated,
 * in place of what was there. Slots that the step has nothing to do with stay. */
sb_status sb_apply(const sb_spec *spec, int64_t rows, int64_t cols, sb_tensor slots[SB_SLOTS],
                   const sb_run_options *options);

/* What comes before the operation `spec`, by the same reference, into `slots`, which have x: the qparams for quantize,
 * and the codes for dequantize. A contract that makes its codes from x alone has no quantize: the codes are then
 * prepare's. */
sb_status sb_apply_before(const sb_spec *spec, bool main_instead, int64_t rows, int64_t cols,
                          sb_tensor slots[SB_SLOTS]);

void sb_slots_free(sb_tensor slots[SB_SLOTS]);

#endif
