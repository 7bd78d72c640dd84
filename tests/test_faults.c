/* Faults in ourselves: the Nth call of each kind fails in each command (tests/faults/preload.c), the disk is full, the
 * process is killed. The properties: it never ends by a signal; exit code 0 only with the very result that it gives
 * without the fault, never 1 (a false "bits differ"), else one line that says what failed; what a run or a history
 * holds afterwards can be read, and every case that it holds is as it is without the fault. */
#define SHELL_SETUP "P='" SAMEBITS_BINARY_DIR "/libsamebits_faults.so'; " /* the preload */
#include "tests/shell.h"

#include <stdbool.h>

#define SELECT                                                                                                         \
  "--recipe int4-weight-only --flavor aligned --step both,prepare --dtype f32 --shape 4x256,5x640 --fill normal,tie"

/* A command that leaves $D/out, what it must leave without a fault ($D/good), and how the two are compared. */
static const struct {
  const char *name, *command, *same, *readable;
  int exit_code; /* without a fault */
} commands[] = {
    {"check", "$S check " SELECT " --jobs 1 --output $D/out", "$S merge --canonical $D/out | cmp - $D/good",
     "$S merge $D/out", 0},
    {"check --jobs 2", "$S check " SELECT " --jobs 2 --output $D/out", "$S merge --canonical $D/out | cmp - $D/good",
     "$S merge $D/out", 0},
    {"check emu", "$S check " SELECT " --jobs 1 --device emu:sm_90 --output $D/out",
     "$S merge --canonical $D/out | cmp - $D/good", "$S merge $D/out", 0},
    {"check worker", "$S check " SELECT " --device \"worker:$S worker\" --output $D/out",
     "$S merge --canonical $D/out | cmp - $D/good", "$S merge $D/out", 0},
    {"bench",
     "$S bench --recipe int4-weight-only --dtype f32 --step prepare --shape 4x256 --repetitions 2 --min-time 0.001 "
     "--output $D/out",
     "$S merge --canonical $D/out | cmp - $D/good", "$S merge $D/out", 0},
    {"compare", "$S compare $D/a $D/b >$D/out", "cmp $D/out $D/good", "true", 1},
    {"merge", "$S merge --canonical $D/a --output $D/out", "cmp $D/out $D/good", "$S merge $D/out", 0},
    {"report", "$S report $D/a --html $D/out --failures $D/saved", "cmp $D/out $D/good",
     "tail -n 1 $D/out | grep -q '</html>'", 0},
    {"plots", "$S report $D/a --plots $D/plots --csv $D/out", "cmp $D/out $D/good", "true", 0},
    {"history", "rm -f $D/db; $S history add --database $D/db $D/a && $S history show --database $D/db 1 >$D/out",
     "cmp $D/out $D/good", "$S history list --database $D/db", 0},
};
enum { COMMANDS = sizeof commands / sizeof *commands };

static const char *const kinds[] = {
    "malloc", "calloc",  "realloc", "aligned_alloc", "strdup",       "fopen",       "fflush", "fclose",
    "fread",  "getline", "read",    "write",         "short-read",   "short-write", "pipe",   "fork",
    "spawn",  "mmap",    "dlopen",  "rename",        "mkdir",        "truncate",    "poll",   "fsync",
    "unlink", "pwrite",  "pread",   "launch",        "device-alloc", "device-copy"};
enum { KINDS = sizeof kinds / sizeof *kinds };

static int fired[KINDS];

static int complaints;

static void complain(const char *what, const char *why) {
  complaints++;
  printf("%s: %s\n%s\n", what, why, output);
}

