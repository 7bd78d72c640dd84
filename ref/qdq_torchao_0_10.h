/* int8 activations per token in torchao 0.10, before PR #1964: prepare as QAT did it (f32 upcast, zero point from the
 * side with the smaller error, as XNNPACK), convert by torch.ops.quantized_decomposed (fp64 scale, int64 zero point,
 * add before round, late cast). Formulas: captured outputs, reproduced by the op-by-op model of the divergences study,
 * E17. */
#ifndef SAMEBITS_REF_QDQ_TORCHAO_0_10_H
#define SAMEBITS_REF_QDQ_TORCHAO_0_10_H

#include "ref/affine_lanes.h"
#include "ref/job.h"

typedef struct sb_qparams_0_10 {
  float scale, zero_point; /* both may be NaN */
} sb_qparams_0_10;

/* All in T. */
SB_INLINE sb_qparams_0_10 sb_choose_0_10(sb_format T, const void *x, int64_t begin, int64_t n) {
  sb_extrema e = sb_min_max(T, x, begin, n);
  e.low = e.low > 0 ? 0 : e.low;
  e.high = e.high < 0 ? 0 : e.high;
  float scale = sb_lane_round(T, sb_lane_round(T, e.high - e.low) / 255.0F); /* 1, 2 */
  scale = sb_lane_at_least(scale, 0x1p-23F);
  const float from_low = sb_lane_round(T, e.low / scale), from_high = sb_lane_round(T, e.high / scale); /* 3, 4 */
  const float low_error = sb_lane_round(T, -128.0F + from_low),
              high_error = sb_lane_round(T, 127.0F + from_high); /* 5, 6 */
  const float zero_point = sb_lane_round(T, low_error + high_error) > 0
                               ? sb_lane_round(T, -128.0F - from_low)
                               : sb_lane_round(T, 127.0F - from_high); /* 7, 8 */
  return (sb_qparams_0_10){scale, rintf(sb_lane_clamp(zero_point, -128.0F, 127.0F))};
}

/* NaN and infinity to int64 are INT64_MIN on x86; the f32 in between is exact for -128..127. */
static inline int64_t sb_zero_point_i64(float zero_point) {
  return zero_point == zero_point ? (int64_t)zero_point : INT64_MIN;
}

SB_INLINE void sb_prepare_0_10(sb_format T, const void *x, int64_t at, int64_t n, sb_qparams_0_10 q, int8_t *codes,
                               void *output) {
  const float inverse = 1.0F / q.scale; /* 1 */
  for (int64_t i = 0; i < n; i++) {
    const float y = rintf(sb_lane_load(T, x, at + i) * inverse); /* 2 */
    const float code = sb_lane_clamp(y + q.zero_point, -128.0F, 127.0F);
    if (codes) codes[at + i] = (int8_t)(int32_t)sb_lane_nan_to_zero(code);
    /* 3, 4: the subtraction is int32, where the NaN of an infinite row is INT_MIN; the product is f32 */
    const float y32 = sb_affine_dequantize_i32(SB_F32, SB_F32, code, q.zero_point, q.scale);
    if (output) sb_lane_store(T, output, at + i, sb_lane_round(T, y32));
  }
}

SB_INLINE float sb_dequantize_0_10(sb_format T, int8_t code, int64_t zero_point, double scale) {
  const int64_t steps = (int64_t)((uint64_t)code - (uint64_t)zero_point);
  return sb_lane_round(T, (float)((double)steps * scale));
}

SB_INLINE void sb_convert_0_10(sb_format T, const void *x, int64_t at, int64_t n, sb_qparams_0_10 q, int8_t *codes,
                               void *output) {
  const double scale = (double)q.scale, inverse = 1.0 / scale; /* 1 */
  const int64_t zero_point = sb_zero_point_i64(q.zero_point);
  for (int64_t i = 0; i < n; i++) {
    const double y = (double)sb_lane_load(T, x, at + i) * inverse; /* 2 */
    double code = rint(y + (double)zero_point);                    /* 3: the zero point is added before the rounding */
    code = code < -128.0 ? -128.0 : code > 127.0 ? 127.0 : code;
    const int8_t whole = code == code ? (int8_t)(int32_t)code : 0;
    if (codes) codes[at + i] = whole;
    if (output) sb_lane_store(T, output, at + i, sb_dequantize_0_10(T, whole, zero_point, scale));
  }
}

static inline void sb_put_qparams_0_10(const sb_job *job, int64_t row, sb_qparams_0_10 q) {
  sb_tensor *scale = &job->out[SB_SCALE], *zero_point = &job->out[SB_ZERO_POINT];
  if (sb_wanted(job, SB_SCALE)) sb_store(scale->format, scale->data, row, (double)q.scale);
  if (!sb_wanted(job, SB_ZERO_POINT)) return;
  if (zero_point->format == SB_I64)
    sb_store_int(SB_I64, zero_point->data, row, sb_zero_point_i64(q.zero_point));
  else
    sb_store(zero_point->format, zero_point->data, row, (double)q.zero_point);
}

SB_INLINE void sb_rows_0_10(sb_format T, const sb_job *job, int64_t begin, int64_t end) {
  const void *x = job->in[SB_X].data;
  const int64_t n = job->cols;
  int8_t *codes = sb_wanted(job, SB_CODES) ? job->out[SB_CODES].data : NULL;
  void *output = sb_wanted(job, SB_OUTPUT) ? job->out[SB_OUTPUT].data : NULL;
  for (int64_t row = begin; row < end; row++) {
    sb_qparams_0_10 q;
    if (job->step == SB_QUANTIZE || job->step == SB_DEQUANTIZE) {
      sb_get_params(&job->in[SB_SCALE], row, 1, &q.scale);
      sb_get_params(&job->in[SB_ZERO_POINT], row, 1, &q.zero_point);
    } else {
      q = sb_choose_0_10(T, x, row * n, n);
      sb_put_qparams_0_10(job, row, q);
    }
    if (job->step == SB_CONVERT) sb_convert_0_10(T, x, row * n, n, q, codes, output);
    if (job->step == SB_PREPARE || job->step == SB_QUANTIZE) sb_prepare_0_10(T, x, row * n, n, q, codes, output);
    if (job->step == SB_DEQUANTIZE) {
      const int8_t *from = (const int8_t *)job->in[SB_CODES].data + row * n;
      for (int64_t i = 0; i < n; i++) {
        const float y32 = sb_affine_dequantize_i32(SB_F32, SB_F32, (float)from[i], q.zero_point, q.scale);
        sb_lane_store(T, output, row * n + i, sb_lane_round(T, y32));
      }
    }
  }
}

static void sb_qdq_torchao_0_10_rows(const sb_job *job, int64_t begin, int64_t end, int8_t *codes_row) {
  (void)codes_row;
  SB_FOR_DTYPE(sb_rows_0_10, job, begin, end);
}

#endif
