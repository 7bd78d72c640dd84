/* samebits report: runs as a page, JUnit, Markdown, CSV. */
#include "samebits/report.h"
#include "cli/command.h"
#include "samebits/check.h"

#include <stdio.h>
#include <string.h>

enum { MAX_RUNS = 4096, MAX_MODELS = 64, HTML = 0x6000, JUNIT, MARKDOWN, CSV, TITLE, FAILURES, PLOTS, MODEL };

typedef struct request {
  const char *runs[MAX_RUNS], *paths[SB_REPORT_FORMATS], *plots, *models[MAX_MODELS];
  int count;
  sb_report_options how;
} request;

static error_t parse(int key, char *word, struct argp_state *state) {
  request *r = state->input;
  bool any = false;
  switch (key) {
  case HTML:
  case JUNIT:
  case MARKDOWN:
  case CSV:
    r->paths[key - HTML] = word;
    return 0;
  case PLOTS:
    r->plots = word;
    return 0;
  case TITLE:
    r->how.title = word;
    return 0;
  case FAILURES:
    r->how.failures = word;
    return 0;
  case MODEL:
    if (r->how.model_count == MAX_MODELS)
      return sb_argp_error(sb_fail(SB_USAGE, "more than %d of --model", MAX_MODELS));
    r->models[r->how.model_count++] = word;
    r->how.models = r->models;
    return 0;
  case ARGP_KEY_ARG:
    if (r->count == MAX_RUNS) return sb_argp_error(sb_fail(SB_USAGE, "more than %d runs", MAX_RUNS));
    r->runs[r->count++] = word;
    return 0;
  case ARGP_KEY_END:
    for (int i = 0; i < SB_REPORT_FORMATS; i++) any |= r->paths[i] != NULL;
    any |= r->plots != NULL;
    if (r->how.model_count && !r->paths[SB_REPORT_HTML])
      return sb_argp_error(sb_fail(SB_USAGE, "--model is for the page: --html FILE is needed"));
    if (r->count == 0 && (!r->how.model_count || r->plots || r->paths[1] || r->paths[2] || r->paths[3]))
      return sb_argp_error(
          sb_fail(SB_USAGE, r->how.model_count ? "without runs there is only --html" : "no runs are given"));
    return any ? 0
               : sb_argp_error(
                     sb_fail(SB_USAGE, "no report is asked for: --html, --junit, --markdown, --csv, --plots"));
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

static const struct argp_option table[] = {
    {"html", HTML, "FILE", 0, "one page with everything in it", 0},
    {"junit", JUNIT, "FILE", 0, "JUnit XML", 0},
    {"markdown", MARKDOWN, "FILE", 0, "for a comment on a pull request", 0},
    {"csv", CSV, "FILE", 0, "a row a case", 0},
    {"plots", PLOTS, "DIR", 0, "plots through gnuplot, SVG and PNG, light and dark; the page holds them, too", 0},
    {"title", TITLE, "TEXT", 0, "of the page", 0},
    {"model", MODEL, "FILE", 0,
     "what samebits model inspect, compare, equivalence and eval print with --json: a page of a model", 0},
    {"failures", FAILURES, "DIR", 0, "files of check --save-failures, to be explained on the page", 0},
    {0}};

static int run(int argc, char **argv) {
  static const struct argp argp = {
      table,
      parse,
      "[RUN.jsonl...]",
      "Makes reports of runs; - is standard output. Exit: 0 written, whatever the runs say; "
      "2 usage, 3 a file.",
      NULL,
      NULL,
      NULL};
  static request r;
  static sb_run_file *files[MAX_RUNS];
  int exit_code = sb_parse_options(&argp, argc, argv, &r);
  if (exit_code) return exit_code;
  sb_run_report *report = NULL;
  sb_status status = r.how.failures ? sb_failures_open(r.how.failures, 0) : SB_OK;
  for (int i = 0; i < r.count && !status; i++) {
    for (int f = 0; f < SB_REPORT_FORMATS && !status; f++) status = sb_refuse_overwriting(r.paths[f], r.runs[i]);
    if (!status) status = sb_run_file_open(r.runs[i], &files[i]);
  }
  for (int i = 0; i < r.how.model_count && !status; i++)
    status = sb_refuse_overwriting(r.paths[SB_REPORT_HTML], r.models[i]);
  if (!status) status = sb_report_make(files, r.count, &r.how, &report);
  if (!status && r.plots) status = sb_report_plots(report, r.plots);
  for (int f = 0; f < SB_REPORT_FORMATS && !status; f++)
    if (r.paths[f]) status = sb_report_write(report, (sb_report_format)f, r.paths[f]);
  if (status) exit_code = sb_report(argv[0], status);
  sb_report_free(report);
  for (int i = 0; i < r.count; i++) sb_run_file_close(files[i]);
  return exit_code;
}

const sb_command sb_command_report = {"report", "runs as a page, JUnit, Markdown, CSV", run};
