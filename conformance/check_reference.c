/* The reference against itself: instruction sets, threads, rows alone, and single operations against the fused step. */
#include "conformance/check.h"
#include "samebits/apply.h"

#include <inttypes.h>
#include <math.h>

/* Counts what differs between two tensors of one slot; `what` says which property is broken. */
static sb_status same(sb_checking *k, sb_slot slot, const sb_tensor *expected, const sb_tensor *got, const char *what) {
  sb_comparison comparison;
  sb_status status = sb_compare(expected, got, &comparison, NULL, NULL);
  if (status) return status;
  k->result->compared[slot] = true;
  k->result->different[slot] += comparison.different;
  if (comparison.different)
    sb_verdict(k->result, SB_FAIL, "%s: %" PRId64 " of %s differ, first at index %" PRId64, what, comparison.different,
               sb_slot_names[slot], comparison.first);
  return SB_OK;
}

/* The same step by another instruction set and one thread. */
static sb_status other_isas(sb_checking *k, const sb_spec *spec, const sb_tensor in[SB_SLOTS]) {
  sb_status status = SB_OK;
  for (int isa = SB_ISA_PORTABLE; isa < SB_ISAS && !status; isa++) {
    if (!sb_isa_available((sb_isa)isa)) continue;
    sb_tensor slots[SB_SLOTS] = {0};
    for (int slot = 0; slot < SB_SLOTS; slot++)
      if (in[slot].data && !status) status = sb_tensor_cast(&in[slot], in[slot].format, &slots[slot]);
    if (!status)
      status = sb_apply(spec, k->c->rows, k->c->cols, slots, &(sb_run_options){.threads = 1, .isa = (sb_isa)isa});
    for (int slot = 0; slot < SB_SLOTS && !status; slot++)
      if (k->got[slot].data && slot != SB_X)
        status = same(k, (sb_slot)slot, &slots[slot], &k->got[slot], sb_isa_names[isa]);
    sb_slots_free(slots);
  }
  return status;
}

/* Row `row` of a tensor as a tensor of its own, without copying. */
static sb_tensor row_of(const sb_tensor *tensor, int64_t row) {
  sb_tensor one = *tensor;
  one.dims[0] = 1;
  if (one.data) one.data = (char *)tensor->data + row * sb_format_bytes(tensor->format, tensor->dims[1]);
  return one;
}

/* Batch invariance: a row alone gives the bits that it has among others. At most 16 rows, evenly spaced. */
static sb_status rows_alone(sb_checking *k, const sb_spec *spec, const sb_tensor in[SB_SLOTS]) {
  enum { ROWS = 16 };
  int64_t rows = k->c->rows, step = rows > ROWS ? rows / ROWS : 1;
  sb_status status = SB_OK;
  for (int slot = 0; slot < SB_SLOTS; slot++) /* per tensor: a row alone is another computation */
    if ((k->got[slot].data && k->got[slot].dims[0] != rows) || (in[slot].data && in[slot].dims[0] != rows))
      return SB_OK;
  for (int64_t row = 0; row < rows && rows > 1 && !status; row += step) {
    sb_tensor slots[SB_SLOTS] = {0};
    for (int slot = 0; slot < SB_SLOTS && !status; slot++) {
      sb_tensor one = row_of(&in[slot], row);
      if (in[slot].data) status = sb_tensor_cast(&one, one.format, &slots[slot]);
    }
    if (!status) status = sb_apply(spec, 1, k->c->cols, slots, NULL);
    for (int slot = 0; slot < SB_SLOTS && !status; slot++) {
      sb_tensor one = row_of(&k->got[slot], row);
      if (one.data && slot != SB_X) status = same(k, (sb_slot)slot, &one, &slots[slot], "a row alone");
    }
    sb_slots_free(slots);
  }
  return status;
}

/* Integer codes cannot hold the NaN that upstream's fake quantizer carries in the model's dtype: where prepare's output
 * is not finite, the composition is not held to it. `aligned` dequantizes the integer code in prepare too and has no
 * such exception. */
static void excuse_nonfinite(const sb_tensor *prepare, sb_tensor *composition) {
  for (int64_t i = 0, count = sb_tensor_count(prepare); i < count; i++) {
    double value = sb_load(prepare->format, prepare->data, i);
    if (!isfinite(value)) sb_store(composition->format, composition->data, i, value);
  }
}

/* choose_qparams, quantize and dequantize in a row give prepare's output. */
static sb_status composed(sb_checking *k) {
  static const sb_step steps[] = {SB_CHOOSE_QPARAMS, SB_QUANTIZE, SB_DEQUANTIZE};
  sb_tensor slots[SB_SLOTS] = {0};
  sb_status status = sb_tensor_cast(&k->x, k->x.format, &slots[SB_X]);
  for (int i = 0; i < 3 && !status; i++) {
    sb_spec step;
    status = sb_spec_step(&k->c->spec, steps[i], false, &step);
    if (!status) status = sb_apply(&step, k->c->rows, k->c->cols, slots, NULL);
  }
  if (status == SB_UNSUPPORTED && k->c->spec.recipe->methods) { /* a contract without such operations */
    sb_slots_free(slots);
    return SB_OK;
  }
  if (!status && k->c->spec.path->flavor != SB_ALIGNED) excuse_nonfinite(&k->got[SB_OUTPUT], &slots[SB_OUTPUT]);
  if (!status)
    status = same(k, SB_OUTPUT, &k->got[SB_OUTPUT], &slots[SB_OUTPUT], "choose_qparams, quantize, dequantize in a row");
  sb_slots_free(slots);
  return status;
}

sb_status sb_check_reference(sb_checking *k, const sb_spec *spec, const sb_tensor in[SB_SLOTS]) {
  sb_status status = other_isas(k, spec, in);
  if (!status) status = rows_alone(k, spec, in);
  if (!status && spec->step == SB_PREPARE) status = composed(k);
  return status;
}
