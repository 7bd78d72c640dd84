/* Running samebits as a user does, and looking at what it says. */
#ifndef SAMEBITS_TESTS_COMMAND_LINE_H
#define SAMEBITS_TESTS_COMMAND_LINE_H

#include "tests/scratch.h"

#include <stdarg.h>
#include <sys/wait.h>

typedef struct answer {
  int exit_code;
  char text[1 << 16]; /* standard output, then standard error */
  int error_lines;
} answer;

/* Runs `samebits ARGUMENTS` in the project's folder. */
static inline answer *run(const char *format, ...) __attribute__((format(printf, 1, 2)));
static inline answer *run(const char *format, ...) {
  static answer a;
  char arguments[2048], command[4096];
  va_list list;
  va_start(list, format);
  vsnprintf(arguments, sizeof arguments, format, list);
  va_end(list);
  snprintf(command, sizeof command, "cd '%s' && '%s/samebits' %s 2>'%s/stderr'", SAMEBITS_SOURCE_DIR,
           SAMEBITS_BINARY_DIR, arguments, folder);
  FILE *pipe = popen(command, "r");
  ck_assert_ptr_nonnull(pipe);
  size_t size = fread(a.text, 1, sizeof a.text - 4096, pipe);
  while (fgetc(pipe) != EOF) continue;
  int status = pclose(pipe);
  a.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  FILE *errors = fopen(in_folder("stderr"), "r");
  size_t more = fread(a.text + size, 1, 4000, errors);
  fclose(errors);
  a.text[size + more] = 0;
  a.error_lines = 0;
  for (char *at = a.text + size; *at; at++) a.error_lines += *at == '\n';
  return &a;
}

static inline void expect_answer(const answer *a, int exit_code, const char *part, const char *what) {
  ck_assert_msg(a->exit_code == exit_code && strstr(a->text, part), "%s: exit %d, expected %d with '%s':\n%s", what,
                a->exit_code, exit_code, part, a->text);
}

#endif
