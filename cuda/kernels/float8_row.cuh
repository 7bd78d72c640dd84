// float8 e4m3 per row: the activation of both float8 recipes and the weight of float8-dynamic-act-float8-weight.
#pragma once
#include "e4m3.cuh"
#include "row.cuh"

// scale = max(amax, 2^-9) / 448 in f32: MSLK triton_quantize_fp8_row (2a3c897), with its maximum made to keep NaN.
struct RowAligned {
  typedef AbsMax Extrema;
  template <class T> static __device__ __forceinline__ float scale(float amax) {
    return __fdiv_rn(at_least(amax, 0x1p-9f), 448.0f);
  }
};

// The same, with the maximum of what is not NaN, as the kernel has it.
struct RowMslk {
  typedef AbsMaxNumber Extrema;
  template <class T> static __device__ __forceinline__ float scale(float amax) { return RowAligned::scale<T>(amax); }
};

// scale = r(fl(amax * fl(1/448))), no floor: torchao 0.18, float8/inference and quant_primitives.py
// _choose_scale_float8 on CUDA.
struct RowTorchao {
  typedef AbsMax Extrema;
  template <class T> static __device__ __forceinline__ float scale(float amax) {
    return T::round(__fmul_rn(amax, 0x1.24924ap-9f));
  }
};

template <class Format, class Form> struct Float8Row {
  typedef Format T;
  typedef Format Inner;
  typedef typename Form::Extrema Extrema;
  enum { has_plain = 0 };
  struct Qparams {
    float scale;
  };

  static __device__ __forceinline__ Qparams choose(const Extrema &e) { return {Form::template scale<T>(e.amax())}; }
  static __device__ __forceinline__ Qparams load(const void *scale, const void *, i64 index) {
    return {__ldg(static_cast<const float *>(scale) + index)};
  }
  static __device__ __forceinline__ void store(const Qparams &q, void *scale, void *, i64 index) {
    if (scale) static_cast<float *>(scale)[index] = q.scale;
  }
  // e4m3(clamp(x / scale, -448, 448))
  static __device__ __forceinline__ void codes2(const Qparams &q, float a, float b, u32 &code_a, u32 &code_b) {
    e4m3_encode2(__fdiv_rn(a, q.scale), __fdiv_rn(b, q.scale), code_a, code_b);
  }
  static __device__ __forceinline__ void values2(const Qparams &q, float &a, float &b) {
    u32 code_a, code_b;
    codes2(q, a, b, code_a, code_b);
    decode2(q, code_a, code_b, a, b);
  }
  static __device__ __forceinline__ u32 code(u32 word, int k) { return word >> 8 * k & 0xffu; }
  static __device__ __forceinline__ void decode2(const Qparams &q, u32 code_a, u32 code_b, float &a, float &b) {
    e4m3_decode2(code_a, code_b, a, b);
    a = __fmul_rn(a, q.scale);
    b = __fmul_rn(b, q.scale);
  }
};
