/* One Linear layer's weight: what its tensors mean, and its codes, scale and zero point as golden files have them. */
#include "conformance/models/layer.h"

#include <stdio.h>
#include <stdlib.h>

static sb_status misfit(const sb_model_tensor *t, const char *what) {
  return sb_fail(SB_FILE, "tensor \"%.200s\" (%.60s): %s", t->name, t->type, what);
}

static bool is_2d(const sb_tensor *t, sb_format format, int64_t rows, int64_t cols) {
  return t && t->format == format && t->rank == 2 && t->dims[0] == rows && t->dims[1] == cols;
}

static bool is_float(sb_format format) { return format == SB_F32 || format == SB_BF16 || format == SB_F16; }

/* block_size [1, g]; -1: it is none that fits. */
static int64_t group_of(const sb_model_tensor *t, int64_t cols) {
  const json_t *block = json_object_get(t->attributes, "block_size");
  if (!json_is_array(block) || json_array_size(block) != 2 || json_integer_value(json_array_get(block, 0)) != 1)
    return -1;
  const int64_t g = json_integer_value(json_array_get(block, 1));
  return g > 0 && cols % g == 0 ? g : -1;
}

/* IntxUnpackedToInt8Tensor: qdata i8 [N, K], scale T [N, K/g], zero_point i8; AffineQuantizedTensor: int_data, its zero
 * point of T. */
static sb_status read_unpacked(const sb_model_tensor *t, sb_model_layer *l, const char *codes, bool any_zero_point) {
  const sb_tensor *q = sb_model_part(t, codes), *s = sb_model_part(t, "scale"), *z = sb_model_part(t, "zero_point");
  if (!q || q->rank != 2 || q->format != SB_I8) return misfit(t, "its codes are not i8 [N, K]");
  l->group_size = group_of(t, q->dims[1]);
  if (l->group_size < 0) return misfit(t, "its block_size is not [1, g] with a g that divides the row");
  const int64_t groups = q->dims[1] / l->group_size;
  if (!s || !is_float(s->format) || !is_2d(s, s->format, q->dims[0], groups))
    return misfit(t, "its scale is not a float [N, K/g]");
  if (!z || !is_2d(z, any_zero_point ? z->format : SB_I8, q->dims[0], groups))
    return misfit(t, "its zero_point is not [N, K/g]");
  l->format = SB_I4;
  l->codes = *q;
  l->scale = *s;
  l->zero_point = *z;
  return SB_OK;
}

static sb_status read_intx(const sb_model_tensor *t, sb_model_layer *l) { return read_unpacked(t, l, "qdata", false); }
static sb_status read_aqt(const sb_model_tensor *t, sb_model_layer *l) { return read_unpacked(t, l, "int_data", true); }

/* Int4Tensor: qdata i8 [N, K/2], the even column in the low nibble; scale and zero_point T [K/g, N]. */
static sb_status read_int4(const sb_model_tensor *t, sb_model_layer *l) {
  const sb_tensor *q = sb_model_part(t, "qdata"), *s = sb_model_part(t, "scale"), *z = sb_model_part(t, "zero_point");
  if (!q || q->rank != 2 || (q->format != SB_I8 && q->format != SB_U8) || q->dims[1] > INT64_MAX / 2)
    return misfit(t, "its qdata is not i8 [N, K/2]");
  if (sb_model_part(t, "act_pre_scale")) return misfit(t, "it has an act_pre_scale, which no known recipe has");
  l->group_size = group_of(t, q->dims[1] * 2);
  if (l->group_size < 0) return misfit(t, "its block_size is not [1, g] with a g that divides the row");
  const int64_t groups = q->dims[1] * 2 / l->group_size;
  if (!s || !is_float(s->format) || !is_2d(s, s->format, groups, q->dims[0]))
    return misfit(t, "its scale is not a float [K/g, N]");
  if (!z || !is_2d(z, s->format, groups, q->dims[0])) return misfit(t, "its zero_point is not as its scale");
  l->format = SB_I4;
  l->packed = l->transposed = true;
  l->codes = *q;
  l->scale = *s;
  l->zero_point = *z;
  return SB_OK;
}

