/* The affine primitives on tensors of any rank and block_size: gather a block, apply affine_lanes.h, scatter. */
#include "samebits/affine.h"
#include "ref/affine_lanes.h"

#include <stdlib.h>

sb_affine sb_affine_default(sb_affine_version version, sb_format T, int rank, const int64_t *dims) {
  sb_affine affine = {
      .version = version,
      .mapping = SB_ASYMMETRIC,
      .domain = SB_DOMAIN_INT,
      .preserve_zero = true,
      .quant_min = -128,
      .quant_max = 127,
      .eps = (double)NAN,
      .scale_format = T,
      .zero_point_format = SB_I32,
      .output_format = T,
  };
  for (int i = 0; i < rank; i++) affine.block_size[i] = i + 1 == rank ? dims[i] : 1;
  return affine;
}

static bool is_model_format(sb_format f) { return f == SB_F32 || f == SB_BF16 || f == SB_F16; }

static sb_affine_rules rules_of(const sb_affine *affine, sb_format T) {
  double eps = affine->eps;
  if (isnan(eps)) eps = affine->version == SB_AFFINE_0_11 ? sb_format_eps(T) : sb_format_smallest_normal(T);
  const double range = (double)(affine->quant_max - affine->quant_min);
  const double mid = (double)(affine->quant_max + affine->quant_min + 1) / 2;
  const bool whole_mid = affine->domain != SB_DOMAIN_FLOAT;
  sb_nan_zero_point nan = SB_NAN_INT_MIN;
  if (sb_format_of(affine->zero_point_format)->is_float) nan = SB_NAN_STAYS;
  if (affine->zero_point_format == SB_I8 || affine->zero_point_format == SB_U8) nan = SB_NAN_ZERO;
  return (sb_affine_rules){
      .mapping = affine->mapping,
      .domain = affine->domain,
      .preserve_zero = affine->preserve_zero,
      .divisor = (float)(affine->mapping == SB_SYMMETRIC ? range / 2 : range),
      .mid = (float)(whole_mid ? trunc(mid) : mid),
      .eps = sb_lane_round(T, (float)eps),
      .quant_min = (float)affine->quant_min,
      .quant_max = (float)affine->quant_max,
      .nan_zero_point = nan,
  };
}

/* The blocks of a tensor: rank, dims, block_size, and how many blocks and elements a block there are. */
typedef struct blocks {
  int rank;
  const int64_t *dims, *size;
  int64_t count, elements;
} blocks;

static sb_status split(const sb_affine *affine, const sb_tensor *x, blocks *b) {
  if (x->rank < 1 || x->rank > SB_MAX_RANK)
    return sb_fail(SB_INVALID, "affine: rank %d is not in 1..%d", x->rank, SB_MAX_RANK);
  if (sb_tensor_count(x) < 1)
    return sb_fail(SB_UNSUPPORTED, "affine: a tensor without elements (amin() of a dimension of size 0)");
  *b = (blocks){.rank = x->rank, .dims = x->dims, .size = affine->block_size, .count = 1, .elements = 1};
  for (int i = 0; i < x->rank; i++) {
    if (affine->block_size[i] < 1 || x->dims[i] % affine->block_size[i] != 0) {
      return sb_fail(SB_INVALID, "affine: block_size %lld does not divide dimension %d of %lld",
                     (long long)affine->block_size[i], i, (long long)x->dims[i]);
    }
    b->count *= x->dims[i] / affine->block_size[i];
    b->elements *= affine->block_size[i];
  }
  return SB_OK;
}

/* Index in the tensor of element `e` of block `k`, both row-major. */
static int64_t position(const blocks *b, int64_t k, int64_t e) {
  int64_t index = 0, stride = 1;
  for (int i = b->rank - 1; i >= 0; i--) {
    const int64_t across = b->dims[i] / b->size[i];
    index += (k % across * b->size[i] + e % b->size[i]) * stride;
    k /= across;
    e /= b->size[i];
    stride *= b->dims[i];
  }
  return index;
}

static sb_status check_params(const char *what, const sb_tensor *tensor, const blocks *b, sb_format format,
                              bool any_format) {
  if (!tensor || !tensor->data) return sb_fail(SB_INVALID, "affine: %s is missing", what);
  if (sb_tensor_count(tensor) != b->count) {
    return sb_fail(SB_INVALID, "affine: %s has %lld elements, not one for each of %lld blocks", what,
                   (long long)sb_tensor_count(tensor), (long long)b->count);
  }
  if (!any_format && tensor->format != format) {
    return sb_fail(SB_INVALID, "affine: %s has format %s, not %s", what, sb_format_of(tensor->format)->name,
                   sb_format_of(format)->name);
  }
  return SB_OK;
}

static sb_status check_elements(const char *what, const sb_tensor *tensor, const sb_tensor *x) {
  if (!tensor->data || sb_tensor_count(tensor) != sb_tensor_count(x)) {
    return sb_fail(SB_INVALID, "affine: %s has %lld elements, not %lld", what,
                   (long long)(tensor->data ? sb_tensor_count(tensor) : 0), (long long)sb_tensor_count(x));
  }
  return SB_OK;
}

