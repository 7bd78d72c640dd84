#include "samebits/bench_gpu.h"

#include "bench/buffers.h"
#include "bench/gpu.h"
#include "bench/shim.h"
#include "samebits/driver.h"
#include "samebits/fill.h"
#include "samebits/linear.h"
#include "samebits/manifest.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const sb_timing_policy sb_timing_usual = {
    .least = 10, .most = 200, .seconds = 10, .precision = 0.005, .least_clock = 0.75, .sample_seconds = 1e-3};

typedef enum what { CASE, COPY, CUBLAS } what;

typedef struct run run;
typedef struct entry {
  run *run;
  what kind;
  int item;
  int64_t bytes; /* of a copy */
  char name[SB_CASE_TEXT];
  char digests[SB_SLOTS][SB_DIGEST_TEXT];
} entry;

struct run {
  const sb_case *cases;
  const sb_bench_gpu_options *options;
  sb_bench_summary *summary;
  entry *entries;
  int entry_count;
  sb_gpu gpu;
  sb_manifest manifest;
  sb_cublas *blas;
  double copied; /* bytes a second, the newest copy's */
  sb_timing cold, hot;
};

/* ---- a case ---- */

typedef struct case_work {
  run *run;
  sb_cuda_step step;
  bool given[SB_SLOTS];
} case_work;

static sb_status queue_case(void *context) {
  case_work *w = context;
  const sb_manifest *m = &w->run->manifest;
  const sb_kernel_set set = {m->count, m->kernels, (const char *const *)m->texts};
  return sb_cuda_launch_set(w->run->gpu.cuda, m->count ? &set : NULL, &w->step, &(sb_on){0}, w->given);
}

/* The deployed form: a convert stores its codes (packed where there is that) and qparams, no output. */
static bool is_wanted(const sb_spec *spec, int slot, const sb_tensor out[SB_SLOTS]) {
  if (spec->step != SB_CONVERT) return true;
  return slot != SB_OUTPUT && !(slot == SB_CODES && out[SB_PACKED].rank);
}

/* As the kernels take it: our own have the zero point of int8 as i8. */
static sb_status narrowed(const run *self, int slot, const sb_tensor *host, sb_tensor *as) {
  *as = *host;
  as->data = NULL;
  if (!self->manifest.count && slot == SB_ZERO_POINT && host->format == SB_I32) as->format = SB_I8;
  sb_status status = sb_tensor_alloc(as);
  if (status) return status;
  if (as->format == host->format)
    memcpy(as->data, host->data, (size_t)sb_tensor_bytes(host));
  else
    for (int64_t i = 0; i < sb_tensor_count(host); i++)
      sb_store_int(as->format, as->data, i, sb_load_int(host->format, host->data, i));
  return SB_OK;
}

static sb_status place(case_work *w, int slot, const sb_tensor *host, bool input, int64_t *bytes) {
  sb_tensor as = {0};
  sb_status status = narrowed(w->run, slot, host, &as);
  if (!status && !input) memset(as.data, 0xA5, (size_t)sb_tensor_bytes(&as));
  if (!status) status = sb_cuda_alloc(w->run->gpu.cuda, sb_tensor_bytes(&as), &w->step.data[slot]);
  if (!status) status = sb_cuda_copy_in(w->run->gpu.cuda, w->step.data[slot], as.data, sb_tensor_bytes(&as));
  if (!status) *bytes += sb_tensor_bytes(&as);
  sb_tensor_free(&as);
  return status;
}

/* What the timed launches left behind is what the reference gives. */
static sb_status verify(entry *self, case_work *w, const sb_bench_buffers *b) {
  bool any = false;
  for (int slot = 0; slot < SB_SLOTS; slot++) {
    if (!b->expected[slot].data || !w->step.data[slot] || !w->given[slot]) continue;
    sb_tensor got = {0};
    sb_comparison comparison = {0};
    sb_status status = narrowed(self->run, slot, &b->expected[slot], &got);
    if (!status) status = sb_cuda_copy_out(self->run->gpu.cuda, got.data, w->step.data[slot], sb_tensor_bytes(&got));
    if (!status) status = sb_compare(&b->expected[slot], &got, &comparison, NULL, NULL);
    if (!status) status = sb_digest(&got, self->digests[slot]);
    sb_tensor_free(&got);
    if (status) return status;
    if (comparison.different)
      return sb_fail(SB_INVALID, "%" PRId64 " elements of %s differ from the reference", comparison.different,
                     sb_slot_names[slot]);
    any = true;
  }
  return any ? SB_OK : sb_fail(SB_INVALID, "the kernels give nothing of what is compared");
}

