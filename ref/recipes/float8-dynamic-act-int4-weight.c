/* float8-dynamic-act-int4-weight: activation e4m3 per row; weight int4 per group under a float8 row.
 *
 * torchao 0.18. Prepare, weight: Int4WeightFakeQuantizer._fp8_activations_forward. Convert, weight:
 * Int4PreshuffledTensor of MSLK's quantize_int4_preshuffle (variant plain: Int4Tensor of int4_row_quantize, no float8
 * step). Upstream dequantizes only inside GPU kernels, so convert's output is ours: r(fl(e4m3(fl(q * g)) * row_scale)),
 * plain r(fl(q * s_T)). */
#include "ref/float8_lanes.h"

enum { TORCHAO, PLAIN, CUDA, ALIGNED };

/* Which of the three weight formulas a step follows. */
typedef enum form {
  FAKE,  /* in T: dequantized float8, then symmetric int4 by reciprocal */
  CODES, /* in f32: int4 of the float8 codes, group scale stored in e4m3 */
  DIRECT /* in f32: int4 of the weight itself */
} form;

static const struct {
  sb_float8_form activation_prepare, activation_convert;
  sb_float8_form row_prepare, row_convert;
  form prepare, convert;
} table[] = {
    [TORCHAO] = {SB_FLOAT8_TORCHAO, SB_FLOAT8_MSLK, SB_FLOAT8_TORCHAO, SB_FLOAT8_MSLK, FAKE, CODES},
    [PLAIN] = {.convert = DIRECT},
    [CUDA] = {SB_FLOAT8_TORCHAO_CUDA, SB_FLOAT8_MSLK, SB_FLOAT8_TORCHAO_CUDA, SB_FLOAT8_MSLK, FAKE, CODES},
    [ALIGNED] = {SB_FLOAT8_ALIGNED, SB_FLOAT8_ALIGNED, SB_FLOAT8_ALIGNED, SB_FLOAT8_ALIGNED, CODES, CODES},
};

/* ---- the float8 row ---- */

/* Prepare bounds amax by 1e-12 in T (0 in f16); the other forms have their own floor. */
SB_INLINE float row_scale_of(sb_format T, sb_float8_form row_form, const void *x, int64_t begin, int64_t n) {
  if (row_form == SB_FLOAT8_MSLK || row_form == SB_FLOAT8_ALIGNED)
    return sb_float8_choose(T, row_form, x, begin, n).scale;
  const float amax = sb_lane_at_least(sb_amax_abs(T, x, begin, n), sb_lane_round(T, 1e-12F));
  return sb_float8_scale(T, row_form, amax);
}

/* A row as the int4 step sees it: dequantized to T, as code numbers, or as it is. */
SB_INLINE void float8_row(sb_format T, form f, const void *restrict x, int64_t at, int64_t n, float row_scale,
                          float *restrict row) {
  for (int64_t i = 0; i < n; i++) {
    const float w = sb_lane_load(T, x, at + i);
    if (f == DIRECT) {
      row[i] = w;
      continue;
    }
    const float code = sb_float8_quantize(w, row_scale, false);
    row[i] = f == FAKE ? sb_float8_dequantize(T, code, row_scale) : code;
  }
}

/* ---- the int4 groups ---- */

SB_INLINE float group_scale(sb_format T, form f, float amax) {
  if (f == FAKE)
    return sb_lane_at_least(sb_lane_round(T, amax / 8.0F), sb_lane_round(T, 1e-6F)); /* 1: floor on the scale */
  return sb_lane_at_least(amax, 1e-6F) / 8.0F;                                       /* 1: floor on amax */
}

/* One int4 code, NaN kept. factor: r(1 / scale) for FAKE, else scale. */
SB_INLINE float quantize(sb_format T, form f, float value, float factor) {
  const float y = f == FAKE ? sb_lane_round(T, value * factor) : value / factor; /* 1 */
  return sb_lane_clamp(rintf(y) + 0.0F, -8.0F, 7.0F);                            /* the zero point 0 removes -0 */
}

/* scale: as it dequantizes (FAKE: T; CODES: e4m3; DIRECT: T). */
SB_INLINE float dequantize(sb_format T, form f, float code, float scale, float row_scale) {
  if (f != CODES) return sb_lane_round(T, code * scale);                          /* 1 */
  const float inner = sb_lane_e4m3(sb_lane_clamp(code * scale, -448.0F, 448.0F)); /* 1, 2 */
  return sb_lane_round(T, inner * row_scale);                                     /* 3, 4 */
}

