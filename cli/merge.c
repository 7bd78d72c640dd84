/* samebits merge: shards, interrupted runs and what completed them, devices: one run of all. */
#include "cli/command.h"
#include "cli/outcome.h"
#include "samebits/run.h"
#include "samebits/runs_merge.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_RUNS = 4096, MAX_PROBLEMS = 256, CANONICAL = 0x5000, OUTPUT, REQUIRED, EXPECT };

typedef struct request {
  const char *paths[MAX_RUNS], *output, *required, *expect;
  int count;
  bool canonical;
} request;

/* The summary, as check makes it. */
typedef struct verdict {
  const char *problems[MAX_PROBLEMS];
  char *owned[MAX_PROBLEMS];
  int count, exit_code;
  int64_t statuses[SB_CASE_STATUSES];
} verdict;

static error_t parse(int key, char *word, struct argp_state *state) {
  request *r = state->input;
  switch (key) {
  case CANONICAL:
    r->canonical = true;
    return 0;
  case OUTPUT:
    r->output = word;
    return 0;
  case REQUIRED:
    r->required = word;
    return 0;
  case EXPECT:
    r->expect = word;
    return 0;
  case ARGP_KEY_ARG:
    if (r->count == MAX_RUNS) return sb_argp_error(sb_fail(SB_USAGE, "more than %d runs", MAX_RUNS));
    r->paths[r->count++] = word;
    return 0;
  case ARGP_KEY_END:
    return r->count ? 0 : sb_argp_error(sb_fail(SB_USAGE, "no runs are given"));
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

static const struct argp_option table[] = {
    {"canonical", CANONICAL, NULL, 0, "sorted by case, without times and places: the same work gives the same bytes",
     0},
    {"output", OUTPUT, "RUN.jsonl", 0, "where to (default: standard output)", 0},
    {"required", REQUIRED, "FILE", 0, "cells that must be filled (default: ci/required.txt, for whole selections)", 0},
    {"expect", EXPECT, "FILE", 0, "known divergences (default: ci/expect/DEVICE.txt)", 0},
    {0}};

static void problem(void *context, const char *text) {
  verdict *v = context;
  for (int i = 0; i < v->count; i++)
    if (strcmp(v->problems[i], text) == 0) return;
  if (v->count == MAX_PROBLEMS || !(v->owned[v->count] = strdup(text))) return;
  v->problems[v->count] = v->owned[v->count];
  v->count++;
  fprintf(stderr, "%s\n", text);
}

/* Cells and rows of one device, judged over all its cases. */
static sb_status judge_device(const request *r, const sb_run_file *run, const sb_run_header *header, verdict *v) {
  static const char *const words[SB_SELECTION_LISTS] = {"recipe", "side", "step", "flavor", "dtype"};
  const char *lists[SB_SELECTION_LISTS];
  sb_required required = {0};
  sb_expectations expectations = {0};
  const bool whole = sb_run_whole(header);
  const char *cells = r->required                                     ? r->required
                      : whole && access("ci/required.txt", F_OK) == 0 ? "ci/required.txt"
                                                                      : NULL;
  for (int i = 0; i < SB_SELECTION_LISTS; i++) lists[i] = sb_run_selection(header, words[i]);
  sb_status status = cells ? sb_required_load(cells, &required) : SB_OK;
  if (!status && whole) status = sb_expectations_load(r->expect, header->device, &expectations);
  for (int i = 0; i < run->entry_count && !status; i++) {
    const sb_run_entry *e = &run->entries[i];
    sb_case c;
    sb_result result;
    if (e->bench || strcmp(e->device, header->device) != 0) continue;
    const bool known = sb_case_parse(e->text, &c) == SB_OK; /* another version's recipe fills no cell of ours */
    sb_run_replay(e, &result);
    sb_expect(&expectations, e->as, &result);
    if (known && (e->status == SB_PASS || e->status == SB_EXPECTED))
      sb_required_fill(&required, &c.spec, header->device, e->elements);
  }
  if (!status && cells && sb_missing_cells(&required, lists, header->device, problem, v))
    v->exit_code = sb_exit_join(v->exit_code, SB_EXIT_DIFFERS);
  const int rows = status || !whole ? 0 : sb_outdated_rows(&expectations, problem, v);
  v->statuses[SB_XPASS] += rows;
  if (rows) v->exit_code = sb_exit_join(v->exit_code, SB_EXIT_DIFFERS);
  sb_required_free(&required);
  sb_expectations_free(&expectations);
  return status;
}

static sb_status judge(const request *r, const sb_run_file *run, const sb_merge_report *report, verdict *v) {
  sb_status status = SB_OK;
  int good = 0, bench = 0;
  for (int i = 0; i < run->entry_count; i++) {
    const sb_run_entry *e = &run->entries[i];
    bench += e->bench;
    if (e->bench) continue;
    v->statuses[e->status]++;
    good += e->status == SB_PASS || e->status == SB_EXPECTED;
    v->exit_code = sb_exit_join(v->exit_code, sb_exit_of_case(e->status));
  }
  for (int i = 0; i < run->header_count && !status; i++) status = judge_device(r, run, &run->headers[i], v);
  if (report->conflicts) v->exit_code = sb_exit_join(v->exit_code, SB_EXIT_DIFFERS);
  if (report->unfinished || good + bench == 0) v->exit_code = sb_exit_join(v->exit_code, SB_EXIT_INFRASTRUCTURE);
  if (*report->text) problem(v, report->text);
  return status;
}

/* Beside the target, then renamed: a reader never sees half a run, and a run that is merged may be the target. */
static sb_status write_run(const request *r, const sb_run_file *run, const verdict *v) {
  char beside[4096];
  struct stat info;
  const bool direct = r->output && stat(r->output, &info) == 0 && !S_ISREG(info.st_mode);
  snprintf(beside, sizeof beside, direct ? "%s" : "%s.%ld", r->output ? r->output : "", (long)getpid());
  FILE *to = r->output ? fopen(beside, "w") : stdout;
  if (!to) return sb_fail(SB_FILE, "%s: cannot write: %s", r->output, strerror(errno));
  sb_status status = sb_run_file_write(run, r->canonical, to);
  if (!status && fflush(to) != 0) status = sb_fail(SB_FILE, "the run cannot be written: %s", strerror(errno));
  if (!status) status = sb_run_print_summary(to, v->statuses, v->exit_code, v->problems, v->count);
  if (!r->output) return status;
  if (fclose(to) != 0 && !status) status = sb_fail(SB_FILE, "%s: cannot write: %s", r->output, strerror(errno));
  if (!status && !direct && rename(beside, r->output) != 0)
    status = sb_fail(SB_FILE, "%s: cannot write: %s", r->output, strerror(errno));
  if (status && !direct) remove(beside);
  return status;
}

static int run(int argc, char **argv) {
  static const struct argp argp = {
      table,
      parse,
      "RUN.jsonl...",
      "Puts runs together: shards, interrupted runs and what completed them, devices. Required cells and "
      "expectations are judged over all. Exit: as check would have of all together; 1 also where two runs of a "
      "device disagree, 3 where a shard or a run was not finished.",
      NULL,
      NULL,
      NULL};
  static request r;
  static verdict v;
  int exit_code = sb_parse_options(&argp, argc, argv, &r);
  if (exit_code) return exit_code;
  static sb_run_file *files[MAX_RUNS];
  sb_run_file *merged = NULL;
  sb_merge_report report;
  sb_status status = SB_OK;
  for (int i = 0; i < r.count && !status; i++) status = sb_run_file_open(r.paths[i], &files[i]);
  if (!status) status = sb_runs_merge(files, r.count, &merged, &report);
  if (!status) status = judge(&r, merged, &report, &v);
  if (!status) status = write_run(&r, merged, &v);
  exit_code = status ? sb_report(argv[0], status) : v.exit_code;
  sb_run_file_close(merged);
  for (int i = 0; i < r.count; i++) sb_run_file_close(files[i]);
  for (int i = 0; i < v.count; i++) free(v.owned[i]);
  return exit_code;
}

const sb_command sb_command_merge = {"merge", "one run of several: shards, interrupted runs, devices", run};
