/* Workers: other people's programs as devices, the right, the wrong and the broken. */
#define SHELL_SETUP "P=/usr/bin/python3; " /* a Python with numpy */
#include "tests/shell.h"

#define SELECT "--recipe int8-dynamic-act-int4-weight --side activation --flavor aligned --dtype f32"

/* A device behind `samebits worker` gives the bits that it gives by itself, every step of it. */
START_TEST(our_own_worker) {
  expect(
      shell(
          "$S check " SELECT " --fill normal,tie --device emu:sm_90 --output $D/a >/dev/null && $S check " SELECT
          " --fill normal,tie --device \"worker:$S worker --device emu:sm_90\" --output $D/b >/dev/null && $S compare "
          "$D/a $D/b"),
      0, " 0 CHANGED, 0 NO DATA");
  expect(shell("$S worker --device nothing </dev/null"), 2, "unknown device");
  expect(shell("$S worker </dev/null"), 0, "");
  expect(shell("echo 'this is no request' | $S worker"), 3, "the request");
}
END_TEST

/* The numpy example is exact in every case; with numpy's floor(x + 0.5) in the place of its rint it fails, and the
 * saved failures name that mechanism. */
START_TEST(the_numpy_example) {
  expect(
      shell("$S check " SELECT " --step prepare,convert --device \"worker:$P docs/examples/worker/worker_numpy.py\""),
      0, "84 PASS\n");
  expect(shell("$S check " SELECT " --step prepare,convert --save-failures $D/saved --device \"worker:$P "
               "docs/examples/worker/worker_numpy.py --half-up\" | tail -n 1"),
         0, " FAIL");
  expect(shell("ls $D/saved | wc -l; for f in $D/saved/*_tie_*; do $S explain $f; done"), 1,
         "every bit is reproduced, exactly evaluated, by\n  floor-plus-half: ");
  ck_assert_int_gt(atoi(output), 9);
  expect(shell("$S check --recipe int4-weight-only --step prepare --flavor aligned --device \"worker:$P "
               "docs/examples/worker/worker_numpy.py\" | tail -n 2"),
         0, "UNSUPPORTED");
}
END_TEST

/* Two runs whose bits differ are explained from the files that they saved, on a machine that has neither device: which
 * mechanism each run's bits are, what passed needs no file, and a file that is not there is said to be missing. */
START_TEST(changed_bits_are_explained) {
#define ONE SELECT " --step prepare --fill tie --shape 5x640"
  expect(shell("$S check " ONE " --device \"worker:$P docs/examples/worker/worker_numpy.py\" --output $D/right "
               "--save-failures $D/none >/dev/null"),
         0, "");
  expect(shell("$S check " ONE
               " --device \"worker:$P docs/examples/worker/worker_numpy.py --half-up\" --output $D/wrong "
               "--save-failures $D/kept >/dev/null"),
         1, "");
  expect(shell("cd $D && $S compare right wrong --old-failures none --new-failures kept"), 1,
         "  new: every bit is reproduced by floor-plus-half\n    - zero_point : ");
  ck_assert_msg(!strstr(output, "  old: ") && strstr(output, "was PASS, is FAIL"), "%s", output);
  expect(shell("cd $D && $S compare wrong right --old-failures kept --new-failures none"), 1,
         "  old: every bit is reproduced by floor-plus-half\n");
  ck_assert_msg(!strstr(output, "  new: "), "%s", output);
  expect(shell("cd $D && mkdir -p empty && $S compare right wrong --new-failures empty"), 1,
         "  new: no file of it in empty\n");
  expect(shell("cd $D && for f in kept/*; do head -c 100 $f >empty/${f##*/}; done; $S compare right wrong "
               "--new-failures empty"),
         1, "  new: not explained: ");
  expect(shell("cd $D && $S compare wrong wrong --old-failures kept --new-failures kept"), 0, " 0 CHANGED");
  ck_assert_msg(!strstr(output, "reproduced"), "%s", output);
}
END_TEST

