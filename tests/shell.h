/* Shell lines in a folder of the suite's own, and what they print. SHELL_SETUP, defined before this is included, is
 * shell text that goes before every line: variables, or another folder to stand in. */
#ifndef SAMEBITS_TESTS_SHELL_H
#define SAMEBITS_TESTS_SHELL_H

#include "tests/scratch.h"

#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>

#ifndef SHELL_SETUP
#define SHELL_SETUP ""
#endif

static char output[1 << 16];

/* Runs a line in the project's folder, with $S the program and $D the suite's folder, into `output`; its exit code, 128
 * and the signal where one ended it. */
static inline int shell(const char *format, ...) __attribute__((format(printf, 1, 2)));
static inline int shell(const char *format, ...) {
  char line[3072], command[4096];
  va_list list;
  va_start(list, format);
  vsnprintf(line, sizeof line, format, list);
  va_end(list);
  snprintf(command, sizeof command, "cd '%s' && S='%s/samebits' D='%s' && { %s%s; } 2>&1", SAMEBITS_SOURCE_DIR,
           SAMEBITS_BINARY_DIR, folder, SHELL_SETUP, line);
  FILE *pipe = popen(command, "r");
  ck_assert_ptr_nonnull(pipe);
  output[fread(output, 1, sizeof output - 1, pipe)] = 0;
  const int status = pclose(pipe);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static inline void expect(int code, int expected, const char *part) {
  ck_assert_msg(code == expected && strstr(output, part), "exit %d, expected %d with '%s':\n%s", code, expected, part,
                output);
}

#endif
