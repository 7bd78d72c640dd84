/* What the suites share: `sb_ok(sb_f(...))` checks a call and shows its message; a program's main returns
 * run_suite(suite). */
#ifndef SAMEBITS_TESTS_SUITE_H
#define SAMEBITS_TESTS_SUITE_H

#include "samebits/status.h"
#include <check.h>
#include <stdlib.h>

/* For checks in their millions: ck_assert notes its place even where it holds. */
#define sb_holds(condition, ...)                                                                                       \
  do {                                                                                                                 \
    if (!(condition)) ck_abort_msg(__VA_ARGS__);                                                                       \
  } while (0)

#define sb_ok(call) ck_assert_msg((call) == SB_OK, "%s: %s", #call, sb_message())

static inline int run_suite(Suite *suite) {
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner), ran = srunner_ntests_run(runner);
  srunner_free(runner);
  return failed == 0 && ran > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif
