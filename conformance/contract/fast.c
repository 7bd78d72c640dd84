/* Kernels by the host's own f64 and f32, in loops that the compiler can vectorize. For f32 and narrower operands one
 * operation in f64 rounded to f32 is the correctly rounded f32 operation (53 >= 2 * 24 + 2). The tests compare every
 * kernel with the exact one; a search that uses these has its winner confirmed by the exact kernels. */
#include "conformance/contract/eval.h"
#include "conformance/contract/values.h"

#include <math.h>

static float round_bits(float v, int dropped) {
  uint32_t bits = sb_f32_bits(v), lost = ((uint32_t)1 << dropped) - 1;
  uint32_t rounded = (bits + (lost >> 1) + (bits >> dropped & 1)) & ~lost;
  return (bits & 0x7fffffff) >= 0x7f800000 ? v : sb_f32_from_bits(rounded);
}

static float small(float v, float magic) { return copysignf((fabsf(v) + magic) - magic, v); }

static float to_bf16(float v) { return round_bits(v, 16); }
static float to_f16(float v) {
  float big = round_bits(v, 13);
  big = fabsf(big) > 65504.0f ? copysignf(INFINITY, v) : big;
  big = v != v ? v : big;
  return fabsf(v) < 0x1p-14f ? small(v, 0x1p-1f) : big;
}
static float to_e4m3(float v) {
  float c = v > 448.0f ? 448.0f : v < -448.0f ? -448.0f : v;
  return fabsf(c) < 0x1p-6f ? small(c, 0x1p14f) : round_bits(c, 20);
}

static void narrow(int format, size_t n, double *out) {
  switch (format) {
  case SB_F32:
    for (size_t i = 0; i < n; i++) out[i] = (double)(float)out[i];
    break;
  case SB_BF16:
    for (size_t i = 0; i < n; i++) out[i] = (double)to_bf16((float)out[i]);
    break;
  case SB_F16:
    for (size_t i = 0; i < n; i++) out[i] = (double)to_f16((float)out[i]);
    break;
  default:
    break;
  }
}

static bool arithmetic(const sb_node *n, size_t count, double *restrict out, const double *const in[3]) {
  const double *restrict a = in[0], *restrict b = in[1], *restrict c = in[2];
  switch (n->op) {
  case C_ADD:
    for (size_t i = 0; i < count; i++) out[i] = a[i] + b[i];
    return true;
  case C_SUB:
    for (size_t i = 0; i < count; i++) out[i] = a[i] - b[i];
    return true;
  case C_MUL:
    for (size_t i = 0; i < count; i++) out[i] = a[i] * b[i];
    return true;
  case C_DIV:
    for (size_t i = 0; i < count; i++) out[i] = a[i] / b[i];
    return true;
  case C_FMA:
    if (n->fmt == SB_F64)
      for (size_t i = 0; i < count; i++) out[i] = fma(a[i], b[i], c[i]);
    else
      for (size_t i = 0; i < count; i++) out[i] = (double)fmaf((float)a[i], (float)b[i], (float)c[i]);
    return true;
  default:
    return false;
  }
}

static bool selection(const sb_node *n, size_t count, double *restrict out, const double *const in[3]) {
  const double *restrict a = in[0], *restrict b = in[1], *restrict c = in[2];
  if (n->at != CF_NONE) return false;
  switch (n->op) {
  case C_ROUND: /* |v| >= 2^52 is an integer already */
    for (size_t i = 0; i < count; i++) {
      double big = copysign(0x1p52, a[i]), r = (a[i] + big) - big;
      out[i] = fabs(a[i]) < 0x1p52 ? copysign(r, a[i]) : a[i];
    }
    return true;
  case C_FLOOR:
    for (size_t i = 0; i < count; i++) out[i] = floor(a[i]);
    return true;
  case C_ABS:
    for (size_t i = 0; i < count; i++) out[i] = fabs(a[i]);
    return true;
  case C_CLAMP: /* written so that NaN in a stays */
    for (size_t i = 0; i < count; i++) {
      double v = a[i] < b[i] ? b[i] : a[i];
      out[i] = v > c[i] ? c[i] : v;
    }
    for (size_t i = 0; i < count; i++)
      if (b[i] != b[i] || c[i] != c[i]) return false;
    return true;
  case C_NEG:
    if (!sb_cf_is_float(n->fmt)) return false;
    for (size_t i = 0; i < count; i++) out[i] = -a[i];
    return true;
  default:
    return false;
  }
}

/* What the loops below leave out, element by element. */
static void one_by_one(const sb_node *n, size_t i, double *out, const double *const in[3]) {
  const double *const at[3] = {in[0] + i, n->nargs > 1 ? in[1] + i : NULL, n->nargs > 2 ? in[2] + i : NULL};
  sb_kernel_shared(n, 1, out + i, at);
}

static double low_bits(int64_t v, int format) {
  return format == SB_I8 ? (double)(int8_t)v : format == SB_I32 ? (double)(int32_t)v : (double)v;
}