/* Whatever a worker does to one case costs that case: the one before and the one behind it pass. */
START_TEST(faults_cost_one_case) {
  static const struct {
    const char *fault, *status, *reason;
    int exit_code;
  } rows[] = {{"exit", "CRASH", "ended with status 7", 3},
              {"kill", "CRASH", "Segmentation fault", 3},
              {"close", "TIMEOUT", "not done in 8 s", 3},
              {"hang", "TIMEOUT", "not done in 8 s", 3},
              {"slow-bytes", "TIMEOUT", "not done in 8 s", 3},
              {"garbage", "ERROR", "it announces", 3},
              {"empty", "ERROR", "the worker's response", 3},
              {"huge", "ERROR", "it announces 1152921504606846976 bytes", 3},
              {"half", "ERROR", "announced 1000 bytes and ended after 10", 3},
              {"not-json", "ERROR", "the worker's response", 3},
              {"overrun", "ERROR", "the worker's response", 3},
              {"more", "ERROR", "the worker wrote more than its response", 3},
              {"no-status", "ERROR", "no status", 3},
              {"refuses", "UNSUPPORTED", "not today", 0},
              {"fails", "ERROR", "it is broken", 3},
              {"shape", "ERROR", "codes has not the shape [4, 64]", 3},
              {"unknown-tensor", "ERROR", "'nonsense'", 3},
              {"nothing", "ERROR", "gave no tensor", 3},
              {"wrong", "FAIL", "codes", 1},
              {"part", "PASS", "", 0},
              {"widened", "PASS", "", 0}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    char lines[3][32];
    const int code =
        shell("$S check " SELECT " --step prepare --fill normal --shape 4x64 --seed 1,2,3 --timeout %d --device "
              "\"worker:$P tests/worker_faults.py %s\" --output $D/run >/dev/null 2>&1; R=$?; sed -n "
              "'s/.*\"status\":\"\\([A-Z]*\\)\".*/\\1/p' $D/run; cat $D/run; exit $R",
              strcmp(rows[i].status, "TIMEOUT") ? 60 : 8, rows[i].fault);
    ck_assert_msg(sscanf(output, "%31s %31s %31s", lines[0], lines[1], lines[2]) == 3, "%s:\n%s", rows[i].fault,
                  output);
    ck_assert_msg(strcmp(lines[0], "PASS") == 0 && strcmp(lines[1], rows[i].status) == 0 &&
                      strcmp(lines[2], "PASS") == 0,
                  "%s: not PASS, %s, PASS:\n%s", rows[i].fault, rows[i].status, output);
    expect(code, rows[i].exit_code, rows[i].reason);
  }
}
END_TEST

/* A worker that does not even greet is no device: exit 3 and one line. */
START_TEST(no_worker) {
  static const char *const rows[][2] = {
      {"deaf", "ended with status 5"}, {"rude", "no status ok"}, {"silent", "not done in 8 s"}};
  for (size_t i = 0; i < 3; i++)
    expect(shell("$S check " SELECT " --timeout %d --device \"worker:$P tests/worker_faults.py %s\"", i == 2 ? 8 : 60,
                 rows[i][0]),
           3, rows[i][1]);
  expect(shell("$S check " SELECT " --device worker:/no/such/program"), 3, "ended with status 127");
  expect(shell("$S check " SELECT " --device worker:true"), 3, "the worker died");
  expect(shell("$S check " SELECT " --device worker:"), 2, "has no command");
}
END_TEST

int main(void) {
  Suite *suite = suite_create("worker");
  TCase *tests = tcase_create("worker");
  tcase_add_unchecked_fixture(tests, make_folder, remove_folder);
  tcase_set_timeout(tests, 300);
  tcase_add_test(tests, our_own_worker);
  tcase_add_test(tests, the_numpy_example);
  tcase_add_test(tests, changed_bits_are_explained);
  tcase_add_test(tests, faults_cost_one_case);
  tcase_add_test(tests, no_worker);
  suite_add_tcase(suite, tests);
  return run_suite(suite);
}
