/* The folder of whole checkpoints, for the suites that have nothing to run on without it. */
#ifndef SAMEBITS_TESTS_CAPTURED_MODELS_H
#define SAMEBITS_TESTS_CAPTURED_MODELS_H

#include "samebits/safetensors.h"
#include "tests/suite.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

enum { SKIPPED = 77 }; /* the exit code of a suite that did not run */

/* NULL, and a line that says so, where SAMEBITS_MODELS is not set. */
static inline const char *captured_models(void) {
  const char *folder = getenv("SAMEBITS_MODELS");
  if (folder && *folder) return folder;
  puts("skipped: SAMEBITS_MODELS names no folder of captured checkpoints");
  return NULL;
}

/* One of the folder's safetensors files. */
static inline sb_safetensors *open_captured(const char *models, const char *name) {
  char path[PATH_MAX];
  sb_safetensors *file;
  snprintf(path, sizeof path, "%s/%s", models, name);
  sb_ok(sb_safetensors_open(path, &file));
  return file;
}

#endif
