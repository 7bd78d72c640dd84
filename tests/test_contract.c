/* The contract language: its errors, its limits, and its evaluation against golden data and against ref/. */
#include "conformance/contract/library.h"
#include "conformance/mechanisms/mechanism.h"
#include "samebits/apply.h"
#include "samebits/compare.h"
#include "samebits/contract.h"
#include "samebits/fill.h"
#include "samebits/golden.h"
#include "tests/suite.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>

static void expect_error(const char *text, const char *part) {
  sb_contract *k = NULL;
  static double x[64];
  sb_env env = {.T = SB_BF16,
                .S = CF_NONE,
                .Z = CF_NONE,
                .O = CF_NONE,
                .rows = 4,
                .cols = 16,
                .group = 8,
                .binding_count = 1,
                .bindings = {{"x", SB_BF16, {1, 1}, x}}};
  sb_status status = sb_contract_parse("t", text, strlen(text), NULL, NULL, &k);
  if (status == SB_OK) status = sb_contract_check(k, &env);
  ck_assert_msg(status != SB_OK, "accepted: %s", text);
  ck_assert_msg(strstr(sb_message(), part) != NULL, "%s\n  gives: %s\n  not: %s", text, sb_message(), part);
  sb_contract_free(k);
}

/* Each mistake is one line that names file, line and column. */
START_TEST(mistakes_are_named) {
  expect_error("", "t:1:1: a contract needs at least one line");
  expect_error("a : f32 = 1 +", "t:1:14: an expression is expected here");
  expect_error("a : f32 = f32(x)\nb : f33 = a", "t:2:5: the name of a format is expected");
  expect_error("a : f32 = f32(y)", "t:1:15: no line, tensor or constant has this name");
  expect_error("a : f32 = b\nb : f32 = f32(x)", "t:1:11: this line is used before it is given");
  expect_error("a : f32 = x * 2", "line a is declared f32, but the expression gives bf16");
  expect_error("a : e4m3 = e4m3(f32(x))", "needs its rule");
  expect_error("a : i8 = i8(x)", "needs its rule");
  expect_error("a : e4m3 = e4m3.sat(f32(x))\nb : f32 = a * a", "there is no arithmetic in this format");
  expect_error("a : bf16 = x@f32", "@ belongs to an operator");
  expect_error("over rows\n", "over what");
  expect_error("a : T = x\na : T = x", "there is a line of this name already");
  expect_error("use none@none\n", "`use` names a contract that does not exist");
  expect_error("over group 7\na : T = amax(x)", "no whole number of groups");
  expect_error("a : f32 = frob(x)", "no such function");
}
END_TEST

/* Hostile text is refused quickly, whatever its size. */
START_TEST(hostile_text_is_refused) {
  size_t n = 60000;
  char *text = malloc(n + 64);
  ck_assert_ptr_nonnull(text);
  strcpy(text, "a : T = ");
  memset(text + 8, '(', n);
  text[8 + n] = 0;
  expect_error(text, "nested more than 48 deep");
  memset(text + 8, '-', n);
  expect_error(text, "nested more than 48 deep");
  memset(text + 8, '9', n);
  expect_error(text, "longer than 40 characters");
  memset(text + 8, 'y', n);
  expect_error(text, "longer than 40 characters");
  size_t at = 8;
  while (at + 4 < n) memcpy(text + at, "x + ", 4), at += 4;
  memcpy(text + at, "x", 2);
  expect_error(text, "a chain of operators is longer than 48");
  char *big = malloc(SB_MAX_TEXT + 2);
  ck_assert_ptr_nonnull(big);
  memset(big, ' ', SB_MAX_TEXT + 1);
  big[SB_MAX_TEXT + 1] = 0;
  expect_error(big, "at most 65536 bytes");
  free(big);
  free(text);
}
END_TEST

/* What is printed is read back as the same contract. The two operations that no contract has a part for, quantize of
 * MSLK's CPU fallback, whose codes come from 448 / amax and not from the scale, are refused. */
START_TEST(printing_is_the_inverse_of_parsing) {
  int refused = 0;
  for (int i = 0; i < sb_contracts_count(); i++) {
    char *text, *again;
    sb_contract *k;
    const sb_status status = sb_contract_text(sb_contracts_name(i), &text);
    ck_assert_msg(sb_contracts_offers(i) == (status == SB_OK), "%s: listed and refused", sb_contracts_name(i));
    if (status == SB_UNSUPPORTED && strstr(sb_message(), "quantize is no part of this contract")) {
      ck_assert_ptr_nonnull(strstr(sb_contracts_name(i), "/quantize@torchao-0.18-cpu+mslk-cpu-fallback"));
      refused++;
      continue;
    }
    sb_ok(status);
    sb_ok(sb_contract_parse("again", text, strlen(text), NULL, NULL, &k));
    size_t size = sb_contract_print(k, NULL, 0) + 1;
    again = malloc(size);
    ck_assert_ptr_nonnull(again);
    sb_contract_print(k, again, size);
    ck_assert_str_eq(text, again);
    free(text);
    free(again);
    sb_contract_free(k);
  }
  ck_assert_int_gt(sb_contracts_count(), 100);
  ck_assert_int_eq(refused, 2);
}
END_TEST

