/* explain on captures of wrong kernels that numpy made (tests/captures.py), and on golden files. */
#include "samebits/explain.h"
#include "samebits/fill.h"
#include "tests/suite.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Whether the answer's ids are exactly those of one of the sets "a+b|c". */
static bool answers(const sb_explained_set *set, const char *sets) {
  char copy[512];
  snprintf(copy, sizeof copy, "%s", sets);
  for (char *one, *rest = copy; (one = strsep(&rest, "|"));) {
    bool all = true;
    int count = 0;
    for (char *id, *ids = one; (id = strsep(&ids, "+")); count++) {
      bool found = false;
      for (int i = 0; i < set->count; i++) found = found || strcmp(set->steps[i].id, id) == 0;
      all = all && found;
    }
    for (int i = 0; i < set->count; i++)
      for (int j = 0; j < i; j++) count += strcmp(set->steps[i].id, set->steps[j].id) == 0;
    if (all && count == set->count) return true;
  }
  return false;
}

/* Under the sanitizers every third capture: all of them take three minutes there, and take the same paths. */
#ifdef __SANITIZE_ADDRESS__
enum { EVERY = 3 };
#else
enum { EVERY = 1 };
#endif

/* Each capture gets the verdict and the mechanisms that its maker put in; none gets another name. */
START_TEST(captures_are_explained) {
  FILE *f = fopen(SAMEBITS_SOURCE_DIR "/tests/captures/expected.tsv", "r");
  char line[512], path[4096];
  int files = 0, explained = 0, unexplained = 0;
  ck_assert_ptr_nonnull(f);
  while (fgets(line, sizeof line, f)) {
    char *rest = line, *name = strsep(&rest, "\t"), *verdict = strsep(&rest, "\t"), *sets = strsep(&rest, "\n");
    sb_explanation *e;
    if (files++ % EVERY) continue;
    snprintf(path, sizeof path, "%s/tests/captures/%s.safetensors", SAMEBITS_SOURCE_DIR, name);
    sb_ok(sb_explain_file(path, NULL, &e));
    ck_assert_msg(strcmp(sb_verdict_names[e->verdict], verdict) == 0, "%s: %s, expected %s", name,
                  sb_verdict_names[e->verdict], verdict);
    if (e->verdict == SB_EXPLAINED)
      ck_assert_msg(answers(&e->sets[0], sets), "%s: %s ..., expected %s", name, e->sets[0].steps[0].id, sets);
    explained += e->verdict == SB_EXPLAINED;
    unexplained += e->verdict == SB_UNEXPLAINED;
    sb_explanation_free(e);
  }
  fclose(f);
  ck_assert_int_ge(explained * EVERY, 60);
  ck_assert_int_ge(unexplained * EVERY, 20);
  ck_assert_int_gt(files, explained + unexplained);
}
END_TEST

/* Kernels with random mistakes, from an implementation that was written apart (tests/wrong_kernels.py, seed 8): the
 * smallest set of mistakes that shows is among the sets that give every bit, and mostly the first; what is right is
 * `same`, and damage that no mechanism makes has no name. */
START_TEST(random_kernels_are_explained) {
  FILE *f = fopen(SAMEBITS_SOURCE_DIR "/tests/captures/random/truth.tsv", "r");
  char line[1024], path[4096];
  int files = 0, first = 0, explained = 0;
  ck_assert_ptr_nonnull(f);
  while (fgets(line, sizeof line, f)) {
    char *rest = line, *name = strsep(&rest, "\t"), *verdict = strsep(&rest, "\t"), *truth = strsep(&rest, "\t");
    sb_explanation *e;
    bool listed = false;
    if (files++ % EVERY) continue;
    snprintf(path, sizeof path, "%s/tests/captures/random/%s.safetensors", SAMEBITS_SOURCE_DIR, name);
    sb_ok(sb_explain_file(path, NULL, &e));
    ck_assert_msg(strcmp(sb_verdict_names[e->verdict], verdict) == 0, "%s: %s, expected %s (%s)", name,
                  sb_verdict_names[e->verdict], verdict, truth);
    for (int i = 0; i < e->set_count; i++) listed = listed || answers(&e->sets[i], truth);
    ck_assert_msg(listed || e->verdict != SB_EXPLAINED, "%s: %s is not among the answers, the first is %s", name, truth,
                  e->sets[0].steps[0].id);
    if (e->verdict == SB_EXPLAINED) explained++, first += answers(&e->sets[0], truth);
    sb_explanation_free(e);
  }
  fclose(f);
  ck_assert_int_ge(files, 40);
  ck_assert_int_ge(explained * EVERY, 20);
  ck_assert_int_ge(10 * first, 9 * explained);
}
END_TEST

enum { ROWS_OF_FILL = 26, COLS = 256 };

