/* Kernels with one deliberate fault each: the kind and the line of the .cu file must be right, on each architecture. */
#include "harness.h"

enum { N = 256, MARKS = 128 };
typedef struct {
  char kernel[64], kinds[64];
  int line;
} Mark;
static Mark marks[MARKS];
static int mark_count;

/* Reads the kernels and the marks behind them from faults.cu. */
static void read_marks(void) {
  char line[1024], kernel[64] = "";
  FILE *f = fopen(TEST_SOURCE_DIR "/faults.cu", "r");
  ck_assert(f != NULL);
  mark_count = 0;
  for (int n = 1; fgets(line, sizeof line, f); n++) {
    const char *k = strncmp(line, "K ", 2) ? NULL : line + 2, *mark = strstr(line, "// FAULT ");
    if (k) (void)snprintf(kernel, sizeof kernel, "%.*s", (int)strcspn(k, "("), k);
    if (!mark || n < 5) continue;
    Mark *m = &marks[mark_count++];
    ck_assert_int_lt(mark_count, MARKS);
    (void)snprintf(m->kernel, sizeof m->kernel, "%s", strstr(line, "deeper(int") ? "too_deep" : kernel);
    (void)snprintf(m->kinds, sizeof m->kinds, "%.*s", (int)strcspn(mark + 9, "\n"), mark + 9);
    m->line = n;
  }
  (void)fclose(f);
}

static bool kind_matches(const char *fault, const char *kinds) {
  char text[80], wanted[64];
  (void)snprintf(wanted, sizeof wanted, "%s", kinds);
  for (char *k = strtok(wanted, "|"); k; k = strtok(NULL, "|")) {
    (void)snprintf(text, sizeof text, "\"kind\":\"%s\"", k);
    if (strstr(fault, text)) return true;
  }
  return false;
}

/* Property: each faulty kernel is stopped, with the kind and a line that its mark says. */
START_TEST(faults_are_named) {
  float x[3 * N];
  int n = N;
  char line[32];
  read_marks();
  ck_assert_int_ge(mark_count, 40);
  open_arch(test_archs[_i], "faults");
  for (int k = 0; k < N * 3; k++) x[k] = (float)k * 0.37f - 20.0f;
  for (int k = 0; k < mark_count; k++) {
    const Mark *m = &marks[k];
    if (k && !strcmp(m->kernel, marks[k - 1].kernel)) continue;
    Buf o = out(strcmp(m->kernel, "wrong_width") ? N * 4 * 3 : N * 4),
        xb = in(x, strcmp(m->kernel, "past_end") ? N * 4 : N * 4 - 4);
    unsigned blocks = strstr(m->kernel, "block") || strstr(m->kernel, "row_") ? 4 : 1;
    bool whole = !strcmp(m->kernel, "blocks_overwrite") || !strcmp(m->kernel, "block_reads_other");
    if (whole) xb = in((float[N * 4]){1, 2, 3}, N * 16), o = out(N * 16);
    sb_status status = try_launch(m->kernel, blocks, 1, strncmp(m->kernel, "warp_", 5) ? N : 32, 1,
                                  strstr(m->kernel, "dynamic") ? 1024 : 0, P(&o.device, &xb.device, &n));
    ck_assert_msg(status != SB_OK, "sm_%d: %s ran without a fault", test_archs[_i], m->kernel);
    bool found = false;
    for (int j = k; j < mark_count && !strcmp(marks[j].kernel, m->kernel); j++) {
      (void)snprintf(line, sizeof line, "\"line\":%d,", marks[j].line);
      found |= kind_matches(last_fault(), marks[j].kinds) && strstr(last_fault(), line);
    }
    ck_assert_msg(found, "sm_%d: %s must be %s at line %d, but: %s", test_archs[_i], m->kernel, m->kinds, m->line,
                  last_fault());
    free_buffers();
  }
  close_arch();
}
END_TEST

int main(void) { return run_each_arch("emulator faults", faults_are_named, TEST_ARCHS); }
