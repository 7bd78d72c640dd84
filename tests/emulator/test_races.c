/* The check of global memory between blocks gives the same verdict in every order in which the blocks may run. */
#include "harness.h"
#include <pthread.h>
#include <stdatomic.h>

enum { WORDS = 256, BLOCKS = 3, REPETITIONS = 30, NAMES = 64 };
static char names[NAMES][64];
static int name_count;
static void (*set_schedule)(const char *);

static void read_names(void) {
  char line[1024];
  FILE *f = fopen(TEST_SOURCE_DIR "/races.cu", "r");
  ck_assert(f != NULL);
  for (name_count = 0; fgets(line, sizeof line, f);)
    if (!strncmp(line, "K ", 2)) {
      ck_assert_int_lt(name_count, NAMES);
      (void)snprintf(names[name_count++], sizeof *names, "%.*s", (int)strcspn(line + 2, "("), line + 2);
    }
  (void)fclose(f);
  ck_assert_int_ge(name_count, 30);
}

/* What a correct kernel leaves in o, which held `before`. */
static void expected(const char *name, const uint32_t *before, uint32_t *o) {
  uint8_t *bytes = (uint8_t *)o;
  uint16_t *halves = (uint16_t *)(void *)o;
  memcpy(o, before, WORDS * 4);
  if (!strcmp(name, "c_bytes")) {
    for (int i = 0; i < 9; i++) bytes[i] = (uint8_t)(bytes[i] + i);
  } else if (!strcmp(name, "c_byte_rows")) {
    for (int i = 0; i < BLOCKS * 33; i++) bytes[i] = (uint8_t)(i % 33 == 32 ? i / 33 : bytes[i] + i / 33);
  } else if (!strcmp(name, "c_halves")) {
    for (int i = 0; i < 32 * BLOCKS; i++) halves[i] = (uint16_t)i;
  } else if (!strcmp(name, "c_same_value")) {
    o[0] = 5, o[1] = 5, o[2] = 6, o[3] = 7;
  } else if (!strcmp(name, "c_same_row")) {
    for (uint32_t i = 0; i < 32; i++) o[32 + i] = 2 * i;
  } else if (!strcmp(name, "c_input")) {
    for (uint32_t i = 0; i < 32 * BLOCKS; i++) o[32 + i] = before[31 - i % 32] + before[i % 32] + i / 32;
  } else if (!strcmp(name, "c_atomics")) {
    o[128] = 3 * 31 * 16 + 32 * 3, o[129] = 7;
  } else if (!strcmp(name, "c_hand_over")) {
    o[0] = 4, o[128] = 3;
  } else if (!strcmp(name, "c_mutex")) {
    o[0] += 6;
  } else if (!strcmp(name, "c_last_block")) {
    o[0] = 6;
  } else if (!strcmp(name, "c_ticket")) {
    o[128] = 3;
    for (uint32_t i = 0; i < 32 * BLOCKS; i++) o[i] += i / 32;
  } else if (!strcmp(name, "c_cas_loop") || !strcmp(name, "c_volatile_unlock")) {
    o[0] += 6;
  } else if (!strcmp(name, "c_asks_first")) {
    o[0] = 81;
  } else if (!strcmp(name, "c_last_clears")) {
    o[0] = 9;
  } else if (!strcmp(name, "c_last_sums")) {
    o[0] = 3 * 31 * 16;
  } else {
    ck_assert_str_eq(name, "c_look_back");
    o[0] = 1, o[1] = 3, o[2] = 6, o[160] = 3;
    for (int i = 0; i < BLOCKS; i++) o[128 + i] = 1;
  }
}

