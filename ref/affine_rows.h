/* Rows of a recipe whose numerics are the affine primitives: choose qparams, quantize and dequantize some groups at a
 * time, in one pass over a row that stays in cache. */
#ifndef SAMEBITS_REF_AFFINE_ROWS_H
#define SAMEBITS_REF_AFFINE_ROWS_H

#include "ref/affine_lanes.h"
#include "ref/job.h"

/* What becomes of the codes before they are dequantized. */
typedef enum sb_code_mode {
  SB_CODES_INTEGER,   /* stored as integers, NaN as 0: convert */
  SB_CODES_FLOAT,     /* kept in P, so that NaN stays: prepare */
  SB_CODES_FLOAT_I32, /* kept in P, then cast to int32: prepare before torchao #2280 */
  SB_CODE_MODES
} sb_code_mode;

/* Some groups of one row, and their qparams. */
typedef struct sb_affine_chunk {
  const sb_job *job;
  const sb_affine_rules *rules;
  bool own;          /* the qparams come from these groups */
  int64_t at, count; /* the first element in the tensor; the number of groups */
  int8_t *codes;     /* of the first element; NULL: not wanted */
  float scale[SB_CHUNK], zero_point[SB_CHUNK];
} sb_affine_chunk;

/* x -> scale, zero_point. */
SB_INLINE void sb_affine_choose(sb_format T, sb_affine_chunk *c) {
  const int64_t n = c->job->group;
  float low[SB_CHUNK], high[SB_CHUNK];
  for (int64_t i = 0; i < c->count; i++) {
    const sb_extrema e = sb_affine_extrema(T, c->rules, c->job->in[SB_X].data, c->at + i * n, n);
    low[i] = e.low;
    high[i] = e.high;
  }
  for (int64_t i = 0; i < c->count; i++) c->scale[i] = sb_affine_scale(T, c->rules, low[i], high[i]);
  for (int64_t i = 0; i < c->count; i++) c->zero_point[i] = sb_affine_zero_point(T, c->rules, low[i], c->scale[i]);
}

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

/* A block of a group whose qparams are its own, with a finite scale: then x, x / scale and zero_point are finite too,
 * no code is NaN and no subtraction of integers wraps, so that all modes give the same. */
SB_INLINE void sb_affine_finite_block(sb_format T, sb_format P, const void *x, float scale, float inverse,
                                      float zero_point, float low, float high, int8_t *codes, void *output) {
  float code[SB_BLOCK];
  for (int i = 0; i < SB_BLOCK; i++) {
    const float y = sb_lane_round_number(P, sb_lane_load(T, x, i) * inverse); /* 1 of quantize */
    code[i] = sb_lane_clamp(rintf(y) + zero_point, low, high);
  }
  for (int i = 0; i < SB_BLOCK; i++) codes[i] = (int8_t)(int32_t)code[i];
  for (int i = 0; i < SB_BLOCK; i++) {
    const float product = sb_lane_round_number(P, (code[i] - zero_point) * scale); /* 2, 3 of dequantize */
    sb_lane_store(T, output, i, P == T ? product : sb_lane_round_number(T, product));
  }
}

/* x, scale, zero_point -> codes, output. */
SB_INLINE void sb_affine_quantize_groups(sb_format T, sb_format P, sb_code_mode mode, const sb_affine_chunk *c) {
  const int64_t n = c->job->group;
  const float low = c->rules->quant_min, high = c->rules->quant_max;
  const void *x = c->job->in[SB_X].data;
  void *output = sb_wanted(c->job, SB_OUTPUT) ? c->job->out[SB_OUTPUT].data : NULL;
  float inverse[SB_CHUNK];
  for (int64_t g = 0; g < c->count; g++) inverse[g] = sb_lane_round(P, 1.0F / c->scale[g]);
  for (int64_t g = 0; g < c->count; g++) {
    const bool finite = c->own && c->codes && output && isfinite(c->scale[g]);
    int64_t i = g * n;
    for (; finite && i + SB_BLOCK <= (g + 1) * n; i += SB_BLOCK) {
      sb_affine_finite_block(T, P, sb_const_element(T, x, c->at + i), c->scale[g], inverse[g], c->zero_point[g], low,
                             high, c->codes + i, sb_element(T, output, c->at + i));
    }
    for (; i < (g + 1) * n; i += SB_BLOCK) {
      sb_window w;
      const int64_t left = (g + 1) * n - i;
      void *to_codes = c->codes ? c->codes + i : NULL, *to_output = sb_element(T, output, c->at + i);
      sb_window_open(T, &w, sb_const_element(T, x, c->at + i), to_codes, to_output, left);
      sb_affine_block(T, P, mode, w.x, c->scale[g], inverse[g], c->zero_point[g], low, high, w.codes, w.output);
      sb_window_close(T, &w, to_codes, to_output, left);
    }
  }
}

