/* samebits expect: rows for what a run's failures are explained by, and against rows that are out of date. */
#include "tests/shell.h"

/* A divergence that nothing expected becomes a row with its mechanism, shown first and written on request; with the row
 * the same cases are EXPECTED; a row that the run called out of date goes, comments stay. */
START_TEST(rows_come_and_go) {
#define CHECK                                                                                                          \
  "$S check --recipe int4-weight-only --flavor torchao-0.18-cpu,aligned --dtype bf16 --step both --shape 4x256 "       \
  "--fill "                                                                                                            \
  "normal --expect $D/rows "
  ck_assert_int_eq(
      shell("printf '# kept\\nint4-weight-only/weight/both@aligned/* add-before-round link 2026-01-01\\n' >$D/rows"),
      0);
  expect(shell(CHECK "--save-failures $D/saved --output $D/part; sed 's/\"problems\":\\[[^]]*\\]/\"problems\":[\"XPASS "
                     "int4-weight-only\\/weight\\/both@aligned\\/*: all of its 1 cases are exact\"]/' $D/part >$D/run"),
         0, "1 FAIL");
  expect(shell("$S expect $D/run --failures $D/saved --file $D/rows"), 1,
         "\n+int4-weight-only/weight/both@torchao-0.18-cpu/bf16/*/normal:* scale-stored-narrow LINK ");
  ck_assert_ptr_nonnull(strstr(output, "\n-int4-weight-only/weight/both@aligned/* add-before-round link 2026-01-01\n"));
  expect(shell("$S expect $D/run --failures $D/saved --file $D/rows --write"), 2, "--link is needed");
  expect(shell("grep -c . $D/rows"), 0, "2\n");
  const int wrote = shell("$S expect $D/run --failures $D/saved --file $D/rows --write --link https://example.org/1; "
                          "R=$?; cat $D/rows; exit $R");
  ck_assert_msg(wrote == 0 && strstr(output, "# kept") && strstr(output, "scale-stored-narrow https://example.org/1"),
                "%d: %s", wrote, output);
  ck_assert_int_eq(shell("grep -q '@aligned' $D/rows"), 1);
  expect(shell(CHECK), 0, "1 PASS, 1 EXPECTED");
}
END_TEST

/* Bad input is one line and its exit code; a failure without its file is not explained, and no row is made of it. */
START_TEST(bad_input) {
  expect(shell("$S expect"), 2, "are needed");
  expect(shell("$S expect a b --failures c"), 2, "is another");
  expect(shell("$S expect none --failures c"), 3, "cannot open");
  expect(shell("$S expect README.md --failures c"), 3, "README.md");
  expect(shell("$S expect $D/run --failures $D/nothing --file $D/other"), 3, "cannot open the folder of failures");
  expect(shell("mkdir $D/empty; $S expect $D/run --failures $D/empty --file $D/other"), 1, "it was not saved in");
  ck_assert_ptr_null(strstr(output, "\n+int4"));
  expect(shell("$S expect $D/run --failures $D/saved --file $D/no/where --write --link l"), 3, "cannot write");
}
END_TEST

int main(void) {
  Suite *suite = suite_create("expect");
  TCase *tests = tcase_create("expect");
  tcase_add_unchecked_fixture(tests, make_folder, remove_folder);
  tcase_set_timeout(tests, 300);
  tcase_add_test(tests, rows_come_and_go);
  tcase_add_test(tests, bad_input);
  suite_add_tcase(suite, tests);
  return run_suite(suite);
}
