/* Runs put together: shards, thread counts, a run that was killed and what completed it. */
#include "tests/shell.h"

#include <signal.h>
#include <time.h>

/* int4-weight-only is all cells of one flavor and dtype: some are EXPECTED, and ci/required.txt asks for them. */
#define SELECT "--recipe int4-weight-only --flavor torchao-0.18-cpu --dtype bf16 --step both,prepare"

/* One run, its shards merged in any order, and runs on other numbers of threads and processes give the same canonical
 * bytes, and compare sees the same bits. */
START_TEST(shards_and_threads) {
  expect(shell("$S check " SELECT " --output $D/one >/dev/null && $S merge --canonical $D/one >$D/one.canonical"), 0,
         "");
  expect(shell("$S check " SELECT " --threads 1 --output $D/two >/dev/null && $S merge --canonical $D/two | cmp - "
               "$D/one.canonical && $S check " SELECT
               " --jobs 5 --output $D/two >/dev/null && $S merge --canonical $D/two "
               "| cmp - $D/one.canonical && $S compare $D/one $D/two"),
         0, " 0 CHANGED");
  expect(shell("for i in 1 2 3; do $S check " SELECT
               " --shard $i/3 --shuffle 4 --threads $i --output $D/s$i >/dev/null; "
               "done; $S merge --canonical $D/s2 $D/s3 $D/s1 | cmp - $D/one.canonical"),
         0, "");
  expect(shell("$S merge $D/s2 $D/s3 $D/s1 --output $D/merged && $S compare $D/one $D/merged && $S merge --canonical "
               "$D/merged --output $D/merged && cmp $D/merged $D/one.canonical"),
         0, " 0 CHANGED");
  /* a shard that is missing, or was never finished, is untested */
  expect(shell("$S merge $D/s1 $D/s3 >/dev/null"), 3, "shard 2 of 3 was not finished");
  expect(shell("$S merge $D/s1 $D/s3 >$D/part; $S merge $D/part $D/s2 >/dev/null"), 3, "shard 1 of 3 was not finished");
  expect(shell("sed '$d' $D/s2 >$D/cut; $S merge $D/s1 $D/cut $D/s3 >/dev/null"), 3, "shard 2 of 3 was not finished");
  /* a cell that only all shards together fill, and a row that only they can judge */
  expect(shell("echo 'int4-weight-only weight both aligned f16 ref 99' >$D/cells; $S merge --required $D/cells $D/one "
               ">/dev/null"),
         0, "");
  expect(shell("echo 'int4-weight-only weight both torchao-0.18-cpu bf16 ref 99999999' >$D/cells; $S merge --required "
               "$D/cells $D/s? >/dev/null"),
         1, "of 99999999 elements");
  expect(shell("echo '*/prepare@* none link 2026-01-01' >$D/rows; $S merge --expect $D/rows $D/s? >/dev/null"), 1,
         "XPASS */prepare@*");
}
END_TEST

/* A run that is killed at any moment holds every case but those in flight, one a process, and --resume completes it to
 * the same canonical bytes, in its own file or in another. */
START_TEST(killed_and_resumed) {
  expect(shell("$S check " SELECT " --output $D/one >/dev/null && $S merge --canonical $D/one >$D/one.canonical"), 0,
         "");
  int cut = 0;
  for (int i = 0; i < 4; i++) {
    const pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
      char path[256];
      snprintf(path, sizeof path, "%s/killed", folder);
      if (chdir(SAMEBITS_SOURCE_DIR) || !freopen("/dev/null", "w", stdout)) _exit(9);
      execl(SAMEBITS_BINARY_DIR "/samebits", "samebits", "check", "--recipe", "int4-weight-only", "--flavor",
            "torchao-0.18-cpu", "--dtype", "bf16", "--step", "both,prepare", "--output", path, "--jobs",
            i & 1 ? "1" : "3", (char *)NULL);
      _exit(9);
    }
    nanosleep(&(struct timespec){.tv_nsec = 20000000L * (i + 1)}, NULL);
    kill(pid, SIGKILL);
    int status;
    waitpid(pid, &status, 0);
    cut += WIFSIGNALED(status);
    if (shell("test -s $D/killed")) continue; /* before its first line */
    if (i == 2) expect(shell("printf '{\"type\":\"case\",\"ca' >>$D/killed"), 0, "");
    expect(shell("$S check " SELECT
                 " --resume $D/killed --output $D/whole >/dev/null && $S merge --canonical $D/whole | "
                 "cmp - $D/one.canonical"),
           0, "");
    expect(shell("$S check " SELECT " --resume $D/killed >/dev/null && $S merge --canonical $D/killed | cmp - "
                 "$D/one.canonical"),
           0, "");
  }
  ck_assert_int_gt(cut, 0);
  /* what is there is not run again: a line that says otherwise stays */
  expect(
      shell("sed '$d; s/\"elements\":[0-9]*/\"elements\":7/' $D/one >$D/marked && $S check " SELECT
            " --resume $D/marked >/dev/null; grep -c '\"elements\":7,' $D/marked; grep -c '\"type\":\"case\"' $D/one"),
      0, "");
  char *second = strchr(output, '\n') + 1;
  ck_assert_msg(strncmp(output, second, (size_t)(second - output)) == 0, "%s", output);
}
END_TEST

