/* Google Benchmark behind a C interface: it owns the loop, the clock, the repetitions and the JSON. */
#ifndef SAMEBITS_BENCH_SHIM_H
#define SAMEBITS_BENCH_SHIM_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sb_gb_state sb_gb_state;

/* One benchmark: sets up, loops `while (sb_gb_keep_running(state))` around what is timed, then sets its counters. */
typedef void sb_gb_body(void *context, sb_gb_state *state);

/* True while the timed loop should go on. */
bool sb_gb_keep_running(sb_gb_state *state);

/* Ends the benchmark as failed; `message` is copied. No timed loop may follow. */
void sb_gb_fail(sb_gb_state *state, const char *message);

/* What one iteration processed: Google Benchmark turns them into items_per_second and
 * bytes_per_second. */
void sb_gb_processed(sb_gb_state *state, int64_t items, int64_t bytes);

/* A counter that is reported as `per_iteration` times iterations divided by the time of the loop. */
void sb_gb_rate(sb_gb_state *state, const char *name, double per_iteration);

/* A counter that is reported as it is. */
void sb_gb_value(sb_gb_state *state, const char *name, double value);

/* Adds a benchmark to the run; `context` must live until the run ends. What counts is wall-clock time, or, for work
 * that stays in the calling thread, that thread's CPU time: what else the machine does then counts less. false: no
 * memory. */
bool sb_gb_register(const char *name, sb_gb_body *body, void *context, bool cpu_time);

/* A benchmark that is run once and says itself how long it took: once in its loop, by sb_gb_seconds. false: no memory.
 */
bool sb_gb_register_timed(const char *name, sb_gb_body *body, void *context);
void sb_gb_seconds(sb_gb_state *state, double seconds);

/* One finished run: a repetition, or an aggregate ("median") over the repetitions. */
typedef struct sb_gb_result {
  const char *name;      /* as registered */
  const char *aggregate; /* "" for a repetition */
  const char *error;     /* NULL if none */
  double seconds;        /* one iteration */
  double items_per_second, bytes_per_second;
  double (*counter)(const struct sb_gb_result *result, const char *name); /* 0 where there is none */
  const void *run;
} sb_gb_result;
typedef void sb_gb_on_result(void *context, const sb_gb_result *result);

typedef struct sb_gb_options {
  int repetitions;
  bool interleave;    /* of all benchmarks in random order */
  double min_seconds; /* of each repetition */
  bool json;          /* Google Benchmark's JSON on standard output */
  sb_gb_on_result *on_result;
  void *context;
} sb_gb_options;

/* "key": "value" in the context of the JSON. false: no memory. */
bool sb_gb_note(const char *key, const char *value);

/* Runs everything that is registered, then forgets it. Returns how many benchmarks ran, or -1 where the library refused
 * its options or threw. */
int sb_gb_run(const sb_gb_options *options);

#ifdef __cplusplus
}
#endif
#endif
