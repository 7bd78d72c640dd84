/* samebits check: cases on devices, their verdicts, and what the run is worth. */
#include "cli/check_options.h"
#include "cli/outcome.h"
#include "cli/table.h"
#include "samebits/compare.h"
#include "samebits/expect.h"
#include "samebits/explain.h"
#include "samebits/pool.h"
#include "samebits/run.h"
#include "samebits/runs_merge.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { MAX_DEVICES = 16, MAX_PROBLEMS = 256 };

/* Everything that a run adds up. */
typedef struct tally {
  const sb_check_request *r;
  const char *program;
  sb_run_writer *writer;
  sb_table table;
  sb_required required;
  sb_expectations expectations;
  sb_verifier *verifier; /* of all devices: what rows say of contracts is the same on each */
  int64_t statuses[SB_CASE_STATUSES], elements, total, done, bad;
  char *problems[MAX_PROBLEMS];
  char in_part[64]; /* what only one side of a case had, of the first such case */
  int64_t in_parts;
  int problem_count, exit_code;
  bool progress, stopped, replaying;
  sb_run_file *resumed;
  struct timespec start, shown;
} tally;

static double seconds_since(const struct timespec *then) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)(now.tv_sec - then->tv_sec) + 1e-9 * (double)(now.tv_nsec - then->tv_nsec);
}

static void clear_progress(const tally *t) {
  if (t->progress) fprintf(stderr, "\r\033[K");
}

static void show_progress(tally *t) {
  if (!t->progress || (t->done < t->total && seconds_since(&t->shown) < 0.1)) return;
  clock_gettime(CLOCK_MONOTONIC, &t->shown);
  double elapsed = seconds_since(&t->start), rate = elapsed > 0 ? (double)t->done / elapsed : 0;
  clear_progress(t);
  if (t->done < t->total)
    fprintf(stderr, "%" PRId64 "/%" PRId64 " cases, %" PRId64 " failed, %.0f/s, %.0f s left", t->done, t->total, t->bad,
            rate, rate > 0 ? (double)(t->total - t->done) / rate : 0);
}

static void problem(void *context, const char *text) {
  tally *t = context;
  if (t->problem_count < MAX_PROBLEMS) t->problems[t->problem_count] = strdup(text);
  if (t->problem_count < MAX_PROBLEMS && t->problems[t->problem_count]) t->problem_count++;
  if (!t->r->json) printf("%s\n", text);
}

/* One line a case that is not PASS: verdict, why, and how to get the same bits again. */
static void print_case(const tally *t, const sb_case *c, const sb_result *result, const char *repro) {
  char text[SB_CASE_TEXT], name[SB_VISIBLE], reason[SB_VISIBLE];
  clear_progress(t);
  printf("%s %s: %s%s%s\n  %s\n", sb_case_status_names[result->status], sb_visible(sb_case_print(c, text), name),
         result->mechanisms, *result->mechanisms ? ": " : "", sb_visible(result->reason, reason), repro);
}

/* Where a run goes to: its device, on which a failure is run again for its tensors. */
typedef struct place {
  tally *t;
  sb_device *device;
} place;

/* What the device takes in the case's place is what expectations speak of; its text. */
static sb_status taken_case(const place *here, const sb_case *c, sb_case *taken, char text[SB_CASE_TEXT]) {
  *taken = *c;
  const sb_status status = sb_device_adapt(here->device, &taken->spec);
  sb_case_print(taken, text);
  return status ? sb_fail_in(status, "%s", text) : SB_OK;
}

/* The verdict by the expectations, and the case's line in the run. */
static sb_status record_result(void *context, const sb_case *c, sb_status status, sb_result *result) {
  tally *t = ((place *)context)->t;
  char text[SB_CASE_TEXT], repro[SB_REPRO_TEXT];
  sb_case taken;
  if (!status) status = taken_case(context, c, &taken, text);
  if (status) return status;
  sb_expect(&t->expectations, text, result);
  return t->replaying ? SB_OK
                      : sb_run_write_case(t->writer, c, &taken, result, sb_check_repro(t->r, c, result->status, repro));
}

static sb_status save(const place *here, const sb_case *c, const sb_result *result) {
  sb_check_options keeping = here->t->r->check;
  sb_result again;
  keeping.keep = true;
  sb_status status = sb_check(here->device, c, &keeping, &again);
  if (status) return status;
  again.status = result->status;
  memcpy(again.mechanisms, result->mechanisms, sizeof again.mechanisms);
  status = sb_save_failure(here->t->r->save, c, &again, here->device);
  sb_result_free(&again);
  return status;
}

