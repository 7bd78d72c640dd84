/* float8-dynamic-act-float8-weight: both sides e4m3 with one f32 scale a row (variant per-tensor: a tensor).
 *
 * torchao 0.18: prepare is Float8FakeQuantizer, convert is Float8Tensor.from_hp with its torch kernel; where MSLK is
 * installed on sm_90 convert is MSLK's Triton quantize_fp8_row (variant mslk; its CPU fallback has other formulas). */
#include "ref/float8_lanes.h"

/* A path's numerics: the form of prepare (and of the single operations), and that of convert. */
enum { TORCHAO, MSLK, MSLK_CPU, CUDA, CUDA_BELOW_SM90, ALIGNED };
static const struct {
  sb_float8_form prepare, convert;
} table[] = {
    [TORCHAO] = {SB_FLOAT8_TORCHAO, SB_FLOAT8_TORCHAO},
    [MSLK] = {SB_FLOAT8_MSLK, SB_FLOAT8_MSLK},
    [MSLK_CPU] = {SB_FLOAT8_MSLK_CPU, SB_FLOAT8_MSLK_CPU},
    [CUDA] = {SB_FLOAT8_TORCHAO_CUDA, SB_FLOAT8_MSLK},
    [CUDA_BELOW_SM90] = {SB_FLOAT8_TORCHAO_CUDA, SB_FLOAT8_TORCHAO_CUDA},
    [ALIGNED] = {SB_FLOAT8_ALIGNED, SB_FLOAT8_ALIGNED},
};

static void rows(const sb_job *job, int64_t begin, int64_t end, int8_t *codes_row) {
  const int rules = job->impl->rules;
  (void)codes_row;
  SB_FOR_DTYPE(sb_float8_rows, job, begin, end, job->step == SB_CONVERT ? table[rules].convert : table[rules].prepare);
}

#define SIDE(side)                                                                                                     \
  {side, SB_TORCHAO_0_18_CPU,                                                                                          \
   "",   true,                                                                                                         \
   true, "Float8FakeQuantizer(PerRow); convert by Float8Tensor.from_hp, torch kernel"},                                \
      {side, SB_TORCHAO_0_18_CPU, "per-tensor", true, true, "the same with PerTensor"},                                \
      {side, SB_TORCHAO_0_18_CPU, "mslk", false, true, "MSLK's Triton quantize_fp8_row"},                              \
      {side, SB_TORCHAO_0_18_CPU, "mslk-cpu-fallback", false, true, "MSLK quantize_fp8_row on a CPU tensor"},          \
      {side, SB_TORCHAO_0_18_CUDA, "", true, true, "read from source; convert is the MSLK form"},                      \
      {side, SB_TORCHAO_0_18_CUDA, "below-sm90", true, true, "read from source; convert as prepare"}, {                \
    side, SB_ALIGNED, "", true, true, "docs/numerics.md: the MSLK form, NaN winning, in both steps"                    \
  }
static const sb_path paths[] = {SIDE(SB_ACTIVATION), SIDE(SB_WEIGHT)};

#define STEP   [SB_SCALE] = SB_AS(SB_F32), [SB_CODES] = SB_AS(SB_E4M3), [SB_OUTPUT] = SB_AS_T
#define CHOOSE [SB_SCALE] = SB_AS(SB_F32)
#define IMPLS                                                                                                          \
  {rows, TORCHAO, false, {STEP}, {STEP}, {CHOOSE}}, {rows, TORCHAO, true, {STEP}, {STEP}, {CHOOSE}},                   \
      {rows, MSLK, false, {0}, {STEP}, {CHOOSE}}, {rows, MSLK_CPU, false, {0}, {STEP}, {CHOOSE}},                      \
      {rows, CUDA, false, {STEP}, {STEP}, {CHOOSE}}, {rows, CUDA_BELOW_SM90, false, {STEP}, {STEP}, {CHOOSE}}, {       \
    rows, ALIGNED, false, {STEP}, {STEP}, { CHOOSE }                                                                   \
  }
static const sb_path_impl impls[] = {IMPLS, IMPLS};
_Static_assert(sizeof paths / sizeof *paths == sizeof impls / sizeof *impls, "one implementation a path");

SB_RECIPE(float8_dynamic_act_float8_weight) = {
    {.name = "float8-dynamic-act-float8-weight",
     .summary = "activation and weight float8 e4m3, one scale a row",
     .path_count = sizeof paths / sizeof *paths,
     .paths = paths,
     .refused_by_upstream = "quantize_ needs CUDA compute capability 8.9; PerRow weights must be bf16"},
    impls,
};
