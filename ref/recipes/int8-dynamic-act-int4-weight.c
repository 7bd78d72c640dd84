/* int8-dynamic-act-int4-weight: activation int8 per token, asymmetric; weight int4 per group, symmetric.
 *
 * torchao: QATConfig(Int8DynamicActivationIntxWeightConfig(int4, PerGroup(32))). Prepare is IntxFakeQuantizer, convert
 * is IntxUnpackedToInt8Tensor (0.18) or the affine primitives behind Int8DynamicActivationInt4WeightConfig (0.11). */
#include "ref/affine_rows.h"
#include "ref/qdq_torchao_0_10.h"

/* What tells one path's numerics from another's. */
typedef struct numerics {
  enum { EPS_FINFO, EPS_SMALLEST_NORMAL, EPS_F32 } eps; /* finfo(T).eps; finfo(T).smallest_normal; 2^-23 */
  bool scale_f32; /* the scale leaves choose_qparams in f32, so that P is f32 whatever T */
  bool dequantize_i32, multiply_by_reciprocal, integer_codes;
  sb_nan_zero_point nan_prepare, nan_convert;
} numerics;

enum { TORCHAO_0_18, SCALE_F32, LEGACY, TORCHAO_0_11_ACTIVATION, TORCHAO_0_11_WEIGHT, SCALE_F32_0_11, CUDA, ALIGNED };
static const numerics table[] = {
    [TORCHAO_0_18] = {EPS_SMALLEST_NORMAL, .nan_prepare = SB_NAN_INT_MIN, .nan_convert = SB_NAN_ZERO},
    [SCALE_F32] = {EPS_SMALLEST_NORMAL, .scale_f32 = true, .nan_prepare = SB_NAN_INT_MIN},
    [LEGACY] = {EPS_F32, .scale_f32 = true, .nan_prepare = SB_NAN_STAYS, .nan_convert = SB_NAN_STAYS},
    [TORCHAO_0_11_ACTIVATION] = {EPS_FINFO, .scale_f32 = true, .dequantize_i32 = true, .nan_prepare = SB_NAN_INT_MIN,
                                 .nan_convert = SB_NAN_ZERO},
    [TORCHAO_0_11_WEIGHT] = {EPS_FINFO, .dequantize_i32 = true, .nan_prepare = SB_NAN_INT_MIN,
                             .nan_convert = SB_NAN_STAYS},
    [SCALE_F32_0_11] = {EPS_FINFO, .scale_f32 = true, .dequantize_i32 = true, .nan_prepare = SB_NAN_INT_MIN},
    [CUDA] = {EPS_SMALLEST_NORMAL, .multiply_by_reciprocal = true, .nan_prepare = SB_NAN_ZERO,
              .nan_convert = SB_NAN_ZERO},
    [ALIGNED] = {EPS_SMALLEST_NORMAL, .integer_codes = true, .nan_prepare = SB_NAN_ZERO, .nan_convert = SB_NAN_ZERO},
};

static float eps_of(const numerics *n, sb_format T) {
  if (n->eps == EPS_FINFO) return (float)sb_format_eps(T);
  return n->eps == EPS_F32 ? 0x1p-23F : (float)sb_format_smallest_normal(T);
}

static sb_affine_rules rules_of(const sb_job *job, const numerics *n) {
  const bool activation = job->spec->path->side == SB_ACTIVATION;
  return (sb_affine_rules){
      .mapping = activation ? SB_ASYMMETRIC : SB_SYMMETRIC,
      .preserve_zero = true,
      .multiply_by_reciprocal = n->multiply_by_reciprocal,
      .dequantize_i32 = n->dequantize_i32,
      .divisor = activation ? 255.0F : 7.5F,
      .eps = eps_of(n, job->spec->dtype),
      .quant_min = activation ? -128.0F : -8.0F,
      .quant_max = activation ? 127.0F : 7.0F,
      .nan_zero_point = job->step == SB_CONVERT ? n->nan_convert : n->nan_prepare,
  };
}

static void rows(const sb_job *job, int64_t begin, int64_t end, int8_t *codes_row) {
  const numerics *n = &table[job->impl->rules];
  const sb_affine_rules rules = rules_of(job, n);
  sb_code_mode mode = n->dequantize_i32 ? SB_CODES_FLOAT_I32 : SB_CODES_FLOAT;
  if (job->step == SB_CONVERT || n->integer_codes) mode = SB_CODES_INTEGER;
  sb_affine_rows(job, begin, end, codes_row, n->scale_f32, mode, &rules);
}

#define QPARAMS(scale, zero_point) [SB_SCALE] = scale, [SB_ZERO_POINT] = zero_point
#define CODED                      [SB_CODES] = SB_AS(SB_I8), [SB_OUTPUT] = SB_AS_T
#define PACKED                     [SB_PACKED] = SB_AS(SB_U8)
#define F32                        SB_AS(SB_F32)
#define I8                         SB_AS(SB_I8)
#define I32                        SB_AS(SB_I32)