/* Counts a recorded verdict, prints and saves what is not PASS. */
static sb_status count_result(void *context, const sb_case *c, sb_status status, sb_result *result) {
  tally *t = ((place *)context)->t;
  char text[SB_CASE_TEXT], repro[SB_REPRO_TEXT];
  sb_case taken;
  if (status) {
    taken_case(context, c, &taken, text);
    return sb_fail_in(status, "%s", text);
  }
  t->statuses[result->status]++;
  t->exit_code = sb_exit_join(t->exit_code, sb_exit_of_case(result->status));
  const bool good = result->status == SB_PASS || result->status == SB_EXPECTED;
  if (good || result->status == SB_FAIL) t->elements += result->elements;
  if (*result->not_compared && t->in_parts++ == 0) snprintf(t->in_part, sizeof t->in_part, "%s", result->not_compared);
  if (good)
    sb_required_fill(&t->required, &c->spec, ((place *)context)->device->name, result->elements);
  else
    t->bad++;
  if (result->status != SB_PASS && !t->r->json)
    print_case(t, c, result, sb_check_repro(t->r, c, result->status, repro));
  const bool ends = result->status == SB_CRASH || result->status == SB_TIMEOUT; /* and would take this process along */
  if (result->status != SB_PASS && t->r->save && !ends) status = save(context, c, result);
  if (!status) status = sb_table_add(&t->table, c, result);
  bool unexpected = sb_exit_of_case(result->status) != SB_EXIT_OK;
  if (unexpected && (t->r->fail_fast || (t->r->max_errors && t->bad >= t->r->max_errors))) t->stopped = true;
  t->done++;
  show_progress(t);
  return status;
}

static sb_status take_result(void *context, const sb_case *c, sb_status status, sb_result *result) {
  if (!status) status = record_result(context, c, status, result);
  return count_result(context, c, status, result);
}

/* Cells that the selection covers and that were not filled. */
static void check_required(tally *t, const char *device) {
  const sb_selection *s = &t->r->selection;
  const char *const lists[SB_SELECTION_LISTS] = {s->recipes, s->sides, s->steps, s->flavors, s->dtypes};
  if (sb_missing_cells(&t->required, lists, device, problem, t))
    t->exit_code = sb_exit_join(t->exit_code, SB_EXIT_DIFFERS);
}

/* Whether the run is of all cases of its words, but for other shards, on our own kernels: then the required cells must
 * be filled. */
static bool whole(const sb_check_request *r) {
  const sb_selection *s = &r->selection;
  return s->pattern_count == 0 && !s->only && !s->name && !r->input && !s->shapes && !s->groups && !s->fills &&
         !s->seeds && !r->device.kernels;
}

/* Whether the run could show that a row is out of date: a part of the cases cannot, another part may hold the one that
 * differs. Rows that the user gave are judged by every run of a list of cases. */
static bool judges_rows(const sb_check_request *r) {
  const sb_selection *s = &r->selection;
  sb_case c;
  for (int i = 0; i < s->pattern_count; i++)
    if (sb_pattern_case(s, s->patterns[i], &c)) return false;
  if (s->shards || s->only) return false;
  return r->expect || (whole(r) && !s->sides && !s->flavors && !s->dtypes);
}

static void check_outdated(tally *t) {
  if (t->stopped || !judges_rows(t->r)) return;
  const int rows = sb_outdated_rows(&t->expectations, problem, t);
  t->statuses[SB_XPASS] += rows;
  if (rows) t->exit_code = sb_exit_join(t->exit_code, SB_EXIT_DIFFERS);
}

/* Processes for a device: --jobs, or one a core where the work is this machine's. */
static int jobs_for(const sb_check_request *r, const sb_device *device) {
  if (r->jobs) return (int)r->jobs;
  const long cores = sysconf(_SC_NPROCESSORS_ONLN);
  return !device->family->forks || r->check.threads ? 1 : cores > 16 ? 16 : (int)cores;
}

/* The cases that the interrupted run has are taken from it; `list` keeps the rest. */
static sb_status replay(place *here, sb_case_list *list) {
  tally *t = here->t;
  int rest = 0;
  sb_status status = SB_OK;
  for (int i = 0; i < list->count && !status; i++) {
    char text[SB_CASE_TEXT];
    const sb_run_entry *entry = sb_run_file_find(t->resumed, false, sb_case_print(&list->cases[i], text));
    const sb_case_status had = entry ? entry->status : SB_NOTRUN;
    sb_result result;
    if (had == SB_NOTRUN || had == SB_CRASH || had == SB_TIMEOUT || had == SB_ERROR) {
      list->cases[rest++] = list->cases[i];
      continue;
    }
    sb_run_replay(entry, &result);
    t->replaying = !t->r->output; /* its line is there already */
    status = take_result(here, &list->cases[i], SB_OK, &result);
    t->replaying = false;
  }
  list->count = rest;
  return status;
}

