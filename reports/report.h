/* What the writers of reports share. Private to reports/. */
#ifndef SAMEBITS_REPORTS_REPORT_H
#define SAMEBITS_REPORTS_REPORT_H

#include "samebits/report.h"
#include "samebits/runs_merge.h"

#include <jansson.h>

/* The words of a case's text; "" where it has them not. */
typedef struct sb_case_words {
  char recipe[96], side[24], step[32], flavor[96], dtype[16], shape[64], fill[256];
} sb_case_words;

typedef struct sb_report_case {
  const sb_run_entry *entry;
  sb_case_words words;
  int device; /* index of the header */
} sb_report_case;

/* A cell of the matrix: recipe, side, flavor, dtype and device; its cases are from..to - 1. */
typedef struct sb_report_cell {
  const sb_case_words *words; /* of a case of its row, on any device and dtype */
  const char *dtype;
  int device, from, to;
  sb_cell_state state;
  int64_t elements, different; /* of its worst tensors, summed over cases */
  int statuses[SB_CASE_STATUSES];
} sb_report_cell;

/* A row of the matrix: one recipe, side and flavor. Its cells are cells[row * columns ...]. */
typedef struct sb_report_row {
  const sb_case_words *words;
} sb_report_row;

typedef struct sb_report_column {
  int device;
  const char *dtype;
} sb_report_column;

/* A plot that was drawn: its name in the folder, and what it shows. */
typedef struct sb_report_plot {
  const char *name, *says;
} sb_report_plot;
enum { SB_REPORT_PLOTS = 24 };

struct sb_run_report {
  const char *title, *failures;
  sb_run_file *merged;
  sb_merge_report merge;
  sb_report_case *cases; /* checks only, in the order of cells */
  int case_count, bench_count;
  const sb_run_entry **benches;
  int row_count, column_count;
  sb_report_row *rows;
  sb_report_column *columns;
  sb_report_cell *cells;
  int statuses[SB_CASE_STATUSES];
  int64_t elements;
  int problem_count;
  const char **problems;
  const char *plot_folder;
  int plot_count;
  sb_report_plot plots[SB_REPORT_PLOTS];
  json_t *models; /* what model commands printed, an array */
  bool passed;    /* every run ended with exit code 0 and nothing is unfinished */
};

/* The most elements that differ in a tensor of a case. */
int64_t sb_report_different(const sb_run_entry *entry);

/* Whether a status needs a reader's attention: neither PASS, EXPECTED nor refused. */
bool sb_report_is_bad(sb_case_status status);

/* Text into a file: for HTML and XML (what XML 1.0 cannot hold becomes U+FFFD), for a CSV field, for Markdown. */
void sb_put_xml(FILE *to, const char *text);
void sb_put_csv(FILE *to, const char *text);
void sb_put_markdown(FILE *to, const char *text);

/* "1,234,567" */
enum { SB_COUNT_TEXT = 32 };
const char *sb_count_text(int64_t number, char text[SB_COUNT_TEXT]);

/* One line of a mechanism's catalogue entry, or "". */
const char *sb_mechanism_says(const char *id);

/* Error maps and histograms of the files in r->failures. */
sb_status sb_plot_failures(sb_run_report *report, const char *folder);

void sb_report_html(const sb_run_report *report, FILE *to);
void sb_report_html_cells(const sb_run_report *report, FILE *to);
void sb_report_html_benches(const sb_run_report *report, FILE *to);
void sb_report_html_plots(const sb_run_report *report, FILE *to);
void sb_report_junit(const sb_run_report *report, FILE *to);
void sb_report_markdown(const sb_run_report *report, FILE *to);
void sb_report_csv(const sb_run_report *report, FILE *to);

#endif
