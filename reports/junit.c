/* JUnit XML, as CI systems read it: a suite a device. A case that differs is a failure, one without a verdict or that
 * proves nothing an error, one that is refused is skipped; an expected divergence passes and says so. */
#include "reports/report.h"

#include <string.h>

typedef struct counts {
  int tests, failures, errors, skipped;
  double seconds;
} counts;

static const char *element_of(sb_case_status status) {
  switch (status) {
  case SB_PASS:
  case SB_EXPECTED:
    return NULL;
  case SB_FAIL:
  case SB_XPASS:
    return "failure";
  case SB_SKIP:
  case SB_CASE_UNSUPPORTED:
    return "skipped";
  default:
    return "error";
  }
}

static void add(counts *c, const sb_run_entry *e) {
  const char *element = element_of(e->status);
  c->tests++;
  c->seconds += e->seconds;
  if (!element) return;
  c->failures += *element == 'f';
  c->errors += *element == 'e';
  c->skipped += *element == 's';
}

static void put_case(FILE *to, const sb_report_case *c) {
  const sb_run_entry *e = c->entry;
  const char *element = element_of(e->status);
  fputs("    <testcase classname=\"", to);
  sb_put_xml(to, c->words.recipe);
  fputc('.', to);
  sb_put_xml(to, c->words.side);
  fputc('.', to);
  sb_put_xml(to, c->words.flavor);
  fputs("\" name=\"", to);
  sb_put_xml(to, e->text);
  fprintf(to, "\" time=\"%.6f\"", e->seconds);
  if (!element && e->status == SB_PASS) {
    fputs("/>\n", to);
    return;
  }
  fputs(">\n", to);
  if (element) {
    fprintf(to, "      <%s%s%s%s message=\"", element, *element == 's' ? "" : " type=\"",
            *element == 's' ? "" : sb_case_status_names[e->status], *element == 's' ? "" : "\"");
    sb_put_xml(to, *e->reason ? e->reason : sb_case_status_names[e->status]);
    fputs("\">", to);
    sb_put_xml(to, e->repro);
    fprintf(to, "</%s>\n", element);
  } else {
    fputs("      <system-out>EXPECTED: it differs, by ", to);
    sb_put_xml(to, e->mechanisms);
    fputs("\n", to);
    sb_put_xml(to, e->repro);
    fputs("</system-out>\n", to);
  }
  fputs("    </testcase>\n", to);
}

static void put_counts(FILE *to, const counts *c) {
  fprintf(to, " tests=\"%d\" failures=\"%d\" errors=\"%d\" skipped=\"%d\" time=\"%.6f\"", c->tests, c->failures,
          c->errors, c->skipped, c->seconds);
}

/* What made the runs fail beside their cases: cells that are not filled, outdated rows, shards that are missing. */
static void put_problems(const sb_run_report *r, FILE *to) {
  const counts c = {.tests = r->problem_count, .failures = r->problem_count};
  if (r->problem_count == 0) return;
  fputs("  <testsuite name=\"the run as a whole\"", to);
  put_counts(to, &c);
  fputs(">\n", to);
  for (int i = 0; i < r->problem_count; i++) {
    fprintf(to, "    <testcase classname=\"run\" name=\"problem %d\"><failure message=\"", i + 1);
    sb_put_xml(to, r->problems[i]);
    fputs("\"/></testcase>\n", to);
  }
  fputs("  </testsuite>\n", to);
}

void sb_report_junit(const sb_run_report *r, FILE *to) {
  counts all = {.tests = r->problem_count, .failures = r->problem_count};
  for (int i = 0; i < r->case_count; i++) add(&all, r->cases[i].entry);
  fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"", to);
  sb_put_xml(to, r->title);
  fputc('"', to);
  put_counts(to, &all);
  fputs(">\n", to);
  put_problems(r, to);
  for (int d = 0; d < r->merged->header_count; d++) {
    const sb_run_header *header = &r->merged->headers[d];
    counts c = {0};
    for (int i = 0; i < r->case_count; i++)
      if (r->cases[i].device == d) add(&c, r->cases[i].entry);
    fputs("  <testsuite name=\"", to);
    sb_put_xml(to, header->device);
    fputc('"', to);
    put_counts(to, &c);
    if (*header->time) {
      fputs(" timestamp=\"", to);
      sb_put_xml(to, header->time);
      fputc('"', to);
    }
    fputs(">\n", to);
    for (int i = 0; i < r->case_count; i++)
      if (r->cases[i].device == d) put_case(to, &r->cases[i]);
    fputs("  </testsuite>\n", to);
  }
  fputs("</testsuites>\n", to);
}
