/* A history of runs in an SQLite file, by device, toolchain and commit. */
#ifndef SAMEBITS_HISTORY_H
#define SAMEBITS_HISTORY_H

#include "samebits/run_file.h"
#include <stdio.h>

typedef struct sb_history sb_history;

/* Opens the file; where there is none it is made, unless `must_exist`. SB_FILE: it is no history, or of a newer form.
 */
sb_status sb_history_open(const char *path, bool must_exist, sb_history **history);
void sb_history_close(sb_history *history); /* NULL is allowed */

/* Adds the run of each device of a file, all or (on any failure) none. *added: how many were not there already; the
 * same lines are the same run. */
sb_status sb_history_add(sb_history *history, const sb_run_file *run, int *added);

typedef struct sb_history_run {
  int64_t id;
  const char *device, *toolchain, *git, *time;
  int64_t passed, expected, other, timed; /* cases */
  bool complete;
} sb_history_run;
typedef void sb_on_history_run(void *context, const sb_history_run *run);

/* The runs, oldest first; `device` NULL: all. */
sb_status sb_history_list(sb_history *history, const char *device, sb_on_history_run *on, void *context);

typedef struct sb_history_point {
  sb_history_run run; /* without its counts */
  const char *text, *status;
  bool bench;
  const char *digests; /* of all tensors, as JSON */
  double q1, median, q3, bytes_per_second, roofline;
  int64_t samples;
} sb_history_point;
typedef void sb_on_history_point(void *context, const sb_history_point *point);

/* What became of the cases that a glob matches, by case, then by time. */
sb_status sb_history_show(sb_history *history, const char *glob, sb_on_history_point *on, void *context);

/* Writes a run as it was: lines for compare, report and merge. SB_USAGE: no such run. */
sb_status sb_history_write(sb_history *history, int64_t id, FILE *to);

#endif
