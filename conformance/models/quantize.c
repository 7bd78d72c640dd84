#include "conformance/models/quantize.h"

sb_status sb_run_all(const sb_spec *spec, const sb_tensor *x, sb_tensor out[SB_SLOTS]) {
  sb_tensor in[SB_SLOTS] = {[SB_X] = *x};
  sb_status status = sb_spec_tensors(spec, x->dims[0], x->dims[1], NULL, out);
  if (status) {
    memset(out, 0, SB_SLOTS * sizeof *out);
    return status;
  }
  for (int s = 0; !status && s < SB_SLOTS; s++)
    if (out[s].rank && s != SB_PACKED) status = sb_tensor_alloc(&out[s]);
  if (!status) status = sb_run(spec, in, out, NULL);
  if (status) sb_slots_free(out);
  return status;
}

sb_status sb_stored_spec(const sb_stored *row, sb_side side, sb_step step, sb_format T, int64_t group_size,
                         sb_spec *spec) {
  const char *variant = side == SB_WEIGHT && step == SB_CONVERT ? row->variant : "";
  return sb_spec_make(row->recipe, side, step, row->flavor, variant, T, side == SB_WEIGHT ? group_size : 0, spec);
}

sb_status sb_stored_run(const sb_stored *row, sb_side side, sb_step step, int64_t group_size, const sb_tensor *x,
                        sb_tensor out[SB_SLOTS]) {
  sb_spec spec;
  memset(out, 0, SB_SLOTS * sizeof *out);
  const sb_status status = sb_stored_spec(row, side, step, x->format, group_size, &spec);
  return status ? status : sb_run_all(&spec, x, out);
}
