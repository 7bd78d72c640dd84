/* Host tensors to guarded device buffers, the launch, and back. */
#include "cuda/device.h"

#include "cuda/modules.h"

#include <stdlib.h>

enum { PAD = 256, GUARD = 0xC5, POISON = 0xA7 };

typedef struct buffer {
  uint64_t base;  /* 0: none */
  sb_tensor host; /* what goes in or comes out, in the kernel's format */
  bool narrowed;  /* host is a copy of our own */
  unsigned char *bytes;
  int64_t size; /* without pads */
} buffer;

/* Our kernels take and give the zero point of int8 as i8 in every flavor. */
static bool narrows(const sb_kernel_set *set, const sb_spec *spec, int slot, const sb_tensor *tensor) {
  (void)spec;
  return !set && slot == SB_ZERO_POINT && tensor->format == SB_I32;
}

static sb_status narrow(const sb_tensor *from, sb_tensor *to, bool values) {
  *to = *from;
  to->format = SB_I8;
  to->data = NULL;
  const sb_status status = sb_tensor_alloc(to);
  if (status || !values) return status;
  const int64_t count = sb_tensor_count(from);
  for (int64_t i = 0; i < count; i++) {
    const int64_t value = sb_load_int(from->format, from->data, i);
    if (value < INT8_MIN || value > INT8_MAX)
      return sb_fail(SB_DEVICE, "zero_point %lld at %lld: the kernels take i8", (long long)value, (long long)i);
    sb_store_int(SB_I8, to->data, i, value);
  }
  return SB_OK;
}

/* A device buffer between pads: filled with `host` (an input) or poison. */
static sb_status place(sb_cuda *cuda, buffer *b, bool input) {
  b->size = sb_tensor_bytes(&b->host);
  if (b->size < 0 || b->size > INT64_MAX - 2 * PAD) return sb_fail(SB_INVALID, "a tensor's size overflows");
  b->bytes = malloc((size_t)b->size + 2 * PAD);
  if (!b->bytes) return sb_fail(SB_NO_MEMORY, "out of memory: %lld bytes", (long long)b->size);
  memset(b->bytes, GUARD, (size_t)b->size + 2 * PAD);
  if (input)
    memcpy(b->bytes + PAD, b->host.data, (size_t)b->size);
  else
    memset(b->bytes + PAD, POISON, (size_t)b->size);
  const sb_status status = sb_cuda_alloc(cuda, b->size + 2 * PAD, &b->base);
  return status ? status : sb_cuda_copy_in(cuda, b->base, b->bytes, b->size + 2 * PAD);
}

static sb_status prepare_buffers(sb_cuda *cuda, const sb_kernel_set *set, const sb_spec *spec,
                                 const sb_tensor in[SB_SLOTS], const sb_tensor out[SB_SLOTS],
                                 buffer buffers[SB_SLOTS]) {
  for (int slot = 0; slot < SB_SLOTS; slot++) {
    const bool input = in[slot].rank && in[slot].data, output = out[slot].rank && out[slot].data;
    if (!input && !output) continue;
    const sb_tensor *tensor = input ? &in[slot] : &out[slot];
    buffer *b = &buffers[slot];
    b->host = *tensor;
    sb_status status = SB_OK;
    if (narrows(set, spec, slot, tensor)) {
      b->narrowed = true;
      status = narrow(tensor, &b->host, input);
    }
    if (!status) status = place(cuda, b, input);
    if (status) return sb_fail_in(status, "%s", sb_slot_names[slot]);
  }
  return SB_OK;
}

/* Reads a buffer back: its pads, and for an input every byte, must be as before. */
static sb_status collect(sb_cuda *cuda, buffer *b, const char *name, bool input, sb_tensor *out) {
  unsigned char *after = malloc((size_t)b->size + 2 * PAD);
  if (!after) return sb_fail(SB_NO_MEMORY, "out of memory: %lld bytes", (long long)b->size);
  sb_status status = sb_cuda_copy_out(cuda, after, b->base, b->size + 2 * PAD);
  const size_t size = (size_t)b->size;
  if (!status && (memcmp(after, b->bytes, PAD) || memcmp(after + PAD + size, b->bytes + PAD + size, PAD)))
    status = sb_fail(SB_DEVICE, "a kernel wrote beside %s", name);
  if (!status && input && memcmp(after + PAD, b->bytes + PAD, size))
    status = sb_fail(SB_DEVICE, "a kernel changed its input %s", name);
  if (!status && !input) {
    memcpy(b->host.data, after + PAD, size);
    const int64_t count = b->narrowed ? sb_tensor_count(out) : 0;
    for (int64_t i = 0; i < count; i++) sb_store_int(out->format, out->data, i, sb_load_int(SB_I8, b->host.data, i));
  }
  free(after);
  return status;
}

