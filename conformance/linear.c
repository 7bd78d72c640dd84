/* Layers of prepare against layers of convert, and of a device against the statements. */
#include "samebits/linear.h"

#include "samebits/apply.h"
#include "samebits/compare.h"
#include "samebits/fill.h"

#include <math.h>
#include <stdlib.h>

/* ---- the statements ---- */

/* acc_(t+1) = fma(x[t], w[t], acc_t) of one output. */
static float dot(const float *x, const float *w, int64_t k) {
  float acc = 0.0f;
  for (int64_t t = 0; t < k; t++) acc = fmaf(x[t], w[t], acc);
  return acc;
}

sb_status sb_linear_plain(const sb_tensor *x, const sb_tensor *w, sb_tensor *y) {
  const int64_t m = x->dims[0], n = w->dims[0], k = x->dims[1];
  sb_tensor a = {0}, b = {0};
  sb_status status = sb_tensor_cast(x, SB_F32, &a);
  if (!status) status = sb_tensor_cast(w, SB_F32, &b);
  for (int64_t i = 0; i < m && !status; i++)
    for (int64_t j = 0; j < n; j++)
      sb_store(y->format, y->data, i * n + j,
               (double)dot((const float *)a.data + i * k, (const float *)b.data + j * k, k));
  sb_tensor_free(&a);
  sb_tensor_free(&b);
  return status;
}

void sb_linear_i8_i4(const sb_tensor x[SB_SLOTS], const sb_tensor w[SB_SLOTS], sb_tensor *y) {
  const int64_t m = x[SB_CODES].dims[0], n = w[SB_CODES].dims[0], k = x[SB_CODES].dims[1];
  const int64_t groups = w[SB_SCALE].dims[1], group = k / groups;
  const int8_t *a = x[SB_CODES].data, *b = w[SB_CODES].data;
  for (int64_t i = 0; i < m; i++) {
    const int32_t zero = (int32_t)sb_load_int(x[SB_ZERO_POINT].format, x[SB_ZERO_POINT].data, i);
    const float scale = (float)sb_load(x[SB_SCALE].format, x[SB_SCALE].data, i);
    for (int64_t j = 0; j < n; j++) {
      float acc = 0.0f;
      for (int64_t g = 0; g < groups; g++) {
        int32_t sum = 0;
        for (int64_t t = g * group; t < (g + 1) * group; t++) sum += (a[i * k + t] - zero) * b[j * k + t];
        acc = fmaf((float)sum, (float)sb_load(w[SB_SCALE].format, w[SB_SCALE].data, j * groups + g), acc);
      }
      sb_store(y->format, y->data, i * n + j, (double)(acc * scale));
    }
  }
}

/* ---- one seed ---- */

typedef struct layer {
  const sb_linear_options *how;
  sb_linear_result *result;
  const char *recipe;
  sb_flavor flavor;
  sb_format dtype;
  bool integer;              /* the recipe has an integer form */
  sb_tensor x, w;            /* as they were before */
  sb_tensor xs[2][SB_SLOTS]; /* of prepare, of convert */
  sb_tensor ws[2][SB_SLOTS];
  sb_tensor y[3]; /* of prepare's operands, of convert's, of the codes */
} layer;

static void free_layer(layer *l) {
  for (int side = 0; side < 2; side++) {
    sb_slots_free(l->xs[side]);
    sb_slots_free(l->ws[side]);
  }
  for (int i = 0; i < 3; i++) sb_tensor_free(&l->y[i]);
  sb_tensor_free(&l->x);
  sb_tensor_free(&l->w);
}

static bool has_side(const char *recipe, sb_side side) {
  const sb_recipe *r = sb_recipe_find(recipe);
  for (int i = 0; r && i < r->path_count; i++)
    if (r->paths[i].side == side) return true;
  return false;
}

static sb_status add_differences(const sb_tensor *a, const sb_tensor *b, int64_t *count) {
  sb_comparison comparison;
  const sb_status status = sb_compare(a, b, &comparison, NULL, NULL);
  if (!status) *count += comparison.different;
  return status;
}

static sb_status spec_of(const layer *l, sb_side side, sb_step step, sb_spec *spec) {
  const sb_recipe *r = sb_recipe_find(l->recipe);
  const int64_t group = side == SB_WEIGHT && r && r->default_group[SB_WEIGHT] > 0 ? l->how->group : 0;
  return sb_spec_make(l->recipe, side, step, l->flavor, "", l->dtype, group, spec);
}

