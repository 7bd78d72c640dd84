/* Rows of a recipe whose numerics are the affine primitives: choose qparams, quantize and dequantize group by group, in
 * one pass over a row that stays in cache. */
#ifndef SAMEBITS_REF_AFFINE_ROWS_H
#define SAMEBITS_REF_AFFINE_ROWS_H

#include "ref/affine_lanes.h"
#include "ref/job.h"

/* What becomes of the codes before they are dequantized. */
typedef enum sb_code_mode {
  SB_CODES_INTEGER,  /* stored as integers, NaN as 0: convert */
  SB_CODES_FLOAT,    /* kept in P, so that NaN stays: prepare */
  SB_CODES_FLOAT_I32 /* kept in P, then cast to int32: prepare before torchao #2280 */
} sb_code_mode;

SB_INLINE void sb_affine_block(sb_format T, sb_format P, sb_code_mode mode, const void *x, float scale, float inverse,
                               float zero_point, float low, float high, int8_t *codes, void *output) {
  float code[SB_BLOCK], whole[SB_BLOCK];
  for (int i = 0; i < SB_BLOCK; i++) {
    code[i] = sb_affine_quantize_8bit(P, sb_lane_load(T, x, i), inverse, zero_point, low, high);
    whole[i] = sb_lane_nan_to_zero(code[i]);
  }
  for (int i = 0; i < SB_BLOCK; i++) codes[i] = (int8_t)(int32_t)whole[i];
  for (int i = 0; i < SB_BLOCK; i++) {
    float y;
    if (mode == SB_CODES_INTEGER)
      y = sb_affine_dequantize_8bit(P, T, whole[i], zero_point, scale);
    else if (mode == SB_CODES_FLOAT)
      y = sb_affine_dequantize_8bit(P, T, code[i], zero_point, scale);
    else
      y = sb_affine_dequantize_i32(P, T, code[i], zero_point, scale);
    sb_lane_store(T, output, i, y);
  }
}

/* One group of n elements at `at`; `codes` (of the group) and `output` (of the tensor) may be NULL. */
SB_INLINE void sb_affine_group(sb_format T, sb_format P, sb_code_mode mode, const void *x, int64_t at, int64_t n,
                               float scale, float zero_point, const sb_affine_rules *rules, int8_t *codes,
                               void *output) {
  const float inverse = sb_lane_round(P, 1.0F / scale), low = rules->quant_min, high = rules->quant_max;
  for (int64_t i = 0; i < n; i += SB_BLOCK) {
    sb_window w;
    void *c = codes ? codes + i : NULL, *y = sb_element(T, output, at + i);
    sb_window_open(T, &w, sb_const_element(T, x, at + i), c, y, n - i);
    sb_affine_block(T, P, mode, w.x, scale, inverse, zero_point, low, high, w.codes, w.output);
    sb_window_close(T, &w, c, y, n - i);
  }
}

SB_INLINE void sb_affine_dequantize_group(sb_format T, sb_format P, const int8_t *codes, int64_t at, int64_t n,
                                          float scale, float zero_point, void *output) {
  for (int64_t i = at; i < at + n; i++) {
    sb_lane_store(T, output, i, sb_affine_dequantize_8bit(P, T, (float)codes[i], zero_point, scale));
  }
}

/* Scale and zero_point of groups [g, g + n) of a row, as the scale's format holds them. */
SB_INLINE void sb_affine_choose(sb_format T, const sb_affine_rules *rules, const sb_job *job, int64_t row, int64_t g,
                                int64_t n, float *scale, float *zero_point) {
  float low[SB_CHUNK], high[SB_CHUNK];
  for (int64_t i = 0; i < n; i++) {
    const sb_extrema e =
        sb_affine_extrema(T, rules, job->in[SB_X].data, row * job->cols + (g + i) * job->group, job->group);
    low[i] = e.low;
    high[i] = e.high;
  }
  for (int64_t i = 0; i < n; i++) scale[i] = sb_affine_scale(T, rules, low[i], high[i]);
  for (int64_t i = 0; i < n; i++) zero_point[i] = sb_affine_zero_point(T, rules, low[i], scale[i]);
}

SB_INLINE void sb_affine_rows(sb_format T, const sb_job *job, int64_t begin, int64_t end, int8_t *codes_row,
                              sb_format P, sb_code_mode mode, const sb_affine_rules *rules) {
  const void *x = job->in[SB_X].data;
  void *output = sb_wanted(job, SB_OUTPUT) ? job->out[SB_OUTPUT].data : NULL;
  const bool packed = sb_wanted(job, SB_PACKED);
  for (int64_t row = begin; row < end; row++) {
    int8_t *codes = packed ? codes_row : NULL;
    if (sb_wanted(job, SB_CODES)) codes = (int8_t *)job->out[SB_CODES].data + row * job->cols;
    for (int64_t g = 0; g < job->groups; g += SB_CHUNK) {
      float scale[SB_CHUNK], zero_point[SB_CHUNK];
      const int64_t n = job->groups - g < SB_CHUNK ? job->groups - g : SB_CHUNK, first = row * job->groups + g;
      if (job->step == SB_QUANTIZE || job->step == SB_DEQUANTIZE) {
        sb_get_params(&job->in[SB_SCALE], first, n, scale);
        sb_get_params(&job->in[SB_ZERO_POINT], first, n, zero_point);
      } else {
        sb_affine_choose(T, rules, job, row, g, n, scale, zero_point);
        sb_put_params(&job->out[SB_SCALE], first, n, scale);
        sb_put_params(&job->out[SB_ZERO_POINT], first, n, zero_point);
      }
      if (job->step == SB_CHOOSE_QPARAMS) continue;
      for (int64_t i = 0; i < n; i++) {
        const int64_t from = (g + i) * job->group, at = row * job->cols + from;
        if (job->step == SB_DEQUANTIZE) {
          sb_affine_dequantize_group(T, P, job->in[SB_CODES].data, at, job->group, scale[i], zero_point[i], output);
        } else {
          sb_affine_group(T, P, mode, x, at, job->group, scale[i], zero_point[i], rules, codes ? codes + from : NULL,
                          output);
        }
      }
    }
    if (packed) sb_pack_nibbles(codes, job->cols, (uint8_t *)job->out[SB_PACKED].data + row * (job->cols / 2));
  }
}

#endif
