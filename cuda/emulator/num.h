/* num.h: the number formats of PTX as branch-free integer and float formulas on one lane. Nothing here is shared with
 * ref/. */
#ifndef EMU_NUM_H
#define EMU_NUM_H
#include "emu.h"
#include <math.h>

#define NUM static inline __attribute__((always_inline, unused))

#define NAN_F32 0x7fffffffu
#define NAN_F64 0x7fffffffffffffffull
#define NAN_F16 0x7fffu

NUM float as_f32(u32 bits) {
  float f;
  memcpy(&f, &bits, 4);
  return f;
}
NUM u32 f32_bits(float f) {
  u32 bits;
  memcpy(&bits, &f, 4);
  return bits;
}
NUM double as_f64(u64 bits) {
  double f;
  memcpy(&f, &bits, 8);
  return f;
}
NUM u64 f64_bits(double f) {
  u64 bits;
  memcpy(&bits, &f, 8);
  return bits;
}
NUM u32 is_nan32(u32 a) { return (a & 0x7fffffffu) > 0x7f800000u; }
NUM u32 is_nan16(u32 a) { return (a & 0x7fffu) > 0x7c00u; }
NUM u32 is_nan_bf16(u32 a) { return (a & 0x7fffu) > 0x7f80u; }
NUM u64 is_nan64(u64 a) { return (a & 0x7fffffffffffffffull) > 0x7ff0000000000000ull; }

/* Results: every NaN becomes the canonical one. */
NUM u32 canon32(float f) {
  u32 b = f32_bits(f);
  return is_nan32(b) ? NAN_F32 : b;
}
NUM u64 canon64(double f) {
  u64 b = f64_bits(f);
  return is_nan64(b) ? NAN_F64 : b;
}
/* .ftz: a subnormal is a zero of its sign. */
NUM u32 flush32(u32 a) { return a & 0x7f800000u ? a : a & 0x80000000u; }
NUM u32 flush16(u32 a) { return a & 0x7c00u ? a : a & 0x8000u; }
/* .sat: [+0, 1]; NaN is +0. */
NUM float saturate32(float x) {
  float y = x > 0.0f ? x : 0.0f;
  return y < 1.0f ? y : 1.0f;
}
NUM double saturate64(double x) {
  double y = x > 0.0 ? x : 0.0;
  return y < 1.0 ? y : 1.0;
}

/* ---- small formats: `mantissa` bits, `first` = the biased f32 exponent of the smallest normal number ---- */
typedef enum { RN, RZ, RM, RP, RA } Rounding; /* RA: to nearest, ties away */

/* |bits| of an f32 rounded to the format, as a code without sign that may exceed the format's largest (the caller
   decides). Not for NaN; infinity gives a code beyond every finite one. */
NUM u32 round_small(u32 bits, u32 mantissa, u32 first, Rounding mode) {
  u32 a = bits & 0x7fffffffu, negative = bits >> 31, field = a >> 23;
  u32 significand = (a & 0x7fffffu) | (field ? 0x800000u : 0u), e = field ? field : 1u;
  u32 below = e < first ? first - e : 0u;
  u32 drop = 23u - mantissa + below;
  drop = drop > 30u ? 30u : drop;
  u32 q = significand >> drop, rest = significand & ((1u << drop) - 1u), half = (1u << drop) >> 1;
  u32 up = mode == RN   ? (rest > half) | ((rest == half) & q & (drop != 0))
           : mode == RA ? (rest >= half) & (drop != 0)
           : mode == RM ? (rest != 0) & negative
           : mode == RP ? (rest != 0) & (negative ^ 1u)
                        : 0u;
  u32 top = e < first ? 0u : (e - first) << mantissa;
  return top + q + up;
}
/* The exact f32 value of a code without sign, not an infinity or NaN. */
NUM float widen_small(u32 code, u32 mantissa, u32 first) {
  u32 field = code >> mantissa, m = code & ((1u << mantissa) - 1u);
  float normal = as_f32(((field + first - 1u) << 23) | (m << (23u - mantissa)));
  float unit = first > 23u + mantissa ? as_f32((first - mantissa) << 23) : 0.0f;
  return field ? normal : (float)(i32)m * unit;
}

