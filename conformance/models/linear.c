/* A Linear layer: its weight quantized once, its input each time, by the reference. */
#include "conformance/models/llama.h"
#include "conformance/models/quantize.h"

#include <stdio.h>
#include <stdlib.h>

/* `scale` [n] is multiplied in; NULL: none. */
static sb_status to_panels(const sb_tensor *w, const sb_tensor *scale, sb_linear *l) {
  const int64_t count = sb_tensor_count(w);
  float *values = malloc(((size_t)count + 1) * sizeof *values);
  l->n = w->dims[0];
  l->k = w->dims[1];
  l->panels = malloc(((size_t)sb_panels_size(l->n, l->k) + 1) * sizeof *l->panels);
  if (!values || !l->panels) {
    free(values);
    return sb_fail(SB_NO_MEMORY, "no memory for a weight of %lld elements", (long long)count);
  }
  for (int64_t i = 0; i < count; i++) values[i] = (float)sb_load(w->format, w->data, i);
  for (int64_t i = 0; scale && i < count; i++)
    values[i] = values[i] * (float)sb_load(scale->format, scale->data, i / l->k);
  sb_panels_fill(values, l->n, l->k, l->panels);
  free(values);
  return SB_OK;
}

static bool has_activation(const sb_stored *row) {
  const sb_recipe *recipe = sb_recipe_find(row->recipe);
  for (int i = 0; i < recipe->path_count; i++)
    if (recipe->paths[i].side == SB_ACTIVATION && recipe->paths[i].flavor == row->flavor) return true;
  return false;
}

/* The stored codes of an artifact. */
static sb_status make_stored(const sb_model_layer *layer, sb_format T, sb_linear *l) {
  sb_tensor codes, scale, zero_point, weight;
  sb_status status;
  if (!l->scaled) {
    status = sb_model_layer_weight(layer, T, &weight);
    if (!status) status = to_panels(&weight, NULL, l);
    if (!status || weight.data) sb_tensor_free(&weight);
    return status;
  }
  status = sb_model_layer_load(layer, &codes, &scale, &zero_point);
  if (status) return status;
  status = to_panels(&codes, &scale, l);
  sb_tensor_free(&codes);
  sb_tensor_free(&scale);
  sb_tensor_free(&zero_point);
  return status;
}

/* Whether upstream's convert would leave it in float. */
static bool stays_float(const sb_model_layer *layer, const sb_stored *row, int64_t group, sb_linear_step step) {
  if (step != SB_LINEAR_CONVERT) return false;
  if (layer->tied) return true;
  if (row->multiple && (layer->rows % row->multiple || layer->cols % row->multiple)) return true;
  return row->skips && group && layer->cols % group;
}

static void say(sb_linear *l, const char *side, const sb_rewritten *r) {
  const size_t at = strlen(l->says);
  snprintf(l->says + at, sizeof l->says - at, "%s%s: %s", at ? "; " : "", side, sb_rewritten_says(r));
}

/* The weight by the rewritten contract, in place of the reference's, where a mechanism applies. */
static sb_status rewrite_weight(const sb_linear_how *how, sb_step step, const sb_tensor *weight,
                                sb_tensor out[SB_SLOTS], sb_linear *l) {
  sb_spec spec;
  sb_rewritten *r = NULL;
  sb_status status = sb_stored_spec(how->row, SB_WEIGHT, step, how->T, how->group, &spec);
  if (!status) status = sb_rewritten_make(&spec, weight->dims[1], how->mechanisms, &r);
  if (status || !r) return status;
  say(l, "weight", r);
  const sb_slot slots[2] = {l->scaled ? SB_CODES : SB_OUTPUT, SB_SCALE};
  sb_tensor made[2] = {sb_tensor_2d(SB_F32, weight->dims[0], weight->dims[1]),
                       sb_tensor_2d(SB_F32, weight->dims[0], 1)};
  status = sb_tensor_alloc(&made[0]);
  if (!status) status = sb_tensor_alloc(&made[1]);
  if (!status) status = sb_rewritten_run(r, weight, slots, (float *[2]){made[0].data, l->scaled ? made[1].data : NULL});
  sb_rewritten_free(r);
  for (int i = 0; i < 2; i++) {
    if (status || (i == 1 && !l->scaled)) {
      sb_tensor_free(&made[i]);
      continue;
    }
    sb_tensor_free(&out[slots[i]]);
    out[slots[i]] = made[i];
  }
  return status;
}

