/* The orders in which PyTorch's CPU build for AVX-512 adds products up, found by comparing bits with captured runs:
 *   f32 (MKL's sgemm): in the order of the index, in blocks whose sums are added;
 *   bf16 (oneDNN, vdpbf16ps): by pairs, of each the second product first; a bf16 product is exact in f32.
 * vdpbf16ps takes and gives subnormals as zero; here they are kept. */
#ifndef SAMEBITS_MODELS_SUMS_H
#define SAMEBITS_MODELS_SUMS_H

#include "conformance/models/exponential.h"

/* GCC on x86: loops over outputs for each width of vectors, chosen when the program starts. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_THREAD__) &&                \
    !defined(__SANITIZE_ADDRESS__)
#define CLONES __attribute__((target_clones("default", "fma", "avx512f")))
#else
#define CLONES
#endif

/* How many products are added up at once: in f32 192, and a sum of at most twice as many in two halves. */
static inline int64_t sb_sum_block(sb_format T, int64_t k) {
  enum { MOST = 192 };
  return T == SB_BF16 || k <= MOST ? k : k <= 2 * MOST ? (k + 1) / 2 : MOST;
}

/* The index of the i-th product of k. */
static inline int64_t sb_sum_index(sb_format T, int64_t i, int64_t k) {
  return T == SB_BF16 && (i ^ 1) < k ? i ^ 1 : i;
}

/* ATen adds the elements of a row in the 16 lanes of a vector, and the lanes by halves. */
enum { SB_SUM_LANES = 16 };
static inline float sb_sum_lanes(float lanes[SB_SUM_LANES]) {
  for (int half = SB_SUM_LANES / 2; half > 0; half /= 2)
    for (int i = 0; i < half; i++) lanes[i] += lanes[i + half];
  return lanes[0];
}

/* The sum of exp(x - most), most being the largest x; `each`: room for the terms, x itself or NULL. */
static inline float sb_sum_exponentials(const float *x, int64_t count, float *most, float *each) {
  float lanes[SB_SUM_LANES] = {0}, largest = x[0];
  for (int64_t i = 1; i < count; i++) largest = x[i] > largest ? x[i] : largest;
  for (int64_t i = 0; i < count; i++) {
    const float term = sb_exponential(x[i] - largest);
    lanes[i % SB_SUM_LANES] += term;
    if (each) each[i] = term;
  }
  *most = largest;
  return sb_sum_lanes(lanes);
}

#endif