static void run_once(const char *name, const char *schedule) {
  uint32_t before[WORDS], after[WORDS];
  for (int k = 0; k < WORDS; k++) before[k] = k < 128 ? 7 : 0;
  Buf o = in(before, sizeof before), u = out(sizeof before);
  if (set_schedule) set_schedule(schedule);
  sb_status status = try_launch(name, BLOCKS, 1, 32, 1, 0, P(&o.device, &u.device));
  if (set_schedule) set_schedule(NULL);
  if (*name == 'c') {
    ck_assert_msg(status == SB_OK, "%s, order %s: accused: %s", name, schedule, last_fault());
    expected(name, before, after);
    expect_bytes(name, o, after);
  } else {
    const char *kind = name[1] == 'n' ? "\"kind\":\"nc-load-of-written\"" : "\"kind\":\"global-race\"";
    ck_assert_msg(status != SB_OK, "%s, order %s: ran without a fault", name, schedule);
    ck_assert_msg(strstr(last_fault(), kind), "%s, order %s: %s", name, schedule, last_fault());
  }
  free_buffers();
}

/* All sequences of `each` steps of every block. */
static void every_order(const char *name, char *steps, int at, int left[BLOCKS]) {
  bool any = false;
  for (int b = 0; b < BLOCKS; b++) {
    if (!left[b]) continue;
    any = true;
    left[b]--;
    steps[at] = (char)('0' + b), steps[at + 1] = 0;
    every_order(name, steps, at + 1, left);
    left[b]++;
  }
  if (!any) run_once(name, steps);
}

static void setup(void) {
  read_names();
  open_arch(90, "races");
  void (*budget)(unsigned long long) =
      (void (*)(unsigned long long))sb_driver_symbol(open_driver(), "samebitsEmuSetBudget");
  ck_assert(budget != NULL);
  budget(1ull << 32); /* a block that waits for another one spins while the machine does other work */
}

/* Property: in each of the 90 orders of the first two accesses of three blocks, and with the blocks whole one after the
   other in each of their 6 orders, a racing kernel is accused, and a correct one is not and gives its result. */
START_TEST(every_order_has_one_verdict) {
  static const char *const whole[] = {"012", "021", "102", "120", "201", "210"};
  setup();
  set_schedule = (void (*)(const char *))sb_driver_symbol(open_driver(), "samebitsEmuSetSchedule");
  ck_assert(set_schedule != NULL);
  for (int k = 0; k < name_count; k++) {
    char steps[128];
    every_order(names[k], steps, 0, (int[BLOCKS]){2, 2, 2});
    bool waits = !strcmp(names[k], "c_hand_over");
    for (int p = 0; p < 6 && !waits; p++) { /* a block that waits for another one cannot be first */
      for (int b = 0; b < BLOCKS; b++) memset(steps + b * 32, whole[p][b], 32);
      steps[96] = 0;
      run_once(names[k], steps);
    }
  }
  close_arch();
}
END_TEST

static atomic_bool stop;
static void *burden(void *arg) {
  (void)arg;
  while (!atomic_load(&stop)) {
  }
  return NULL;
}
/* Property: on four threads as they come, on a machine that has other work, every verdict is the same every
   time (SAMEBITS_TEST_REPETITIONS: more often). */
START_TEST(threads_have_one_verdict) {
  pthread_t busy;
  const char *more = getenv("SAMEBITS_TEST_REPETITIONS");
  const int repetitions = more ? atoi(more) : REPETITIONS;
  ck_assert(setenv("SAMEBITS_EMU_THREADS", "4", 1) == 0);
  setup();
  ck_assert(pthread_create(&busy, NULL, burden, NULL) == 0);
  for (int r = 0; r < repetitions; r++)
    for (int k = 0; k < name_count; k++) run_once(names[k], "as it comes");
  atomic_store(&stop, true);
  ck_assert(pthread_join(busy, NULL) == 0);
  close_arch();
}
END_TEST

int main(void) {
  Suite *suite = suite_create("emulator races");
  TCase *tcase = tcase_create("orders"), *threads = tcase_create("threads");
  tcase_set_timeout(tcase, 240), tcase_set_timeout(threads, 240);
  tcase_add_test(tcase, every_order_has_one_verdict);
  tcase_add_test(threads, threads_have_one_verdict);
  suite_add_tcase(suite, tcase), suite_add_tcase(suite, threads);
  return run_suite(suite);
}
