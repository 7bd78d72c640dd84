/* The affine primitives on one block and on one element: the rounding points of torchao's quant_primitives.py.
 *
 * T: format of x.  P: T promoted with the format of scale.  O: output format.  p(.), o(.): one rounding to P, O. */
#ifndef SAMEBITS_REF_AFFINE_LANES_H
#define SAMEBITS_REF_AFFINE_LANES_H

#include "ref/extrema.h"
#include "samebits/affine.h"

/* Float to integer of NaN, where a zero_point becomes an integer. */
typedef enum sb_nan_zero_point {
  SB_NAN_STAYS,   /* the zero_point is a floating-point tensor */
  SB_NAN_INT_MIN, /* x86 to i32: torch on CPU through 2.12 */
  SB_NAN_ZERO     /* x86 to i8 (by truncation of INT_MIN), and CUDA */
} sb_nan_zero_point;

typedef struct sb_affine_rules {
  sb_mapping mapping;
  sb_zero_point_domain domain;
  bool preserve_zero;
  bool multiply_by_reciprocal; /* tensor / number as tensor * fl(1 / number): CUDA eager, BinaryDivTrueKernel.cu */
  bool dequantize_i32;         /* the single dequantize subtracts in int32: before torchao #2280 */
  float divisor, mid;          /* of the range; (quant_max + quant_min + 1) / 2 */
  float eps, quant_min, quant_max;
  sb_nan_zero_point nan_zero_point;
} sb_affine_rules;

/* tensor / number, as eager PyTorch computes it on the rules' device; one rounding to T. */
SB_INLINE float sb_divide_by_number(sb_format T, float value, float number, bool multiply_by_reciprocal) {
  return sb_lane_round(T, multiply_by_reciprocal ? value * (1.0F / number) : value / number);
}

/* The scale of a block from its extrema (symmetric: amax in `high`). */
SB_INLINE float sb_affine_scale(sb_format T, const sb_affine_rules *rules, float low, float high) {
  float scale;
  if (rules->mapping == SB_ASYMMETRIC) {
    const float range = sb_lane_round(T, high - low);                                     /* 1 */
    scale = sb_divide_by_number(T, range, rules->divisor, rules->multiply_by_reciprocal); /* 2 */
  } else if (rules->mapping == SB_SYMMETRIC) {
    scale = sb_divide_by_number(T, high, rules->divisor, rules->multiply_by_reciprocal); /* 1 */
  } else {
    const float from_low = sb_divide_by_number(T, low, rules->quant_min, rules->multiply_by_reciprocal);   /* 1 */
    const float from_high = sb_divide_by_number(T, high, rules->quant_max, rules->multiply_by_reciprocal); /* 2 */
    scale = from_low > from_high ? from_low : from_high;
  }
  return sb_lane_at_least(scale, rules->eps);
}

/* The zero_point of a block, as a number; NaN as the rules have it. */
SB_INLINE float sb_affine_zero_point(sb_format T, const sb_affine_rules *rules, float low, float scale) {
  float zero_point = rules->mid;
  if (rules->domain == SB_DOMAIN_FLOAT) {
    const float middle = sb_lane_round(T, scale * rules->mid); /* 1 */
    return sb_lane_round(T, low + middle);                     /* 2 */
  }
  if (rules->mapping == SB_ASYMMETRIC) {
    const float steps = rintf(sb_lane_round(T, low / scale)); /* 1 */
    zero_point = sb_lane_round(T, rules->quant_min - steps);  /* 2 */
    zero_point = sb_lane_clamp(zero_point, rules->quant_min, rules->quant_max);
  }
  if (zero_point == zero_point || rules->nan_zero_point == SB_NAN_STAYS) return zero_point;
  return rules->nan_zero_point == SB_NAN_INT_MIN ? -0x1p31F : 0.0F;
}

/* The extrema that sb_affine_scale takes, of one block: zero is inside the range unless preserve_zero is false. */
SB_INLINE sb_extrema sb_affine_extrema(sb_format T, const sb_affine_rules *rules, const void *x, int64_t begin,
                                       int64_t n) {
  if (rules->mapping == SB_SYMMETRIC) {
    const float amax = sb_amax_abs(T, x, begin, n);
    return (sb_extrema){-amax, amax};
  }
  sb_extrema e = sb_min_max(T, x, begin, n);
  if (rules->preserve_zero) {
    e.low = e.low > 0 ? 0 : e.low;
    e.high = e.high < 0 ? 0 : e.high;
  }
  return e;
}

/* One code, as a number that may be NaN. inverse = p(1 / scale). */
SB_INLINE float sb_affine_quantize(sb_format P, float x, float inverse, float zero_point, float low, float high) {
  const float y = sb_lane_round(P, x * inverse);              /* 1 */
  const float code = sb_lane_round(P, rintf(y) + zero_point); /* 2: rounded before the zero point is added */
  return sb_lane_clamp(code, low, high);
}

/* (code - zero_point) * scale in the output format, as since torchao #2280. */
SB_INLINE float sb_affine_dequantize(sb_format P, sb_format O, float code, float zero_point, float scale) {
  const float steps = sb_lane_round(O, code - zero_point); /* 1 */
  const float product = sb_lane_round(P, steps * scale);   /* 2 */
  return sb_lane_round(O, product);                        /* 3 */
}

/* The two above for codes and zero points of at most 8 bits, without the roundings that then change nothing: integers
 * up to 256 are exact in bf16 and f16, rounding is monotone, so what is rounded beyond a bound is clamped to it all the
 * same; and a zero point that is no 8-bit integer (NaN as an integer) only comes with a scale that is infinite or NaN.
 */
SB_INLINE float sb_affine_quantize_8bit(sb_format P, float x, float inverse, float zero_point, float low, float high) {
  const float y = sb_lane_round(P, x * inverse); /* 1 */
  return sb_lane_clamp(rintf(y) + zero_point, low, high);
}

SB_INLINE float sb_affine_dequantize_8bit(sb_format P, sb_format O, float code, float zero_point, float scale) {
  return sb_lane_round(O, sb_lane_round(P, (code - zero_point) * scale)); /* 2, 3 */
}

SB_INLINE int32_t sb_lane_to_i32(float v) { return v == v && v < 0x1p31F && v >= -0x1p31F ? (int32_t)v : INT32_MIN; }

/* The same before #2280: the subtraction in int32, where NaN is INT_MIN and overflow wraps. */
SB_INLINE float sb_affine_dequantize_i32(sb_format P, sb_format O, float code, float zero_point, float scale) {
  const uint32_t steps = (uint32_t)sb_lane_to_i32(code) - (uint32_t)sb_lane_to_i32(zero_point);
  const float product = sb_lane_round(P, sb_lane_round(O, (float)(int32_t)steps) * scale); /* 1, 2 */
  return sb_lane_round(O, product);                                                        /* 3 */
}

#endif
