/* `samebits kernel run`: what it says of a kernel beyond its bits. */
#include "samebits/safetensors.h"
#include "tests/command_line.h"

#include <math.h>
#include <string.h>

enum { N = 64, SHORT = 3 }; /* SHORT: the instructions of the entry `short` */
static float x[N];

/* x.safetensors#x: squares that are exact for the first half, and not for the rest. */
static void make_input(void) {
  make_folder();
  sb_safetensors_writer *writer;
  for (int k = 0; k < N; k++) x[k] = k < N / 2 ? (float)(k + 1) : 1.0f + (float)k * 0x1.01p-13f;
  const sb_tensor t = {.format = SB_F32, .rank = 1, .dims = {N}, .data = x};
  sb_ok(sb_safetensors_writer_new(&writer));
  sb_ok(sb_safetensors_put(writer, "x", &t));
  sb_ok(sb_safetensors_write(writer, in_folder("x.safetensors")));
  sb_safetensors_writer_free(writer);
}

static answer *kernel_run(const char *entry, int count, const char *more) {
  return run("kernel run tests/emulator/kernel_run.ptx --entry %s --grid 1 --block %d --arg 'out:o=f32[%d]' "
             "--arg 'in:%s/x.safetensors#x' --arg u32:%d --output '%s/o.safetensors' %s",
             entry, N, N, folder, count, folder, more);
}

static int occurrences(const char *text, const char *part) {
  int count = 0;
  for (const char *at = text; (at = strstr(at, part)); at += strlen(part)) count++;
  return count;
}

/* Elements that the kernel never wrote are counted, in the JSON and in a line: the poison is no result. */
START_TEST(unwritten_elements_are_named) {
  expect_answer(kernel_run("partial", 60, "--json"), 0,
                "\"unwritten\":[{\"tensor\":\"o\",\"elements\":4,\"first\":60}]", "60 of 64");
  expect_answer(kernel_run("partial", 60, ""), 0, "4 elements of o were never written, the first is 60", "60 of 64");
  const answer *whole = kernel_run("partial", N, "--json");
  expect_answer(whole, 0, "\"status\":\"ok\"", "all");
  ck_assert_ptr_null(strstr(whole->text, "unwritten"));
}
END_TEST

/* A product that ptxas may fuse with the sum behind it is said on every run, not only by `kernel show`. */
START_TEST(the_lint_is_said) {
  expect_answer(kernel_run("fusable", N, "--json"), 0, "\"lint\":[\"", "fusable");
  expect_answer(kernel_run("fusable", N, ""), 0, "may be fused by ptxas", "fusable");
  ck_assert_ptr_null(strstr(kernel_run("partial", N, "")->text, "lint"));
}
END_TEST

/* With --allow-approx the fusable pair runs both ways: exactly the outputs whose bits part are listed, with the add. */
START_TEST(fused_and_not_are_both_run) {
  int parted = 0;
  for (int k = 0; k < N; k++) {
    volatile float product = x[k] * x[k];
    parted += product + x[k] != fmaf(x[k], x[k], x[k]);
  }
  ck_assert(parted > 0 && parted < N / 2 + 1);
  char stable[32];
  (void)snprintf(stable, sizeof stable, "\"stable\":%d,", N - parted);
  const answer *a = kernel_run("fusable", N, "--allow-approx=3 --json");
  expect_answer(a, 0, stable, "fusable");
  expect_answer(a, 0, "\"status\":\"unproven\"", "fusable");
  ck_assert_int_eq(occurrences(a->text, "\"instruction\":\"add.f32\""), parted);
}
END_TEST

/* Approximate instructions are refused by name; with --allow-approx=N the launch is unproven, outputs that the error
 * can move are listed with the instruction, and those that it cannot move are stable. */
START_TEST(approximate_outputs_are_listed) {
  expect_answer(kernel_run("approximate", N, ""), 4, "ex2.approx.f32", "refused");
  const answer *a = kernel_run("approximate", N, "--allow-approx=12 --json");
  expect_answer(a, 0, "\"status\":\"unproven\"", "approximate");
  const int listed = occurrences(a->text, "\"instruction\":\"ex2.approx.f32\"");
  ck_assert_int_gt(listed, 0);
  ck_assert_int_le(listed, N / 2);
  for (int k = 1; k < N; k += 2) {
    char odd[32];
    (void)snprintf(odd, sizeof odd, "\"index\":%d,", k);
    ck_assert_ptr_null(strstr(a->text, odd));
  }
  char stable[32];
  (void)snprintf(stable, sizeof stable, "\"stable\":%d,", N - listed);
  expect_answer(a, 0, stable, "approximate");
}
END_TEST

/* A kernel that does not end within its budget is a timeout, exit 1. */
START_TEST(the_budget_ends_a_kernel) {
  expect_answer(kernel_run("endless", N, "--max-instructions 1000 --json"), 1, "\"kind\":\"timeout\"", "endless");
  expect_answer(kernel_run("partial", N, "--max-instructions 1000"), 0, "", "partial");
}
END_TEST

