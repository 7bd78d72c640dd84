/* Writing a run. */
#include "samebits/run.h"

#include "samebits/bench_gpu.h"
#include "samebits/run_file.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

const char sb_run_git[] = SAMEBITS_GIT;
const char *const sb_timing_ends[SB_TIMING_ENDS] = {"precise", "noisy", "drifting", "throttled"};

struct sb_run_writer {
  char *path;
  FILE *file, *echo; /* either may be NULL */
};

static sb_status open_writer(const char *path, const char *mode, bool echo, sb_run_writer **writer) {
  bool standard = path && strcmp(path, "-") == 0;
  *writer = calloc(1, sizeof **writer);
  if (*writer) (*writer)->path = strdup(path && !standard ? path : "standard output");
  if (!*writer || !(*writer)->path) {
    free(*writer);
    *writer = NULL;
    return sb_fail(SB_NO_MEMORY, "no memory for the run");
  }
  if (path && !standard) (*writer)->file = fopen(path, mode);
  if (path && !standard && !(*writer)->file) {
    sb_status status = sb_fail(SB_FILE, "%s: cannot write: %s", path, strerror(errno));
    free((*writer)->path);
    free(*writer);
    *writer = NULL;
    return status;
  }
  (*writer)->echo = echo || standard ? stdout : NULL;
  return SB_OK;
}

sb_status sb_run_writer_open(const char *path, bool echo, sb_run_writer **writer) {
  return open_writer(path, "w", echo, writer);
}

sb_status sb_run_writer_append(const char *path, size_t whole, bool echo, sb_run_writer **writer) {
  if (truncate(path, (off_t)whole) != 0) return sb_fail(SB_FILE, "%s: cannot write: %s", path, strerror(errno));
  return open_writer(path, "a", echo, writer);
}

sb_status sb_run_writer_close(sb_run_writer *writer) {
  if (!writer) return SB_OK;
  sb_status status = SB_OK;
  if (writer->file && fclose(writer->file) != 0)
    status = sb_fail(SB_FILE, "%s: cannot write: %s", writer->path, strerror(errno));
  free(writer->path);
  free(writer);
  return status;
}

/* A value of the line that is being made found no memory: the line is not written. */
static _Thread_local bool lost;

static void set(json_t *object, const char *key, json_t *value) {
  if (json_object_set_new(object, key, value) != 0) lost = true;
}

static void add(json_t *array, json_t *value) {
  if (json_array_append_new(array, value) != 0) lost = true;
}

/* Writes one line and frees the object. */
static sb_status write_line(sb_run_writer *writer, json_t *line) {
  char *text = line && !lost ? json_dumps(line, JSON_COMPACT) : NULL;
  lost = false;
  sb_status status =
      text ? SB_OK : sb_fail(SB_NO_MEMORY, "%s: no memory for a line (or it is not UTF-8)", writer->path);
  FILE *files[] = {writer->file, writer->echo};
  for (int i = 0; i < 2 && !status; i++)
    if (files[i] && (fprintf(files[i], "%s\n", text) < 0 || fflush(files[i]) != 0))
      status = sb_fail(SB_FILE, "%s: cannot write: %s", i ? "standard output" : writer->path, strerror(errno));
  free(text);
  json_decref(line);
  return status;
}

static void say(void *context, const char *key, const char *value) { set(context, key, json_string(value)); }

/* What a run took of all cases, so that shards can be put together again and judged as a whole. */
static json_t *selection_of(const sb_selection *s, bool whole) {
  const char *const lists[][2] = {{"recipe", s->recipes},   {"side", s->sides ? s->sides : s->side},
                                  {"step", s->steps},       {"flavor", s->flavors},
                                  {"dtype", s->dtypes},     {"shape", s->shapes},
                                  {"group", s->groups},     {"fill", s->fills},
                                  {"seed", s->seeds},       {"tier", s->tier},
                                  {"name", s->name},        {"tensor", s->tensors},
                                  {"only_failed", s->only}, {"input", s->input_digest}};
  json_t *line = json_pack("{s:b}", "whole", whole);
  for (size_t i = 0; line && i < sizeof lists / sizeof *lists; i++)
    if (lists[i][1]) set(line, lists[i][0], json_string(lists[i][1]));
  json_t *cases = line && s->pattern_count ? json_array() : NULL;
  for (int i = 0; cases && i < s->pattern_count; i++) add(cases, json_string(s->patterns[i]));
  if (line && s->pattern_count) set(line, "cases", cases);
  if (line && s->shards) set(line, "shard", json_pack("[i,i]", s->shard, s->shards));
  return line;
}