/* What the reference gives; and what the device gives for the same, which must be the same bits. */
static sb_status run_step(layer *l, sb_side side, sb_step step, const sb_tensor *x, sb_tensor out[SB_SLOTS]) {
  sb_spec spec;
  sb_status status = spec_of(l, side, step, &spec);
  if (!status && l->how->device) status = sb_device_adapt(l->how->device, &spec);
  if (!status) status = sb_spec_tensors(&spec, x->dims[0], x->dims[1], NULL, out);
  for (int slot = 0; slot < SB_SLOTS && !status; slot++)
    if (out[slot].rank) status = sb_tensor_alloc(&out[slot]);
  const sb_tensor in[SB_SLOTS] = {[SB_X] = *x};
  if (!status) status = sb_run(&spec, in, out, &(sb_run_options){.threads = 1});
  if (status || !l->how->device) return status;
  sb_tensor got[SB_SLOTS];
  sb_device_reply reply;
  status = sb_device_run(l->how->device, &spec, x->dims[0], x->dims[1], in, got, &reply);
  if (status) return status;
  if (reply.outcome != SB_PASS)
    status = sb_fail(reply.outcome == SB_CASE_UNSUPPORTED ? SB_UNSUPPORTED : SB_DEVICE, "%s", reply.reason);
  for (int slot = 0; slot < SB_SLOTS; slot++) {
    if (!status && got[slot].data && out[slot].data)
      status = add_differences(&out[slot], &got[slot], &l->result->operands_wrong);
    sb_guard_free(&got[slot]);
  }
  return status;
}

static sb_status run_side(layer *l, sb_side side, const sb_tensor *x, sb_tensor slots[2][SB_SLOTS]) {
  if (!has_side(l->recipe, side)) { /* the operand stays as it is */
    sb_status status = sb_tensor_cast(x, x->format, &slots[0][SB_OUTPUT]);
    return status ? status : sb_tensor_cast(x, x->format, &slots[1][SB_OUTPUT]);
  }
  sb_status status = run_step(l, side, SB_PREPARE, x, slots[0]);
  return status ? status : run_step(l, side, SB_CONVERT, x, slots[1]);
}

static sb_status make(const layer *l, const char *name, int64_t rows, uint64_t seed, sb_tensor *x) {
  const sb_fill *fill;
  sb_spec spec;
  const sb_side side =
      strcmp(name, "activation") == 0 && has_side(l->recipe, SB_ACTIVATION) ? SB_ACTIVATION : SB_WEIGHT;
  sb_status status = sb_fill_parse(name, &fill);
  if (!status) status = spec_of(l, side, SB_PREPARE, &spec);
  *x = sb_tensor_2d(l->dtype, rows, l->how->shape.k);
  if (!status) status = sb_tensor_alloc(x);
  return status ? status : fill->make(&spec, seed, x);
}

/* ---- on the device ---- */

static sb_status upload(sb_cuda *cuda, const sb_tensor *t, uint64_t *pointer) {
  sb_status status = sb_cuda_alloc(cuda, sb_tensor_bytes(t), pointer);
  return status ? status : sb_cuda_copy_in(cuda, *pointer, t->data, sb_tensor_bytes(t));
}

enum { BY_KERNEL, BY_CODES, BY_CUBLAS };

/* y of operands of the host by one of the three, on the device. `in`: x, w; or codes, scale and zero point of x, packed
 * codes and scale of w. */
static sb_status on_device(const layer *l, int by, const sb_tensor *const in[5], sb_tensor *y) {
  sb_cuda *cuda = l->how->cuda;
  uint64_t p[6] = {0};
  const int inputs = by == BY_CODES ? 5 : 2;
  const sb_linear_shape s = {y->dims[0], y->dims[1], l->how->shape.k};
  sb_status status = sb_tensor_alloc(y);
  for (int i = 0; i < inputs && !status; i++) status = upload(cuda, in[i], &p[i]);
  if (!status) status = upload(cuda, y, &p[5]);
  if (!status && by == BY_KERNEL) status = sb_cuda_linear_plain(cuda, l->dtype, s, p[0], p[1], p[5], NULL);
  if (!status && by == BY_CUBLAS) status = sb_cublas_linear(l->how->blas, l->dtype, s, p[0], p[1], p[5], NULL);
  if (!status && by == BY_CODES) {
    const sb_linear_operands operands = {p[0], p[1], p[2], p[3], p[4], l->how->group};
    status = sb_cuda_linear_i8_i4(cuda, l->dtype, s, &operands, p[5], NULL);
  }
  if (!status) status = sb_cuda_wait(cuda, NULL);
  if (!status) status = sb_cuda_copy_out(cuda, y->data, p[5], sb_tensor_bytes(y));
  for (int i = 0; i < 6; i++)
    if (p[i]) (void)sb_cuda_free(cuda, p[i]);
  return status;
}

static sb_status compare_on_device(const layer *l, int by, const sb_tensor *const in[5], const sb_tensor *expected,
                                   int64_t *differ) {
  sb_tensor y = sb_tensor_2d(l->dtype, expected->dims[0], expected->dims[1]);
  sb_status status = on_device(l, by, in, &y);
  if (!status) status = add_differences(expected, &y, differ);
  sb_tensor_free(&y);
  return status;
}

