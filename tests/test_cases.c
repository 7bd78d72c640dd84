/* Canonical case strings and selections. */
#include "samebits/expect.h"
#include "samebits/select.h"
#include "tests/suite.h"

#include <stdio.h>
#include <string.h>

static sb_device *ref;

static void open_ref(void) {
  sb_device_options options = {0};
  sb_ok(sb_device_open("ref", &options, &ref));
}

static void close_ref(void) { sb_device_close(ref); }

/* Printing what was parsed gives the same text, with everything that may be left out filled in. */
START_TEST(round_trip) {
  static const char *const texts[][2] = {
      {"int4-weight-only/weight/both@aligned/bf16/4096x4096:g128/tie:7", NULL},
      {"int4-weight-only/weight/both@aligned/bf16/4096x4096/tie:7",
       "int4-weight-only/weight/both@aligned/bf16/4096x4096:g128/tie:7"},
      {"int8-dynamic-act-int4-weight/activation/choose_qparams@torchao-0.10-cpu/f16/1x7:g0/"
       "special:18446744073709551615",
       NULL},
      {"int8-dynamic-act-int4-weight/weight/prepare@torchao-0.18-cpu/f32/384x384:g32/file:layer0.query.weight.f32",
       NULL},
      {"float8-dynamic-act-float8-weight/weight/convert@torchao-0.18-cpu+mslk/f32/3x5:g0/normal:1?device=emu:sm_90",
       NULL},
      {"int4-weight-only/weight/prepare@aligned/f32/1x32:g32/file:a/b?c:d?device=worker:python3 x.py", NULL},
      {"int4-weight-only/weight/prepare@aligned/f32/1x32:g32/bits:3?device=ref",
       "int4-weight-only/weight/prepare@aligned/f32/1x32:g32/bits:3"},
  };
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    sb_case c;
    char text[SB_CASE_TEXT];
    sb_ok(sb_case_parse(texts[i][0], &c));
    ck_assert_str_eq(sb_case_print(&c, text), texts[i][1] ? texts[i][1] : texts[i][0]);
  }
}
END_TEST

/* A malformed case string is SB_USAGE with one line that names it. */
START_TEST(malformed) {
  static const char *const bad[] = {
      "",
      "x",
      "a/b/c",
      "no-recipe/weight/both@aligned/f32/1x32:g32/tie:7",
      "int4-weight-only/left/both@aligned/f32/1x32:g32/tie:7",
      "int4-weight-only/weight/some@aligned/f32/1x32:g32/tie:7",
      "int4-weight-only/weight/both@none/f32/1x32:g32/tie:7",
      "int4-weight-only/weight/both@aligned+none/f32/1x32:g32/tie:7",
      "int4-weight-only/weight/both@aligned/f31/1x32:g32/tie:7",
      "int4-weight-only/weight/both@aligned/i8/1x32:g32/tie:7",
      "int4-weight-only/weight/both@aligned/f32/1x:g32/tie:7",
      "int4-weight-only/weight/both@aligned/f32/-1x32:g32/tie:7",
      "int4-weight-only/weight/both@aligned/f32/1x99999999999999999999:g32/tie:7",
      "int4-weight-only/weight/both@aligned/f32/1x32:g/tie:7",
      "int4-weight-only/weight/both@aligned/f32/1x32:32/tie:7",
      "int4-weight-only/weight/both@aligned/f32/1x32:g32/none:7",
      "int4-weight-only/weight/both@aligned/f32/1x32:g32/tie",
      "int4-weight-only/weight/both@aligned/f32/1x32:g32/tie:",
      "int4-weight-only/weight/both@aligned/f32/1x32:g32/tie:7x",
      "int4-weight-only/weight/both@aligned/f32/1x32:g32/tie:18446744073709551616",
      "int4-weight-only/weight/both@aligned/f32/1x32:g32/tie:7?device=",
      "int4-weight-only/weight/both@aligned/f32/1x32:g32/file:",
      "int4-weight-only/activation/both@aligned/f32/1x32:g0/tie:7",
      "int4-weight-only/weight/both@torchao-0.10-cpu/f32/1x32:g32/tie:7",
      "float8-dynamic-act-int4-weight/weight/prepare@torchao-0.18-cpu+plain/f32/1x128:g128/tie:7",
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    sb_case c;
    ck_assert_msg(sb_case_parse(bad[i], &c) == SB_USAGE, "accepted: %s", bad[i]);
    ck_assert_ptr_null(strchr(sb_message(), '\n'));
  }
}
END_TEST

static int count(const sb_selection *selection) {
  sb_case_list list;
  sb_ok(sb_select(selection, ref, &list));
  int cases = list.count;
  sb_case_list_free(&list);
  return cases;
}

