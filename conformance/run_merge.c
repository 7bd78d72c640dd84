/* Runs put together. */
#include "samebits/runs_merge.h"

#include "conformance/run_lines.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* What tells of the machine's speed, the place and the time, and nothing of the bits. */
static const char *const passing[] = {
    "seconds", "samples", "items_per_second", "bytes_per_second", "copy_fraction", "roofline_bytes_per_second", "host",
    "time",    "timing"};
static const char *const passing_record[] = {"threads", "cores", "isa"};

/* A copy of a line without that. NULL: no memory. */
static json_t *canonical(const json_t *line) {
  json_t *copy = json_deep_copy(line), *record = json_object_get(copy, "record");
  json_t *selection = json_object_get(copy, "selection");
  for (size_t i = 0; i < sizeof passing / sizeof *passing; i++) json_object_del(copy, passing[i]);
  for (size_t i = 0; record && i < sizeof passing_record / sizeof *passing_record; i++)
    json_object_del(record, passing_record[i]);
  if (selection) json_object_del(selection, "shard");
  return copy;
}

/* Compares headers but for the selection; *one_selection tells of that, shards left out. */
static bool same_device(const sb_run_header *a, const sb_run_header *b, bool *one_selection, bool *memory) {
  json_t *x = canonical(a->line), *y = canonical(b->line);
  json_t *s = json_object_get(x, "selection"), *t = json_object_get(y, "selection");
  *memory = x && y;
  *one_selection = (!s && !t) || json_equal(s, t);
  if (x) json_object_del(x, "selection");
  if (y) json_object_del(y, "selection");
  const bool same = json_equal(x, y);
  json_decref(x);
  json_decref(y);
  return same;
}

/* Gives a header of ours another selection; its line may be shared with the run that it came from. */
static sb_status reselect(sb_run_header *header, json_t *selection) {
  json_t *line = json_copy(header->line);
  if (!line || !selection || json_object_set(line, "selection", selection)) {
    json_decref(line);
    return sb_fail(SB_NO_MEMORY, "no memory for a header");
  }
  json_decref(header->line);
  header->line = line;
  return SB_OK;
}

static bool is_shard(const sb_run_header *header) {
  return json_object_get(json_object_get(header->line, "selection"), "shard") != NULL;
}

static sb_status take_headers(const sb_run_file *from, sb_run_file *to) {
  sb_status status = SB_OK;
  for (int i = 0; i < from->header_count && !status; i++) {
    const sb_run_header *header = &from->headers[i], *have = sb_run_file_header(to, header->device);
    bool memory = true, one_selection = true;
    if (!have)
      status = sb_run_file_add(to, header->line, i + 1);
    else if (!same_device(have, header, &one_selection, &memory))
      status = memory ? sb_fail(SB_INVALID, "%s: its device %s is of another build or hardware (%s, not %s)",
                                from->path, header->device, header->git, have->git)
                      : sb_fail(SB_NO_MEMORY, "%s: no memory", from->path);
    if (!status && !one_selection && is_shard(have) && is_shard(header))
      status = sb_fail(SB_INVALID, "%s: its device %s is a shard of another selection, or of another input", from->path,
                       header->device);
    if (!status && !one_selection) {
      json_t *mixed = json_pack("{s:b}", "whole", false);
      status = reselect(&to->headers[have - to->headers], mixed);
      json_decref(mixed);
    }
  }
  return status;
}

typedef struct placed {
  const sb_run_entry *entry;
  const char *device;
  int order;
} placed;

/* Checks before benches, by device, by case, in the order of the runs. */
static int by_place(const void *a, const void *b) {
  const placed *x = a, *y = b;
  int order = x->entry->bench - y->entry->bench;
  if (!order) order = strcmp(x->entry->key, y->entry->key);
  if (!order) order = strcmp(x->device, y->device);
  return order ? order : x->order - y->order;
}

static bool has_bits(const sb_run_entry *e) {
  return e->bench ||
         !(e->status == SB_ERROR || e->status == SB_CRASH || e->status == SB_TIMEOUT || e->status == SB_NOTRUN);
}

