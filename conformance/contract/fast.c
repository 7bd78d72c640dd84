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

static bool conversion(const sb_node *n, size_t count, double *restrict out, const double *const in[3]) {
  const double *restrict a = in[0];
  int from = n->arg[0]->fmt, to = n->fmt;
  if (n->op != C_CAST) return false;
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
  if (!sb_cf_is_float(n->fmt) || !sb_cf_is_float(n->via))
    sb_kernel_shared(n, count, out, in);
  else if (n->op >= C_ADD && n->op <= C_FMA && direct)
    sb_kernel_exact(n, count, out, in);
  else if (arithmetic(n, count, out, in)) {
    if (n->fmt != SB_F64) narrow(SB_F32, count, out);
    if (n->fmt != SB_F32) narrow(n->fmt, count, out);
  } else if (!selection(n, count, out, in)) {
    sb_kernel_shared(n, count, out, in);
  }
}
