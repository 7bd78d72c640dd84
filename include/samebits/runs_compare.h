/* Comparison of two runs: which bits changed, and which speeds. */
#ifndef SAMEBITS_RUNS_COMPARE_H
#define SAMEBITS_RUNS_COMPARE_H

#include "samebits/run_file.h"

typedef enum sb_bits_verdict { SB_BITS_SAME, SB_BITS_CHANGED, SB_BITS_NO_DATA, SB_BITS_VERDICTS } sb_bits_verdict;
typedef enum sb_speed_verdict {
  SB_SPEED_SAME,
  SB_SPEED_FASTER,
  SB_SPEED_SLOWER,
  SB_SPEED_AMBIGUOUS,
  SB_SPEED_NO_DATA,
  SB_SPEED_VERDICTS
} sb_speed_verdict;
extern const char *const sb_bits_verdict_names[SB_BITS_VERDICTS], *const sb_speed_verdict_names[SB_SPEED_VERDICTS];

typedef enum sb_normalise { SB_NORMALISE_AUTO, SB_NORMALISE_ALWAYS, SB_NORMALISE_NEVER } sb_normalise;

/* A field that is 0 takes its default. */
typedef struct sb_runs_options {
  double alpha;  /* 0.005: how probable any wrong FASTER or SLOWER of the whole comparison may be */
  double effect; /* 0.02: the least change of the median that counts */
  double widest; /* 0.10: medians known no better than this (at 99 %) are AMBIGUOUS: SAME would say nothing */
  int least;     /* 9: samples without which there is no verdict */
  sb_normalise normalise;
} sb_runs_options;

/* With so many samples a side and a noise of at most SB_RUNS_NOISE (standard deviation over median), a slowdown of 3 %
 * is found at least 95 times in 100, among 20 cases (tests/test_compare_runs.c simulates it). */
enum { SB_RUNS_SAMPLES = 20 };
#define SB_RUNS_NOISE 0.01

/* One case of the two runs; either may be NULL. Of a bench both verdicts are given, of a check only the bits'. */
typedef struct sb_runs_pair {
  const sb_run_entry *old, *new;
  bool lost;            /* it had bits or times, and has none now */
  bool bench, baseline; /* baseline: the yardstick of a bench; its speed tells of the machine and is not judged */
  sb_bits_verdict bits;
  char tensors[160]; /* those whose digests differ, joined by ", " */
  sb_speed_verdict speed;
  bool normalised, predicted; /* times relative to each run's roofline; computed and not measured */
  int old_samples, new_samples;
  double old_median, new_median; /* seconds a call; normalised: times the least time that the roofline allows */
  double old_q1, old_q3, new_q1, new_q3;
  bool separate;      /* all samples of one are below all of the other */
  double ratio;       /* of the medians, new over old */
  double p;           /* of the direction that the medians have, after Holm's correction; 1: not tested */
  double resolution;  /* half the 99 % interval of the ratio */
  char why[200];      /* of AMBIGUOUS and NO DATA */
  char counters[400]; /* exact counts that differ: "thread_instructions 100 -> 90, ..." */
} sb_runs_pair;

typedef struct sb_runs {
  int count;
  sb_runs_pair *pairs; /* by case, checks first */
  bool normalised;
  int bits[SB_BITS_VERDICTS], speeds[SB_SPEED_VERDICTS]; /* of pairs that are not baselines */
  int appeared, lost;                                    /* only in new; with bits or times only in old */
  int untimed;                                           /* in both, without a verdict on speed */
  int counters_changed;
} sb_runs;

/* Pairs the cases by their text; where each run is of one device, and not the same, by their text without the device.
 *
 * A case's bits are SAME where both have digests of the same tensors and all are equal. FASTER and SLOWER need all of:
 * the median changed by at least `effect`; the interquartile intervals do not touch; the one-sided test of Mann and
 * Whitney is significant after Holm's correction over both directions of all cases. AMBIGUOUS: some say so and others
 * do not. Between two devices, times are first multiplied by the device's roofline (bytes a second of its yardstick)
 * over the bytes of the case. What is predicted from counters is compared by its value. */
sb_status sb_runs_compare(const sb_run_file *old, const sb_run_file *new, const sb_runs_options *options,
                          sb_runs **runs);
void sb_runs_free(sb_runs *runs);

#endif
