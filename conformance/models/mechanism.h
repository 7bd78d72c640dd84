/* A step of a recipe with catalogued mechanisms applied: its contract, rewritten, evaluated by the fast kernels. */
#ifndef SAMEBITS_MODELS_MECHANISM_H
#define SAMEBITS_MODELS_MECHANISM_H

#include "samebits/contract.h"

typedef struct sb_rewritten sb_rewritten;

/* `mechanisms`: ids in the order in which they are applied, "ID[@activation|@weight],..."; those of the spec's side are
 * taken, each in its first form that applies, at all places. `*result` is NULL where none of them changes this
 * contract. SB_USAGE: an unknown id or side. */
sb_status sb_rewritten_make(const sb_spec *spec, int64_t cols, const char *mechanisms, sb_rewritten **result);
void sb_rewritten_free(sb_rewritten *r); /* NULL is allowed */

/* "ID: form" of each that was applied. */
const char *sb_rewritten_says(const sb_rewritten *r);

/* What the contract gives of x [rows, cols] for up to two slots, as f32; safe for several threads at once. `out[1]` may
 * be NULL. SB_INVALID: the contract has no such tensor. */
sb_status sb_rewritten_run(const sb_rewritten *r, const sb_tensor *x, const sb_slot slots[2], float *const out[2]);

#endif
