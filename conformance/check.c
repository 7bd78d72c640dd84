/* One case from its input to its verdict. */
#include "conformance/check.h"
#include "conformance/recall.h"

#include "samebits/apply.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

sb_status sb_case_input(const sb_case *c, const sb_safetensors *file, sb_tensor *x) {
  *x = sb_tensor_2d(c->spec.dtype, c->rows, c->cols);
  if (c->fill) {
    if (sb_input_recall(c, x)) return SB_OK;
    sb_status status = sb_tensor_alloc(x);
    if (!status) status = c->fill->make(&c->spec, c->seed, x);
    if (status)
      sb_tensor_free(x);
    else
      sb_input_remember(c, x);
    return status;
  }
  if (!file) return sb_fail(SB_USAGE, "the tensor %s needs its file: --input FILE", c->tensor);
  const sb_tensor *from = sb_safetensors_find(file, c->tensor);
  if (!from) return sb_fail(SB_USAGE, "%s: no tensor %s", sb_safetensors_path(file), c->tensor);
  if (from->rank != 2 || !sb_format_of(from->format)->is_float)
    return sb_fail(SB_INVALID, "%s: tensor %s is %s of rank %d, a floating-point tensor of rank 2 is needed",
                   sb_safetensors_path(file), c->tensor, sb_format_of(from->format)->name, from->rank);
  if (from->dims[0] != c->rows || from->dims[1] != c->cols)
    return sb_fail(SB_INVALID, "%s: tensor %s is [%" PRId64 ", %" PRId64 "], the case says [%" PRId64 ", %" PRId64 "]",
                   sb_safetensors_path(file), c->tensor, from->dims[0], from->dims[1], c->rows, c->cols);
  return sb_tensor_cast(from, c->spec.dtype, x);
}

/* The first difference of a slot in one line: where, expected, got, and how far apart. */
static void explain_first(sb_checking *k, sb_slot slot, const char *left, const char *right, int64_t index) {
  const sb_tensor *expected = &k->expected[slot], *got = &k->got[slot];
  char a[SB_ELEMENT_TEXT], b[SB_ELEMENT_TEXT], apart[64] = "";
  sb_element_text(expected, index, a);
  sb_element_text(got, index, b);
  if (expected->format == got->format && sb_format_of(got->format)->is_float) {
    int64_t ulps = sb_ulps(got->format, sb_load_bits(got->format, expected->data, index),
                           sb_load_bits(got->format, got->data, index));
    if (ulps >= 0) snprintf(apart, sizeof apart, ", %" PRId64 " ulp", ulps);
  }
  sb_verdict(k->result, SB_FAIL, "%s[%" PRId64 ", %" PRId64 "]: %s %s, %s %s%s", sb_slot_names[slot],
             index / got->dims[1], index % got->dims[1], left, a, right, b, apart);
}

sb_status sb_compare_slots(sb_checking *k, const char *left, const char *right) {
  sb_result *result = k->result;
  bool any = false;
  for (int slot = 0; slot < SB_SLOTS; slot++) {
    bool a = k->expected[slot].data != NULL, b = k->got[slot].data != NULL;
    if (a != b) {
      size_t used = strlen(result->not_compared);
      snprintf(result->not_compared + used, sizeof result->not_compared - used, "%s%s (%s only)", used ? ", " : "",
               sb_slot_names[slot], a ? left : right);
    }
    if (!a || !b) continue;
    sb_comparison comparison;
    sb_status status = sb_compare(&k->expected[slot], &k->got[slot], &comparison, NULL, NULL);
    if (status) return status;
    result->compared[slot] = any = true;
    result->different[slot] += comparison.different;
    if (comparison.different) explain_first(k, (sb_slot)slot, left, right, comparison.first);
  }
  if (!any) sb_verdict(result, SB_ERROR, "nothing was compared: %s", result->not_compared);
  return SB_OK;
}

