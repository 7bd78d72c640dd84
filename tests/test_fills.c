/* The generator and the fills. */
#include "samebits/apply.h"
#include "samebits/fill.h"
#include "tests/suite.h"

#include <math.h>
#include <string.h>

/* Philox4x32-10 gives the known answers of its authors' test vectors (Random123, kat_vectors), in the counter that this
 * generator can reach. */
START_TEST(known_answers) {
  static const uint32_t zero[4] = {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8};
  uint32_t words[4];
  sb_random_words(0, 0, 0, words);
  ck_assert_mem_eq(words, zero, sizeof zero);
  for (uint64_t e = 0; e < 4; e++) ck_assert_uint_eq(sb_random_word(0, 0, e), zero[e]);
  uint32_t other[4];
  sb_random_words(1, 0, 0, other);
  ck_assert_mem_ne(other, zero, sizeof zero);
  sb_random_words(0, 1, 0, other);
  ck_assert_mem_ne(other, zero, sizeof zero);
}
END_TEST

/* The normal deviate inverts the normal distribution: known quantiles, symmetry, mean 0 and variance 1. */
START_TEST(normal_deviates) {
  ck_assert_double_eq_tol(sb_random_normal(0x80000000), 0, 1e-9);
  ck_assert_double_eq_tol(sb_random_normal(0xd8000000), 1.0100, 1e-3); /* p = 0.84375 */
  ck_assert_double_eq_tol(sb_random_normal(0), -6.338, 1e-2);
  double sum = 0, squares = 0;
  enum { COUNT = 100000 };
  for (uint32_t i = 0; i < COUNT; i++) {
    double z = sb_random_normal(sb_random_word(3, 0, i));
    sum += z;
    squares += z * z;
  }
  ck_assert_double_eq_tol(sum / COUNT, 0, 0.02);
  ck_assert_double_eq_tol(squares / COUNT, 1, 0.02);
  ck_assert_double_eq(sb_random_normal(0x12345678), -sb_random_normal(~0x12345678u));
}
END_TEST

typedef void visit(const sb_spec *spec);

/* Calls `each` with every path and dtype that has single operations, at its default group. */
static void for_every_spec(visit *each) {
  static const sb_format dtypes[] = {SB_F32, SB_BF16, SB_F16};
  int seen = 0;
  for (int r = 0; r < sb_recipe_count(); r++)
    for (int p = 0; p < sb_recipe_at(r)->path_count; p++)
      for (int t = 0; t < 3; t++) {
        const sb_path *path = &sb_recipe_at(r)->paths[p];
        sb_spec spec;
        sb_ok(sb_spec_make(sb_recipe_at(r)->name, path->side, path->prepare ? SB_PREPARE : SB_CONVERT, path->flavor,
                           path->variant, dtypes[t], -1, &spec));
        each(&spec);
        seen++;
      }
  ck_assert_int_gt(seen, 60);
}

static void filled(const sb_spec *spec, const char *name, uint64_t seed, int64_t rows, int64_t cols, sb_tensor *x) {
  const sb_fill *fill;
  sb_ok(sb_fill_parse(name, &fill));
  *x = sb_tensor_2d(spec->dtype, rows, cols);
  sb_ok(sb_tensor_alloc(x));
  sb_ok(fill->make(spec, seed, x));
}

static void expect_ties(const sb_spec *spec) {
  const sb_fill *fill;
  sb_tensor x;
  sb_ok(sb_fill_parse("tie", &fill));
  for (uint64_t seed = 1; seed <= 3; seed++) {
    filled(spec, "tie", seed, 9, 512, &x);
    sb_status status = fill->serves(spec, &x);
    ck_assert_msg(status == SB_OK, "%s@%s+%s %s: %s", spec->recipe->name, sb_flavor_names[spec->path->flavor],
                  spec->path->variant, sb_format_of(spec->dtype)->name, sb_message());
    sb_tensor_free(&x);
  }
}

