/* float8 per row or tensor: the scale and the codes, on one element, in the forms that upstream has. */
#ifndef SAMEBITS_REF_FLOAT8_LANES_H
#define SAMEBITS_REF_FLOAT8_LANES_H

#include "ref/extrema.h"
#include "ref/job.h"

typedef enum sb_float8_form {
  SB_FLOAT8_TORCHAO,      /* Float8FakeQuantizer, Float8Tensor: s = r(amax / 448), no floor; x / s in f32 */
  SB_FLOAT8_TORCHAO_CUDA, /* the same by fl(1 / 448) */
  SB_FLOAT8_MSLK,         /* MSLK's Triton quantize_fp8_row: f32, floor 2^-9 on amax, maximum without NaN */
  SB_FLOAT8_MSLK_CPU,     /* its fallback on a CPU tensor: m = fl(fl(1 / amax) * 448), codes by x * m, s = 1 / m */
  SB_FLOAT8_ALIGNED       /* the MSLK form with NaN winning */
} sb_float8_form;

/* What one row is quantized with: code = e4m3(clamp(by_multiply ? x * factor : x / factor)). */
typedef struct sb_float8_row {
  float scale, factor;
} sb_float8_row;

/* amax -> scale. floor: lower bound of amax (0: none). */
SB_INLINE float sb_float8_scale(sb_format T, sb_float8_form form, float amax) {
  switch (form) {
  case SB_FLOAT8_TORCHAO:
    return sb_lane_round(T, amax / 448.0F); /* 1: rounded to T, then widened */
  case SB_FLOAT8_TORCHAO_CUDA:
    return sb_lane_round(T, amax * (1.0F / 448.0F)); /* 1 */
  default:
    return sb_lane_at_least(amax, 0x1p-9F) / 448.0F; /* 1: f32 */
  }
}

SB_INLINE sb_float8_row sb_float8_choose(sb_format T, sb_float8_form form, const void *x, int64_t begin, int64_t n) {
  const bool ignore_nan = form == SB_FLOAT8_MSLK;
  float amax = ignore_nan ? sb_amax_abs_ignoring_nan(T, x, begin, n) : sb_amax_abs(T, x, begin, n);
  if (form != SB_FLOAT8_MSLK_CPU) {
    const float scale = sb_float8_scale(T, form, amax);
    return (sb_float8_row){scale, scale};
  }
  amax = sb_lane_at_least(amax, sb_lane_round(T, 1e-12F));
  if (amax == 0) return (sb_float8_row){1.0F, 1.0F}; /* f16: 1e-12 rounds to 0 */
  const float factor = (1.0F / amax) * 448.0F;       /* 1, 2: Python's 448 / tensor */
  return (sb_float8_row){1.0F / factor, factor};     /* 3 */
}

/* The code as the number it stands for: clamped to +-448, then rounded once; NaN kept, -0 kept. */
SB_INLINE float sb_float8_quantize(float x, float factor, bool by_multiply) {
  const float y = by_multiply ? x * factor : x / factor;  /* 1 */
  return sb_lane_e4m3(sb_lane_clamp(y, -448.0F, 448.0F)); /* 2 */
}

SB_INLINE float sb_float8_dequantize(sb_format T, float code, float scale) { return sb_lane_round(T, code * scale); }

SB_INLINE void sb_float8_block(sb_format T, bool by_multiply, const void *x, sb_float8_row r, uint8_t *codes,
                               void *output) {
  float code[SB_BLOCK];
  for (int i = 0; i < SB_BLOCK; i++) code[i] = sb_float8_quantize(sb_lane_load(T, x, i), r.factor, by_multiply);
  for (int i = 0; i < SB_BLOCK; i++) codes[i] = sb_lane_e4m3_bits(code[i]);
  for (int i = 0; i < SB_BLOCK; i++) sb_lane_store(T, output, i, sb_float8_dequantize(T, code[i], r.scale));
}

/* One row or tensor of n elements at `at`; codes and output may be NULL. */
SB_INLINE void sb_float8_run(sb_format T, bool by_multiply, const void *x, int64_t at, int64_t n, sb_float8_row r,
                             uint8_t *codes, void *output) {
  for (int64_t i = 0; i < n; i += SB_BLOCK) {
    sb_window w;
    void *c = codes ? codes + at + i : NULL, *y = sb_element(T, output, at + i);
    sb_window_open(T, &w, sb_const_element(T, x, at + i), c, y, n - i);
    sb_float8_block(T, by_multiply, w.x, r, w.codes, w.output);
    sb_window_close(T, &w, c, y, n - i);
  }
}

/* Rows of a float8 side: every step. */
SB_INLINE void sb_float8_rows(sb_format T, const sb_job *job, int64_t begin, int64_t end, sb_float8_form form) {
  const bool by_multiply = form == SB_FLOAT8_MSLK_CPU;
  const void *x = job->in[SB_X].data;
  uint8_t *codes = sb_wanted(job, SB_CODES) ? job->out[SB_CODES].data : NULL;
  void *output = sb_wanted(job, SB_OUTPUT) ? job->out[SB_OUTPUT].data : NULL;
  for (int64_t row = begin; row < end; row++) {
    sb_float8_row r;
    if (job->step == SB_QUANTIZE || job->step == SB_DEQUANTIZE) {
      sb_get_params(&job->in[SB_SCALE], row, 1, &r.scale);
      r.factor = by_multiply ? 1.0F / r.scale : r.scale;
    } else {
      r = sb_float8_choose(T, form, x, row * job->cols, job->cols);
      sb_put_params(&job->out[SB_SCALE], row, 1, &r.scale);
    }
    if (job->step == SB_CHOOSE_QPARAMS) continue;
    if (job->step != SB_DEQUANTIZE) {
      if (by_multiply)
        sb_float8_run(T, true, x, row * job->cols, job->cols, r, codes, output);
      else
        sb_float8_run(T, false, x, row * job->cols, job->cols, r, codes, output);
      continue;
    }
    const uint8_t *from = job->in[SB_CODES].data;
    for (int64_t i = row * job->cols; i < (row + 1) * job->cols; i++) {
      sb_lane_store(T, output, i, sb_float8_dequantize(T, sb_lane_e4m3_widen(from[i]), r.scale));
    }
  }
}

#endif
