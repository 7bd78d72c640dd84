/* Checkpoints of a suite's own, written file by file, and what inspect refuses of them. */
#ifndef SAMEBITS_TESTS_MODEL_FILES_H
#define SAMEBITS_TESTS_MODEL_FILES_H

#include "samebits/safetensors.h"
#include "tests/command_line.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static inline void write_text(const char *name, const char *text) {
  FILE *file = fopen(in_folder(name), "w");
  ck_assert_ptr_nonnull(file);
  fputs(text, file);
  fclose(file);
}

/* FOLDER/m with model.safetensors and, where `config` is given, config.json. */
static inline sb_safetensors_writer *begin_model(const char *config) {
  char command[128];
  snprintf(command, sizeof command, "rm -rf %s/m", folder);
  ck_assert_int_eq(system(command), 0);
  ck_assert_int_eq(mkdir(in_folder("m"), 0777), 0);
  if (config) write_text("m/config.json", config);
  sb_safetensors_writer *writer;
  sb_ok(sb_safetensors_writer_new(&writer));
  return writer;
}

static inline void put(sb_safetensors_writer *writer, const char *name, sb_format format, int64_t rows_, int64_t cols) {
  static char zeros[1 << 16];
  sb_tensor tensor = sb_tensor_2d(format, rows_, cols);
  tensor.data = zeros;
  sb_ok(sb_safetensors_put(writer, name, &tensor));
}

static inline void end_model(sb_safetensors_writer *writer) {
  sb_ok(sb_safetensors_write(writer, in_folder("m/model.safetensors")));
  sb_safetensors_writer_free(writer);
}

/* One line that says why, and the exit code. */
static inline void expect_refusal(int exit_code, const char *part, const char *path) {
  const answer *a = run("model inspect %s/%s", folder, path);
  expect_answer(a, exit_code, part, path);
  ck_assert_msg(a->error_lines == 1, "%s: %d lines of error: %s", path, a->error_lines, a->text);
}

#endif