/* What cannot be put together is refused: runs that disagree on bits, other builds, what is no run. */
START_TEST(refusals) {
  expect(shell("$S check " SELECT " --fill normal --shape 4x256 --output $D/a >/dev/null; sed "
               "'s/\"codes\":\"[0-9a-f]*/\"codes\":\"0/' $D/a >$D/b; $S merge $D/a $D/b >/dev/null"),
         1, "two runs disagree (");
  expect(shell("sed 's/\"git\":\"[0-9a-f]*/\"git\":\"other/' $D/a >$D/b; $S merge $D/a $D/b"), 2, "another build");
  expect(shell("$S check " SELECT " --fill normal --shape 4x256 --resume $D/b"), 2, "cannot be resumed");
  expect(shell("$S check " SELECT " --fill normal --shape 4x256 --device emu:sm_90 --output $D/e >/dev/null; sed "
               "'s/\"name\":\"samebits emulator/\"name\":\"another/' $D/e >$D/f; $S check " SELECT
               " --fill normal --shape 4x256 --device emu:sm_90 --resume $D/f"),
         2, "emu:sm_90 was run with name 'another sm_90', now it is 'samebits emulator sm_90'");
  expect(shell("$S check " SELECT " --resume $D/a --output $D/a"), 2, "is the file that the run reads");
  expect(shell("$S check " SELECT " --resume $D/none"), 3, "cannot open");
  expect(shell("$S merge"), 2, "no runs");
  expect(shell("$S merge README.md"), 3, "README.md: line 1");
  expect(shell("$S merge $D/a --output /dev/full"), 3, "cannot be written");
  expect(shell("$S merge $D/a --output $D/no/where"), 3, "cannot write");
  /* a folder of failures that is not there holds none that could be explained */
  expect(shell("$S report $D/a --html $D/page --failures $D/none"), 3, "cannot open the folder of failures");
  expect(shell("$S expect $D/a --failures $D/none"), 3, "cannot open the folder of failures");
  expect(shell("$S check " SELECT " --fill normal --shape 4x256 --save-failures /dev/full"), 3, "Not a directory");
  /* a case that crashed and ran later is as it ran later */
  expect(shell("sed 's/\"status\":\"PASS\"/\"status\":\"CRASH\"/' $D/a >$D/b; $S merge $D/a $D/b | grep -c CRASH"), 1,
         "0");
}
END_TEST

#define TWO "docs/data/minilm-small.safetensors"
#define INPUT(file, part)                                                                                              \
  "$S check --recipe int4-weight-only --flavor aligned --dtype bf16 --input " file " --shard " part                    \
  "/2 --output $D/i" part " >/dev/null; "

/* A run goes on with its own cases alone: other words, and the same words with another input, do not finish it, and
 * shards of two inputs are not put together. */
START_TEST(other_cases_do_not_finish_a_run) {
  expect(shell("$S check " SELECT
               " --output $D/one >/dev/null; head -n 9 $D/one >$D/cut; cp $D/cut $D/before; $S check " SELECT
               " --fill normal --resume $D/cut"),
         2, "it was a run of other cases");
  expect(shell("$S check 'int4-weight-only/weight/both@torchao-0.18-cpu/bf16/33x256:g128/tie:1' --resume $D/cut"), 2,
         "it was a run of other cases");
  /* 1 where a cell that ci/required.txt asks for was among the first cases, which several processes bring in any order
   */
  expect(shell("cmp $D/before $D/cut || exit 9; $S merge $D/cut >/dev/null; case $? in 1 | 3) ;; *) exit 8 ;; esac"), 0,
         "was not finished");
  expect(shell("cp " TWO
               " $D/other; printf '\\1' | dd of=$D/other bs=1 seek=$(($(stat -c %%s $D/other) - 1)) conv=notrunc "
               "2>/dev/null; " INPUT("$D/other", "1") INPUT(TWO, "2") "$S merge $D/i1 $D/i2 >/dev/null"),
         2, "a shard of another selection, or of another input");
  expect(shell(INPUT(TWO, "1") "$S merge $D/i1 $D/i2 >/dev/null"), 0, "");
}
END_TEST

int main(void) {
  Suite *suite = suite_create("runs_merge");
  TCase *tests = tcase_create("runs_merge");
  tcase_add_unchecked_fixture(tests, make_folder, remove_folder);
  tcase_set_timeout(tests, 300);
  tcase_add_test(tests, shards_and_threads);
  tcase_add_test(tests, killed_and_resumed);
  tcase_add_test(tests, refusals);
  tcase_add_test(tests, other_cases_do_not_finish_a_run);
  suite_add_tcase(suite, tests);
  return run_suite(suite);
}
