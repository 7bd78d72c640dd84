/* Why a wrong implementation is none: the same operations, shown by comparing the trees, or an argument. */
#include "conformance/contract/values.h"
#include "conformance/mutants/mutants.h"

#include <fnmatch.h>

/* A conversion to the format that a value has already changes nothing. */
static const sb_node *plain(const sb_node *n) {
  while (n->op == C_CAST && n->rule == R_DEFAULT && !n->arg[0]->constant && n->arg[0]->fmt == n->fmt) n = n->arg[0];
  return n;
}

static bool same_tree(const sb_node *a, const sb_node *b) {
  a = plain(a), b = plain(b);
  if (a->constant || b->constant)
    return a->constant && b->constant && a->fmt == b->fmt && sb_f64_bits(a->number) == sb_f64_bits(b->number);
  if (a->op != b->op || a->nargs != b->nargs || a->rule != b->rule || a->fmt != b->fmt || a->via != b->via)
    return false;
  if (a->tile.r != b->tile.r || a->tile.c != b->tile.c || a->over.r != b->over.r || a->over.c != b->over.c)
    return false;
  if ((a->op == C_NAME || a->op == C_INPUT) && strcmp(a->name, b->name) != 0) return false;
  for (int i = 0; i < a->nargs; i++)
    if (!same_tree(a->arg[i], b->arg[i])) return false;
  return true;
}

bool sb_same_operations(const sb_contract *a, const sb_contract *b, const sb_env *env) {
  if (a->line_count != b->line_count) return false;
  for (int i = 0; i < a->line_count; i++) {
    const sb_line *x = &a->lines[i], *y = &b->lines[i];
    const int was = x->stored == CF_NONE ? x->format : x->stored, is = y->stored == CF_NONE ? y->format : y->stored;
    if (strcmp(x->name, y->name) != 0 || sb_cf_resolve(env, x->format) != sb_cf_resolve(env, y->format) ||
        sb_cf_resolve(env, was) != sb_cf_resolve(env, is) || !same_tree(x->expr, y->expr))
      return false;
  }
  return true;
}

enum { F32 = 1 << SB_F32, BF16 = 1 << SB_BF16, F16 = 1 << SB_F16, ALL = F32 | BF16 | F16 };
#define INT8_WEIGHT         "int8-dynamic-act-int4-weight/weight/prepare@*"
#define INT8_WEIGHT_018     "int8-dynamic-act-int4-weight/weight/prepare@torchao-0.18-cpu"
#define INT8_ACTIVATION_018 "int8-dynamic-act-int4-weight/activation/prepare@torchao-0.18-cpu"
#define FLOAT8_INT4_018     "float8-dynamic-act-int4-weight/weight/prepare@torchao-0.18-cpu"
#define NAN_CODE                                                                                                       \
  "a code is NaN only where the scale is NaN, or infinite and x as well: NaN becomes the integer 0 (of INT_MIN, the "  \
  "low 8 bits), whose product by that scale is NaN, too; all other codes are integers from -8 to 7"
#define TWO_SUMS                                                                                                       \
  "computed for every minimum and maximum and every code that they allow (4.1e9 pairs, tests/sweep_int4_output.c): "   \
  "none differs; where the scale is infinite or NaN every form gives NaN"
#define INT_MIN_ONLY                                                                                                   \
  "|codes - zero_point| <= 255 is exact in T, and its product by the scale is exact in the wider format, so that it "  \
  "is rounded once; zero_point is INT_MIN only where mn / scale is NaN: the scale is infinite or NaN there, the "      \
  "difference positive in every format, and the product that scale"

