/* One kernel, tensors in, tensors out: `samebits kernel run`. */
#ifndef SAMEBITS_KERNEL_H
#define SAMEBITS_KERNEL_H

#include "samebits/driver.h"
#include "samebits/safetensors.h"

typedef enum sb_kernel_arg_kind { SB_ARG_IN, SB_ARG_OUT, SB_ARG_INOUT, SB_ARG_VALUE } sb_kernel_arg_kind;

/* One parameter of the entry, in order:
 *   in:FILE.safetensors#TENSOR            a pointer to a copy, which the kernel may not write
 *   out:NAME=FORMAT[d0,d1,...]            a pointer to a poisoned buffer, written to the output under NAME
 *   inout:NAME=FILE.safetensors#TENSOR    a pointer to a copy, written to the output under NAME
 *   i32: u32: i64: u64: f32: f64:         a scalar, decimal or hex, or a hex float
 *   bytes:HEX                             a struct by value */
typedef struct sb_kernel_arg {
  sb_kernel_arg_kind kind;
  char *name;           /* of an output */
  sb_tensor tensor;     /* owned; a pointer's content before and after */
  unsigned char *value; /* owned; SB_ARG_VALUE */
  size_t size;          /* bytes of the value */
} sb_kernel_arg;

/* SB_USAGE: the text is malformed; SB_FILE: its tensor cannot be read. */
sb_status sb_kernel_arg_parse(const char *text, sb_kernel_arg *arg);
void sb_kernel_arg_free(sb_kernel_arg *arg);

/* Reads PTX; a .cu file is compiled by nvcc (-ptx -fmad=false -lineinfo -arch=sm_<sm>). `*text` is freed by free(). */
sb_status sb_kernel_read(const char *path, int sm, char **text, size_t *size);

/* The entry whose mangled or demangled name is `part` or contains it; SB_USAGE when none or several do. */
sb_status sb_kernel_entry(const char *text, size_t size, const char *part, char *name, size_t name_size);

typedef struct sb_kernel_run {
  const char *file, *entry; /* file: .ptx or .cu; entry: see sb_kernel_entry */
  sb_grid grid;
  sb_kernel_arg *args;
  int arg_count;
  unsigned long long max_instructions; /* 0: no limit of the caller's */
  bool counters;
  int approx; /* < 0: refuse approximate instructions; N: the correctly rounded run and N varied ones */
} sb_kernel_run;

/* SB_USAGE, naming the limit and the value, when the device or the entry does not allow such a grid, block or shared
 * memory. */
sb_status sb_kernel_grid_fits(sb_driver *driver, sb_function function, const char *entry, const sb_grid *grid);

typedef enum sb_kernel_outcome {
  SB_KERNEL_OK,
  SB_KERNEL_FAULT,
  SB_KERNEL_REFUSED,
  SB_KERNEL_UNPROVEN
} sb_kernel_outcome;

/* Runs it once on `driver`; the tensors of out and inout arguments then hold what the kernel wrote. `*json` (freed by
 * free()) is {"status":"ok"...}, {"status":"fault","kind":...}, {"status":"refused",...} or
 * {"status":"unproven","stable":n, "unstable":[...]}, with "lint", "unchecked" and "unwritten" where there is something
 * to say of the first and the last two. SB_FILE: the PTX cannot be read or parsed. */
sb_status sb_kernel_execute(sb_driver *driver, sb_kernel_run *run, sb_kernel_outcome *outcome, char **json);

/* The description of a PTX text by the emulator (samebitsEmuDescribe); freed by free(). */
sb_status sb_kernel_describe(const char *text, size_t size, char **json);

#endif
