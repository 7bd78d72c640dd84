/* torchao's affine primitives operation by operation, each operation computed by MPFR and rounded to the format that
 * PyTorch's promotion gives it. Written from the source of torchao 0.11 and 0.18, quantization/quant_primitives.py;
 * it shares nothing with ref/. A number travels as a double with the format it is held in. */
#ifndef SAMEBITS_TESTS_AFFINE_MODEL_H
#define SAMEBITS_TESTS_AFFINE_MODEL_H

#include "samebits/affine.h"

#include <math.h>
#include <mpfr.h>

typedef struct value {
  double v;
  sb_format f; /* f32, bf16, f16; i32 for any integer tensor; NUMBER: a Python number, which promotes nothing */
} value;
#define NUMBER ((sb_format)SB_FORMATS)

/* v rounded once to the format, subnormals included. */
static inline double model_round(sb_format f, double v) {
  static const struct {
    sb_format f;
    int precision;
    long least, most;
  } formats[] = {{SB_F32, 24, -148, 128}, {SB_BF16, 8, -132, 128}, {SB_F16, 11, -23, 16}};
  for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
    if (formats[i].f != f) continue;
    mpfr_t r;
    mpfr_init2(r, formats[i].precision);
    mpfr_set_emin(formats[i].least);
    mpfr_set_emax(formats[i].most);
    int inexact = mpfr_set_d(r, v, MPFR_RNDN);
    inexact = mpfr_check_range(r, inexact, MPFR_RNDN);
    (void)mpfr_subnormalize(r, inexact, MPFR_RNDN);
    v = mpfr_get_d(r, MPFR_RNDN);
    mpfr_clear(r);
    mpfr_set_emin(mpfr_get_emin_min());
    mpfr_set_emax(mpfr_get_emax_max());
  }
  return v;
}

/* Two tensors: the wider of different floating-point formats is f32 (bf16 with f16 as well); an integer gives way. */
static inline sb_format model_promote(sb_format a, sb_format b) {
  if (a == NUMBER || b == NUMBER) {
    const sb_format tensor = a == NUMBER ? b : a;
    return tensor == SB_I32 ? SB_F32 : tensor;
  }
  if (a == b || b == SB_I32) return a;
  return a == SB_I32 ? b : SB_F32;
}

/* One eager operation: in f32 (opmath), then to the result's format. The exact result has at most one rounding to f32
 * because 53 bits are more than twice 24 and two. */
static inline value model_op(char op, value a, value b) {
  const sb_format f = model_promote(a.f, b.f);
  const double x = a.f == NUMBER ? a.v : model_round(f, a.v), y = b.f == NUMBER ? b.v : model_round(f, b.v);
  mpfr_t r, s;
  mpfr_init2(r, 53);
  mpfr_init2(s, 53);
  mpfr_set_d(r, x, MPFR_RNDN);
  mpfr_set_d(s, y, MPFR_RNDN);
  if (op == '+') mpfr_add(r, r, s, MPFR_RNDN);
  if (op == '-') mpfr_sub(r, r, s, MPFR_RNDN);
  if (op == '*') mpfr_mul(r, r, s, MPFR_RNDN);
  if (op == '/') mpfr_div(r, r, s, MPFR_RNDN);
  const double exact = mpfr_get_d(r, MPFR_RNDN);
  mpfr_clear(r);
  mpfr_clear(s);
  return (value){model_round(f, model_round(SB_F32, exact)), f};
}

static inline value model_number(double v) { return (value){v, NUMBER}; }

static inline value model_to(value a, sb_format f) { return (value){model_round(f, a.v), f}; }

static inline value model_rint(value a) {
  const double down = floor(a.v), rest = a.v - down;
  double whole = rest > 0.5 || (rest == 0.5 && fmod(down, 2) != 0) ? down + 1 : down;
  if (a.v != a.v || isinf(a.v)) whole = a.v;
  return (value){copysign(whole, a.v), a.f};
}

static inline value model_clamp(value a, double low, double high) {
  if (a.v < low) a.v = low;
  if (a.v > high) a.v = high;
  return a;
}

/* .to(integer) on x86: truncation; NaN, infinity and what int32 does not hold give INT_MIN, whose low byte is 0. i64
 * has INT64_MIN. */