static const struct {
  const char *id, *contracts;
  unsigned dtypes;
  const char *proof;
  const char *what; /* of these forms; NULL: of all, where no form of the mechanism is told */
} arguments[] = {
    {"add-before-round", "int8-dynamic-act-int4-weight/weight/*@aligned", ALL,
     "the zero point is 0 and an integer code has no -0: round(y) + 0 = round(y + 0)", NULL},
    {"fma-contraction", INT8_WEIGHT, ALL,
     "the zero point is 0: fma(x, 1 / s, 0) and fma(q, s, -(0 * s)) are the product, rounded once (q has no -0); where "
     "s "
     "is infinite every code is 0 or NaN, and both give NaN",
     NULL},
    {"fma-contraction", "int4-weight-only/weight/*@aligned", BF16 | F16,
     "a code of 4 bits times a scale of 8 or 11 is exact in f32, so that the sum is rounded once either way", NULL},
    {"dequant-distributed", INT8_WEIGHT, ALL,
     "the zero point is 0: q * s - 0 * s = q * s; where s is infinite every code is 0 or NaN, and both give NaN", NULL},
    {"dequant-int32-sub", INT8_WEIGHT, ALL,
     "differences of 8-bit integers are exact in every format (A8: 65,536 pairs)", NULL},
    {"preserve-zero", INT8_WEIGHT, ALL,
     "max(-min(mn, 0), max(mx, 0)) = max(-mn, mx): one of -mn and mx is not negative", NULL},
    {"zp-dtype-wrap", "int8-dynamic-act-int4-weight/activation/*@aligned", ALL,
     "the zero point is clamped to 8 bits before", NULL},
    {"float-to-int-out-of-range", "*-int4-weight/weight/*@aligned", ALL,
     "codes are clamped to [-8, 7] before they are cast, and NaN gives 0 by either rule (INT_MIN ends in zero bits)",
     NULL},
    {"rdiv-as-reciprocal", "*", ALL, "the numerator is 1: reciprocal(t) * 1", NULL},
    {"int-times-narrow-scale", "float8-dynamic-act-int4-weight/weight/*@aligned", ALL,
     "a 4-bit code times an e4m3 scale has at most 8 significant bits, which bf16 and f16 hold", NULL},
    {"fp8-saturate-vs-nan", "float8-*@aligned", ALL,
     "|x| <= amax and s = fl(max(amax, floor) / 448): x / s <= 448 * (1 + 2^-22) < 464, where NaN begins; infinite x "
     "gives NaN",
     NULL},
    {"denormal-flush", "float8-*@aligned", ALL,
     "the floor of 2^-9 keeps scales above 2^-18: what is flushed has the code 0 of its sign either way, and no other "
     "value is subnormal",
     NULL},
    {"denormal-flush", "float8-dynamic-act-int4-weight/weight/prepare@torchao-0.18-cpu", F32 | BF16,
     "the floor of 1e-12 keeps row scales above 2^-49: what is flushed has the code 0 of its sign, and no other value "
     "is subnormal",
     NULL},
    {"denormal-flush", "int4-weight-only/*", ALL,
     "scale >= 1e-6 / 15: of x, mn, mx and their differences what is below 2^-126 is lost beside what it is added to, "
     "or "
     "is below the floor, or its quotient rounds to 0 with it and without; scale, zero_point and all sums of the "
     "output "
     "are multiples of 2^-47 (zero_point is mn + 8 * scale, of which mn is a multiple or is below 2^-22 and rounded "
     "away "
     "to one)",
     NULL},
    {"denormal-flush", "*", F16, "f16 values are 0 or at least 2^-24: nothing made of them is subnormal in f32", NULL},
    {"fp64-qparams-widened", "float8-*/*@torchao-0.18-cpu", BF16 | F16,
     "x and s have p <= 11 bits, a midpoint of e4m3 has 5: x / s is a midpoint or off it by more than 2^-17, which f32 "
     "keeps",
     NULL},
    {"fp64-qparams-computed", "*", F32,
     "one operation rounded to 53 bits and then to 24 is rounded as if once (53 >= 2 * 24 + 2; floors keep results "
     "normal)",
     NULL},
    {"fp64-qparams-computed", "*@aligned", BF16 | F16,
     "one operation on f32 operands rounded to 53 bits and then to 24 is rounded as if once (53 >= 2 * 24 + 2)", NULL},
    {"scalar-div-as-reciprocal", "float8-*@torchao-0.18-cpu", F32,
     "fl64(1 / 448) = (1 - 2^-54) / 448: where amax / 448 is a midpoint of f32 (below 2^-126 only) the product is at "
     "most half a place of f64 under it and rounds to it (to even, if it is a power of two); all others are off a "
     "midpoint by more than 2^-32 of it",
     "multiplied by the f64 reciprocal"},
    {"dequant-int32-sub", INT8_WEIGHT_018, ALL, NAN_CODE, "int32 subtraction, saturating conversions"},
    {"dequant-int32-sub", INT8_WEIGHT_018, ALL, NAN_CODE, "subtraction in 8 bits"},
    {"fp64-qparams-widened", INT8_ACTIVATION_018, ALL, INT_MIN_ONLY, "output in f64"},
    {"per-op-vs-upcast", INT8_ACTIVATION_018, BF16 | F16, INT_MIN_ONLY, "the output in f32"},
    {"per-op-vs-upcast", INT8_ACTIVATION_018, BF16 | F16, INT_MIN_ONLY, "one operation in f32"},
    {"scale-stored-narrow", INT8_ACTIVATION_018, BF16 | F16, INT_MIN_ONLY, "*zero point in * for the output"},
    {"group-from-codes", FLOAT8_INT4_018, ALL,
     "row_scale is one value of a group: rounding c * row_scale keeps the order of |c|, so that the largest |w| comes "
     "of the largest |c|; where it is NaN or infinite c is 0 or NaN, and both maxima are NaN; where it is 0 (f16) all "
     "products are 0 or NaN",
     "group scale from the e4m3 codes times the row scale"},
    {"nan-clamp", FLOAT8_INT4_018, F32 | BF16,
     "row_scale is never 0: c is NaN only where row_scale is NaN or infinite, and there 0 * row_scale is NaN as well",
     "NaN becomes 0"},
    {"nan-in-reduction", FLOAT8_INT4_018, F32 | BF16,
     "row_scale is never 0: it is NaN or infinite, and every w of the row is NaN (c is 0 or NaN), or no w is",
     "NaN ignored by the group's maximum"},
    {"negative-zero", "int4-weight-only/weight/prepare@torchao-0.18-cpu", BF16,
     "scale >= 1e-6 / 15 is a multiple of 2^-47, and so is mn where it is at least 2^-22; where it is less, zero_point "
     ">= 8 * scale - 2^-22 > 2^-22 is one: the output before its last rounding is +0 or at least 2^-47 in size",
     "the output loses it"},
    {"fp64-qparams-widened", "int4-weight-only/weight/prepare@aligned", BF16 | F16, TWO_SUMS, "output in f64"},
    {"dequant-distributed", "int4-weight-only/weight/prepare@aligned", BF16 | F16, TWO_SUMS,
     "(q + 8) * s + (z - 8 * s)"},
};

const char *sb_equivalence(const sb_contract_case *at, const char *id, const char *what) {
  char name[400];
  sb_contract_case_name(at, name, sizeof name);
  for (size_t i = 0; i < sizeof arguments / sizeof *arguments; i++)
    if (strcmp(arguments[i].id, id) == 0 && arguments[i].dtypes >> at->dtype & 1 &&
        fnmatch(arguments[i].contracts, name, 0) == 0 &&
        (what ? arguments[i].what && fnmatch(arguments[i].what, what, 0) == 0 : !arguments[i].what))
      return arguments[i].proof;
  return NULL;
}
