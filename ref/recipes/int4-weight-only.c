/* int4-weight-only: weight int4 per group, asymmetric, floating-point zero point.
 *
 * Prepare: Int4WeightFakeQuantizer._bf16_activations_forward (torchao 0.18), all in f32 whatever T. Convert: Int4Tensor
 * of MSLK's int4_row_quantize_zp, the same formulas, scale and zero point then stored in T (preshuffled: bf16).
 * Upstream dequantizes only inside GPU kernels, so convert's output is ours: r(fl(fl(q * s_T) + z_T)). Variant tinygemm
 * (torchao 0.11): the legacy Int4WeightOnlyQATQuantizer. */
#include "ref/extrema.h"
#include "ref/job.h"

enum { TORCHAO_0_18, CUDA, ALIGNED, TINYGEMM };

typedef struct numerics {
  bool tinygemm, multiply_by_reciprocal;
  bool store; /* the qparams that dequantize are rounded as stored: to T, preshuffled to bf16 */
  bool integer_codes;
} numerics;

/* The qparams of a group; `quantum` and `base` are what x is quantized with: code = clamp(rint((x - base) / quantum),
 * 0, 15). */
typedef struct qparams {
  float scale, zero_point, quantum, base;
} qparams;

/* s = max(mx - mn, 1e-6) / 15, z = mn + s * 8, unrounded but for f32. */
SB_INLINE qparams choose_f32(sb_extrema e, bool multiply_by_reciprocal) {
  const float range = sb_lane_at_least(e.high - e.low, 1e-6F);                         /* 1 */
  const float scale = multiply_by_reciprocal ? range * (1.0F / 15.0F) : range / 15.0F; /* 2 */
  const float middle = scale * 8.0F;                                                   /* 3: exact */
  return (qparams){scale, e.low + middle, scale, e.low};                               /* 4 */
}

/* s and z computed in T, stored in bf16, and quantized with as stored. */
SB_INLINE qparams restore_tinygemm(float scale, float zero_point) {
  const float base = sb_lane_bf16(zero_point - sb_lane_bf16(scale * 8.0F));
  return (qparams){scale, zero_point, scale, base};
}

SB_INLINE qparams choose_tinygemm(sb_format T, sb_extrema e) {
  const float range = sb_lane_round(T, e.high - e.low); /* 1 */
  const float floor = sb_lane_round(T, 1e-6F);
  const float scale = sb_lane_at_least(sb_lane_round(T, range / 15.0F), floor);      /* 2 */
  const float zero_point = sb_lane_round(T, e.low + sb_lane_round(T, scale * 8.0F)); /* 3, 4 */
  return restore_tinygemm(sb_lane_bf16(scale), sb_lane_bf16(zero_point));
}

/* The code on 0..15, NaN kept. P: f32, or for tinygemm T promoted with bf16. */
SB_INLINE float quantize(sb_format P, float x, qparams q) {
  const float above = sb_lane_round(P, x - q.base);               /* 1 */
  const float steps = rintf(sb_lane_round(P, above / q.quantum)); /* 2 */
  return sb_lane_clamp(steps, 0.0F, 15.0F);
}

/* code is on -8..7. */
SB_INLINE float dequantize(sb_format P, sb_format T, float code, qparams q) {
  const float product = sb_lane_round(P, code * q.scale);            /* 1 */
  return sb_lane_round(T, sb_lane_round(P, product + q.zero_point)); /* 2, 3 */
}

SB_INLINE void block(sb_format P, sb_format T, bool integer_codes, float offset, const void *x, qparams q,
                     int8_t *codes, void *output) {
  float code[SB_BLOCK], whole[SB_BLOCK];
  for (int i = 0; i < SB_BLOCK; i++) {
    code[i] = quantize(P, sb_lane_load(T, x, i), q) - 8.0F;
    whole[i] = code[i] == code[i] ? code[i] : -offset; /* NaN is stored as 0 */
  }
  for (int i = 0; i < SB_BLOCK; i++) codes[i] = (int8_t)(int32_t)(whole[i] + offset);
  for (int i = 0; i < SB_BLOCK; i++) {
    sb_lane_store(T, output, i, dequantize(P, T, integer_codes ? whole[i] : code[i], q));
  }
}

