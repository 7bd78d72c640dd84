/* All 2^32 f32 inputs through a quantize kernel on a device, beside the C reference, in memory that both sides see. */
#include "samebits/selftest.h"

#include "conformance/shares.h"
#include "cuda/modules.h"
#include "samebits/cuda.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <time.h>

enum { ROWS = 1024, COLS = 4096, CHUNK = ROWS * COLS, THREADS = 2, SLOTS = SB_SLOTS };

static const sb_sweep_kernel kernels[] = {{"i8", "int8-dynamic-act-int4-weight", 0x1.d3a8p-4f, -3},
                                          {"e4m3", "float8-dynamic-act-float8-weight", 1.0f, 0}};

const sb_sweep_kernel *sb_sweep_kernel_at(int index) {
  return index >= 0 && index < (int)(sizeof kernels / sizeof *kernels) ? &kernels[index] : NULL;
}

typedef struct sweep {
  sb_cuda *cuda;
  sb_cuda_step step;
  sb_tensor in[SLOTS], out[SLOTS]; /* x: managed memory; the codes of the reference: the host's */
  uint8_t *codes;                  /* the device's */
  uint64_t first;                  /* bits of the chunk's first input */
} sweep;
typedef struct part {
  sweep *s;
  int from, rows;
  sb_status status;
} part;

