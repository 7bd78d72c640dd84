/* Golden files: captured computations in one safetensors file, one recipe, side, step, flavor and dtype a file, many
 * cases.
 *
 * Metadata (all strings): samebits.golden = "1", recipe, side, step, flavor, dtype, group_size, upstream; optional
 * variant, granularity, api, seed. Recipe `affine`: no side and step, but mapping, quant_min, quant_max, eps,
 * scale_dtype, zero_point_dtype, output_dtype, preserve_zero; its variant is a label. Tensors: <case>.x, .scale,
 * .zero_point, .codes, .output, .row_scale, .packed. */
#ifndef SAMEBITS_GOLDEN_H
#define SAMEBITS_GOLDEN_H

#include "samebits/compare.h"
#include "samebits/recipe.h"
#include "samebits/safetensors.h"

typedef struct sb_golden_case {
  char *name;
  int64_t rows, cols;
  sb_spec spec;                 /* of the file; affine.block_size is the case's */
  sb_tensor in[SB_SLOTS];       /* what the step takes, borrowed from the file */
  sb_tensor expected[SB_SLOTS]; /* what the file says it yields; rank 0: absent */
} sb_golden_case;

typedef struct sb_golden {
  sb_safetensors *file;
  sb_spec spec;
  int count;
  sb_golden_case *cases;  /* in the order of their names */
  bool ignored[SB_SLOTS]; /* tensors that some case has and that the step neither takes nor yields */
} sb_golden;

/* Reads a file and resolves its computation. SB_FILE when it is no golden file, names an unknown recipe, flavor,
 * variant or dtype, holds no case, has a tensor of no case or of a wrong shape, or leaves nothing to compare. */
sb_status sb_golden_open(const char *path, sb_golden *golden);

/* The same for a file that was read already; it belongs to `golden` then, and is closed on failure. */
sb_status sb_golden_adopt(sb_safetensors *file, sb_golden *golden);
void sb_golden_close(sb_golden *golden);

typedef struct sb_golden_counts {
  int64_t files, cases, elements, different;
} sb_golden_counts;

/* Called for each differing element; `got` is what was computed. */
typedef void sb_on_golden_difference(void *context, const sb_golden *golden, const sb_golden_case *at, sb_slot slot,
                                     int64_t index, const sb_tensor *got);

/* An oracle computes a case's tensors into out[] (described and allocated as sb_spec_tensors says). */
typedef sb_status sb_oracle(void *context, const sb_spec *spec, const sb_tensor in[SB_SLOTS], sb_tensor out[SB_SLOTS]);

/* Computes every case with `oracle` (NULL: ref/) and compares each tensor that the file has; adds to `counts`. A
 * difference is not an error. */
sb_status sb_golden_verify(const sb_golden *golden, sb_oracle *oracle, void *oracle_context, sb_golden_counts *counts,
                           sb_on_golden_difference *on, void *context);

#endif
