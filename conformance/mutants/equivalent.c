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
#define INT8_WEIGHT "int8-dynamic-act-int4-weight/weight/prepare@*"

static const struct {
  const char *id, *contracts;
  unsigned dtypes;
  const char *proof;
} arguments[] = {
    {"add-before-round", "int8-dynamic-act-int4-weight/weight/*@aligned", ALL,
     "the zero point is 0 and an integer code has no -0: round(y) + 0 = round(y + 0)"},
    {"fma-contraction", INT8_WEIGHT, ALL, "the addend is the zero point 0: fma(x, 1/s, 0) is x * (1/s), rounded once"},
    {"fma-contraction", "int4-weight-only/weight/*@aligned", BF16 | F16,
     "a code of 4 bits times a scale of 8 or 11 is exact in f32, so that the sum is rounded once either way"},
    {"dequant-distributed", INT8_WEIGHT, ALL,
     "the zero point is 0: q * s - 0 * s = q * s; where s is infinite every code is 0 or NaN, and both give NaN"},
    {"dequant-int32-sub", INT8_WEIGHT, ALL,
     "differences of 8-bit integers are exact in every format (A8: 65,536 pairs)"},
    {"preserve-zero", INT8_WEIGHT, ALL,
     "max(-min(mn, 0), max(mx, 0)) = max(-mn, mx): one of -mn and mx is not negative"},
    {"zp-dtype-wrap", "int8-dynamic-act-int4-weight/activation/*@aligned", ALL,
     "the zero point is clamped to 8 bits before"},
    {"float-to-int-out-of-range", "*-int4-weight/weight/*@aligned", ALL,
     "codes are clamped to [-8, 7] before they are cast, and NaN gives 0 by either rule (INT_MIN ends in zero bits)"},
    {"rdiv-as-reciprocal", "*", ALL, "the numerator is 1: reciprocal(t) * 1"},
    {"int-times-narrow-scale", "float8-dynamic-act-int4-weight/weight/*@aligned", ALL,
     "a 4-bit code times an e4m3 scale has at most 8 significant bits, which bf16 and f16 hold"},
    {"fp8-saturate-vs-nan", "float8-*@aligned", ALL,
     "|x| <= amax and s = fl(max(amax, floor) / 448): x / s <= 448 * (1 + 2^-22) < 464, where NaN begins; infinite x "
     "gives NaN"},
    {"fp8-saturate-vs-nan", "float8-*@torchao-0.18-cpu", F32,
     "x / s <= 448 * (1 + 2^-22) < 464, where NaN begins, for scales that are normal; below, the search found none"},
    {"denormal-flush", "float8-*@aligned", ALL,
     "the floor of 2^-9 keeps scales above 2^-18: what is flushed has the code 0 of its sign either way, and no other "
     "value is subnormal"},
    {"denormal-flush", "float8-dynamic-act-int4-weight/weight/prepare@torchao-0.18-cpu", F32 | BF16,
     "the floor of 1e-12 keeps row scales above 2^-49: what is flushed has the code 0 of its sign, and no other value "
     "is subnormal"},
    {"denormal-flush", "int4-weight-only/*", ALL,
     "scales are at least 1e-6 / 15: what is flushed is far below half an ulp of all that it meets"},
    {"denormal-flush", "*", F16, "f16 values are 0 or at least 2^-24: nothing made of them is subnormal in f32"},
    {"fp64-qparams-widened", "float8-*/*@torchao-0.18-cpu", BF16 | F16,
     "x and s have p <= 11 bits, a midpoint of e4m3 has 5: x / s is a midpoint or off it by more than 2^-17, which f32 "
     "keeps"},
    {"fp64-qparams-computed", "*", F32,
     "one operation rounded to 53 bits and then to 24 is rounded as if once (53 >= 2 * 24 + 2; floors keep results "
     "normal)"},
    {"fp64-qparams-computed", "*@aligned", BF16 | F16,
     "one operation on f32 operands rounded to 53 bits and then to 24 is rounded as if once (53 >= 2 * 24 + 2)"},
};

const char *sb_equivalence(const sb_contract_case *at, const char *id) {
  char name[400];
  sb_contract_case_name(at, name, sizeof name);
  for (size_t i = 0; i < sizeof arguments / sizeof *arguments; i++)
    if (strcmp(arguments[i].id, id) == 0 && arguments[i].dtypes >> at->dtype & 1 &&
        fnmatch(arguments[i].contracts, name, 0) == 0)
      return arguments[i].proof;
  return NULL;
}