static const sb_path paths[] = {
    {SB_ACTIVATION, SB_TORCHAO_0_10_CPU, "", true, true,
     "_choose_qparams_per_token_asymmetric, _fake_quantize_per_token; convert by torch.ops.quantized_decomposed"},
    {SB_ACTIVATION, SB_TORCHAO_0_11_CPU, "", true, true,
     "FakeQuantizer(FakeQuantizeConfig(int8, 'per_token')); convert by _int8_asymm_per_token_quant"},
    {SB_ACTIVATION, SB_TORCHAO_0_18_CPU, "", true, true,
     "IntxFakeQuantizer._per_token_forward; convert by _apply_int8_act_asym_per_token_quant_dequant"},
    {SB_ACTIVATION, SB_TORCHAO_0_18_CPU, "scale-f32", true, false,
     "IntxFakeQuantizer of a hand-written IntxFakeQuantizeConfig"},
    {SB_ACTIVATION, SB_TORCHAO_0_18_CPU, "legacy", true, true, "Int8DynActInt4WeightQATQuantizer"},
    {SB_ACTIVATION, SB_TORCHAO_0_18_CUDA, "", true, true,
     "read from source: scalar division as reciprocal multiplication"},
    {SB_ACTIVATION, SB_ALIGNED, "", true, true,
     "docs/numerics.md: torchao 0.18 on CPU, the artifact's integers in both steps"},
    {SB_WEIGHT, SB_TORCHAO_0_11_CPU, "", true, true,
     "FakeQuantizeConfig(int4, group, scale_precision=T); convert by Int8DynamicActivationInt4WeightConfig"},
    {SB_WEIGHT, SB_TORCHAO_0_11_CPU, "scale-f32", true, false, "FakeQuantizeConfig with its default scale_precision"},
    {SB_WEIGHT, SB_TORCHAO_0_18_CPU, "", true, true, "IntxFakeQuantizer; convert by IntxUnpackedToInt8Tensor"},
    {SB_WEIGHT, SB_TORCHAO_0_18_CPU, "scale-f32", true, false,
     "IntxFakeQuantizer of a hand-written IntxFakeQuantizeConfig"},
    {SB_WEIGHT, SB_TORCHAO_0_18_CUDA, "", true, true, "read from source: scalar division as reciprocal multiplication"},
    {SB_WEIGHT, SB_ALIGNED, "", true, true,
     "docs/numerics.md: torchao 0.18 on CPU, the artifact's integers in both steps"},
};

static const sb_path_impl impls[] = {
    {sb_qdq_torchao_0_10_rows,
     0,
     false,
     {QPARAMS(F32, F32), CODED},
     {QPARAMS(SB_AS(SB_F64), SB_AS(SB_I64)), CODED},
     {QPARAMS(F32, F32)}},
    {rows, TORCHAO_0_11_ACTIVATION, false, {QPARAMS(F32, I32), CODED}, {QPARAMS(F32, I8), CODED}, {QPARAMS(F32, I32)}},
    {rows, TORCHAO_0_18, false, {QPARAMS(SB_AS_T, I32), CODED}, {QPARAMS(SB_AS_T, I8), CODED}, {QPARAMS(SB_AS_T, I32)}},
    {rows, SCALE_F32, false, {QPARAMS(F32, I32), CODED}, {0}, {QPARAMS(F32, I32)}},
    {rows, LEGACY, false, {QPARAMS(F32, F32), CODED}, {QPARAMS(F32, F32), CODED}, {QPARAMS(F32, F32)}},
    {rows, CUDA, false, {QPARAMS(SB_AS_T, I32), CODED}, {QPARAMS(SB_AS_T, I8), CODED}, {QPARAMS(SB_AS_T, I32)}},
    {rows, ALIGNED, false, {QPARAMS(SB_AS_T, I8), CODED}, {QPARAMS(SB_AS_T, I8), CODED}, {QPARAMS(SB_AS_T, I8)}},
    {rows,
     TORCHAO_0_11_WEIGHT,
     false,
     {QPARAMS(SB_AS_T, I32), CODED},
     {QPARAMS(SB_AS_T, SB_AS_T), CODED, PACKED},
     {QPARAMS(SB_AS_T, I32)}},
    {rows, SCALE_F32_0_11, false, {QPARAMS(F32, I32), CODED}, {0}, {QPARAMS(F32, I32)}},
    {rows,
     TORCHAO_0_18,
     false,
     {QPARAMS(SB_AS_T, I32), CODED},
     {QPARAMS(SB_AS_T, I8), CODED, PACKED},
     {QPARAMS(SB_AS_T, I32)}},
    {rows, SCALE_F32, false, {QPARAMS(F32, I32), CODED}, {0}, {QPARAMS(F32, I32)}},
    {rows, CUDA, false, {QPARAMS(SB_AS_T, I32), CODED}, {QPARAMS(SB_AS_T, I8), CODED, PACKED}, {QPARAMS(SB_AS_T, I32)}},
    {rows,
     ALIGNED,
     false,
     {QPARAMS(SB_AS_T, I8), CODED},
     {QPARAMS(SB_AS_T, I8), CODED, PACKED},
     {QPARAMS(SB_AS_T, I8)}},
};

SB_RECIPE(int8_dynamic_act_int4_weight) = {
    {.name = "int8-dynamic-act-int4-weight",
     .summary = "activation int8 per token asymmetric, weight int4 per group symmetric",
     .default_group = {[SB_ACTIVATION] = 0, [SB_WEIGHT] = 32},
     .path_count = sizeof paths / sizeof *paths,
     .paths = paths,
     .refused_by_upstream = ""},
    impls,
};
_Static_assert(sizeof paths / sizeof *paths == sizeof impls / sizeof *impls, "one implementation a path");