/* The contracts give every bit of the project's golden data. */
START_TEST(contracts_give_golden_data) {
  char folder[] = SAMEBITS_SOURCE_DIR "/conformance/golden/data", path[4096];
  DIR *dir = opendir(folder);
  ck_assert_ptr_nonnull(dir);
  sb_golden_counts counts = {0};
  for (struct dirent *e; (e = readdir(dir));) {
    sb_golden golden;
    if (!strstr(e->d_name, ".safetensors")) continue;
    snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
    sb_ok(sb_golden_open(path, &golden));
    sb_ok(sb_golden_verify(&golden, sb_contract_oracle, NULL, &counts, NULL, NULL));
    sb_golden_close(&golden);
  }
  closedir(dir);
  ck_assert_int_eq(counts.different, 0);
  ck_assert_int_gt(counts.elements, 100000);
}
END_TEST

static int64_t compared, computations;

static void compare_step(const sb_spec *spec, int64_t rows, int64_t cols, const sb_fill *fill) {
  static const sb_step before[] = {SB_CHOOSE_QPARAMS, SB_QUANTIZE};
  sb_tensor all[SB_SLOTS] = {{0}}, takes[SB_SLOTS], ref[SB_SLOTS], got[SB_SLOTS];
  all[SB_X] = sb_tensor_2d(spec->dtype, rows, cols);
  sb_ok(sb_tensor_alloc(&all[SB_X]));
  if (fill->make(spec, 3, &all[SB_X]) != SB_OK) {
    sb_tensor_free(&all[SB_X]);
    return;
  }
  for (int i = 0; i < 2 && spec->step >= SB_CHOOSE_QPARAMS && spec->step > before[i]; i++) {
    sb_spec step;
    sb_ok(sb_spec_step(spec, before[i], true, &step));
    sb_ok(sb_apply(&step, rows, cols, all, NULL));
  }
  sb_ok(sb_spec_tensors(spec, rows, cols, takes, ref));
  memcpy(got, ref, sizeof got);
  sb_tensor in[SB_SLOTS] = {{0}};
  for (int s = 0; s < SB_SLOTS; s++) {
    if (takes[s].rank) in[s] = all[s];
    if (!ref[s].rank) continue;
    sb_ok(sb_tensor_alloc(&ref[s]));
    sb_ok(sb_tensor_alloc(&got[s]));
  }
  sb_ok(sb_run(spec, in, ref, NULL));
  sb_contract_case at;
  char name[300];
  sb_contract_case_of(spec, &at);
  sb_contract_case_name(&at, name, sizeof name);
  ck_assert_msg(sb_contract_oracle(NULL, spec, in, got) == SB_OK, "%s %s: %s", name, fill->name, sb_message());
  for (int s = 0; s < SB_SLOTS; s++) {
    sb_comparison result;
    if (!ref[s].data) continue;
    sb_ok(sb_compare(&ref[s], &got[s], &result, NULL, NULL));
    ck_assert_msg(result.different == 0, "%s %s %s: %s differs in %lld of %lld, first at %lld", name,
                  sb_format_of(spec->dtype)->name, fill->name, sb_slot_names[s], (long long)result.different,
                  (long long)result.elements, (long long)result.first);
    compared += result.elements;
  }
  computations++;
  for (int s = 0; s < SB_SLOTS; s++) {
    sb_tensor_free(&ref[s]);
    sb_tensor_free(&got[s]);
  }
  sb_slots_free(all);
}

/* Contract = ref/, bit for bit: every recipe, side, step, flavor, variant and dtype, on every fill, NaN and infinity
 * included. */
START_TEST(contracts_equal_the_reference) {
  static const sb_format dtypes[] = {SB_F32, SB_BF16, SB_F16};
  static const sb_step steps[] = {SB_PREPARE, SB_CONVERT, SB_CHOOSE_QPARAMS, SB_QUANTIZE, SB_DEQUANTIZE};
  for (int r = 0; r < sb_recipe_count(); r++) {
    const sb_recipe *recipe = sb_recipe_at(r);
    for (int p = 0; p < recipe->path_count; p++)
      for (int s = 0; s < 5; s++)
        for (int d = 0; d < 3; d++) {
          const sb_path *path = &recipe->paths[p];
          sb_spec spec;
          if (steps[s] >= SB_CHOOSE_QPARAMS && !path->prepare) continue; /* the operations are those of prepare */
          if (sb_spec_make(recipe->name, path->side, steps[s], path->flavor, path->variant, dtypes[d], -1, &spec) !=
              SB_OK)
            continue;
          for (int f = 0; f < sb_fill_table_count; f++) {
            bool special = strcmp(sb_fill_table[f]->name, "special") == 0; /* its patterns are 24 rows */
            compare_step(&spec, special ? 24 : 13, 256, sb_fill_table[f]);
          }
        }
  }
  ck_assert_int_gt(computations, 500);
  ck_assert_int_gt(compared, 1000000);
}
END_TEST

