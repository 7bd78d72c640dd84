/* The prover of the kill matrix: what it proves is so, and what differs is not proven. */
#include "conformance/contract/library.h"
#include "conformance/mutants/prove.h"
#include "samebits/fill.h"
#include "tests/suite.h"

#include "conformance/mutants/mutants.h"

#define ROW    "over row\namax : f32 = amax(abs(f32(x)))\n"
#define FLOOR  ROW "scale : f32 = max(amax, 0x1p-9) / 448\n"
#define CODES  "codes : e4m3 = e4m3.sat(f32(x) / scale)\n"
#define OUTPUT "output : T = T(f32(codes) * scale)\n"
#define NARROW "over row\namax : T = amax(abs(x))\n"
#define INT                                                                                                            \
  "over row\nmn : T = min(amin(x), 0)\nmx : T = max(amax(x), 0)\nscale : T = max((mx - mn) / 255, "                    \
  "smallest_normal(T))\n"

#define INT4    "over row\nmn : T = min(amin(x), 0)\nmx : T = max(amax(x), 0)\n"
#define FLUSHED "over row\nmn : T = flush(min(amin(x), 0))\nmx : T = flush(max(amax(x), 0))\n"

static const struct {
  int T;
  const char *one, *other;
  sb_proof proof;
} pairs[] = {
    /* A format that holds every value; a rounding that is none. */
    {SB_BF16, FLOOR CODES, FLOOR "codes : e4m3 = e4m3.sat(f32(f64(x)) / scale)", SB_PROVEN_BY_RULES},
    {SB_F32, FLOOR CODES, FLOOR "codes : e4m3 = e4m3.sat(f32(bf16(x)) / scale)", SB_NOT_PROVEN},
    {SB_F32, FLOOR, ROW "scale : f32 = f32((max(amax, 0x1p-9) / 448)@f64)", SB_PROVEN_BY_RULES},
    {SB_F32, FLOOR, ROW "scale : f32 = f32(f64(max(amax, 0x1p-9)) * f64(1 / 448))", SB_PROVEN_BY_RULES},
    {SB_F32, FLOOR, ROW "scale : f32 = max(amax, 0x1p-9) * f32(1 / 448)", SB_NOT_PROVEN},
    {SB_F32, FLOOR CODES, FLOOR "codes : e4m3 = e4m3.sat(f32(x) * (1 / scale))", SB_NOT_PROVEN},
    /* A sum that is its larger operand, and one that need not be. */
    {SB_F32, FLOOR, ROW "scale : f32 = (max(amax, 0x1p-9) + 1e-12) / 448", SB_PROVEN_BY_RULES},
    {SB_F32, FLOOR, ROW "scale : f32 = (max(amax, 0x1p-9) + 1e-9) / 448", SB_NOT_PROVEN},
    {SB_F32, ROW "scale : f32 = amax / 448", ROW "scale : f32 = (amax + 1e-30) / 448", SB_NOT_PROVEN},
    {SB_F32, FLOOR, ROW "scale : f32 = (max(amax, 0x1p-9) + 0x1.fp-34) / 448", SB_PROVEN_BY_RULES},
    {SB_F32, FLOOR, ROW "scale : f32 = (max(amax, 0x1p-9) + 0x1.1p-33) / 448", SB_NOT_PROVEN},
    {SB_F32, FLOOR, ROW "scale : f32 = (max(amax, 0x1p-9) - 0x1.8p-34) / 448", SB_NOT_PROVEN},
    /* A sum that counts only below a floor. */
    {SB_F32, ROW "scale : f32 = max(amax / 448, 1e-6)", ROW "scale : f32 = max((amax + 1e-12) / 448, 1e-6)",
     SB_PROVEN_BY_RULES},
    {SB_F32, ROW "scale : f32 = max(amax / 448, 1e-6)", ROW "scale : f32 = max((amax + 1e-10) / 448, 1e-6)",
     SB_NOT_PROVEN},
    {SB_F32, ROW "scale : f32 = max(amax / 255, smallest_normal(T))",
     ROW "scale : f32 = max(f32(f64(amax) * f64(1 / 255)), smallest_normal(T))", SB_PROVEN_BY_RULES},
    {SB_F32, ROW "scale : f32 = max(amax / 255, 1e-40)", ROW "scale : f32 = max(f32(f64(amax) * f64(1 / 255)), 1e-40)",
     SB_NOT_PROVEN},
    /* Floors: below what there can be, in another place, too high. */
    {SB_F32, FLOOR, ROW "scale : f32 = max(max(amax, 0x1p-9) / 448, 1e-6)", SB_PROVEN_BY_RULES},
    {SB_F32, FLOOR, ROW "scale : f32 = max(amax / 448, 0x1.2492492492492p-18)", SB_PROVEN_BY_RULES},
    {SB_F32, FLOOR, ROW "scale : f32 = max(max(amax, 0x1p-9) / 448, 1e-5)", SB_NOT_PROVEN},
    /* |x| <= amax: nothing saturates, but where the scale is too small. */
    {SB_F32, FLOOR CODES, FLOOR "codes : e4m3 = e4m3.nan(f32(x) / scale)", SB_PROVEN_BY_RULES},
    {SB_F32, ROW "scale : f32 = max(amax, 0x1p-9) / 480\n" CODES,
     ROW "scale : f32 = max(amax, 0x1p-9) / 480\ncodes : e4m3 = e4m3.nan(f32(x) / scale)", SB_NOT_PROVEN},
    {SB_F32, ROW "scale : f32 = amaxnum(abs(f32(x))) / 448\n" CODES,
     ROW "scale : f32 = amaxnum(abs(f32(x))) / 448\ncodes : e4m3 = e4m3.nan(f32(x) / scale)", SB_NOT_PROVEN},
    /* The sign of zero. */
    {SB_F32, FLOOR CODES OUTPUT,
     FLOOR CODES "output : T = select(T(f32(codes) * scale) == 0, copysign(T(f32(codes) * scale), x), T(f32(codes) * "
                 "scale))",
     SB_PROVEN_BY_RULES},
    {SB_F32, FLOOR CODES OUTPUT, FLOOR CODES "output : T = positive_zero(T(f32(codes) * scale))", SB_NOT_PROVEN},
    /* Subnormals: of the code they do not matter, of the scale without a floor they do. */
    {SB_F32, FLOOR CODES, FLOOR "codes : e4m3 = e4m3.sat(flush(f32(x) / scale))", SB_PROVEN_BY_RULES},
    {SB_F32, ROW "scale : f32 = amax / 448", ROW "scale : f32 = flush(amax / 448)", SB_NOT_PROVEN},
    /* Every value of what differs: 31,746 of f16 and NaN; bf16's quotient by 448 is its product by the reciprocal. */
    {SB_F16, NARROW "scale : f32 = f32(amax / 448)", NARROW "scale : f32 = f32((amax + 1e-12) / 448)",
     SB_PROVEN_BY_SWEEP},
    {SB_F16, NARROW "scale : f32 = f32(amax / 448)", NARROW "scale : f32 = f32((amax + 1e-5) / 448)", SB_NOT_PROVEN},
    {SB_BF16, NARROW "scale : f32 = f32(amax / 448)", NARROW "scale : f32 = f32((amax * f32(1 / 448))@T)",
     SB_PROVEN_BY_SWEEP},
    {SB_F16, NARROW "scale : f32 = f32(amax / 448)", NARROW "scale : f32 = f32((amax * f32(1 / 448))@T)",
     SB_NOT_PROVEN},
    {SB_F32, NARROW "scale : f32 = max(amax / 7.5, smallest_normal(T))\nv : f32 = 1 / scale",
     NARROW "scale : f32 = max(amax / 7.5, smallest_normal(T))\nv : f32 = flush(1 / scale)", SB_PROVEN_BY_RULES},
    {SB_F32, NARROW "scale : f32 = max(amax / 3, smallest_normal(T))\noutput : f32 = 1 / scale",
     NARROW "scale : f32 = max(amax / 3, smallest_normal(T))\noutput : f32 = flush(1 / scale)", SB_NOT_PROVEN},
    {SB_F32, INT4 "scale : T = max(max(-mn, mx) / 7.5, smallest_normal(T))",
     FLUSHED "scale : T = max(max(-mn, mx) / 7.5, smallest_normal(T))", SB_PROVEN_BY_RULES},
    {SB_F32, INT4 "scale : T = max(max(-mn, mx) / 7.5, 1e-40)", FLUSHED "scale : T = max(max(-mn, mx) / 7.5, 1e-40)",
     SB_NOT_PROVEN},
    /* x * (1 / s) of 16 bits, rounded to an integer; what the clamp does not change, and what it does. */
    {SB_BF16, INT "zero_point : i8 = i8.sat(clamp(-128 - round(mn / scale), -128, 127))",
     INT "zero_point : i8 = i8.sat(clamp(-128 - round((mn * (1 / scale)@f32)@T), -128, 127))", SB_PROVEN_BY_RULES},
    {SB_BF16, INT "zero_point : i8 = i8.sat(clamp(-128 - round(mn / scale), -128, 127))",
     INT "zero_point : i8 = i8.sat(clamp(-128 - round(mn * (1 / scale)), -128, 127))", SB_NOT_PROVEN},
    {SB_F16, INT "zero_point : i8 = i8.sat(clamp(-128 - round(mn / scale), -128, 127))",
     INT "zero_point : i8 = i8.wrap(-128 - round(mn / scale))", SB_PROVEN_BY_RULES},
    {SB_F16, INT "zero_point : i8 = i8.sat(clamp(-127 - round(mn / scale), -128, 127))",
     INT "zero_point : i8 = i8.wrap(-127 - round(mn / scale))", SB_NOT_PROVEN},
    /* The sign of a zero that an operator forgets. */
    {SB_F32, FLOOR CODES "output : f32 = amax(abs(f32(codes) * scale))",
     FLOOR CODES "output : f32 = amax(abs(positive_zero(f32(codes)) * scale))", SB_PROVEN_BY_RULES},
    {SB_F32, FLOOR CODES "output : f32 = abs(1 / f32(codes))",
     FLOOR CODES "output : f32 = 1 / positive_zero(f32(codes))", SB_NOT_PROVEN},
    /* Integers: NaN's depends on the rule. */
    {SB_F32, INT "zero_point : i8 = i8.sat(clamp(-128 - round(mn / scale), -128, 127))",
     INT "zero_point : i8 = i8.x86(clamp(-128 - round(mn / scale), -128, 127))", SB_PROVEN_BY_RULES},
    {SB_F32, INT "zero_point : i32 = i32.sat(clamp(-128 - round(mn / scale), -128, 127))",
     INT "zero_point : i32 = i32.x86(clamp(-128 - round(mn / scale), -128, 127))", SB_NOT_PROVEN},
};

