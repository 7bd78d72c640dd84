/* Chaining steps of ref/. */
#include "samebits/apply.h"

sb_status sb_spec_step(const sb_spec *spec, sb_step step, bool main_instead, sb_spec *other) {
  const sb_path *path = spec->path;
  sb_status status = sb_spec_make(spec->recipe->name, path->side, step, path->flavor, path->variant, spec->dtype,
                                  spec->group_size, other);
  if (status && main_instead && *path->variant)
    status = sb_spec_make(spec->recipe->name, path->side, step, path->flavor, "", spec->dtype, spec->group_size, other);
  if (!status) other->affine = spec->affine;
  return status;
}

sb_status sb_apply(const sb_spec *spec, int64_t rows, int64_t cols, sb_tensor slots[SB_SLOTS],
                   const sb_run_options *options) {
  sb_tensor in[SB_SLOTS], out[SB_SLOTS];
  sb_status status = sb_spec_tensors(spec, rows, cols, in, out);
  if (status) return status;
  for (int slot = 0; slot < SB_SLOTS; slot++)
    if (in[slot].rank) in[slot] = slots[slot];
  for (int slot = 0; slot < SB_SLOTS && !status; slot++)
    if (out[slot].rank) status = sb_tensor_alloc(&out[slot]);
  if (!status) status = sb_run(spec, in, out, options);
  for (int slot = 0; slot < SB_SLOTS; slot++) {
    if (!out[slot].rank) continue;
    if (status)
      sb_tensor_free(&out[slot]);
    else {
      sb_tensor_free(&slots[slot]);
      slots[slot] = out[slot];
    }
  }
  return status;
}

/* The codes, or the packed codes, that prepare (or convert, where there is no prepare) makes of x. */
static sb_status take_whole(const sb_spec *spec, sb_slot slot, int64_t rows, int64_t cols, sb_tensor slots[SB_SLOTS]) {
  sb_tensor all[SB_SLOTS] = {[SB_X] = slots[SB_X]};
  sb_spec prepare;
  sb_status status = sb_spec_step(spec, spec->path->prepare ? SB_PREPARE : SB_CONVERT, false, &prepare);
  if (!status) status = sb_apply(&prepare, rows, cols, all, NULL);
  if (!status && !all[slot].data)
    status = sb_fail(SB_UNSUPPORTED, "%s gives no %s", sb_step_names[prepare.step], sb_slot_names[slot]);
  if (!status) {
    sb_tensor_free(&slots[slot]);
    slots[slot] = all[slot];
    all[slot] = (sb_tensor){0};
  }
  all[SB_X] = (sb_tensor){0};
  sb_slots_free(all);
  return status;
}

sb_status sb_apply_before(const sb_spec *spec, bool main_instead, int64_t rows, int64_t cols,
                          sb_tensor slots[SB_SLOTS]) {
  static const sb_step before[] = {SB_CHOOSE_QPARAMS, SB_QUANTIZE};
  const int count = spec->step == SB_QUANTIZE ? 1 : spec->step == SB_DEQUANTIZE ? 2 : 0;
  sb_status status = SB_OK;
  for (int i = 0; i < count && !status; i++) {
    sb_spec step;
    status = sb_spec_step(spec, before[i], main_instead, &step);
    if (!status) status = sb_apply(&step, rows, cols, slots, NULL);
    if (status == SB_UNSUPPORTED && before[i] == SB_QUANTIZE && spec->recipe->methods &&
        take_whole(spec, SB_CODES, rows, cols, slots) == SB_OK)
      status = SB_OK;
  }
  if (!status && spec->step == SB_DEQUANTIZE && spec->recipe->methods) {
    sb_tensor in[SB_SLOTS]; /* a contract with packed codes: a kernel may take them in the codes' place */
    status = sb_spec_tensors(spec, rows, cols, in, NULL);
    if (!status && in[SB_PACKED].rank && !slots[SB_PACKED].data)
      status = take_whole(spec, SB_PACKED, rows, cols, slots);
  }
  return status;
}

void sb_slots_free(sb_tensor slots[SB_SLOTS]) {
  for (int slot = 0; slot < SB_SLOTS; slot++) sb_tensor_free(&slots[slot]);
}
