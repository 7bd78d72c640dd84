/* A case run through its contract, exactly, band of rows by band of rows. */
#include "conformance/contract/library.h"
#include "conformance/contract/values.h"

#include <stdio.h>
#include <stdlib.h>

enum { BAND_ELEMENTS = 1 << 16 };

static const char *line_of_slot(const sb_contract *k, sb_slot s) {
  return k->operation[s] ? k->operation[s] : sb_slot_names[s];
}

int sb_contract_slot_line(const sb_contract *k, const sb_contract_case *c, sb_slot s) {
  bool qparams = s == SB_SCALE || s == SB_ZERO_POINT || s == SB_ROW_SCALE;
  if (s == SB_X) return -1;
  if (strcmp(c->step, "choose_qparams") == 0) return qparams ? sb_line_find(k, line_of_slot(k, s)) : -1;
  if (strcmp(c->step, "quantize") == 0) return s == SB_CODES ? sb_line_find(k, line_of_slot(k, s)) : -1;
  if (strcmp(c->step, "dequantize") == 0) return s == SB_OUTPUT ? sb_line_find(k, line_of_slot(k, s)) : -1;
  return sb_line_find(k, sb_slot_names[s]);
}

/* Whether an operation takes slot `s` when it is given. */
static bool takes(const sb_contract_case *c, sb_slot s) {
  bool qparams = s == SB_SCALE || s == SB_ZERO_POINT || s == SB_ROW_SCALE;
  if (strcmp(c->step, "quantize") == 0) return qparams;
  if (strcmp(c->step, "dequantize") == 0) return qparams || s == SB_CODES;
  return false;
}

static sb_status bind(sb_env *env, sb_inputs *inputs, const char *name, sb_slot s, const sb_tensor *t, sb_tile tile) {
  double *values = malloc(sizeof(double) * (size_t)(sb_tensor_count(t) + 1));
  if (!values) return sb_fail(SB_NO_MEMORY, "no memory for %s", name);
  inputs->values[s] = values;
  sb_values_load(t, values);
  env->bindings[env->binding_count++] = (sb_binding){name, (int)t->format, tile, values};
  return SB_OK;
}

/* The tile that a tensor of qparams of this shape belongs to; the last blocks of the contract may be parts of one. */
static sb_status tile_of(const sb_contract *k, const char *name, const sb_tensor *t, int64_t rows, int64_t cols,
                         sb_tile *tile) {
  const int line = sb_line_find(k, name);
  const sb_over *over = line < 0 ? NULL : &k->lines[line].over;
  if (over && over->kind == OVER_BLOCK && t->rank == 2) {
    *tile = (sb_tile){over->r, over->c};
    if (t->dims[0] == sb_tile_rows(*tile, rows) && t->dims[1] == sb_tile_cols(*tile, cols)) return SB_OK;
  }
  if (t->rank != 2 || t->dims[0] < 1 || t->dims[1] < 1 || rows % t->dims[0] || cols % t->dims[1])
    return sb_fail(SB_INVALID, "a tensor of the qparams is [%lld, %lld], which does not divide x of [%lld, %lld]",
                   (long long)(t->rank > 0 ? t->dims[0] : 0), (long long)(t->rank > 1 ? t->dims[1] : 0),
                   (long long)rows, (long long)cols);
  tile->r = t->dims[0] == 1 && rows > 1 ? 0 : rows / t->dims[0];
  tile->c = t->dims[1] == 1 ? 0 : cols / t->dims[1];
  if (t->dims[0] == rows) tile->r = 1;
  return SB_OK;
}

