#include "bench/emulator/kernels.h"

#include "cuda/modules.h"
#include "samebits/driver.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* In the manner of the study that the emulator was planned by: one fused and one plain kernel of every family. */
#define TOKEN(step) "int8-dynamic-act-int4-weight/activation/" step "@aligned/f32/256x4096:g0/activation:1"
#define GROUP(step) "int8-dynamic-act-int4-weight/weight/" step "@aligned/f32/256x4096:g128/weight:1"
#define ROW(step)   "float8-dynamic-act-float8-weight/weight/" step "@aligned/f32/256x4096:g0/weight:1"
static const struct {
  const char *name, *text;
} rows[BENCH_KERNELS] = {
    {"choose_qparams_token_f32", TOKEN("choose_qparams")},
    {"quantize_token_f32_i8", TOKEN("quantize")},
    {"dequantize_token_i8_f32", TOKEN("dequantize")},
    {"prepare_token_f32_i8", TOKEN("prepare")},
    {"convert_group_f32_i4", GROUP("convert")},
    {"dequantize_group_i4_f32", GROUP("dequantize")},
    {"convert_row_f32_e4m3", ROW("convert")},
    {"dequantize_row_e4m3_f32", ROW("dequantize")},
    {"prepare_groupzp_f32_i4", "int4-weight-only/weight/prepare@aligned/f32/256x4096:g128/weight:1"}};

static sb_status symbol(sb_driver *driver, const char *name, void *at) {
  void *found = sb_driver_symbol(driver, name);
  if (!found)
    return sb_fail(SB_USAGE, "bench-emulator measures the emulator: %s has no %s", sb_driver_device(driver), name);
  memcpy(at, &found, sizeof found);
  return SB_OK;
}
sb_status bench_device_open(const char *name, bench_device *device) {
  sb_status status = sb_cuda_open(name, &device->cuda);
  if (status) return status;
  sb_driver *driver = sb_cuda_driver(device->cuda);
  status = symbol(driver, "samebitsEmuSetChecks", &device->set_checks);
  if (!status) status = symbol(driver, "samebitsEmuSetCounting", &device->set_counting);
  if (!status) status = symbol(driver, "samebitsEmuCounters", &device->counters);
  if (!status) status = symbol(driver, "samebitsEmuIsa", &device->isa);
  return status;
}
void bench_device_close(bench_device *device) { sb_cuda_close(device->cuda); }

/* The deployed form of a step, as the kernels have it: packed codes in the place of codes, no output beside codes. */
static bool gives(const bench_kernel *k, int slot) {
  const sb_tensor *out = k->host.out;
  if (!out[slot].rank) return false;
  if (k->step.spec.step == SB_PREPARE) return slot != SB_CODES;
  if (k->step.spec.step == SB_CONVERT) return slot != SB_OUTPUT && !(slot == SB_CODES && out[SB_PACKED].rank);
  return true;
}
static bool is_narrowed(const sb_tensor *t, int slot) {
  return slot == SB_ZERO_POINT && !sb_format_of(t->format)->is_float && t->format != SB_I8;
}
static int64_t device_bytes(const sb_tensor *t, int slot) {
  return is_narrowed(t, slot) ? sb_tensor_count(t) : sb_tensor_bytes(t);
}

static sb_status upload(bench_device *device, bench_kernel *k, int slot) {
  const sb_tensor *t = &k->host.in[slot];
  const int64_t bytes = device_bytes(t, slot);
  const void *from = t->data;
  int8_t *narrow = NULL;
  if (is_narrowed(t, slot)) {
    narrow = malloc((size_t)bytes);
    if (!narrow) return sb_fail(SB_NO_MEMORY, "bench-emulator: no memory for the zero points");
    for (int64_t i = 0; i < bytes; i++) narrow[i] = (int8_t)sb_load(t->format, t->data, i);
    from = narrow;
  }
  sb_status status = sb_cuda_alloc(device->cuda, bytes, &k->step.data[slot]);
  if (!status) status = sb_cuda_copy_in(device->cuda, k->step.data[slot], from, bytes);
  free(narrow);
  return status;
}

