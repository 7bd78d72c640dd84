/* The matrix products, in the order in which PyTorch's CPU build adds up (MKL's sgemm): fused multiply-adds in the
 * order of the index, in blocks of it whose sums are added. Vectors run over outputs, never over a sum, so that its
 * bits are the same on every machine. */
#include "conformance/models/exponential.h"
#include "conformance/models/llama.h"

#include <assert.h>
#include <math.h>

/* GCC on x86: loops over outputs for each width of vectors, chosen when the program starts. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_THREAD__) &&                \
    !defined(__SANITIZE_ADDRESS__)
#define CLONES __attribute__((target_clones("default", "fma", "avx512f")))
#else
#define CLONES
#endif
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

/* sum[r][c] += x[r, from..to) . panel[from..to, c) for `many` rows, each step one fused multiply-add */
typedef void block(const float *x, int64_t k, int64_t many, int64_t from, int64_t to, const float *panel,
                   float sum[ROWS][SB_PANEL]);

static void portable(const float *x, int64_t k, int64_t many, int64_t from, int64_t to, const float *panel,
                     float sum[ROWS][SB_PANEL]) {
  for (int64_t i = from; i < to; i++)
    for (int64_t r = 0; r < many; r++)
      for (int c = 0; c < SB_PANEL; c++) sum[r][c] = fmaf(x[r * k + i], panel[i * SB_PANEL + c], sum[r][c]);
}

#ifdef HAS_AVX
#define WITH_AVX __attribute__((target("avx,fma"))) static
WITH_AVX void with_avx(const float *x, int64_t k, int64_t many, int64_t from, int64_t to, const float *panel,
                       float sum[ROWS][SB_PANEL]) {
  __m256 s[ROWS][2];
  const float *row[ROWS];
  for (int r = 0; r < ROWS; r++) row[r] = x + (r < many ? r : 0) * k; /* a row too many is the first again */
  for (int r = 0; r < ROWS; r++) s[r][0] = s[r][1] = _mm256_setzero_ps();
  for (int64_t i = from; i < to; i++) {
    const __m256 b0 = _mm256_loadu_ps(panel + i * SB_PANEL), b1 = _mm256_loadu_ps(panel + i * SB_PANEL + LANES);
    for (int r = 0; r < ROWS; r++) {
      const __m256 v = _mm256_broadcast_ss(row[r] + i);
      s[r][0] = _mm256_fmadd_ps(v, b0, s[r][0]);
      s[r][1] = _mm256_fmadd_ps(v, b1, s[r][1]);
    }
  }
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

/* What MKL adds up at once: 192 products; a sum of at most twice as many, in two halves. */
static int64_t block_of(int64_t k) {
  enum { MOST = 192 };
  return k <= MOST ? k : k <= 2 * MOST ? (k + 1) / 2 : MOST;
}

void sb_multiply(const float *x, int64_t m, int64_t k, const float *panels, int64_t n, float *y) {
  block *const run = choose();
  const int64_t step = block_of(k);
  for (int64_t p = 0; p < n; p += SB_PANEL) {
    const int64_t columns = n - p < SB_PANEL ? n - p : SB_PANEL;
    for (int64_t r = 0; r < m; r += ROWS) {
      float rows[ROWS][SB_PANEL] = {{0}}, sum[ROWS][SB_PANEL];
      const int64_t many = m - r < ROWS ? m - r : ROWS;
      for (int64_t from = 0; from < k; from += step) {
        const int64_t to = from + step < k ? from + step : k;
        memset(sum, 0, sizeof sum);
        run(x + r * k, k, many, from, to, panels + p * k, sum);
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

/* scores += q_d * k_d over all keys; kt is the transposed keys. */
CLONES static void dot_keys(const float *q, const float *kt, int64_t length, int64_t keys, int64_t dim, float *scores) {
  for (int64_t j = 0; j < keys; j++) scores[j] = 0.0F;
  for (int64_t d = 0; d < dim; d++)
    for (int64_t j = 0; j < keys; j++) scores[j] = fmaf(q[d], kt[d * length + j], scores[j]);
}

CLONES static void weigh_values(const float *p, const float *v, int64_t stride, int64_t keys, int64_t dim, float *out) {
  for (int64_t d = 0; d < dim; d++) out[d] = 0.0F;
  for (int64_t j = 0; j < keys; j++)
    for (int64_t d = 0; d < dim; d++) out[d] = fmaf(p[j], v[j * stride + d], out[d]);
}

/* softmax in f32 over the keys up to the query's own position, as ATen's vec_softmax_lastdim: the sum in 8 lanes, which
 * are then added by halves, and a product with its reciprocal. */
static void softmax(float *s, int64_t keys) {
  float most = s[0], sums[LANES] = {0};
  for (int64_t j = 1; j < keys; j++) most = s[j] > most ? s[j] : most;
  for (int64_t j = 0; j < keys; j++) {
    s[j] = sb_exponential(s[j] - most);
    sums[j % LANES] += s[j];
  }
  for (int half = LANES / 2; half > 0; half /= 2)
    for (int k = 0; k < half; k++) sums[k] += sums[k + half];
  const float reciprocal = 1.0F / sums[0];
  for (int64_t j = 0; j < keys; j++) s[j] = s[j] * reciprocal;
}

void sb_attend(const sb_attention *a) {
  float *scores = a->scratch, *kt = scores + a->length;
  for (int64_t j = 0; j < a->length; j++)
    for (int64_t d = 0; d < a->dim; d++) kt[d * a->length + j] = a->k[j * a->kv_stride + d];
  for (int64_t i = 0; i < a->length; i++) {
    const int64_t keys = i + 1;
    dot_keys(a->q + i * a->q_stride, kt, a->length, keys, a->dim, scores);
    if (a->narrow) sb_narrow(scores, keys); /* 1 */
    for (int64_t j = 0; j < keys; j++) scores[j] = scores[j] * a->scaling;
    if (a->narrow) sb_narrow(scores, keys); /* 2 */
    softmax(scores, keys);
    if (a->narrow) sb_narrow(scores, keys); /* 3 */
    float *out = a->out + i * a->q_stride;
    weigh_values(scores, a->v, a->kv_stride, keys, a->dim, out);
    if (a->narrow) sb_narrow(out, a->dim); /* 4 */
  }
}