/* Comma lists multiply, and a combination that a flavor does not define makes no case. */
START_TEST(lists_multiply) {
  sb_selection s = {.recipes = "int8-dynamic-act-int4-weight",
                    .steps = "both",
                    .flavors = "torchao-0.11-cpu,aligned",
                    .dtypes = "f32,f16",
                    .shapes = "4x64,2x96",
                    .fills = "tie,normal,special",
                    .seeds = "1..5,9"};
  ck_assert_int_eq(count(&s), 2 * 2 * 2 * 2 * 3 * 6);
  s.flavors = "torchao-0.10-cpu,aligned"; /* 0.10 has the activation only */
  ck_assert_int_eq(count(&s), 3 * 2 * 2 * 3 * 6);
  s.groups = "32"; /* the activation has none */
  s.sides = "weight";
  s.flavors = "aligned";
  ck_assert_int_eq(count(&s), 2 * 2 * 3 * 6);
}
END_TEST

/* What was named and makes no case is SB_USAGE, unknown words too. */
START_TEST(named_in_vain) {
  const sb_selection bad[] = {
      {.recipes = "int4-weight-only", .sides = "activation"},
      {.recipes = "int4-weight-only", .flavors = "torchao-0.10-cpu"},
      {.recipes = "int4-weight-only,none"},
      {.flavors = "aligned+none"},
      {.flavors = "nobody"},
      {.steps = "train"},
      {.dtypes = "i8"},
      {.fills = "noise"},
      {.shapes = "4by4"},
      {.seeds = "x"},
      {.seeds = "5..1"},
      {.groups = "0"},
      {.groups = "-32"},
      {.tier = "huge"},
      {.name = "no_such_set"},
      {.fills = "file"},
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    sb_case_list list;
    ck_assert_msg(sb_select(&bad[i], ref, &list) == SB_USAGE, "row %zu", i);
    ck_assert_int_eq(list.count, 0);
  }
}
END_TEST

/* A glob filters; variants come only by name. */
START_TEST(globs) {
  const char *all[] = {"*"}, *one[] = {"int4-weight-only/*/both@aligned/bf16/*/tie:*"}, *variants[] = {"*@*+mslk/*"};
  sb_selection s = {.patterns = all, .pattern_count = 1};
  int everything = count(&(sb_selection){0});
  ck_assert_int_eq(count(&s), everything);
  s.patterns = one;
  ck_assert_int_eq(count(&s), 6);
  s.patterns = variants;
  ck_assert_int_gt(count(&s), 0);
  s.patterns = (const char *[]){"nothing*"};
  sb_case_list list;
  ck_assert_int_eq(sb_select(&s, ref, &list), SB_USAGE);
}
END_TEST

/* Shards are a partition, the same whatever the order; shuffling loses nothing. */
START_TEST(shards) {
  int sum = 0, everything = count(&(sb_selection){0});
  for (int i = 1; i <= 3; i++) sum += count(&(sb_selection){.shard = i, .shards = 3});
  ck_assert_int_eq(sum, everything);
  sb_case_list a, b;
  sb_ok(sb_select(&(sb_selection){.shuffle = true, .shuffle_seed = 1}, ref, &a));
  sb_ok(sb_select(&(sb_selection){0}, ref, &b));
  ck_assert_int_eq(a.count, b.count);
  ck_assert_mem_ne(a.cases, b.cases, sizeof(sb_case) * 20);
  sb_case_list_free(&a);
  sb_case_list_free(&b);
}
END_TEST

/* The tier smoke has every fill but `file`, at least five shapes, and 20,000 elements for each recipe, side, step,
 * flavor and dtype. */
START_TEST(smoke_is_enough) {
  sb_case_list list;
  sb_ok(sb_select(&(sb_selection){0}, ref, &list));
  sb_required required;
  sb_ok(sb_required_load(SAMEBITS_SOURCE_DIR "/ci/required.txt", &required));
  int here = 0;
  for (int i = 0; i < list.count; i++)
    sb_required_fill(&required, &list.cases[i].spec, "ref", list.cases[i].rows * list.cases[i].cols);
  for (int i = 0; i < required.count; i++) {
    ck_assert_int_ge(required.cells[i].least, 20000);
    if (strcmp(required.cells[i].device, "ref") != 0) continue; /* filled on their own devices */
    ck_assert_int_ge(required.cells[i].filled, required.cells[i].least);
    here++;
  }
  ck_assert_int_gt(here, 400);
  sb_required_free(&required);
  sb_case_list_free(&list);
}
END_TEST

/* A tensor's side is read off its name. */
START_TEST(sides_of_tensors) {
  ck_assert_int_eq(sb_side_of_tensor("layer0.query.weight.f32"), SB_WEIGHT);
  ck_assert_int_eq(sb_side_of_tensor("weight"), SB_WEIGHT);
  ck_assert_int_eq(sb_side_of_tensor("layer0.query.activation.f32"), SB_ACTIVATION);
  ck_assert_int_eq(sb_side_of_tensor("layer0.weights"), SB_ACTIVATION);
  ck_assert_int_eq(sb_side_of_tensor("x"), SB_ACTIVATION);
}
END_TEST

