/* The benchmark verifies what it times, and its JSON is Google Benchmark's. */
#include "bench/buffers.h"
#include "samebits/bench.h"
#include "tests/suite.h"

#include <jansson.h>
#include <stdio.h>

static sb_case small_item(sb_step step) {
  sb_case item = {.rows = 7, .cols = 96, .seed = 3};
  sb_ok(sb_fill_parse("normal", &item.fill));
  sb_ok(sb_spec_make("int8-dynamic-act-int4-weight", SB_ACTIVATION, step, SB_TORCHAO_0_18_CPU, "", SB_BF16, -1,
                     &item.spec));
  return item;
}

/* After a real run of the step the buffers verify; one flipped bit in any output, or one byte beside it, does not. */
START_TEST(verification_sees_every_output) {
  const sb_case item = small_item(SB_CONVERT);
  sb_bench_buffers buffers;
  sb_ok(sb_bench_buffers_make(&item, &buffers));
  sb_bench_buffers_poison(&buffers);
  ck_assert_int_eq(sb_bench_buffers_verify(&buffers), SB_INTERNAL);
  sb_ok(sb_run(&item.spec, buffers.in, buffers.out, NULL));
  sb_ok(sb_bench_buffers_verify(&buffers));
  int seen = 0;
  for (int slot = 0; slot < SB_SLOTS; slot++) {
    if (!buffers.guarded[slot]) continue;
    uint8_t *data = buffers.out[slot].data;
    const int64_t bytes = sb_tensor_bytes(&buffers.out[slot]), places[] = {0, bytes - 1, -1, bytes};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
      data[places[i]] ^= 1;
      ck_assert_msg(sb_bench_buffers_verify(&buffers) == SB_INTERNAL, "%s: byte %d was flipped unseen",
                    sb_slot_names[slot], (int)places[i]);
      data[places[i]] ^= 1;
    }
    seen++;
  }
  sb_ok(sb_bench_buffers_verify(&buffers));
  sb_bench_buffers_free(&buffers);
  ck_assert_int_ge(seen, 4); /* scale, zero_point, codes, output */
}
END_TEST

/* Each operation gets the inputs that the one before it gives, so that all of them can be timed. */
START_TEST(every_step_has_its_inputs) {
  const sb_step steps[] = {SB_PREPARE, SB_CONVERT, SB_CHOOSE_QPARAMS, SB_QUANTIZE, SB_DEQUANTIZE};
  for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
    const sb_case item = small_item(steps[i]);
    sb_bench_buffers buffers;
    sb_ok(sb_bench_buffers_make(&item, &buffers));
    ck_assert_int_gt(buffers.bytes, 0);
    sb_bench_buffers_free(&buffers);
  }
}
END_TEST

/* `samebits bench --json` prints Google Benchmark's JSON: a context and benchmarks with items, bytes and the fraction
 * of the copy bandwidth, none of them failed. */
START_TEST(json_is_google_benchmarks) {
  FILE *pipe = popen(SAMEBITS_BINARY_DIR "/samebits bench --recipe int8-dynamic-act-int4-weight --side activation "
                                         "--dtype bf16 --shape 16x256 --repetitions 3 --min-time 0.01 --json",
                     "r");
  ck_assert_ptr_nonnull(pipe);
  json_error_t error;
  json_t *root = json_loadf(pipe, 0, &error);
  ck_assert_int_eq(pclose(pipe), 0);
  ck_assert_msg(root, "line %d: %s", error.line, error.text);
  ck_assert(json_is_object(json_object_get(root, "context")));
  json_t *list = json_object_get(root, "benchmarks"), *entry;
  size_t index, medians = 0;
  json_array_foreach(list, index, entry) {
    ck_assert(!json_is_true(json_object_get(entry, "error_occurred")));
    const char *aggregate = json_string_value(json_object_get(entry, "aggregate_name"));
    if (!aggregate || strcmp(aggregate, "median") != 0) continue;
    if (strncmp(json_string_value(json_object_get(entry, "run_name")), "copy", 4) == 0) continue;
    ck_assert(json_number_value(json_object_get(entry, "items_per_second")) > 0);
    ck_assert(json_number_value(json_object_get(entry, "bytes_per_second")) > 0);
    ck_assert(json_number_value(json_object_get(entry, "copy_fraction")) > 0);
    medians++;
  }
  ck_assert_uint_eq(medians, 2); /* prepare and convert */
  json_decref(root);
}
END_TEST

