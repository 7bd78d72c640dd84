/* Linear layers of quantized operands, y = x * transpose(w): by the kernels of cuda/kernels/linear.cu, by cuBLAS, and
 * by the statement of the kernels' sums in C.
 *
 * Where training's and deployment's operands are the same bits, so are the outputs of any one order of sums. Another
 * order, or sums of the integer codes, rounds elsewhere: that is all that then sets two outputs apart. */
#ifndef SAMEBITS_LINEAR_H
#define SAMEBITS_LINEAR_H

#include "samebits/cuda.h"
#include "samebits/device.h"

/* x is [m, k], w [n, k], y [m, n]. */
typedef struct sb_linear_shape {
  int64_t m, n, k;
} sb_linear_shape;

/* ---- the statements ---- */

/* y[i, j] = r(acc_k), acc_0 = 0, acc_(t+1) = fma(x[i, t], w[j, t], acc_t) in f32, t ascending, of tensors of one
 * format; y is allocated by the caller. SB_NO_MEMORY. */
sb_status sb_linear_plain(const sb_tensor *x, const sb_tensor *w, sb_tensor *y);

/* Of the codes of int8-dynamic-act-int4-weight: sum_g = sum over a group of (x - zero_point) * w, exact in i32;
 * y[i, j] = r(fl(acc_G * scale_x[i])), acc_(g+1) = fma(fl(sum_g), scale_w[j, g], acc_g), g ascending. */
void sb_linear_i8_i4(const sb_tensor x[SB_SLOTS], const sb_tensor w[SB_SLOTS], sb_tensor *y);

/* ---- on a device, with its pointers ---- */

/* Queues linear_plain_<format> on `stream`. SB_INVALID: a size below 1, or more rows than a grid holds. */
sb_status sb_cuda_linear_plain(sb_cuda *cuda, sb_format format, sb_linear_shape shape, uint64_t x, uint64_t w,
                               uint64_t y, void *stream);

/* What linear_i8_i4_<format> takes: codes i8 [m, k], scale and zero point (i8) a row; packed codes [n, k / 2], low
 * nibble first, with a scale a group of `group` elements. k must be a multiple of the group, and even. */
typedef struct sb_linear_operands {
  uint64_t x_codes, x_scale, x_zero_point, w_packed, w_scale;
  int64_t group;
} sb_linear_operands;
sb_status sb_cuda_linear_i8_i4(sb_cuda *cuda, sb_format format, sb_linear_shape shape, const sb_linear_operands *in,
                               uint64_t y, void *stream);

/* cuBLAS, opened at run time: the library that $SAMEBITS_CUBLAS names, else libcublas.so.13, .12, .11 where the loader
 * finds it. SB_UNSUPPORTED with the reason where it is not there, or where the device is the emulator, which cuBLAS
 * does not know (unless SAMEBITS_CUBLAS names a library that does). */
typedef struct sb_cublas sb_cublas;
sb_status sb_cublas_open(sb_cuda *cuda, sb_cublas **blas);
void sb_cublas_close(sb_cublas *blas);             /* NULL is allowed */
const char *sb_cublas_name(const sb_cublas *blas); /* "cuBLAS 13.1.0" */

/* cublasGemmEx of the same operands and the default algorithm: products and sums in f32 (no TF32, and no sums in a
 * 16-bit type), in an order that cuBLAS does not tell. Waits for nothing. */
sb_status sb_cublas_linear(sb_cublas *blas, sb_format format, sb_linear_shape shape, uint64_t x, uint64_t w, uint64_t y,
                           void *stream);

/* ---- the comparison ---- */

typedef struct sb_linear_options {
  sb_linear_shape shape;
  int64_t group; /* of the weight, where the recipe has groups */
  int64_t first_seed, seeds;
  sb_device *device; /* NULL: the statements only */
  sb_cuda *cuda;     /* the same device, for the linear kernels; NULL with `device` */
  sb_cublas *blas;   /* NULL: none */
} sb_linear_options;

/* Counts over all seeds; -1: not compared. */
typedef struct sb_linear_result {
  int64_t seeds, x_elements, w_elements, outputs;
  int64_t x_differ, w_differ; /* operands: prepare's against convert's */
  int64_t differ;             /* outputs in one order of sums: prepare's against convert's */
  int64_t integer_differ;     /* the integer form against prepare's outputs */
  int64_t operands_wrong;     /* elements of the device's operands that are not the reference's */
  int64_t kernels_wrong;      /* outputs of the device's linear kernels that are not their statements' */
  int64_t blas_differ;        /* outputs of cuBLAS that are not those of the stated order of sums */
  int64_t blas_exact_wrong;   /* the same, of small integers, whose sums are exact in any order */
} sb_linear_result;

/* Runs `seeds` inputs (fills `activation` and `weight`) through both sides of a recipe's prepare and convert and
 * through the layers of both. int4-weight-only leaves x as it is. SB_UNSUPPORTED: the device's gate, with its reason.
 */
sb_status sb_linear_compare(const char *recipe, sb_flavor flavor, sb_format dtype, const sb_linear_options *options,
                            sb_linear_result *result);

#endif
