/* A row a case: for a spreadsheet. */
#include "reports/report.h"

#include <inttypes.h>
#include <string.h>

static void put_words(FILE *to, const sb_case_words *w) {
  const char *const words[] = {w->recipe, w->side, w->step, w->flavor, w->dtype, w->shape, w->fill};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
    fputc(',', to);
    sb_put_csv(to, words[i]);
  }
}

void sb_report_csv(const sb_run_report *r, FILE *to) {
  fputs("kind,device,case,recipe,side,step,flavor,dtype,shape,fill,status,mechanisms,elements,different,seconds,"
        "bytes_per_second,samples,reason\n",
        to);
  for (int i = 0; i < r->case_count; i++) {
    const sb_run_entry *e = r->cases[i].entry;
    fputs("check,", to);
    sb_put_csv(to, e->device);
    fputc(',', to);
    sb_put_csv(to, e->text);
    put_words(to, &r->cases[i].words);
    fprintf(to, ",%s,", sb_case_status_names[e->status]);
    sb_put_csv(to, e->mechanisms);
    fprintf(to, ",%" PRId64 ",%" PRId64 ",%.9g,,,", e->elements, sb_report_different(e), e->seconds);
    sb_put_csv(to, e->reason);
    fputc('\n', to);
  }
  for (int i = 0; i < r->bench_count; i++) {
    const sb_run_entry *e = r->benches[i];
    fprintf(to, "%s,", e->predicted ? "prediction" : "bench");
    sb_put_csv(to, e->device);
    fputc(',', to);
    sb_put_csv(to, e->text);
    fprintf(to, ",,,,,,,,,,,,%.9g,%.9g,%d,\n", e->seconds, e->bytes_per_second, e->sample_count);
  }
}
