/* Reading a run. Everything in it is checked before use: a run may come from another machine. */
#include "conformance/run_lines.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *text_of(const json_t *line, const char *key) {
  const char *text = json_string_value(json_object_get(line, key));
  return text ? text : "";
}

/* Makes room for one more element of an array, zeroed. NULL: no memory. */
static void *grow(void *array, int *count, size_t size) {
  void **to = array;
  char *grown = (*count & (*count - 1)) ? *to : realloc(*to, size * (size_t)(*count ? *count * 2 : 1));
  if (!grown) return NULL;
  *to = grown;
  return memset(grown + size * (size_t)(*count)++, 0, size);
}

static sb_status read_header(sb_run_file *f, json_t *line, int number) {
  if (!*text_of(line, "device")) return sb_fail(SB_FILE, "%s: line %d: a run without a device", f->path, number);
  sb_run_header *header = grow(&f->headers, &f->header_count, sizeof *header);
  if (!header) return sb_fail(SB_NO_MEMORY, "%s: no memory", f->path);
  *header = (sb_run_header){.device = text_of(line, "device"),
                            .git = text_of(line, "git"),
                            .time = text_of(line, "time"),
                            .record = json_object_get(line, "record"),
                            .line = json_incref(line)};
  return SB_OK;
}

static sb_run_tensor *tensor_named(sb_run_entry *e, const char *name) {
  for (int i = 0; i < e->tensor_count; i++)
    if (strcmp(e->tensors[i].name, name) == 0) return &e->tensors[i];
  if (e->tensor_count == SB_RUN_TENSORS) return NULL;
  e->tensors[e->tensor_count] = (sb_run_tensor){name, "", -1};
  return &e->tensors[e->tensor_count++];
}

static bool read_tensors(sb_run_entry *e, json_t *line) {
  const char *name;
  json_t *value;
  json_object_foreach(json_object_get(line, "different"), name, value) {
    sb_run_tensor *tensor = tensor_named(e, name);
    if (!tensor || !json_is_integer(value) || json_integer_value(value) < 0) return false;
    tensor->different = json_integer_value(value);
  }
  json_object_foreach(json_object_get(line, "digests"), name, value) {
    sb_run_tensor *tensor = tensor_named(e, name);
    if (!tensor || !json_is_string(value)) return false;
    tensor->digest = json_string_value(value);
  }
  return true;
}

static bool read_samples(sb_run_entry *e, json_t *line) {
  json_t *list = json_object_get(line, "samples"), *value;
  size_t i;
  e->samples = calloc(json_array_size(list) + 1, sizeof *e->samples);
  if (!e->samples) return false;
  json_array_foreach(list, i, value) {
    const double seconds = json_number_value(value);
    if (!(seconds > 0) || !isfinite(seconds)) return false;
    e->samples[e->sample_count++] = seconds;
  }
  return true;
}

static int by_name(const void *a, const void *b) {
  return strcmp(((const sb_run_counter *)a)->name, ((const sb_run_counter *)b)->name);
}

static bool read_counters(sb_run_entry *e, json_t *line) {
  json_t *counters = json_object_get(line, "counters"), *value;
  const char *name;
  e->counters = calloc(json_object_size(counters) + 1, sizeof *e->counters);
  if (!e->counters) return false;
  json_object_foreach(counters, name, value) {
    if (!json_is_integer(value)) return false;
    e->counters[e->counter_count++] = (sb_run_counter){name, json_integer_value(value)};
  }
  qsort(e->counters, (size_t)e->counter_count, sizeof *e->counters, by_name);
  return true;
}

/* "a,b" of ["a", "b"]; NULL: no memory, or no such array. */
static char *join(const json_t *list) {
  size_t i, size = 1;
  const json_t *word;
  json_array_foreach(list, i, word) size += json_string_length(word) + 1;
  char *text = calloc(1, size);
  if (!text) return NULL;
  json_array_foreach(list, i, word) {
    if (!json_is_string(word)) continue;
    if (*text) strcat(text, ",");
    strcat(text, json_string_value(word));
  }
  return text;
}

static sb_status read_entry(sb_run_file *f, json_t *line, bool bench, int number) {
  static const char marker[] = "?device=";
  sb_run_entry *e = grow(&f->entries, &f->entry_count, sizeof *e);
  if (!e) return sb_fail(SB_NO_MEMORY, "%s: no memory", f->path);
  *e = (sb_run_entry){.bench = bench, .text = text_of(line, "case"), .line = json_incref(line)};
  if (f->header_count == 0) return sb_fail(SB_FILE, "%s: line %d: a case before the run's header", f->path, number);
  if (!*e->text) return sb_fail(SB_FILE, "%s: line %d: a case without its text", f->path, number);
  e->as = *text_of(line, "as") ? text_of(line, "as") : e->text;
  e->device = f->headers[f->header_count - 1].device;
  e->key = strdup(e->text);
  if (!e->key) return sb_fail(SB_NO_MEMORY, "%s: no memory", f->path);
  for (char *at = strstr(e->key, marker), *next; at; at = next) {
    next = strstr(at + 1, marker);
    if (next) continue;
    e->device = e->text + (at - e->key) + strlen(marker);
    *at = 0;
  }
  if (!bench && sb_case_status_parse(text_of(line, "status"), &e->status))
    return sb_fail_in(SB_FILE, "%s: line %d", f->path, number);
  e->reason = text_of(line, "reason");
  e->repro = text_of(line, "repro");
  e->not_compared = text_of(line, "not_compared");
  e->elements = json_integer_value(json_object_get(line, "elements"));
  e->seconds = json_number_value(json_object_get(line, "seconds"));
  e->bytes_per_second = json_number_value(json_object_get(line, "bytes_per_second"));
  const double fraction = json_number_value(json_object_get(line, "copy_fraction"));
  e->roofline = json_number_value(json_object_get(line, "roofline_bytes_per_second"));
  if (e->roofline <= 0) e->roofline = fraction > 0 ? e->bytes_per_second / fraction : 0;
  e->predicted = json_is_true(json_object_get(line, "predicted"));
  e->mechanisms = join(json_object_get(line, "mechanisms"));
  if (!e->mechanisms) return sb_fail(SB_NO_MEMORY, "%s: no memory", f->path);
  if (!read_tensors(e, line) || !read_samples(e, line) || !read_counters(e, line))
    return sb_fail(SB_FILE, "%s: line %d: tensors, samples or counters that no run writes", f->path, number);
  return SB_OK;
}