static sb_status count(bench_device *device, bench_kernel *k) {
  device->set_counting(1);
  const sb_status status = bench_kernel_launch(device, k);
  device->set_counting(0);
  if (status) return status;
  const char *at = strstr(device->counters(), "\"thread_instructions\":");
  if (!at) return sb_fail(SB_INTERNAL, "bench-emulator: %s: no counters", k->name);
  k->thread_instructions = strtoull(at + strlen("\"thread_instructions\":"), NULL, 10);
  return SB_OK;
}

sb_status bench_kernel_make(bench_device *device, int which, bench_kernel *k) {
  *k = (bench_kernel){.name = rows[which].name};
  sb_case item;
  sb_status status = sb_case_parse(rows[which].text, &item);
  if (!status) status = sb_bench_buffers_make(&item, &k->host);
  if (status) return status;
  k->elements = item.rows * item.cols;
  k->step.spec = item.spec, k->step.rows = item.rows, k->step.cols = item.cols;
  const bool has_packed = k->host.in[SB_PACKED].rank > 0;
  for (int slot = 0; slot < SB_SLOTS && !status; slot++) {
    if (k->host.in[slot].rank && !(slot == SB_CODES && has_packed)) status = upload(device, k, slot);
    if (!status && gives(k, slot))
      status = sb_cuda_alloc(device->cuda, device_bytes(&k->host.out[slot], slot), &k->step.data[slot]);
  }
  if (!status) status = count(device, k);
  if (!status) status = bench_kernel_verify(device, k);
  return status;
}
void bench_kernel_free(bench_device *device, bench_kernel *k) {
  for (int slot = 0; slot < SB_SLOTS; slot++)
    if (k->step.data[slot]) (void)sb_cuda_free(device->cuda, k->step.data[slot]);
  sb_bench_buffers_free(&k->host);
}

sb_status bench_kernel_launch(bench_device *device, bench_kernel *k) {
  const sb_status status = sb_cuda_launch(device->cuda, &k->step, NULL);
  return status ? status : sb_cuda_wait(device->cuda, NULL);
}
sb_status bench_kernel_reference(bench_kernel *k) {
  const sb_run_options one = {.threads = 1, .isa = SB_ISA_BEST};
  return sb_run(&k->step.spec, k->host.in, k->host.out, &one);
}

static sb_status verify_slot(bench_device *device, bench_kernel *k, int slot) {
  const sb_tensor *expected = &k->host.expected[slot];
  const sb_format format = is_narrowed(expected, slot) ? SB_I8 : expected->format;
  const int64_t bytes = device_bytes(expected, slot), count = sb_tensor_count(expected);
  uint8_t *got = malloc((size_t)bytes);
  if (!got) return sb_fail(SB_NO_MEMORY, "bench-emulator: no memory for %s", sb_slot_names[slot]);
  sb_status status = sb_cuda_copy_out(device->cuda, got, k->step.data[slot], bytes);
  for (int64_t i = 0; i < count && !status; i++) {
    const double a = sb_load(format, got, i), b = sb_load(expected->format, expected->data, i);
    if (format == expected->format ? sb_load_bits(format, got, i) == sb_load_bits(format, expected->data, i)
                                   : !(a < b || a > b))
      continue;
    if (isnan(a) && isnan(b)) continue;
    status = sb_fail(SB_INTERNAL, "%s: %s[%" PRId64 "] is %a, the reference gives %a", k->name, sb_slot_names[slot], i,
                     a, b);
  }
  free(got);
  return status;
}
sb_status bench_kernel_verify(bench_device *device, bench_kernel *k) {
  sb_status status = SB_OK;
  for (int slot = 0; slot < SB_SLOTS && !status; slot++)
    if (gives(k, slot)) status = verify_slot(device, k, slot);
  return status;
}
