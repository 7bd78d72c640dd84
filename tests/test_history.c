/* The history of runs, and the plots. */
#define SHELL_SETUP "cd \"$D\"; "
#include "tests/shell.h"

/* A run of one check and one bench on a device, of a commit, at a time, with digests and a speed. */
static void write_run(const char *name, const char *device, const char *git, int day, const char *digest, double ms) {
  char path[256];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE *to = fopen(path, "w");
  ck_assert_ptr_nonnull(to);
  fprintf(
      to,
      "{\"type\":\"run\",\"device\":\"%s\",\"git\":\"%s\",\"time\":\"2026-01-%02dT00:00:00Z\",\"record\":{\"kernels\":"
      "\"nvcc 13.0\"}}\n{\"type\":\"case\",\"case\":\"r/weight/both@one/f32/4x8:g0/normal:1\",\"status\":\"EXPECTED\","
      "\"mechanisms\":[\"add-before-round\",\"recip-mul-vs-div\"],\"elements\":32,\"different\":{\"codes\":5},"
      "\"digests\":{"
      "\"codes\":\"%s\"}}\n",
      device, git, day, digest);
  for (int size = 4; size <= 64; size *= 4) {
    fprintf(to,
            "{\"type\":\"bench\",\"case\":\"r/weight/convert@one/f32/%dx8:g0/normal:1\",\"seconds\":%g,\"samples\":[",
            size, ms * 1e-3 * size);
    for (int i = 0; i < 9; i++) fprintf(to, "%s%g", i ? "," : "", ms * 1e-3 * size * (1 + 0.001 * i));
    fprintf(to, "],\"bytes_per_second\":%g,\"copy_fraction\":0.5,\"digests\":{\"codes\":\"%s\"}}\n", 1e9 / ms, digest);
  }
  fputs("{\"type\":\"summary\",\"cases\":1,\"statuses\":{},\"exit\":0}\n", to);
  ck_assert_int_eq(fclose(to), 0);
}

static void make_runs(void) {
  make_folder();
  write_run("a", "ref", "aaa", 1, "11", 1.0);
  write_run("b", "ref", "bbb", 2, "11", 1.1);
  write_run("c", "ref", "ccc", 3, "22", 0.9);
  write_run("d", "emu:sm_90", "ccc", 3, "22", 0.5);
}
/* Runs go in once each, whatever their order, and come out by device and time, with what changed; a run comes back as
 * the lines that it was. */
START_TEST(what_goes_in_comes_out) {
  expect(shell("$S history add c a b d"), 0, "d: added, 1 device, 4 lines");
  expect(shell("$S history add a c"), 0, "c: it was there already");
  expect(shell("$S history list"), 0, "nvcc 13.0");
  const char *a = strstr(output, "aaa"), *b = strstr(output, "bbb"), *c = strstr(output, "ccc");
  ck_assert(a && b && c && a < b && b < c);
  expect(shell("$S history list --device emu:sm_90 | wc -l"), 0, "2\n");
  expect(shell("$S history show 'r/weight/both*'"), 0, "bits CHANGED");
  const char *same = strstr(output, "same bits"), *changed = strstr(output, "bits CHANGED");
  ck_assert(same && strstr(output, "bbb") < same && same < strstr(same, "ccc") && strstr(same, "ccc") < changed);
  ck_assert(!strstr(changed + 1, "bits CHANGED"));
  expect(shell("$S history show '*/64x8*'"), 0, "57.83 ms (57.72 to 57.95, 9 samples)");
  expect(shell("$S history show 1 >back && $S compare c back && $S merge --canonical back >1 && $S merge --canonical c "
               "| cmp - 1"),
         0, "4 SAME, 0 CHANGED");
}
END_TEST

/* A run that was killed is marked as such where it is added and where it is listed, and no other is; nor one that has
 * got its summary since. */
START_TEST(interrupted_runs_are_marked) {
  for (int lines = 1; lines < 6; lines += 4) {
    expect(shell("head -n %d a >cut%d && $S history add --database i cut%d", lines, lines, lines), 0, "; interrupted");
    expect(shell("$S history list --database i | grep -c ' interrupted$'"), 0, lines == 1 ? "1\n" : "2\n");
  }
  expect(shell("{ head -n 3 a; tail -n 1 a | head -c 20; } >torn && $S history add --database i torn"), 0,
         "; interrupted");
  expect(shell("$S history add --database i b"), 0, "4 lines\n");
  expect(shell("$S history list --database i | grep -c ' interrupted$'"), 0, "3\n");
  expect(shell("$S history add --database i a"), 0, "already");
  expect(shell("$S history list --database i | grep -c ' interrupted$'"), 0, "2\n");
  expect(shell("$S history show --database i 2 | tail -n 1"), 0, "\"summary\"");
}
END_TEST