/* The budget counts the warps that have ended: many short ones are a timeout too, from one instruction too many on. */
START_TEST(the_budget_ends_a_launch_of_many_blocks) {
  const char *line = "kernel run tests/emulator/kernel_run.ptx --entry short --grid 5000 --block 33 --json "
                     "--max-instructions %d";
  expect_answer(run(line, 5000 * 2 * SHORT), 0, "\"status\":\"ok\"", "as many as allowed");
  expect_answer(run(line, 5000 * 2 * SHORT - 1), 1, "\"kind\":\"timeout\"", "one too many");
  expect_answer(run(line, 7), 1, "\"kind\":\"timeout\"", "few");
}
END_TEST

/* A block of more barriers than the check of shared memory has times is accused of nothing, and what was not checked is
 * said. The times end at 2^21 - 2. */
START_TEST(more_barriers_than_times) {
  const char *line = "kernel run tests/emulator/kernel_run.ptx --entry many_barriers --grid 1 --block 32 --json "
                     "--arg 'out:y=u32[32]' --arg u32:%d --output %s/o.safetensors";
  const char *said = "races in shared memory were not looked for after the barrier number 2097150 of a block";
  static const int before_end[] = {4, 2, 1, 0};
  for (int k = 0; k < 4; k++) {
    const answer *a = run(line, (1 << 21) - before_end[k], folder);
    expect_answer(a, 0, "\"status\":\"ok\"", "many barriers");
    ck_assert_msg((strstr(a->text, said) != NULL) == (k > 0), "%d before the end: %s", before_end[k], a->text);
  }
}
END_TEST

/* What the caller got wrong is a usage error, exit 2, with a line that names the argument, the value and the limit. */
START_TEST(mistakes_of_the_caller_are_usage_errors) {
  static const char *const wrong[][2] = {
      {"--grid 1,65536 --block 1", "65536 blocks in y, emu:sm_90 allows 65535"},
      {"--grid 1 --block 2048", "2048 threads in x, emu:sm_90 allows 1024"},
      {"--grid 1 --block 1,1,65", "65 threads in z, emu:sm_90 allows 64"},
      {"--grid 1 --block 64,32", "2048 threads a block, emu:sm_90 allows 1024"},
      {"--grid 1 --block 1 --shared 300000", "300000 bytes"},
      {"--grid 1 --block 1 --arg u32:1", "short has 0 parameters, 1 arguments are given"},
      {"--grid 1 --block 1 --arg 'out:y=f32[-1]'", "'out:y=f32[-1]': a dimension"},
      {"--grid 1 --block 1 --arg 'out:y=f33[1]'", "'out:y=f33[1]'"},
      {"--grid 1 --block 1 --arg f32:1e99", "f32:1e99': beyond the range of f32"},
      {"--grid 1 --block 1 --arg f64:1e-999", "f64:1e-999': beyond the range of f64"},
      {"--grid 1", "--block"},
      {"--grid 1 --block 1 --nonsense", "--nonsense"}};
  for (size_t k = 0; k < sizeof wrong / sizeof *wrong; k++) {
    const char *line = "kernel run tests/emulator/kernel_run.ptx --entry short --output %s/o.safetensors %s %s";
    const answer *a = run(line, folder, wrong[k][0], "");
    expect_answer(a, 2, wrong[k][1], wrong[k][0]);
    ck_assert_int_eq(a->error_lines, 1);
    expect_answer(run(line, folder, wrong[k][0], "--json"), 2, "{\"status\":\"usage\",\"message\":\"", wrong[k][0]);
  }
}
END_TEST

/* With --json every exit has one object on standard output. */
START_TEST(errors_are_objects_too) {
  expect_answer(run("kernel run none.ptx --entry e --grid 1 --block 1 --json"), 3, "{\"status\":\"file\",", "no file");
  const answer *a = kernel_run("approximate", N, "--json");
  expect_answer(a, 4, "{\"status\":\"refused\",", "refused");
  ck_assert_int_eq(a->error_lines, 1);
}
END_TEST

/* A tensor of no elements is a null pointer: whoever writes to it is out of bounds. */
START_TEST(nothing_has_no_room) {
  const char *line = "kernel run tests/emulator/kernel_run.ptx --entry partial --grid 1 --block 1 --arg 'out:o=f32[0]' "
                     "--arg 'in:%s/x.safetensors#x' --arg u32:%d --output '%s/o.safetensors' --json";
  expect_answer(run(line, folder, 0, folder), 0, "\"status\":\"ok\"", "nothing written");
  expect_answer(run(line, folder, 1, folder), 1, "\"kind\":\"out-of-bounds\"", "one written");
}
END_TEST

int main(void) {
  Suite *suite = suite_create("kernel run");
  TCase *tests = tcase_create("kernel run");
  tcase_set_timeout(tests, 120);
  tcase_add_unchecked_fixture(tests, make_input, remove_folder);
  tcase_add_test(tests, unwritten_elements_are_named);
  tcase_add_test(tests, the_lint_is_said);
  tcase_add_test(tests, fused_and_not_are_both_run);
  tcase_add_test(tests, approximate_outputs_are_listed);
  tcase_add_test(tests, the_budget_ends_a_kernel);
  tcase_add_test(tests, the_budget_ends_a_launch_of_many_blocks);
  tcase_add_test(tests, more_barriers_than_times);
  tcase_add_test(tests, mistakes_of_the_caller_are_usage_errors);
  tcase_add_test(tests, errors_are_objects_too);
  tcase_add_test(tests, nothing_has_no_room);
  suite_add_tcase(suite, tests);
  return run_suite(suite);
}
