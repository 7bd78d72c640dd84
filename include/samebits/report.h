/* Reports: runs as a page, as JUnit, as Markdown, as a table. */
#ifndef SAMEBITS_REPORT_H
#define SAMEBITS_REPORT_H

#include "samebits/run_file.h"

/* What is to be seen at a glance, the most urgent first. */
typedef enum sb_cell_state {
  SB_CELL_DIFFERS,     /* a case differs, or a row of the expectations is out of date */
  SB_CELL_BROKEN,      /* a case gave no verdict: error, crash, timeout */
  SB_CELL_OPEN,        /* a case proves nothing: mistrusted, unproven */
  SB_CELL_EXPECTED,    /* every case is exact or differs as expected */
  SB_CELL_EXACT,       /* every case is exact */
  SB_CELL_UNSUPPORTED, /* the device or upstream refuses every case */
  SB_CELL_UNTESTED,    /* no case of the runs is of it */
  SB_CELL_STATES
} sb_cell_state;
extern const char *const sb_cell_state_names[SB_CELL_STATES]; /* "differs", ... */

typedef enum sb_report_format {
  SB_REPORT_HTML,
  SB_REPORT_JUNIT,
  SB_REPORT_MARKDOWN,
  SB_REPORT_CSV,
  SB_REPORT_FORMATS
} sb_report_format;

typedef struct sb_report_options {
  const char *title;         /* NULL: "samebits" */
  const char *failures;      /* folder of --save-failures, whose files are explained; NULL: none */
  const char *const *models; /* files of what `samebits model ... --json` printed, for the page */
  int model_count;
} sb_report_options;

typedef struct sb_run_report sb_run_report;

/* Puts runs together (sb_runs_merge) and arranges their cases. `files` must outlive it. Where there are models, there
 * may be no run. */
sb_status sb_report_make(sb_run_file *const *files, int count, const sb_report_options *options,
                         sb_run_report **report);
void sb_report_free(sb_run_report *report); /* NULL is allowed */

/* Writes it beside `path` and renames; "-" is standard output. */
sb_status sb_report_write(const sb_run_report *report, sb_report_format format, const char *path);

/* Draws the plots through gnuplot into a folder: NAME.gp, and NAME.light and NAME.dark as .svg and .png. A page that is
 * written afterwards holds them. SB_FILE: the folder, or gnuplot is not installed. */
sb_status sb_report_plots(sb_run_report *report, const char *folder);

/* How many matrix cells are in a state. */
int sb_report_cells(const sb_run_report *report, sb_cell_state state);

#endif