static double seconds_now(void) {
  struct timespec t;
  (void)clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Fills its rows of x with consecutive bit patterns and computes their codes. */
static void *prepare_rows(void *context) {
  part *p = context;
  sweep *s = p->s;
  uint32_t *x = (uint32_t *)s->in[SB_X].data + (size_t)p->from * COLS;
  const uint32_t first = (uint32_t)s->first + (uint32_t)p->from * COLS;
  for (uint32_t i = 0; i < (uint32_t)p->rows * COLS; i++) x[i] = first + i;
  sb_tensor in[SLOTS], out[SLOTS];
  memcpy(in, s->in, sizeof in), memcpy(out, s->out, sizeof out);
  for (int slot = 0; slot < SLOTS; slot++) {
    sb_tensor *const both[] = {&in[slot], &out[slot]};
    for (int k = 0; k < 2; k++) {
      if (!both[k]->rank || !both[k]->data) continue;
      const int64_t row = sb_tensor_bytes(both[k]) / ROWS;
      both[k]->dims[0] = p->rows;
      both[k]->data = (uint8_t *)both[k]->data + p->from * row;
    }
  }
  p->status = sb_run(&s->step.spec, in, out, &(sb_run_options){.threads = 1, .isa = SB_ISA_BEST});
  return NULL;
}
static sb_status prepare_chunk(sweep *s) {
  part parts[THREADS];
  sb_status status = SB_OK;
  for (int k = 0; k < THREADS; k++) parts[k] = (part){s, k * (ROWS / THREADS), ROWS / THREADS, SB_OK};
  sb_shares_run(prepare_rows, parts, sizeof *parts, THREADS);
  for (int k = 0; k < THREADS; k++)
    if (parts[k].status) status = parts[k].status;
  return status;
}

static void compare_chunk(const sweep *s, sb_sweep_result *result) {
  const sb_tensor *t = &s->out[SB_CODES];
  if (memcmp(t->data, s->codes, CHUNK) == 0) return;
  for (int64_t i = 0; i < CHUNK; i++) {
    const uint64_t a = sb_load_bits(t->format, s->codes, i), b = sb_load_bits(t->format, t->data, i);
    if (a == b) continue;
    if (sb_format_of(t->format)->is_float && isnan(sb_load(t->format, s->codes, i)) &&
        isnan(sb_load(t->format, t->data, i)))
      continue;
    if (!result->different++) result->input = (uint32_t)(s->first + (uint64_t)i), result->got = a, result->expected = b;
  }
}

typedef int alloc_managed(uint64_t *address, size_t bytes, unsigned flags);
static sb_status managed(sweep *s, int64_t bytes, uint64_t *address) {
  void *found = sb_driver_symbol(sb_cuda_driver(s->cuda), "cuMemAllocManaged");
  alloc_managed *alloc;
  memcpy(&alloc, &found, sizeof alloc);
  if (!found || alloc(address, (size_t)bytes, 1))
    return sb_fail(SB_DEVICE, "sweep32: no managed memory of %" PRId64 " bytes", bytes);
  return SB_OK;
}

static sb_status make(const char *device, const sb_sweep_kernel *kernel, sweep *s) {
  sb_status status = sb_cuda_open(device, &s->cuda);
  if (!status)
    status = sb_spec_make(kernel->recipe, SB_ACTIVATION, SB_QUANTIZE, SB_ALIGNED, "", SB_F32, 0, &s->step.spec);
  if (!status) status = sb_spec_tensors(&s->step.spec, ROWS, COLS, s->in, s->out);
  s->step.rows = ROWS, s->step.cols = COLS;
  if (!status) status = managed(s, sb_tensor_bytes(&s->in[SB_X]), &s->step.data[SB_X]);
  if (!status) status = managed(s, CHUNK, &s->step.data[SB_CODES]);
  if (status) return status;
  s->in[SB_X].data = (void *)(uintptr_t)s->step.data[SB_X];
  s->codes = (void *)(uintptr_t)s->step.data[SB_CODES];
  for (int slot = SB_SCALE; slot < SLOTS && !status; slot++) {
    if (s->out[slot].rank) status = sb_tensor_alloc(&s->out[slot]);
    if (status || !s->in[slot].rank) continue;
    const bool zero_point = slot == SB_ZERO_POINT;
    status = sb_tensor_alloc(&s->in[slot]);
    if (!status) status = managed(s, sb_tensor_bytes(&s->in[slot]), &s->step.data[slot]);
    for (int64_t i = 0; i < sb_tensor_count(&s->in[slot]) && !status; i++) {
      void *at = (void *)(uintptr_t)s->step.data[slot];
      sb_store(s->in[slot].format, s->in[slot].data, i, zero_point ? kernel->zero_point : (double)kernel->scale);
      sb_store(zero_point ? SB_I8 : s->in[slot].format, at, i, zero_point ? kernel->zero_point : (double)kernel->scale);
    }
  }
  return status;
}
static void unmake(sweep *s) {
  for (int slot = 0; slot < SLOTS; slot++) {
    if (s->step.data[slot]) (void)sb_cuda_free(s->cuda, s->step.data[slot]);
    if (slot != SB_X && s->in[slot].data) sb_tensor_free(&s->in[slot]);
    if (s->out[slot].data) sb_tensor_free(&s->out[slot]);
  }
  sb_cuda_close(s->cuda);
}

/* Races and reads of unwritten memory do not depend on the values: every other run of these kernels looks for them. */
static void set_checks(const sweep *s, const char *list) {
  void *found = sb_driver_symbol(sb_cuda_driver(s->cuda), "samebitsEmuSetChecks");
  void (*set)(const char *);
  memcpy(&set, &found, sizeof set);
  if (found) set(list);
}

sb_status sb_sweep32(const char *device, const sb_sweep_kernel *kernel, uint64_t count, sb_sweep_result *result) {
  sweep s = {.first = 0};
  *result = (sb_sweep_result){0};
  sb_status status = make(device, kernel, &s);
  if (!status) set_checks(&s, "bounds,align,uninitialized-shared,shared-race,barrier,lanes,budget");
  const double start = seconds_now();
  for (; s.first < count && !status; s.first += CHUNK) {
    memset(s.codes, 0x55, CHUNK);
    status = prepare_chunk(&s);
    if (!status) status = sb_cuda_launch(s.cuda, &s.step, NULL);
    if (!status) status = sb_cuda_wait(s.cuda, NULL);
    if (!status) compare_chunk(&s, result), result->inputs += CHUNK;
  }
  result->seconds = seconds_now() - start;
  if (s.cuda) set_checks(&s, "all"), unmake(&s);
  return status;
}
