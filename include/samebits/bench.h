/* Throughput of the reference, measured by Google Benchmark, with the bits verified in the same run. */
#ifndef SAMEBITS_BENCH_H
#define SAMEBITS_BENCH_H

#include "samebits/case.h"
#include "samebits/compare.h"

/* The figures of one case, or of the copy baseline (item -1): medians over the repetitions, by the CPU time of the
 * thread where there is one, by wall-clock time where there are more.
 *   bytes_per_second = (bytes of every tensor read or written in one call) / seconds
 *   copy_fraction    = bytes_per_second / that of memcpy from one warm buffer of x's size to another, same threads,
 * same run (read + written) `samples`: the seconds of each repetition. `digests`: of what the timed call wrote, ""
 * where there is none. */
typedef struct sb_bench_result {
  int item;
  const char *name;
  double seconds, items_per_second, bytes_per_second, copy_fraction;
  const double *samples;
  int sample_count;
  const char (*digests)[SB_DIGEST_TEXT];
  const struct sb_bench_gpu_figures *gpu; /* of a device with a CUDA driver; NULL: none */
} sb_bench_result;
typedef void sb_bench_on_result(void *context, const sb_bench_result *result);

typedef struct sb_bench_options {
  int threads; /* 0: one a core */
  sb_isa isa;
  int repetitions;
  bool interleave;    /* repetitions of all cases in random order */
  double min_seconds; /* of a repetition */
  bool json;          /* Google Benchmark's JSON on standard output */
  sb_bench_on_result *on_result;
  void *context;
} sb_bench_options;

/* How it ended. A failed item has no figures; its message went to on_failure's place, standard error. */
typedef struct sb_bench_summary {
  int ran, failed, broken; /* failed: other bits; broken: no memory, or the like */
  int unstable;            /* no figure: the device was slowed all the time */
} sb_bench_summary;

/* Times every case (step BOTH and the fill `file` excepted: SB_USAGE). The timed call fills every tensor that the step
 * yields (scale, zero_point, codes, output, ...); before the loop they are poisoned, after it they are compared bit by
 * bit with what the portable instruction set gives on one thread, and an item whose bits differ, or whose guards around
 * a tensor were overwritten, fails. */
sb_status sb_bench_run(const sb_case *cases, int count, const sb_bench_options *options, sb_bench_summary *summary);

#endif