/* Float8Tensor: qdata e4m3 [N, K], scale f32 [N, 1]. */
static sb_status read_float8(const sb_model_tensor *t, sb_model_layer *l) {
  const sb_tensor *q = sb_model_part(t, "qdata"), *s = sb_model_part(t, "scale");
  if (!q || q->rank != 2 || q->format != SB_E4M3) return misfit(t, "its qdata is not e4m3 [N, K]");
  if (group_of(t, q->dims[1]) != q->dims[1])
    return misfit(t, "its block_size is not [1, K]: only one scale a row is known");
  if (!is_2d(s, SB_F32, q->dims[0], 1)) return misfit(t, "its scale is not f32 [N, 1]");
  l->format = SB_E4M3;
  l->codes = *q;
  l->scale = *s;
  return SB_OK;
}

static const struct {
  const char *type;
  sb_status (*read)(const sb_model_tensor *t, sb_model_layer *l);
} readers[] = {
    {"IntxUnpackedToInt8Tensor", read_intx},
    {"Int4Tensor", read_int4},
    {"Float8Tensor", read_float8},
    {"LinearActivationQuantizedTensor/AffineQuantizedTensor/PlainAQTTensorImpl", read_aqt},
};

static int64_t bytes_of(const sb_model_tensor *t) {
  int64_t bytes = 0;
  for (int i = 0; i < t->part_count; i++) bytes += sb_tensor_bytes(&t->parts[i].tensor);
  return bytes;
}

/* The 0.11 quantizer's plain tensors: M.weight i8 [N, K] with M.scales and M.zeros T [N, K/g]. */
static sb_status read_8da4w(const sb_model *m, const sb_model_tensor *t, sb_model_layer *l) {
  char name[1024];
  const sb_tensor *q = &t->parts[0].tensor, *parts[2];
  for (int i = 0; i < 2; i++) {
    snprintf(name, sizeof name, "%s.%s", l->name, i ? "zeros" : "scales");
    const sb_model_tensor *part = sb_model_find(m, name);
    parts[i] = part ? sb_model_plain(part) : NULL;
    if (!parts[i] || !is_float(parts[i]->format) || parts[i]->rank != 2 || parts[i]->dims[0] != q->dims[0] ||
        parts[i]->dims[1] <= 0 || q->dims[1] % parts[i]->dims[1] || parts[i]->dims[1] != parts[0]->dims[1])
      return sb_fail(SB_FILE, "tensor \"%.200s\" is i8, but \"%.200s\" is not a float [N, K/g] beside it", t->name,
                     name);
    l->bytes += bytes_of(part);
  }
  l->group_size = q->dims[1] / parts[0]->dims[1];
  l->format = SB_I4;
  l->codes = *q;
  l->scale = *parts[0];
  l->zero_point = *parts[1];
  return SB_OK;
}

sb_status sb_layer_read(const sb_model *m, const sb_model_tensor *t, sb_model_layer *l, const sb_stored **row) {
  *row = NULL;
  l->weight = t;
  l->bytes = bytes_of(t);
  l->scale_format = SB_FORMATS;
  const sb_tensor *plain = sb_model_plain(t);
  sb_status status = SB_OK;
  if (plain && plain->format != SB_I8) {
    if (plain->rank != 2 || !is_float(plain->format)) return misfit(t, "a weight that is not a float matrix");
    l->rows = plain->dims[0];
    l->cols = plain->dims[1];
    l->format = plain->format;
    return SB_OK;
  }
  status = sb_stored_of_tensor(t->name, plain ? "8da4w" : t->type, t->attributes, row);
  if (status) return status;
  if (plain)
    status = read_8da4w(m, t, l);
  else
    for (size_t i = 0; i < sizeof readers / sizeof *readers; i++)
      if (strcmp(readers[i].type, t->type) == 0) status = readers[i].read(t, l);
  if (status) return status;
  l->quantized = true;
  l->recipe = (*row)->recipe;
  l->scale_format = l->scale.format;
  l->rows = l->codes.dims[0];
  l->cols = l->packed ? l->codes.dims[1] * 2 : l->codes.dims[1];
  return SB_OK;
}

sb_status sb_layer_row(const sb_model_layer *l, const sb_stored **row) {
  *row = NULL;
  if (!l->quantized) return SB_OK;
  return sb_stored_of_tensor(l->name, sb_model_plain(l->weight) ? "8da4w" : l->weight->type, l->weight->attributes,
                             row);
}