sb_status sb_inputs_load(const sb_contract *k, const sb_contract_case *c, const sb_tensor in[SB_SLOTS], sb_env *env,
                         sb_inputs *inputs) {
  *inputs = (sb_inputs){{NULL}};
  const sb_tensor *shape = in[SB_X].data ? &in[SB_X] : &in[SB_CODES];
  if (!shape->data || shape->rank != 2) return sb_fail(SB_INVALID, "%s: x is not a tensor of [rows, cols]", k->name);
  if (shape->dims[0] < 1 || shape->dims[1] < 1)
    return sb_fail(SB_UNSUPPORTED, "%s: x has no rows or no columns", k->name);
  *env = (sb_env){.T = (int)c->dtype,
                  .S = (int)c->scale_dtype,
                  .Z = (int)c->zero_point_dtype,
                  .O = (int)c->output_dtype,
                  .rows = shape->dims[0],
                  .cols = shape->dims[1],
                  .group = c->group_size,
                  .affine = strcmp(c->recipe, "affine") == 0,
                  .quant_min = c->quant_min,
                  .quant_max = c->quant_max,
                  .eps = c->eps};
  if (c->dtype != SB_F32 && c->dtype != SB_BF16 && c->dtype != SB_F16)
    return sb_fail(SB_UNSUPPORTED, "%s: the input is %s, not f32, bf16 or f16", k->name, sb_format_of(c->dtype)->name);
  if (in[SB_X].data && in[SB_X].format != c->dtype)
    return sb_fail(SB_INVALID, "%s: x is %s, the case's dtype is %s", k->name, sb_format_of(in[SB_X].format)->name,
                   sb_format_of(c->dtype)->name);
  sb_status status = SB_OK;
  if (in[SB_X].data) status = bind(env, inputs, "x", SB_X, &in[SB_X], (sb_tile){1, 1});
  for (int s = SB_X + 1; s < SB_SLOTS && status == SB_OK; s++) {
    if (!takes(c, (sb_slot)s) || !in[s].data) continue;
    sb_tile tile = {1, 1};
    if (s != SB_CODES)
      status = tile_of(k, line_of_slot(k, (sb_slot)s), &in[s], env->rows, env->cols, &tile);
    else if (in[s].rank != 2 || in[s].dims[0] != env->rows || in[s].dims[1] != env->cols)
      status = sb_fail(SB_INVALID, "%s: codes have not the shape of x", k->name);
    if (status == SB_OK) status = bind(env, inputs, line_of_slot(k, (sb_slot)s), (sb_slot)s, &in[s], tile);
  }
  if (status != SB_OK) sb_inputs_free(inputs);
  return status;
}

void sb_inputs_free(sb_inputs *inputs) {
  for (int s = 0; s < SB_SLOTS; s++) free(inputs->values[s]);
  *inputs = (sb_inputs){{NULL}};
}

sb_tensor sb_line_tensor(const sb_contract *k, const sb_env *env, int line) {
  const sb_line *l = &k->lines[line];
  int f = l->stored == CF_NONE ? sb_cf_resolve(env, l->format) : sb_cf_resolve(env, l->stored);
  if (f == CF_FNUZ) f = SB_E4M3;
  int64_t cols = sb_tile_cols(l->expr->tile, env->cols);
  if (strcmp(l->name, sb_slot_names[SB_PACKED]) == 0) cols = env->cols / 2;
  return sb_tensor_2d((sb_format)f, sb_tile_rows(l->expr->tile, env->rows), cols);
}

void sb_line_stored(const sb_contract *k, const sb_env *env, int line, const double *values, int64_t count,
                    double *stored) {
  const sb_line *l = &k->lines[line];
  int from = sb_cf_resolve(env, l->format), to = l->stored == CF_NONE ? from : sb_cf_resolve(env, l->stored);
  if (from == to) {
    memcpy(stored, values, (size_t)count * sizeof *stored);
    return;
  }
  for (int64_t i = 0; i < count; i++) {
    double v = values[i];
    if (from == CF_FNUZ && to != CF_FNUZ)
      v = sb_value_decode(sb_value_encode(v, CF_FNUZ), SB_E4M3);
    else if (sb_cf_is_float(to)) {
      if ((to == SB_F16 || to == SB_BF16) && from != SB_F64) v = sb_value_cast(v, SB_F32, R_DEFAULT);
      v = sb_value_cast(v, to, sb_cf_is_narrow(to) ? R_SAT : R_DEFAULT);
    } else {
      v = sb_value_cast(sb_cf_is_float(from) ? sb_value_cast(v, SB_I32, R_X86) : v, to, R_WRAP);
    }
    stored[i] = v;
  }
}

static bool whole_tensor(const sb_contract *k) {
  for (int i = 0; i < k->line_count; i++)
    if (k->lines[i].over.kind == OVER_TENSOR) return true;
  return false;
}