/* A block of a group whose qparams are its own and finite: base is its minimum and quantum at least 1e-6 / 15 and
 * a 15th of its range. Then 0 <= x - base <= 15.00001 * quantum: nothing to clamp, and no NaN, which is most of block's
 * work. */
SB_INLINE void finite_block(sb_format T, const void *x, qparams q, int8_t *codes, void *output) {
  float code[SB_BLOCK];
  for (int i = 0; i < SB_BLOCK; i++) {
    code[i] = rintf((sb_lane_load(T, x, i) - q.base) / q.quantum) - 8.0F; /* 1, 2 of quantize */
  }
  for (int i = 0; i < SB_BLOCK; i++) codes[i] = (int8_t)(int32_t)code[i];
  for (int i = 0; i < SB_BLOCK; i++) {
    const float value = code[i] * q.scale + q.zero_point; /* 1, 2 of dequantize */
    sb_lane_store(T, output, i, sb_lane_round_number(T, value));
  }
}

/* Some groups of one row, and their qparams. */
typedef struct chunk {
  const sb_job *job;
  const numerics *numerics;
  bool own; /* q comes from these groups, as finite_block has it */
  int64_t at, count;
  int8_t *codes; /* of the first element; NULL: not wanted */
  qparams q[SB_CHUNK];
} chunk;

SB_INLINE void choose(sb_format T, chunk *c) {
  float low[SB_CHUNK], high[SB_CHUNK];
  const int64_t n = c->job->group;
  for (int64_t i = 0; i < c->count; i++) {
    const sb_extrema e = sb_min_max(T, c->job->in[SB_X].data, c->at + i * n, n);
    low[i] = e.low;
    high[i] = e.high;
  }
  for (int64_t i = 0; i < c->count; i++) {
    const sb_extrema e = {low[i], high[i]};
    c->q[i] = c->numerics->tinygemm ? choose_tinygemm(T, e) : choose_f32(e, c->numerics->multiply_by_reciprocal);
  }
}

/* The single operations take scale and zero_point from outside; the base is the group's minimum, found in x again. */
SB_INLINE void take(sb_format T, chunk *c) {
  float scale[SB_CHUNK], zero_point[SB_CHUNK];
  const sb_job *job = c->job;
  sb_get_params(&job->in[SB_SCALE], c->at / job->group, c->count, scale);
  sb_get_params(&job->in[SB_ZERO_POINT], c->at / job->group, c->count, zero_point);
  for (int64_t i = 0; i < c->count; i++) {
    if (c->numerics->tinygemm) {
      c->q[i] = restore_tinygemm(scale[i], zero_point[i]);
      continue;
    }
    const int64_t at = c->at + i * job->group;
    const float base = job->step == SB_QUANTIZE ? sb_min_max(T, job->in[SB_X].data, at, job->group).low : 0;
    c->q[i] = (qparams){scale[i], zero_point[i], scale[i], base};
  }
}

/* Stored codes are on -8..7, tinygemm's on 0..15. */
SB_INLINE float offset_of(const chunk *c) { return c->numerics->tinygemm ? 8.0F : 0.0F; }

SB_INLINE void quantize_groups(sb_format P, sb_format T, bool integer_codes, const chunk *c) {
  const int64_t n = c->job->group;
  void *output = sb_wanted(c->job, SB_OUTPUT) ? c->job->out[SB_OUTPUT].data : NULL;
  for (int64_t g = 0; g < c->count; g++) {
    const bool finite = P == SB_F32 && c->own && c->codes && output && isfinite(c->q[g].quantum) &&
                        isfinite(c->q[g].scale * 8.0F) && isfinite(c->q[g].zero_point);
    int64_t i = g * n;
    for (; finite && i + SB_BLOCK <= (g + 1) * n; i += SB_BLOCK) {
      finite_block(T, sb_const_element(T, c->job->in[SB_X].data, c->at + i), c->q[g], c->codes + i,
                   sb_element(T, output, c->at + i));
    }
    for (; i < (g + 1) * n; i += SB_BLOCK) {
      sb_window w;
      const int64_t left = (g + 1) * n - i;
      void *to_codes = c->codes ? c->codes + i : NULL, *to_output = sb_element(T, output, c->at + i);
      sb_window_open(T, &w, sb_const_element(T, c->job->in[SB_X].data, c->at + i), to_codes, to_output, left);
      block(P, T, integer_codes, offset_of(c), w.x, c->q[g], w.codes, w.output);
      sb_window_close(T, &w, to_codes, to_output, left);
    }
  }
}

