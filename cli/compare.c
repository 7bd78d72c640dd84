/* samebits compare: two runs, bits and speed. */
#include "cli/command.h"
#include "samebits/check.h"
#include "samebits/explain.h"
#include "samebits/runs_compare.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EFFECT = 0x4000, ALPHA, WIDEST, LEAST, NORMALISE, POLICY, JSON, ALL, OLD_FAILURES, NEW_FAILURES };

typedef struct request {
  const char *paths[2];
  int path_count;
  const char *failures[2]; /* folders of check --save-failures, NULL: none */
  sb_runs_options how;
  bool json, all, lenient;
} request;

static sb_status number(const char *option, const char *text, double least, double most, double *value) {
  char *end;
  errno = 0;
  *value = strtod(text, &end);
  if (errno || end == text || *end || !(*value >= least && *value <= most))
    return sb_fail(SB_USAGE, "--%s '%.40s': a number from %g to %g is needed", option, text, least, most);
  return SB_OK;
}

static sb_status choice(const char *option, const char *word, const char *const *names, int count, int *index) {
  for (int i = 0; i < count; i++)
    if (strcmp(word, names[i]) == 0) return *index = i, SB_OK;
  return sb_fail(SB_USAGE, "--%s '%.40s': it is %s, %s%s%s", option, word, names[0], names[1], count > 2 ? ", " : "",
                 count > 2 ? names[2] : "");
}

static error_t parse(int key, char *word, struct argp_state *state) {
  static const char *const normalise[] = {"auto", "always", "never"}, *const policies[] = {"strict", "lenient"};
  request *r = state->input;
  double value = 0;
  int index = 0;
  sb_status status = SB_OK;
  switch (key) {
  case EFFECT:
    status = number("effect", word, 0.01, 1000, &value);
    r->how.effect = value / 100;
    break;
  case ALPHA:
    status = number("alpha", word, 1e-9, 0.5, &r->how.alpha);
    break;
  case WIDEST:
    status = number("widest", word, 0.01, 1e6, &value);
    r->how.widest = value / 100;
    break;
  case LEAST:
    status = number("samples", word, 2, 1000, &value);
    r->how.least = (int)value;
    break;
  case NORMALISE:
    status = choice("normalise", word, normalise, 3, &index);
    r->how.normalise = (sb_normalise)index;
    break;
  case POLICY:
    status = choice("policy", word, policies, 2, &index);
    r->lenient = index == 1;
    break;
  case JSON:
    r->json = true;
    break;
  case ALL:
    r->all = true;
    break;
  case OLD_FAILURES:
  case NEW_FAILURES:
    r->failures[key - OLD_FAILURES] = word;
    break;
  case ARGP_KEY_ARG:
    if (r->path_count == 2) return sb_argp_error(sb_fail(SB_USAGE, "two runs are compared; '%.200s' is a third", word));
    r->paths[r->path_count++] = word;
    break;
  case ARGP_KEY_END:
    if (r->path_count < 2) status = sb_fail(SB_USAGE, "two runs are needed: OLD.jsonl NEW.jsonl");
    break;
  default:
    return ARGP_ERR_UNKNOWN;
  }
  return status ? sb_argp_error(status) : 0;
}

static const struct argp_option table[] = {
    {"effect", EFFECT, "PERCENT", 0, "the least change of a median that counts (default: 2)", 0},
    {"alpha", ALPHA, "P", 0, "probability of any wrong verdict of the whole comparison (default: 0.005)", 0},
    {"samples", LEAST, "N", 0, "samples without which there is no verdict (default: 9)", 0},
    {"widest", WIDEST, "PERCENT", 0, "medians that are known no better are AMBIGUOUS (default: 5 times the effect)", 0},
    {"normalise", NORMALISE, "HOW", 0,
     "times relative to each device's roofline: auto (between devices), always, never", 0},
    {"policy", POLICY, "P", 0, "strict: AMBIGUOUS and lost cases exit 4 (default); lenient: they are only listed", 0},
    {"old-failures", OLD_FAILURES, "DIR", 0, "what the old run saved by --save-failures: changed bits are explained",
     0},
    {"new-failures", NEW_FAILURES, "DIR", 0, "the same of the new run", 0},
    {"all", ALL, NULL, 0, "list what is the same, too", 0},
    {"json", JSON, NULL, 0, "JSON lines on standard output", 0},
    {0}};