/* A glob times every step that it names in the shape that it names, and writes the run where it is asked to: a line a
 * case with its samples and digests, and a summary that says how it ended. */
START_TEST(a_glob_selects_and_writes_a_run) {
  ck_assert_int_eq(system("cd /tmp && " SAMEBITS_BINARY_DIR
                          "/samebits bench 'int8*/weight/*@aligned/bf16/64x256:g32/*' --repetitions 2 --min-time 0.001 "
                          "--output " SAMEBITS_BINARY_DIR "/bench-run.jsonl >/dev/null"),
                   0);
  FILE *file = fopen(SAMEBITS_BINARY_DIR "/bench-run.jsonl", "r");
  ck_assert_ptr_nonnull(file);
  char line[1 << 14];
  int timed = 0, summaries = 0;
  while (fgets(line, sizeof line, file)) {
    json_t *record = json_loads(line, 0, NULL);
    const char *type = json_string_value(json_object_get(record, "type"));
    const char *name = json_string_value(json_object_get(record, "case"));
    if (strcmp(type, "summary") == 0) {
      ck_assert_int_eq(json_integer_value(json_object_get(record, "exit")), 0);
      summaries++;
    }
    if (strcmp(type, "bench") == 0 && strncmp(name, "copy/", 5) != 0) {
      ck_assert_uint_eq(json_array_size(json_object_get(record, "samples")), 2);
      ck_assert_uint_gt(json_object_size(json_object_get(record, "digests")), 0);
      timed++;
    }
    json_decref(record);
  }
  fclose(file);
  ck_assert_int_eq(timed, 5); /* prepare, convert, choose_qparams, quantize, dequantize */
  ck_assert_int_eq(summaries, 1);
}
END_TEST

/* A whole case is timed as it stands. */
START_TEST(a_case_is_timed) {
  ck_assert_int_eq(system(SAMEBITS_BINARY_DIR
                          "/samebits bench 'int4-weight-only/weight/convert@aligned/bf16/64x256:g128/"
                          "tie:1' --repetitions 1 --min-time 0.001 >/dev/null"),
                   0);
}
END_TEST

/* A bad selection is one line on standard error and exit code 2; one that times nothing is not a success. */
START_TEST(bad_selections_are_refused) {
  static const struct {
    const char *arguments;
    int exit;
  } rows[] = {{"--recipe nothing", 2},
              {"--side upward", 2},
              {"--step both", 2},
              {"--flavor torchao-9", 2},
              {"--dtype i4x", 2},
              {"--shape 4096", 2},
              {"--shape 0x4", 3},
              {"--group minus", 2},
              {"--threads many", 2},
              {"--isa abacus", 2},
              {"'int4-weight-only/weight/both@aligned/bf16/4x256:g128/tie:1'", 2},
              {"--nonsense", 2},
              {"'no such/glob'", 2},
              {"--device cuda:0", 3},
              {"--recipe int4-weight-only --group 100 --shape 4x256", 3}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    char command[512], line[512];
    snprintf(command, sizeof command, "%s/samebits bench %s 2>&1 >/dev/null", SAMEBITS_BINARY_DIR, rows[i].arguments);
    FILE *pipe = popen(command, "r");
    ck_assert_ptr_nonnull(pipe);
    ck_assert_msg(fgets(line, sizeof line, pipe) != NULL, "%s: no message", rows[i].arguments);
    while (fgets(line, sizeof line, pipe)) {
    }
    const int status = pclose(pipe);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == rows[i].exit, "%s: exit %d, not %d", rows[i].arguments,
                  WEXITSTATUS(status), rows[i].exit);
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("bench");
  TCase *tcase = tcase_create("bench");
  tcase_set_timeout(tcase, 120);
  tcase_add_test(tcase, verification_sees_every_output);
  tcase_add_test(tcase, every_step_has_its_inputs);
  tcase_add_test(tcase, json_is_google_benchmarks);
  tcase_add_test(tcase, a_glob_selects_and_writes_a_run);
  tcase_add_test(tcase, a_case_is_timed);
  tcase_add_test(tcase, bad_selections_are_refused);
  suite_add_tcase(suite, tcase);
  return run_suite(suite);
}