static sb_status time_case(entry *self, int64_t *bytes) {
  run *r = self->run;
  const sb_case *c = &r->cases[self->item];
  case_work w = {.run = r, .step = {.spec = c->spec, .rows = c->rows, .cols = c->cols}};
  sb_bench_buffers b;
  sb_status status = sb_bench_buffers_make(c, &b);
  if (status) return status;
  for (int slot = 0; slot < SB_SLOTS && !status; slot++) {
    if (b.in[slot].rank)
      status = place(&w, slot, &b.in[slot], true, bytes);
    else if (b.out[slot].rank && is_wanted(&c->spec, slot, b.out))
      status = place(&w, slot, &b.expected[slot], false, bytes);
  }
  if (!status) status = sb_gpu_time(&r->gpu, queue_case, &w, &r->options->policy, *bytes, &r->cold, &r->hot);
  if (!status) status = verify(self, &w, &b);
  for (int slot = 0; slot < SB_SLOTS; slot++)
    if (w.step.data[slot]) (void)sb_cuda_free(r->gpu.cuda, w.step.data[slot]);
  sb_bench_buffers_free(&b);
  return status;
}

/* ---- baselines ---- */

typedef struct baseline {
  run *run;
  uint64_t from, to, y;
  int64_t bytes;
  sb_format format;
  sb_linear_shape shape;
} baseline;

static sb_status queue_copy(void *context) {
  const baseline *b = context;
  return sb_driver_copy(sb_cuda_driver(b->run->gpu.cuda), b->to, b->from, (size_t)b->bytes);
}

static sb_status queue_cublas(void *context) {
  const baseline *b = context;
  return sb_cublas_linear(b->run->blas, b->format, b->shape, b->from, b->to, b->y, NULL);
}

/* Incompressible bytes: a memory that compresses would be faster than it is. */
static sb_status upload_random(run *r, int64_t bytes, sb_format format, uint64_t *pointer) {
  const int64_t count = bytes * 8 / sb_format_of(format)->bits;
  void *data = malloc((size_t)bytes + 8);
  if (!data) return sb_fail(SB_NO_MEMORY, "bench: no memory for %" PRId64 " bytes", bytes);
  for (int64_t i = 0; i < count; i++)
    sb_store(format, data, i, sb_random_normal(sb_random_word(1, SB_RANDOM_X, (uint64_t)i)));
  sb_status status = sb_cuda_alloc(r->gpu.cuda, bytes, pointer);
  if (!status) status = sb_cuda_copy_in(r->gpu.cuda, *pointer, data, bytes);
  free(data);
  return status;
}

/* cuBLAS multiplies square matrices as wide as the case, within reason. */
static int64_t matrix_width(const sb_case *c) { return c->cols < 4096 ? c->cols : 4096; }

static sb_status time_baseline(entry *self, int64_t *bytes) {
  run *r = self->run;
  const sb_case *c = &r->cases[self->item];
  const int64_t size = matrix_width(c);
  const bool copy = self->kind == COPY;
  baseline b = {.run = r, .bytes = self->bytes, .format = c->spec.dtype, .shape = {size, size, size}};
  const sb_tensor matrix = sb_tensor_2d(b.format, size, size);
  if (!copy) b.bytes = sb_tensor_bytes(&matrix);
  sb_status status = upload_random(r, b.bytes, copy ? SB_F32 : b.format, &b.from);
  if (!status) status = upload_random(r, b.bytes, copy ? SB_F32 : b.format, &b.to);
  if (!status && !copy) status = sb_cuda_alloc(r->gpu.cuda, b.bytes, &b.y);
  *bytes = (copy ? 2 : 3) * b.bytes;
  if (!status)
    status = sb_gpu_time(&r->gpu, copy ? queue_copy : queue_cublas, &b, &r->options->policy, *bytes, &r->cold, &r->hot);
  if (!status && copy && r->cold.median > 0) r->copied = (double)*bytes / r->cold.median;
  for (int i = 0; i < 3; i++) {
    const uint64_t pointer = i == 0 ? b.from : i == 1 ? b.to : b.y;
    if (pointer) (void)sb_cuda_free(r->gpu.cuda, pointer);
  }
  return status;
}

/* ---- the run ---- */