static const char *where(const sb_run_file *file, char text[256]) {
  const sb_run_header *first = &file->headers[0];
  bool several = false;
  for (int i = 1; i < file->header_count; i++) several |= strcmp(file->headers[i].device, first->device) != 0;
  snprintf(text, 256, "%s%s%s%s%s%s", first->device, several ? " and others" : "", *first->git ? ", built from " : "",
           first->git, *first->time ? ", " : "", first->time);
  return text;
}

/* Why a run's bits are not the reference's, from the file that it saved for the case. A case that passed has none. */
static void print_explanation(const char *which, const char *folder, const sb_run_entry *e) {
  char path[4096], name[SB_CASE_TEXT];
  const sb_explain_options how = {0};
  sb_explanation *found = NULL;
  if (!folder || !e || e->status == SB_PASS) return;
  snprintf(name, sizeof name, "%s", e->text);
  sb_failure_name(name);
  snprintf(path, sizeof path, "%s/%s.safetensors", folder, name);
  if (access(path, F_OK) != 0)
    printf("  %s: no file of it in %s\n", which, folder);
  else if (sb_explain_file(path, &how, &found))
    printf("  %s: not explained: %s\n", which, sb_message());
  else if (found->verdict == SB_UNEXPLAINED)
    printf("  %s: no mechanism reproduces every bit\n", which);
  else
    printf("  %s: %s", which, found->verdict == SB_SAME ? "as the contract" : "every bit is reproduced by");
  for (int i = 0; found && found->verdict == SB_EXPLAINED && i < found->sets[0].count; i++) {
    const sb_explained_step *step = &found->sets[0].steps[i];
    printf("%s %s%s%s", i ? " +" : "", step->id, *step->before ? "\n    - " : "", step->before);
    if (*step->before) printf("\n    + %s", step->after);
  }
  if (found && found->verdict != SB_UNEXPLAINED) putchar('\n');
  sb_explanation_free(found);
}

static void print_bits(const sb_runs *runs, const request *r) {
  for (int i = 0; i < runs->count; i++) {
    const sb_runs_pair *pair = &runs->pairs[i];
    const sb_run_entry *one = pair->new ? pair->new : pair->old;
    if (pair->baseline || (pair->bench && pair->bits == SB_BITS_NO_DATA)) continue;
    if (pair->bits == SB_BITS_CHANGED) {
      printf("CHANGED %s\n  %s", one->text, pair->tensors);
      if (!pair->bench)
        printf("; was %s, is %s%s%s", sb_case_status_names[pair->old->status], sb_case_status_names[pair->new->status],
               *pair->new->reason ? ": " : "", pair->new->reason);
      printf("\n");
      if (*one->repro) printf("  %s\n", one->repro);
      print_explanation("old", r->failures[0], pair->bench ? NULL : pair->old);
      print_explanation("new", r->failures[1], pair->bench ? NULL : pair->new);
    } else if (pair->bits == SB_BITS_NO_DATA && !pair->new)
      printf("NO DATA %s\n  not in the new run\n", one->text);
    else if (pair->bits == SB_BITS_NO_DATA && pair->lost)
      printf("NO DATA %s\n  was %s, is %s: %s\n", one->text, sb_case_status_names[pair->old->status],
             sb_case_status_names[pair->new->status], pair->new->reason);
    else if (r->all)
      printf("%s %s%s\n", sb_bits_verdict_names[pair->bits], one->text, pair->old ? "" : " (not in the old run)");
  }
}

/* "1.234 ms", or as a multiple of the least time that the roofline allows. */
static const char *time_text(double value, bool normalised, char text[32]) {
  static const struct {
    double unit;
    const char *name;
  } units[] = {{1, "s"}, {1e-3, "ms"}, {1e-6, "us"}, {1e-9, "ns"}};
  int i = 0;
  if (normalised) return snprintf(text, 32, "%.3f x", value), text;
  while (i < 3 && value < units[i].unit) i++;
  snprintf(text, 32, "%.4g %s", value / units[i].unit, units[i].name);
  return text;
}