static int64_t band_rows(const sb_contract *k, const sb_env *env) {
  int64_t unit = 1;
  if (whole_tensor(k)) return env->rows;
  for (int i = 0; i < k->line_count; i++)
    if (k->lines[i].over.kind == OVER_BLOCK) unit = k->lines[i].over.r > unit ? k->lines[i].over.r : unit;
  for (int i = 0; i < k->line_count; i++)
    if (k->lines[i].over.kind == OVER_BLOCK && unit % k->lines[i].over.r) return env->rows;
  int64_t bands = BAND_ELEMENTS / env->cols / unit;
  unit *= bands > 0 ? bands : 1;
  return unit < env->rows ? unit : env->rows;
}

/* Evaluates rows [first, first + env.rows) and stores them. */
static sb_status run_band(sb_kernel *kernel, sb_contract *k, const sb_contract_case *c, const sb_env *env,
                          int64_t first, sb_scratch *scratch, sb_tensor out[SB_SLOTS]) {
  sb_eval eval = {.contract = k, .env = env, .kernel = kernel, .scratch = scratch};
  for (int s = 0; s < SB_SLOTS; s++) {
    int line = sb_contract_slot_line(k, c, (sb_slot)s);
    if (line < 0) continue;
    sb_tensor band = sb_line_tensor(k, env, line);
    int64_t count = sb_tensor_count(&band), rows = k->lines[line].expr->tile.r;
    const double *values = sb_eval_line(&eval, line);
    double *stored = values ? sb_scratch_get(scratch, (size_t)count) : NULL;
    if (!stored) return sb_fail(SB_NO_MEMORY, "%s: no memory", k->name);
    sb_line_stored(k, env, line, values, count, stored);
    if (!out[s].data) {
      sb_env whole = *env;
      whole.rows = out[s].dims[0];
      out[s] = sb_line_tensor(k, &whole, line);
      sb_status status = sb_tensor_alloc(&out[s]);
      if (status != SB_OK) return status;
    }
    int64_t skip = rows == 0 ? 0 : first / rows;
    band.data = (char *)out[s].data + sb_format_bytes(band.format, skip * band.dims[1]);
    sb_values_store(stored, (int)band.format, &band);
  }
  return SB_OK;
}

sb_status sb_contract_run(const sb_contract_case *c, const sb_tensor in[SB_SLOTS], sb_tensor out[SB_SLOTS]) {
  return sb_contract_run_by(sb_kernel_exact, c, in, out);
}

sb_status sb_contract_run_by(sb_kernel *kernel, const sb_contract_case *c, const sb_tensor in[SB_SLOTS],
                             sb_tensor out[SB_SLOTS]) {
  sb_contract *k;
  sb_env env;
  sb_inputs inputs;
  for (int s = 0; s < SB_SLOTS; s++) out[s] = (sb_tensor){0};
  sb_status status = sb_contract_load(c, &k);
  if (status != SB_OK) return status;
  status = sb_inputs_load(k, c, in, &env, &inputs);
  sb_scratch *scratch = sb_scratch_new();
  if (status == SB_OK && !scratch) status = sb_fail(SB_NO_MEMORY, "%s: no memory", k->name);
  int64_t rows = env.rows, step = status == SB_OK ? band_rows(k, &env) : 1;
  sb_env band = env;
  int yielded = 0;
  for (int64_t first = 0; status == SB_OK && first < rows; first += step) {
    band.rows = rows - first < step ? rows - first : step;
    for (int b = 0; b < band.binding_count; b++) {
      sb_tile t = env.bindings[b].tile;
      int64_t skip = t.r == 0 ? 0 : first / t.r * sb_tile_cols(t, env.cols);
      band.bindings[b].data = env.bindings[b].data + skip;
    }
    if (first == 0 || band.rows != step) status = sb_contract_check(k, &band);
    for (int s = 0; status == SB_OK && first == 0 && s < SB_SLOTS; s++) {
      if (sb_contract_slot_line(k, c, (sb_slot)s) < 0) continue;
      out[s].dims[0] = rows;
      yielded++;
    }
    if (status == SB_OK) status = run_band(kernel, k, c, &band, first, scratch, out);
    sb_scratch_reset(scratch);
  }
  if (status == SB_OK && yielded == 0)
    status = sb_fail(SB_INVALID, "%s: this contract gives no tensor of this step", k->name);
  if (status != SB_OK)
    for (int s = 0; s < SB_SLOTS; s++) {
      if (!out[s].data) out[s] = (sb_tensor){0};
      sb_tensor_free(&out[s]);
    }
  sb_scratch_free(scratch);
  sb_inputs_free(&inputs);
  sb_contract_free(k);
  return status;
}
