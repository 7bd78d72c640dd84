/* The timing of device work against a fake device and a fake clock, whose true time, noise, drift and throttling are
 * known. */
#include "samebits/timing.h"
#include "tests/suite.h"

#include <math.h>

/* A device of `seconds` a launch, whose clock runs only while it works or rests. */
typedef struct fake {
  double clock;
  uint64_t state;
  double seconds, noise;                /* the standard deviation over the time */
  double drift;                         /* what a second of the clock adds, relative */
  double warm_up;                       /* the first seconds take twice as long */
  double throttled_from, throttled_for; /* by the clock: half the speed, and it says so (or its clock alone does) */
  bool silent;                          /* the device does not say that it is slowed; its clock tells */
  double recovers;                      /* resting this long ends the throttling */
  double rested, cold_penalty;
  int launches, cold_launches, fails_at;
} fake;

static double uniform(fake *f) {
  f->state = f->state * 6364136223846793005u + 1442695040888963407u;
  return ((double)(f->state >> 11) + 0.5) * 0x1p-53;
}

static bool throttled(const fake *f) {
  return f->throttled_for > 0 && f->clock >= f->throttled_from && f->clock < f->throttled_from + f->throttled_for &&
         (f->recovers <= 0 || f->rested < f->recovers);
}

static sb_status launch(void *context, bool cold, int launches, double *seconds) {
  fake *f = context;
  *seconds = 0;
  for (int i = 0; i < launches; i++) {
    const double normal = sqrt(-2 * log(uniform(f))) * cos(6.283185307179586 * uniform(f));
    double one = f->seconds * (1 + f->noise * normal) * (1 + f->drift * f->clock);
    if (f->clock < f->warm_up) one *= 2;
    if (throttled(f)) one *= 2;
    if (cold) one *= 1 + f->cold_penalty;
    *seconds += one;
    f->launches++;
    f->cold_launches += cold;
    if (f->launches == f->fails_at) return sb_fail(SB_DEVICE, "the fake device fell off the bus");
  }
  f->clock += *seconds + 1e-4;
  return SB_OK;
}

static sb_status sense(void *context, sb_sense *now) {
  const fake *f = context;
  *now = (sb_sense){.hertz = throttled(f) ? 0.9e9 : 1.8e9, .watts = 300, .slowed = throttled(f) && !f->silent};
  return SB_OK;
}

static double now(void *context) { return ((fake *)context)->clock; }
static void rest(void *context, double seconds) {
  fake *f = context;
  f->clock += seconds;
  f->rested += seconds;
}

static const sb_timing_policy usual = {.cold = true,
                                       .least = 20,
                                       .most = 1000,
                                       .seconds = 60,
                                       .precision = 0.005,
                                       .least_clock = 0.75,
                                       .usual_hertz = 1.8e9,
                                       .sample_seconds = 1e-3,
                                       .bytes = 1000000,
                                       .bytes_per_second = 2e10};

static sb_status run(fake *f, const sb_timing_policy *policy, sb_timing *t) {
  const sb_timed device = {f, launch, sense, now, rest};
  f->state = f->state ? f->state : 1;
  return sb_time(&device, policy, t);
}

/* Of a quiet device the time is exact, after as few samples as are allowed; its share of the peak is bytes over time.
 */
START_TEST(a_quiet_device) {
  fake f = {.seconds = 1e-4};
  sb_timing t;
  sb_ok(run(&f, &usual, &t));
  ck_assert_int_eq(t.end, SB_TIMING_PRECISE);
  ck_assert_int_eq(t.count, usual.least);
  ck_assert(fabs(t.median - 1e-4) < 1e-12 && t.low <= t.median && t.median <= t.high);
  ck_assert(fabs(t.share_of_peak - 0.5) < 1e-6);
  ck_assert_int_eq(f.cold_launches, f.launches);
}
END_TEST

/* With noise it takes more samples, and the median is then within the interval that is asked for in at least 95 of 100
 * runs of twice its width; noise too great for the samples allowed is told. */
START_TEST(noise) {
  int good = 0, more = 0;
  for (int i = 0; i < 100; i++) {
    fake f = {.seconds = 1e-4, .noise = 0.02, .state = (uint64_t)i + 7};
    sb_timing t;
    sb_ok(run(&f, &usual, &t));
    ck_assert_int_eq(t.end, SB_TIMING_PRECISE);
    good += fabs(t.median - 1e-4) < 2 * usual.precision * 1e-4;
    more += t.count > usual.least;
  }
  ck_assert_msg(good >= 95 && more >= 95, "%d of 100, %d took more samples", good, more);
  fake wild = {.seconds = 1e-4, .noise = 0.3};
  sb_timing t;
  sb_timing_policy few = usual;
  few.most = 100;
  sb_ok(run(&wild, &few, &t));
  ck_assert_int_eq(t.end, SB_TIMING_NOISY);
  ck_assert_int_eq(t.count, 100);
}
END_TEST