/* [K/g, N] to [N, K/g]. */
static sb_status transpose(const sb_tensor *from, bool transposed, sb_tensor *to) {
  *to = *from;
  if (transposed) {
    to->dims[0] = from->dims[1];
    to->dims[1] = from->dims[0];
  }
  const sb_status status = sb_tensor_alloc(to);
  if (status) return status;
  if (!transposed) {
    memcpy(to->data, from->data, (size_t)sb_tensor_bytes(from));
    return SB_OK;
  }
  const size_t width = (size_t)sb_format_of(from->format)->bits / 8;
  for (int64_t r = 0; r < to->dims[0]; r++)
    for (int64_t c = 0; c < to->dims[1]; c++)
      memcpy((char *)to->data + (size_t)(r * to->dims[1] + c) * width,
             (const char *)from->data + (size_t)(c * to->dims[0] + r) * width, width);
  return SB_OK;
}

static sb_status load_codes(const sb_model_layer *l, sb_tensor *codes) {
  *codes = sb_tensor_2d(l->format == SB_I4 ? SB_I8 : l->format, l->rows, l->cols);
  const sb_status status = sb_tensor_alloc(codes);
  if (status) return status;
  const int8_t *from = l->codes.data;
  int8_t *to = codes->data;
  const int64_t count = sb_tensor_count(&l->codes);
  if (!l->packed) memcpy(to, from, (size_t)count);
  for (int64_t i = 0; l->packed && i < count; i++) {
    const uint8_t byte = (uint8_t)from[i];
    to[2 * i] = (int8_t)((int8_t)(byte << 4) >> 4); /* the even column */
    to[2 * i + 1] = (int8_t)((int8_t)byte >> 4);
  }
  for (int64_t i = 0; l->format == SB_I4 && !l->packed && i < count; i++)
    if (to[i] < -8 || to[i] > 7)
      return sb_fail(SB_FILE, "%s: the code %d at index %lld is not an int4", l->name, to[i], (long long)i);
  return SB_OK;
}

sb_status sb_model_layer_load(const sb_model_layer *l, sb_tensor *codes, sb_tensor *scale, sb_tensor *zero_point) {
  *codes = *scale = *zero_point = (sb_tensor){0};
  sb_status status = load_codes(l, codes);
  if (!status) status = transpose(&l->scale, l->transposed, scale);
  if (!status && l->zero_point.rank) status = transpose(&l->zero_point, l->transposed, zero_point);
  if (status) {
    sb_tensor_free(codes);
    sb_tensor_free(scale);
    sb_tensor_free(zero_point);
  }
  return status;
}

/* One element of the weight in f64, which holds each product of a code and a scale exactly; rounded to f32 and then T,
 * as the f32 arithmetic of 16-bit types does. */
typedef float dequantize(double code, double scale, double zero_point);

static float with_subtraction(double code, double scale, double zero_point) { /* (q - z) * s; z an integer */
  return (float)((code - zero_point) * scale);
}
static float with_addition(double code, double scale, double zero_point) { /* fl(fl(q * s) + z) */
  return (float)code * (float)scale + (float)zero_point;
}

sb_status sb_model_layer_weight(const sb_model_layer *l, sb_format T, sb_tensor *weight) {
  if (!l->quantized) return sb_tensor_cast(sb_model_plain(l->weight), T, weight);
  sb_tensor codes, scale, zero_point;
  sb_status status = sb_model_layer_load(l, &codes, &scale, &zero_point);
  if (status) return status;
  *weight = sb_tensor_2d(T, l->rows, l->cols);
  status = sb_tensor_alloc(weight);
  /* int4-weight-only: a floating-point zero point, added; all others: subtracted from the code, and 0 where there is
   * none */
  dequantize *const f = strcmp(l->recipe, "int4-weight-only") == 0 ? with_addition : with_subtraction;
  const int64_t group = l->group_size ? l->group_size : l->cols, groups = l->cols / (group ? group : 1);
  for (int64_t r = 0; !status && r < l->rows; r++)
    for (int64_t c = 0; c < l->cols; c++) {
      const int64_t g = r * groups + c / group, i = r * l->cols + c;
      const double z = zero_point.data ? sb_load(zero_point.format, zero_point.data, g) : 0.0;
      const float value = f(sb_load(codes.format, codes.data, i), sb_load(scale.format, scale.data, g), z);
      sb_store(T, weight->data, i, (double)value);
    }
  sb_tensor_free(&codes);
  sb_tensor_free(&scale);
  sb_tensor_free(&zero_point);
  return status;
}
