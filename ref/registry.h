/* The recipes as CMake found them in ref/recipes/, once an instruction set. Private to ref/. */
#ifndef SAMEBITS_REF_REGISTRY_H
#define SAMEBITS_REF_REGISTRY_H

#include "ref/job.h"

extern const int sb_registry_count;
extern const sb_recipe_impl *const *const sb_registry[SB_ISAS]; /* [SB_ISA_BEST] is not used; NULL: not built in */

/* The implementation of a spec's path; NULL for the recipe `affine`. */
const sb_path_impl *sb_path_impl_of(const sb_spec *spec, sb_isa isa);

#endif
