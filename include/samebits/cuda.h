/* The production kernels for programs: any step of any recipe on a stream, with the caller's device pointers and
 * strides.
 *
 * The library opens the CUDA driver at run time (NVIDIA's, or samebits' own that runs PTX on the CPU) and carries its
 * kernels' PTX; it needs nothing else. Its context is the device's primary one, which it shares with the CUDA runtime
 * of the same process. */
#ifndef SAMEBITS_CUDA_H
#define SAMEBITS_CUDA_H

#include "samebits/recipe.h"

typedef struct sb_cuda sb_cuda;

/* Opens "cuda:0" (NVIDIA's driver) or "emu:sm_90" (the emulator). SB_USAGE: no such name; SB_DEVICE: no driver, no
 * device, or an architecture below sm_75. A handle may be used by several threads, one call at a time. */
sb_status sb_cuda_open(const char *device, sb_cuda **cuda);
void sb_cuda_close(sb_cuda *cuda); /* NULL is allowed */

int sb_cuda_sm(const sb_cuda *cuda);           /* 90 for sm_90 */
const char *sb_cuda_name(const sb_cuda *cuda); /* the device's own name */

/* One computation. `spec` by sb_spec_make; shapes and formats of the tensors are those of sb_spec_tensors, with two
 * exceptions: the zero point of int8-dynamic-act-int4-weight is i8 in every flavor, and prepare does not give codes. */
typedef struct sb_cuda_step {
  sb_spec spec;
  int64_t rows, cols;
  /* Device pointers by slot. Inputs must be there. Of the outputs: prepare needs output; convert and quantize need
   * codes (int4 also: packed in their place, two's complement, two elements a byte); dequantize takes packed in the
   * place of codes; the others may be 0. */
  uint64_t data[SB_SLOTS];
  /* Elements from one row to the next; 0: contiguous. Packed rows are codes_stride / 2 bytes apart. */
  int64_t x_stride, codes_stride, output_stride;
  /* Elements between the scales of two rows and of two groups; 0, 0: [rows, groups]; 1, rows: [groups, rows]. Zero
   * points too. */
  int64_t scale_row_stride, scale_group_stride;
  bool high_first; /* which nibble of a packed byte is the even element: false the low one */
} sb_cuda_step;

/* Queues the step on `stream` (a CUstream, or a cudaStream_t; NULL: the default stream). Errors: SB_USAGE (no kernel of
 * the recipe, flavor or variant), SB_INVALID (a pointer is missing, a stride too small), SB_UNSUPPORTED (the shape,
 * with upstream's reason; a group or row of odd length with packed codes and no codes), SB_DEVICE (what the driver
 * says). Errors of the kernel itself come from the next synchronizing call, as always in CUDA. */
sb_status sb_cuda_launch(sb_cuda *cuda, const sb_cuda_step *step, void *stream);

/* Why upstream's gates refuse the step on this architecture (flavors *-cuda only), or NULL. sb_cuda_launch does not
 * ask. */
const char *sb_cuda_gate(const sb_spec *spec, int sm);

/* For programs without a CUDA runtime: memory and copies, and waiting for a stream. Each returns SB_DEVICE with the
 * driver's error. */
sb_status sb_cuda_alloc(sb_cuda *cuda, int64_t bytes, uint64_t *pointer);
sb_status sb_cuda_free(sb_cuda *cuda, uint64_t pointer);
sb_status sb_cuda_copy_in(sb_cuda *cuda, uint64_t to, const void *from, int64_t bytes);
sb_status sb_cuda_copy_out(sb_cuda *cuda, void *to, uint64_t from, int64_t bytes);
sb_status sb_cuda_wait(sb_cuda *cuda, void *stream);

#endif
