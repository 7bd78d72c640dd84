/* The affine primitives, after torchao/quantization/quant_primitives.py (`_choose_qparams_affine`, `_quantize_affine`,
 * `_dequantize_affine`, `_fake_quantize_affine`; torchao 0.11 and 0.18), for tensors of any rank and any block_size.
 *
 * Block b of the input shares one scale and one zero_point; block_size divides each dimension, and scale and zero_point
 * have one element a block (dims[i] / block_size[i]). T is the format of x: f32, bf16 or f16. r(.) is one rounding to
 * T. */
#ifndef SAMEBITS_AFFINE_H
#define SAMEBITS_AFFINE_H

#include "samebits/tensor.h"

typedef enum sb_mapping { SB_SYMMETRIC, SB_SYMMETRIC_NO_CLIPPING_ERR, SB_ASYMMETRIC } sb_mapping;
typedef enum sb_zero_point_domain { SB_DOMAIN_INT, SB_DOMAIN_FLOAT, SB_DOMAIN_NONE } sb_zero_point_domain;

/* What differs between upstream's versions: the default eps (finfo.eps through 0.17, smallest_normal since 0.18, #4534)
 * and the dequantization (int32 subtraction before #2280, in the output format since). The latter changes no bit for
 * codes and integer zero points of 8 bits; the tests show it over all 65,536 pairs. */
typedef enum sb_affine_version { SB_AFFINE_0_11, SB_AFFINE_0_18 } sb_affine_version;

typedef struct sb_affine {
  sb_affine_version version;
  sb_mapping mapping;
  sb_zero_point_domain domain;
  bool preserve_zero;
  int64_t quant_min, quant_max;
  double eps;                  /* lower bound of the scale; NaN: the version's default for T */
  sb_format scale_format;      /* format in which the scale is stored; the division is in T whatever this is */
  sb_format zero_point_format; /* i8, i32, i64, or a floating-point format */
  sb_format output_format;     /* of dequantize: T usually */
  int64_t block_size[SB_MAX_RANK];
} sb_affine;

/* torchao's defaults for x of format T and `rank` dimensions: asymmetric, i8 range, one block a row. */
sb_affine sb_affine_default(sb_affine_version version, sb_format T, int rank, const int64_t *dims);

/* x -> scale, zero_point.
 *   mn = min(amin(x), 0), mx = max(amax(x), 0) over a block (true extrema when preserve_zero is false)
 *   symmetric:          scale = r(max(-mn, mx) / ((quant_max - quant_min) / 2))
 *   symmetric, no clipping: scale = max(r(mn / quant_min), r(mx / quant_max))
 *   asymmetric:         scale = r(r(mx - mn) / (quant_max - quant_min))
 *   scale = max(scale, eps); NaN propagates
 *   zero_point = clamp(quant_min - round(r(mn / scale)), quant_min, quant_max)        (integer domain)
 *              = r(mn + r(scale * mid)), mid = (quant_max + quant_min + 1) / 2         (float domain)
 * An integer zero_point is stored as x86 casts: i8 keeps the low byte; NaN is 0 in i8, the smallest number in i32, i64.
 * `scale` and `zero_point` have their data allocated by the caller with the formats of `affine`; zero_point may be
 * absent in the domain none. SB_INVALID: rank, block_size, zero columns, a format that upstream refuses. */
sb_status sb_choose_qparams_affine(const sb_affine *affine, const sb_tensor *x, sb_tensor *scale,
                                   sb_tensor *zero_point);

/* x, scale, zero_point -> codes. S, Z: formats of scale and zero_point; P = T promoted with S, A = P with Z (an integer
 * Z promotes nothing), B = S with Z, D = T with B.
 *   integer domain: codes = clamp(a(round(p(x * s(1 / scale))) + zero_point), quant_min, quant_max)
 *   float domain:   codes = clamp(round(d(d(x - min) / scale)), quant_min, quant_max),
 *                   min = b(zero_point - s(scale * mid))
 *   none:           codes = clamp(round(p(x * s(1 / scale))), quant_min, quant_max)
 * codes: i8, u8, i32 or T. Into an integer format NaN gives 0 (x86 and CUDA agree for 8 bits). SB_UNSUPPORTED: a scale
 * that is not f32, bf16 or f16. */
sb_status sb_quantize_affine(const sb_affine *affine, const sb_tensor *x, const sb_tensor *scale,
                             const sb_tensor *zero_point, sb_tensor *codes);

/* codes, scale, zero_point -> output in output_format O.  P = O promoted with the format of scale.
 *   integer domain: output = o(p(o(codes - zero_point) * scale))
 *   float domain:   output = o(p(o(codes - mid) * scale) + zero_point)
 *   none:           output = o(p(codes * scale)) */
sb_status sb_dequantize_affine(const sb_affine *affine, const sb_tensor *codes, const sb_tensor *scale,
                               const sb_tensor *zero_point, sb_tensor *output);

/* x -> output: quantize, then dequantize, with given qparams; the codes stay in P, so that NaN survives where an
 * integer would lose it. `codes` (T) may be absent. */
sb_status sb_fake_quantize_affine(const sb_affine *affine, const sb_tensor *x, const sb_tensor *scale,
                                  const sb_tensor *zero_point, sb_tensor *codes, sb_tensor *output);

#endif
