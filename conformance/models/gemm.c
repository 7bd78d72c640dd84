/* The matrix products, by fused multiply-adds in the order in which PyTorch's CPU build adds up. Vectors run over
 * outputs, never over a sum, so that its bits are the same on every machine. */
#include "conformance/models/llama.h"
#include "conformance/models/sums.h"

#include <assert.h>
#include <math.h>

#if defined(__x86_64__) && defined(__GNUC__)
#define HAS_AVX
#include <immintrin.h>
#endif

enum { LANES = 8, ROWS = 4 };
static_assert(SB_PANEL == 2 * LANES, "a panel is two vectors wide");

int64_t sb_panels_size(int64_t n, int64_t k) { return (n + SB_PANEL - 1) / SB_PANEL * SB_PANEL * k; }

void sb_panels_fill(const float *w, int64_t n, int64_t k, float *panels) {
  for (int64_t p = 0; p < n; p += SB_PANEL)
    for (int64_t i = 0; i < k; i++)
      for (int64_t c = 0; c < SB_PANEL; c++) *panels++ = p + c < n ? w[(p + c) * k + i] : 0.0F;
}

/* sum[r][c] = x[r, from..to) . panel[from..to, c) for `many` rows, each step one fused multiply-add */
typedef void block(sb_format T, const float *x, int64_t k, int64_t many, int64_t from, int64_t to, const float *panel,
                   float sum[ROWS][SB_PANEL]);

static void portable(sb_format T, const float *x, int64_t k, int64_t many, int64_t from, int64_t to, const float *panel,
                     float sum[ROWS][SB_PANEL]) {
  memset(sum, 0, sizeof(float[ROWS][SB_PANEL]));
  for (int64_t step = from; step < to; step++) {
    const int64_t i = sb_sum_index(T, step, k);
    for (int64_t r = 0; r < many; r++)
      for (int c = 0; c < SB_PANEL; c++) sum[r][c] = fmaf(x[r * k + i], panel[i * SB_PANEL + c], sum[r][c]);
  }
}

#ifdef HAS_AVX
#define WITH_AVX __attribute__((target("avx,fma")))
WITH_AVX static inline void add_products(__m256 s[ROWS][2], const float *const row[ROWS], int64_t i,
                                         const float *panel) {
  const __m256 b0 = _mm256_loadu_ps(panel + i * SB_PANEL), b1 = _mm256_loadu_ps(panel + i * SB_PANEL + LANES);
  for (int r = 0; r < ROWS; r++) {
    const __m256 v = _mm256_broadcast_ss(row[r] + i);
    s[r][0] = _mm256_fmadd_ps(v, b0, s[r][0]);
    s[r][1] = _mm256_fmadd_ps(v, b1, s[r][1]);
  }
}

WITH_AVX static void with_avx(sb_format T, const float *x, int64_t k, int64_t many, int64_t from, int64_t to,
                              const float *panel, float sum[ROWS][SB_PANEL]) {
  __m256 s[ROWS][2];
  const float *row[ROWS];
  for (int r = 0; r < ROWS; r++) row[r] = x + (r < many ? r : 0) * k; /* a row too many is the first again */
  for (int r = 0; r < ROWS; r++) s[r][0] = s[r][1] = _mm256_setzero_ps();
  if (T == SB_BF16)
    for (int64_t i = from; i < to; i++) add_products(s, row, sb_sum_index(SB_BF16, i, k), panel);
  else
    for (int64_t i = from; i < to; i++) add_products(s, row, i, panel);
  for (int r = 0; r < ROWS; r++)
    for (int h = 0; h < 2; h++) _mm256_storeu_ps(sum[r] + h * LANES, s[r][h]);
}
#endif

static block *choose(void) {
#ifdef HAS_AVX
  if (__builtin_cpu_supports("avx") && __builtin_cpu_supports("fma")) return with_avx;
#endif
  return portable;
}

void sb_multiply(sb_format T, const float *x, int64_t m, int64_t k, const float *panels, int64_t n, float *y) {
  block *const run = choose();
  const int64_t step = sb_sum_block(T, k);
  for (int64_t p = 0; p < n; p += SB_PANEL) {
    const int64_t columns = n - p < SB_PANEL ? n - p : SB_PANEL;
    for (int64_t r = 0; r < m; r += ROWS) {
      float rows[ROWS][SB_PANEL] = {{0}}, sum[ROWS][SB_PANEL];
      const int64_t many = m - r < ROWS ? m - r : ROWS;
      for (int64_t from = 0; from < k; from += step) {
        const int64_t to = from + step < k ? from + step : k;
        run(T, x + r * k, k, many, from, to, panels + p * k, sum);
        for (int i = 0; i < ROWS * SB_PANEL; i++)
          rows[i / SB_PANEL][i % SB_PANEL] = from ? rows[i / SB_PANEL][i % SB_PANEL] + sum[i / SB_PANEL][i % SB_PANEL]
                                                  : sum[i / SB_PANEL][i % SB_PANEL];
      }
      for (int64_t t = 0; t < many; t++) memcpy(y + (r + t) * n + p, rows[t], (size_t)columns * sizeof *y);
    }
  }
}

static inline float narrowed(float value) {
  uint32_t bits = sb_f32_bits(value);
  if ((bits & 0x7fffffff) > 0x7f800000) return sb_f32_from_bits(0x7fc00000);
  bits += 0x7fff + (bits >> 16 & 1);
  return sb_f32_from_bits(bits & 0xffff0000);
}

CLONES void sb_narrow(float *values, int64_t count) {
  for (int64_t i = 0; i < count; i++) values[i] = narrowed(values[i]);
}
