/* Evaluation of a checked contract over tensors, by one of two sets of kernels: exact (MPFR), and fast (the host's f64
 * and f32, for searches, whose winner is always confirmed by the exact one). The walk itself rounds nothing. */
#ifndef SAMEBITS_CONTRACT_EVAL_H
#define SAMEBITS_CONTRACT_EVAL_H

#include "conformance/contract/check.h"

typedef void sb_kernel(const sb_node *node, size_t count, double *out, const double *const in[3]);
void sb_kernel_exact(const sb_node *node, size_t count, double *out, const double *const in[3]);
void sb_kernel_fast(const sb_node *node, size_t count, double *out, const double *const in[3]);
void sb_kernel_shared(const sb_node *node, size_t count, double *out,
                      const double *const in[3]); /* what rounds nothing */

typedef struct sb_scratch sb_scratch;
sb_scratch *sb_scratch_new(void);
void sb_scratch_free(sb_scratch *scratch);
void sb_scratch_reset(sb_scratch *scratch);
double *sb_scratch_get(sb_scratch *scratch, size_t count); /* NULL: no memory */

/* One evaluation: the lines that were asked for, each computed once. Everything lives in the scratch. */
typedef struct sb_eval {
  const sb_contract *contract;
  const sb_env *env;
  sb_kernel *kernel;
  sb_scratch *scratch;
  double *values[SB_MAX_LINES];
  struct sb_eval *whole; /* where only some rows are evaluated: the evaluation of all, for reductions over the tensor */
  struct sb_eval *prefix; /* of a contract with the same first lines, whose values are taken over */
  int prefix_lines;
} sb_eval;

/* The values of line `index`, tiles row-major; NULL where there is no memory. A line that the environment binds gives
 * the bound values. */
const double *sb_eval_line(sb_eval *eval, int index);
int64_t sb_eval_count(const sb_eval *eval, sb_tile tile);

#endif