/* Bits of another build, or of other hardware, are another run. */
static sb_status check_resumed(const tally *t, const sb_device *device) {
  const sb_run_header *header = sb_run_file_header(t->resumed, device->name);
  if (header && strcmp(header->git, sb_run_git) != 0)
    return sb_fail(SB_USAGE, "%s was made by the build %s, this is %s: it cannot be resumed", t->resumed->path,
                   header->git, sb_run_git);
  sb_status status = header ? sb_run_same_record(header, device) : SB_OK;
  if (header && !status) status = sb_run_same_selection(header, &t->r->selection, whole(t->r));
  return status ? sb_fail_in(status, "%s cannot be resumed", t->resumed->path) : SB_OK;
}

static sb_status run_device(tally *t, const char *name) {
  sb_device *device = NULL;
  sb_case_list list = {0};
  sb_status status = sb_device_open(name, &t->r->device, &device);
  if (!status) status = sb_select(&t->r->selection, device, &list);
  if (!status) status = sb_expectations_load(t->r->expect, name, &t->expectations);
  if (!status && t->resumed) status = check_resumed(t, device);
  sb_check_options options = t->r->check;
  if (!status)
    status =
        t->verifier ? sb_verifier_rows(t->verifier, &t->expectations) : sb_verifier_new(&t->expectations, &t->verifier);
  options.verify = sb_verify_case, options.verify_context = t->verifier;
  if (!status) status = sb_run_write_header_of(t->writer, device, &t->r->selection, whole(t->r));
  t->total += list.count;
  for (int i = 0; i < list.count && !status; i++) {
    const char *wanted = *list.cases[i].device ? list.cases[i].device : "ref";
    if (strcmp(wanted, name) != 0)
      status =
          sb_fail(SB_USAGE, "a case is for the device %s, the run is on %s: give --device %s", wanted, name, wanted);
  }
  place here = {t, device};
  if (!status && t->resumed) status = replay(&here, &list);
  for (int i = 0; i < list.count && !status; i++) {
    sb_case adapted = list.cases[i];
    /* What cannot be prepared is told where a case needs it. */
    if (!sb_device_adapt(device, &adapted.spec)) sb_verifier_prepare(t->verifier, &adapted);
  }
  /* A case's line is written as soon as it has ended; of a run that may stop, none that comes after the stop. */
  const bool stops = t->r->fail_fast || t->r->max_errors;
  if (!status && list.count > 0)
    status = sb_check_all(device, &t->r->device, &options, list.cases, list.count, jobs_for(t->r, device),
                          stops ? NULL : record_result, stops ? take_result : count_result, &here, &t->stopped);
  clear_progress(t);
  if (!status && !t->stopped) {
    check_required(t, name);
    check_outdated(t);
  }
  sb_expectations_free(&t->expectations);
  sb_case_list_free(&list);
  sb_device_close(device);
  return status;
}

static void print_summary(const tally *t) {
  sb_table_print(&t->table);
  printf("\n%" PRId64 " cases, %" PRId64 " elements:", t->done, t->elements);
  for (int i = 0, first = 1; i < SB_CASE_STATUSES; i++) {
    if (!t->statuses[i]) continue;
    printf("%s %" PRId64 " %s", first ? "" : ",", t->statuses[i], sb_case_status_names[i]);
    first = 0;
  }
  if (t->stopped) printf(" (stopped early)");
  if (t->in_parts)
    printf("\nin %" PRId64 " of them one side lacks a tensor, which was not compared: %s%s", t->in_parts, t->in_part,
           t->in_parts > 1 ? ", ..." : "");
  if (t->statuses[SB_EXPECTED]) printf("\nexpected divergences and their mechanisms: ci/expect/ref.txt");
  putchar('\n');
}

/* A file of cells that was given, none of them of a device of this run, asks for nothing. */
static void check_applies(tally *t, char *const names[], int count) {
  char text[SB_CELL_TEXT];
  for (int i = 0; i < t->required.count; i++)
    for (int k = 0; k < count; k++)
      if (strcmp(t->required.cells[i].device, names[k]) == 0) return;
  snprintf(text, sizeof text, "REQUIRED no row of %.200s is of a device of this run", t->r->required);
  problem(t, text);
  t->exit_code = sb_exit_join(t->exit_code, SB_EXIT_DIFFERS);
}

static sb_status finish(tally *t) {
  /* what ran and proves nothing is inconclusive, which its own exit code says */
  bool nothing =
      t->statuses[SB_PASS] + t->statuses[SB_EXPECTED] + t->statuses[SB_MISTRUSTED] + t->statuses[SB_UNPROVEN] == 0;
  if (nothing) t->exit_code = sb_exit_join(t->exit_code, SB_EXIT_INFRASTRUCTURE);
  if (!t->r->json) print_summary(t);
  if (nothing && t->exit_code == SB_EXIT_INFRASTRUCTURE) {
    fflush(stdout);
    fprintf(stderr, "%s: nothing passed: no case gave bits to compare\n", t->program);
  }
  sb_status status =
      sb_run_write_summary(t->writer, t->statuses, t->exit_code, (const char *const *)t->problems, t->problem_count);
  return status;
}