static inline int64_t model_to_integer(double v, sb_format f) {
  if (f == SB_I64) return v != v || isinf(v) ? INT64_MIN : (int64_t)v;
  const int64_t wide = v != v || fabs(v) >= 0x1p31 ? INT32_MIN : (int64_t)v;
  if (f == SB_I8) return (int8_t)wide;
  return f == SB_U8 ? (uint8_t)wide : wide;
}

static inline double model_mid(const sb_affine *a) { return (double)(a->quant_max + a->quant_min + 1) / 2; }

/* Scale (in T, before it is stored) and zero_point (as a number) from the elements of one block. */
static inline void model_choose(const sb_affine *a, sb_format T, const double *block, int64_t n, value *scale,
                                value *zero_point) {
  double low = block[0], high = block[0];
  for (int64_t i = 0; i < n; i++) {
    low = block[i] < low || block[i] != block[i] ? block[i] : low;
    high = block[i] > high || block[i] != block[i] ? block[i] : high;
  }
  if (a->preserve_zero || a->mapping != SB_ASYMMETRIC) {
    low = low > 0 ? 0 : low;
    high = high < 0 ? 0 : high;
  }
  const value mn = {low, T}, mx = {high, T};
  const double range = (double)(a->quant_max - a->quant_min);
  value s;
  if (a->mapping == SB_ASYMMETRIC) {
    s = model_op('/', model_op('-', mx, mn), model_number(range));
  } else if (a->mapping == SB_SYMMETRIC) {
    const double most = low != low || -low > high ? -low : high;
    s = model_op('/', (value){most, T}, model_number(range / 2));
  } else {
    const value least = model_op('/', mn, model_number((double)a->quant_min)),
                most = model_op('/', mx, model_number((double)a->quant_max));
    s = least.v > most.v ? least : most;
  }
  double eps = a->eps;
  if (eps != eps) {
    if (a->version == SB_AFFINE_0_11)
      eps = T == SB_F32 ? 0x1p-23 : T == SB_BF16 ? 0x1p-7 : 0x1p-10;
    else
      eps = T == SB_F16 ? 0x1p-14 : 0x1p-126;
  }
  eps = model_round(T, eps);
  if (s.v < eps) s.v = eps;
  *scale = s;
  if (a->domain == SB_DOMAIN_FLOAT) {
    *zero_point = model_op('+', mn, model_op('*', s, model_number(model_mid(a))));
  } else if (a->mapping == SB_ASYMMETRIC) {
    const value steps = model_rint(model_op('/', mn, s));
    *zero_point = model_clamp(model_op('-', model_number((double)a->quant_min), steps), (double)a->quant_min,
                              (double)a->quant_max);
  } else {
    *zero_point = (value){trunc(model_mid(a)), T};
  }
}

/* The code before it is cast: a number, NaN where upstream's is. scale and zero_point as they are stored. */
static inline value model_quantize(const sb_affine *a, value x, value scale, value zero_point) {
  const double low = (double)a->quant_min, high = (double)a->quant_max;
  if (a->domain == SB_DOMAIN_FLOAT) {
    const value min = model_op('-', zero_point, model_op('*', scale, model_number(model_mid(a))));
    return model_clamp(model_rint(model_op('/', model_op('-', x, min), scale)), low, high);
  }
  const value inverse = model_op('/', model_number(1.0), scale);
  value code = model_rint(model_op('*', x, inverse));
  if (a->domain == SB_DOMAIN_INT) code = model_op('+', code, zero_point);
  return model_clamp(code, low, high);
}

/* `code` is an integer (i32: from an integer tensor) or a number in a floating-point format. */
static inline double model_dequantize(const sb_affine *a, value code, value scale, value zero_point) {
  const sb_format O = a->output_format;
  if (a->domain == SB_DOMAIN_FLOAT) {
    value steps = model_to(model_op('-', code, model_number(model_mid(a))), O);
    steps = model_to(model_op('*', steps, scale), O);       /* in place */
    return model_to(model_op('+', steps, zero_point), O).v; /* in place */
  }
  value steps = model_to(code, O);
  if (a->domain == SB_DOMAIN_INT && a->version == SB_AFFINE_0_11) {
    const uint32_t difference =
        (uint32_t)model_to_integer(code.v, SB_I32) - (uint32_t)model_to_integer(zero_point.v, SB_I32);
    steps = model_to((value){(double)(int32_t)difference, SB_I32}, O);
  } else if (a->domain == SB_DOMAIN_INT) {
    steps = model_op('-', steps, model_to(zero_point, O));
  }
  return model_to(model_op('*', steps, scale), O).v;
}

#endif
