/* The matrix products. Vectors run over outputs, never over the sum: each sum has the order of its index on every
 * machine. */
#include "conformance/models/llama.h"

#include <assert.h>
#include <math.h>

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_THREAD__) &&                \
    !defined(__SANITIZE_ADDRESS__)
#define CLONES __attribute__((target_clones("default", "avx2", "avx512f")))
#else
#define CLONES
#endif

typedef float lanes __attribute__((vector_size(32), aligned(4)));
enum { LANES = 8, ROWS = 4 };
static_assert(SB_PANEL == 2 * LANES, "a panel is two vectors wide");

int64_t sb_panels_size(int64_t n, int64_t k) { return (n + SB_PANEL - 1) / SB_PANEL * SB_PANEL * k; }

void sb_panels_fill(const float *w, int64_t n, int64_t k, float *panels) {
  for (int64_t p = 0; p < n; p += SB_PANEL)
    for (int64_t i = 0; i < k; i++)
      for (int64_t c = 0; c < SB_PANEL; c++) *panels++ = p + c < n ? w[(p + c) * k + i] : 0.0F;
}

static void store(const lanes sum[2], int64_t columns, float *y) {
  float row[SB_PANEL];
  memcpy(row, sum, sizeof row);
  memcpy(y, row, (size_t)columns * sizeof *row);
}

CLONES void sb_multiply(const float *x, int64_t m, int64_t k, const float *panels, int64_t n, float *y) {
  for (int64_t p = 0; p < n; p += SB_PANEL) {
    const float *panel = panels + p * k;
    const int64_t columns = n - p < SB_PANEL ? n - p : SB_PANEL;
    int64_t r = 0;
    for (; r + ROWS <= m; r += ROWS) {
      lanes sum[ROWS][2] = {0};
      const float *a = x + r * k;
      for (int64_t i = 0; i < k; i++) {
        const lanes b0 = *(const lanes *)(panel + i * SB_PANEL), b1 = *(const lanes *)(panel + i * SB_PANEL + LANES);
        for (int t = 0; t < ROWS; t++) {
          const float v = a[t * k + i];
          sum[t][0] += v * b0;
          sum[t][1] += v * b1;
        }
      }
      for (int t = 0; t < ROWS; t++) store(sum[t], columns, y + (r + t) * n + p);
    }
    for (; r < m; r++) {
      lanes sum[2] = {0};
      for (int64_t i = 0; i < k; i++) {
        const float v = x[r * k + i];
        sum[0] += v * *(const lanes *)(panel + i * SB_PANEL);
        sum[1] += v * *(const lanes *)(panel + i * SB_PANEL + LANES);
      }
      store(sum, columns, y + r * n + p);
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
    for (int64_t j = 0; j < keys; j++) scores[j] += q[d] * kt[d * length + j];
}

CLONES static void weigh_values(const float *p, const float *v, int64_t stride, int64_t keys, int64_t dim, float *out) {
  for (int64_t d = 0; d < dim; d++) out[d] = 0.0F;
  for (int64_t j = 0; j < keys; j++)
    for (int64_t d = 0; d < dim; d++) out[d] += p[j] * v[j * stride + d];
}

/* softmax in f32 over the keys up to the query's own position. */
static void softmax(float *s, int64_t keys) {
  float most = s[0], sum = 0.0F;
  for (int64_t j = 1; j < keys; j++) most = s[j] > most ? s[j] : most;
  for (int64_t j = 0; j < keys; j++) {
    s[j] = expf(s[j] - most);
    sum += s[j];
  }
  for (int64_t j = 0; j < keys; j++) s[j] = s[j] / sum;
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