SB_INLINE void dequantize_groups(sb_format P, sb_format T, const chunk *c) {
  const int64_t n = c->job->group;
  const int8_t *codes = c->job->in[SB_CODES].data;
  for (int64_t g = 0; g < c->count; g++) {
    for (int64_t i = c->at + g * n; i < c->at + (g + 1) * n; i++) {
      sb_lane_store(T, c->job->out[SB_OUTPUT].data, i, dequantize(P, T, (float)codes[i] - offset_of(c), c->q[g]));
    }
  }
}

/* One function an instance, so that each is optimized by itself. P: f32, or bf16 for tinygemm in bf16. */
#define QUANTIZE(P, T, INTEGER)                                                                                        \
  static __attribute__((noinline)) void quantize_##P##_##T##_##INTEGER(const chunk *c) {                               \
    quantize_groups(P, T, INTEGER, c);                                                                                 \
  }
#define GROUPS(P, T)                                                                                                   \
  QUANTIZE(P, T, 0)                                                                                                    \
  QUANTIZE(P, T, 1)                                                                                                    \
  static __attribute__((noinline)) void dequantize_##P##_##T(const chunk *c) { dequantize_groups(P, T, c); }
#define QPARAMS_OF(T)                                                                                                  \
  static __attribute__((noinline)) void qparams_of_##T(chunk *c, bool single) {                                        \
    if (single)                                                                                                        \
      take(T, c);                                                                                                      \
    else                                                                                                               \
      choose(T, c);                                                                                                    \
  }
GROUPS(SB_F32, SB_F32)
GROUPS(SB_F32, SB_BF16)
GROUPS(SB_F32, SB_F16)
GROUPS(SB_BF16, SB_BF16)
QPARAMS_OF(SB_F32)
QPARAMS_OF(SB_BF16)
QPARAMS_OF(SB_F16)

typedef struct code {
  void (*qparams)(chunk *, bool single);
  void (*quantize[2])(const chunk *); /* by integer_codes */
  void (*dequantize)(const chunk *);
} code;

