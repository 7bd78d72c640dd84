#include "samebits/bench.h"

#include "bench/buffers.h"
#include "bench/copy.h"
#include "bench/shim.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* What the run shares, and one registered benchmark of it. */
typedef struct run run;
typedef struct entry {
  run *run;
  int item; /* -1: the copy baseline of `bytes` */
  int64_t bytes;
  char name[SB_CASE_TEXT];
  double *samples;
  int sample_count;
  bool broken;                            /* what failed says nothing of the bits: memory, a file */
  char digests[SB_SLOTS][SB_DIGEST_TEXT]; /* of the verified outputs */
} entry;
struct run {
  const sb_case *cases;
  const sb_bench_options *options;
  sb_bench_summary *summary;
  entry *entries;
  int entry_count;
  int ready; /* the item that `buffers` belongs to, -1: none */
  sb_bench_buffers buffers;
};

static int64_t x_bytes(const sb_case *item) {
  const sb_tensor x = sb_tensor_2d(item->spec.dtype, item->rows, item->cols);
  return sb_tensor_bytes(&x);
}

static void copy_body(void *context, sb_gb_state *state) {
  const entry *self = context;
  sb_copy *copy = NULL;
  if (sb_copy_make(self->bytes, self->run->options->threads, &copy) != SB_OK) {
    sb_gb_fail(state, sb_message());
    return;
  }
  while (sb_gb_keep_running(state)) sb_copy_once(copy);
  sb_gb_processed(state, self->bytes, 2 * self->bytes);
  sb_copy_free(copy);
}

/* The buffers of an item, kept over its repetitions. */
static sb_status make_ready(run *self, int item) {
  if (self->ready == item) return SB_OK;
  if (self->ready >= 0) sb_bench_buffers_free(&self->buffers);
  self->ready = -1;
  const sb_status status = sb_bench_buffers_make(&self->cases[item], &self->buffers);
  if (status == SB_OK) self->ready = item;
  return status;
}

static void item_body(void *context, sb_gb_state *state) {
  entry *self = context;
  const sb_case *item = &self->run->cases[self->item];
  const sb_run_options how = {.threads = self->run->options->threads, .isa = self->run->options->isa};
  sb_bench_buffers *buffers = &self->run->buffers;
  double copied = 0; /* bytes a second */
  sb_status status = make_ready(self->run, self->item);
  if (status == SB_OK) status = sb_copy_bandwidth(x_bytes(item), how.threads, &copied);
  if (status != SB_OK) {
    self->broken = true;
    sb_gb_fail(state, sb_message());
    return;
  }
  sb_bench_buffers_poison(buffers);
  while (status == SB_OK && sb_gb_keep_running(state)) status = sb_run(&item->spec, buffers->in, buffers->out, &how);
  if (status == SB_OK) status = sb_bench_buffers_verify(buffers);
  for (int slot = 0; slot < SB_SLOTS && status == SB_OK; slot++)
    if (buffers->out[slot].rank > 0) status = sb_digest(&buffers->out[slot], self->digests[slot]);
  if (status != SB_OK) {
    self->broken = status != SB_INTERNAL; /* which is what differing bits are */
    sb_gb_fail(state, sb_message());
    return;
  }
  sb_gb_processed(state, item->rows * item->cols, buffers->bytes);
  sb_gb_rate(state, "copy_fraction", (double)buffers->bytes / copied);
  sb_gb_value(state, "copy_bytes_per_second", copied);
}

static entry *entry_named(const run *self, const char *name) {
  for (int i = 0; i < self->entry_count; i++)
    if (strcmp(self->entries[i].name, name) == 0) return &self->entries[i];
  return NULL;
}

static void on_result(void *context, const sb_gb_result *result) {
  const run *self = context;
  entry *source = entry_named(self, result->name);
  if (!source) return;
  if (result->error) {
    fprintf(stderr, "bench: %s: %s\n", result->name, result->error);
    ++*(source->broken || source->item < 0 ? &self->summary->broken : &self->summary->failed);
    return;
  }
  const bool single = self->options->repetitions == 1;
  if (!*result->aggregate && source->sample_count < self->options->repetitions)
    source->samples[source->sample_count++] = result->seconds;
  if (!single && strcmp(result->aggregate, "median") != 0) return;
  if (source->item >= 0) self->summary->ran++;
  if (!self->options->on_result) return;
  const sb_bench_result figures = {.item = source->item,
                                   .name = result->name,
                                   .seconds = result->seconds,
                                   .items_per_second = result->items_per_second,
                                   .bytes_per_second = result->bytes_per_second,
                                   .copy_fraction = source->item < 0 ? 1.0 : result->counter(result, "copy_fraction"),
                                   .samples = source->samples,
                                   .sample_count = source->sample_count,
                                   .digests = source->digests};
  self->options->on_result(self->options->context, &figures);
}

static sb_status add(run *self, int item, int64_t bytes) {
  entry *added = &self->entries[self->entry_count];
  *added = (entry){.run = self, .item = item, .bytes = bytes};
  if (item < 0)
    snprintf(added->name, sizeof added->name, "copy/%" PRId64, bytes);
  else
    sb_case_print(&self->cases[item], added->name);
  if (entry_named(self, added->name)) return SB_OK; /* the same baseline, or the same case twice */
  added->samples = calloc((size_t)self->options->repetitions, sizeof *added->samples);
  if (!added->samples) return sb_fail(SB_NO_MEMORY, "bench: no memory for the samples of %s", added->name);
  self->entry_count++;
  if (sb_gb_register(added->name, item < 0 ? copy_body : item_body, added, self->options->threads == 1)) return SB_OK;
  return sb_fail(SB_NO_MEMORY, "bench: no memory for %s", added->name);
}

sb_status sb_bench_run(const sb_case *cases, int count, const sb_bench_options *options, sb_bench_summary *summary) {
  *summary = (sb_bench_summary){0};
  run self = {.cases = cases, .options = options, .summary = summary, .ready = -1};
  self.entries = calloc((size_t)count * 2 + 1, sizeof *self.entries);
  if (!self.entries) return sb_fail(SB_NO_MEMORY, "bench: no memory for %d cases", count);
  sb_status status = SB_OK;
  for (int i = 0; i < count && !status; i++) status = add(&self, -1, x_bytes(&cases[i]));
  for (int i = 0; i < count && !status; i++) status = add(&self, i, 0);
  char threads[16];
  snprintf(threads, sizeof threads, "%d", options->threads);
  const char *const notes[][2] = {{"samebits", SAMEBITS_VERSION},
                                  {"isa", sb_isa_names[options->isa]},
                                  {"threads", threads},
                                  {"clock", options->threads == 1 ? "CPU time of the thread" : "wall"}};
  for (int i = 0; i < 4 && !status; i++)
    if (!sb_gb_note(notes[i][0], notes[i][1])) status = sb_fail(SB_NO_MEMORY, "bench: no memory for its notes");
  const sb_gb_options how = {.repetitions = options->repetitions,
                             .interleave = options->interleave,
                             .min_seconds = options->min_seconds,
                             .json = options->json,
                             .on_result = on_result,
                             .context = &self};
  if (!status && sb_gb_run(&how) < 0) status = sb_fail(SB_INTERNAL, "bench: Google Benchmark refused its options");
  if (self.ready >= 0) sb_bench_buffers_free(&self.buffers);
  for (int i = 0; i < self.entry_count; i++) free(self.entries[i].samples);
  free(self.entries);
  return status;
}