static sb_status digest_all(const sb_tensor slots[SB_SLOTS], char digests[SB_SLOTS][SB_DIGEST_TEXT]) {
  sb_status status = SB_OK;
  for (int slot = 0; slot < SB_SLOTS && !status; slot++)
    if (slots[slot].data) status = sb_digest(&slots[slot], digests[slot]);
  return status;
}

/* Runs a step on the device into got; a reply that gives no bits is the verdict. `*ran` says whether there are bits. */
static sb_status run(sb_checking *k, const sb_spec *spec, const sb_tensor in[SB_SLOTS], bool *ran) {
  sb_device_reply reply;
  sb_status status = sb_device_run(k->device, spec, k->c->rows, k->c->cols, in, k->got, &reply);
  *ran = !status && (reply.outcome == SB_PASS || reply.outcome == SB_UNPROVEN);
  if (!status && reply.outcome != SB_PASS) sb_verdict(k->result, reply.outcome, "%s", reply.reason);
  return status;
}

/* The same step again must give the same bits. */
static sb_status repeat(sb_checking *k, const sb_spec *spec, const sb_tensor in[SB_SLOTS]) {
  sb_status status = SB_OK;
  for (int i = 1; i < k->options->repeat && !status; i++) {
    sb_tensor again[SB_SLOTS];
    sb_device_reply reply;
    status = sb_device_run(k->device, spec, k->c->rows, k->c->cols, in, again, &reply);
    for (int slot = 0; slot < SB_SLOTS; slot++) {
      sb_comparison comparison = {0};
      if (!status && reply.outcome == SB_PASS && again[slot].data && k->got[slot].data)
        status = sb_compare(&k->got[slot], &again[slot], &comparison, NULL, NULL);
      if (comparison.different)
        sb_verdict(k->result, SB_FAIL, "run %d of the same input gives other bits: %" PRId64 " of %s", i + 1,
                   comparison.different, sb_slot_names[slot]);
      k->result->different[slot] += comparison.different;
      sb_guard_free(&again[slot]);
    }
  }
  return status;
}

static sb_status check_both(sb_checking *k) {
  sb_spec prepare, convert;
  sb_tensor in[SB_SLOTS] = {[SB_X] = k->x};
  bool ran = false;
  sb_status status = sb_spec_step(&k->c->spec, SB_PREPARE, false, &prepare);
  if (!status) status = sb_spec_step(&k->c->spec, SB_CONVERT, false, &convert);
  if (!status) status = run(k, &prepare, in, &ran);
  if (status || !ran) return status;
  status = repeat(k, &prepare, in);
  memcpy(k->expected, k->got, sizeof k->got);
  memset(k->got, 0, sizeof k->got);
  k->expected_guarded = true;
  if (!status && k->options->digests) status = digest_all(k->expected, k->result->prepare_digests);
  if (!status) status = run(k, &convert, in, &ran);
  if (!status && ran) status = repeat(k, &convert, in);
  if (!status && ran) status = sb_compare_slots(k, "prepare", "convert");
  if (!status && ran) status = sb_check_purpose(k, k->expected);
  return status;
}

/* The inputs of a single operation, by the reference's own operations before it. */
static sb_status chain(const sb_checking *k, sb_tensor slots[SB_SLOTS]) {
  sb_status status = sb_tensor_cast(&k->x, k->x.format, &slots[SB_X]);
  return status ? status : sb_apply_before(&k->c->spec, false, k->c->rows, k->c->cols, slots);
}