/* Rows of several fills, one below the other. */
static void fill_rows(const sb_spec *spec, const char *const *fills, int count, sb_tensor *x) {
  *x = sb_tensor_2d(spec->dtype, ROWS_OF_FILL * count, COLS);
  sb_ok(sb_tensor_alloc(x));
  for (int i = 0; i < count; i++) {
    const sb_fill *fill;
    sb_tensor part = sb_tensor_2d(spec->dtype, ROWS_OF_FILL, COLS);
    part.data = (char *)x->data + i * sb_tensor_bytes(&part);
    sb_ok(sb_fill_parse(fills[i], &fill));
    sb_ok(fill->make(spec, 1, &part));
  }
}

/* Scales of rows that are all below the floor, as a kernel with the floors `even` and `odd` gives them. */
static sb_explanation *explain_floors(double even, double odd) {
  sb_contract_case at;
  sb_tensor in[SB_SLOTS] = {[SB_X] = sb_tensor_2d(SB_F32, 8, 16)},
            out[SB_SLOTS] = {[SB_SCALE] = sb_tensor_2d(SB_F32, 8, 1)};
  sb_explanation *e;
  sb_ok(sb_contract_case_parse("float8-dynamic-act-float8-weight/weight/prepare@aligned", SB_F32, 0, &at));
  sb_ok(sb_tensor_alloc(&in[SB_X]));
  sb_ok(sb_tensor_alloc(&out[SB_SCALE]));
  for (int64_t i = 0; i < 8 * 16; i++) sb_store(SB_F32, in[SB_X].data, i, (double)(i + 1) * 0x1p-30);
  for (int64_t i = 0; i < 8; i++)
    sb_store(SB_F32, out[SB_SCALE].data, i, (double)((float)(i % 2 ? odd : even) / 448.0f));
  sb_ok(sb_explain_tensors(&at, "case", in, out, NULL, &e));
  sb_tensor_free(&in[SB_X]);
  sb_tensor_free(&out[SB_SCALE]);
  return e;
}

/* A floor that is read off one half of the rows is named, with its value, where the other half has the same one; two
 * halves with floors of their own have no name. */
START_TEST(the_other_half_confirms_a_parameter) {
  sb_explanation *e = explain_floors(0.0021714, 0.0021714);
  ck_assert_int_eq(e->verdict, SB_EXPLAINED);
  ck_assert_str_eq(e->sets[0].steps[0].id, "eps-value");
  ck_assert_str_eq(e->sets[0].steps[0].parameter, "eps = 0.0021714");
  sb_explanation_free(e);
  e = explain_floors(0.0021714, 0.0034581);
  ck_assert_int_eq(e->verdict, SB_UNEXPLAINED);
  sb_explanation_free(e);
}
END_TEST

#define ACTIVATION "int8-dynamic-act-int4-weight/activation/"
/* 0.10's prepare against another contract, on finite rows and on rows with infinity, NaN, zeros and subnormals: the
 * answer is exactly `set`. */
static int lines_changed;
static void explain_step(const char *right, sb_format dtype, const char *set) {
  static const char *const fills[] = {"normal", "activation", "tie", "bits", "special"};
  sb_contract_case from, to;
  sb_tensor in[SB_SLOTS] = {{0}}, out[SB_SLOTS];
  sb_spec spec;
  sb_explanation *e;
  sb_explain_options how = {.any_size = 1};
  sb_ok(sb_spec_make("int8-dynamic-act-int4-weight", SB_ACTIVATION, SB_PREPARE, SB_TORCHAO_0_10_CPU, "", dtype, 0,
                     &spec));
  fill_rows(&spec, fills, sizeof fills / sizeof *fills, &in[SB_X]);
  sb_ok(sb_contract_case_parse(ACTIVATION "prepare@torchao-0.10-cpu", dtype, 0, &from));
  sb_ok(sb_contract_case_parse(right, dtype, 0, &to));
  sb_ok(sb_contract_run(&to, in, out));
  sb_ok(sb_explain_tensors(&from, "case", in, out, &how, &e));
  ck_assert_msg(e->verdict == SB_EXPLAINED, "%s, %s: %s", right, sb_format_of(dtype)->name,
                sb_verdict_names[e->verdict]);
  ck_assert_msg(answers(&e->sets[0], set), "%s, %s: %s ..., expected %s", right, sb_format_of(dtype)->name,
                e->sets[0].steps[0].id, set);
  /* Codes and zero points are shown as integers, and the diff has every line that a set changes. */
  const sb_explained_case *c = &e->cases[0];
  if (strcmp(c->tensor, "codes") == 0 || strcmp(c->tensor, "zero_point") == 0)
    ck_assert_msg(!strchr(c->expected, 'x') && !strchr(c->got, 'x') && c->ulps == -1, "%s, %s", c->expected, c->got);
  for (int i = 0; i < e->sets[0].count; i++) {
    const sb_explained_step *step = &e->sets[0].steps[i];
    ck_assert_msg(strstr(step->diff, step->before) && strstr(step->diff, step->after), "%s: %s", step->id, step->diff);
    lines_changed += *step->diff == '-' || *step->diff == '+';
    for (const char *p = step->diff; (p = strchr(p, '\n')); p++) lines_changed += p[1] == '+';
  }
  sb_explanation_free(e);
  sb_tensor_free(&in[SB_X]);
  for (int s = 0; s < SB_SLOTS; s++) sb_tensor_free(&out[s]);
}

