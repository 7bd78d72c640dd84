/* Timing of device work: samples until they say enough, and no figure that the device's state makes worthless. What is
 * timed comes through an interface: a GPU's (sb_bench_device), or a test's with a clock, noise and throttling of its
 * own. */
#ifndef SAMEBITS_TIMING_H
#define SAMEBITS_TIMING_H

#include <stdbool.h>
#include <stdint.h>

#include "samebits/status.h"

/* The state of the device; 0: not known. */
typedef struct sb_sense {
  double hertz, memory_hertz; /* clocks now, of the processors and of the memory */
  double watts, celsius;
  bool slowed; /* the device says that heat or power is slowing it */
} sb_sense;

typedef struct sb_timed {
  void *context;
  /* One sample: one launch with a cold cache, or `launches` of them in a row with a warm one; the seconds of all. */
  sb_status (*launch)(void *context, bool cold, int launches, double *seconds);
  sb_status (*sense)(void *context, sb_sense *now); /* NULL: nothing is known */
  double (*now)(void *context);                     /* seconds, of any origin */
  void (*rest)(void *context, double seconds);      /* leaves the device alone for a while */
} sb_timed;

/* A sample is discarded where the device is slowed, or its clock is below least_clock of its usual one; the device then
 * rests. Sampling ends when the median is known to `precision` (half of its 95 % interval by order statistics,
 * relative) and is no other in the second half of the samples than in the first; or at `most` samples or `seconds`.
 * Where the halves differ (warming up, drifting) the older half is dropped. */
typedef struct sb_timing_policy {
  bool cold;
  int least, most;         /* samples; most at most SB_TIMING_SAMPLES */
  double seconds;          /* of the clock */
  double precision;        /* 0.005 */
  double least_clock;      /* 0.75 */
  double usual_hertz;      /* 0: not known */
  double sample_seconds;   /* with a warm cache: a sample has as many launches as take this long */
  int64_t bytes;           /* that a launch moves at the least; 0: not known */
  double bytes_per_second; /* the most that the device's memory can move; 0: not known */
} sb_timing_policy;

enum { SB_TIMING_SAMPLES = 1000 };

typedef enum sb_timing_end {
  SB_TIMING_PRECISE,   /* the median is known as well as was asked for */
  SB_TIMING_NOISY,     /* the samples or the time ran out before */
  SB_TIMING_DRIFTING,  /* they ran out while the median still moved */
  SB_TIMING_THROTTLED, /* no sample, or too few, was left */
  SB_TIMING_ENDS
} sb_timing_end;
extern const char *const sb_timing_ends[SB_TIMING_ENDS]; /* "precise", ... */

typedef struct sb_timing {
  double samples[SB_TIMING_SAMPLES]; /* seconds of a launch, in the order in which they were taken */
  int count, discarded, dropped, launches;
  double median, low, high; /* and its 95 % interval */
  sb_timing_end end;
  sb_sense first, last;
  double least_hertz, most_hertz, most_watts; /* over the samples */
  double share_of_peak;                       /* bytes / median / bytes_per_second; 0: not known */
} sb_timing;

/* SB_INTERNAL: more than all of the device's bandwidth, which a cold cache cannot give: the harness measured something
 * else. Else what `launch` and `sense` return. A result that ended otherwise than PRECISE is no error: `end` says so.
 */
sb_status sb_time(const sb_timed *device, const sb_timing_policy *policy, sb_timing *timing);

#endif