/* To i8 and i32 by x86's rule; from integers by their low bits. */
static bool to_integer(const sb_node *n, size_t count, double *restrict out, const double *const in[3]) {
  const double *restrict a = in[0];
  bool from_float = sb_cf_is_float(n->arg[0]->fmt);
  if ((n->fmt != SB_I8 && n->fmt != SB_I32) || n->arg[0]->fmt == CF_PYFLOAT) return false;
  if (n->rule != R_X86 && (from_float || n->rule == R_SAT)) return false;
  for (size_t i = 0; i < count; i++) {
    double t = trunc(a[i]);
    if (from_float) t = t >= -0x1p31 && t < 0x1p31 ? t : -0x1p31;
    if (fabs(t) < 0x1p62)
      out[i] = low_bits((int64_t)t, n->fmt);
    else
      one_by_one(n, i, out, in);
  }
  return true;
}

static bool integers(const sb_node *n, size_t count, double *out, const double *const in[3]) {
  const double *a = in[0], *b = in[1];
  if ((n->op != C_ADD && n->op != C_SUB) || n->at != CF_NONE ||
      (n->fmt != SB_I8 && n->fmt != SB_I32 && n->fmt != SB_I64))
    return false;
  for (size_t i = 0; i < count; i++)
    if (fabs(a[i]) < 0x1p52 && fabs(b[i]) < 0x1p52)
      out[i] = low_bits((int64_t)(n->op == C_ADD ? a[i] + b[i] : a[i] - b[i]), n->fmt);
    else
      one_by_one(n, i, out, in);
  return true;
}

/* f64 to 16 bits in one rounding: to odd in f32 first, which loses nothing that the second rounding needs. */
static bool from_f64(const sb_node *n, size_t count, double *restrict out, const double *const in[3]) {
  const double *restrict a = in[0];
  if (n->rule != R_DEFAULT || n->arg[0]->fmt != SB_F64 || (n->fmt != SB_BF16 && n->fmt != SB_F16)) return false;
  for (size_t i = 0; i < count; i++) {
    float r = (float)a[i];
    double size = fabs(a[i]);
    if (size >= 0x1p-120 && size < 0x1p120 && (double)r != a[i]) {
      uint32_t bits = sb_f32_bits(r) - (fabs((double)r) > size);
      r = sb_f32_from_bits(bits | 1);
    }
    if (size == 0 || (size >= 0x1p-120 && size < 0x1p120))
      out[i] = (double)(n->fmt == SB_BF16 ? to_bf16(r) : to_f16(r));
    else
      one_by_one(n, i, out, in);
  }
  return true;
}

static bool conversion(const sb_node *n, size_t count, double *restrict out, const double *const in[3]) {
  const double *restrict a = in[0];
  int from = n->arg[0]->fmt, to = n->fmt;
  if (n->op != C_CAST) return false;
  if (to_integer(n, count, out, in) || from_f64(n, count, out, in)) return true;
  bool same = from == to && n->rule != R_FLUSH && n->rule != R_FLUSH_POSITIVE;
  if (same || (n->rule == R_DEFAULT && (to == SB_F64 || (to == SB_F32 && sb_cf_is_narrow(from))))) {
    for (size_t i = 0; i < count; i++) out[i] = a[i];
    return true;
  }
  if (n->rule == R_SAT && to == SB_E4M3 && (from == SB_F32 || from == SB_BF16 || from == SB_F16)) {
    for (size_t i = 0; i < count; i++) out[i] = (double)to_e4m3((float)a[i]);
    return true;
  }
  if (n->rule != R_DEFAULT || from == SB_F64 || !sb_cf_is_float(to) || sb_cf_is_narrow(to)) return false;
  for (size_t i = 0; i < count; i++) out[i] = a[i];
  if (to != SB_F32) narrow(SB_F32, count, out);
  narrow(to, count, out);
  return true;
}

void sb_kernel_fast(const sb_node *n, size_t count, double *out, const double *const in[3]) {
  if (n->op == C_CAST) {
    if (!conversion(n, count, out, in)) sb_kernel_shared(n, count, out, in);
    return;
  }
  bool direct = n->via != SB_F32 && n->fmt != SB_F64 && n->fmt != SB_F32; /* f64 operands straight to 16 bits: rare */
  if (!sb_cf_is_float(n->fmt) || !sb_cf_is_float(n->via)) {
    if (!integers(n, count, out, in)) sb_kernel_shared(n, count, out, in);
  } else if (n->op >= C_ADD && n->op <= C_FMA && direct)
    sb_kernel_exact(n, count, out, in);
  else if (arithmetic(n, count, out, in)) {
    if (n->fmt != SB_F64) narrow(SB_F32, count, out);
    if (n->fmt != SB_F32) narrow(n->fmt, count, out);
  } else if (!selection(n, count, out, in)) {
    sb_kernel_shared(n, count, out, in);
  }
}