/* torchao 0.10's convert against its prepare: fp64 qparams and the zero point added before rounding, what PR #1964
 * found, and every bit of the rows with infinity and NaN with them. */
START_TEST(pull_request_1964_is_found) {
  static const sb_format dtypes[] = {SB_F32, SB_BF16, SB_F16};
  for (int d = 0; d < 3; d++)
    explain_step(ACTIVATION "convert@torchao-0.10-cpu", dtypes[d], "fp64-qparams-widened+add-before-round");
  ck_assert_int_gt(lines_changed, 3 * 4);
}
END_TEST

/* 0.10's prepare against 0.11's and 0.18's convert: what #2060 changed, the eps where a scale reaches it, and nothing
 * else. */
START_TEST(pull_request_2060_is_found) {
  static const sb_format dtypes[] = {SB_BF16, SB_F16};
  for (int d = 0; d < 2; d++) {
    explain_step(ACTIVATION "convert@torchao-0.11-cpu", dtypes[d], "zp-nudge-side+eps-value");
    explain_step(ACTIVATION "convert@torchao-0.18-cpu", dtypes[d], "zp-nudge-side+eps-value+per-op-vs-upcast");
  }
}
END_TEST

/* Whether every id of the answer is among those of the set. */
static bool is_within(const sb_explained_set *found, const char *set) {
  for (int i = 0; i < found->count; i++) {
    const char *at = strstr(set, found->steps[i].id);
    const size_t n = strlen(found->steps[i].id);
    if (!at || (at[n] && at[n] != '+')) return false;
  }
  return true;
}

static void explain_captured(const char *folder, const char *right, const char *dtype, const char *set, int *pairs) {
  char paths[2][4096];
  sb_explanation *e;
  snprintf(paths[0], sizeof paths[0],
           "%s/int8-dynamic-act-int4-weight__activation-prepare__torchao-0.10-cpu__%s.safetensors", folder, dtype);
  snprintf(paths[1], sizeof paths[1], "%s/int8-dynamic-act-int4-weight__activation-%s-cpu__%s.safetensors", folder,
           right, dtype);
  if (access(paths[0], F_OK) || access(paths[1], F_OK)) return;
  sb_ok(sb_explain_files(paths[0], paths[1], NULL, &e));
  ck_assert_msg(e->verdict != SB_UNEXPLAINED, "%s has no name", paths[1]);
  ck_assert_msg(e->verdict == SB_SAME || is_within(&e->sets[0], set), "%s: %s ... is beyond %s", paths[1],
                e->sets[0].steps[0].id, set);
  ++*pairs;
  sb_explanation_free(e);
}

/* What torchao itself gave, the project's files and those of SAMEBITS_GOLDEN: what the two pull requests found, as far
 * as an input shows it, and nothing else. */
START_TEST(captured_files_are_explained) {
  const char *more = getenv("SAMEBITS_GOLDEN");
  char folders[4096], *rest = folders;
  int pairs = 0;
  snprintf(folders, sizeof folders, "%s/conformance/golden/data:%s", SAMEBITS_SOURCE_DIR, more ? more : "");
  for (char *folder; (folder = strsep(&rest, ":"));) {
    static const char *const dtypes[] = {"f32", "bf16", "f16"};
    for (int d = 0; d < 3; d++) {
      explain_captured(folder, "convert__torchao-0.10", dtypes[d], "fp64-qparams-widened+add-before-round", &pairs);
      if (d == 0) continue;
      explain_captured(folder, "convert__torchao-0.11", dtypes[d], "zp-nudge-side+eps-value", &pairs);
      explain_captured(folder, "convert__torchao-0.18", dtypes[d], "zp-nudge-side+eps-value+per-op-vs-upcast", &pairs);
    }
  }
  ck_assert_int_ge(pairs, 7);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("explain");
  TCase *tests = tcase_create("explain");
  tcase_set_timeout(tests, 0);
  tcase_add_test(tests, captures_are_explained);
  tcase_add_test(tests, random_kernels_are_explained);
  tcase_add_test(tests, the_other_half_confirms_a_parameter);
  tcase_add_test(tests, pull_request_1964_is_found);
  tcase_add_test(tests, pull_request_2060_is_found);
  tcase_add_test(tests, captured_files_are_explained);
  suite_add_tcase(suite, tests);
  return run_suite(suite);
}
