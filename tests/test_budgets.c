/* The pinned counts of the fused kernels (which the tests counters_sm_XX hold against the emulator's) keep the budgets:
 * distinct bytes at most 1.01 times and requested bytes 1.05 times the least, at most 16 sectors for a load request and
 * as many for a store (512 bytes by 32 lanes: the ideal), no bank conflict, no spill, and for 16-bit types at most 25
 * thread-instructions an element, but for the exceptions that are listed with their reason. */
#include "tests/suite.h"

#include <fnmatch.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { ROWS = 64, LIMIT = 25 };
typedef struct exception {
  char sm[16], entry[64];
  double limit;
  bool needed;
} exception;

static FILE *open_counters(const char *format, const char *sm) {
  char name[64], path[1024];
  snprintf(name, sizeof name, format, sm);
  snprintf(path, sizeof path, "%s/bench/counters/%s", SAMEBITS_SOURCE_DIR, name);
  FILE *file = fopen(path, "r");
  ck_assert_msg(file != NULL, "%s is missing", path);
  return file;
}

static int read_exceptions(exception rows[ROWS]) {
  char line[512], reason[8];
  int count = 0;
  FILE *file = open_counters("exceptions.txt", "");
  while (fgets(line, sizeof line, file)) {
    if (*line == '#') continue;
    exception *e = &rows[count++];
    ck_assert_int_lt(count, ROWS);
    *e = (exception){0};
    ck_assert_msg(sscanf(line, "%15s %63s %lf %7s", e->sm, e->entry, &e->limit, reason) == 4, "%s", line);
  }
  fclose(file);
  return count;
}

static const char *const sms[] = {"sm_80", "sm_90", "sm_100"};

START_TEST(counts_keep_the_budgets) {
  exception rows[ROWS];
  const int exceptions = read_exceptions(rows);
  for (size_t i = 0; i < sizeof sms / sizeof *sms; i++) {
    char line[512], entry[64];
    double instructions, distinct, requested, load, store;
    int conflicts, kernels = 0;
    FILE *file = open_counters("%s.txt", sms[i]);
    while (fgets(line, sizeof line, file)) {
      if (*line == '#') continue;
      ck_assert_msg(sscanf(line, "%63s %lf %lf %lf %lf %lf %d", entry, &instructions, &distinct, &requested, &load,
                           &store, &conflicts) == 7,
                    "%s", line);
      ck_assert_msg(distinct <= 1.01 && requested <= 1.05 && load <= 16 && store <= 16 && conflicts == 0, "%s %s",
                    sms[i], line);
      kernels++;
      double limit = strstr(entry, "_f32_") ? 1e9 : LIMIT;
      for (int e = 0; e < exceptions && instructions > limit; e++) {
        if (strcmp(rows[e].sm, sms[i]) != 0 || fnmatch(rows[e].entry, entry, 0) != 0) continue;
        rows[e].needed = true;
        limit = rows[e].limit;
      }
      ck_assert_msg(instructions <= limit, "%s %s: %.2f thread-instructions an element, more than %g", sms[i], entry,
                    instructions, limit);
    }
    fclose(file);
    ck_assert_int_eq(kernels, 60); /* five kernels, two steps, two flavors, three dtypes */
  }
  for (int e = 0; e < exceptions; e++)
    ck_assert_msg(rows[e].needed, "the exception %s %s is not needed", rows[e].sm, rows[e].entry);
}
END_TEST

START_TEST(nothing_spills) {
  for (size_t i = 0; i < sizeof sms / sizeof *sms; i++) {
    char line[512], entry[64];
    int registers, spilled, kernels = 0;
    FILE *file = open_counters("%s.registers.txt", sms[i]);
    while (fgets(line, sizeof line, file)) {
      if (*line == '#') continue;
      ck_assert_int_eq(sscanf(line, "%63s %d %d", entry, &registers, &spilled), 3);
      ck_assert_msg(spilled == 0 && registers <= 128, "%s %s", sms[i], line);
      kernels++;
    }
    fclose(file);
    ck_assert_int_ge(kernels, 60);
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("budgets");
  TCase *tests = tcase_create("budgets");
  tcase_add_test(tests, counts_keep_the_budgets);
  tcase_add_test(tests, nothing_spills);
  suite_add_tcase(suite, tests);
  return run_suite(suite);
}
