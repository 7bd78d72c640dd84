/* The comparison of two runs: its statistics, its verdicts, and how often they are wrong. */
#include "bench/statistics.h"
#include "samebits/runs_compare.h"
#include "tests/suite.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static uint64_t state = 1;

static double uniform(void) {
  state += 0x9e3779b97f4a7c15u;
  uint64_t z = state;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return ((double)((z ^ z >> 31) >> 11) + 0.5) * 0x1p-53;
}

static double normal(void) { return sqrt(-2 * log(uniform())) * cos(6.283185307179586 * uniform()); }

/* Quartiles are numpy.percentile's default; the p-values are counted by hand: exact, exact with sets of unlike size,
 * and by the normal approximation where values are equal. Holm's are worked out from his definition. */
START_TEST(statistics_are_the_published_ones) {
  double values[] = {4, 1, 3, 2, 10};
  const sb_quartiles q = sb_quartiles_of(values, 5);
  ck_assert(q.least == 1 && q.q1 == 2 && q.median == 3 && q.q3 == 4 && q.most == 10);
  double even[] = {1, 2, 3, 4};
  ck_assert(sb_quartiles_of(even, 4).median == 2.5 && sb_quartiles_of(even, 4).q1 == 1.75);
  const double a[] = {1, 2, 3, 4, 5}, b[] = {6, 7, 8, 9, 10}, c[] = {0.5, 3.5, 7.5}, d[] = {1, 2, 2, 3, 3};
  ck_assert(fabs(sb_mann_whitney_greater(a, 5, b, 5) - 1.0 / 252) < 1e-15);
  ck_assert(fabs(sb_mann_whitney_greater(b, 5, a, 5) - 1) < 1e-15);
  /* U = 3 of 15: the orders of 5 and 3 with U <= 7 are 28 of 56 */
  ck_assert(fabs(sb_mann_whitney_greater(a, 5, c, 3) - 28.0 / 56) < 1e-15);
  /* ties: U = 16.5 of a mean of 12.5, variance 25/12 (11 - 54/90), continuity 0.5 */
  ck_assert(fabs(sb_mann_whitney_greater(a, 5, d, 5) - 0.833166757459) < 1e-9);
  ck_assert(fabs(sb_mann_whitney_greater(d, 5, a, 5) - 0.226049399198) < 1e-9);
  const double same[] = {3, 3, 3};
  ck_assert(sb_mann_whitney_greater(same, 3, same, 3) == 1);
  const double raw[] = {0.01, 0.04, 0.03, 0.005};
  double holm[4];
  sb_ok(sb_holm(raw, 4, holm));
  const double expected[] = {0.03, 0.06, 0.06, 0.02};
  for (int i = 0; i < 4; i++) ck_assert(fabs(holm[i] - expected[i]) < 1e-15);
}
END_TEST

/* Under the null hypothesis every p-value is at least as probable as it says, exact and approximate. */
START_TEST(p_values_are_honest) {
  static const int sizes[][2] = {{9, 9}, {20, 20}, {9, 30}, {45, 45}};
  for (size_t s = 0; s < 4; s++) {
    int below = 0;
    for (int i = 0; i < 4000; i++) {
      double a[64], b[64];
      for (int k = 0; k < sizes[s][0]; k++) a[k] = normal();
      for (int k = 0; k < sizes[s][1]; k++) b[k] = normal();
      below += sb_mann_whitney_greater(a, sizes[s][0], b, sizes[s][1]) <= 0.05;
    }
    ck_assert_msg(below < 260 && below > 120, "%d of 4000 at 0.05", below); /* 200 +- 4 standard deviations */
  }
}
END_TEST

/* A run in memory: so many benches, each with samples of median `seconds`, noise, a heavy right tail, and a shift. */
enum { CASES = 20 };
typedef struct fake_run {
  sb_run_file file;
  sb_run_header header;
  sb_run_entry entries[CASES];
  double samples[CASES][64];
  char names[CASES][32];
} fake_run;

