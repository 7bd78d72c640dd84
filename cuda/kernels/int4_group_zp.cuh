// int4 per group, asymmetric with a floating-point zero point: int4-weight-only.  Scale and codes in f32, after MSLK
// int4_row_quantize_zp (upstream/MSLK 2a3c897) and torchao 0.18, quantization/qat/fake_quantizer.py,
// Int4WeightFakeQuantizer.
//   scale = max(mx - mn, 1e-6) / 15;  zero_point = mn + scale * 8;  code = clamp(round((x - mn) / scale), 0, 15) - 8
#pragma once
#include "group.cuh"

// stored_narrow: prepare's values come from the scale and zero_point that convert stores (aligned), r(scale) and
// r(zero_point); otherwise from the f32 ones (torchao).
template <class Format, class Flavor> struct Int4GroupZp : GroupsOfElements<Format> {
  typedef Format T;
  typedef MinMax Extrema;
  typedef typename GroupsOfElements<Format>::Row Row;
  enum { needs_extrema = 1, stored_narrow = Flavor::nan_is_zero, has_plain = 1 };
  struct Qparams {
    float scale, zero_point, amin;
  };
  struct Stored {
    float scale, zero_point;
  };

  static __device__ __forceinline__ Qparams choose(const Extrema &e, const Row &) {
    const float range = at_least(__fsub_rn(e.amax(), e.amin()), 1e-6f);
    const float scale = divide_constant<Flavor>(range, 15.0f, 0x1.111112p-4f);
    return {scale, __fadd_rn(e.amin(), __fmul_rn(scale, 8.0f)), e.amin()};
  }
  static __device__ __forceinline__ float code_of(const Qparams &q, float x) {
    return rintf(__fdiv_rn(__fsub_rn(x, q.amin), q.scale));
  }
  static __device__ __forceinline__ int clamped(float y) {
    return is_nan(y) ? 0 : min(max(__float2int_rn(y), 0), 15) - 8;
  }
  static __device__ __forceinline__ void codes2(const Qparams &q, float a, float b, u32 &code_a, u32 &code_b) {
    code_a = static_cast<u32>(clamped(code_of(q, a)));
    code_b = static_cast<u32>(clamped(code_of(q, b)));
  }
  static __device__ __forceinline__ Stored kept(const Qparams &q) {
    return stored_narrow ? Stored{T::round(q.scale), T::round(q.zero_point)} : Stored{q.scale, q.zero_point};
  }

  // The scale is finite, then so is every element; none is below amin, and (x - amin) / scale is 15 or rounds to it for
  // the largest: nothing is clamped. The sum is SB_INTEGER + 8 + code.
  static __device__ __forceinline__ bool plain(const Qparams &q) { return q.scale < u2f(0x7f800000u); }
  static __device__ __forceinline__ void plain_sums(const Qparams &q, const Vector &v, float *sum) {
    T::unpack(v, sum);
#pragma unroll
    for (int j = 0; j < T::vec; j++) sum[j] = __fadd_rn(__fdiv_rn(__fsub_rn(sum[j], q.amin), q.scale), SB_INTEGER);
  }
  static __device__ __forceinline__ void plain_values(const Qparams &q, Vector &v) {
    float y[T::vec];
    plain_sums(q, v, y);
    const Stored to = kept(q);
#pragma unroll
    for (int j = 0; j < T::vec; j++)
      y[j] = __fadd_rn(__fmul_rn(__fsub_rn(y[j], SB_INTEGER + 8.0f), to.scale), to.zero_point);
    T::pack(y, v);
  }
  static __device__ __forceinline__ u32 plain_codes(const Qparams &q, const Vector &v) {
    float sum[T::vec];
    plain_sums(q, v, sum);
    return nibbles_of_sums<T::vec>(sum);
  }
  // fl(fl(code * scale) + zero_point)
  static __device__ __forceinline__ void values2(const Qparams &q, float &a, float &b) {
    const float x = code_of(q, a), y = code_of(q, b);
    decode2(kept(q), clamped(x), clamped(y), a, b);
    if (!Flavor::nan_is_zero) {
      a = is_nan(x) ? x : a;
      b = is_nan(y) ? y : b;
    }
  }
  static __device__ __forceinline__ void decode2(const Stored &q, int code_a, int code_b, float &a, float &b) {
    a = __fadd_rn(__fmul_rn(__int2float_rn(code_a), q.scale), q.zero_point);
    b = __fadd_rn(__fmul_rn(__int2float_rn(code_b), q.scale), q.zero_point);
  }
};

// Scale and zero_point kept in `Kept`: f32 as chosen, or T as deployed.
template <class Format, class Flavor, class Kept> struct Int4GroupZpIn : Int4GroupZp<Format, Flavor> {
  typedef Int4GroupZp<Format, Flavor> Base;
  typedef typename Base::Qparams Qparams;
  typedef typename Base::Stored Stored;

  static __device__ __forceinline__ Qparams load(const void *scale, const void *zero_point, i64 index,
                                                 const typename Base::Extrema &e, const typename Base::Row &) {
    return {Kept::load(scale, index), Kept::load(zero_point, index), e.amin()};
  }
  static __device__ __forceinline__ Stored read(const void *scale, const void *zero_point, i64 index, i64) {
    return {Kept::load(scale, index), Kept::load(zero_point, index)};
  }
  static __device__ __forceinline__ void store(const Qparams &q, void *scale, void *zero_point, i64 index) {
    if (scale) Kept::store(scale, index, q.scale);
    if (zero_point) Kept::store(zero_point, index, q.zero_point);
  }
};
