/* Launch records: which kernel, grid, block and parameters compute a step of a recipe. Our own kernels (cuda/launch.c)
 * and other people's (a manifest, docs/kernels.md) are the same record.
 *
 * Expressions are integers and rationals over the variables of sb_variables with + - * / % ( ) ceil floor min max, and
 * in `when` also == != < <= > >= && ||. Division is exact; a result that must be an integer is rounded down. */
#ifndef SAMEBITS_KERNELS_H
#define SAMEBITS_KERNELS_H

#include "samebits/recipe.h"

typedef struct sb_kernel {
  const char *recipe;
  sb_side side;
  sb_step step;
  sb_flavor flavor;
  const char *variant; /* "" for the main one; NULL: every variant */
  const char *dtype;   /* "bf16"; NULL: every model format, which replaces {dtype} in file and entry */
  const char *file;    /* our own: the module's name, for instance "int8_token"; a manifest's: the path of its PTX */
  const char *entry;
  const char *grid[3], *block[3]; /* expressions; NULL is 1 */
  const char *shared;             /* bytes of dynamic shared memory; NULL is 0 */
  const char *args;               /* in parameter order, separated by spaces: a slot's name, or TYPE:expression */
  const char *when;               /* NULL: always; false: this kernel does not take the shape */
  const char *only_for;           /* a slot's name: runs only where that tensor is wanted; NULL: always */
} sb_kernel;

/* The kernels of samebits, in table order. Several rows of one step run one after the other. */
int sb_kernel_count(void);
const sb_kernel *sb_kernel_at(int index);

/* Whether the row computes the step that `spec` names (the step of an operation of prepare, too). */
bool sb_kernel_matches(const sb_kernel *kernel, const sb_spec *spec);

/* What expressions may name. Strides are in elements, as in samebits/cuda.h; sm is 90 for sm_90. */
typedef struct sb_variables {
  int64_t rows, cols, group, x_stride, codes_stride, output_stride, scale_row_stride, scale_group_stride, high_first,
      sm;
} sb_variables;

/* Contiguous tensors of the step's shape; group is cols where the scale belongs to a row. */
sb_variables sb_variables_of(const sb_spec *spec, int64_t rows, int64_t cols, int sm);

/* The value of an expression. SB_INVALID names a syntax error, an unknown variable, a division by zero, an overflow. */
sb_status sb_expression(const char *text, const sb_variables *variables, int64_t *value);

enum { SB_KERNEL_MAX_ARGS = 32 };

/* A record with its expressions evaluated and its parameters in place: what cuLaunchKernel takes. */
typedef struct sb_launch {
  char file[256], entry[160];
  unsigned grid[3], block[3], shared;
  int arg_count;
  void *args[SB_KERNEL_MAX_ARGS]; /* point into `values` */
  uint64_t values[SB_KERNEL_MAX_ARGS];
  unsigned char sizes[SB_KERNEL_MAX_ARGS]; /* bytes of each; 0: not to be checked */
} sb_launch;

/* Fills `launch` for device pointers by slot (0: absent). SB_UNSUPPORTED where `when` is false; SB_INVALID for a bad
 * record. `launch` must not move afterwards. */
sb_status sb_launch_fill(const sb_kernel *kernel, sb_format dtype, const sb_variables *variables,
                         const uint64_t pointers[SB_SLOTS], sb_launch *launch);

#endif