/* Scales are of the model's formats: an f64 one would make every operation f64 (torchao 0.10 had that; see
 * qdq_torchao_0_10.h). */
static sb_status check_scale(const sb_tensor *scale, const blocks *b) {
  const sb_status status = check_params("scale", scale, b, SB_F32, true);
  if (status != SB_OK || is_model_format(scale->format)) return status;
  return sb_fail(SB_UNSUPPORTED, "affine: scale has format %s (known: f32 bf16 f16)",
                 sb_format_of(scale->format)->name);
}

/* Into an integer format as a C cast on x86: by int32, of which narrower ones keep the low bits (an i8 zero_point of
 * 200 is -56); NaN was turned into a number before, but for i64, where it is INT64_MIN. */
static void put_zero_point(sb_tensor *zero_point, int64_t k, float value) {
  if (sb_format_of(zero_point->format)->is_float) {
    sb_store(zero_point->format, zero_point->data, k, (double)value);
  } else {
    const bool lost = zero_point->format == SB_I64 && value == -0x1p31F;
    sb_store_int(zero_point->format, zero_point->data, k, lost ? INT64_MIN : (int64_t)value);
  }
}

sb_status sb_choose_qparams_affine(const sb_affine *affine, const sb_tensor *x, sb_tensor *scale,
                                   sb_tensor *zero_point) {
  blocks b;
  if (!is_model_format(x->format))
    return sb_fail(SB_UNSUPPORTED, "affine: Unsupported input dtype: %s", sb_format_of(x->format)->name);
  if (affine->quant_min >= affine->quant_max) {
    return sb_fail(SB_INVALID, "affine: quant_min %lld is not below quant_max %lld", (long long)affine->quant_min,
                   (long long)affine->quant_max);
  }
  if (affine->mapping != SB_ASYMMETRIC && (!affine->preserve_zero || affine->domain == SB_DOMAIN_FLOAT)) {
    return sb_fail(SB_UNSUPPORTED, "affine: %s is not supported for symmetric quantization",
                   affine->preserve_zero ? "zero_point_domain == FLOAT" : "preserve_zero == False");
  }
  sb_status status = split(affine, x, &b);
  if (status == SB_OK) status = check_params("scale", scale, &b, affine->scale_format, false);
  if (status == SB_OK) status = check_scale(scale, &b);
  const bool with_zero_point = affine->domain != SB_DOMAIN_NONE;
  if (status == SB_OK && with_zero_point)
    status = check_params("zero_point", zero_point, &b, affine->zero_point_format, false);
  if (status != SB_OK) return status;
  float *block = malloc((size_t)b.elements * sizeof *block);
  if (!block) return sb_fail(SB_NO_MEMORY, "out of memory: a block of %lld elements", (long long)b.elements);
  const sb_affine_rules rules = rules_of(affine, x->format);
  for (int64_t k = 0; k < b.count; k++) {
    for (int64_t e = 0; e < b.elements; e++) block[e] = (float)sb_load(x->format, x->data, position(&b, k, e));
    const sb_extrema extrema = sb_affine_extrema(SB_F32, &rules, block, 0, b.elements);
    const float s = sb_affine_scale(x->format, &rules, extrema.low, extrema.high);
    sb_store(scale->format, scale->data, k, (double)s);
    if (with_zero_point) put_zero_point(zero_point, k, sb_affine_zero_point(x->format, &rules, extrema.low, s));
  }
  free(block);
  return SB_OK;
}

/* What one block is quantized with. P: the format of a product with the scale; A: of a code plus the zero_point, or of
 * x minus the float domain's base. Each is what PyTorch's promotion gives; scale and zero_point alone keep theirs. */
typedef struct qparams {
  sb_format P, A;
  float scale, inverse, zero_point, base, mid;
} qparams;

static qparams qparams_of(const sb_affine *affine, sb_format T, const sb_tensor *scale, const sb_tensor *zero_point,
                          int64_t k) {
  const sb_format S = scale->format, P = sb_promote(T, S);
  qparams q = {.P = P, .A = P, .scale = (float)sb_load(S, scale->data, k)};
  q.inverse = sb_lane_round(S, 1.0F / q.scale); /* 1 */
  q.mid = (float)((double)(affine->quant_max + affine->quant_min + 1) / 2);
  if (affine->domain == SB_DOMAIN_NONE) return q;
  const bool whole = !sb_format_of(zero_point->format)->is_float;
  q.zero_point = (float)sb_load(zero_point->format, zero_point->data, k);
  if (affine->domain == SB_DOMAIN_INT) {
    if (whole) q.zero_point = sb_lane_round(P, q.zero_point);
    if (!whole) q.A = sb_promote(P, zero_point->format);
    return q;
  }
  const sb_format B = whole ? S : sb_promote(S, zero_point->format);
  q.base = sb_lane_round(B, q.zero_point - sb_lane_round(S, q.scale * q.mid)); /* 2, 3 */
  q.A = sb_promote(T, B);
  return q;
}

