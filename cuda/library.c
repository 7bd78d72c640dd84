/* The library for programs: rows of cuda/launch.c on the caller's stream and pointers. */
#include "samebits/cuda.h"

#include "cuda/modules.h"
#include "samebits/kernels.h"

const char *sb_cuda_gate(const sb_spec *spec, int sm) {
  static const struct {
    const char *recipe, *reason;
    int sm;
  } gates[] = {
      {"float8-dynamic-act-float8-weight", "Float8 dynamic quantization requires CUDA compute capability >= 8.9", 89},
      {"float8-dynamic-act-int4-weight", "float8 activations with int4 weights require CUDA compute capability >= 9.0",
       90}};
  if (spec->path->flavor != SB_TORCHAO_0_18_CUDA) return NULL;
  for (size_t i = 0; i < sizeof gates / sizeof *gates; i++) {
    if (!strcmp(gates[i].recipe, spec->recipe->name) && sm < gates[i].sm) return gates[i].reason;
  }
  return NULL;
}

static bool given(const sb_cuda_step *step, sb_slot slot) { return step->data[slot] != 0; }

static sb_status missing(const sb_cuda_step *step, const char *what) {
  return sb_fail(SB_INVALID, "%s/%s/%s: the device pointer of %s is 0", step->spec.recipe->name,
                 sb_side_names[step->spec.path->side], sb_step_names[step->spec.step], what);
}

/* Every input is there, and what the step is for. */
static sb_status check_pointers(const sb_cuda_step *step, const sb_tensor in[SB_SLOTS], const sb_tensor out[SB_SLOTS]) {
  const sb_step kind = step->spec.step;
  const bool packs = out[SB_PACKED].rank || (kind != SB_CONVERT && step->spec.group_size > 0);
  for (int slot = 0; slot < SB_SLOTS; slot++) {
    if (!in[slot].rank || given(step, (sb_slot)slot)) continue;
    if (slot == SB_CODES && packs && given(step, SB_PACKED)) continue;
    return missing(step, sb_slot_names[slot]);
  }
  if (kind == SB_CHOOSE_QPARAMS && !given(step, SB_SCALE)) return missing(step, "scale");
  if ((kind == SB_PREPARE || kind == SB_DEQUANTIZE) && !given(step, SB_OUTPUT)) return missing(step, "output");
  if ((kind == SB_CONVERT || kind == SB_QUANTIZE) && !given(step, SB_CODES) && !(packs && given(step, SB_PACKED)))
    return missing(step, packs ? "codes, and of packed" : "codes");
  if (kind == SB_CONVERT && given(step, SB_OUTPUT)) {
    for (int slot = SB_SCALE; slot < SB_SLOTS; slot++) {
      const bool needed = slot == SB_SCALE || slot == SB_ZERO_POINT || slot == SB_ROW_SCALE;
      if (needed && out[slot].rank && !given(step, (sb_slot)slot)) return missing(step, sb_slot_names[slot]);
    }
  }
  return SB_OK;
}

static sb_status set_stride(const char *what, int64_t given_stride, int64_t least, int64_t rows, int64_t *stride) {
  if (given_stride == 0) return SB_OK;
  int64_t end;
  if (given_stride < least || __builtin_mul_overflow(given_stride, rows, &end) || end > INT64_MAX / 8)
    return sb_fail(SB_INVALID, "%s is %lld, not between the row of %lld and what 64 bits hold", what,
                   (long long)given_stride, (long long)least);
  *stride = given_stride;
  return SB_OK;
}

sb_status sb_cuda_variables(const sb_cuda_step *step, int sm, sb_variables *v) {
  *v = sb_variables_of(&step->spec, step->rows, step->cols, sm);
  v->high_first = step->high_first;
  sb_status status = set_stride("x_stride", step->x_stride, step->cols, step->rows, &v->x_stride);
  if (!status) status = set_stride("codes_stride", step->codes_stride, step->cols, step->rows, &v->codes_stride);
  if (!status) status = set_stride("output_stride", step->output_stride, step->cols, step->rows, &v->output_stride);
  if (status || (!step->scale_row_stride && !step->scale_group_stride)) return status;
  if (step->scale_row_stride < 0 || step->scale_group_stride < 0)
    return sb_fail(SB_INVALID, "scale strides %lld, %lld are negative", (long long)step->scale_row_stride,
                   (long long)step->scale_group_stride);
  v->scale_row_stride = step->scale_row_stride;
  v->scale_group_stride = step->scale_group_stride;
  return SB_OK;
}

/* Whether the row has something to do: a row for one tensor runs only where that is wanted. */
static bool wanted(const sb_kernel *kernel, const uint64_t data[SB_SLOTS]) {
  for (int slot = 0; kernel->only_for && slot < SB_SLOTS; slot++) {
    if (!strcmp(kernel->only_for, sb_slot_names[slot])) return data[slot] != 0;
  }
  return true;
}

sb_status sb_cuda_launch(sb_cuda *cuda, const sb_cuda_step *step, void *stream) {
  if (!cuda || !step) return sb_fail(SB_INVALID, "sb_cuda_launch: no %s", cuda ? "step" : "device");
  if (!step->spec.recipe || !step->spec.path)
    return sb_fail(SB_INVALID, "sb_cuda_launch: the step's spec is empty (sb_spec_make fills it)");
  return sb_cuda_launch_on(cuda, step, &(sb_on){.stream = stream});
}

sb_status sb_cuda_launch_on(sb_cuda *cuda, const sb_cuda_step *step, const sb_on *on) {
  sb_tensor in[SB_SLOTS], out[SB_SLOTS];
  sb_status status = sb_spec_tensors(&step->spec, step->rows, step->cols, in, out);
  if (!status) status = check_pointers(step, in, out);
  sb_variables variables;
  if (!status) status = sb_cuda_variables(step, sb_cuda_sm(cuda), &variables);
  if (status) return status;
  const bool writes = step->spec.step == SB_QUANTIZE || step->spec.step == SB_CONVERT;
  const bool packs_after = step->spec.step == SB_CONVERT && given(step, SB_CODES);
  if (given(step, SB_PACKED) && (variables.codes_stride % 2 || (writes && variables.group % 2 && !packs_after)))
    return sb_fail(
        SB_UNSUPPORTED,
        "packed codes of groups of %lld, rows of %lld: both must be even (convert packs an odd group where codes "
        "are given too)",
        (long long)variables.group, (long long)variables.codes_stride);
  bool known = false, ran = false;
  for (int i = 0; i < sb_kernel_count(); i++) {
    const sb_kernel *kernel = sb_kernel_at(i);
    if (!sb_kernel_matches(kernel, &step->spec)) continue;
    known = true;
    if (!wanted(kernel, step->data)) continue;
    sb_launch launch;
    status = sb_launch_fill(kernel, step->spec.dtype, &variables, step->data, &launch);
    if (status == SB_UNSUPPORTED) continue;
    if (!status) status = sb_modules_launch(cuda, &launch, on);
    if (status) return status;
    ran = true;
  }
  if (!known)
    return sb_fail(SB_UNSUPPORTED, "no kernel for %s/%s/%s@%s%s%s", step->spec.recipe->name,
                   sb_side_names[step->spec.path->side], sb_step_names[step->spec.step],
                   sb_flavor_names[step->spec.path->flavor], *step->spec.path->variant ? "+" : "",
                   step->spec.path->variant);
  return ran ? SB_OK : status;
}
