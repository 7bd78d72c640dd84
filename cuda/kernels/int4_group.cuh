// int4 per group, symmetric: the weight of int8-dynamic-act-int4-weight.  torchao 0.18,
// quantization/quant_primitives.py, MappingType.SYMMETRIC over [-8, 7]. r(.) is one rounding to T.
#pragma once
#include "group.cuh"

template <class Format, class Flavor> struct Int4Group : GroupsOfElements<Format> {
  typedef Format T;
  typedef AbsMax Extrema;
  typedef typename GroupsOfElements<Format>::Row Row;
  enum { needs_extrema = 0, has_plain = T::packed }; // needs_extrema: by quantize
  struct Qparams {
    float scale, inverse;
  };
  typedef Qparams Stored;

  // scale = max(r(amax / 7.5), smallest_normal(T)); zero_point = 0.
  static __device__ __forceinline__ Qparams choose(const Extrema &e, const Row &) {
    const float scale =
        at_least(T::round(divide_constant<Flavor>(e.amax(), 7.5f, 0x1.111112p-3f)), T::smallest_normal());
    return {scale, T::round(__frcp_rn(scale))};
  }
  static __device__ __forceinline__ Qparams load(const void *scale, const void *, i64 index, const Extrema &,
                                                 const Row &) {
    const float s = T::load(scale, index);
    return {s, T::round(__frcp_rn(s))};
  }
  static __device__ __forceinline__ Stored read(const void *scale, const void *, i64 index, i64) {
    return {T::load(scale, index), 0.0f};
  }
  static __device__ __forceinline__ void store(const Qparams &q, void *scale, void *zero_point, i64 index) {
    if (scale) T::store(scale, index, q.scale);
    if (zero_point) static_cast<signed char *>(zero_point)[index] = 0;
  }

  // clamp(round(r(x * r(1 / scale))), -8, 7); a is left rounded, for its NaN, whose code is 0.
  static __device__ __forceinline__ void steps2(const Qparams &q, float &a, float &b, int &code_a, int &code_b) {
    a = __fmul_rn(a, q.inverse);
    b = __fmul_rn(b, q.inverse);
    T::round2(a, b);
    code_a = min(max(__float2int_rn(a), -8), 7);
    code_b = min(max(__float2int_rn(b), -8), 7);
  }
  static __device__ __forceinline__ void codes2(const Qparams &q, float a, float b, u32 &code_a, u32 &code_b) {
    int step_a, step_b;
    steps2(q, a, b, step_a, step_b);
    code_a = static_cast<u32>(step_a);
    code_b = static_cast<u32>(step_b);
  }

  // The scale is finite, then so is every element, and |x * inverse| < 8: its integer is -8 or more.
  static __device__ __forceinline__ bool plain(const Qparams &q) { return q.scale < u2f(0x7f800000u); }
  static __device__ __forceinline__ void plain_values(const Qparams &q, Vector &v) {
    PackedInt4<T>::values(v, q.inverse, q.scale);
  }
  static __device__ __forceinline__ u32 plain_codes(const Qparams &q, const Vector &v) {
    return PackedInt4<T>::codes(v, q.inverse);
  }
  // r(code * scale)
  static __device__ __forceinline__ void values2(const Qparams &q, float &a, float &b) {
    int code_a, code_b;
    steps2(q, a, b, code_a, code_b);
    const float x = a, y = b;
    decode2(q, code_a, code_b, a, b);
    if (!Flavor::nan_is_zero) {
      a = is_nan(x) ? x : a;
      b = is_nan(y) ? y : b;
    }
  }
  static __device__ __forceinline__ void decode2(const Qparams &q, int code_a, int code_b, float &a, float &b) {
    a = __fmul_rn(__int2float_rn(code_a), q.scale);
    b = __fmul_rn(__int2float_rn(code_b), q.scale);
  }
};