static void make_run(fake_run *run, int n, double noise, double tail, double factor, int slowed) {
  *run = (fake_run){.header = {.device = "ref", .git = "", .time = ""}};
  for (int i = 0; i < CASES; i++) {
    sprintf(run->names[i], "case %02d", i);
    for (int k = 0; k < n; k++)
      run->samples[i][k] = 1e-3 * (i + 1) * exp(noise * normal()) * (uniform() < tail ? 1 + 0.2 * uniform() : 1) *
                           (i < slowed ? factor : 1);
    run->entries[i] = (sb_run_entry){.bench = true,
                                     .text = run->names[i],
                                     .key = run->names[i],
                                     .device = "ref",
                                     .sample_count = n,
                                     .samples = run->samples[i],
                                     .seconds = 1e-3 * (i + 1)};
  }
  run->file = (sb_run_file){.header_count = 1, .headers = &run->header, .entry_count = CASES, .entries = run->entries};
}

/* Two runs of one build, 20 cases each, at the stated number of samples and up to five times the stated noise, with and
 * without a heavy tail: every verdict of the whole comparison is SAME in at least 99 % of 10,000 comparisons. */
START_TEST(one_build_is_the_same) {
  static const struct {
    double noise, tail;
    int n, comparisons;
  } rows[] = {{SB_RUNS_NOISE, 0.05, SB_RUNS_SAMPLES, 10000},
              {5 * SB_RUNS_NOISE, 0, SB_RUNS_SAMPLES, 2000},
              {2 * SB_RUNS_NOISE, 0.2, SB_RUNS_SAMPLES, 2000},
              {SB_RUNS_NOISE, 0.01, 9, 2000}};
  static fake_run old, new;
  for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
    int wrong = 0;
    for (int i = 0; i < rows[r].comparisons; i++) {
      make_run(&old, rows[r].n, rows[r].noise, rows[r].tail, 1, 0);
      make_run(&new, rows[r].n, rows[r].noise, rows[r].tail, 1, 0);
      sb_runs *runs;
      sb_ok(sb_runs_compare(&old.file, &new.file, &(sb_runs_options){0}, &runs));
      ck_assert_int_eq(runs->count, CASES);
      wrong += runs->speeds[SB_SPEED_SAME] != CASES;
      sb_runs_free(runs);
    }
    ck_assert_msg(wrong * 100 <= rows[r].comparisons, "row %zu: %d of %d comparisons of one build were not all SAME", r,
                  wrong, rows[r].comparisons);
  }
}
END_TEST

/* A slowdown of 3 % in one of 20 cases is found, and called SLOWER, in at least 95 % of comparisons at the stated
 * number of samples and noise; a speed-up is FASTER as often; the other cases stay SAME. */
START_TEST(three_percent_are_found) {
  static const double factors[] = {1.03, 1 / 1.03};
  static fake_run old, new;
  enum { COMPARISONS = 2000 };
  for (int f = 0; f < 2; f++) {
    int found = 0, wrong = 0;
    for (int i = 0; i < COMPARISONS; i++) {
      make_run(&old, SB_RUNS_SAMPLES, SB_RUNS_NOISE, 0.02, 1, 0);
      make_run(&new, SB_RUNS_SAMPLES, SB_RUNS_NOISE, 0.02, factors[f], 1);
      sb_runs *runs;
      sb_ok(sb_runs_compare(&old.file, &new.file, &(sb_runs_options){0}, &runs));
      found += runs->pairs[0].speed == (f ? SB_SPEED_FASTER : SB_SPEED_SLOWER);
      wrong += runs->speeds[SB_SPEED_SAME] != CASES - 1 && runs->speeds[SB_SPEED_SAME] != CASES;
      sb_runs_free(runs);
    }
    ck_assert_msg(found * 100 >= COMPARISONS * 95, "%d of %d found", found, COMPARISONS);
    ck_assert_msg(wrong * 100 <= COMPARISONS, "%d of %d with another verdict beside", wrong, COMPARISONS);
  }
}
END_TEST