static sb_status check_step(sb_checking *k) {
  const sb_spec *spec = &k->c->spec;
  sb_tensor *in = k->in;
  bool ran = false, reference = strcmp(k->device->name, "ref") == 0;
  sb_status status = chain(k, in);
  if (!status) status = run(k, spec, in, &ran);
  if (!status && ran) status = repeat(k, spec, in);
  if (!status && ran && reference) status = sb_check_reference(k, spec, in);
  if (!status && ran && !reference) {
    sb_run_options options = {.threads = k->options->threads};
    status = sb_spec_tensors(spec, k->c->rows, k->c->cols, NULL, k->expected);
    for (int slot = 0; slot < SB_SLOTS; slot++) {
      k->expected[slot].data = NULL;
      if (!status && k->expected[slot].rank) status = sb_tensor_alloc(&k->expected[slot]);
    }
    if (!status) status = sb_run(spec, in, k->expected, &options);
    if (!status) status = sb_compare_slots(k, "ref", k->device->name);
  }
  if (!status && ran && (spec->step == SB_PREPARE || spec->step == SB_CONVERT))
    status = sb_check_purpose(k, reference ? k->got : k->expected);
  return status;
}

/* Where bits differ: whether it is a difference that is known. The reference against itself has no such. */
static sb_status verify(sb_checking *k) {
  bool both = k->c->spec.step == SB_BOTH;
  sb_tensor in[SB_SLOTS] = {[SB_X] = k->x};
  if (!both && strcmp(k->device->name, "ref") == 0) return SB_OK;
  return k->options->verify(k->options->verify_context, k->c, both ? in : k->in, k->expected, k->got, k->result);
}

/* Moves the tensors into the result, where the caller wants them, and frees the rest. */
static sb_status finish(sb_checking *k, sb_status status) {
  sb_result *result = k->result;
  const bool bits = result->status != SB_CASE_UNSUPPORTED && result->status != SB_SKIP && result->status != SB_ERROR &&
                    result->status != SB_TIMEOUT && result->status != SB_CRASH;
  if (!status && bits && k->options->digests) status = digest_all(k->got, result->digests);
  bool keep = k->options->keep && !status;
  for (int slot = 0; slot < SB_SLOTS; slot++) {
    sb_tensor *pair[] = {&k->expected[slot], &k->got[slot]}, *kept[] = {&result->expected[slot], &result->got[slot]};
    for (int i = 0; i < 2; i++) {
      bool guarded = i == 1 || k->expected_guarded;
      if (keep && !status && pair[i]->data) status = sb_tensor_cast(pair[i], pair[i]->format, kept[i]);
      if (guarded)
        sb_guard_free(pair[i]);
      else
        sb_tensor_free(pair[i]);
    }
  }
  if (keep && !status) {
    result->x = k->x;
    memcpy(result->in, k->in, sizeof k->in);
    result->kept = true;
  } else {
    sb_tensor_free(&k->x);
    sb_slots_free(k->in);
  }
  return status;
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

sb_status sb_check(sb_device *device, const sb_case *c, const sb_check_options *options, sb_result *result) {
  double start = now();
  *result = (sb_result){.status = SB_PASS};
  sb_checking k = {.device = device, .c = c, .options = options, .result = result};
  sb_tensor shapes[SB_SLOTS];
  sb_case adapted = *c;
  sb_status status = sb_device_adapt(device, &adapted.spec);
  if (!status) k.c = c = &adapted;
  device->now = c;
  if (!status) status = sb_spec_tensors(&c->spec, c->rows, c->cols, NULL, shapes); /* upstream's refusals come first */
  if (!status) status = sb_case_input(c, options->input, &k.x);
  if (!status) {
    result->elements = sb_tensor_count(&k.x);
    status = c->spec.step == SB_BOTH ? check_both(&k) : check_step(&k);
  }
  if (!status && result->status == SB_FAIL && options->verify) status = verify(&k);
  device->now = NULL;
  status = finish(&k, status);
  if (status == SB_UNSUPPORTED) {
    sb_verdict(result, SB_CASE_UNSUPPORTED, "%s", sb_message());
    status = SB_OK;
  }
  result->seconds = now() - start;
  if (status) sb_result_free(result);
  return status;
}

void sb_result_free(sb_result *result) {
  sb_tensor_free(&result->x);
  sb_slots_free(result->in);
  sb_slots_free(result->expected);
  sb_slots_free(result->got);
}