static void print_speeds(const sb_runs *runs, const request *r) {
  char a[32], b[32];
  for (int i = 0; i < runs->count; i++) {
    const sb_runs_pair *pair = &runs->pairs[i];
    const sb_run_entry *one = pair->new ? pair->new : pair->old;
    if (!pair->bench || (pair->speed == SB_SPEED_SAME && !r->all && !pair->baseline && !*pair->counters)) continue;
    if (pair->baseline && pair->speed != SB_SPEED_SLOWER && pair->speed != SB_SPEED_FASTER && !r->all) continue;
    printf("%s%s %s\n ", pair->baseline ? "yardstick " : "", sb_speed_verdict_names[pair->speed], one->text);
    if (pair->old_median > 0)
      printf(" %s -> %s (%+.1f %%", time_text(pair->old_median, pair->normalised, a),
             time_text(pair->new_median, pair->normalised, b), (pair->new_median / pair->old_median - 1) * 100);
    if (pair->ratio > 0 && pair->predicted) printf(", predicted");
    if (pair->resolution > 0) printf(" +- %.1f", pair->resolution * 100);
    if (pair->old_median > 0) printf("%s)", pair->ratio > 0 ? "" : ", not tested");
    printf("%s%s%s%s\n", *pair->why ? " " : "", pair->why, *pair->counters ? "; counters: " : "", pair->counters);
  }
}

static void print_summary(const sb_runs *runs) {
  int bits = 0, speeds = 0;
  for (int i = 0; i < SB_BITS_VERDICTS; i++) bits += runs->bits[i];
  for (int i = 0; i < SB_SPEED_VERDICTS; i++) speeds += runs->speeds[i];
  if (bits) {
    printf("bits:  ");
    for (int i = 0; i < SB_BITS_VERDICTS; i++)
      printf("%s%d %s", i ? ", " : "", runs->bits[i], sb_bits_verdict_names[i]);
    printf("\n");
  }
  if (speeds) {
    printf("speed: ");
    for (int i = 0; i < SB_SPEED_VERDICTS; i++)
      printf("%s%d %s", i ? ", " : "", runs->speeds[i], sb_speed_verdict_names[i]);
    printf("%s\n", runs->normalised ? "; times are relative to each device's roofline" : "");
  }
  if (runs->counters_changed) printf("counters changed in %d\n", runs->counters_changed);
  if (runs->appeared) printf("%d only in the new run\n", runs->appeared);
  if (runs->lost) printf("%d only in the old run: untested now\n", runs->lost);
}

/* false: no memory for it. */
static bool print_json_line(json_t *line) {
  char *text = line ? json_dumps(line, JSON_COMPACT) : NULL;
  if (text) puts(text);
  const bool done = text != NULL;
  free(text);
  json_decref(line);
  return done;
}

static sb_status print_json(const sb_runs *runs, int exit_code) {
  bool good = true;
  for (int i = 0; i < runs->count; i++) {
    const sb_runs_pair *pair = &runs->pairs[i];
    json_t *line = json_pack("{s:s,s:s,s:s,s:s,s:s,s:b,s:b}", "type", pair->baseline ? "yardstick" : "pair", "case",
                             (pair->new ? pair->new : pair->old)->text, "kind", pair->bench ? "bench" : "check", "bits",
                             sb_bits_verdict_names[pair->bits], "tensors", pair->tensors, "in_old", pair->old != NULL,
                             "in_new", pair->new != NULL);
    if (line && pair->bench)
      good = !json_object_update_new(line, json_pack("{s:s,s:f,s:f,s:f,s:f,s:f,s:i,s:i,s:b,s:b,s:s,s:s}", "speed",
                                                     sb_speed_verdict_names[pair->speed], "old_median",
                                                     pair->old_median, "new_median", pair->new_median, "ratio",
                                                     pair->ratio, "p", pair->p, "resolution", pair->resolution,
                                                     "old_samples", pair->old_samples, "new_samples", pair->new_samples,
                                                     "normalised", pair->normalised, "predicted", pair->predicted,
                                                     "why", pair->why, "counters", pair->counters)) &&
             good;
    good = print_json_line(line) && good;
  }
  json_t *bits = json_object(), *speeds = json_object();
  for (int i = 0; i < SB_BITS_VERDICTS; i++)
    good = !json_object_set_new(bits, sb_bits_verdict_names[i], json_integer(runs->bits[i])) && good;
  for (int i = 0; i < SB_SPEED_VERDICTS; i++)
    good = !json_object_set_new(speeds, sb_speed_verdict_names[i], json_integer(runs->speeds[i])) && good;
  good = print_json_line(json_pack("{s:s,s:o,s:o,s:i,s:i,s:i,s:b,s:i}", "type", "summary", "bits", bits, "speed",
                                   speeds, "appeared", runs->appeared, "lost", runs->lost, "counters_changed",
                                   runs->counters_changed, "normalised", runs->normalised, "exit", exit_code)) &&
         good;
  return good ? SB_OK : sb_fail(SB_NO_MEMORY, "no memory for the JSON lines");
}

