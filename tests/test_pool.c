/* Cases in several processes. */
#include "samebits/pool.h"
#include "tests/suite.h"

#include <stdio.h>

enum { CASES = 40 };

typedef struct seen {
  int count, stop_at, early[CASES]; /* early: how often `first` had the case */
  bool stop;
  char digests[CASES][SB_SLOTS][SB_DIGEST_TEXT];
  int64_t elements[CASES];
} seen;

static sb_status note(void *context, const sb_case *c, sb_status status, sb_result *result) {
  ck_assert_int_eq(status, SB_OK);
  ck_assert_int_eq(result->status, SB_PASS);
  ((seen *)context)->early[c->seed - 1]++;
  return SB_OK;
}

static sb_status remember(void *context, const sb_case *c, sb_status status, sb_result *result) {
  seen *s = context;
  ck_assert_int_eq(status, SB_OK);
  ck_assert_int_eq((int)c->seed, s->count + 1); /* in the order of the list */
  ck_assert_int_eq(result->status, SB_PASS);
  ck_assert_int_eq(s->early[s->count], 1);
  memcpy(s->digests[s->count], result->digests, sizeof result->digests);
  s->elements[s->count++] = result->elements;
  s->stop = s->count == s->stop_at;
  return SB_OK;
}

static void run(int jobs, int stop_at, seen *s) {
  static sb_case cases[CASES];
  for (int i = 0; i < CASES; i++) {
    char text[128];
    snprintf(text, sizeof text, "int8-dynamic-act-int4-weight/weight/convert@aligned/bf16/%dx64:g32/normal:%d",
             1 + i % 5, i + 1);
    sb_ok(sb_case_parse(text, &cases[i]));
  }
  const sb_device_options device_options = {0};
  const sb_check_options options = {.digests = true};
  sb_device *device;
  *s = (seen){.stop_at = stop_at};
  sb_ok(sb_device_open("ref", &device_options, &device));
  sb_ok(sb_check_all(device, &device_options, &options, cases, CASES, jobs, note, remember, s, &s->stop));
  sb_device_close(device);
}

/* The number of processes changes neither the results nor their order, and each is told once when its case ends. */
START_TEST(processes_change_nothing) {
  static seen alone, together;
  run(1, 0, &alone);
  run(3, 0, &together);
  ck_assert_int_eq(alone.count, CASES);
  ck_assert_mem_eq(&alone, &together, sizeof alone);
}
END_TEST

/* A run that is told to stop ends after that case, and its processes with it. */
START_TEST(a_stop_ends_the_run) {
  static seen s;
  run(3, 7, &s);
  ck_assert_int_eq(s.count, 7);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("pool");
  TCase *tests = tcase_create("pool");
  tcase_set_timeout(tests, 60);
  tcase_add_test(tests, processes_change_nothing);
  tcase_add_test(tests, a_stop_ends_the_run);
  suite_add_tcase(suite, tests);
  return run_suite(suite);
}
