/* Throughput of the reference, measured by Google Benchmark, with the bits verified in the same run. */
#ifndef SAMEBITS_BENCH_H
#define SAMEBITS_BENCH_H

#include "samebits/recipe.h"

/* One computation to time, on random values N(0, 1) from `seed` (activation: with outlier columns; nothing
 * compressible). */
typedef struct sb_bench_item {
  sb_spec spec;
  int64_t rows, cols;
  uint64_t seed;
} sb_bench_item;

/* The figures of one item, or of the copy baseline (item -1): medians over the repetitions, by the CPU time of the
 * thread where there is one, by wall-clock time where there are more. bytes_per_second = (bytes of every tensor read or
 * written in one call) / seconds copy_fraction    = bytes_per_second / that of memcpy from one warm buffer of x's size
 * to another, same threads, same run (read + written) */
typedef struct sb_bench_result {
  int item;
  const char *name;
  double seconds, items_per_second, bytes_per_second, copy_fraction;
} sb_bench_result;
typedef void sb_bench_on_result(void *context, const sb_bench_result *result);

typedef struct sb_bench_options {
  int threads; /* 0: one a core */
  sb_isa isa;
  int repetitions;
  double min_seconds; /* of a repetition */
  bool json;          /* Google Benchmark's JSON on standard output */
  sb_bench_on_result *on_result;
  void *context;
} sb_bench_options;

/* How it ended. A failed item has no figures; its message went to on_failure's place, standard error. */
typedef struct sb_bench_summary {
  int ran, failed;
} sb_bench_summary;

/* Times every item. The timed call fills every tensor that the step yields (scale, zero_point, codes, output, ...);
 * before the loop they are poisoned, after it they are compared bit by bit with what the portable instruction set gives
 * on one thread, and an item whose bits differ, or whose guards around a tensor were overwritten, fails. */
sb_status sb_bench_run(const sb_bench_item *items, int count, const sb_bench_options *options,
                       sb_bench_summary *summary);

/* "recipe/side/step@flavor[+variant]/dtype/ROWSxCOLS:gN/normal:SEED": the item as a canonical case. Returns `text`. */
enum { SB_BENCH_NAME = 256 };
const char *sb_bench_name(const sb_bench_item *item, char text[SB_BENCH_NAME]);

#endif
