/* Rounding, loads and stores on one element, written so that a loop over them becomes vector code: no branch, no call,
 * no table. `T` is a compile-time constant wherever these are inlined. Values travel as f32. NaN is one class: whatever
 * its bits were, a rounded NaN is the quiet one. */
#ifndef SAMEBITS_REF_LANES_H
#define SAMEBITS_REF_LANES_H

#include "samebits/formats.h"

#include <math.h>

#define SB_INLINE static inline __attribute__((always_inline))

SB_INLINE float sb_lane_copysign(float magnitude, float sign) {
  return sb_f32_from_bits(sb_f32_bits(magnitude) | (sb_f32_bits(sign) & 0x80000000U));
}

/* Nearest even without the lowest `dropped` bits of an f32; a carry moves into the exponent by itself. */
SB_INLINE uint32_t sb_lane_drop(uint32_t bits, int dropped) {
  const uint32_t half = (1U << (dropped - 1)) - 1U;
  return (bits + half + ((bits >> dropped) & 1U)) & ~((1U << dropped) - 1U);
}

SB_INLINE float sb_lane_bf16(float v) {
  const uint32_t bits = sb_f32_bits(v), rounded = sb_lane_drop(bits, 16);
  return sb_f32_from_bits(v != v ? 0x7fc00000U : rounded);
}

/* The power of two below |v|, at least `least` (as f32 bits): v is then rounded to a multiple of that power times 2^-m
 * by adding and subtracting the power times 2^(23-m), the number whose unit in the last place that multiple is. */
SB_INLINE uint32_t sb_lane_binade(uint32_t magnitude, uint32_t least) {
  const uint32_t power = magnitude & 0x7f800000U;
  return (int32_t)power > (int32_t)least ? power : least;
}

SB_INLINE float sb_lane_f16(float v) {
  const uint32_t magnitude = sb_f32_bits(v) & 0x7fffffffU, above = sb_lane_binade(magnitude, 0x38800000U); /* 2^-14 */
  const uint32_t power = (int32_t)above < 0x47800000 ? above : 0x47800000U;                                /* 2^16 */
  const float magic = sb_f32_from_bits(power + (13U << 23)); /* 10 bits behind the point */
  const float rounded = (sb_f32_from_bits(magnitude) + magic) - magic;
  return sb_lane_copysign(rounded > 65504.0F ? INFINITY : rounded, v);
}

/* e4m3 of a value within +-448, or NaN. */
SB_INLINE float sb_lane_e4m3(float v) {
  const uint32_t magnitude = sb_f32_bits(v) & 0x7fffffffU, power = sb_lane_binade(magnitude, 0x3c800000U); /* 2^-6 */
  const float magic = sb_f32_from_bits(power + (20U << 23)); /* 3 bits behind the point */
  return sb_lane_copysign((sb_f32_from_bits(magnitude) + magic) - magic, v);
}

/* One rounding to T. */
SB_INLINE float sb_lane_round(sb_format T, float v) {
  if (T == SB_BF16) return sb_lane_bf16(v);
  if (T == SB_F16) return sb_lane_f16(v);
  return v;
}

/* The same of what is no NaN: infinity stays what it is. */
SB_INLINE float sb_lane_round_number(sb_format T, float v) {
  return T == SB_BF16 ? sb_f32_from_bits(sb_lane_drop(sb_f32_bits(v), 16)) : sb_lane_round(T, v);
}

/* low <= v <= high; NaN stays. */
SB_INLINE float sb_lane_clamp(float v, float low, float high) {
  const float above = v < low ? low : v;
  return above > high ? high : above;
}

/* max(v, low); NaN stays. */
SB_INLINE float sb_lane_at_least(float v, float low) { return v < low ? low : v; }

SB_INLINE float sb_lane_nan_to_zero(float v) { return v == v ? v : 0.0F; }

/* The format that PyTorch's promotion gives to an operation on two floating-point tensors. */
SB_INLINE sb_format sb_promote(sb_format a, sb_format b) { return a == b ? a : SB_F32; }

