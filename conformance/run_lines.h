/* A run in memory, made line by line. Private to conformance/. */
#ifndef SAMEBITS_CONFORMANCE_RUN_LINES_H
#define SAMEBITS_CONFORMANCE_RUN_LINES_H

#include "samebits/run_file.h"

/* An empty run; it is to be closed even where this fails. */
sb_status sb_run_file_new(const char *path, sb_run_file **file);

/* Adds a line, which the run keeps. `number` is for messages. */
sb_status sb_run_file_add(sb_run_file *file, struct json_t *line, int number);

#endif