static bool same_outcome(const sb_run_entry *a, const sb_run_entry *b) {
  json_t *x = json_object_get(a->line, "digests"), *y = json_object_get(b->line, "digests");
  return a->status == b->status && ((!x && !y) || json_equal(x, y));
}

/* Adds the last entry with bits of each case. */
static sb_status take_entries(placed *all, int count, sb_run_file *to, sb_merge_report *report) {
  sb_status status = SB_OK;
  for (int i = 0, next; i < count && !status; i = next) {
    const sb_run_entry *best = all[i].entry;
    for (next = i + 1; next < count && strcmp(all[next].entry->text, all[i].entry->text) == 0 &&
                       strcmp(all[next].device, all[i].device) == 0 && all[next].entry->bench == all[i].entry->bench;
         next++) {
      const sb_run_entry *other = all[next].entry;
      if (has_bits(best) && !has_bits(other)) continue;
      if (has_bits(best) && !same_outcome(best, other)) {
        if (!report->conflicts++)
          snprintf(report->text, sizeof report->text, "%s: two runs disagree (%s, %s%s)", best->text,
                   sb_case_status_names[best->status], sb_case_status_names[other->status],
                   best->status == other->status ? ", with other bits or counts: compare tells which" : "");
      }
      best = other;
    }
    status = sb_run_file_add(to, best->line, i + 1);
    if (!status) to->entries[to->entry_count - 1].device = all[i].device;
  }
  return status;
}

/* Which shard of how many a header's cases are; 1/1 without. */
static void shard_of(const sb_run_header *header, int *index, int *of) {
  const json_t *shard = json_object_get(json_object_get(header->line, "selection"), "shard");
  *index = *of = 1;
  if (json_array_size(shard) != 2) return;
  *index = (int)json_integer_value(json_array_get(shard, 0));
  *of = (int)json_integer_value(json_array_get(shard, 1));
}

/* What was put together of all shards is no shard; of some it is shard 0: merging it again finishes nothing. */
static sb_status unshard(sb_run_header *header, int shards, bool finished) {
  json_t *selection = json_copy(json_object_get(header->line, "selection"));
  if (!selection) return SB_OK;
  json_object_del(selection, "shard");
  if (!finished) json_object_set_new(selection, "shard", json_pack("[i,i]", 0, shards + (shards == 1)));
  const sb_status status = reselect(header, selection);
  json_decref(selection);
  return status;
}

/* Of every device each shard must be in a run that has its summary. */
static sb_status check_finished(sb_run_file *const *files, int count, sb_run_file *merged, sb_merge_report *report) {
  sb_status status = SB_OK;
  for (int d = 0; d < merged->header_count && !status; d++) {
    const char *device = merged->headers[d].device;
    int shards = 1, missing = 0;
    for (int f = 0; f < count; f++)
      for (int h = 0; h < files[f]->header_count; h++) {
        int index, of;
        shard_of(&files[f]->headers[h], &index, &of);
        if (strcmp(files[f]->headers[h].device, device) == 0 && of > shards) shards = of;
      }
    for (int s = 1; s <= shards && !missing; s++) {
      bool found = false;
      for (int f = 0; f < count && !found; f++)
        for (int h = 0; h < files[f]->header_count; h++) {
          int index, of;
          shard_of(&files[f]->headers[h], &index, &of);
          found |= files[f]->complete && strcmp(files[f]->headers[h].device, device) == 0 &&
                   (of == 1 || (of == shards && index == s));
        }
      if (!found) missing = s;
    }
    if (missing && !report->unfinished++ && !report->conflicts)
      snprintf(report->text, sizeof report->text, "%s: shard %d of %d was not finished, or not given", device, missing,
               shards);
    status = unshard(&merged->headers[d], shards, !missing);
  }
  return status;
}

