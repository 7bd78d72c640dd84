/* Minimum, maximum and largest magnitude of a run of elements, NaN winning, as torch.amin and torch.amax have it.
 *
 * f32, bf16 and f16 are sign and magnitude, so their order is the order of integers: reductions are integer reductions,
 * exact in any order, and a NaN, being larger than infinity, survives by itself. */
#ifndef SAMEBITS_REF_EXTREMA_H
#define SAMEBITS_REF_EXTREMA_H

#include "ref/lanes.h"

/* max |x|; NaN if any element is. */
SB_INLINE float sb_amax_abs(sb_format T, const void *x, int64_t begin, int64_t n) {
  if (T == SB_F32) {
    const float *value = (const float *)x + begin;
    int32_t most = 0;
    for (int64_t i = 0; i < n; i++) {
      const int32_t magnitude = (int32_t)(sb_f32_bits(value[i]) & 0x7fffffffU);
      most = magnitude > most ? magnitude : most;
    }
    return sb_f32_from_bits((uint32_t)most);
  }
  const int16_t *bits = (const int16_t *)x + begin;
  int16_t most = 0;
  for (int64_t i = 0; i < n; i++) {
    const int16_t magnitude = (int16_t)(bits[i] & 0x7fff);
    most = magnitude > most ? magnitude : most;
  }
  return sb_lane_load(T, &most, 0);
}

/* max |x| over the elements that are no NaN, 0 where there is none: Triton's tl.max and fmaxf. */
SB_INLINE float sb_amax_abs_ignoring_nan(sb_format T, const void *x, int64_t begin, int64_t n) {
  if (T == SB_F32) {
    const float *value = (const float *)x + begin;
    int32_t most = 0;
    for (int64_t i = 0; i < n; i++) {
      int32_t magnitude = (int32_t)(sb_f32_bits(value[i]) & 0x7fffffffU);
      magnitude = magnitude > 0x7f800000 ? 0 : magnitude;
      most = magnitude > most ? magnitude : most;
    }
    return sb_f32_from_bits((uint32_t)most);
  }
  const int16_t *bits = (const int16_t *)x + begin, infinity = T == SB_BF16 ? 0x7f80 : 0x7c00;
  int16_t most = 0;
  for (int64_t i = 0; i < n; i++) {
    int16_t magnitude = (int16_t)(bits[i] & 0x7fff);
    magnitude = magnitude > infinity ? 0 : magnitude;
    most = magnitude > most ? magnitude : most;
  }
  return sb_lane_load(T, &most, 0);
}

typedef struct sb_extrema {
  float low, high;
} sb_extrema;

/* min and max; both NaN if any element is. */
SB_INLINE sb_extrema sb_min_max(sb_format T, const void *x, int64_t begin, int64_t n) {
  sb_extrema e;
  if (T == SB_F32) {
    const float *value = (const float *)x + begin;
    int32_t low = INT32_MAX, high = INT32_MIN;
    for (int64_t i = 0; i < n; i++) {
      const int32_t bits = (int32_t)sb_f32_bits(value[i]), key = bits ^ ((bits >> 31) & 0x7fffffff);
      low = key < low ? key : low;
      high = key > high ? key : high;
    }
    e.low = sb_f32_from_bits((uint32_t)(low ^ ((low >> 31) & 0x7fffffff)));
    e.high = sb_f32_from_bits((uint32_t)(high ^ ((high >> 31) & 0x7fffffff)));
  } else {
    const int16_t *bits = (const int16_t *)x + begin;
    int16_t low = INT16_MAX, high = INT16_MIN;
    for (int64_t i = 0; i < n; i++) {
      const int16_t key = (int16_t)(bits[i] ^ ((bits[i] >> 15) & 0x7fff));
      low = key < low ? key : low;
      high = key > high ? key : high;
    }
    low = (int16_t)(low ^ ((low >> 15) & 0x7fff));
    high = (int16_t)(high ^ ((high >> 15) & 0x7fff));
    e.low = sb_lane_load(T, &low, 0);
    e.high = sb_lane_load(T, &high, 0);
  }
  const float nan = e.low != e.low ? e.low : e.high;
  return nan != nan ? (sb_extrema){nan, nan} : e;
}

#endif