static sb_contract *checked(const char *text, const sb_env *env) {
  sb_contract *k = NULL;
  ck_assert_msg(sb_contract_parse("t", text, strlen(text), NULL, NULL, &k) == SB_OK, "%s: %s", text, sb_message());
  ck_assert_msg(sb_contract_check(k, env) == SB_OK, "%s: %s", text, sb_message());
  return k;
}

/* Each pair is proven by the way named, or not at all, in either order. */
START_TEST(proofs_are_found_and_no_more) {
  static double x[64];
  const sb_env env = {.T = pairs[_i].T,
                      .S = CF_NONE,
                      .Z = CF_NONE,
                      .O = CF_NONE,
                      .rows = 1,
                      .cols = 64,
                      .lenient = true,
                      .binding_count = 1,
                      .bindings = {{"x", pairs[_i].T, {1, 1}, x}}};
  const sb_contract_case at = {.recipe = "r", .side = "weight", .step = "prepare"};
  sb_contract *a = checked(pairs[_i].one, &env), *b = checked(pairs[_i].other, &env);
  int64_t values;
  ck_assert_msg(sb_prove(&at, a, b, &env, 1 << 20, &values) == pairs[_i].proof, "%s\n%s", pairs[_i].one,
                pairs[_i].other);
  ck_assert_int_eq(values > 0, pairs[_i].proof == SB_PROVEN_BY_SWEEP);
  ck_assert_int_eq(sb_prove(&at, b, a, &env, 1 << 20, &values), pairs[_i].proof);
  ck_assert_int_eq(sb_prove(&at, a, a, &env, 1 << 20, &values), SB_PROVEN_SAME_TREES);
  sb_contract_free(a);
  sb_contract_free(b);
}
END_TEST