/* The group scale as it is stored by convert. */
SB_INLINE float stored_scale(sb_format T, form f, float scale) {
  if (f == CODES) return sb_lane_e4m3(sb_lane_clamp(scale, -448.0F, 448.0F));
  return sb_lane_round(T, scale);
}

SB_INLINE void block(sb_format T, form f, bool integer_codes, const float *row, float factor, float scale,
                     float row_scale, int8_t *codes, void *output) {
  float code[SB_BLOCK], whole[SB_BLOCK];
  for (int i = 0; i < SB_BLOCK; i++) {
    code[i] = quantize(T, f, row[i], factor);
    whole[i] = sb_lane_nan_to_zero(code[i]);
  }
  for (int i = 0; i < SB_BLOCK; i++) codes[i] = (int8_t)(int32_t)whole[i];
  for (int i = 0; i < SB_BLOCK; i++) {
    sb_lane_store(T, output, i, dequantize(T, f, integer_codes ? whole[i] : code[i], scale, row_scale));
  }
}

/* One group of n elements whose values are row[0..n); codes and output (at its first element) may be NULL. */
SB_INLINE void group_of(sb_format T, form f, bool integer_codes, const float *row, int64_t n, float scale,
                        float row_scale, int8_t *codes, void *output) {
  const float factor = f == FAKE ? sb_lane_round(T, 1.0F / scale) : scale;
  const float as_stored = f == FAKE ? scale : stored_scale(T, f, scale);
  for (int64_t i = 0; i < n; i += SB_BLOCK) {
    sb_window w;
    void *c = codes ? codes + i : NULL, *y = sb_element(T, output, i);
    sb_window_results(&w, c, y, n - i);
    block(T, f, integer_codes, row + i, factor, as_stored, row_scale, w.codes, w.output);
    sb_window_close(T, &w, c, y, n - i);
  }
}

SB_INLINE void dequantize_of(sb_format T, form f, const int8_t *codes, int64_t n, float scale, float row_scale,
                             void *output) {
  const float as_stored = f == FAKE ? scale : stored_scale(T, f, scale);
  for (int64_t i = 0; i < n; i++) sb_lane_store(T, output, i, dequantize(T, f, (float)codes[i], as_stored, row_scale));
}

/* ---- the loops above with T and form as constants, one function an instance so that each is optimized by itself ----
 */

typedef struct weight_code {
  form form;
  float (*row_scale)(sb_float8_form row_form, const void *x, int64_t begin, int64_t n);
  void (*fill)(const void *x, int64_t at, int64_t n, float row_scale, float *row);
  void (*group)(const float *row, int64_t n, float scale, float row_scale, int8_t *codes, void *output);
  void (*dequantize)(const int8_t *codes, int64_t n, float scale, float row_scale, void *output);
} weight_code;

#define ROW_SCALE(T)                                                                                                   \
  static float row_scale_##T(sb_float8_form row_form, const void *x, int64_t begin, int64_t n) {                       \
    return row_scale_of(T, row_form, x, begin, n);                                                                     \
  }
#define WEIGHT(T, FORM, INTEGER)                                                                                       \
  static void fill_##T##_##FORM(const void *x, int64_t at, int64_t n, float row_scale, float *row) {                   \
    float8_row(T, FORM, x, at, n, row_scale, row);                                                                     \
  }                                                                                                                    \
  static void group_##T##_##FORM(const float *row, int64_t n, float scale, float row_scale, int8_t *codes,             \
                                 void *output) {                                                                       \
    group_of(T, FORM, INTEGER, row, n, scale, row_scale, codes, output);                                               \
  }                                                                                                                    \
  static void dequantize_##T##_##FORM(const int8_t *codes, int64_t n, float scale, float row_scale, void *output) {    \
    dequantize_of(T, FORM, codes, n, scale, row_scale, output);                                                        \
  }
#define FORMS(T) ROW_SCALE(T) WEIGHT(T, FAKE, false) WEIGHT(T, CODES, true) WEIGHT(T, DIRECT, true)
FORMS(SB_F32)
FORMS(SB_BF16)
FORMS(SB_F16)

#define CODE(T, FORM) [FORM] = {FORM, row_scale_##T, fill_##T##_##FORM, group_##T##_##FORM, dequantize_##T##_##FORM}
#define ALL(T)                                                                                                         \
  { CODE(T, FAKE), CODE(T, CODES), CODE(T, DIRECT) }
static const weight_code codes_of[SB_FORMATS][3] = {
    [SB_F32] = ALL(SB_F32), [SB_BF16] = ALL(SB_BF16), [SB_F16] = ALL(SB_F16)};

/* ---- a row ---- */

enum { TILE = 4096 }; /* elements of a float8 row held at a time: whole groups where they fit */

