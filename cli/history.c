/* samebits history: runs kept in an SQLite file. */
#include "samebits/history.h"
#include "cli/command.h"
#include "samebits/plots.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_WORDS = 4096, DATABASE = 0x8000, DEVICE, PLOTS };

typedef struct request {
  const char *words[MAX_WORDS], *database, *device, *plots;
  int count;
} request;

static error_t parse(int key, char *word, struct argp_state *state) {
  request *r = state->input;
  switch (key) {
  case DATABASE:
    r->database = word;
    return 0;
  case DEVICE:
    r->device = word;
    return 0;
  case PLOTS:
    r->plots = word;
    return 0;
  case ARGP_KEY_ARG:
    if (r->count == MAX_WORDS) return sb_argp_error(sb_fail(SB_USAGE, "more than %d arguments", MAX_WORDS));
    r->words[r->count++] = word;
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

static const struct argp_option table[] = {{"database", DATABASE, "FILE", 0, "default: history.sqlite", 0},
                                           {"device", DEVICE, "D", 0, "list: only its runs", 0},
                                           {"plots", PLOTS, "DIR", 0, "show: draw the timings over the commits", 0},
                                           {0}};

static int parse_words(int argc, char **argv, const char *words, request *r) {
  const struct argp argp = {table, parse, words, "A history of runs, by device, toolchain and commit.",
                            NULL,  NULL,  NULL};
  *r = (request){.database = "history.sqlite"};
  return sb_parse_options(&argp, argc, argv, r);
}

static int add(int argc, char **argv) {
  static request r;
  sb_history *history = NULL;
  int exit_code = parse_words(argc, argv, "RUN.jsonl...", &r);
  if (exit_code) return exit_code;
  sb_status status = r.count ? SB_OK : sb_fail(SB_USAGE, "no runs are given");
  if (!status) status = sb_history_open(r.database, false, &history);
  for (int i = 0; i < r.count && !status; i++) {
    sb_run_file *run = NULL;
    int added = 0;
    status = sb_run_file_open(r.words[i], &run);
    if (!status) status = sb_history_add(history, run, &added);
    if (!status && added)
      printf("%s: added, %d device%s, %d lines%s\n", r.words[i], added, added == 1 ? "" : "s", run->entry_count,
             run->complete ? "" : "; interrupted: it has no summary");
    else if (!status)
      printf("%s: it was there already\n", r.words[i]);
    sb_run_file_close(run);
  }
  sb_history_close(history);
  return status ? sb_report(argv[0], status) : SB_EXIT_OK;
}

static void print_run(void *context, const sb_history_run *run) {
  ++*(int *)context;
  printf("%5" PRId64 "  %-20s  %-12s  %-16s  %-28.28s %6" PRId64 " %8" PRId64 " %6" PRId64 " %6" PRId64 "%s\n", run->id,
         run->time, run->git, run->device, *run->toolchain ? run->toolchain : "-", run->passed, run->expected,
         run->other, run->timed, run->complete ? "" : "  interrupted");
}

static int list(int argc, char **argv) {
  static request r;
  sb_history *history = NULL;
  int count = 0, exit_code = parse_words(argc, argv, NULL, &r);
  if (exit_code) return exit_code;
  sb_status status = r.count ? sb_fail(SB_USAGE, "list takes no argument '%.100s'", r.words[0]) : SB_OK;
  if (!status) status = sb_history_open(r.database, true, &history);
  if (!status)
    printf("%5s  %-20s  %-12s  %-16s  %-28s %6s %8s %6s %6s\n", "run", "time", "commit", "device", "toolchain", "PASS",
           "EXPECTED", "other", "timed");
  if (!status) status = sb_history_list(history, r.device, print_run, &count);
  sb_history_close(history);
  if (!status && count == 0) status = sb_fail(SB_FILE, "%s: it holds no such run", r.database);
  return status ? sb_report(argv[0], status) : SB_EXIT_OK;
}

/* The points of a glob, kept for the plot, and the last one, to see what changed. */
typedef struct showing {
  int count;
  char text[SB_CASE_TEXT + 1], device[SB_DEVICE_NAME], digests[4096];
  sb_plot_history *plot;
} showing;

static void print_point(void *context, const sb_history_point *point) {
  showing *s = context;
  char series[SB_CASE_TEXT + 1];
  snprintf(series, sizeof series, "%c%s", point->bench ? 'b' : 'c', point->text);
  const bool same_case = s->count > 0 && strcmp(series, s->text) == 0;
  const bool again = same_case && strcmp(point->run.device, s->device) == 0; /* devices are not compared here */
  if (!same_case) printf("%s%s%s\n", s->count ? "\n" : "", point->text, point->bench ? " (bench)" : "");
  const char *bits = !strcmp(point->digests, "{}")             ? ""
                     : !again                                  ? "bits"
                     : strcmp(s->digests, point->digests) == 0 ? "same bits"
                                                               : "bits CHANGED";
  printf("  %5" PRId64 "  %-20s  %-12s  %-16s  %-11s  %-12s", point->run.id, point->run.time, point->run.git,
         point->run.device, point->status, bits);
  if (point->bench && point->median > 0)
    printf("  %9.4g ms (%.4g to %.4g, %" PRId64 " samples) %.3g GB/s", point->median * 1e3, point->q1 * 1e3,
           point->q3 * 1e3, point->samples, point->bytes_per_second * 1e-9);
  puts("");
  snprintf(s->text, sizeof s->text, "%s", series);
  snprintf(s->device, sizeof s->device, "%s", point->run.device);
  snprintf(s->digests, sizeof s->digests, "%s", point->digests);
  s->count++;
  if (s->plot && point->bench) sb_plot_history_add(s->plot, point);
}

static int show(int argc, char **argv) {
  static request r;
  sb_history *history = NULL;
  static showing s;
  int exit_code = parse_words(argc, argv, "GLOB|RUN", &r);
  if (exit_code) return exit_code;
  sb_status status = r.count == 1 ? SB_OK : sb_fail(SB_USAGE, "one glob of cases, or the number of a run, is needed");
  if (!status) status = sb_history_open(r.database, true, &history);
  char *end = NULL;
  const long long id = status ? 0 : strtoll(r.words[0], &end, 10);
  if (!status && *r.words[0] && !*end)
    status = sb_history_write(history, id, stdout);
  else if (!status) {
    if (r.plots) status = sb_plot_history_begin(r.plots, &s.plot);
    if (!status) status = sb_history_show(history, r.words[0], print_point, &s);
    if (!status && s.count == 0) status = sb_fail(SB_USAGE, "%s: no case matches '%.200s'", r.database, r.words[0]);
    if (s.plot) {
      const sb_status drawn = sb_plot_history_end(s.plot, !status);
      status = status ? status : drawn;
    }
  }
  sb_history_close(history);
  return status ? sb_report(argv[0], status) : SB_EXIT_OK;
}

static int run(int argc, char **argv) {
  static const sb_subcommand commands[] = {{"add", "add runs", add},
                                           {"list", "the runs", list},
                                           {"show", "what became of cases, or the lines of one run", show}};
  return sb_dispatch("history", commands, 3, argc, argv);
}

const sb_command sb_command_history = {"history", "runs kept by device, toolchain and commit", run};