/* A device that warms up is timed as it is afterwards; one that keeps getting slower is called drifting. */
START_TEST(drift) {
  fake warming = {.seconds = 1e-4, .noise = 0.005, .warm_up = 0.005}, sinking = {.seconds = 1e-3, .drift = 0.3};
  sb_timing t;
  sb_ok(run(&warming, &usual, &t));
  ck_assert_int_eq(t.end, SB_TIMING_PRECISE);
  ck_assert_int_gt(t.dropped, 0);
  ck_assert_msg(fabs(t.median - 1e-4) < 1e-6, "%g", t.median);
  sb_timing_policy p = usual;
  p.precision = 0.001;
  p.seconds = 1.5;
  sb_ok(run(&sinking, &p, &t));
  ck_assert_int_eq(t.end, SB_TIMING_DRIFTING);
}
END_TEST

/* Samples of a slowed device are discarded, whether it says so or only its clock does, and the device rests; one that
 * never recovers ends as throttled, without a figure that would look like one. */
START_TEST(throttling) {
  for (int silent = 0; silent < 2; silent++) {
    fake f = {.seconds = 1e-4, .throttled_from = 0.002, .throttled_for = 100, .recovers = 0.2, .silent = silent};
    sb_timing t;
    sb_ok(run(&f, &usual, &t));
    ck_assert_int_eq(t.end, SB_TIMING_PRECISE);
    ck_assert_int_gt(t.discarded, 0);
    ck_assert_msg(fabs(t.median - 1e-4) < 1e-7 && f.rested >= 0.2, "%g after %g s of rest", t.median, f.rested);
    ck_assert(t.least_hertz == 0.9e9 && t.most_hertz == 1.8e9);
    fake hot = {.seconds = 1e-4, .throttled_for = 1e9, .silent = silent};
    sb_ok(run(&hot, &usual, &t));
    ck_assert_int_eq(t.end, SB_TIMING_THROTTLED);
    ck_assert_int_eq(t.count, 0);
    ck_assert(t.median == 0);
  }
}
END_TEST

/* More than the whole bandwidth of the memory is an error with a cold cache, and none with a warm one. */
START_TEST(more_than_the_peak) {
  fake f = {.seconds = 4e-5};
  sb_timing t;
  ck_assert_int_eq(run(&f, &usual, &t), SB_INTERNAL);
  ck_assert_msg(strstr(sb_message(), "125.0 % of the memory's 20 GB/s"), "%s", sb_message());
  sb_timing_policy warm = usual;
  warm.cold = false;
  fake again = {.seconds = 4e-5};
  sb_ok(run(&again, &warm, &t));
  ck_assert_int_eq(t.launches, 25); /* as many as take sample_seconds */
  ck_assert(t.share_of_peak > 1.2 && again.cold_launches == 0 && fabs(t.median - 4e-5) < 1e-9);
}
END_TEST

/* What the device answers in the middle is what the timing returns; a clock that stands still is named; the time that
 * is allowed is kept. */
START_TEST(what_fails) {
  fake f = {.seconds = 1e-4, .fails_at = 12}, still = {0}, slow = {.seconds = 1, .noise = 0.1};
  sb_timing t;
  ck_assert_int_eq(run(&f, &usual, &t), SB_DEVICE);
  ck_assert_ptr_nonnull(strstr(sb_message(), "fell off"));
  ck_assert_int_eq(run(&still, &usual, &t), SB_INTERNAL);
  ck_assert_ptr_nonnull(strstr(sb_message(), "the clock is wrong"));
  sb_timing_policy p = usual;
  p.bytes = 0;
  p.seconds = 5;
  sb_ok(run(&slow, &p, &t));
  ck_assert_int_eq(t.end, SB_TIMING_NOISY);
  ck_assert(slow.clock < 8 && t.count >= 2 && t.count < 8);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("timing");
  TCase *tests = tcase_create("timing");
  tcase_set_timeout(tests, 60);
  tcase_add_test(tests, a_quiet_device);
  tcase_add_test(tests, noise);
  tcase_add_test(tests, drift);
  tcase_add_test(tests, throttling);
  tcase_add_test(tests, more_than_the_peak);
  tcase_add_test(tests, what_fails);
  suite_add_tcase(suite, tests);
  return run_suite(suite);
}
