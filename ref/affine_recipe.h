/* The recipe `affine`: the primitives of affine.c as one step. Private to ref/. */
#ifndef SAMEBITS_REF_AFFINE_RECIPE_H
#define SAMEBITS_REF_AFFINE_RECIPE_H

#include "samebits/recipe.h"

/* Shapes are checked by the caller. */
sb_status sb_run_affine_recipe(const sb_spec *spec, const sb_tensor in[SB_SLOTS], sb_tensor out[SB_SLOTS]);

#endif