/* 1: bits changed or something is slower. 3: nothing was comparable. 4, unless lenient: something could not be told. */
static int exit_of(const sb_runs *runs, bool lenient) {
  const int told = runs->bits[SB_BITS_SAME] + runs->bits[SB_BITS_CHANGED] + runs->speeds[SB_SPEED_SAME] +
                   runs->speeds[SB_SPEED_FASTER] + runs->speeds[SB_SPEED_SLOWER];
  if (runs->bits[SB_BITS_CHANGED] || runs->speeds[SB_SPEED_SLOWER]) return SB_EXIT_DIFFERS;
  if (told == 0 && runs->speeds[SB_SPEED_AMBIGUOUS] == 0) return SB_EXIT_INFRASTRUCTURE;
  const bool open = runs->speeds[SB_SPEED_AMBIGUOUS] || runs->lost || runs->untimed;
  return told == 0 || (open && !lenient) ? SB_EXIT_INCONCLUSIVE : SB_EXIT_OK;
}

static int run(int argc, char **argv) {
  static const struct argp argp = {
      table,
      parse,
      "OLD.jsonl NEW.jsonl",
      "Compares two runs of check or bench: bits by their digests, speed by the samples.\vA speed is SLOWER or FASTER "
      "where the median changed by --effect, the interquartile intervals do not touch, and the Mann-Whitney test is "
      "significant after Holm's correction; AMBIGUOUS where these disagree. Exit: 0 the same or faster, 1 bits changed "
      "or something is slower, 2 usage, 3 a file or nothing to compare, 4 inconclusive (see --policy).",
      NULL,
      NULL,
      NULL};
  request r = {0};
  int exit_code = sb_parse_options(&argp, argc, argv, &r);
  if (exit_code) return exit_code;
  sb_run_file *files[2] = {NULL, NULL};
  sb_runs *runs = NULL;
  sb_status status = SB_OK;
  for (int i = 0; i < 2 && !status; i++) status = sb_run_file_open(r.paths[i], &files[i]);
  if (!status) status = sb_runs_compare(files[0], files[1], &r.how, &runs);
  exit_code = status ? sb_report(argv[0], status) : exit_of(runs, r.lenient);
  for (int i = 0; i < 2 && !status; i++)
    if (!files[i]->complete) fprintf(stderr, "%s: %s was interrupted: it has no summary\n", argv[0], files[i]->path);
  if (!status && r.json) {
    status = print_json(runs, exit_code);
    if (status) exit_code = sb_exit_join(exit_code, sb_report(argv[0], status));
  } else if (!status) {
    char old[256], new[256];
    printf("old: %s (%s)\nnew: %s (%s)\n", r.paths[0], where(files[0], old), r.paths[1], where(files[1], new));
    print_bits(runs, &r);
    print_speeds(runs, &r);
    print_summary(runs);
  }
  if (!status && exit_code == SB_EXIT_INFRASTRUCTURE) {
    fflush(stdout);
    fprintf(stderr, "%s: nothing to compare: no case has bits or times in both runs\n", argv[0]);
  }
  sb_runs_free(runs);
  for (int i = 0; i < 2; i++) sb_run_file_close(files[i]);
  return exit_code;
}

const sb_command sb_command_compare = {"compare", "two runs: which bits changed, and which speeds", run};