/* The fill `tie` has elements exactly halfway between two codes for every recipe, flavor, variant and dtype. */
START_TEST(ties_everywhere) { for_every_spec(expect_ties); }
END_TEST

/* Ties of the int8 activation: an input whose scaled value is exactly a half-integer, with both parities and both
 * signs, odd and even zero points, by the recipe's own arithmetic in f32. */
START_TEST(ties_of_both_kinds) {
  sb_spec spec, choose;
  sb_tensor slots[SB_SLOTS] = {0};
  int seen[2][2] = {{0}}, points[2] = {0};
  sb_ok(sb_spec_make("int8-dynamic-act-int4-weight", SB_ACTIVATION, SB_PREPARE, SB_TORCHAO_0_18_CPU, "", SB_BF16, -1,
                     &spec));
  sb_ok(sb_spec_step(&spec, SB_CHOOSE_QPARAMS, false, &choose));
  filled(&spec, "tie", 1, 32, 256, &slots[SB_X]);
  sb_ok(sb_apply(&choose, 32, 256, slots, NULL));
  for (int64_t i = 0; i < 32 * 256; i++) {
    double scale = sb_load(slots[SB_SCALE].format, slots[SB_SCALE].data, i / 256);
    double scaled = sb_load(SB_BF16, slots[SB_X].data, i) / scale;
    ck_assert_double_eq(frexp(scale, &(int){0}), 0.5); /* a power of two */
    points[sb_load_int(slots[SB_ZERO_POINT].format, slots[SB_ZERO_POINT].data, i / 256) & 1]++;
    if (fabs(scaled - trunc(scaled)) == 0.5) seen[scaled < 0][(int64_t)fabs(trunc(scaled)) & 1]++;
  }
  for (int i = 0; i < 4; i++) ck_assert_int_gt(seen[i / 2][i % 2], 20);
  ck_assert(points[0] > 0 && points[1] > 0);
  sb_slots_free(slots);
}
END_TEST

/* In the shape of its tier, sweep16 has in the blocks of each exponent every f16 value up to the block's largest, and
 * nothing above it. */
START_TEST(sweep16_takes_every_value) {
  sb_spec spec;
  sb_tensor x;
  const sb_fill *fill;
  int64_t rows, cols;
  sb_ok(sb_fill_parse("sweep16", &fill));
  sb_ok(sb_spec_make("int4-weight-only", SB_WEIGHT, SB_PREPARE, SB_ALIGNED, "", SB_F16, 128, &spec));
  fill->shape(&spec, &rows, &cols);
  filled(&spec, "sweep16", 1, rows, cols, &x);
  const uint16_t *bits = x.data;
  const int64_t per = (65536 + 126) / 127;
  ck_assert_int_ge(rows * cols / 128, per * 31);
  for (int64_t exponent = 0; exponent < 31; exponent++) {
    static bool seen[65536];
    memset(seen, 0, sizeof seen);
    const uint16_t *block = bits + exponent * per * 128, most = *block;
    ck_assert_int_eq(most >> 10, exponent);
    for (int64_t i = 0; i < per * 128; i++) seen[block[i]] = true;
    int wrong = 0;
    for (int v = 0; v < 65536; v++) wrong += seen[v] != ((v & 0x7fff) <= most);
    ck_assert_int_eq(wrong, 0);
  }
  sb_tensor_free(&x);
}
END_TEST

/* A tensor without a tie is found out. */
START_TEST(no_tie_is_noticed) {
  sb_spec spec;
  sb_tensor x;
  const sb_fill *fill;
  sb_ok(sb_fill_parse("tie", &fill));
  sb_ok(sb_spec_make("int4-weight-only", SB_WEIGHT, SB_PREPARE, SB_ALIGNED, "", SB_F32, -1, &spec));
  filled(&spec, "normal", 1, 2, 256, &x);
  ck_assert_int_eq(fill->serves(&spec, &x), SB_INVALID);
  sb_tensor_free(&x);
}
END_TEST

