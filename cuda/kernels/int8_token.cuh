// int8 per token, asymmetric: the activation of int8-dynamic-act-int4-weight.  torchao 0.18,
// quantization/quant_primitives.py. r(.) is one rounding to T.
#pragma once
#include "row.cuh"

template <class Format, class Flavor> struct Int8Token {
  typedef Format T;
  typedef Format Inner;
  typedef MinMaxZero Extrema;
  enum { has_plain = T::packed };
  struct Qparams {
    float scale, inverse;
    int zero_point, low, high;                      // low and high: the codes' range before the zero point is added
    u32 scale2, inverse2, zero_point2, low2, high2; // in T, where this has a plain form
  };

  static __device__ __forceinline__ Qparams with(float scale, int zero_point) {
    Qparams q = {scale, T::round(__frcp_rn(scale)), zero_point, -128 - zero_point, 127 - zero_point};
    if constexpr (has_plain) {
      q.scale2 = both<T>(q.scale), q.inverse2 = both<T>(q.inverse),
      q.zero_point2 = both<T>(__int2float_rn(q.zero_point));
      q.low2 = both<T>(__int2float_rn(q.low)), q.high2 = both<T>(__int2float_rn(q.high));
    }
    return q;
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

  // The scale is finite, then so is every element, and |x * inverse| < 512.
  static __device__ __forceinline__ bool plain(const Qparams &q) { return q.scale < u2f(0x7f800000u); }
  // (1) r(x * inverse); the range before the zero point is of integers, so that clamping may come before the rounding
  static __device__ __forceinline__ u32 plain_steps(const Qparams &q, u32 pair) {
    typedef Packed<T> P;
    return P::min(P::max(P::mul(pair, q.inverse2), q.low2), q.high2);
  }
  static __device__ __forceinline__ void plain_values(const Qparams &q, Vector &v) {
    typedef Packed<T> P;
#pragma unroll
    for (int k = 0; k < 4; k++) {
      const u32 y = plain_steps(q, v.word[k]);
      u32 n; // (2) to integers; of -0 and what rounds to it, +0
      if (T::significand > 8) {
        n = P::sub(P::add(y, P::integer), P::integer);
      } else {
        float a, b;
        T::widen(y, a, b);
        n = T::pair(__fsub_rn(__fadd_rn(a, SB_INTEGER), SB_INTEGER), __fsub_rn(__fadd_rn(b, SB_INTEGER), SB_INTEGER));
      }
      v.word[k] = P::mul(n, q.scale2); // (3)
    }
  }
  static __device__ __forceinline__ void plain_codes(const Qparams &q, const Vector &v, u32 *word) {
    typedef Packed<T> P;
#pragma unroll
    for (int k = 0; k < 4; k += 2) {
      if (T::significand > 8) { // sums of integers below 2^11 are exact
        const u32 a = P::add(P::add(plain_steps(q, v.word[k]), P::integer), q.zero_point2);
        const u32 b = P::add(P::add(plain_steps(q, v.word[k + 1]), P::integer), q.zero_point2);
        word[k / 2] = __byte_perm(a, b, 0x6420);
      } else {
        const int shift = q.zero_point - __float_as_int(SB_INTEGER);
        float y[4];
        T::widen(P::mul(v.word[k], q.inverse2), y[0], y[1]);
        T::widen(P::mul(v.word[k + 1], q.inverse2), y[2], y[3]);
        int code[4];
#pragma unroll
        for (int j = 0; j < 4; j++) code[j] = __float_as_int(__fadd_rn(y[j], SB_INTEGER)) + shift;
        word[k / 2] = saturate4(code[0], code[1], code[2], code[3]);
      }
    }
  }
  static __device__ __forceinline__ int code(u32 word, int k) { return static_cast<int>(word << (24 - 8 * k)) >> 24; }
  static __device__ __forceinline__ void decode2(const Qparams &q, int code_a, int code_b, float &a, float &b) {
    a = __fmul_rn(__int2float_rn(code_a - q.zero_point), q.scale);
    b = __fmul_rn(__int2float_rn(code_b - q.zero_point), q.scale);
  }
};
