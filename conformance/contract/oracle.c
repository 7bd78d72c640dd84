/* sb_run by contract: what `golden verify --oracle contract` calls. */
#include "conformance/contract/library.h"

#include <math.h>
#include <stdio.h>

void sb_contract_case_of(const sb_spec *spec, sb_contract_case *c) {
  static const char *const mappings[] = {"symmetric", "noclip", "asymmetric"};
  *c = (sb_contract_case){.dtype = spec->dtype,
                          .group_size = spec->group_size,
                          .eps = (double)NAN,
                          .preserve_zero = true,
                          .scale_dtype = spec->dtype,
                          .zero_point_dtype = SB_I32,
                          .output_dtype = spec->dtype};
  snprintf(c->recipe, sizeof c->recipe, "%s", spec->recipe->name);
  snprintf(c->flavor, sizeof c->flavor, "%s", sb_flavor_names[spec->path->flavor]);
  if (strcmp(c->recipe, "affine") != 0) {
    snprintf(c->side, sizeof c->side, "%s", sb_side_names[spec->path->side]);
    snprintf(c->step, sizeof c->step, "%s", sb_step_names[spec->step]);
    snprintf(c->variant, sizeof c->variant, "%s", spec->path->variant);
    return;
  }
  const sb_affine *a = &spec->affine;
  snprintf(c->mapping, sizeof c->mapping, "%s", mappings[a->mapping]);
  c->quant_min = (double)a->quant_min, c->quant_max = (double)a->quant_max, c->eps = a->eps;
  c->scale_dtype = a->scale_format, c->zero_point_dtype = a->zero_point_format, c->output_dtype = a->output_format;
  c->preserve_zero = a->preserve_zero;
}

/* Moves the contract's tensor into the caller's, which may be of another format of equal values. */
static sb_status deliver(const sb_tensor *from, sb_tensor *to, const char *slot) {
  int64_t n = sb_tensor_count(to);
  if (!from->data) return sb_fail(SB_INVALID, "the contract gives no %s", slot);
  if (sb_tensor_count(from) != n || from->dims[0] != to->dims[0])
    return sb_fail(SB_INVALID, "the contract's %s is [%lld, %lld], expected is [%lld, %lld]", slot,
                   (long long)from->dims[0], (long long)from->dims[1], (long long)to->dims[0], (long long)to->dims[1]);
  if (from->format == to->format) {
    memcpy(to->data, from->data, (size_t)sb_tensor_bytes(to));
    return SB_OK;
  }
  bool integers = !sb_format_of(from->format)->is_float && !sb_format_of(to->format)->is_float;
  for (int64_t i = 0; i < n; i++) {
    if (integers)
      sb_store_int(to->format, to->data, i, sb_load_int(from->format, from->data, i));
    else
      sb_store(to->format, to->data, i, sb_load(from->format, from->data, i));
    bool same = integers ? sb_load_int(to->format, to->data, i) == sb_load_int(from->format, from->data, i)
                         : sb_load(to->format, to->data, i) == sb_load(from->format, from->data, i) ||
                               isnan(sb_load(from->format, from->data, i));
    if (!same)
      return sb_fail(SB_INVALID, "the contract's %s is %s and holds %.17g, which %s has not", slot,
                     sb_format_of(from->format)->name, sb_load(from->format, from->data, i),
                     sb_format_of(to->format)->name);
  }
  return SB_OK;
}

static sb_status by(sb_kernel *kernel, const sb_spec *spec, const sb_tensor in[SB_SLOTS], sb_tensor out[SB_SLOTS]) {
  sb_contract_case c;
  sb_tensor got[SB_SLOTS];
  sb_contract_case_of(spec, &c);
  sb_status status = sb_contract_run_by(kernel, &c, in, got);
  if (status != SB_OK) return status;
  for (int s = 0; s < SB_SLOTS && status == SB_OK; s++)
    if (out[s].data) status = deliver(&got[s], &out[s], sb_slot_names[s]);
  for (int s = 0; s < SB_SLOTS; s++) sb_tensor_free(&got[s]);
  return status;
}

sb_status sb_contract_oracle(void *context, const sb_spec *spec, const sb_tensor in[SB_SLOTS],
                             sb_tensor out[SB_SLOTS]) {
  (void)context;
  return by(sb_kernel_exact, spec, in, out);
}

sb_status sb_contract_oracle_fast(void *context, const sb_spec *spec, const sb_tensor in[SB_SLOTS],
                                  sb_tensor out[SB_SLOTS]) {
  (void)context;
  return by(sb_kernel_fast, spec, in, out);
}
