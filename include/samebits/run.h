/* A run on disk: JSON lines, each flushed as it ends. */
#ifndef SAMEBITS_RUN_H
#define SAMEBITS_RUN_H

#include "samebits/bench.h"
#include "samebits/check.h"
#include "samebits/predict.h"
#include "samebits/select.h"
#include <stdio.h>

typedef struct sb_run_writer sb_run_writer;

extern const char sb_run_git[]; /* the commit that this was built from; "" where not known */

/* Writes to `path` ("-": standard output; NULL: nowhere) and, where `echo`, to standard output too. SB_FILE. */
sb_status sb_run_writer_open(const char *path, bool echo, sb_run_writer **writer);

/* Goes on with a run that was interrupted, behind its first `whole` bytes (sb_run_file.whole). */
sb_status sb_run_writer_append(const char *path, size_t whole, bool echo, sb_run_writer **writer);
sb_status sb_run_writer_close(sb_run_writer *writer); /* NULL is allowed */

/* {"type":"run", device record, version, git, host, time} */
sb_status sb_run_write_header(sb_run_writer *writer, const sb_device *device);

/* The same with "selection": {"whole", "recipe" ... "dtype" as given, "shard": [i, n]}. `whole`: all cases of these
 * words, but for the shard. */
sb_status sb_run_write_header_of(sb_run_writer *writer, const sb_device *device, const sb_selection *selection,
                                 bool whole);

/* {"type":"case","case","status","mechanisms","reason","elements","different","digests","repro","seconds"}; `taken`:
 * the case with the path that the device takes in its place ("as", where it is another). */
sb_status sb_run_write_case(sb_run_writer *writer, const sb_case *c, const sb_case *taken, const sb_result *result,
                            const char *repro);

/* {"type":"bench","case","seconds","samples","items_per_second","bytes_per_second","copy_fraction","digests"}: seconds
 * of one call, the median and each repetition. The copy baseline has "copy/BYTES" for its case, cuBLAS "cublas/...".
 * With `gpu` also "timing": {"cold", "hot", "peak_bytes_per_second", "sensors"}; the seconds are those of the cold
 * cache. */
sb_status sb_run_write_bench(sb_run_writer *writer, const sb_bench_result *result);

/* A line of type bench with "predicted": true, no samples, the "product" whose published figures it supposes, what
 * bounds it, and exact "counters". */
sb_status sb_run_write_prediction(sb_run_writer *writer, const sb_case *c, const sb_prediction *prediction);

/* {"type":"summary","cases","statuses","exit"}; `problems`: what made the run fail beside its cases (rows and cells),
 * may be NULL. */
sb_status sb_run_write_summary(sb_run_writer *writer, const int64_t statuses[SB_CASE_STATUSES], int exit_code,
                               const char *const *problems, int problem_count);

/* The same line into an open file. */
sb_status sb_run_print_summary(FILE *to, const int64_t statuses[SB_CASE_STATUSES], int exit_code,
                               const char *const *problems, int problem_count);

/* The shell line that re-creates the case's bits and its verdict: the options of the run that they depend on. Threads
 * and processes are none of them. */
typedef struct sb_repro_options {
  const char *input, *kernels;    /* files, NULL: none */
  const char *contracts, *expect; /* a folder, the file of known divergences; NULL: none, the device's own */
  double timeout;                 /* seconds, 0: none; of what was TIMEOUT */
  int repeat;                     /* times, 0: once */
  bool lift_gates;
} sb_repro_options;
enum { SB_REPRO_TEXT = 2048 };
const char *sb_repro(const sb_case *c, const sb_repro_options *options, char text[SB_REPRO_TEXT]);

#endif