sb_status sb_runs_merge(sb_run_file *const *files, int count, sb_run_file **merged, sb_merge_report *report) {
  sb_run_file *to = NULL;
  int room = 0, n = 0;
  *report = (sb_merge_report){0};
  for (int i = 0; i < count; i++) room += files[i]->entry_count;
  placed *all = malloc(sizeof *all * (size_t)(room + 1));
  sb_status status = all ? sb_run_file_new("merged", &to) : sb_fail(SB_NO_MEMORY, "no memory for %d cases", room);
  for (int i = 0; i < count && !status; i++) {
    status = take_headers(files[i], to);
    for (int e = 0; e < files[i]->entry_count; e++, n++)
      all[n] = (placed){&files[i]->entries[e], files[i]->entries[e].device, n};
  }
  if (!status) {
    qsort(all, (size_t)n, sizeof *all, by_place);
    status = take_entries(all, n, to, report);
  }
  if (!status) status = check_finished(files, count, to, report);
  /* devices are named by texts of the runs that were merged: by the headers' of this one */
  for (int i = 0; !status && i < to->entry_count; i++) {
    const sb_run_header *header = sb_run_file_header(to, to->entries[i].device);
    if (header) to->entries[i].device = header->device;
  }
  free(all);
  if (status) {
    sb_run_file_close(to);
    to = NULL;
  }
  *merged = to;
  return status;
}

static sb_status write_line(const sb_run_file *file, const json_t *line, bool bare, FILE *to) {
  json_t *copy = bare ? canonical(line) : NULL;
  char *text = bare && !copy ? NULL : json_dumps(bare ? copy : line, JSON_COMPACT | (bare ? JSON_SORT_KEYS : 0));
  sb_status status = text ? SB_OK : sb_fail(SB_NO_MEMORY, "%s: no memory for a line", file->path);
  if (!status && fprintf(to, "%s\n", text) < 0)
    status = sb_fail(SB_FILE, "the run cannot be written: %s", strerror(errno));
  free(text);
  json_decref(copy);
  return status;
}

static int by_device(const void *a, const void *b) {
  return strcmp(((const sb_run_header *)a)->device, ((const sb_run_header *)b)->device);
}

sb_status sb_run_file_write(const sb_run_file *file, bool bare, FILE *to) {
  const size_t size = sizeof *file->headers * (size_t)(file->header_count ? file->header_count : 1);
  sb_run_header *headers = malloc(size);
  if (!headers) return sb_fail(SB_NO_MEMORY, "%s: no memory", file->path);
  memcpy(headers, file->headers, sizeof *headers * (size_t)file->header_count);
  if (bare) qsort(headers, (size_t)file->header_count, sizeof *headers, by_device);
  sb_status status = SB_OK;
  for (int i = 0; i < file->header_count && !status; i++) {
    status = write_line(file, headers[i].line, bare, to);
    for (int e = 0; e < file->entry_count && !status; e++)
      if (strcmp(file->entries[e].device, headers[i].device) == 0)
        status = write_line(file, file->entries[e].line, bare, to);
  }
  free(headers);
  return status;
}

void sb_run_replay(const sb_run_entry *entry, sb_result *result) {
  *result = (sb_result){.status = entry->status == SB_EXPECTED ? SB_FAIL : entry->status,
                        .verified = entry->status == SB_EXPECTED ? SB_VERIFIED : SB_UNVERIFIED,
                        .elements = entry->elements,
                        .seconds = entry->seconds};
  snprintf(result->reason, sizeof result->reason, "%s", entry->reason);
  snprintf(result->not_compared, sizeof result->not_compared, "%s", entry->not_compared);
  for (int i = 0; i < entry->tensor_count; i++) {
    const sb_run_tensor *tensor = &entry->tensors[i];
    const bool prepare = strncmp(tensor->name, "prepare.", 8) == 0;
    for (int slot = 0; slot < SB_SLOTS; slot++) {
      if (strcmp(tensor->name + (prepare ? 8 : 0), sb_slot_names[slot]) != 0) continue;
      snprintf(prepare ? result->prepare_digests[slot] : result->digests[slot], SB_DIGEST_TEXT, "%s", tensor->digest);
      if (prepare || tensor->different < 0) continue;
      result->compared[slot] = true;
      result->different[slot] = tensor->different;
    }
  }
}

bool sb_run_whole(const sb_run_header *header) {
  return json_is_true(json_object_get(json_object_get(header->line, "selection"), "whole"));
}

const char *sb_run_selection(const sb_run_header *header, const char *word) {
  const char *list = json_string_value(json_object_get(json_object_get(header->line, "selection"), word));
  return list ? list : "";
}