/* The devices: --device, or the one that a case string names, or ref. A worker's command may hold commas. */
static int split_devices(const sb_check_request *r, char *names[MAX_DEVICES]) {
  static char from_case[SB_DEVICE_NAME];
  int count = 0;
  if (r->devices && strncmp(r->devices, "worker:", 7) == 0) return names[0] = r->devices, 1;
  for (char *word = r->devices ? strtok(r->devices, ",") : NULL; word && count < MAX_DEVICES; word = strtok(NULL, ","))
    names[count++] = word;
  for (int i = 0; i < r->selection.pattern_count && count == 0; i++) {
    sb_case c;
    if (!sb_pattern_case(&r->selection, r->selection.patterns[i], &c) || sb_case_parse(r->selection.patterns[i], &c) ||
        !*c.device)
      continue;
    strcpy(from_case, c.device);
    names[count++] = from_case;
  }
  if (count == 0) names[count++] = "ref";
  return count;
}

/* Whether a word is a whole case: lists have no meaning beside it. */
static bool names_case(const sb_check_request *r) {
  sb_case c;
  for (int i = 0; i < r->selection.pattern_count; i++)
    if (sb_pattern_case(&r->selection, r->selection.patterns[i], &c)) return true;
  return false;
}

static sb_status run_all(tally *t, sb_check_request *r) {
  char *names[MAX_DEVICES];
  sb_safetensors *input = NULL;
  static char digest[SB_DIGEST_TEXT];
  int count = 0;
  sb_status status = sb_check_request_valid(r);
  if (!status) status = sb_refuse_overwriting(r->output, r->input);
  if (!status) status = sb_refuse_overwriting(r->output, r->selection.only);
  if (!status) status = sb_refuse_overwriting(r->output, r->resume);
  if (!status && r->save) status = sb_failures_make(r->save);
  if (!status && r->input) status = sb_safetensors_open(r->input, &input);
  if (!status && input && (r->output || r->json || r->resume)) {
    status = sb_digest_file(input, digest);
    r->selection.input_digest = digest;
  }
  r->selection.input = r->check.input = input;
  r->selection.tensors = r->tensors;
  if (!status) count = split_devices(r, names);
  if (!status && r->device.kernels && count == 1 && strcmp(names[0], "ref") == 0)
    status =
        sb_fail(SB_USAGE, "--kernels %.200s needs a device that runs kernels: --device emu:sm_90", r->device.kernels);
  if (!r->selection.recipes && !r->selection.name && !r->selection.only && !names_case(r))
    r->selection.recipes = sb_contracts_recipes();
  if (r->input) {
    r->selection.side = r->selection.sides;
    if (r->selection.sides && strcmp(r->selection.sides, "auto") == 0) r->selection.sides = NULL;
  }
  if (!status && r->required) status = sb_required_load(r->required, &t->required);
  if (!status && !r->required && whole(r) && !r->selection.shards && access("ci/required.txt", F_OK) == 0)
    status = sb_required_load("ci/required.txt", &t->required);
  if (!status && r->resume) status = sb_run_file_open(r->resume, &t->resumed);
  if (!status && r->resume && !r->output)
    status = sb_run_writer_append(r->resume, t->resumed->whole, r->json, &t->writer);
  else if (!status)
    status = sb_run_writer_open(r->output, r->json, &t->writer);
  for (int i = 0; i < count && !status && !t->stopped; i++) status = run_device(t, names[i]);
  clear_progress(t);
  if (!status && r->required) check_applies(t, names, count);
  if (!status && input && !r->json) sb_print_untaken(input, r->tensors);
  if (!status) status = finish(t);
  sb_status closed = sb_run_writer_close(t->writer);
  sb_safetensors_close(input);
  return status ? status : closed;
}

static int run(int argc, char **argv) {
  sb_check_request r = {.check.digests = true};
  int exit_code = sb_parse_options(&sb_check_argp, argc, argv, &r);
  if (exit_code) return exit_code;
  tally t = {.r = &r, .program = argv[0], .progress = isatty(STDERR_FILENO) && !r.json};
  clock_gettime(CLOCK_MONOTONIC, &t.start);
  sb_status status = run_all(&t, &r);
  exit_code = status ? sb_report(argv[0], status) : t.exit_code;
  sb_verifier_free(t.verifier);
  sb_table_free(&t.table);
  sb_required_free(&t.required);
  sb_run_file_close(t.resumed);
  for (int i = 0; i < t.problem_count; i++) free(t.problems[i]);
  return exit_code;
}

const sb_command sb_command_check = {"check", "run cases on a device and compare bits", run};