/* codes, scale, zero_point -> output. */
SB_INLINE void sb_affine_dequantize_groups(sb_format T, sb_format P, const sb_affine_chunk *c) {
  const int64_t n = c->job->group;
  const int8_t *codes = c->job->in[SB_CODES].data;
  void *output = c->job->out[SB_OUTPUT].data;
  for (int64_t g = 0; g < c->count; g++) {
    /* A zero point of INT_MIN (NaN as an integer) wraps in the int32 subtraction of before #2280. */
    const bool wraps = c->rules->dequantize_i32 && !(c->zero_point[g] >= -0x1p30F);
    for (int64_t i = c->at + g * n; i < c->at + (g + 1) * n && !wraps; i++) {
      sb_lane_store(T, output, i, sb_affine_dequantize_8bit(P, T, (float)codes[i], c->zero_point[g], c->scale[g]));
    }
    for (int64_t i = c->at + g * n; i < c->at + (g + 1) * n && wraps; i++) {
      sb_lane_store(T, output, i, sb_affine_dequantize_i32(P, T, (float)codes[i], c->zero_point[g], c->scale[g]));
    }
  }
}

/* One function an instance, so that each is optimized by itself. P is T, or f32 where the scale is f32 whatever T
 * (`wide`). */
#define SB_AFFINE_QUANTIZE(T, P, MODE)                                                                                 \
  static __attribute__((noinline)) void quantize_##T##_##P##_##MODE(const sb_affine_chunk *c) {                        \
    sb_affine_quantize_groups(T, P, MODE, c);                                                                          \
  }
#define SB_AFFINE_MODES(T, P)                                                                                          \
  SB_AFFINE_QUANTIZE(T, P, SB_CODES_INTEGER)                                                                           \
  SB_AFFINE_QUANTIZE(T, P, SB_CODES_FLOAT)                                                                             \
  SB_AFFINE_QUANTIZE(T, P, SB_CODES_FLOAT_I32)                                                                         \
  static __attribute__((noinline)) void dequantize_##T##_##P(const sb_affine_chunk *c) {                               \
    sb_affine_dequantize_groups(T, P, c);                                                                              \
  }
#define SB_AFFINE_CHOOSE(T)                                                                                            \
  static __attribute__((noinline)) void choose_##T(sb_affine_chunk *c) { sb_affine_choose(T, c); }
SB_AFFINE_CHOOSE(SB_F32)
SB_AFFINE_CHOOSE(SB_BF16)
SB_AFFINE_CHOOSE(SB_F16)
SB_AFFINE_MODES(SB_F32, SB_F32)
SB_AFFINE_MODES(SB_BF16, SB_BF16)
SB_AFFINE_MODES(SB_BF16, SB_F32)
SB_AFFINE_MODES(SB_F16, SB_F16)
SB_AFFINE_MODES(SB_F16, SB_F32)

typedef struct sb_affine_code {
  void (*choose)(sb_affine_chunk *);
  void (*quantize[SB_CODE_MODES])(const sb_affine_chunk *);
  void (*dequantize)(const sb_affine_chunk *);
} sb_affine_code;

#define SB_AFFINE_CODE(T, P)                                                                                           \
  {                                                                                                                    \
    choose_##T,                                                                                                        \
        {quantize_##T##_##P##_SB_CODES_INTEGER, quantize_##T##_##P##_SB_CODES_FLOAT,                                   \
         quantize_##T##_##P##_SB_CODES_FLOAT_I32},                                                                     \
        dequantize_##T##_##P                                                                                           \
  }
static const sb_affine_code sb_affine_codes[SB_FORMATS][2] = {
    [SB_F32] = {SB_AFFINE_CODE(SB_F32, SB_F32), SB_AFFINE_CODE(SB_F32, SB_F32)},
    [SB_BF16] = {SB_AFFINE_CODE(SB_BF16, SB_BF16), SB_AFFINE_CODE(SB_BF16, SB_F32)},
    [SB_F16] = {SB_AFFINE_CODE(SB_F16, SB_F16), SB_AFFINE_CODE(SB_F16, SB_F32)},
};

static inline void sb_affine_rows(const sb_job *job, int64_t begin, int64_t end, int8_t *codes_row, bool wide,
                                  sb_code_mode mode, const sb_affine_rules *rules) {
  const sb_affine_code *code = &sb_affine_codes[job->spec->dtype][wide];
  const bool packed = sb_wanted(job, SB_PACKED), single = job->step == SB_QUANTIZE || job->step == SB_DEQUANTIZE;
  for (int64_t row = begin; row < end; row++) {
    int8_t *codes = packed ? codes_row : NULL;
    if (sb_wanted(job, SB_CODES)) codes = (int8_t *)job->out[SB_CODES].data + row * job->cols;
    for (int64_t g = 0; g < job->groups; g += SB_CHUNK) {
      const int64_t first = row * job->groups + g;
      sb_affine_chunk c = {.job = job, .rules = rules, .own = !single, .at = first * job->group};
      c.count = job->groups - g < SB_CHUNK ? job->groups - g : SB_CHUNK;
      c.codes = codes ? codes + g * job->group : NULL;
      if (single) {
        sb_get_params(&job->in[SB_SCALE], first, c.count, c.scale);
        sb_get_params(&job->in[SB_ZERO_POINT], first, c.count, c.zero_point);
      } else {
        code->choose(&c);
        sb_put_params(&job->out[SB_SCALE], first, c.count, c.scale);
        sb_put_params(&job->out[SB_ZERO_POINT], first, c.count, c.zero_point);
      }
      if (job->step == SB_DEQUANTIZE)
        code->dequantize(&c);
      else if (job->step != SB_CHOOSE_QPARAMS)
        code->quantize[mode](&c);
    }
    if (packed) sb_pack_nibbles(codes, job->cols, (uint8_t *)job->out[SB_PACKED].data + row * (job->cols / 2));
  }
}

#endif
