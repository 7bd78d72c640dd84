/* samebits expect: what a run's failures, explained, would change in a device's expectations, as lines to be reviewed.
 */
#include "cli/command.h"
#include "samebits/check.h"
#include "samebits/explain.h"
#include "samebits/run_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MAX_ROWS = 512, FAILURES = 0x9000, DEVICE, FILE_PATH, LINK, WRITE };

typedef struct request {
  const char *run, *failures, *device, *file, *link;
  bool write;
} request;

typedef struct row {
  char glob[SB_CASE_TEXT], mechanisms[256];
} row;

static error_t parse(int key, char *word, struct argp_state *state) {
  request *r = state->input;
  switch (key) {
  case FAILURES:
    r->failures = word;
    return 0;
  case DEVICE:
    r->device = word;
    return 0;
  case FILE_PATH:
    r->file = word;
    return 0;
  case LINK:
    r->link = word;
    return *word && !strpbrk(word, " \t\r\n#")
               ? 0
               : sb_argp_error(sb_fail(SB_USAGE, "--link '%.60s': one word without #", word));
  case WRITE:
    r->write = true;
    return 0;
  case ARGP_KEY_ARG:
    if (r->run) return sb_argp_error(sb_fail(SB_USAGE, "one run is read; '%.100s' is another", word));
    r->run = word;
    return 0;
  case ARGP_KEY_END:
    if (!r->run || !r->failures) return sb_argp_error(sb_fail(SB_USAGE, "a run and its --failures are needed"));
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

static const struct argp_option table[] = {
    {"failures", FAILURES, "DIR", 0, "what check --save-failures wrote of the run", 0},
    {"device", DEVICE, "D", 0, "whose expectations (default: the run's first device)", 0},
    {"file", FILE_PATH, "FILE", 0, "default: ci/expect/DEVICE.txt", 0},
    {"link", LINK, "URL", 0, "where each new divergence is tracked", 0},
    {"write", WRITE, NULL, 0, "write the file, instead of only showing what would change", 0},
    {0}};

/* The mechanisms that reproduce a saved failure, joined by commas; "" where none are known. Whether it was saved. */
static bool explain(const char *failures, const char *text, char mechanisms[256]) {
  char name[SB_CASE_TEXT], path[4096];
  sb_explanation *found = NULL;
  const sb_explain_options how = {0};
  snprintf(name, sizeof name, "%s", text);
  sb_failure_name(name);
  snprintf(path, sizeof path, "%s/%s.safetensors", failures, name);
  mechanisms[0] = 0;
  if (access(path, F_OK)) return false;
  if (sb_explain_file(path, &how, &found)) return true;
  for (int i = 0; found->verdict == SB_EXPLAINED && found->set_count > 0 && i < found->sets[0].count; i++)
    snprintf(mechanisms + strlen(mechanisms), 256 - strlen(mechanisms), "%s%s", i ? "," : "",
             found->sets[0].steps[i].id);
  sb_explanation_free(found);
  return true;
}

/* RECIPE/SIDE/STEP@FLAVOR/DTYPE/SHAPE/FILL:SEED -> the same with any shape and seed. */
static void glob_of(const char *key, char glob[SB_CASE_TEXT]) {
  size_t at = 0;
  for (int slashes = 0; key[at] && slashes < 4; at++) slashes += key[at] == '/';
  const char *fill = strchr(key + at, '/');
  fill = fill ? fill + 1 : "";
  snprintf(glob, SB_CASE_TEXT, "%.*s*/%.*s:*", (int)at, key, (int)strcspn(fill, ":"), fill);
}

static int collect(const request *r, const sb_run_file *run, row rows[MAX_ROWS], int *unexplained) {
  int count = 0;
  for (int i = 0; i < run->entry_count; i++) {
    const sb_run_entry *e = &run->entries[i];
    row now;
    if (e->bench || e->status != SB_FAIL || strcmp(e->device, r->device) != 0) continue;
    const bool saved = explain(r->failures, e->text, now.mechanisms);
    glob_of(e->key, now.glob);
    if (!*now.mechanisms) {
      if (saved)
        printf("? %s: no mechanism is known that reproduces it\n", e->text);
      else
        printf("? %s: it was not saved in %s\n", e->text, r->failures);
      ++*unexplained;
      continue;
    }
    int known = 0;
    while (known < count && (strcmp(rows[known].glob, now.glob) || strcmp(rows[known].mechanisms, now.mechanisms)))
      known++;
    if (known == count && count < MAX_ROWS) rows[count++] = now;
  }
  return count;
}

/* Whether a line's glob is one that the run called out of date. */
static bool outdated(const sb_run_file *run, const char *line) {
  const size_t length = strcspn(line, " \t");
  for (int i = 0; i < run->problem_count && length > 0 && *line != '#'; i++)
    if (strncmp(run->problems[i], "XPASS ", 6) == 0 && strncmp(run->problems[i] + 6, line, length) == 0 &&
        run->problems[i][6 + length] == ':')
      return true;
  return false;
}

/* Copies what stays, says what goes and comes; `to` may be NULL. Returns how many lines change. */
static int rewrite(const request *r, const sb_run_file *run, const row *rows, int count, FILE *to) {
  FILE *from = fopen(r->file, "r");
  char *line = NULL, date[16];
  size_t room = 0;
  int changes = 0;
  const time_t now = time(NULL);
  struct tm utc;
  strftime(date, sizeof date, "%Y-%m-%d", gmtime_r(&now, &utc));
  printf("--- %s\n+++ %s\n", r->file, r->file);
  while (from && getline(&line, &room, from) > 0) {
    if (outdated(run, line)) {
      printf("-%s", line);
      changes++;
    } else if (to)
      fputs(line, to);
  }
  if (from) fclose(from);
  free(line);
  for (int i = 0; i < count; i++, changes++) {
    printf("+%s %s %s %s\n", rows[i].glob, rows[i].mechanisms, r->link ? r->link : "LINK", date);
    if (to) fprintf(to, "%s %s %s %s\n", rows[i].glob, rows[i].mechanisms, r->link, date);
  }
  return changes;
}

static sb_status update(const request *r, const sb_run_file *run, int *exit_code) {
  static row rows[MAX_ROWS];
  char beside[4096];
  int unexplained = 0;
  const sb_status opened = sb_failures_open(r->failures, 0);
  if (opened) return opened;
  const int count = collect(r, run, rows, &unexplained);
  *exit_code = unexplained ? SB_EXIT_DIFFERS : SB_EXIT_OK;
  if (!r->write) {
    if (rewrite(r, run, rows, count, NULL)) *exit_code = SB_EXIT_DIFFERS;
    return SB_OK;
  }
  if (count && !r->link) return sb_fail(SB_USAGE, "--link is needed: each row says where its divergence is tracked");
  snprintf(beside, sizeof beside, "%s.%ld", r->file, (long)getpid());
  FILE *to = fopen(beside, "w");
  if (!to) return sb_fail(SB_FILE, "%s: cannot write: %s", r->file, strerror(errno));
  rewrite(r, run, rows, count, to);
  const bool failed = ferror(to) != 0;
  if ((fclose(to) != 0 || failed || rename(beside, r->file) != 0)) {
    const int why = errno;
    remove(beside);
    return sb_fail(SB_FILE, "%s: cannot write: %s", r->file, strerror(why));
  }
  return SB_OK;
}

static int run_expect(int argc, char **argv) {
  static const struct argp argp = {
      table,
      parse,
      "RUN.jsonl",
      "Shows which rows a run would add to a device's expectations (failures that explain "
      "reproduces bit by bit) and remove (out of date); --write does it, for a commit that is "
      "reviewed. Exit: 0 nothing to change, or written; 1 changes, or failures without a known "
      "mechanism; 2 usage, 3 a file.",
      NULL,
      NULL,
      NULL};
  request r = {0};
  char usual[SB_DEVICE_NAME + 32];
  sb_run_file *run = NULL;
  int exit_code = sb_parse_options(&argp, argc, argv, &r);
  if (exit_code) return exit_code;
  sb_status status = sb_run_file_open(r.run, &run);
  if (!status && !r.device) r.device = run->headers[0].device;
  if (!status && !r.file) {
    snprintf(usual, sizeof usual, "ci/expect/%s.txt", r.device);
    r.file = usual;
  }
  if (!status) status = update(&r, run, &exit_code);
  sb_run_file_close(run);
  return status ? sb_report(argv[0], status) : exit_code;
}

const sb_command sb_command_expect = {"expect", "what a run would change in a device's expectations", run_expect};