static void report(entry *self, int64_t bytes) {
  run *r = self->run;
  const sb_case *c = &r->cases[self->item];
  const double seconds = r->cold.median, size = (double)matrix_width(c);
  const double items = self->kind == CASE   ? (double)c->rows * (double)c->cols
                       : self->kind == COPY ? (double)self->bytes
                                            : 2 * size * size * size;
  const sb_bench_gpu_figures figures = {&r->cold, &r->hot, r->gpu.bytes_per_second, r->gpu.sensors};
  const sb_bench_result result = {.item = self->kind == CASE ? self->item : -1,
                                  .name = self->name,
                                  .seconds = seconds,
                                  .items_per_second = items / seconds,
                                  .bytes_per_second = (double)bytes / seconds,
                                  .copy_fraction = r->copied > 0 ? (double)bytes / seconds / r->copied : 0,
                                  .samples = r->cold.samples,
                                  .sample_count = r->cold.count,
                                  .digests = self->digests,
                                  .gpu = &figures};
  if (self->kind == CASE) r->summary->ran++;
  if (r->options->on_result) r->options->on_result(r->options->context, &result);
}

static void body(void *context, sb_gb_state *state) {
  entry *self = context;
  run *r = self->run;
  int64_t bytes = 0;
  sb_status status = self->kind == CASE ? time_case(self, &bytes) : time_baseline(self, &bytes);
  if (!status && (r->cold.count == 0 || r->hot.count == 0)) {
    r->summary->unstable++;
    fprintf(stderr, "bench: %s: no figure: the device was slowed all the time\n", self->name);
    sb_gb_fail(state, "throttled");
    return;
  }
  if (status) {
    ++*(self->kind == CASE && status == SB_INVALID ? &r->summary->failed : &r->summary->broken);
    fprintf(stderr, "bench: %s: %s\n", self->name, sb_message());
    sb_gb_fail(state, sb_message());
    return;
  }
  while (sb_gb_keep_running(state)) sb_gb_seconds(state, r->cold.median);
  sb_gb_processed(state, 1, bytes);
  sb_gb_value(state, "samples", r->cold.count);
  sb_gb_value(state, "hot_seconds", r->hot.median);
  report(self, bytes);
}

static sb_status add(run *r, what kind, int item, int64_t bytes) {
  entry *e = &r->entries[r->entry_count];
  const sb_case *c = &r->cases[item];
  const long long size = c->cols < 4096 ? c->cols : 4096;
  *e = (entry){.run = r, .kind = kind, .item = item, .bytes = bytes};
  if (kind == CASE)
    sb_case_print(c, e->name);
  else if (kind == COPY)
    snprintf(e->name, sizeof e->name, "copy/%" PRId64, bytes);
  else
    snprintf(e->name, sizeof e->name, "cublas/%s/%lldx%lldx%lld", sb_format_of(c->spec.dtype)->name, size, size, size);
  for (int i = 0; i < r->entry_count; i++)
    if (strcmp(r->entries[i].name, e->name) == 0) return SB_OK;
  r->entry_count++;
  return sb_gb_register_timed(e->name, body, e) ? SB_OK : sb_fail(SB_NO_MEMORY, "bench: no memory for %s", e->name);
}

static sb_status open_all(run *r) {
  const sb_bench_gpu_options *o = r->options;
  sb_status status = o->kernels ? sb_manifest_load(o->kernels, &r->manifest) : SB_OK;
  if (!status) status = sb_gpu_timing_open(o->device, &r->gpu);
  if (status) return status;
  status = sb_cublas_open(r->gpu.cuda, &r->blas);
  if (status == SB_UNSUPPORTED) fprintf(stderr, "bench: no cuBLAS baseline: %s\n", sb_message());
  return status == SB_UNSUPPORTED ? SB_OK : status;
}

sb_status sb_bench_gpu_run(const sb_case *cases, int count, const sb_bench_gpu_options *options,
                           sb_bench_summary *summary) {
  *summary = (sb_bench_summary){0};
  run *r = calloc(1, sizeof *r);
  entry *entries = calloc((size_t)count * 3 + 1, sizeof *entries);
  if (!r || !entries) {
    free(r), free(entries);
    return sb_fail(SB_NO_MEMORY, "bench: no memory for %d cases", count);
  }
  r->cases = cases, r->options = options, r->summary = summary, r->entries = entries;
  sb_status status = open_all(r);
  for (int i = 0; i < count && !status; i++) {
    const sb_tensor x = sb_tensor_2d(cases[i].spec.dtype, cases[i].rows, cases[i].cols);
    status = add(r, COPY, i, sb_tensor_bytes(&x));
    if (!status && r->blas) status = add(r, CUBLAS, i, 0);
  }
  for (int i = 0; i < count && !status; i++) status = add(r, CASE, i, 0);
  const sb_gb_options how = {.repetitions = 1, .min_seconds = 0.001, .json = options->json};
  if (!status && sb_gb_run(&how) < 0) status = sb_fail(SB_INTERNAL, "bench: Google Benchmark refused its options");
  sb_cublas_close(r->blas);
  if (r->gpu.cuda) sb_gpu_timing_close(&r->gpu);
  sb_manifest_free(&r->manifest);
  free(entries);
  free(r);
  return status;
}
