/* Several runs put together: shards, interrupted runs and what completed them, devices. */
#ifndef SAMEBITS_RUNS_MERGE_H
#define SAMEBITS_RUNS_MERGE_H

#include "samebits/check.h"
#include "samebits/run_file.h"
#include <stdio.h>

typedef struct sb_merge_report {
  int conflicts;  /* cases that two runs of one device gave other bits or another verdict */
  int unfinished; /* devices of which some part was never finished: a shard that is missing, a run that was killed */
  char text[400]; /* the first of them, in one line */
} sb_merge_report;

/* One run of all: a header for each device, each case once. Of a case that two runs hold, one with bits wins over one
 * without (it crashed, and ran later), then the later; where both have bits they must be the same
 * (`report->conflicts`). SB_INVALID: one device's runs are of different builds or hardware. The result has no summary.
 */
sb_status sb_runs_merge(sb_run_file *const *files, int count, sb_run_file **merged, sb_merge_report *report);

/* Writes headers and cases. Canonical: sorted by case, keys sorted, without what depends on when, where and how fast:
 * times, samples, host, threads, cores, isa. SB_FILE. */
sb_status sb_run_file_write(const sb_run_file *file, bool canonical, FILE *to);

/* What check had of a case, from its line: for a run that goes on. An EXPECTED case is FAIL again. */
void sb_run_replay(const sb_run_entry *entry, sb_result *result);

/* Whether a run made these cases all, or all but for other shards, of the words of its selection. */
bool sb_run_whole(const sb_run_header *header);
/* "" or the comma list that was given for recipe, side, step, flavor, dtype. */
const char *sb_run_selection(const sb_run_header *header, const char *word);

#endif