/* No rewrite that an input kills is proven; each that no fill of the smoke tier kills is, or has an argument. */
START_TEST(nothing_killed_is_proven) {
  static const struct {
    const char *name;
    sb_format dtype;
    int64_t group;
  } contracts[] = {{"float8-dynamic-act-float8-weight/weight/prepare@aligned", SB_F32, 0},
                   {"int8-dynamic-act-int4-weight/weight/prepare@aligned", SB_F16, 32}};
  sb_contract_case at;
  sb_spec spec;
  ck_assert_int_eq(sb_contract_case_parse(contracts[_i].name, contracts[_i].dtype, contracts[_i].group, &at), SB_OK);
  ck_assert_int_eq(sb_spec_make(at.recipe, SB_WEIGHT, SB_PREPARE, SB_ALIGNED, "", at.dtype, at.group_size, &spec),
                   SB_OK);
  sb_tensor x[SB_MUTANT_FILLS];
  sb_mutant_input inputs[SB_MUTANT_FILLS];
  int count = 0;
  for (int i = 0; i < sb_fill_table_count; i++) {
    const sb_fill *fill = sb_fill_table[i];
    if (fill->tier) continue;
    x[count] = sb_tensor_2d(at.dtype, 33, 64);
    ck_assert_int_eq(sb_tensor_alloc(&x[count]), SB_OK);
    ck_assert_int_eq(fill->make(&spec, 1, &x[count]), SB_OK);
    inputs[count] = (sb_mutant_input){fill->name, &x[count]};
    count++;
  }
  sb_mutant_row *rows = calloc((size_t)sb_mechanism_count(), sizeof *rows);
  ck_assert_ptr_nonnull(rows);
  ck_assert_int_eq(sb_mutants_run(&at, inputs, count, 0, true, rows), SB_OK);
  int proven = 0;
  for (int i = 0; i < sb_mechanism_count(); i++) {
    if (!rows[i].forms) continue;
    ck_assert_msg(rows[i].contradicted == 0, "%s: %d forms are proven the same, and a fill tells them",
                  rows[i].mechanism->id, rows[i].contradicted);
    proven += rows[i].proven[SB_PROVEN_BY_RULES] + rows[i].proven[SB_PROVEN_BY_SWEEP];
    int left = rows[i].proven[SB_NOT_PROVEN];
    for (int k = 0; k < SB_MUTANT_ARGUMENTS; k++) left -= rows[i].argued[k];
    if (!rows[i].killed && sb_equivalence(&at, rows[i].mechanism->id, NULL)) left = 0;
    ck_assert_msg(left == 0, "%s: %s is neither told nor proven", rows[i].mechanism->id, rows[i].unproved);
  }
  ck_assert_int_gt(proven, 20);
  free(rows);
  for (int f = 0; f < count; f++) sb_tensor_free(&x[f]);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("proofs");
  TCase *tests = tcase_create("proofs");
  tcase_set_timeout(tests, 300);
  tcase_add_loop_test(tests, proofs_are_found_and_no_more, 0, sizeof pairs / sizeof *pairs);
  tcase_add_loop_test(tests, nothing_killed_is_proven, 0, 2);
  suite_add_tcase(suite, tests);
  return run_suite(suite);
}
