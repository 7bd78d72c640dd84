/* The steps of a recipe on a weight or an activation of a model: one call of the reference with its outputs allocated.
 */
#ifndef SAMEBITS_MODELS_QUANTIZE_H
#define SAMEBITS_MODELS_QUANTIZE_H

#include "conformance/models/recipes.h"
#include "samebits/apply.h"

/* The spec of a step; a step that the row's variant does not have is that of the main path (prepare). */
sb_status sb_stored_spec(const sb_stored *row, sb_side side, sb_step step, sb_format T, int64_t group_size,
                         sb_spec *spec);

/* x [N, K] in T -> every tensor that the step yields, allocated; freed by sb_slots_free (samebits/apply.h). */
sb_status sb_stored_run(const sb_stored *row, sb_side side, sb_step step, int64_t group_size, const sb_tensor *x,
                        sb_tensor out[SB_SLOTS]);

/* The same for a spec. */
sb_status sb_run_all(const sb_spec *spec, const sb_tensor *x, sb_tensor out[SB_SLOTS]);

#endif