/* A slot that some row of the step has among its parameters. */
static bool mentions(const char *args, const char *name) {
  const size_t length = strlen(name);
  for (const char *at = args; *at;) {
    const size_t word = strcspn(at, " ");
    if (word == length && !memcmp(at, name, length)) return true;
    at += word;
    at += strspn(at, " ");
  }
  return false;
}

sb_status sb_cuda_launch_set(sb_cuda *cuda, const sb_kernel_set *set, const sb_cuda_step *step, const sb_on *on,
                             bool given[SB_SLOTS]) {
  sb_variables variables;
  const sb_status fit = sb_cuda_variables(step, sb_cuda_sm(cuda), &variables);
  if (fit) return fit;
  const int count = set ? set->count : sb_kernel_count();
  bool ran = false;
  sb_status status = SB_UNSUPPORTED;
  for (int i = 0; i < count; i++) {
    const sb_kernel *kernel = set ? &set->kernels[i] : sb_kernel_at(i);
    if (!sb_kernel_matches(kernel, &step->spec)) continue;
    sb_launch l;
    status = set ? sb_launch_fill(kernel, step->spec.dtype, &variables, step->data, &l) : SB_OK;
    if (status == SB_UNSUPPORTED) continue;
    for (int slot = 0; slot < SB_SLOTS; slot++) given[slot] |= mentions(kernel->args, sb_slot_names[slot]);
    if (!set) continue;
    sb_on one = *on;
    one.text = set->texts[i];
    if (!status) status = sb_modules_launch(cuda, &l, &one);
    if (status) return status;
    ran = true;
  }
  if (!set) return sb_cuda_launch_on(cuda, step, on);
  return ran ? SB_OK : status;
}

sb_status sb_cuda_run(sb_cuda *cuda, const sb_kernel_set *set, const sb_spec *spec, const sb_tensor in[SB_SLOTS],
                      sb_tensor out[SB_SLOTS], bool given[SB_SLOTS], uint64_t *nanoseconds) {
  bool theirs = false;
  for (int i = 0; set && i < set->count; i++) theirs |= sb_kernel_matches(&set->kernels[i], spec);
  if (set && !theirs)
    return sb_fail(SB_UNSUPPORTED, "no kernel of the manifest computes %s/%s/%s@%s%s%s/%s", spec->recipe->name,
                   sb_side_names[spec->path->side], sb_step_names[spec->step], sb_flavor_names[spec->path->flavor],
                   *spec->path->variant ? "+" : "", spec->path->variant, sb_format_of(spec->dtype)->name);
  memset(given, 0, SB_SLOTS * sizeof *given);
  if (nanoseconds) *nanoseconds = 0;
  const sb_tensor *shape = in[SB_X].rank ? &in[SB_X] : &in[SB_CODES];
  if (shape->rank != 2) return sb_fail(SB_INVALID, "a step takes x or codes of two dimensions, not %d", shape->rank);
  sb_cuda_step step = {.spec = *spec, .rows = shape->dims[0], .cols = shape->dims[1]};
  buffer buffers[SB_SLOTS] = {0};
  sb_status status = prepare_buffers(cuda, set, spec, in, out, buffers);
  for (int slot = 0; slot < SB_SLOTS; slot++) step.data[slot] = buffers[slot].base ? buffers[slot].base + PAD : 0;
  if (!status) status = sb_cuda_launch_set(cuda, set, &step, &(sb_on){.wait = true, .nanoseconds = nanoseconds}, given);
  for (int slot = 0; slot < SB_SLOTS; slot++) {
    buffer *b = &buffers[slot];
    const bool input = in[slot].rank && in[slot].data;
    if (b->base && !status) status = collect(cuda, b, sb_slot_names[slot], input, &out[slot]);
    if (b->base) {
      const sb_status freed = sb_cuda_free(cuda, b->base);
      if (!status) status = freed;
    }
    if (b->narrowed) sb_tensor_free(&b->host);
    free(b->bytes);
  }
  return status;
}
