#include "samebits/predict.h"

#include "bench/buffers.h"
#include "cuda/device.h"
#include "cuda/modules.h"
#include "samebits/manifest.h"
#include "samebits/run.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { THREAD, WARP, LOADED, STORED, LOAD_SECTORS, STORE_SECTORS, BANK_CONFLICTS, DISTINCT };
static const char *const counter_names[SB_COUNTERS] = {
    [THREAD] = "thread_instructions",    [WARP] = "warp_instructions",    [LOADED] = "loaded_bytes",
    [STORED] = "stored_bytes",           [LOAD_SECTORS] = "load_sectors", [STORE_SECTORS] = "store_sectors",
    [BANK_CONFLICTS] = "bank_conflicts", [DISTINCT] = "distinct_bytes"};

static int64_t count(const json_t *object, const char *part, const char *key) {
  return json_integer_value(json_object_get(part ? json_object_get(object, part) : object, key));
}

static sb_status read_counters(const char *text, sb_prediction *p) {
  json_t *all = json_loads(text, 0, NULL), *buffer;
  size_t i;
  if (!json_is_object(all)) {
    json_decref(all);
    return sb_fail(SB_INTERNAL, "the emulator's counters cannot be read");
  }
  int64_t *c = p->counters;
  c[THREAD] = count(all, NULL, "thread_instructions");
  c[WARP] = count(all, NULL, "warp_instructions");
  c[LOADED] = count(all, "global_load", "bytes");
  c[STORED] = count(all, "global_store", "bytes");
  c[LOAD_SECTORS] = count(all, "global_load", "sectors");
  c[STORE_SECTORS] = count(all, "global_store", "sectors");
  c[BANK_CONFLICTS] = count(all, "shared", "wavefronts") - count(all, "shared", "ideal_wavefronts");
  json_array_foreach(json_object_get(all, "buffers"), i, buffer) c[DISTINCT] +=
      count(buffer, "load", "distinct_bytes") + count(buffer, "store", "distinct_bytes");
  p->bytes = c[DISTINCT];
  json_decref(all);
  return c[WARP] > 0 && p->bytes > 0 ? SB_OK : sb_fail(SB_INTERNAL, "the emulator counted nothing");
}

/* The deployed form: a convert stores its codes (packed where there is that) and qparams, no output. */
static bool is_wanted(const sb_spec *spec, int slot, const sb_tensor out[SB_SLOTS]) {
  if (spec->step != SB_CONVERT) return true;
  return slot != SB_OUTPUT && !(slot == SB_CODES && out[SB_PACKED].rank);
}

/* The emulator counts one launch: a step of several would be undercounted. */
static int launches_of(const sb_kernel_set *set, const sb_spec *spec, const sb_tensor out[SB_SLOTS]) {
  int rows = 0;
  const int count = set->count ? set->count : sb_kernel_count();
  for (int i = 0; i < count; i++) {
    const sb_kernel *kernel = set->count ? &set->kernels[i] : sb_kernel_at(i);
    bool runs = sb_kernel_matches(kernel, spec);
    for (int slot = 0; slot < SB_SLOTS && kernel->only_for; slot++)
      if (strcmp(kernel->only_for, sb_slot_names[slot]) == 0)
        runs = runs && out[slot].rank && is_wanted(spec, slot, out);
    rows += runs;
  }
  return rows;
}

typedef struct counting {
  void (*set)(int on);
  const char *(*get)(void);
} counting;

static sb_status find_counting(sb_cuda *cuda, const char *device, counting *how) {
  void *set = sb_driver_symbol(sb_cuda_driver(cuda), "samebitsEmuSetCounting");
  void *get = sb_driver_symbol(sb_cuda_driver(cuda), "samebitsEmuCounters");
  if (!set || !get) return sb_fail(SB_USAGE, "%s has no counters; they are the emulator's", device);
  memcpy(&how->set, &set, sizeof set);
  memcpy(&how->get, &get, sizeof get);
  return SB_OK;
}

