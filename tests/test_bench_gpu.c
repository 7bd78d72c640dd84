/* Timing by events, as a GPU is timed, on the emulator's driver, with libraries of the tests' own for cuBLAS and NVML;
 * and other people's kernels in the benchmarks. */
#define SHELL_SETUP                                                                                                    \
  "export SAMEBITS_CUBLAS='" SAMEBITS_BINARY_DIR "/libcublas_fake.so' SAMEBITS_NVML='" SAMEBITS_BINARY_DIR             \
  "/libnvml_fake.so'; "
#include "tests/shell.h"

#include <jansson.h>

#define SMALL "--recipe int8-dynamic-act-int4-weight --side activation --dtype f32 --shape 4x64 --repetitions 5"
#define TIMED "$S bench --device emu:sm_90 --timed " SMALL " "

static json_t *line_of(const char *path, const char *start) {
  json_t *line;
  char text[1 << 16];
  FILE *file = fopen(path, "r");
  ck_assert_ptr_nonnull(file);
  while (fgets(text, sizeof text, file)) {
    line = json_loads(text, 0, NULL);
    const char *name = json_string_value(json_object_get(line, "case"));
    if (name && strncmp(name, start, strlen(start)) == 0) {
      fclose(file);
      return line;
    }
    json_decref(line);
  }
  ck_abort_msg("%s: no case %s", path, start);
}

/* A timed run has the baselines (a copy, and cuBLAS where it is) and each case with a cold and a warm cache, samples,
 * clocks and power, and digests of outputs that were verified; compare takes it. */
START_TEST(a_timed_run) {
  expect(shell(TIMED "--output $D/a && $S compare $D/a $D/a --policy lenient"), 0, "2 timed on emu:sm_90");
  ck_assert_msg(strstr(output, "no GPU was involved") && strstr(output, "copy/1024") &&
                    strstr(output, "2 SAME, 0 CHANGED"),
                "%s", output);
  json_t *line = line_of(in_folder("a"), "int8-dynamic-act-int4-weight/activation/prepare"), *cold, *hot;
  double low, high;
  const json_t *timing = json_object_get(line, "timing");
  cold = json_object_get(timing, "cold"), hot = json_object_get(timing, "hot");
  ck_assert_uint_eq(json_array_size(json_object_get(line, "samples")), 5);
  ck_assert_uint_eq(json_array_size(json_object_get(hot, "samples")), 5);
  ck_assert_int_eq(json_unpack(cold, "{s:[f,f]}", "hertz", &low, &high), 0);
  ck_assert(low == 1.5e9 && high == 1.5e9 && json_number_value(json_object_get(cold, "watts")) == 250);
  ck_assert_str_eq(json_string_value(json_object_get(timing, "sensors")), "NVML");
  ck_assert_uint_ge(json_object_size(json_object_get(line, "digests")), 3); /* scale, zero_point, output */
  json_decref(line);
  json_decref(line_of(in_folder("a"), "cublas/f32/64x64x64"));
}
END_TEST

/* Without cuBLAS and NVML a run is as good, and says what it lacks; a device that is slowed all the time gives no
 * figure and the exit code of what is inconclusive; what cannot be timed is refused. */
START_TEST(what_is_missing) {
  expect(shell("unset SAMEBITS_CUBLAS; SAMEBITS_NVML=/nowhere " TIMED "--step prepare --output $D/b && cat $D/b"), 0,
         "\"none: NVML is not installed (/nowhere)\"");
  ck_assert_msg(strstr(output, "no cuBLAS baseline: cuBLAS runs on GPUs only") != NULL, "%s", output);
  expect(shell("FAKE_NVML=unknown " TIMED "--step prepare --output $D/b && cat $D/b"), 0, "NVML does not know the GPU");
  expect(shell("unset SAMEBITS_CUBLAS; FAKE_NVML=hot " TIMED "--step prepare --output $D/c"), 4,
         "no figure: the device was slowed all the time");
  expect(shell("$S bench --timed"), 2, "--device");
  expect(shell("$S bench --kernels x.json"), 2, "--device");
  expect(shell("$S bench --device cuda:99 " SMALL), 3, "cuda:99");
}
END_TEST

/* A kernel of a manifest is timed and counted as ours are; one whose bits are wrong fails, in both. */
START_TEST(other_peoples_kernels) {
#define THEIRS SMALL " --step quantize --flavor aligned --fill tie --kernels docs/examples/kernels/"
  expect(shell("unset SAMEBITS_CUBLAS; $S bench --device emu:sm_90 --timed " THEIRS "manifest.json"), 0,
         "1 timed on emu:sm_90");
  expect(shell("unset SAMEBITS_CUBLAS; $S bench --device emu:sm_90 --timed " THEIRS "manifest_wrong.json"), 1,
         "of codes differ from the reference");
  expect(shell("$S bench --device emu:sm_90 " THEIRS "manifest.json"), 0, "1 counted");
  expect(shell("$S bench --device emu:sm_90 " THEIRS "manifest_wrong.json"), 1, "of codes differ from the reference");
}
END_TEST

/* Repetitions in random order give the same bits and as many samples. */
START_TEST(interleaved) {
  expect(shell("$S bench " SMALL " --interleave --min-time 0.001 --output $D/i >/dev/null && grep -c '\"bench\"' $D/i"),
         0, "");
  json_t *line = line_of(in_folder("i"), "int8-dynamic-act-int4-weight/activation/convert");
  ck_assert_uint_eq(json_array_size(json_object_get(line, "samples")), 5);
  json_decref(line);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("bench_gpu");
  TCase *tests = tcase_create("bench_gpu");
  tcase_add_unchecked_fixture(tests, make_folder, remove_folder);
  tcase_set_timeout(tests, 300);
  tcase_add_test(tests, a_timed_run);
  tcase_add_test(tests, what_is_missing);
  tcase_add_test(tests, other_peoples_kernels);
  tcase_add_test(tests, interleaved);
  suite_add_tcase(suite, tests);
  return run_suite(suite);
}
