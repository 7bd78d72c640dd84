/* Linear layers of quantized operands: prepare against convert at the level of the module, and the kernels and cuBLAS
 * against their statements. */
#include "samebits/linear.h"
#define SHELL_SETUP "export SAMEBITS_CUBLAS='" SAMEBITS_BINARY_DIR "/libcublas_fake.so'; "
#include "tests/shell.h"

static const sb_format dtypes[] = {SB_F32, SB_BF16, SB_F16};
static const sb_linear_shape shape = {6, 40, 96};

static sb_linear_result compare(const char *recipe, sb_flavor flavor, sb_format dtype, int64_t seeds, bool device) {
  sb_linear_options how = {.shape = shape, .group = 32, .first_seed = 1, .seeds = seeds};
  static const sb_device_options none = {0};
  sb_linear_result result;
  if (device) {
    sb_ok(sb_cuda_open("emu:sm_90", &how.cuda));
    sb_ok(sb_device_open("emu:sm_90", &none, &how.device));
  }
  sb_ok(sb_linear_compare(recipe, flavor, dtype, &how, &result));
  sb_device_close(how.device);
  sb_cuda_close(how.cuda);
  return result;
}

/* For 1,000 seeds in each dtype and flavor, the linear of prepare is the linear of convert bit for bit: the dequantized
 * operands are the same, and so is any sum of them in one order. For ten seeds also on the emulator, whose operands are
 * the reference's and whose layers have the bits of their statements. Against prepare only the roundings of the sums
 * set the integer form apart: how often is printed. */
START_TEST(qat_8da4w_prepare_vs_convert) {
  static const sb_flavor flavors[] = {SB_ALIGNED, SB_TORCHAO_0_18_CUDA};
  for (int f = 0; f < 2; f++) {
    const char *recipe = "int8-dynamic-act-int4-weight";
    const sb_linear_result r = compare(recipe, flavors[f], dtypes[_i], 1000, false),
                           d = compare(recipe, flavors[f], dtypes[_i], 10, true);
    ck_assert_int_eq(r.seeds, 1000);
    ck_assert_int_eq(r.outputs, 1000 * shape.m * shape.n);
    ck_assert_int_eq(r.x_differ + r.w_differ + r.differ, 0);
    ck_assert_int_eq(d.x_differ + d.w_differ + d.differ + d.operands_wrong + d.kernels_wrong, 0);
    ck_assert_int_gt(r.integer_differ, 0); /* else the comparison could not tell sums apart */
    printf("%s@%s: %lld outputs, prepare = convert in all; the integer form differs in %lld (%.1f %%)\n",
           sb_format_of(dtypes[_i])->name, sb_flavor_names[flavors[f]], (long long)r.outputs,
           (long long)r.integer_differ, 100.0 * (double)r.integer_differ / (double)r.outputs);
  }
}
END_TEST

/* What the manual says of each recipe: aligned is exact in operands and outputs; of upstream's flavor the recipes whose
 * own formulas part do so in the operands, and the outputs with them. */
START_TEST(every_recipe) {
  static const struct {
    const char *recipe;
    bool x, w; /* torchao-0.18-cuda: the operands of prepare and convert are the same, in every dtype */
  } rows[] = {{"int8-dynamic-act-int4-weight", true, true},
              {"int4-weight-only", true, false},
              {"float8-dynamic-act-float8-weight", false, false},
              {"float8-dynamic-act-int4-weight", false, false}};
  const sb_format dtype = dtypes[_i];
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    const sb_linear_result a = compare(rows[i].recipe, SB_ALIGNED, dtype, 3, true),
                           t = compare(rows[i].recipe, SB_TORCHAO_0_18_CUDA, dtype, 3, true);
    ck_assert_msg(a.x_differ + a.w_differ + a.differ + a.operands_wrong + a.kernels_wrong == 0, "%s", rows[i].recipe);
    ck_assert_msg(t.operands_wrong + t.kernels_wrong == 0, "%s", rows[i].recipe);
    ck_assert_msg((t.x_differ == 0) == rows[i].x, "%s: x: %lld", rows[i].recipe, (long long)t.x_differ);
    const bool exact = rows[i].w || (dtype == SB_F32 && strcmp(rows[i].recipe, "int4-weight-only") == 0);
    ck_assert_msg((t.w_differ == 0) == exact, "%s: w: %lld", rows[i].recipe, (long long)t.w_differ);
    ck_assert_msg((t.differ == 0) == (t.x_differ + t.w_differ == 0), "%s: y: %lld", rows[i].recipe,
                  (long long)t.differ);
  }
}
END_TEST

#define LINEAR "$S linear --device emu:sm_90 --seeds 2 --recipe int8-dynamic-act-int4-weight --flavor aligned "

/* cuBLAS is opened at run time (here a small library of the tests', which adds in another order): sums that are exact
 * in any order must be equal, others are reported as another order of sums and fail nothing. */
START_TEST(cublas_by_a_fake) {
  expect(shell(LINEAR), 0, "cuBLAS 12.3.4, of small integers");
  ck_assert_msg(strstr(output, "reduction-order: the same products") && strstr(output, "3 rows on emu:sm_90, 0 wrong"),
                "%s", output);
}
END_TEST

/* A cuBLAS that is not there is a SKIP with its reason, one that fails is an error, and one that multiplies something
 * else is found by the exact sums. */
START_TEST(cublas_that_fails) {
  static const struct {
    const char *line, *says;
    int exit;
  } rows[] = {
      {"unset SAMEBITS_CUBLAS; " LINEAR, "cuBLAS: SKIP: cuBLAS runs on GPUs only, emu:sm_90 is the emulator", 0},
      {"SAMEBITS_CUBLAS=/nowhere/libcublas.so " LINEAR, "SKIP: cuBLAS is not installed (/nowhere/libcublas.so)", 0},
      {"SAMEBITS_CUBLAS=$(dirname $S)/emulator/libcuda.so.1 " LINEAR, "cuBLAS: the library has no cublas", 3},
      {"FAKE_CUBLAS=no-handle " LINEAR, "cublasCreate failed with status 1", 3},
      {"FAKE_CUBLAS=status " LINEAR, "cublasGemmEx failed with status 7", 3},
      {"FAKE_CUBLAS=transposed " LINEAR, "WRONG: those sums are exact in any order", 1},
      {"$S linear --device emu:sm_89 --seeds 1 --flavor torchao-0.18-cuda --recipe float8-dynamic-act-int4-weight",
       "UNSUPPORTED: ", 3},
      {"$S linear --size 1,2", "M,N,K", 2},
      {"$S linear --recipe nothing", "--recipe", 2},
      {"$S linear --device nothing:1", "nothing:1", 2}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    const int code = shell("%s", rows[i].line);
    ck_assert_msg(code == rows[i].exit && strstr(output, rows[i].says), "%s: exit %d: %s", rows[i].line, code, output);
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("linear");
  TCase *tests = tcase_create("linear");
  tcase_add_unchecked_fixture(tests, make_folder, remove_folder);
  tcase_set_timeout(tests, 300);
  tcase_add_loop_test(tests, qat_8da4w_prepare_vs_convert, 0, 3);
  tcase_add_loop_test(tests, every_recipe, 0, 3);
  tcase_add_test(tests, cublas_by_a_fake);
  tcase_add_test(tests, cublas_that_fails);
  suite_add_tcase(suite, tests);
  return run_suite(suite);
}