/* One fault; true where there were so many calls of its kind. */
static bool inject(int at, int kind, int number) {
  shell("rm -rf $D/out $D/log $D/plots");
  const int code =
      shell("( export SAMEBITS_FAULT=%s:%d SAMEBITS_FAULT_LOG=$D/log LD_PRELOAD=$P; %s >$D/printed ) 2>$D/errors",
            kinds[kind], number, commands[at].command);
  if (shell("test -s $D/log") != 0) return false;
  fired[kind]++;
  char what[160];
  snprintf(what, sizeof what, "%s, %s call %d, exit %d", commands[at].name, kinds[kind], number, code);
  shell("head -c 600 $D/errors");
  /* Google Benchmark itself ends the process by exit(1) where it cannot read the caches' sizes from /sys */
  if (strcmp(commands[at].name, "bench") == 0 && strcmp(kinds[kind], "read") == 0 && code == 1) return true;
  if (code >= 128)
    complain(what, "it ended by a signal");
  else if (code == commands[at].exit_code) {
    if (shell("%s", commands[at].same) != 0) complain(what, "another result, and no error");
  } else if (code < 2 || code > 4)
    complain(what, "neither the result nor an error");
  else if (*output == 0 && shell("grep -qE 'CRASH|ERROR|TIMEOUT|NOTRUN' $D/out") != 0)
    complain(what, "no word of why");
  else if (shell("test -s $D/out") == 0) {
    const int readable = shell("%s >/dev/null", commands[at].readable);
    if (readable >= 128 || (readable == 3 && strstr(output, "is no line of a run")))
      complain(what, "what it left cannot be read");
  }
  return true;
}

/* Every kind of call, the first, and some later ones, in every command. */
START_TEST(calls_fail) {
  static const int numbers[] = {1, 30};
  int faults = 0, seen = 0;
  for (int c = 0; c < COMMANDS; c++) {
    shell("rm -rf $D/out $D/plots");
    ck_assert_msg(shell("%s >$D/printed", commands[c].command) == commands[c].exit_code, "%s:\n%s", commands[c].name,
                  output);
    if (strstr(commands[c].same, "--canonical"))
      ck_assert_int_eq(shell("$S merge --canonical $D/out >$D/good"), 0);
    else
      ck_assert_int_eq(shell("cp $D/out $D/good"), 0);
    for (int k = 0; k < KINDS; k++)
      for (size_t n = 0; n < sizeof numbers / sizeof *numbers && inject(c, k, numbers[n]); n++) faults++;
  }
  for (int k = 0; k < KINDS; k++) seen += fired[k] > 0;
  printf("%d faults of %d kinds of call:", faults, seen);
  for (int k = 0; k < KINDS; k++)
    if (fired[k]) printf(" %s %d", kinds[k], fired[k]);
  printf("\n");
  fflush(stdout);
  ck_assert_int_eq(complaints, 0);
  ck_assert_int_ge(faults, 40);
  ck_assert_int_ge(seen, 12);
}
END_TEST

/* On a full disk (a limit on the size of files) a run ends with exit code 3 and one line, and holds whole lines of
 * right cases; nothing that was there before is spoiled. */
START_TEST(full_disk) {
  for (int blocks = 0; blocks < 9; blocks += 2) {
    const int code = shell("( trap '' XFSZ; ulimit -f %d; $S check " SELECT " --output $D/full >/dev/null )", blocks);
    ck_assert_msg(code == 3 && strstr(output, "cannot write"), "%d blocks: exit %d: %s", blocks, code, output);
    if (shell("test -s $D/full && head -n 1 $D/full | grep -q summary\\|type") == 0)
      ck_assert_msg(shell("$S merge $D/full >/dev/null; test $? -ne 2") == 0, "%d blocks: %s", blocks, output);
  }
  ck_assert_int_eq(
      shell("cp $D/a $D/kept && cp $D/a $D/before; ( trap '' XFSZ; ulimit -f 1; $S merge $D/a --output $D/kept ) ; cmp "
            "$D/kept $D/before"),
      0);
  ck_assert_int_eq(shell("( trap '' XFSZ; ulimit -f 1; $S report $D/a --html $D/kept ); cmp $D/kept $D/before"), 0);
}
END_TEST

static void make_runs(void) {
  make_folder();
  ck_assert_int_eq(
      shell("$S check " SELECT " --output $D/a >/dev/null && sed 's/\"codes\":\"[0-9a-f]*/\"codes\":\"0/' $D/a >$D/b"),
      0);
  ck_assert_int_eq(
      shell(
          "$S check --recipe int4-weight-only --flavor torchao-0.18-cpu --dtype bf16 --step both --shape 4x256 --fill "
          "normal --expect /dev/null --save-failures $D/saved >/dev/null"),
      1);
}

int main(void) {
  Suite *suite = suite_create("faults");
  TCase *tests = tcase_create("faults");
  tcase_add_unchecked_fixture(tests, make_runs, remove_folder);
  tcase_set_timeout(tests, 600);
  tcase_add_test(tests, calls_fail);
  tcase_add_test(tests, full_disk);
  suite_add_tcase(suite, tests);
  return run_suite(suite);
}