sb_status sb_linear_make(const sb_model_layer *layer, const sb_linear_how *how, sb_linear *l) {
  const sb_format T = how->T;
  const sb_stored *row = how->row;
  const int64_t group = how->group;
  const sb_linear_step step = how->step;
  const sb_lora_layer *adapter = sb_lora_find(how->adapter, layer->name);
  *l = (sb_linear){0};
  if (adapter && (layer->quantized || (how->place == SB_ADAPTER_MERGED_LAST && step == SB_LINEAR_CONVERT)))
    return sb_fail(SB_UNSUPPORTED, "%s: an adapter of a weight that is stored quantized", layer->name);
  if (adapter && how->place == SB_ADAPTER_BESIDE) l->adapter = adapter;
  sb_tensor weight = {0}, out[SB_SLOTS] = {0};
  sb_status status = SB_OK;
  const bool convert = layer->quantized || step == SB_LINEAR_CONVERT;
  const bool quantize =
      layer->quantized || (!how->stored && row && step != SB_LINEAR_FLOAT && !stays_float(layer, row, group, step));
  l->recipe = quantize;
  if (quantize && has_activation(row)) {
    status = sb_stored_spec(row, SB_ACTIVATION, convert ? SB_CONVERT : SB_PREPARE, T, 0, &l->activation);
    l->quantized = true;
  }
  if (!status && l->quantized && how->mechanisms) {
    status = sb_rewritten_make(&l->activation, layer->cols, how->mechanisms, &l->rewritten);
    if (l->rewritten) say(l, "activation", l->rewritten);
  }
  l->scaled = quantize && convert && strcmp(row->type, "Float8Tensor") == 0;
  if (!status && layer->quantized) status = make_stored(layer, T, l);
  if (!status && !layer->quantized) status = sb_model_layer_weight(layer, T, &weight);
  if (!status && adapter && how->place == SB_ADAPTER_MERGED_FIRST) status = sb_lora_merge(adapter, &weight);
  if (!status && !layer->quantized && quantize)
    status = sb_stored_run(row, SB_WEIGHT, convert ? SB_CONVERT : SB_PREPARE, group, &weight, out);
  if (!status && !layer->quantized && quantize && how->mechanisms)
    status = rewrite_weight(how, convert ? SB_CONVERT : SB_PREPARE, &weight, out, l);
  if (!status && adapter && how->place == SB_ADAPTER_MERGED_LAST)
    status = sb_lora_merge(adapter, quantize ? &out[SB_OUTPUT] : &weight);
  if (!status && !layer->quantized)
    status =
        to_panels(!quantize ? &weight : &out[l->scaled ? SB_CODES : SB_OUTPUT], l->scaled ? &out[SB_SCALE] : NULL, l);
  sb_tensor_free(&weight);
  sb_slots_free(out);
  if (status) sb_linear_free(l);
  return status ? sb_fail_in(status, "%s", layer->name) : SB_OK;
}

void sb_linear_free(sb_linear *l) {
  free(l->panels);
  sb_rewritten_free(l->rewritten);
  *l = (sb_linear){0};
}

static void scale_rows(sb_linear_input *in, int64_t rows, int64_t k) {
  for (int64_t i = 0; i < rows * k; i++) in->values[i] = in->values[i] * in->scale[i / k];
}

sb_status sb_linear_quantize(const sb_linear *l, sb_format T, const float *x, int64_t rows, sb_linear_input *in) {
  const int64_t count = rows * l->k;
  if (!l->quantized) {
    memcpy(in->values, x, (size_t)count * sizeof *x);
    return SB_OK;
  }
  static const sb_run_options one = {.threads = 1};
  sb_tensor given[SB_SLOTS] = {0}, out[SB_SLOTS] = {0};
  given[SB_X] = sb_tensor_2d(T, rows, l->k);
  given[SB_X].data = T == SB_F32 ? (void *)(uintptr_t)x : in->narrow[0];
  for (int64_t i = 0; T != SB_F32 && i < count; i++) in->narrow[0][i] = (uint16_t)(sb_f32_bits(x[i]) >> 16); /* exact */
  if (l->rewritten) {
    const sb_slot slots[2] = {l->scaled ? SB_CODES : SB_OUTPUT, SB_SCALE};
    const sb_status status =
        sb_rewritten_run(l->rewritten, &given[SB_X], slots, (float *[2]){in->values, l->scaled ? in->scale : NULL});
    if (!status && l->scaled) scale_rows(in, rows, l->k);
    return status;
  }
  if (l->scaled) {
    out[SB_CODES] = sb_tensor_2d(SB_E4M3, rows, l->k);
    out[SB_CODES].data = in->codes;
    out[SB_SCALE] = sb_tensor_2d(SB_F32, rows, 1);
    out[SB_SCALE].data = in->scale;
  } else {
    out[SB_OUTPUT] = sb_tensor_2d(T, rows, l->k);
    out[SB_OUTPUT].data = T == SB_F32 ? (void *)in->values : in->narrow[1];
  }
  const sb_status status = sb_run(&l->activation, given, out, &one);
  if (status) return status;
  if (l->scaled) {
    float value[256];
    for (int code = 0; code < 256; code++) value[code] = sb_e4m3_to_f32((uint8_t)code);
    for (int64_t i = 0; i < count; i++) in->values[i] = value[in->codes[i]];
    scale_rows(in, rows, l->k);
  } else if (T != SB_F32)
    for (int64_t i = 0; i < count; i++) in->values[i] = sb_f32_from_bits((uint32_t)in->narrow[1][i] << 16);
  return SB_OK;
}

void sb_linear_run(const sb_linear *l, sb_format T, const sb_linear_input *in, int64_t rows, float *y) {
  sb_multiply(l->scaled ? SB_F32 : T, in->values, rows, l->k, l->panels, l->n, y);
  if (T != SB_F32) sb_narrow(y, rows * l->n);
}
