#include "bench/buffers.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

enum { GUARD = 4096, POISON = 0xA5 };

/* Computes what quantize or dequantize takes beside x, by the steps before it. */
static sb_status fill_qparams(const sb_case *item, sb_bench_buffers *buffers) {
  static const sb_step before[] = {SB_CHOOSE_QPARAMS, SB_QUANTIZE};
  sb_tensor x = sb_tensor_2d(item->spec.dtype, item->rows, item->cols);
  sb_status status = sb_tensor_alloc(&x);
  if (status == SB_OK) status = item->fill->make(&item->spec, item->seed, &x);
  for (int i = 0; i < 2 && status == SB_OK && before[i] != item->spec.step; i++) {
    sb_spec spec = item->spec;
    spec.step = before[i];
    sb_tensor in[SB_SLOTS] = {0}, out[SB_SLOTS] = {0};
    status = sb_spec_tensors(&spec, item->rows, item->cols, in, out);
    for (int slot = 0; slot < SB_SLOTS; slot++) {
      in[slot].data = slot == SB_X ? x.data : buffers->in[slot].data;
      if (out[slot].rank > 0 && buffers->in[slot].rank > 0) out[slot].data = buffers->in[slot].data;
    }
    const sb_run_options one = {.threads = 1, .isa = SB_ISA_PORTABLE};
    if (status == SB_OK) status = sb_run(&spec, in, out, &one);
  }
  sb_tensor_free(&x);
  return status;
}

static sb_status allocate_guarded(sb_bench_buffers *buffers, int slot) {
  const int64_t bytes = sb_tensor_bytes(&buffers->out[slot]);
  const size_t whole = ((size_t)bytes + 2 * GUARD + GUARD - 1) / GUARD * GUARD;
  buffers->guarded[slot] = aligned_alloc(GUARD, whole);
  if (!buffers->guarded[slot])
    return sb_fail(SB_NO_MEMORY, "bench: no memory for %s of %" PRId64 " bytes", sb_slot_names[slot], bytes);
  buffers->out[slot].data = buffers->guarded[slot] + GUARD;
  return SB_OK;
}

sb_status sb_bench_buffers_make(const sb_case *item, sb_bench_buffers *buffers) {
  *buffers = (sb_bench_buffers){0};
  sb_status status = sb_spec_tensors(&item->spec, item->rows, item->cols, buffers->in, buffers->out);
  for (int slot = 0; slot < SB_SLOTS && status == SB_OK; slot++) {
    if (buffers->in[slot].rank > 0) {
      buffers->bytes += sb_tensor_bytes(&buffers->in[slot]);
      status = sb_tensor_alloc(&buffers->in[slot]);
    }
    if (status == SB_OK && buffers->out[slot].rank > 0) {
      buffers->bytes += sb_tensor_bytes(&buffers->out[slot]);
      buffers->expected[slot] = buffers->out[slot];
      status = sb_tensor_alloc(&buffers->expected[slot]);
      if (status == SB_OK) status = allocate_guarded(buffers, slot);
    }
  }
  if (status == SB_OK && buffers->in[SB_X].rank > 0)
    status = item->fill->make(&item->spec, item->seed, &buffers->in[SB_X]);
  if (status == SB_OK && (item->spec.step == SB_QUANTIZE || item->spec.step == SB_DEQUANTIZE))
    status = fill_qparams(item, buffers);
  const sb_run_options one = {.threads = 1, .isa = SB_ISA_PORTABLE};
  if (status == SB_OK) status = sb_run(&item->spec, buffers->in, buffers->expected, &one);
  if (status != SB_OK) sb_bench_buffers_free(buffers);
  return status;
}

void sb_bench_buffers_poison(sb_bench_buffers *buffers) {
  for (int slot = 0; slot < SB_SLOTS; slot++)
    if (buffers->guarded[slot])
      memset(buffers->guarded[slot], POISON, (size_t)sb_tensor_bytes(&buffers->out[slot]) + 2 * GUARD);
}

static bool is_nan(sb_format format, const void *data, int64_t index) {
  return sb_format_of(format)->is_float && isnan(sb_load(format, data, index));
}

sb_status sb_bench_buffers_verify(const sb_bench_buffers *buffers) {
  for (int slot = 0; slot < SB_SLOTS; slot++) {
    if (!buffers->guarded[slot]) continue;
    const sb_tensor *got = &buffers->out[slot], *expected = &buffers->expected[slot];
    const int64_t bytes = sb_tensor_bytes(got);
    const uint8_t *begin = buffers->guarded[slot], *end = begin + GUARD + bytes;
    for (int i = 0; i < GUARD; i++)
      if (begin[i] != POISON || end[i] != POISON)
        return sb_fail(SB_INTERNAL, "%s: the guard %s the tensor was overwritten", sb_slot_names[slot],
                       begin[i] != POISON ? "before" : "after");
    if (memcmp(got->data, expected->data, (size_t)bytes) == 0) continue;
    const int64_t count = sb_tensor_count(got);
    for (int64_t i = 0; i < count; i++) {
      const uint64_t a = sb_load_bits(got->format, got->data, i), b = sb_load_bits(got->format, expected->data, i);
      if (a == b || (is_nan(got->format, got->data, i) && is_nan(got->format, expected->data, i))) continue;
      return sb_fail(SB_INTERNAL,
                     "%s[%" PRId64 "]: 0x%" PRIx64 " instead of 0x%" PRIx64 ", which the portable code gives",
                     sb_slot_names[slot], i, a, b);
    }
  }
  return SB_OK;
}

void sb_bench_buffers_free(sb_bench_buffers *buffers) {
  for (int slot = 0; slot < SB_SLOTS; slot++) {
    free(buffers->guarded[slot]);
    if (buffers->in[slot].data) sb_tensor_free(&buffers->in[slot]);
    if (buffers->expected[slot].data) sb_tensor_free(&buffers->expected[slot]);
  }
  *buffers = (sb_bench_buffers){0};
}