#define CODE(P, T)                                                                                                     \
  { qparams_of_##T, {quantize_##P##_##T##_0, quantize_##P##_##T##_1}, dequantize_##P##_##T }
static const code codes_of[SB_FORMATS][2] = {
    [SB_F32] = {CODE(SB_F32, SB_F32), CODE(SB_F32, SB_F32)}, /* by tinygemm */
    [SB_BF16] = {CODE(SB_F32, SB_BF16), CODE(SB_BF16, SB_BF16)},
    [SB_F16] = {CODE(SB_F32, SB_F16), CODE(SB_F32, SB_F16)},
};

static const numerics table[] = {
    [TORCHAO_0_18] = {0},
    [CUDA] = {.multiply_by_reciprocal = true},
    [ALIGNED] = {.store = true, .integer_codes = true},
    [TINYGEMM] = {.tinygemm = true},
};

/* A qparam as convert stores it: in T, preshuffled in bf16. */
static float stored(const sb_job *job, float value) {
  if (job->impl->convert[SB_SCALE] == SB_AS(SB_BF16)) return sb_lane_bf16(value);
  return sb_lane_round(job->spec->dtype, value);
}

static void put(const chunk *c, sb_tensor *scales, sb_tensor *zero_points) {
  float scale[SB_CHUNK], zero_point[SB_CHUNK];
  for (int64_t i = 0; i < c->count; i++) {
    scale[i] = c->q[i].scale;
    zero_point[i] = c->q[i].zero_point;
  }
  sb_put_params(scales, c->at / c->job->group, c->count, scale);
  sb_put_params(zero_points, c->at / c->job->group, c->count, zero_point);
}

static void rows(const sb_job *job, int64_t begin, int64_t end, int8_t *codes_row) {
  const numerics *n = &table[job->impl->rules];
  const code *by = &codes_of[job->spec->dtype][n->tinygemm];
  const bool packed = sb_wanted(job, SB_PACKED), single = job->step == SB_QUANTIZE || job->step == SB_DEQUANTIZE;
  const bool integer_codes = n->integer_codes || job->step == SB_CONVERT;
  const bool store = !n->tinygemm && (n->store || job->step == SB_CONVERT || !job->spec->path->prepare);
  for (int64_t row = begin; row < end; row++) {
    int8_t *codes = packed ? codes_row : NULL;
    if (sb_wanted(job, SB_CODES)) codes = (int8_t *)job->out[SB_CODES].data + row * job->cols;
    for (int64_t g = 0; g < job->groups; g += SB_CHUNK) {
      chunk c = {.job = job, .numerics = n, .own = !single && !n->tinygemm, .at = (row * job->groups + g) * job->group};
      c.count = job->groups - g < SB_CHUNK ? job->groups - g : SB_CHUNK;
      c.codes = codes ? codes + g * job->group : NULL;
      by->qparams(&c, single);
      if (!single) put(&c, &job->out[SB_SCALE], &job->out[SB_ZERO_POINT]);
      if (job->step == SB_CHOOSE_QPARAMS) continue;
      for (int64_t i = 0; i < c.count && store; i++) {
        c.q[i].scale = stored(job, c.q[i].scale);
        c.q[i].zero_point = stored(job, c.q[i].zero_point);
      }
      if (job->step == SB_DEQUANTIZE)
        by->dequantize(&c);
      else
        by->quantize[integer_codes](&c);
    }
    if (packed) sb_pack_nibbles(codes, job->cols, (uint8_t *)job->out[SB_PACKED].data + row * (job->cols / 2));
  }
}

static const sb_path paths[] = {
    {SB_WEIGHT, SB_TORCHAO_0_11_CPU, "tinygemm", true, true, "legacy Int4WeightOnlyQATQuantizer; codes 0..15"},
    {SB_WEIGHT, SB_TORCHAO_0_18_CPU, "", true, true,
     "Int4WeightFakeQuantizer (bf16 activations); convert by MSLK int4_row_quantize_zp; convert's output is ours"},
    {SB_WEIGHT, SB_TORCHAO_0_18_CPU, "preshuffled", false, true,
     "MSLK quantize_int4_preshuffle, before the reordering; convert's output is ours"},
    {SB_WEIGHT, SB_TORCHAO_0_18_CUDA, "", true, true, "read from source: scalar division as reciprocal multiplication"},
    {SB_WEIGHT, SB_ALIGNED, "", true, true, "docs/numerics.md: the PLAIN artifact of torchao 0.18"},
};

#define QPARAMS(format) [SB_SCALE] = format, [SB_ZERO_POINT] = format
#define CODED           [SB_CODES] = SB_AS(SB_I8), [SB_OUTPUT] = SB_AS_T
#define PACKED          [SB_PACKED] = SB_AS(SB_U8)
#define F32             SB_AS(SB_F32)
#define BF16            SB_AS(SB_BF16)

static const sb_path_impl impls[] = {
    {rows, TINYGEMM, false, {QPARAMS(BF16), CODED}, {QPARAMS(BF16), CODED}, {QPARAMS(BF16)}},
    {rows, TORCHAO_0_18, false, {QPARAMS(F32), CODED}, {QPARAMS(SB_AS_T), CODED, PACKED}, {QPARAMS(F32)}},
    {rows, TORCHAO_0_18, false, {0}, {QPARAMS(BF16), CODED, PACKED}, {QPARAMS(F32)}},
    {rows, CUDA, false, {QPARAMS(F32), CODED}, {QPARAMS(SB_AS_T), CODED, PACKED}, {QPARAMS(F32)}},
    {rows, ALIGNED, false, {QPARAMS(SB_AS_T), CODED}, {QPARAMS(SB_AS_T), CODED, PACKED}, {QPARAMS(F32)}},
};
_Static_assert(sizeof paths / sizeof *paths == sizeof impls / sizeof *impls, "one implementation a path");

SB_RECIPE(int4_weight_only) = {
    {.name = "int4-weight-only",
     .summary = "weight int4 per group asymmetric with a floating-point zero point; activations stay as they are",
     .default_group = {[SB_WEIGHT] = 128},
     .path_count = sizeof paths / sizeof *paths,
     .paths = paths,
     .refused_by_upstream = "convert needs MSLK >= 1.0.0"},
    impls,
};