sb_status sb_run_same_selection(const sb_run_header *header, const sb_selection *selection, bool whole) {
  json_t *now = selection_of(selection, whole);
  const json_t *had = json_object_get(header->line, "selection");
  const bool memory = now && !lost, same = memory && json_equal(now, had);
  char *text = memory && !same ? json_dumps(had ? had : now, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
  json_decref(now);
  lost = false;
  sb_status status = memory ? SB_OK : sb_fail(SB_NO_MEMORY, "no memory for a selection");
  if (memory && !same)
    status = sb_fail(SB_USAGE, "it was a run of other cases (%.300s); the same words are needed", text ? text : "?");
  free(text);
  return status;
}

sb_status sb_run_same_record(const sb_run_header *header, const sb_device *device) {
  static const char *const passing[] = {"threads", "cores", "isa"}; /* of speed, and nothing of the bits */
  const json_t *old = header->record;
  json_t *now = json_object(), *value;
  const char *key;
  sb_status status = now ? SB_OK : sb_fail(SB_NO_MEMORY, "no memory for the record");
  if (now) device->family->describe(device, say, now);
  for (size_t i = 0; now && i < sizeof passing / sizeof *passing; i++) json_object_del(now, passing[i]);
  json_object_foreach(now, key, value) {
    const char *was = json_string_value(json_object_get(old, key)), *is = json_string_value(value);
    if (!status && (!was || !is || strcmp(was, is) != 0))
      status = sb_fail(SB_USAGE, "%s was run with %s '%s', now it is '%s'", header->device, key, was ? was : "", is);
  }
  json_decref(now);
  lost = false;
  return status;
}

sb_status sb_run_write_header(sb_run_writer *writer, const sb_device *device) {
  return sb_run_write_header_of(writer, device, NULL, false);
}

sb_status sb_run_write_header_of(sb_run_writer *writer, const sb_device *device, const sb_selection *selection,
                                 bool whole) {
  char host[256] = "", date[32];
  time_t now = time(NULL);
  struct tm utc;
  gethostname(host, sizeof host - 1);
  strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
  json_t *line = json_pack("{s:s,s:s,s:s,s:s,s:s,s:s}", "type", "run", "device", device->name, "samebits",
                           SAMEBITS_VERSION, "git", SAMEBITS_GIT, "host", host, "time", date);
  json_t *record = json_object();
  device->family->describe(device, say, record);
  set(line, "record", record);
  if (selection) set(line, "selection", selection_of(selection, whole));
  return write_line(writer, line);
}

static json_t *words(const char *list) {
  json_t *array = json_array();
  while (*list) {
    size_t length = strcspn(list, ",");
    add(array, json_stringn(list, length));
    list += length + (list[length] == ',');
  }
  return array;
}

sb_status sb_run_write_case(sb_run_writer *writer, const sb_case *c, const sb_case *taken, const sb_result *result,
                            const char *repro) {
  char text[SB_CASE_TEXT], name[64];
  json_t *different = json_object(), *digests = json_object();
  for (int slot = 0; slot < SB_SLOTS; slot++) {
    if (result->compared[slot]) set(different, sb_slot_names[slot], json_integer(result->different[slot]));
    if (*result->digests[slot]) set(digests, sb_slot_names[slot], json_string(result->digests[slot]));
    snprintf(name, sizeof name, "prepare.%s", sb_slot_names[slot]);
    if (*result->prepare_digests[slot]) set(digests, name, json_string(result->prepare_digests[slot]));
  }
  json_t *line = json_pack("{s:s,s:s,s:s,s:o,s:s,s:I,s:o,s:o,s:s,s:f}", "type", "case", "case", sb_case_print(c, text),
                           "status", sb_case_status_names[result->status], "mechanisms", words(result->mechanisms),
                           "reason", result->reason, "elements", (json_int_t)result->elements, "different", different,
                           "digests", digests, "repro", repro, "seconds", result->seconds);
  if (line && taken->spec.path != c->spec.path) set(line, "as", json_string(sb_case_print(taken, text)));
  if (line && *result->not_compared) set(line, "not_compared", json_string(result->not_compared));
  return write_line(writer, line);
}

static json_t *timing_of(const sb_timing *t) {
  json_t *samples = json_array();
  for (int i = 0; i < t->count; i++) add(samples, json_real(t->samples[i]));
  return json_pack("{s:f,s:[f,f],s:s,s:o,s:i,s:i,s:i,s:[f,f],s:f,s:f,s:f}", "seconds", t->median, "interval", t->low,
                   t->high, "end", sb_timing_ends[t->end], "samples", samples, "launches", t->launches, "discarded",
                   t->discarded, "dropped", t->dropped, "hertz", t->least_hertz, t->most_hertz, "watts", t->most_watts,
                   "celsius", t->last.celsius, "share_of_peak", t->share_of_peak);
}

sb_status sb_run_write_bench(sb_run_writer *writer, const sb_bench_result *result) {
  json_t *samples = json_array(), *digests = json_object();
  for (int i = 0; i < result->sample_count; i++) add(samples, json_real(result->samples[i]));
  for (int slot = 0; slot < SB_SLOTS; slot++)
    if (*result->digests[slot]) set(digests, sb_slot_names[slot], json_string(result->digests[slot]));
  json_t *line =
      json_pack("{s:s,s:s,s:f,s:o,s:f,s:f,s:f,s:o}", "type", "bench", "case", result->name, "seconds", result->seconds,
                "samples", samples, "items_per_second", result->items_per_second, "bytes_per_second",
                result->bytes_per_second, "copy_fraction", result->copy_fraction, "digests", digests);
  if (line && result->gpu)
    set(line, "timing",
        json_pack("{s:o,s:o,s:f,s:s}", "cold", timing_of(result->gpu->cold), "hot", timing_of(result->gpu->hot),
                  "peak_bytes_per_second", result->gpu->peak_bytes_per_second, "sensors", result->gpu->sensors));
  return write_line(writer, line);
}

sb_status sb_run_write_prediction(sb_run_writer *writer, const sb_case *c, const sb_prediction *p) {
  char text[SB_CASE_TEXT];
  json_t *digests = json_object(), *counters = json_object();
  for (int slot = 0; slot < SB_SLOTS; slot++)
    if (*p->digests[slot]) set(digests, sb_slot_names[slot], json_string(p->digests[slot]));
  for (int i = 0; i < SB_COUNTERS; i++) set(counters, p->counter_names[i], json_integer((json_int_t)p->counters[i]));
  return write_line(writer,
                    json_pack("{s:s,s:s,s:b,s:f,s:[],s:f,s:f,s:f,s:s,s:s,s:o,s:o}", "type", "bench", "case",
                              sb_case_print(c, text), "predicted", true, "seconds", p->seconds, "samples",
                              "items_per_second", (double)c->rows * (double)c->cols / p->seconds, "bytes_per_second",
                              (double)p->bytes / p->seconds, "roofline_bytes_per_second", p->product->bytes_per_second,
                              "product", p->product->name, "bound", p->memory_bound ? "memory" : "instructions",
                              "counters", counters, "digests", digests));
}

static json_t *summary(const int64_t statuses[SB_CASE_STATUSES], int exit_code, const char *const *problems,
                       int problem_count) {
  json_t *counts = json_object(), *list = json_array();
  int64_t cases = 0;
  for (int i = 0; i < SB_CASE_STATUSES; i++) {
    if (statuses[i]) set(counts, sb_case_status_names[i], json_integer(statuses[i]));
    if (i != SB_XPASS) cases += statuses[i]; /* XPASS counts rows of the expectations */
  }
  for (int i = 0; i < problem_count; i++) add(list, json_string(problems[i]));
  return json_pack("{s:s,s:I,s:o,s:i,s:o}", "type", "summary", "cases", (json_int_t)cases, "statuses", counts, "exit",
                   exit_code, "problems", list);
}

sb_status sb_run_write_summary(sb_run_writer *writer, const int64_t statuses[SB_CASE_STATUSES], int exit_code,
                               const char *const *problems, int problem_count) {
  return write_line(writer, summary(statuses, exit_code, problems, problem_count));
}

sb_status sb_run_print_summary(FILE *to, const int64_t statuses[SB_CASE_STATUSES], int exit_code,
                               const char *const *problems, int problem_count) {
  sb_run_writer writer = {.path = (char[]){"the run"}, .file = to};
  return write_line(&writer, summary(statuses, exit_code, problems, problem_count));
}

static void append(char text[SB_REPRO_TEXT], const char *word) {
  const size_t at = strlen(text);
  snprintf(text + at, SB_REPRO_TEXT - at, "%s", word);
}

/* Appends `word` quoted for a POSIX shell; one with control characters through printf, to stay on one line. */
static void quote(char text[SB_REPRO_TEXT], const char *word) {
  size_t at = strlen(text);
  bool control = false;
  for (const char *from = word; *from; from++) control |= (unsigned char)*from < 0x20 || *from == 0x7f;
  at += (size_t)snprintf(text + at, SB_REPRO_TEXT - at, "%s'", control ? "\"$(printf " : "");
  for (; *word && at + 8 < SB_REPRO_TEXT; word++) {
    const unsigned char byte = (unsigned char)*word;
    if (control && (byte < 0x20 || byte == 0x7f || strchr("'\\%", byte)))
      at += (size_t)snprintf(text + at, SB_REPRO_TEXT - at, "\\%03o", byte);
    else if (byte == '\'') {
      memcpy(text + at, "'\\''", 4);
      at += 4;
    } else
      text[at++] = *word;
  }
  snprintf(text + at, SB_REPRO_TEXT - at, "%s", control ? "')\"" : "'");
}

const char *sb_repro(const sb_case *c, const sb_repro_options *options, char text[SB_REPRO_TEXT]) {
  char name[SB_CASE_TEXT];
  strcpy(text, "samebits check ");
  quote(text, sb_case_print(c, name));
  const struct {
    const char *option, *value;
  } words[] = {{"--input", c->fill ? NULL : options->input},
               {"--kernels", *c->device ? options->kernels : NULL},
               {"--contracts", options->contracts},
               {"--expect", options->expect}};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
    if (!words[i].value) continue;
    append(text, " ");
    append(text, words[i].option);
    append(text, " ");
    quote(text, words[i].value);
  }
  char number[64];
  snprintf(number, sizeof number, " --repeat %d", options->repeat);
  if (options->repeat > 1) append(text, number);
  snprintf(number, sizeof number, " --timeout %.0f", options->timeout);
  if (options->timeout > 0) append(text, number);
  if (options->lift_gates && *c->device) append(text, " --lift-gates");
  return text;
}
