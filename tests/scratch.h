/* A folder of its own for the files of a suite: tcase_add_unchecked_fixture(tests, make_folder, remove_folder). */
#ifndef SAMEBITS_TESTS_SCRATCH_H
#define SAMEBITS_TESTS_SCRATCH_H

#include "tests/suite.h"

#include <limits.h>
#include <stdio.h>
#include <unistd.h>

static char folder[] = "/tmp/samebits-test-XXXXXX";

static inline void make_folder(void) { ck_assert_ptr_nonnull(mkdtemp(folder)); }

static inline void remove_folder(void) {
  char command[128];
  snprintf(command, sizeof command, "rm -rf %s", folder);
  ck_assert_int_eq(system(command), 0);
}

/* The path of a file there, valid until the next call. */
static inline const char *in_folder(const char *name) {
  static char path[PATH_MAX];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  return path;
}

#endif
