/* sweep-int4-output: every group minimum and maximum of f16 or bf16, and every code that they allow, through the output
 * of int4-weight-only@aligned, T(q * T(s) + T(z)), where a kernel may round once (fused or in f64) or distribute the
 * zero point, (q + 8) * s + (z - 8 * s). For the kill matrix (conformance/mutants/equivalent.c), which has no rule for
 * these. The arithmetic is the host's f32, which no evaluator shares.
 *
 *   sweep-int4-output f16|bf16 [FROM TO]     minima number FROM to TO, of 65,535 and less
 *
 * Rounding the sum to f32 first tells where that sum is no f32 (its error, by TwoSum, is not 0) and the f32 is a
 * midpoint of T: nowhere else do two roundings differ from one, through f64 or not. The distributed form is the same
 * sum where z - 8 * s is an f32; where it is not, both are computed. Exit 0: all give the same bits; 1: some do not. */
#include "ref/lanes.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 1 << 16, INEXACT = 1, DOUBLE = 2 };

static float values[MOST];
static uint8_t flags[MOST];

SB_INLINE float error_of_sum(float a, float b, float sum) {
  const float other = sum - a;
  return (a - (sum - other)) + (b - other);
}

/* What one minimum gives with all maxima: INEXACT where z - 8 * s is rounded, DOUBLE where the output is rounded twice
 * to another value than once. Codes up to (max - min) / s, half a code more. */
SB_INLINE void flag_all(sb_format T, float mn, int from, int count) {
  const uint32_t dropped = T == SB_BF16 ? 0xffffU : 0x1fffU, middle = T == SB_BF16 ? 0x8000U : 0x1000U;
  for (int j = from; j < count; j++) {
    const float range = values[j] - mn, s = (range > 1e-6F ? range : 1e-6F) / 15.0F, z = mn + s * 8.0F;
    const float scale = sb_lane_round_number(T, s), zero = sb_lane_round_number(T, z), shift = -8.0F * scale;
    const float most = range / s + 0.5F;
    uint32_t flag = error_of_sum(zero, shift, zero + shift) != 0 ? INEXACT : 0;
    for (int q = 0; q < 16; q++) {
      const float product = (float)(q - 8) * scale, sum = product + zero;
      const uint32_t twice = (sb_f32_bits(sum) & dropped) == middle && error_of_sum(product, zero, sum) != 0;
      flag |= twice && (float)q <= most ? DOUBLE : 0;
    }
    flags[j] = (uint8_t)(s < INFINITY ? flag : 0); /* an infinite scale: every form gives NaN */
  }
}
static void flag_f16(float mn, int from, int count) { flag_all(SB_F16, mn, from, count); }
static void flag_bf16(float mn, int from, int count) { flag_all(SB_BF16, mn, from, count); }

/* Whether the distributed form gives another value for a code. */
static bool distributed_differs(sb_format T, float mn, float mx) {
  const float range = mx - mn, s = (range > 1e-6F ? range : 1e-6F) / 15.0F, z = mn + s * 8.0F;
  const float scale = sb_lane_round(T, s), zero = sb_lane_round(T, z);
  for (int q = 0; q < 16 && (float)q <= range / s + 0.5F; q++) {
    const float one = sb_lane_round(T, (float)(q - 8) * scale + zero);
    const float other = sb_lane_round(T, (float)q * scale + (zero - scale * 8.0F));
    if (one == other) continue;
    printf("min %a, max %a, code %d: %a, distributed %a\n", (double)mn, (double)mx, q - 8, (double)one, (double)other);
    return true;
  }
  return false;
}

static int ascending(const void *a, const void *b) {
  const float x = *(const float *)a, y = *(const float *)b;
  return (x > y) - (x < y);
}

int main(int argc, char **argv) {
  if (argc < 2 || (strcmp(argv[1], "f16") != 0 && strcmp(argv[1], "bf16") != 0)) {
    fprintf(stderr, "usage: %s f16|bf16 [FROM TO]\n", argv[0]);
    return 2;
  }
  const sb_format T = strcmp(argv[1], "f16") == 0 ? SB_F16 : SB_BF16;
  int count = 0;
  for (uint32_t bits = 0; bits < 1U << 16; bits++) {
    const uint16_t half = (uint16_t)bits;
    const float v = (float)sb_load(T, &half, 0);
    if (v - v == 0 && bits != 0x8000U) values[count++] = v; /* finite, one zero */
  }
  qsort(values, (size_t)count, sizeof *values, ascending);
  const int from = argc > 3 ? atoi(argv[2]) : 0, to = argc > 3 && atoi(argv[3]) < count ? atoi(argv[3]) : count;
  int64_t pairs = 0, inexact = 0, different = 0;
  for (int i = from; i < to; i++) {
    (T == SB_F16 ? flag_f16 : flag_bf16)(values[i], i, count);
    pairs += count - i;
    for (int j = i; j < count; j++) {
      if (!flags[j]) continue;
      if (flags[j] & DOUBLE && different++ < 20)
        printf("min %a, max %a: rounded twice\n", (double)values[i], (double)values[j]);
      inexact += (flags[j] & INEXACT) != 0;
      if (flags[j] & INEXACT && different < 20) different += distributed_differs(T, values[i], values[j]);
    }
  }
  printf("%s: %" PRId64 " pairs of minimum and maximum, in %" PRId64 " z - 8 * s is rounded; %" PRId64 " differ\n",
         argv[1], pairs, inexact, different);
  return different ? 1 : 0;
}