/* Where the signs disagree, or there is too little, the verdict says so and why. */
START_TEST(what_cannot_be_told) {
  static fake_run old, new;
  static const struct {
    int n;
    double noise, factor;
    sb_speed_verdict verdict;
    const char *why;
  } rows[] = {{8, 0.01, 1.5, SB_SPEED_NO_DATA, "8 and 8 samples, 9 are needed"},
              {60, 0.2, 1.16, SB_SPEED_AMBIGUOUS, "within the spread"},
              {9, 0.4, 1.0, SB_SPEED_AMBIGUOUS, "too noisy"},
              {6, 0.01, 1.5, SB_SPEED_AMBIGUOUS, "too few to be sure"},
              {20, 0.01, 1.015, SB_SPEED_SAME, ""}};
  for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
    int seen = 0;
    for (int i = 0; i < 50; i++) {
      make_run(&old, rows[r].n, rows[r].noise, 0, 1, 0);
      make_run(&new, rows[r].n, rows[r].noise, 0, rows[r].factor, CASES);
      sb_runs *runs;
      const sb_runs_options options = {.least = rows[r].verdict == SB_SPEED_AMBIGUOUS ? rows[r].n : 0};
      sb_ok(sb_runs_compare(&old.file, &new.file, &options, &runs));
      for (int k = 0; k < runs->count; k++)
        seen += runs->pairs[k].speed == rows[r].verdict && strstr(runs->pairs[k].why, rows[r].why);
      sb_runs_free(runs);
    }
    ck_assert_msg(seen >= 500, "row %zu: %d of 1000", r, seen);
  }
}
END_TEST

/* Between two devices a kernel twice as fast on a device twice as fast is the SAME; on one device it is FASTER; without
 * a roofline there is NO DATA. */
START_TEST(devices_are_compared_by_their_rooflines) {
  static fake_run old, new;
  make_run(&old, 20, 0.005, 0, 1, 0);
  make_run(&new, 20, 0.005, 0, 0.5, CASES);
  for (int i = 0; i < CASES; i++) {
    old.entries[i].bytes_per_second = 1e9;
    new.entries[i].seconds /= 2;
    new.entries[i].bytes_per_second = 2e9;
    old.entries[i].roofline = 2e9;
    new.entries[i].roofline = 4e9;
  }
  new.entries[7].roofline = 0;
  static const struct {
    const char *device;
    int same, faster, none;
  } rows[] = {{"emu:sm_90", CASES - 1, 0, 1}, {"ref", 0, CASES, 0}};
  for (int r = 0; r < 2; r++) {
    sb_runs *runs;
    new.header.device = rows[r].device;
    sb_ok(sb_runs_compare(&old.file, &new.file, &(sb_runs_options){0}, &runs));
    ck_assert_int_eq(runs->speeds[SB_SPEED_SAME], rows[r].same);
    ck_assert_int_eq(runs->speeds[SB_SPEED_FASTER], rows[r].faster);
    ck_assert_int_eq(runs->speeds[SB_SPEED_NO_DATA], rows[r].none);
    ck_assert(runs->normalised == (r == 0));
    sb_runs_free(runs);
  }
}
END_TEST

static char folder[] = "/tmp/samebits-compare-XXXXXX";
static void make_folder(void) { ck_assert_ptr_nonnull(mkdtemp(folder)); }
static void remove_folder(void) {
  char command[128];
  snprintf(command, sizeof command, "rm -rf %s", folder);
  ck_assert_int_eq(system(command), 0);
}

static void write_run(const char *name, const char *text) {
  char path[256];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE *file = fopen(path, "w");
  ck_assert_ptr_nonnull(file);
  fputs(text, file);
  ck_assert_int_eq(fclose(file), 0);
}

#define HEAD(device) "{\"type\":\"run\",\"device\":\"" device "\",\"git\":\"abc\",\"time\":\"2026-01-01T00:00:00Z\"}\n"
#define TAIL         "{\"type\":\"summary\",\"cases\":1,\"statuses\":{},\"exit\":0}\n"
#define CASE(text, status, codes)                                                                                      \
  "{\"type\":\"case\",\"case\":\"" text "\",\"status\":\"" status "\",\"digests\":{\"codes\":\"" codes "\"}}\n"