/* A row at work: where its results go. */
typedef struct row_job {
  const sb_job *job;
  const weight_code *code;
  int64_t row;
  float row_scale;
  int8_t *codes; /* of the row; NULL: not wanted */
  void *output;
} row_job;

/* amax of a group longer than a tile. */
static float long_amax(const row_job *r, int64_t at, float *tile) {
  float amax = 0;
  for (int64_t from = 0; from < r->job->group; from += TILE) {
    const int64_t length = r->job->group - from < TILE ? r->job->group - from : TILE;
    r->code->fill(r->job->in[SB_X].data, at + from, length, r->row_scale, tile);
    const float here = sb_amax_abs(SB_F32, tile, 0, length);
    amax = here > amax || here != here ? here : amax;
  }
  return amax;
}

/* Groups [g, g + count) of the row: they fit a tile, or it is one group longer than a tile. */
static void groups_of(const row_job *r, int64_t g, int64_t count) {
  float tile[TILE + SB_BLOCK], scale[SB_CHUNK];
  const sb_job *job = r->job;
  const sb_format T = job->spec->dtype;
  const int64_t n = job->group, first = r->row * job->groups + g, at = first * n;
  const bool whole = count * n <= TILE;
  /* the last block may look beyond the last element */
  memset(tile + (whole ? count * n : TILE), 0, SB_BLOCK * sizeof *tile);
  if (whole) r->code->fill(job->in[SB_X].data, at, count * n, r->row_scale, tile);
  if (job->step == SB_QUANTIZE) {
    sb_get_params(&job->in[SB_SCALE], first, count, scale);
  } else {
    for (int64_t i = 0; i < count; i++) {
      const float amax = whole ? sb_amax_abs(SB_F32, tile, i * n, n) : long_amax(r, at, tile);
      scale[i] = group_scale(T, r->code->form, amax);
    }
    sb_put_params(&job->out[SB_SCALE], first, count, scale);
  }
  if (job->step == SB_CHOOSE_QPARAMS) return;
  for (int64_t i = 0; i < count; i++) {
    for (int64_t from = 0; from < n; from += TILE) {
      const int64_t length = n - from < TILE ? n - from : TILE, to = (g + i) * n + from;
      if (!whole) r->code->fill(job->in[SB_X].data, at + from, length, r->row_scale, tile);
      r->code->group(whole ? tile + i * n : tile, length, scale[i], r->row_scale, r->codes ? r->codes + to : NULL,
                     sb_element(T, r->output, to));
    }
  }
}

static void dequantize_row(const row_job *r) {
  const sb_job *job = r->job;
  for (int64_t g = 0; g < job->groups; g++) {
    float scale;
    const int64_t first = r->row * job->groups + g;
    sb_get_params(&job->in[SB_SCALE], first, 1, &scale);
    r->code->dequantize((const int8_t *)job->in[SB_CODES].data + first * job->group, job->group, scale, r->row_scale,
                        sb_element(job->spec->dtype, r->output, g * job->group));
  }
}

static void weight_rows(const sb_job *job, int64_t begin, int64_t end, int8_t *codes_row, form f,
                        sb_float8_form row_form) {
  const sb_format T = job->spec->dtype;
  const bool packed = sb_wanted(job, SB_PACKED), single = job->step == SB_QUANTIZE || job->step == SB_DEQUANTIZE;
  const int64_t fit = job->group >= TILE ? 1 : TILE / job->group, chunk = fit < SB_CHUNK ? fit : SB_CHUNK;
  const float zeros[SB_CHUNK] = {0};
  for (int64_t row = begin; row < end; row++) {
    row_job r = {
        .job = job, .code = &codes_of[T][f], .row = row, .row_scale = 1.0F, .codes = packed ? codes_row : NULL};
    if (sb_wanted(job, SB_CODES)) r.codes = (int8_t *)job->out[SB_CODES].data + row * job->cols;
    if (sb_wanted(job, SB_OUTPUT)) r.output = sb_element(T, job->out[SB_OUTPUT].data, row * job->cols);
    if (f != DIRECT) {
      if (single)
        sb_get_params(&job->in[SB_ROW_SCALE], row, 1, &r.row_scale);
      else
        r.row_scale = r.code->row_scale(row_form, job->in[SB_X].data, row * job->cols, job->cols);
      sb_put_params(&job->out[SB_ROW_SCALE], row, 1, &r.row_scale);
    }
    if (job->step == SB_DEQUANTIZE) {
      dequantize_row(&r);
      continue;
    }
    for (int64_t g = 0; g < job->groups; g += chunk) {
      const int64_t count = job->groups - g < chunk ? job->groups - g : chunk;
      groups_of(&r, g, count);
      sb_put_params(&job->out[SB_ZERO_POINT], row * job->groups + g, count, zeros);
    }
    if (packed) sb_pack_nibbles(r.codes, job->cols, (uint8_t *)job->out[SB_PACKED].data + row * (job->cols / 2));
  }
}