/* Expectations: FAIL under a row becomes EXPECTED with its mechanisms if they were verified, and only then; the first
 * row counts; a row whose cases are all exact is outdated, one with a diverging case is not. */
START_TEST(expectations) {
  sb_expectations e;
  sb_ok(sb_expectations_parse(
      "x", "# comment\n\n*/tie:* a,b https://l 2026-01-31\n  */bits:*\tc https://l 2026-01-31 # more\n", &e));
  ck_assert_int_eq(e.count, 2);
  sb_result r = {.status = SB_FAIL, .verified = SB_VERIFIED};
  sb_expect(&e, "r/s/tie:1", &r);
  ck_assert_int_eq(r.status, SB_EXPECTED);
  ck_assert_str_eq(r.mechanisms, "a,b");
  r = (sb_result){.status = SB_FAIL};
  sb_expect(&e, "r/s/tie:1", &r);
  ck_assert_int_eq(r.status, SB_FAIL);
  r = (sb_result){.status = SB_FAIL, .verified = SB_VERIFIED_NOT, .verification = "scale[3]"};
  sb_expect(&e, "r/s/tie:1", &r);
  ck_assert_int_eq(r.status, SB_FAIL);
  ck_assert_ptr_nonnull(strstr(r.reason, "line 3 of the expectations does not hold: scale[3]"));
  r = (sb_result){.status = SB_FAIL};
  sb_expect(&e, "r/s/normal:1", &r);
  ck_assert_int_eq(r.status, SB_FAIL);
  r = (sb_result){.status = SB_PASS};
  sb_expect(&e, "r/s/tie:2", &r);
  sb_expect(&e, "r/s/bits:2", &r);
  ck_assert_int_eq(r.status, SB_PASS);
  ck_assert(!sb_expectation_outdated(&e.rows[0]));
  ck_assert(sb_expectation_outdated(&e.rows[1]));
  r = (sb_result){.status = SB_ERROR};
  sb_expect(&e, "r/s/tie:1", &r);
  ck_assert_int_eq(r.status, SB_ERROR);
  sb_expectations_free(&e);
  static const char *const bad[] = {"*/a m l\n", "a b c d e f\n", "*/a m l 2026-1-1\n", "glob m l 2026-01-01\n"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    ck_assert_int_eq(sb_expectations_parse("x", bad[i], &e), SB_FILE);
}
END_TEST

/* Every row of ci/expect/ref.txt names mechanisms and a source, and none concerns `aligned`, int4-weight-only in f32 or
 * the int8 weight of 0.18. (The rows of the int8 recipe speak of infinity and NaN: test_expected.c, finite_input.) */
START_TEST(our_expectations) {
  sb_expectations e;
  sb_ok(sb_expectations_load(SAMEBITS_SOURCE_DIR "/ci/expect/ref.txt", "ref", &e));
  ck_assert_int_gt(e.count, 5);
  static const char *const never[] = {
      "int8-dynamic-act-int4-weight/weight/both@torchao-0.18-cpu/f32/4x64:g32/special:1",
      "int4-weight-only/weight/both@torchao-0.18-cpu/f32/4x128:g128/special:1",
      "float8-dynamic-act-float8-weight/weight/both@torchao-0.18-cpu/bf16/4x64:g0/special:1",
      "float8-dynamic-act-int4-weight/weight/both@aligned/bf16/4x128:g128/special:1"};
  for (int i = 0; i < e.count; i++) {
    ck_assert_int_eq(strncmp(e.rows[i].link, "https://", 8), 0);
    for (size_t n = 0; n < sizeof never / sizeof *never; n++)
      ck_assert_msg(!sb_case_matches(e.rows[i].glob, never[n]), "%s matches %s", e.rows[i].glob, never[n]);
  }
  sb_expectations_free(&e);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("cases");
  TCase *tests = tcase_create("cases");
  tcase_add_checked_fixture(tests, open_ref, close_ref);
  tcase_set_timeout(tests, 120);
  tcase_add_test(tests, round_trip);
  tcase_add_test(tests, malformed);
  tcase_add_test(tests, lists_multiply);
  tcase_add_test(tests, named_in_vain);
  tcase_add_test(tests, globs);
  tcase_add_test(tests, shards);
  tcase_add_test(tests, smoke_is_enough);
  tcase_add_test(tests, sides_of_tensors);
  tcase_add_test(tests, expectations);
  tcase_add_test(tests, our_expectations);
  suite_add_tcase(suite, tests);
  return run_suite(suite);
}
