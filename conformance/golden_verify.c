/* Golden data against an oracle. */
#include "samebits/golden.h"

static sb_status run_reference(void *context, const sb_spec *spec, const sb_tensor in[SB_SLOTS],
                               sb_tensor out[SB_SLOTS]) {
  (void)context;
  return sb_run(spec, in, out, NULL);
}

typedef struct difference {
  const sb_golden *golden;
  const sb_golden_case *at;
  sb_slot slot;
  const sb_tensor *got;
  sb_on_golden_difference *on;
  void *context;
} difference;

static bool forward(void *context, int64_t index) {
  const difference *d = context;
  d->on(d->context, d->golden, d->at, d->slot, index, d->got);
  return true;
}

static sb_status compare_case(const difference *d, const sb_tensor out[SB_SLOTS], sb_golden_counts *counts) {
  for (int slot = 0; slot < SB_SLOTS; slot++) {
    if (!d->at->expected[slot].rank) continue;
    sb_comparison result;
    difference here = *d;
    here.slot = (sb_slot)slot;
    here.got = &out[slot];
    sb_status status = sb_compare(&d->at->expected[slot], &out[slot], &result, d->on ? forward : NULL, &here);
    if (status) return status;
    counts->elements += result.elements;
    counts->different += result.different;
  }
  counts->cases++;
  return SB_OK;
}

static sb_status verify_case(const difference *d, sb_oracle *oracle, void *oracle_context, sb_golden_counts *counts) {
  const sb_golden_case *at = d->at;
  sb_tensor out[SB_SLOTS];
  sb_status status = sb_spec_tensors(&at->spec, at->rows, at->cols, NULL, out);
  for (int slot = 0; slot < SB_SLOTS; slot++) {
    out[slot].data = NULL;
    if (!status && at->expected[slot].rank) status = sb_tensor_alloc(&out[slot]);
  }
  if (!status) status = oracle(oracle_context, &at->spec, at->in, out);
  if (!status) status = compare_case(d, out, counts);
  for (int slot = 0; slot < SB_SLOTS; slot++) sb_tensor_free(&out[slot]);
  return status ? sb_fail_in(status, "%s: case %s", sb_safetensors_path(d->golden->file), at->name) : SB_OK;
}

sb_status sb_golden_verify(const sb_golden *golden, sb_oracle *oracle, void *oracle_context, sb_golden_counts *counts,
                           sb_on_golden_difference *on, void *context) {
  for (int i = 0; i < golden->count; i++) {
    difference d = {.golden = golden, .at = &golden->cases[i], .on = on, .context = context};
    sb_status status = verify_case(&d, oracle ? oracle : run_reference, oracle_context, counts);
    if (status) return status;
  }
  counts->files++;
  return SB_OK;
}
