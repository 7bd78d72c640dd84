// int8 per token, asymmetric: the activation of int8-dynamic-act-int4-weight.  torchao 0.18,
// quantization/quant_primitives.py. r(.) is one rounding to T.
#pragma once
#include "row.cuh"

template <class Format, class Flavor> struct Int8Token {
  typedef Format T;
  typedef MinMaxZero Extrema;
  struct Qparams {
    float scale, inverse;
    int zero_point, low, high; // low and high: the codes' range before the zero point is added
  };

  static __device__ __forceinline__ Qparams with(float scale, int zero_point) {
    return {scale, T::round(__frcp_rn(scale)), zero_point, -128 - zero_point, 127 - zero_point};
  }

  // scale = max(r(r(mx - mn) / 255), smallest_normal(T)); zero_point = clamp(-128 - round(r(mn / scale)), -128, 127),
  // of NaN 0.
  static __device__ __forceinline__ Qparams choose(const Extrema &e) {
    const float range = T::round(__fsub_rn(e.amax(), e.amin()));
    const float scale =
        at_least(T::round(divide_constant<Flavor>(range, 255.0f, 0x1.010102p-8f)), T::smallest_normal());
    const float shift = T::round(__fdiv_rn(e.amin(), scale));
    const float z = fminf(fmaxf(__fsub_rn(-128.0f, rintf(shift)), -128.0f), 127.0f);
    return with(scale, is_nan(shift) ? 0 : __float2int_rn(z));
  }
  static __device__ __forceinline__ Qparams load(const void *scale, const void *zero_point, i64 index) {
    return with(T::load(scale, index), __ldg(static_cast<const signed char *>(zero_point) + index));
  }
  static __device__ __forceinline__ void store(const Qparams &q, void *scale, void *zero_point, i64 index) {
    if (scale) T::store(scale, index, q.scale);
    if (zero_point) static_cast<signed char *>(zero_point)[index] = static_cast<signed char>(q.zero_point);
  }

  // clamp(round(r(x * r(1 / scale))) + zero_point, -128, 127) - zero_point; a is left rounded, for its NaN.
  static __device__ __forceinline__ void steps2(const Qparams &q, float &a, float &b, int &step_a, int &step_b) {
    a = __fmul_rn(a, q.inverse);
    b = __fmul_rn(b, q.inverse);
    T::round2(a, b);
    step_a = min(max(__float2int_rn(a), q.low), q.high);
    step_b = min(max(__float2int_rn(b), q.low), q.high);
  }
  static __device__ __forceinline__ void codes2(const Qparams &q, float a, float b, u32 &code_a, u32 &code_b) {
    int step_a, step_b;
    steps2(q, a, b, step_a, step_b);
    code_a = is_nan(a) ? 0u : static_cast<u32>(step_a + q.zero_point);
    code_b = is_nan(b) ? 0u : static_cast<u32>(step_b + q.zero_point);
  }
  // r((code - zero_point) * scale)
  static __device__ __forceinline__ void values2(const Qparams &q, float &a, float &b) {
    int step_a, step_b;
    steps2(q, a, b, step_a, step_b);
    if (Flavor::nan_is_zero) {
      a = __fmul_rn(__int2float_rn(is_nan(a) ? -q.zero_point : step_a), q.scale);
      b = __fmul_rn(__int2float_rn(is_nan(b) ? -q.zero_point : step_b), q.scale);
    } else {
      a = is_nan(a) ? a : __fmul_rn(__int2float_rn(step_a), q.scale);
      b = is_nan(b) ? b : __fmul_rn(__int2float_rn(step_b), q.scale);
    }
  }
  static __device__ __forceinline__ int code(u32 word, int k) { return static_cast<int>(word << (24 - 8 * k)) >> 24; }
  static __device__ __forceinline__ void decode2(const Qparams &q, int code_a, int code_b, float &a, float &b) {
    a = __fmul_rn(__int2float_rn(code_a - q.zero_point), q.scale);
    b = __fmul_rn(__int2float_rn(code_b - q.zero_point), q.scale);
  }
};