#define NONE(text, status) CASE(text, status, "poison")
#define TEN(s)             s "1," s "2," s "3," s "4," s "5," s "6," s "7," s "8," s "9," s "95"
#define BENCH(text, s, codes)                                                                                          \
  "{\"type\":\"bench\",\"case\":\"" text "\",\"seconds\":" s                                                           \
  "5,\"samples\":[" TEN(s) "],\"digests\":{\"codes\":\"" codes "\"}}\n"

/* The exit code in every branch: bits, speed, loss, policy, what is no run, and usage. */
START_TEST(exit_codes) {
  static const struct {
    const char *what, *old, *new, *options;
    int exit_code;
    const char *part;
  } rows[] = {
      {"same bits", HEAD("ref") CASE("a", "PASS", "1") TAIL, HEAD("ref") CASE("a", "PASS", "1") TAIL, "", 0, "1 SAME"},
      {"changed", HEAD("ref") CASE("a", "PASS", "1") TAIL, HEAD("ref") CASE("a", "PASS", "2") TAIL, "", 1,
       "CHANGED a\n  codes"},
      {"changed wins over lost", HEAD("ref") CASE("a", "PASS", "1") CASE("b", "PASS", "1") TAIL,
       HEAD("ref") CASE("a", "FAIL", "2") TAIL, "", 1, "was PASS, is FAIL"},
      {"lost", HEAD("ref") CASE("a", "PASS", "1") CASE("b", "PASS", "1") TAIL, HEAD("ref") CASE("a", "PASS", "1") TAIL,
       "", 4, "untested now"},
      {"lost, lenient", HEAD("ref") CASE("a", "PASS", "1") CASE("b", "PASS", "1") TAIL,
       HEAD("ref") CASE("a", "PASS", "1") TAIL, "--policy lenient", 0, "NO DATA b"},
      {"crashed since", HEAD("ref") CASE("a", "PASS", "1") CASE("b", "PASS", "1") TAIL,
       HEAD("ref") CASE("a", "PASS", "1") NONE("b", "CRASH") TAIL, "", 4, "untested now"},
      {"unsupported in both", HEAD("ref") CASE("a", "PASS", "1") NONE("b", "UNSUPPORTED") TAIL,
       HEAD("ref") CASE("a", "PASS", "1") NONE("b", "UNSUPPORTED") TAIL, "", 0, "1 SAME"},
      {"appeared", HEAD("ref") CASE("a", "PASS", "1") TAIL,
       HEAD("ref") CASE("a", "PASS", "1") CASE("b", "PASS", "1") TAIL, "", 0, "1 only in the new run"},
      {"nothing in common", HEAD("ref") CASE("a", "PASS", "1") TAIL, HEAD("ref") CASE("b", "PASS", "1") TAIL, "", 3,
       "nothing to compare"},
      {"two devices", HEAD("emu:sm_80") CASE("a?device=emu:sm_80", "PASS", "1") TAIL,
       HEAD("emu:sm_90") CASE("a?device=emu:sm_90", "PASS", "2") TAIL, "", 1, "CHANGED a?device=emu:sm_90"},
      {"same speed", HEAD("ref") BENCH("a", "1.00", "1") TAIL, HEAD("ref") BENCH("a", "1.00", "1") TAIL, "", 0,
       "1 SAME, 0 FASTER"},
      {"slower", HEAD("ref") BENCH("a", "1.00", "1") TAIL, HEAD("ref") BENCH("a", "1.10", "1") TAIL, "", 1, "SLOWER a"},
      {"faster", HEAD("ref") BENCH("a", "1.10", "1") TAIL, HEAD("ref") BENCH("a", "1.00", "1") TAIL, "", 0, "FASTER a"},
      {"slower, but less than asked for", HEAD("ref") BENCH("a", "1.00", "1") TAIL,
       HEAD("ref") BENCH("a", "1.10", "1") TAIL, "--effect 20", 0, "1 SAME"},
      {"bits of a bench", HEAD("ref") BENCH("a", "1.00", "1") TAIL, HEAD("ref") BENCH("a", "1.00", "2") TAIL, "", 1,
       "CHANGED a"},
      {"a slower yardstick is not judged", HEAD("ref") BENCH("copy/1", "1.0", "") BENCH("a", "1.00", "1") TAIL,
       HEAD("ref") BENCH("copy/1", "1.5", "") BENCH("a", "1.00", "1") TAIL, "", 0, "yardstick SLOWER"},
      {"too few samples", HEAD("ref") BENCH("a", "1.00", "1") TAIL, HEAD("ref") BENCH("a", "1.00", "1") TAIL,
       "--samples 11", 4, "10 and 10 samples, 11 are needed"},
      {"too few samples, lenient", HEAD("ref") BENCH("a", "1.00", "1") TAIL, HEAD("ref") BENCH("a", "1.00", "1") TAIL,
       "--samples 11 --policy lenient", 0, "1 NO DATA"},
      {"ambiguous", HEAD("ref") BENCH("a", "1.0", "1") TAIL, HEAD("ref") BENCH("a", "1.0", "1") TAIL, "--widest 1", 4,
       "too noisy"},
      {"killed runs are compared as far as they go", HEAD("ref") CASE("a", "PASS", "1") "{\"type\":\"ca",
       HEAD("ref") CASE("a", "PASS", "1") TAIL, "", 0, "was interrupted"},
      {"no header", CASE("a", "PASS", "1") TAIL, HEAD("ref") TAIL, "", 3, "before the run's header"},
      {"no run", "hello\n", HEAD("ref") TAIL, "", 3, "line 1 is no line of a run"},
      {"broken in the middle", HEAD("ref") "{\"type\":\"ca\n" TAIL, HEAD("ref") TAIL, "", 3, "line 2"},
      {"empty", "", HEAD("ref") TAIL, "", 3, "no header"},
      {"a time that is none", HEAD("ref") "{\"type\":\"bench\",\"case\":\"a\",\"samples\":[-1]}\n", HEAD("ref") TAIL,
       "", 3, "line 2"},
      {"an unknown status", HEAD("ref") CASE("a", "FINE", "1"), HEAD("ref") TAIL, "", 3, "FINE"},
      {"usage", "", "", "a third", 2, "a third"},
      {"usage", "", "", "--effect x", 2, "--effect"},
      {"usage", "", "", "--policy none", 2, "--policy"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    char command[1024], text[8192];
    write_run("old", rows[i].old);
    write_run("new", rows[i].new);
    snprintf(command, sizeof command, "%s/samebits compare %s %s/old %s/new 2>&1", SAMEBITS_BINARY_DIR, rows[i].options,
             folder, folder);
    FILE *pipe = popen(command, "r");
    ck_assert_ptr_nonnull(pipe);
    text[fread(text, 1, sizeof text - 1, pipe)] = 0;
    const int status = pclose(pipe), code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    ck_assert_msg(code == rows[i].exit_code && strstr(text, rows[i].part), "%s: exit %d, expected %d with '%s':\n%s",
                  rows[i].what, code, rows[i].exit_code, rows[i].part, text);
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("compare_runs");
  TCase *tests = tcase_create("compare_runs");
  tcase_add_unchecked_fixture(tests, make_folder, remove_folder);
  tcase_set_timeout(tests, 300);
  tcase_add_test(tests, statistics_are_the_published_ones);
  tcase_add_test(tests, p_values_are_honest);
  tcase_add_test(tests, one_build_is_the_same);
  tcase_add_test(tests, three_percent_are_found);
  tcase_add_test(tests, what_cannot_be_told);
  tcase_add_test(tests, devices_are_compared_by_their_rooflines);
  tcase_add_test(tests, exit_codes);
  suite_add_tcase(suite, tests);
  return run_suite(suite);
}
