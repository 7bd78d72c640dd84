/* Markdown for a comment on a pull request: short enough for one (65,536 characters), the worst first. */
#include "reports/report.h"

#include <string.h>

enum { MOST_CASES = 25, MOST_ROWS = 120 };

static void put_cell(FILE *to, const sb_report_cell *cell) {
  char number[SB_COUNT_TEXT];
  fputs(" | ", to);
  if (cell->state == SB_CELL_DIFFERS)
    fprintf(to, "**%s differ**", sb_count_text(cell->different, number));
  else if (cell->state <= SB_CELL_OPEN)
    fprintf(to, "**%s**", sb_cell_state_names[cell->state]);
  else if (cell->state == SB_CELL_EXPECTED)
    fprintf(to, "%s differ, expected", sb_count_text(cell->different, number));
  else
    fputs(cell->state == SB_CELL_EXACT      ? "exact"
          : cell->state == SB_CELL_UNTESTED ? "*untested*"
                                            : "*unsupported*",
          to);
}

static void put_matrix(const sb_run_report *r, FILE *to) {
  fputs("\n| recipe, side, flavor", to);
  for (int c = 0; c < r->column_count; c++) {
    fputs(" | ", to);
    sb_put_markdown(to, r->merged->headers[r->columns[c].device].device);
    fprintf(to, " %s", r->columns[c].dtype);
  }
  fputs(" |\n|---", to);
  for (int c = 0; c < r->column_count; c++) fputs("|---", to);
  fputs("|\n", to);
  for (int row = 0; row < r->row_count && row < MOST_ROWS; row++) {
    const sb_case_words *w = r->rows[row].words;
    fputs("| ", to);
    sb_put_markdown(to, w->recipe);
    fprintf(to, ", %s, ", w->side);
    sb_put_markdown(to, w->flavor);
    for (int c = 0; c < r->column_count; c++) put_cell(to, &r->cells[row * r->column_count + c]);
    fputs(" |\n", to);
  }
  if (r->row_count > MOST_ROWS) fprintf(to, "\n%d more rows are in the HTML report.\n", r->row_count - MOST_ROWS);
}

static void put_bad(const sb_run_report *r, FILE *to) {
  int bad = 0, shown = 0;
  for (int i = 0; i < r->case_count; i++) bad += sb_report_is_bad(r->cases[i].entry->status);
  if (bad == 0) return;
  fprintf(to, "\n<details><summary>%d case%s not as expected</summary>\n\n", bad, bad == 1 ? " is" : "s are");
  for (int i = 0; i < r->case_count && shown < MOST_CASES; i++) {
    const sb_run_entry *e = r->cases[i].entry;
    if (!sb_report_is_bad(e->status)) continue;
    shown++;
    fprintf(to, "- **%s** ", sb_case_status_names[e->status]);
    sb_put_markdown(to, e->text);
    fputs(*e->reason ? "<br>" : "", to);
    sb_put_markdown(to, e->reason);
    /* an indented block: whatever the line holds, it stays text */
    fputs("\n\n      ", to);
    for (const char *at = e->repro; *at; at++) fputc(*at == '\n' || *at == '\r' ? ' ' : *at, to);
    fputs("\n\n", to);
  }
  if (bad > shown) fprintf(to, "\n%d more are in the HTML report.\n", bad - shown);
  fputs("\n</details>\n", to);
}

void sb_report_markdown(const sb_run_report *r, FILE *to) {
  char number[SB_COUNT_TEXT];
  fputs("### ", to);
  sb_put_markdown(to, r->title);
  fprintf(to, ": %s\n\n", r->passed ? "all as expected" : "**not as expected**");
  fprintf(to, r->case_count ? "%s cases, %s elements:" : "%s cases, %s elements", sb_count_text(r->case_count, number),
          sb_count_text(r->elements, (char[SB_COUNT_TEXT]){0}));
  for (int s = 0, first = 1; s < SB_CASE_STATUSES; s++) {
    if (!r->statuses[s]) continue;
    fprintf(to, "%s %d %s", first ? "" : ",", r->statuses[s], sb_case_status_names[s]);
    first = 0;
  }
  const int untested = sb_report_cells(r, SB_CELL_UNTESTED);
  if (untested) fprintf(to, "; %d of %d cells untested", untested, r->row_count * r->column_count);
  fputs(".\n", to);
  for (int i = 0; i < r->problem_count; i++) {
    fputs("\n- ", to);
    sb_put_markdown(to, r->problems[i]);
  }
  if (r->problem_count) fputc('\n', to);
  if (r->row_count) put_matrix(r, to);
  put_bad(r, to);
  if (r->bench_count) fprintf(to, "\n%d timings are in the HTML report.\n", r->bench_count);
}
