/* cp.async: a destination that is touched before the wait that covers its copy is a fault, by kind and line, and
   kernels that wait as they must are not accused and give their result. */
#include "harness.h"

enum { BLOCKS = 2, THREADS = 64, WORDS = 512, MINE = WORDS / BLOCKS, KERNELS = 40 };
typedef struct {
  char name[64], kind[32]; /* kind: empty for a correct kernel */
  int line;
} Kernel;
static Kernel kernels[KERNELS];
static int kernel_count;
static uint32_t x[WORDS];

static void read_kernels(void) {
  char line[1024];
  FILE *f = fopen(TEST_SOURCE_DIR "/async.cu", "r");
  ck_assert(f != NULL);
  kernel_count = 0;
  for (int n = 1; fgets(line, sizeof line, f); n++) {
    const char *mark = strstr(line, "// FAULT ");
    if (!strncmp(line, "K ", 2)) {
      ck_assert_int_lt(kernel_count, KERNELS);
      kernels[kernel_count] = (Kernel){.line = 0};
      (void)snprintf(kernels[kernel_count++].name, 64, "%.*s", (int)strcspn(line + 2, "("), line + 2);
    } else if (mark && kernel_count) {
      (void)snprintf(kernels[kernel_count - 1].kind, 32, "%.*s", (int)strcspn(mark + 9, "\n"), mark + 9);
      kernels[kernel_count - 1].line = n;
    }
  }
  (void)fclose(f);
  ck_assert_int_ge(kernel_count, 24);
}

/* What a correct kernel leaves in the words of a block; how many of them. */
static int expected(const char *name, uint32_t *o) {
  const bool all = !strcmp(name, "stages") || !strcmp(name, "reused");
  if (all) {
    for (uint32_t k = 0; k < MINE; k++) o[k] = x[k / 64 * 64 + 63 - k % 64];
    return MINE;
  }
  if (!strcmp(name, "parts")) {
    for (uint32_t k = 0; k < MINE; k++) o[k] = k % 4 < k / 4 % 4 ? x[k] : 0;
    return MINE;
  }
  if (!strcmp(name, "elders_only")) {
    memcpy(o, x, 128 * 4);
    return 128;
  }
  for (uint32_t t = 0; t < THREADS; t++)
    o[t] = x[!strcmp(name, "waits_then_barrier")  ? 63 - t
             : !strcmp(name, "warp_barrier")      ? t ^ 31
             : !strcmp(name, "all_copy_the_same") ? 0
                                                  : t];
  return THREADS;
}

static void run_one(const Kernel *k, int arch) {
  uint32_t want[MINE];
  char text[128];
  Buf bx = in(x, sizeof x), bo = out(sizeof x);
  sb_status status = try_launch(k->name, BLOCKS, 1, THREADS, 1, 0, P(&bo.device, &bx.device));
  if (k->line) {
    (void)snprintf(text, sizeof text, "\"kind\":\"%s\"", k->kind);
    ck_assert_msg(status != SB_OK, "sm_%d: %s ran without a fault", arch, k->name);
    ck_assert_msg(strstr(last_fault(), text), "sm_%d: %s must be %s, but: %s", arch, k->name, k->kind, last_fault());
    (void)snprintf(text, sizeof text, "\"line\":%d,", k->line);
    ck_assert_msg(strstr(last_fault(), text), "sm_%d: %s: line %d, but: %s", arch, k->name, k->line, last_fault());
  } else {
    ck_assert_msg(status == SB_OK, "sm_%d: %s: accused: %s", arch, k->name, last_fault());
    const uint32_t *got = fetch_buffer(bo);
    const int count = expected(k->name, want);
    for (int b = 0; b < BLOCKS; b++)
      for (int n = 0; n < count; n++)
        ck_assert_msg(got[b * MINE + n] == want[n], "sm_%d: %s[%d]: %u, expected %u", arch, k->name, b * MINE + n,
                      got[b * MINE + n], want[n]);
  }
  free_buffers();
}

/* Property: each kernel of async.cu is accused at its mark, or is not and gives its result. */
START_TEST(copies_arrive_at_their_wait) {
  static const int archs[] = {80, 90};
  read_kernels();
  for (uint32_t k = 0; k < WORDS; k++) x[k] = k * 2654435761u + 12345;
  for (int a = 0; a < 2; a++) {
    open_arch(archs[a], "async");
    for (int k = 0; k < kernel_count; k++) run_one(&kernels[k], archs[a]);
    close_arch();
  }
}
END_TEST

/* Property: without the check of shared memory a copy still arrives at its wait, not before: who reads too early gets
   what was there. */
START_TEST(unchecked_copies_arrive_late) {
  for (uint32_t k = 0; k < WORDS; k++) x[k] = k + 1;
  ck_assert(setenv("SAMEBITS_EMU_CHECKS", "bounds", 1) == 0);
  open_arch(90, "async");
  Buf bx = in(x, sizeof x), bo = out(sizeof x);
  RUN("elders_only", BLOCKS, THREADS, 0, P(&bo.device, &bx.device));
  ck_assert_uint_eq(((const uint32_t *)fetch_buffer(bo))[127], x[127]);
  RUN("no_wait_own", BLOCKS, THREADS, 0, P(&bo.device, &bx.device));
  ck_assert_uint_eq(((const uint32_t *)fetch_buffer(bo))[5], 0);
  close_arch();
}
END_TEST

int main(void) {
  Suite *suite = suite_create("emulator async");
  TCase *tcase = tcase_create("async");
  tcase_set_timeout(tcase, 120);
  tcase_add_test(tcase, copies_arrive_at_their_wait);
  tcase_add_test(tcase, unchecked_copies_arrive_late);
  suite_add_tcase(suite, tcase);
  return run_suite(suite);
}