/* An element does not depend on how many others there are: a longer tensor of one row begins with the shorter one. */
START_TEST(elements_stand_alone) {
  static const char *const names[] = {"normal", "weight", "bits"};
  sb_spec spec;
  sb_tensor small, large;
  sb_ok(sb_spec_make("int4-weight-only", SB_WEIGHT, SB_PREPARE, SB_ALIGNED, "", SB_BF16, -1, &spec));
  for (int i = 0; i < 3; i++) {
    filled(&spec, names[i], 5, 1, 512, &small);
    filled(&spec, names[i], 5, 3, 512, &large);
    ck_assert_mem_eq(small.data, large.data, 1024);
    sb_tensor_free(&small);
    sb_tensor_free(&large);
  }
}
END_TEST

/* The fill `special` holds NaN, both infinities, both zeros, subnormals and the greatest number, in each dtype. */
START_TEST(special_has_all) {
  static const sb_format dtypes[] = {SB_F32, SB_BF16, SB_F16};
  for (int t = 0; t < 3; t++) {
    sb_spec spec;
    sb_tensor x;
    int nan = 0, plus = 0, minus = 0, zero = 0, negative_zero = 0, subnormal = 0;
    sb_ok(
        sb_spec_make("int8-dynamic-act-int4-weight", SB_ACTIVATION, SB_PREPARE, SB_ALIGNED, "", dtypes[t], -1, &spec));
    filled(&spec, "special", 1, 31, 64, &x);
    for (int64_t i = 0; i < 31 * 64; i++) {
      double value = sb_load(x.format, x.data, i);
      nan += isnan(value) != 0;
      plus += value == (double)INFINITY;
      minus += value == -(double)INFINITY;
      zero += value == 0 && !signbit(value);
      negative_zero += value == 0 && signbit(value);
      subnormal += value != 0 && fabs(value) < sb_format_smallest_normal(x.format);
    }
    ck_assert(nan && plus && minus && zero && negative_zero && subnormal);
    sb_tensor_free(&x);
  }
}
END_TEST

/* The fill `directed` has rows whose every second group is another one where groups share a scale of their row, and
 * repeats 32 elements everywhere else. */
START_TEST(directed_rows_of_two_groups) {
  enum { ROWS = 40, COLS = 512, GROUP = 128, PERIOD = 32 };
  static const char *const recipes[] = {"float8-dynamic-act-int4-weight", "float8-dynamic-act-float8-weight"};
  sb_spec spec;
  sb_tensor x;
  int unlike = 0;
  sb_ok(sb_spec_make(recipes[_i], SB_WEIGHT, SB_PREPARE, SB_ALIGNED, "", SB_F16, -1, &spec));
  filled(&spec, "directed", 1, ROWS, COLS, &x);
  const uint16_t *bits = x.data;
  for (int64_t i = 0; i < ROWS * COLS; i++) {
    const int64_t row = i / COLS * COLS, j = i % COLS, first = j / GROUP % 2 * GROUP + j % PERIOD;
    ck_assert_uint_eq(bits[i], bits[row + first]);
    unlike += bits[i] != bits[row + j % PERIOD];
  }
  ck_assert_int_eq(unlike > 0, _i == 0);
  sb_tensor_free(&x);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("fills");
  TCase *tests = tcase_create("fills");
  tcase_set_timeout(tests, 300); /* of a busy machine */
  tcase_add_test(tests, known_answers);
  tcase_add_test(tests, normal_deviates);
  tcase_add_test(tests, ties_everywhere);
  tcase_add_test(tests, ties_of_both_kinds);
  tcase_add_test(tests, sweep16_takes_every_value);
  tcase_add_test(tests, no_tie_is_noticed);
  tcase_add_test(tests, elements_stand_alone);
  tcase_add_test(tests, special_has_all);
  tcase_add_loop_test(tests, directed_rows_of_two_groups, 0, 2);
  suite_add_tcase(suite, tests);
  return run_suite(suite);
}