static sb_status read_summary(sb_run_file *f, json_t *line, int number) {
  json_t *problems = json_object_get(line, "problems"), *problem, *code = json_object_get(line, "exit");
  size_t i;
  if (!json_is_integer(code)) return sb_fail(SB_FILE, "%s: line %d: a summary without an exit code", f->path, number);
  json_decref(f->summary);
  free(f->problems);
  f->summary = json_incref(line);
  f->problem_count = 0;
  f->problems = calloc(json_array_size(problems) + 1, sizeof *f->problems);
  if (!f->problems) return sb_fail(SB_NO_MEMORY, "%s: no memory", f->path);
  json_array_foreach(problems, i, problem) {
    if (json_is_string(problem)) f->problems[f->problem_count++] = json_string_value(problem);
  }
  f->complete = true;
  f->exit_code = (int)json_integer_value(code);
  return SB_OK;
}

sb_status sb_run_file_add(sb_run_file *f, json_t *line, int number) {
  const char *type = text_of(line, "type");
  f->complete = false;
  f->exit_code = -1;
  if (strcmp(type, "run") == 0) return read_header(f, line, number);
  if (strcmp(type, "case") == 0) return read_entry(f, line, false, number);
  if (strcmp(type, "bench") == 0) return read_entry(f, line, true, number);
  if (strcmp(type, "summary") == 0) return read_summary(f, line, number);
  return sb_fail(SB_FILE, "%s: line %d is no line of a run", f->path, number);
}

static sb_status read_lines(sb_run_file *f, FILE *file) {
  char *text = NULL;
  size_t room = 0;
  ssize_t length;
  sb_status status = SB_OK;
  for (int number = 1; !status && (length = getline(&text, &room, file)) > 0; number++) {
    const bool ended = text[length - 1] == '\n';
    json_t *line = json_loadb(text, (size_t)length, JSON_REJECT_DUPLICATES, NULL);
    if (!ended) {
      f->cut_short = true; /* even where it parses: a number may go on */
      f->complete = false;
    } else if (!json_is_object(line))
      status = sb_fail(SB_FILE, "%s: line %d is no line of a run", f->path, number);
    else
      status = sb_run_file_add(f, line, number);
    if (ended) f->whole += (size_t)length;
    json_decref(line);
  }
  if (!status && !feof(file)) status = sb_fail(SB_FILE, "%s: cannot read: %s", f->path, strerror(errno));
  if (!status && f->header_count == 0) status = sb_fail(SB_FILE, "%s: it is no run: no header", f->path);
  free(text);
  return status;
}

sb_status sb_run_file_new(const char *path, sb_run_file **file) {
  sb_run_file *f = *file = calloc(1, sizeof *f);
  if (f) f->path = strdup(path);
  if (f) f->exit_code = -1;
  return f && f->path ? SB_OK : sb_fail(SB_NO_MEMORY, "%s: no memory", path);
}

sb_status sb_run_file_open(const char *path, sb_run_file **file) {
  FILE *stream = fopen(path, "r");
  *file = NULL;
  if (!stream) return sb_fail(SB_FILE, "%s: cannot open: %s", path, strerror(errno));
  sb_run_file *f;
  sb_status status = sb_run_file_new(path, &f);
  if (!status) status = read_lines(f, stream);
  fclose(stream);
  if (status) {
    sb_run_file_close(f);
    return status;
  }
  *file = f;
  return SB_OK;
}

void sb_run_file_close(sb_run_file *f) {
  if (!f) return;
  for (int i = 0; i < f->header_count; i++) json_decref(f->headers[i].line);
  for (int i = 0; i < f->entry_count; i++) {
    sb_run_entry *e = &f->entries[i];
    json_decref(e->line);
    free(e->key);
    free(e->mechanisms);
    free(e->samples);
    free(e->counters);
  }
  json_decref(f->summary);
  free(f->headers);
  free(f->entries);
  free(f->problems);
  free(f->path);
  free(f);
}

const sb_run_entry *sb_run_file_find(const sb_run_file *f, bool bench, const char *text) {
  for (int i = f->entry_count; i-- > 0;)
    if (f->entries[i].bench == bench && strcmp(f->entries[i].text, text) == 0) return &f->entries[i];
  return NULL;
}

const char *sb_run_record(const sb_run_header *header, const char *key) {
  return header && header->record ? text_of(header->record, key) : "";
}

const sb_run_header *sb_run_file_header(const sb_run_file *f, const char *device) {
  for (int i = 0; i < f->header_count; i++)
    if (strcmp(f->headers[i].device, device) == 0) return &f->headers[i];
  return NULL;
}

const char *sb_run_digest(const sb_run_entry *entry, const char *tensor) {
  for (int i = 0; i < entry->tensor_count; i++)
    if (strcmp(entry->tensors[i].name, tensor) == 0) return entry->tensors[i].digest;
  return "";
}