/* ---- f16, bf16 ---- */
NUM u32 to_f16_mode(u32 bits, Rounding mode) {
  u32 code = round_small(bits, 10, 113, mode), negative = bits >> 31;
  u32 infinite = (bits & 0x7fffffffu) == 0x7f800000u;
  u32 to_max = !infinite && (mode == RZ || (mode == RM && !negative) || (mode == RP && negative));
  code = code >= 0x7c00u ? (to_max ? 0x7bffu : 0x7c00u) : code;
  return is_nan32(bits) ? NAN_F16 : code | negative << 15;
}
NUM u32 to_f16(float x) { return to_f16_mode(f32_bits(x), RN); }
NUM float from_f16(u32 h) {
  u32 a = h & 0x7fffu, sign = (h & 0x8000u) << 16;
  float finite = widen_small(a, 10, 113);
  u32 bits = a > 0x7c00u ? NAN_F32 : a == 0x7c00u ? 0x7f800000u | sign : f32_bits(finite) | sign;
  return as_f32(bits);
}
NUM u32 to_bf16_mode(u32 bits, Rounding mode) {
  u32 rest = bits & 0xffffu, q = bits >> 16, negative = bits >> 31;
  u32 up = mode == RN   ? (rest > 0x8000u) | ((rest == 0x8000u) & q)
           : mode == RA ? rest >= 0x8000u
           : mode == RM ? (rest != 0) & negative
           : mode == RP ? (rest != 0) & (negative ^ 1u)
                        : 0u;
  return is_nan32(bits) ? NAN_F16 : (q + (up & 1u)) & 0xffffu;
}
NUM u32 to_bf16(float x) {
  u32 bits = f32_bits(x);
  return is_nan32(bits) ? NAN_F16 : (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
}
NUM float from_bf16(u32 b) {
  u32 bits = (b & 0xffffu) << 16;
  return as_f32(is_nan32(bits) ? NAN_F32 : bits);
}

/* ---- rounding to odd: a value that can be rounded once more without harm ---- */
/* `s` is the nearest double of an exact sum whose error s - exact has the sign of -e. */
NUM double odd64(double s, double e) {
  u64 b = f64_bits(s), inexact = e != 0.0, toward_zero = inexact & (u64)((e < 0.0) == (s > 0.0));
  u64 r = b - toward_zero;
  r |= inexact;
  return s - s == 0.0 && s != 0.0 ? as_f64(r) : s;
}
NUM double sum_error(double a, double b, double s) {
  double t = s - a;
  return (a - (s - t)) + (b - t);
}
/* a * b + c where a * b is exact in f64 (16-bit and f32 operands). */
NUM double fma_odd(double a, double b, double c) {
  double p = a * b, s = p + c;
  return odd64(s, sum_error(p, c, s));
}
NUM double add_odd(double a, double b) {
  double s = a + b;
  return odd64(s, sum_error(a, b, s));
}
/* f64 to f32, to odd. */
NUM float f32_odd(double x) {
  float f = (float)x;
  double back = (double)f;
  u32 b = f32_bits(f), away = fabs(back) > fabs(x), inexact = back != x && x == x;
  return as_f32((b - (away & inexact)) | inexact);
}
NUM double i64_odd(i64 x) {
  u64 m = x < 0 ? 0u - (u64)x : (u64)x;
  u64 sticky = (m & 0x7ffu) != 0, kept = m >> 53 ? (m & ~0x7ffull) | sticky << 11 : m;
  double d = (double)kept;
  return x < 0 ? -d : d;
}
NUM double u64_odd(u64 m) {
  u64 sticky = (m & 0xfffu) != 0;
  return (double)(m >> 52 ? (m & ~0xfffull) | sticky << 12 : m);
}

/* ---- float8, float4, e8m0 ---- */
/* e4m3: no infinities, NaN 0x7f, largest 448 = 0x7e. `satfinite` alone exists in PTX. */
NUM u32 to_e4m3(float x) {
  u32 bits = f32_bits(x), code = round_small(bits, 3, 121, RN);
  return is_nan32(bits) ? 0x7fu : (code > 0x7eu ? 0x7eu : code) | bits >> 31 << 7;
}
NUM u32 to_e5m2(float x) {
  u32 bits = f32_bits(x), code = round_small(bits, 2, 113, RN);
  return is_nan32(bits) ? 0x7fu : (code > 0x7bu ? 0x7bu : code) | bits >> 31 << 7;
}
NUM u32 to_e2m1(float x) {
  u32 bits = f32_bits(x), code = round_small(bits, 1, 127, RN);
  return is_nan32(bits) ? 0x7u : (code > 7u ? 7u : code) | bits >> 31 << 3;
}
NUM u32 to_e2m3(float x) {
  u32 bits = f32_bits(x), code = round_small(bits, 3, 127, RN);
  return is_nan32(bits) ? 0x1fu : (code > 0x1fu ? 0x1fu : code) | bits >> 31 << 5;
}
NUM u32 to_e3m2(float x) {
  u32 bits = f32_bits(x), code = round_small(bits, 2, 125, RN);
  return is_nan32(bits) ? 0x1fu : (code > 0x1fu ? 0x1fu : code) | bits >> 31 << 5;
}
NUM u32 relu32(u32 bits) { return is_nan32(bits) ? bits : (bits >> 31 ? 0u : bits); }
NUM float from_e4m3(u32 c) {
  float v = widen_small(c & 0x7fu, 3, 121);
  return as_f32((c & 0x7fu) == 0x7fu ? NAN_F32 : f32_bits(v) | (c & 0x80u) << 24);
}
NUM float from_e5m2(u32 c) {
  u32 a = c & 0x7fu, sign = (c & 0x80u) << 24;
  float v = widen_small(a, 2, 113);
  return as_f32(a > 0x7cu ? NAN_F32 : a == 0x7cu ? 0x7f800000u | sign : f32_bits(v) | sign);
}
NUM float from_e2m1(u32 c) { return as_f32(f32_bits(widen_small(c & 7u, 1, 127)) | (c & 8u) << 28); }
NUM float from_e2m3(u32 c) { return as_f32(f32_bits(widen_small(c & 31u, 3, 127)) | (c & 32u) << 26); }
NUM float from_e3m2(u32 c) { return as_f32(f32_bits(widen_small(c & 31u, 2, 125)) | (c & 32u) << 26); }
/* Exactly: the values of these formats are zeros, normal numbers of f16, or NaN; those of e5m2 are the upper halves of
 * f16. */
NUM u32 exact_f16(float x) {
  u32 bits = f32_bits(x), a = bits & 0x7fffffffu, sign = bits >> 16 & 0x8000u;
  return is_nan32(bits) ? NAN_F16 : a ? sign | ((a >> 13) - (112u << 10)) : sign;
}
NUM u32 f16_of_e4m3(u32 c) { return exact_f16(from_e4m3(c)); }
NUM u32 f16_of_e2m1(u32 c) { return exact_f16(from_e2m1(c)); }
NUM u32 f16_of_e2m3(u32 c) { return exact_f16(from_e2m3(c)); }
NUM u32 f16_of_e3m2(u32 c) { return exact_f16(from_e3m2(c)); }
NUM u32 f16_of_e5m2(u32 c) { return (c & 0x7fu) > 0x7cu ? NAN_F16 : (c & 0xffu) << 8; }
/* ue8m0: the power of two 2^(code - 127); 0xff is NaN; the sign is dropped. `up`: .rp, else .rz. */
NUM u32 to_ue8m0(float x, u32 up) {
  u32 a = f32_bits(x) & 0x7fffffffu, field = a >> 23, rest = a & 0x7fffffu;
  u32 sub = up ? (rest > 0x400000u) : 0u; /* 2^-127 is code 0 and has a subnormal f32 */
  u32 code = field ? field + (up & (rest != 0)) : sub;
  return is_nan32(a) ? 0xffu : code > 0xfeu ? 0xfeu : code;
}
NUM u32 ue8m0_to_bf16(u32 c) { return (c & 0xffu) == 0xffu ? NAN_F16 : (c & 0xffu) ? (c & 0xffu) << 7 : 0x40u; }

/* ---- min and max: the numeric order with -0 < +0; a NaN loses, or wins (.NaN) ---- */
NUM i32 order32(u32 a) { return (i32)(a ^ ((u32)((i32)a >> 31) >> 1)); }
NUM i64 order64(u64 a) { return (i64)(a ^ ((u64)((i64)a >> 63) >> 1)); }
NUM u32 min32(u32 a, u32 b) {
  u32 r = order32(a) < order32(b) ? a : b;
  r = is_nan32(a) ? b : r;
  r = is_nan32(b) ? a : r;
  return is_nan32(r) ? NAN_F32 : r;
}
NUM u32 max32(u32 a, u32 b) {
  u32 r = order32(a) > order32(b) ? a : b;
  r = is_nan32(a) ? b : r;
  r = is_nan32(b) ? a : r;
  return is_nan32(r) ? NAN_F32 : r;
}
NUM u32 min_nan32(u32 a, u32 b) { return is_nan32(a) | is_nan32(b) ? NAN_F32 : min32(a, b); }
NUM u32 max_nan32(u32 a, u32 b) { return is_nan32(a) | is_nan32(b) ? NAN_F32 : max32(a, b); }
NUM u64 min64(u64 a, u64 b) {
  u64 r = order64(a) < order64(b) ? a : b;
  r = is_nan64(a) ? b : r;
  r = is_nan64(b) ? a : r;
  return is_nan64(r) ? NAN_F64 : r;
}
NUM u64 max64(u64 a, u64 b) {
  u64 r = order64(a) > order64(b) ? a : b;
  r = is_nan64(a) ? b : r;
  r = is_nan64(b) ? a : r;
  return is_nan64(r) ? NAN_F64 : r;
}
/* .xorsign.abs: the magnitude is the min or max of magnitudes, the sign the exclusive or of both signs. */
NUM u32 xorsign32(u32 r, u32 a, u32 b) { return is_nan32(r) ? NAN_F32 : r | ((a ^ b) & 0x80000000u); }

/* ---- float to integer: the value is already integral; NaN is `nan`, what is out of range saturates ---- */
NUM i32 s32_of(float r) {
  i32 v = (i32)(r >= -0x1p31f && r < 0x1p31f ? r : 0.0f);
  v = r >= 0x1p31f ? INT32_MAX : v;
  return r < -0x1p31f ? INT32_MIN : v;
}
NUM u32 u32_of(float r) {
  u32 high = r >= 0x1p31f; /* conversions of values below 2^31 only */
  float low = high ? r - 0x1p31f : r;
  u32 v = (u32)(i32)(low >= 0.0f && low < 0x1p31f ? low : 0.0f) | high << 31;
  return r >= 0x1p32f ? UINT32_MAX : v;
}
NUM i64 s64_of(double r) {
  i64 v = (i64)(r >= -0x1p63 && r < 0x1p63 ? r : 0.0);
  v = r >= 0x1p63 ? INT64_MAX : v;
  return r < -0x1p63 || r != r ? INT64_MIN : v;
}
NUM u64 u64_of(double r) {
  u64 v = (u64)(r >= 0.0 && r < 0x1p64 ? r : 0.0);
  v = r >= 0x1p64 ? UINT64_MAX : v;
  return r != r ? 0x8000000000000000ull : v;
}
NUM i32 s32_of_f64(double r) {
  i32 v = (i32)(r >= -0x1p31 && r < 0x1p31 ? r : 0.0);
  v = r >= 0x1p31 ? INT32_MAX : v;
  return r < -0x1p31 || r != r ? INT32_MIN : v;
}
NUM u32 u32_of_f64(double r) {
  u32 v = (u32)(i64)(r >= 0.0 && r < 0x1p32 ? r : 0.0);
  v = r >= 0x1p32 ? UINT32_MAX : v;
  return r != r ? 0x80000000u : v;
}
NUM i32 clamp_s32(i32 v, i32 lo, i32 hi) { return v < lo ? lo : v > hi ? hi : v; }
NUM u32 clamp_u32(u32 v, u32 hi) { return v > hi ? hi : v; }
/* ---- helpers of the table's rows ---- */
NUM i64 clamp_s64(i64 v, i64 lo, i64 hi) { return v < lo ? lo : v > hi ? hi : v; }
NUM u64 clamp_u64(u64 v, u64 hi) { return v > hi ? hi : v; }
NUM double clamp_f64(double v, double lo, double hi) { return v < lo ? lo : v > hi ? hi : v; }
NUM u32 relu16(u32 h) { return is_nan16(h) ? h : (h & 0x8000u ? 0u : h); }
NUM u32 finite_f16(u32 h) { return (h & 0x7fffu) == 0x7c00u ? h - 1u : h; }
NUM u32 finite_bf16(u32 h) { return (h & 0x7fffu) == 0x7f80u ? h - 1u : h; }
NUM u32 half_f16(u32 bits) { return to_f16_mode(bits, RZ); }
NUM u32 half_bf16(u32 bits) { return to_bf16_mode(bits, RZ); }
NUM float fma16(float a, float b, float c) { return f32_odd(fma_odd((double)a, (double)b, (double)c)); }
NUM u32 to_tf32(u32 a, Rounding mode) {
  u32 rest = a & 0x1fffu, up = mode == RA   ? rest >= 0x1000u
                               : mode == RN ? (rest > 0x1000u) | ((rest == 0x1000u) & (a >> 13))
                                            : 0u;
  return (a & 0x7f800000u) == 0x7f800000u ? (is_nan32(a) ? NAN_F32 : a) : (a & ~0x1fffu) + ((up & 1u) << 13);
}
#endif
