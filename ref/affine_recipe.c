#include "ref/affine_recipe.h"

/* Allocates a slot that the step needs in between and that the caller did not ask for. */
static sb_status ensure(const sb_tensor *shape, const sb_tensor *given, sb_tensor *slot) {
  if (given->rank && given->data) {
    *slot = *given;
    return SB_OK;
  }
  *slot = *shape;
  return shape->rank ? sb_tensor_alloc(slot) : SB_OK;
}

sb_status sb_run_affine_recipe(const sb_spec *spec, const sb_tensor in[SB_SLOTS], sb_tensor out[SB_SLOTS]) {
  const sb_tensor *x = &in[spec->step == SB_DEQUANTIZE ? SB_CODES : SB_X];
  sb_affine affine = spec->affine;
  affine.block_size[0] = 1;
  affine.block_size[1] = spec->group_size ? spec->group_size : x->dims[1];
  switch (spec->step) {
  case SB_CHOOSE_QPARAMS:
    return sb_choose_qparams_affine(&affine, x, &out[SB_SCALE], &out[SB_ZERO_POINT]);
  case SB_QUANTIZE:
    return sb_quantize_affine(&affine, x, &in[SB_SCALE], &in[SB_ZERO_POINT], &out[SB_CODES]);
  case SB_DEQUANTIZE:
    return sb_dequantize_affine(&affine, x, &in[SB_SCALE], &in[SB_ZERO_POINT], &out[SB_OUTPUT]);
  default:
    break;
  }
  sb_tensor shapes[SB_SLOTS], slots[SB_SLOTS] = {0};
  sb_status status = sb_spec_tensors(spec, x->dims[0], x->dims[1], NULL, shapes);
  static const sb_slot used[] = {SB_SCALE, SB_ZERO_POINT, SB_CODES, SB_OUTPUT};
  enum { USED = sizeof used / sizeof *used };
  for (int i = 0; i < USED && status == SB_OK; i++) status = ensure(&shapes[used[i]], &out[used[i]], &slots[used[i]]);
  if (status == SB_OK) status = sb_choose_qparams_affine(&affine, x, &slots[SB_SCALE], &slots[SB_ZERO_POINT]);
  if (spec->step == SB_PREPARE) {
    if (status == SB_OK) {
      status = sb_fake_quantize_affine(&affine, x, &slots[SB_SCALE], &slots[SB_ZERO_POINT], &slots[SB_CODES],
                                       &slots[SB_OUTPUT]);
    }
  } else {
    if (status == SB_OK)
      status = sb_quantize_affine(&affine, x, &slots[SB_SCALE], &slots[SB_ZERO_POINT], &slots[SB_CODES]);
    if (status == SB_OK) {
      status =
          sb_dequantize_affine(&affine, &slots[SB_CODES], &slots[SB_SCALE], &slots[SB_ZERO_POINT], &slots[SB_OUTPUT]);
    }
  }
  for (int i = 0; i < USED; i++) {
    if (slots[used[i]].data && slots[used[i]].data != out[used[i]].data) sb_tensor_free(&slots[used[i]]);
  }
  return status;
}