static bool same_by_both(void *context, const sb_candidate *c) {
  const sb_env *env = context;
  sb_env e = *env;
  if (sb_contract_check(c->contract, &e) != SB_OK) return true;
  sb_scratch *scratch = sb_scratch_new();
  sb_eval exact = {.contract = c->contract, .env = &e, .kernel = sb_kernel_exact, .scratch = scratch};
  sb_eval fast = {.contract = c->contract, .env = &e, .kernel = sb_kernel_fast, .scratch = scratch};
  for (int i = 0; i < c->contract->line_count; i++) {
    const double *a = sb_eval_line(&exact, i), *b = sb_eval_line(&fast, i);
    int64_t n = sb_eval_count(&exact, c->contract->lines[i].expr->tile);
    if (strcmp(c->contract->lines[i].name, "packed") == 0) n /= 2;
    for (int64_t k = 0; k < n; k++) {
      bool same = (a[k] != a[k] && b[k] != b[k]) || sb_f64_bits(a[k]) == sb_f64_bits(b[k]) ||
                  (a[k] == 0 && b[k] == 0 && c->contract->lines[i].expr->op == C_MIN);
      ck_assert_msg(same, "%s, %s %s: line %s element %lld: exact %a, fast %a", c->contract->name, c->mechanism->id,
                    c->alternative->what, c->contract->lines[i].name, (long long)k, a[k], b[k]);
      compared++;
    }
  }
  sb_scratch_free(scratch);
  return true;
}

/* The fast kernels of the search give the exact kernels' bits, for every rewrite of a contract of each recipe. */
START_TEST(fast_kernels_equal_exact_ones) {
  static const char *const names[] = {"int8-dynamic-act-int4-weight/activation/prepare@torchao-0.18-cpu",
                                      "int8-dynamic-act-int4-weight/activation/convert@torchao-0.10-cpu",
                                      "int8-dynamic-act-int4-weight/activation/convert@torchao-0.11-cpu",
                                      "int4-weight-only/weight/convert@aligned",
                                      "float8-dynamic-act-float8-weight/activation/prepare@torchao-0.18-cpu",
                                      "float8-dynamic-act-int4-weight/weight/convert@aligned"};
  static const sb_format dtypes[] = {SB_F32, SB_BF16, SB_F16};
  enum { ROWS = 3, COLS = 32 };
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    for (int d = 0; d < 3; d++) {
      sb_contract_case at;
      sb_contract *k;
      double x[ROWS * COLS];
      for (int j = 0; j < ROWS * COLS; j++) {
        uint32_t word = sb_random_word(5, 0, (uint64_t)(j + d * 1000));
        float v = (float)(sb_random_normal(word) * ldexp(1, (j / COLS - 1) * 9));
        x[j] = d == 0   ? (double)v
               : d == 1 ? (double)sb_bf16_to_f32(sb_f32_to_bf16(v))
                        : (double)sb_f16_to_f32(sb_f32_to_f16(v));
      }
      x[5] = (double)NAN, x[COLS + 3] = 0;
      sb_ok(sb_contract_case_parse(names[i], dtypes[d], 0, &at));
      sb_ok(sb_contract_load(&at, &k));
      sb_env env = {.T = (int)dtypes[d],
                    .S = CF_NONE,
                    .Z = CF_NONE,
                    .O = CF_NONE,
                    .rows = ROWS,
                    .cols = COLS,
                    .lenient = true,
                    .binding_count = 1,
                    .bindings = {{"x", (int)dtypes[d], {1, 1}, x}}};
      sb_ok(sb_contract_check(k, &env));
      sb_arena *arena = sb_arena_new();
      sb_ok(sb_rewrite_each(k, &env, NULL, NULL, arena, same_by_both, &env));
      sb_arena_free(arena);
      sb_contract_free(k);
    }
  ck_assert_int_gt(compared, 100000);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("contract");
  TCase *tests = tcase_create("contract");
  tcase_set_timeout(tests, 0);
  tcase_add_test(tests, mistakes_are_named);
  tcase_add_test(tests, hostile_text_is_refused);
  tcase_add_test(tests, printing_is_the_inverse_of_parsing);
  tcase_add_test(tests, contracts_give_golden_data);
  tcase_add_test(tests, contracts_equal_the_reference);
  tcase_add_test(tests, fast_kernels_equal_exact_ones);
  suite_add_tcase(suite, tests);
  return run_suite(suite);
}