/* Operands of small integers: every product and sum is exact in f32, and the output is rounded once, in any order. */
static sb_status compare_exact(const layer *l) {
  const sb_linear_shape s = l->how->shape;
  sb_tensor x = sb_tensor_2d(l->dtype, s.m, s.k), w = sb_tensor_2d(l->dtype, s.n, s.k),
            y = sb_tensor_2d(l->dtype, s.m, s.n);
  sb_status status = sb_tensor_alloc(&x);
  if (!status) status = sb_tensor_alloc(&w);
  if (!status) status = sb_tensor_alloc(&y);
  for (int64_t i = 0; i < s.m * s.k && !status; i++) sb_store(l->dtype, x.data, i, (double)(i * 7 % 13 - 6));
  for (int64_t i = 0; i < s.n * s.k && !status; i++) sb_store(l->dtype, w.data, i, (double)(i * 5 % 11 - 5));
  if (!status) status = sb_linear_plain(&x, &w, &y);
  const sb_tensor *const in[5] = {&x, &w};
  if (!status) status = compare_on_device(l, BY_CUBLAS, in, &y, &l->result->blas_exact_wrong);
  sb_tensor_free(&x);
  sb_tensor_free(&w);
  sb_tensor_free(&y);
  return status;
}

static sb_status compare_device(const layer *l) {
  sb_linear_result *r = l->result;
  const sb_tensor *const plain[5] = {&l->xs[1][SB_OUTPUT], &l->ws[1][SB_OUTPUT]};
  const sb_tensor *const codes[5] = {&l->xs[1][SB_CODES], &l->xs[1][SB_SCALE], &l->xs[1][SB_ZERO_POINT],
                                     &l->ws[1][SB_PACKED], &l->ws[1][SB_SCALE]};
  sb_status status = compare_on_device(l, BY_KERNEL, plain, &l->y[1], &r->kernels_wrong);
  if (!status && l->integer) {
    sb_tensor zero = codes[2]->format == SB_I8 ? (sb_tensor){0} : sb_tensor_2d(SB_I8, codes[2]->dims[0], 1);
    const sb_tensor *narrow[5] = {codes[0], codes[1], zero.rank ? &zero : codes[2], codes[3], codes[4]};
    if (zero.rank) status = sb_tensor_alloc(&zero); /* the kernels take i8 in every flavor */
    for (int64_t i = 0; zero.rank && i < zero.dims[0] && !status; i++)
      sb_store_int(SB_I8, zero.data, i, sb_load_int(codes[2]->format, codes[2]->data, i));
    if (!status) status = compare_on_device(l, BY_CODES, narrow, &l->y[2], &r->kernels_wrong);
    sb_tensor_free(&zero);
  }
  if (!status && l->how->blas) status = compare_on_device(l, BY_CUBLAS, plain, &l->y[1], &r->blas_differ);
  return status;
}

static sb_status run_seed(layer *l, uint64_t seed) {
  const sb_linear_shape s = l->how->shape;
  sb_linear_result *r = l->result;
  sb_status status = make(l, "activation", s.m, seed, &l->x);
  if (!status) status = make(l, "weight", s.n, seed, &l->w);
  if (!status) status = run_side(l, SB_ACTIVATION, &l->x, l->xs);
  if (!status) status = run_side(l, SB_WEIGHT, &l->w, l->ws);
  for (int i = 0; i < 3 && !status; i++) {
    l->y[i] = sb_tensor_2d(l->dtype, s.m, s.n);
    status = sb_tensor_alloc(&l->y[i]);
  }
  if (status) return status;
  for (int i = 0; i < 2 && !status; i++) status = sb_linear_plain(&l->xs[i][SB_OUTPUT], &l->ws[i][SB_OUTPUT], &l->y[i]);
  if (!status) status = add_differences(&l->xs[0][SB_OUTPUT], &l->xs[1][SB_OUTPUT], &r->x_differ);
  if (!status) status = add_differences(&l->ws[0][SB_OUTPUT], &l->ws[1][SB_OUTPUT], &r->w_differ);
  if (!status) status = add_differences(&l->y[0], &l->y[1], &r->differ);
  if (!status && l->integer) {
    sb_linear_i8_i4(l->xs[1], l->ws[1], &l->y[2]);
    status = add_differences(&l->y[0], &l->y[2], &r->integer_differ);
  }
  if (!status && l->how->cuda) status = compare_device(l);
  r->seeds++;
  r->outputs += s.m * s.n;
  r->x_elements += s.m * s.k;
  r->w_elements += s.n * s.k;
  return status;
}

sb_status sb_linear_compare(const char *recipe, sb_flavor flavor, sb_format dtype, const sb_linear_options *how,
                            sb_linear_result *result) {
  const bool integer = strcmp(recipe, "int8-dynamic-act-int4-weight") == 0;
  *result = (sb_linear_result){.integer_differ = integer ? 0 : -1,
                               .operands_wrong = how->device ? 0 : -1,
                               .kernels_wrong = how->cuda ? 0 : -1,
                               .blas_differ = how->blas ? 0 : -1,
                               .blas_exact_wrong = how->blas ? 0 : -1};
  sb_status status = SB_OK;
  for (int64_t i = 0; i < how->seeds && !status; i++) {
    layer l = {.how = how, .result = result, .recipe = recipe, .flavor = flavor, .dtype = dtype, .integer = integer};
    status = run_seed(&l, (uint64_t)(how->first_seed + i));
    free_layer(&l);
  }
  const layer l = {.how = how, .result = result, .dtype = dtype};
  if (!status && how->blas) status = compare_exact(&l);
  return status;
}
