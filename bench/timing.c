#include "samebits/timing.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LEAST_JUDGED = 9, DISCARDED_IN_A_ROW = 20 };
static const double rest_seconds = 0.05;

typedef struct interval {
  double median, low, high;
} interval;

static int by_value(const void *left, const void *right) {
  const double a = *(const double *)left, b = *(const double *)right;
  return (a > b) - (a < b);
}

/* The median of n samples and its 95 % interval: the order statistics n / 2 -+ 0.98 sqrt(n) (the normal approximation
 * of the binomial distribution), the extremes where n is small. */
static interval interval_of(const double *samples, int n) {
  double sorted[SB_TIMING_SAMPLES];
  memcpy(sorted, samples, (size_t)n * sizeof *sorted);
  qsort(sorted, (size_t)n, sizeof *sorted, by_value);
  const double half = 0.98 * sqrt(n);
  int low = (int)floor(0.5 * n - half), high = (int)ceil(0.5 * n + half);
  low = low < 0 ? 0 : low;
  high = high > n - 1 ? n - 1 : high;
  return (interval){n % 2 ? sorted[n / 2] : 0.5 * (sorted[n / 2 - 1] + sorted[n / 2]), sorted[low], sorted[high]};
}

/* The median moved: the halves' intervals do not touch, and the medians are further apart than is asked for. */
static bool drifts(const sb_timing *t, double precision) {
  const int half = t->count / 2;
  if (half < LEAST_JUDGED) return false;
  const interval a = interval_of(t->samples, half), b = interval_of(t->samples + half, t->count - half);
  return (a.high < b.low || b.high < a.low) && fabs(b.median - a.median) > precision * a.median;
}

/* The newest samples are like the others: their median is in the middle half of all. */
static bool settled(const sb_timing *t) {
  double sorted[SB_TIMING_SAMPLES];
  memcpy(sorted, t->samples, (size_t)t->count * sizeof *sorted);
  qsort(sorted, (size_t)t->count, sizeof *sorted, by_value);
  const double recent = interval_of(t->samples + t->count - LEAST_JUDGED, LEAST_JUDGED).median;
  return recent >= sorted[t->count / 4] && recent <= sorted[t->count - 1 - t->count / 4];
}

static void drop_older_half(sb_timing *t) {
  const int half = t->count / 2;
  t->count -= half;
  t->dropped += half;
  memmove(t->samples, t->samples + half, (size_t)t->count * sizeof *t->samples);
}

static bool is_slowed(const sb_timing_policy *p, const sb_sense *s) {
  return s->slowed || (s->hertz > 0 && p->usual_hertz > 0 && s->hertz < p->least_clock * p->usual_hertz);
}

static void note(sb_timing *t, const sb_sense *s) {
  if (t->least_hertz <= 0 || (s->hertz > 0 && s->hertz < t->least_hertz)) t->least_hertz = s->hertz;
  if (s->hertz > t->most_hertz) t->most_hertz = s->hertz;
  if (s->watts > t->most_watts) t->most_watts = s->watts;
  t->last = *s;
}

/* Launches in a sample of a warm cache. */
static sb_status choose_launches(const sb_timed *device, const sb_timing_policy *p, int *launches) {
  double seconds = 0;
  *launches = 1;
  sb_status status = device->launch(device->context, p->cold, 1, &seconds); /* the first also loads the module */
  if (!status) status = device->launch(device->context, p->cold, 1, &seconds);
  if (status || p->cold) return status;
  const double wanted = seconds > 0 ? ceil(p->sample_seconds / seconds) : 32;
  *launches = wanted > 32 ? 32 : wanted < 1 ? 1 : (int)wanted; /* what can be queued before the first one ends */
  return SB_OK;
}

static sb_status take(const sb_timed *device, const sb_timing_policy *p, sb_timing *t, bool *discarded) {
  sb_sense sense = {0};
  double seconds = 0;
  sb_status status = device->launch(device->context, p->cold, t->launches, &seconds);
  if (!status && device->sense) status = device->sense(device->context, &sense);
  if (status) return status;
  if (!(seconds > 0)) return sb_fail(SB_INTERNAL, "a launch took %g seconds: the clock is wrong", seconds);
  *discarded = is_slowed(p, &sense);
  note(t, &sense);
  if (*discarded)
    t->discarded++;
  else
    t->samples[t->count++] = seconds / t->launches;
  return SB_OK;
}

static sb_status conclude(const sb_timing_policy *p, sb_timing *t) {
  if (t->count < LEAST_JUDGED && t->discarded) t->end = SB_TIMING_THROTTLED;
  if (t->count == 0) return SB_OK;
  const interval i = interval_of(t->samples, t->count);
  t->median = i.median, t->low = i.low, t->high = i.high;
  if (p->bytes <= 0 || p->bytes_per_second <= 0) return SB_OK;
  t->share_of_peak = (double)p->bytes / t->median / p->bytes_per_second;
  if (p->cold && t->share_of_peak > 1)
    return sb_fail(SB_INTERNAL,
                   "%lld bytes in %g s are %.1f %% of the memory's %g GB/s: what was measured is not what was meant",
                   (long long)p->bytes, t->median, 100 * t->share_of_peak, p->bytes_per_second * 1e-9);
  return SB_OK;
}

sb_status sb_time(const sb_timed *device, const sb_timing_policy *p, sb_timing *t) {
  *t = (sb_timing){.end = SB_TIMING_NOISY};
  const double begin = device->now(device->context);
  const int most = p->most < SB_TIMING_SAMPLES ? p->most : SB_TIMING_SAMPLES;
  int in_a_row = 0;
  bool drifting = false;
  sb_status status = choose_launches(device, p, &t->launches);
  if (!status && device->sense) status = device->sense(device->context, &t->first);
  for (int taken = 0; !status && taken < most && device->now(device->context) - begin < p->seconds; taken++) {
    bool discarded = false;
    status = take(device, p, t, &discarded);
    in_a_row = discarded ? in_a_row + 1 : 0;
    if (discarded && device->rest) device->rest(device->context, rest_seconds);
    if (in_a_row == DISCARDED_IN_A_ROW) {
      t->end = SB_TIMING_THROTTLED;
      break;
    }
    if (status || discarded || t->count < p->least || t->count % 2) continue;
    drifting = drifts(t, p->precision);
    if (drifting) {
      drop_older_half(t);
      continue;
    }
    const interval i = interval_of(t->samples, t->count);
    if (0.5 * (i.high - i.low) > p->precision * i.median || t->count < LEAST_JUDGED || !settled(t)) continue;
    t->end = SB_TIMING_PRECISE;
    break;
  }
  if (!status && t->end == SB_TIMING_NOISY && (drifting || drifts(t, p->precision))) t->end = SB_TIMING_DRIFTING;
  return status ? status : conclude(p, t);
}