/* What the kernel gave against what the reference gives. */
static sb_status verify(const sb_case *c, const sb_bench_buffers *b, const bool given[SB_SLOTS], sb_prediction *p) {
  char text[SB_CASE_TEXT];
  sb_status status = SB_OK;
  for (int slot = 0; slot < SB_SLOTS && !status; slot++) {
    sb_comparison comparison;
    if (!b->out[slot].data || !given[slot]) continue;
    status = sb_compare(&b->expected[slot], &b->out[slot], &comparison, NULL, NULL);
    if (!status && comparison.different)
      status = sb_fail(SB_INTERNAL, "%s: %lld elements of %s differ from the reference", sb_case_print(c, text),
                       (long long)comparison.different, sb_slot_names[slot]);
    if (!status) status = sb_digest(&b->out[slot], p->digests[slot]);
  }
  return status;
}

static sb_status run_counted(sb_cuda *cuda, const sb_kernel_set *set, const char *device, const sb_case *c,
                             sb_prediction *p) {
  sb_bench_buffers buffers;
  counting how = {0};
  bool given[SB_SLOTS] = {false};
  sb_status status = find_counting(cuda, device, &how);
  if (!status) status = sb_bench_buffers_make(c, &buffers);
  if (status) return status;
  sb_bench_buffers_poison(&buffers);
  for (int slot = 0; slot < SB_SLOTS; slot++)
    if (!is_wanted(&c->spec, slot, buffers.out)) buffers.out[slot].data = NULL;
  how.set(1);
  status = sb_cuda_run(cuda, set->count ? set : NULL, &c->spec, buffers.in, buffers.out, given, NULL);
  how.set(0);
  if (!status) status = read_counters(how.get(), p);
  if (!status) status = verify(c, &buffers, given, p);
  sb_bench_buffers_free(&buffers);
  return status;
}

/* The roofline of the counts. */
static void conclude(sb_prediction *p) {
  const double memory = (double)p->bytes / p->product->bytes_per_second;
  const double issue = (double)p->counters[WARP] / (4.0 * p->product->processors * p->product->hertz);
  p->memory_bound = memory >= issue;
  p->seconds = p->memory_bound ? memory : issue;
}

static sb_status predict(const char *device, const sb_kernel_set *set, const sb_case *c, sb_prediction *p) {
  sb_cuda *cuda = NULL;
  sb_tensor out[SB_SLOTS];
  sb_status status = sb_spec_tensors(&c->spec, c->rows, c->cols, NULL, out);
  const int launches = status ? 0 : launches_of(set, &c->spec, out);
  if (status) return status;
  if (launches != 1)
    return launches ? sb_fail(SB_UNSUPPORTED, "it takes %d launches, which are not added up", launches)
                    : sb_fail(SB_UNSUPPORTED, "there is no kernel");
  status = sb_cuda_open(device, &cuda);
  if (!status) {
    p->product = sb_product_of(sb_cuda_sm(cuda));
    const char *gate = sb_cuda_gate(&c->spec, sb_cuda_sm(cuda));
    if (gate) status = sb_fail(SB_UNSUPPORTED, "%s", gate);
    if (!status && !p->product) status = sb_fail(SB_UNSUPPORTED, "%s: no published figures are listed", device);
  }
  if (!status) status = run_counted(cuda, set, device, c, p);
  if (!status) conclude(p);
  sb_cuda_close(cuda);
  return status;
}

sb_status sb_predict(const char *device, const char *kernels, const sb_case *c, sb_prediction *p) {
  *p = (sb_prediction){.counter_names = counter_names};
  if (c->spec.step == SB_BOTH) return sb_fail(SB_USAGE, "the step both is a comparison: nothing to count");
  if (strncmp(device, "emu:", 4) != 0)
    return sb_fail(SB_USAGE, "%.60s has no counters; they are the emulator's", device);
  sb_manifest manifest = {0};
  sb_status status = kernels ? sb_manifest_load(kernels, &manifest) : SB_OK;
  const sb_kernel_set set = {manifest.count, manifest.kernels, (const char *const *)manifest.texts};
  if (!status) status = predict(device, &set, c, p);
  sb_manifest_free(&manifest);
  return status;
}