static float quantize(const sb_affine *affine, const qparams *q, float x) {
  const float low = (float)affine->quant_min, high = (float)affine->quant_max;
  if (affine->domain == SB_DOMAIN_FLOAT)
    return sb_lane_clamp(rintf(sb_lane_round(q->A, sb_lane_round(q->A, x - q->base) / q->scale)), low, high);
  const float steps = rintf(sb_lane_round(q->P, x * q->inverse));
  if (affine->domain == SB_DOMAIN_NONE) return sb_lane_clamp(steps, low, high);
  return sb_lane_clamp(sb_lane_round(q->A, steps + q->zero_point), low, high);
}

static float dequantize(const sb_affine *affine, const qparams *q, float code, float zero_point) {
  const sb_format O = affine->output_format, P = q->P;
  if (affine->domain == SB_DOMAIN_NONE) return sb_lane_round(O, sb_lane_round(P, sb_lane_round(O, code) * q->scale));
  if (affine->domain == SB_DOMAIN_FLOAT) {
    const float steps = sb_lane_round(O, code - q->mid);                        /* 1 */
    const float product = sb_lane_round(O, sb_lane_round(P, steps * q->scale)); /* 2: in place, so O */
    return sb_lane_round(O, product + zero_point);                              /* 3 */
  }
  if (affine->version == SB_AFFINE_0_11) return sb_affine_dequantize_i32(P, O, code, zero_point, q->scale);
  return sb_affine_dequantize(P, O, code, sb_lane_round(O, zero_point), q->scale);
}

/* x -> codes and, where `output` is given, output; fake quantization keeps the code as a number in between. */
static sb_status quantize_blocks(const sb_affine *affine, const sb_tensor *x, const sb_tensor *scale,
                                 const sb_tensor *zero_point, sb_tensor *codes, sb_tensor *output) {
  blocks b;
  if (!is_model_format(x->format))
    return sb_fail(SB_UNSUPPORTED, "affine: Unsupported input dtype: %s", sb_format_of(x->format)->name);
  sb_status status = split(affine, x, &b);
  if (status == SB_OK) status = check_scale(scale, &b);
  if (status == SB_OK && affine->domain != SB_DOMAIN_NONE)
    status = check_params("zero_point", zero_point, &b, SB_F32, true);
  if (status == SB_OK && codes) status = check_elements("codes", codes, x);
  if (status == SB_OK && output) status = check_elements("output", output, x);
  for (int64_t k = 0; status == SB_OK && k < b.count; k++) {
    const qparams q = qparams_of(affine, x->format, scale, zero_point, k);
    const float zero = affine->domain == SB_DOMAIN_NONE ? 0 : (float)sb_load(zero_point->format, zero_point->data, k);
    for (int64_t e = 0; e < b.elements; e++) {
      const int64_t i = position(&b, k, e);
      const float code = quantize(affine, &q, (float)sb_load(x->format, x->data, i));
      if (codes) sb_store(codes->format, codes->data, i, (double)code);
      if (output) {
        qparams d = q;
        d.P = sb_promote(affine->output_format, scale->format);
        sb_store(output->format, output->data, i, (double)dequantize(affine, &d, code, zero));
      }
    }
  }
  return status;
}

sb_status sb_quantize_affine(const sb_affine *affine, const sb_tensor *x, const sb_tensor *scale,
                             const sb_tensor *zero_point, sb_tensor *codes) {
  return quantize_blocks(affine, x, scale, zero_point, codes, NULL);
}

sb_status sb_fake_quantize_affine(const sb_affine *affine, const sb_tensor *x, const sb_tensor *scale,
                                  const sb_tensor *zero_point, sb_tensor *codes, sb_tensor *output) {
  return quantize_blocks(affine, x, scale, zero_point, codes && codes->data ? codes : NULL, output);
}

sb_status sb_dequantize_affine(const sb_affine *affine, const sb_tensor *codes, const sb_tensor *scale,
                               const sb_tensor *zero_point, sb_tensor *output) {
  blocks b;
  sb_status status = split(affine, codes, &b);
  if (status == SB_OK) status = check_scale(scale, &b);
  if (status == SB_OK && affine->domain != SB_DOMAIN_NONE)
    status = check_params("zero_point", zero_point, &b, SB_F32, true);
  if (status == SB_OK) status = check_elements("output", output, codes);
  if (status == SB_OK && !is_model_format(affine->output_format)) {
    status = sb_fail(SB_UNSUPPORTED, "affine: output format %s", sb_format_of(affine->output_format)->name);
  }
  for (int64_t k = 0; status == SB_OK && k < b.count; k++) {
    const qparams q = qparams_of(affine, affine->output_format, scale, zero_point, k);
    const float zero = affine->domain == SB_DOMAIN_NONE ? 0 : (float)sb_load(zero_point->format, zero_point->data, k);
    for (int64_t e = 0; e < b.elements; e++) {
      const int64_t i = position(&b, k, e);
      sb_store(output->format, output->data, i,
               (double)dequantize(affine, &q, (float)sb_load(codes->format, codes->data, i), zero));
    }
  }
  return status;
}
