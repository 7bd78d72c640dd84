/* Causal attention of one head, as transformers' eager attention on PyTorch's CPU build: two matrix products and the
 * softmax between them. What is masked has the weight 0 there and adds nothing to a sum, but counts in its blocks. */
#include "conformance/models/llama.h"
#include "conformance/models/sums.h"

/* sum[j] += q[d] * kt[d][j] over all keys j and `from` <= d < `to`. */
CLONES static void add_keys(sb_format T, const sb_attention *a, const float *q, const float *kt, int64_t keys,
                            int64_t from, int64_t to, float *sum) {
  for (int64_t i = from; i < to; i++) {
    const int64_t d = sb_sum_index(T, i, a->dim);
    const float by = q[d], *row = kt + d * a->length;
    for (int64_t j = 0; j < keys; j++) sum[j] = fmaf(by, row[j], sum[j]);
  }
}

/* sum[d] += p[j] * v[j][d] over all of a value and `from` <= j < `to`. */
CLONES static void add_values(sb_format T, const sb_attention *a, const float *p, int64_t keys, int64_t from,
                              int64_t to, float *sum) {
  for (int64_t i = from; i < to; i++) {
    const int64_t j = sb_sum_index(T, i, a->length), dim = j < keys ? a->dim : 0;
    const float by = p[j < keys ? j : 0], *row = a->v + j * a->kv_stride;
    for (int64_t d = 0; d < dim; d++) sum[d] = fmaf(by, row[d], sum[d]);
  }
}

static void clear(float *values, int64_t count) { memset(values, 0, (size_t)count * sizeof *values); }

CLONES static void add(const float *values, int64_t count, float *sum) {
  for (int64_t i = 0; i < count; i++) sum[i] = sum[i] + values[i];
}

static void dot_keys(sb_format T, const sb_attention *a, const float *q, const float *kt, int64_t keys, float *scores,
                     float *block) {
  const int64_t step = sb_sum_block(T, a->dim);
  clear(scores, keys);
  add_keys(T, a, q, kt, keys, 0, step, scores);
  for (int64_t from = step; from < a->dim; from += step) {
    clear(block, keys);
    add_keys(T, a, q, kt, keys, from, from + step < a->dim ? from + step : a->dim, block);
    add(block, keys, scores);
  }
}

static void weigh_values(sb_format T, const sb_attention *a, const float *p, int64_t keys, float *out, float *block) {
  const int64_t step = sb_sum_block(T, a->length);
  clear(out, a->dim);
  /* one more than the keys: of the last pair the second comes first */
  add_values(T, a, p, keys, 0, step < keys + 1 ? step : keys + 1, out);
  for (int64_t from = step; from < keys; from += step) {
    clear(block, a->dim);
    add_values(T, a, p, keys, from, from + step < a->length ? from + step : a->length, block);
    add(block, a->dim, out);
  }
}

/* softmax in f32 over the keys up to the query's own position, as ATen's vec_softmax_lastdim: a product with the
 * reciprocal of the sum. */
static void softmax(float *s, int64_t keys) {
  float most;
  const float reciprocal = 1.0F / sb_sum_exponentials(s, keys, &most, s);
  for (int64_t j = 0; j < keys; j++) s[j] = s[j] * reciprocal;
}

int64_t sb_attention_scratch(int64_t length, int64_t dim) { return length * (dim + 1) + (length > dim ? length : dim); }

void sb_attend(const sb_attention *a) {
  const sb_format T = a->narrow ? SB_BF16 : SB_F32;
  float *scores = a->scratch, *kt = scores + a->length, *block = kt + a->length * a->dim;
  for (int64_t j = 0; j < a->length; j++)
    for (int64_t d = 0; d < a->dim; d++) kt[d * a->length + j] = a->k[j * a->kv_stride + d];
  for (int64_t i = 0; i < a->length; i++) {
    const int64_t keys = i + 1;
    dot_keys(T, a, a->q + i * a->q_stride, kt, keys, scores, block);
    if (a->narrow) sb_narrow(scores, keys); /* 1 */
    for (int64_t j = 0; j < keys; j++) scores[j] = scores[j] * a->scaling;
    if (a->narrow) sb_narrow(scores, keys); /* 2 */
    softmax(scores, keys);
    if (a->narrow) sb_narrow(scores, keys); /* 3 */
    float *out = a->out + i * a->q_stride;
    weigh_values(T, a, scores, keys, out, block);
    if (a->narrow) sb_narrow(out, a->dim); /* 4 */
  }
}