static void rows(const sb_job *job, int64_t begin, int64_t end, int8_t *codes_row) {
  const int rules = job->impl->rules;
  const bool convert = job->step == SB_CONVERT;
  if (job->spec->path->side == SB_ACTIVATION) {
    SB_FOR_DTYPE(sb_float8_rows, job, begin, end,
                 convert ? table[rules].activation_convert : table[rules].activation_prepare);
    return;
  }
  const form f = convert || rules == PLAIN ? table[rules].convert : table[rules].prepare;
  weight_rows(job, begin, end, codes_row, f, convert ? table[rules].row_convert : table[rules].row_prepare);
}

static const sb_path paths[] = {
    {SB_ACTIVATION, SB_TORCHAO_0_18_CPU, "", true, true,
     "Float8FakeQuantizer(PerRow); convert by MSLK's quantize_fp8_row"},
    {SB_ACTIVATION, SB_TORCHAO_0_18_CUDA, "", true, true, "read from source; convert is the MSLK form"},
    {SB_ACTIVATION, SB_ALIGNED, "", true, true, "docs/numerics.md: the MSLK form, NaN winning, in both steps"},
    {SB_WEIGHT, SB_TORCHAO_0_18_CPU, "", true, true,
     "Int4WeightFakeQuantizer (fp8 activations); convert by MSLK quantize_int4_preshuffle; convert's output is ours"},
    {SB_WEIGHT, SB_TORCHAO_0_18_CPU, "plain", false, true, "Int4Tensor of MSLK int4_row_quantize; the output is ours"},
    {SB_WEIGHT, SB_TORCHAO_0_18_CUDA, "", true, true, "read from source; convert as on CPU"},
    {SB_WEIGHT, SB_ALIGNED, "", true, true, "docs/numerics.md: the preshuffled artifact in both steps"},
};

#define ROW            [SB_SCALE] = SB_AS(SB_F32), [SB_CODES] = SB_AS(SB_E4M3), [SB_OUTPUT] = SB_AS_T
#define ROW_CHOOSE     [SB_SCALE] = SB_AS(SB_F32)
#define CODED          [SB_CODES] = SB_AS(SB_I8), [SB_OUTPUT] = SB_AS_T
#define SCALES(format) [SB_SCALE] = format, [SB_ROW_SCALE] = SB_AS(SB_F32)
#define PACKED         [SB_PACKED] = SB_AS(SB_U8)

static const sb_path_impl impls[] = {
    {rows, TORCHAO, false, {ROW}, {ROW}, {ROW_CHOOSE}},
    {rows, CUDA, false, {ROW}, {ROW}, {ROW_CHOOSE}},
    {rows, ALIGNED, false, {ROW}, {ROW}, {ROW_CHOOSE}},
    {rows, TORCHAO, false, {SCALES(SB_AS_T), CODED}, {SCALES(SB_AS(SB_E4M3)), CODED, PACKED}, {SCALES(SB_AS_T)}},
    {rows,
     PLAIN,
     false,
     {0},
     {[SB_SCALE] = SB_AS_T, [SB_ZERO_POINT] = SB_AS_T, CODED, PACKED},
     {[SB_SCALE] = SB_AS(SB_F32)}},
    {rows, CUDA, false, {SCALES(SB_AS_T), CODED}, {SCALES(SB_AS(SB_E4M3)), CODED, PACKED}, {SCALES(SB_AS_T)}},
    {rows,
     ALIGNED,
     false,
     {SCALES(SB_AS(SB_E4M3)), CODED},
     {SCALES(SB_AS(SB_E4M3)), CODED, PACKED},
     {SCALES(SB_AS(SB_F32))}},
};
_Static_assert(sizeof paths / sizeof *paths == sizeof impls / sizeof *impls, "one implementation a path");

SB_RECIPE(float8_dynamic_act_int4_weight) = {
    {.name = "float8-dynamic-act-int4-weight",
     .summary = "activation float8 e4m3 per row, weight int4 per group under a float8 row",
     .default_group = {[SB_WEIGHT] = 128},
     .path_count = sizeof paths / sizeof *paths,
     .paths = paths,
     .refused_by_upstream = "convert needs MSLK >= 1.0.0 and, preshuffled, a GPU"},
    impls,
};
