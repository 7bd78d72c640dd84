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

void sb_slots_free(sb_tensor slots[SB_SLOTS]) {
  for (int slot = 0; slot < SB_SLOTS; slot++) sb_tensor_free(&slots[slot]);
}