/* Bad input is one line and its exit code, and leaves a history as it was. */
START_TEST(bad_input) {
  expect(shell("$S history add --database h a && cp h before"), 0, "");
  static const struct {
    const char *arguments, *part;
    int exit_code;
  } rows[] = {{"add --database h", "no runs", 2},
              {"add --database h a none", "cannot open", 3},
              {"add --database a b", "not a database", 3},
              {"add --database /no/where b", "unable to open", 3},
              {"list --database none", "No such file", 3},
              {"list --database h --device cuda:0", "no such run", 3},
              {"list --database h x", "takes no argument", 2},
              {"show --database h", "is needed", 2},
              {"show --database h 7", "no run 7", 2},
              {"show --database h 'nothing*'", "no case matches", 2},
              {"show --database h '*both*' --plots p", "nothing to draw", 2},
              {"forget", "no command 'forget'", 2}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    expect(shell("$S history %s", rows[i].arguments), rows[i].exit_code, rows[i].part);
  expect(
      shell("$S history list --database h | wc -l; echo 'CREATE TABLE t(x)' | /usr/bin/env python3 -c 'import sqlite3; "
            "sqlite3.connect(\"other\").execute(\"CREATE TABLE t(x)\")'; $S history list --database other"),
      3, "it is no history of samebits");
  ck_assert_int_eq(strncmp(output, "2\n", 2), 0);
}
END_TEST

/* Every plot is drawn in both forms and both themes: an SVG that a parser that is not ours reads, with its title and a
 * background, and a PNG; the page holds them. Text of a run is no command of gnuplot. */
START_TEST(plots_are_drawn) {
  write_run("evil", "ref`touch hacked`\\\"; system(\\\"touch hacked\\\") #", "eee", 4, "22", 1);
  expect(shell("$S report c d evil --plots p --html page && $S history add --database hp a b c d && $S history show "
               "--database hp "
               "'*convert*' --plots p >/dev/null && ls p | tr '\\n' ' '"),
         0, "throughput.light.svg");
  static const char *const names[] = {"throughput", "side-by-side", "mechanisms", "history"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    expect(
        shell(
            "cd p && for t in light dark; do python3 -c \"import xml.dom.minidom, sys; d = "
            "xml.dom.minidom.parse('%s.'+sys.argv[1]+'.svg'); assert len(d.getElementsByTagName('path')) > 4 and "
            "len(d.getElementsByTagName('text')) > 4\" $t && head -c 4 %s.$t.png | grep -q PNG || exit 1; done; cmp -s "
            "%s.light.svg %s.dark.svg && exit 1; test ! -e %s.log",
            names[i], names[i], names[i], names[i], names[i]),
        0, "");
  expect(shell("test ! -e hacked && test ! -e p/hacked && grep -o 'data:image/svg' page | wc -l"), 0, "6\n");
  expect(shell("PATH=/nowhere $S report c --plots p"), 3, "gnuplot cannot be run");
  expect(shell("$S report c --plots a/p"), 3, "cannot make the folder");
}
END_TEST

/* A saved failure becomes a map of where and a histogram of how far. */
START_TEST(failures_are_drawn) {
  expect(
      shell(
          "$S check --recipe int4-weight-only --flavor torchao-0.18-cpu --dtype bf16 --step both --shape 8x256 --fill "
          "normal --expect /dev/null --save-failures saved --output f >/dev/null; $S report f --failures saved --plots "
          "q "
          "--html page && ls q | grep -c svg && grep -c '<b>scale-stored-narrow</b> reproduces every bit' page"),
      0, "4\n1\n");
}
END_TEST

int main(void) {
  Suite *suite = suite_create("history");
  TCase *tests = tcase_create("history");
  tcase_add_unchecked_fixture(tests, make_runs, remove_folder);
  tcase_set_timeout(tests, 300);
  tcase_add_test(tests, what_goes_in_comes_out);
  tcase_add_test(tests, interrupted_runs_are_marked);
  tcase_add_test(tests, bad_input);
  tcase_add_test(tests, plots_are_drawn);
  tcase_add_test(tests, failures_are_drawn);
  suite_add_tcase(suite, tests);
  return run_suite(suite);
}
