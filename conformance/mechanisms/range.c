/* What the scale is computed from, and which scales there may be: extrema, groups, powers of two.  Catalogue A1 (20 to
 * 22, 24) and A5 (67). */
#include "conformance/mechanisms/entry.h"

static const sb_alternative preserve_zero[] = {
    {"true extrema", {ALSO("mn", "min(amin($x), 0)", "amin($x)"), ALSO("mx", "max(amax($x), 0)", "amax($x)")}, 0, 0},
    {"true minimum", {MATCH("mn", "min(amin($x), 0)", "amin($x)")}, 0, 0},
    {"true maximum", {MATCH("mx", "max(amax($x), 0)", "amax($x)")}, 0, 0},
    {"extrema clipped at 0", {ALL("mn", "amin(x)", "min(amin(x), 0)"), ALL("mx", "amax(x)", "max(amax(x), 0)")}, 0, 0},
    {"minimum clipped at 0", {ALL("mn", "amin(x)", "min(amin(x), 0)")}, 0, 0},
    {"maximum clipped at 0", {ALL("mx", "amax(x)", "max(amax(x), 0)")}, 0, 0},
};
static const sb_alternative nan_reduction[] = {
    {"NaN ignored", {ALSO("*", "amin($x)", "aminnum($x)"), ALSO("*", "amax($x)", "amaxnum($x)")}, 0, 0},
    {"NaN ignored, in the bounds too",
     {ALSO("mn", "min(amin($x), 0)", "minnum(aminnum($x), 0)"),
      ALSO("mx", "max(amax($x), 0)", "maxnum(amaxnum($x), 0)"), ALSO("*", "amax($x)", "amaxnum($x)"),
      ALSO(SCALES, "max($a, ?eps)", "maxnum($a, ?eps)")},
     0,
     0},
    {"NaN ignored in the floor", {MATCH(SCALES, "max($a, $b)", "maxnum($a, $b)")}, 0, 0},
    {"NaN ignored by the row's maximum", {ALL("amax", "amax($x)", "amaxnum($x)")}, 0, 0},
    {"NaN ignored by the row's maximum and its floor",
     {ALL("amax", "amax($x)", "amaxnum($x)"), ALL("scale row_scale", "max($a, ?eps)", "maxnum($a, ?eps)")},
     0,
     0},
    {"NaN ignored by the group's maximum", {ALL(SCALE, "amax($x)", "amaxnum($x)")}, 0, 0},
    {"NaN wins", {ALSO("*", "amaxnum($x)", "amax($x)"), ALSO("*", "aminnum($x)", "amin($x)")}, 0, 0},
    {"NaN ignored, the floor, too",
     {ALSO("*", "amax($x)", "amaxnum($x)"), ALSO(SCALES, "max($a, ?eps)", "maxnum($a, ?eps)")},
     0,
     0},
    {"NaN ignored by the floor, too, where the contract ignores it in the maximum",
     {ALL(SCALES, "max(amax, ?eps)", "maxnum(amax, ?eps)")},
     0,
     0},
};
static const sb_alternative inf_row[] = {
    {"extrema limited to the largest finite value",
     {WHOLE_TOO("mn", "max($a, -largest(T))"), WHOLE_TOO("mx", "min($a, largest(T))"),
      WHOLE_TOO("amax", "min($a, largest(T))")},
     0,
     0},
    {"the scale limited to the largest finite value", {WHOLE(SCALES, "min($a, largest(T))")}, 0, 0},
    {"the scale limited to the largest finite f32", {WHOLE(SCALES, "min($a, largest(f32))")}, 0, 0},
    {"infinities of the input made finite", {ALL("*", "x", "clamp(x, -largest(T), largest(T))")}, 0, 0},
    {"the range limited to the largest finite value", {MATCH(SCALES, "$a - $b", "min($a - $b, largest(T))")}, 0, 0},
};
static const sb_alternative group_size[] = {
    {"another group size", {{CHANGE_GROUP, "*", NULL, NULL, CF_NONE, 0}}, PARAM_GROUP, 0},
};
static const sb_alternative pow2[] = {
    {"rounded down to a power of two", {WHOLE(SCALES, "pow2_down($a)")}, 0, 0},
    {"rounded up to a power of two", {WHOLE(SCALES, "pow2_up($a)")}, 0, 0},
    {"the group's, rounded down", {WHOLE("scale s", "pow2_down($a)")}, 0, 0},
    {"the group's, rounded up", {WHOLE("scale s", "pow2_up($a)")}, 0, 0},
    {"the row's, rounded down", {WHOLE(ROW, "pow2_down($a)")}, 0, 0},
    {"the row's, rounded up", {WHOLE(ROW, "pow2_up($a)")}, 0, 0},
    {"rounded down before the floor", {MATCH(SCALES, "max($a, ?eps)", "max(pow2_down($a), ?eps)")}, 0, 0},
    {"rounded up before the floor", {MATCH(SCALES, "max($a, ?eps)", "max(pow2_up($a), ?eps)")}, 0, 0},
    {"rounded to the nearest power of two",
     {WHOLE(SCALES, "select($a / pow2_down($a) > 1.4142135623730951, pow2_down($a) * 2, pow2_down($a))")},
     0,
     0},
};

static const sb_mechanism mechanisms[] = {
    {"preserve-zero", 20, "extrema clipped at 0 | true extrema",
     "choose_qparams_affine | _dont_preserve_zero, tinygemm, MSLK's zp path",
     "include 0 in the range, or not, as the contract does", 19, FORMS(preserve_zero)},
    {"nan-in-reduction", 21, "NaN wins | NaN is ignored", "aten MaxNanFunctor | fmaxf, Triton tl.max",
     "propagate NaN as the contract does", 19, FORMS(nan_reduction)},
    {"inf-row", 22, "infinity propagates into the scale | amax is limited",
     "torch eager | kernels with scale_ub or a finite clamp", "let infinity through", 23, FORMS(inf_row)},
    {"group-size-ignored", 24, "the configured group | a fixed one", "torchao QAT int4wo until #4518 (128)",
     "pass the group size to the kernel", 19, FORMS(group_size)},
    {"pow2-scale", 67, "f32 scale | a power of two", "DeepSeek and TE force_pow_2; torchao round_scales_to_power_of_2",
     "do not round the scale", 19, FORMS(pow2)},
};
const sb_family sb_family_range = {mechanisms, COUNT(mechanisms)};