SB_INLINE float sb_lane_f16_widen(uint16_t half) {
  const uint32_t magnitude = (uint32_t)half & 0x7fffU;
  const uint32_t normal = (magnitude << 13) + 0x38000000U;
  const uint32_t small = sb_f32_bits((float)(int32_t)magnitude * 0x1p-24F);
  uint32_t result = (int32_t)magnitude < 0x400 ? small : normal;
  result = (int32_t)magnitude >= 0x7c00 ? (magnitude << 13) | 0x7f800000U : result;
  return sb_f32_from_bits(result | ((uint32_t)half & 0x8000U) << 16);
}

/* Element i of an array in T, as f32. */
SB_INLINE float sb_lane_load(sb_format T, const void *data, int64_t i) {
  if (T == SB_BF16) return sb_f32_from_bits((uint32_t)((const uint16_t *)data)[i] << 16);
  if (T == SB_F16) return sb_lane_f16_widen(((const uint16_t *)data)[i]);
  return ((const float *)data)[i];
}

/* The bits of a value that f16 represents (or NaN). */
SB_INLINE uint16_t sb_lane_f16_bits(float v) {
  const uint32_t bits = sb_f32_bits(v), magnitude = bits & 0x7fffffffU;
  const bool tiny = (int32_t)magnitude < 0x38800000;
  const uint32_t small = (uint32_t)(int32_t)(sb_f32_from_bits(tiny ? magnitude : 0) * 0x1p24F);
  uint32_t result = tiny ? small : (magnitude >> 13) - 0x1c000U;
  result = (int32_t)magnitude >= 0x7f800000 ? 0x7c00U | (magnitude >> 13 & 0x200U) : result;
  return (uint16_t)(result | (bits >> 16 & 0x8000U));
}

/* Stores a value that T represents (or NaN). data is none of what was left out: the analyzer follows callers that have
 * some of their outputs. NOLINTBEGIN(clang-analyzer-core.NullDereference) */
SB_INLINE void sb_lane_store(sb_format T, void *data, int64_t i, float v) {
  if (T == SB_BF16)
    ((uint16_t *)data)[i] = (uint16_t)(sb_f32_bits(v) >> 16);
  else if (T == SB_F16)
    ((uint16_t *)data)[i] = sb_lane_f16_bits(v);
  else
    ((float *)data)[i] = v;
}
/* NOLINTEND(clang-analyzer-core.NullDereference) */

/* The byte of a value within +-448, or NaN: one rounding to e4m3, as sb_lane_e4m3. */
SB_INLINE uint8_t sb_lane_e4m3_bits(float v) {
  const uint32_t bits = sb_f32_bits(v), magnitude = bits & 0x7fffffffU, power = sb_lane_binade(magnitude, 0x3c800000U);
  /* the low bits of the sum count multiples of power / 8: 0..7 below 2^-6, 8..16 above */
  const uint32_t sum = sb_f32_bits(sb_f32_from_bits(magnitude) + sb_f32_from_bits(power + (20U << 23)));
  const uint32_t code = (sum & 0x1fU) + (power >> 20) - 0x3c8U;
  return (uint8_t)(((int32_t)code < 0x7f ? code : 0x7fU) | (bits >> 24 & 0x80U)); /* NaN is beyond every other */
}

/* The value of an e4m3 byte. */
SB_INLINE float sb_lane_e4m3_widen(uint8_t byte) {
  const uint32_t magnitude = byte & 0x7fU;
  const uint32_t small = sb_f32_bits((float)(int32_t)magnitude * 0x1p-9F);
  uint32_t result = (int32_t)magnitude < 8 ? small : (magnitude << 20) + 0x3c000000U;
  result = magnitude == 0x7f ? 0x7fc00000U : result;
  return sb_f32_from_bits(result | ((uint32_t)byte & 0x80U) << 24);
}

#endif
