// float8 e4m3fn (max 448, no infinity): by the conversion instructions on sm_89 and later, by integer arithmetic below.
#pragma once
#include "format.cuh"

// Integer form of the rounding below; NaN gives 0x7f of its sign.
__device__ __forceinline__ u32 e4m3_bits(float x) {
  const u32 bits = f2u(x), sign = bits >> 24 & 0x80u, top = bits & 0x7fffffffu;
  // Subnormal codes: adding 2^14 leaves |x| * 2^9, rounded to nearest even, in the low bits.
  const u32 small = f2u(__fadd_rn(u2f(top), 0x1p14f)) - f2u(0x1p14f);
  // Normal codes: round at bit 20, then rebias the exponent from 127 to 7.
  const u32 normal = min((top + 0x7ffffu + (top >> 20 & 1u) >> 20) - (120u << 3), 0x7eu);
  const u32 code = top < f2u(0x1p-6f) ? small : normal;
  return sign | (top > 0x7f800000u ? 0x7fu : code);
}

// Codes of two values: clamped to +-448, rounded once to nearest even, NaN kept.
__device__ __forceinline__ void e4m3_encode2(float a, float b, u32 &code_a, u32 &code_b) {
#if __CUDA_ARCH__ >= 890
  unsigned short both;
  asm("cvt.rn.satfinite.e4m3x2.f32 %0, %1, %2;" : "=h"(both) : "f"(b), "f"(a));
  code_a = both & 0xffu;
  code_b = both >> 8;
#else
  code_a = e4m3_bits(a);
  code_b = e4m3_bits(b);
#endif
}

// The value of a code, exactly.
__device__ __forceinline__ float e4m3_value(u32 code) {
  // The code's exponent and mantissa read as an f32 are the value times 2^-120, subnormals included.
  const float magnitude = __fmul_rn(u2f((code & 0x7fu) << 20), 0x1p120f);
  return u2f(((code & 0x7fu) == 0x7fu ? 0x7fffffffu : f2u(magnitude)) | (code & 0x80u) << 24);
}

__device__ __forceinline__ void e4m3_decode2(u32 code_a, u32 code_b, float &a, float &b) {
#if __CUDA_ARCH__ >= 890
  const unsigned short both = static_cast<unsigned short>(code_a | code_b << 8);
  asm("{.reg .b32 p;\n\t.reg .f16 x, y;\n\tcvt.rn.f16x2.e4m3x2 p, %2;\n\tmov.b32 {x, y}, p;\n\t"
      "cvt.f32.f16 %0, x;\n\tcvt.f32.f16 %1, y;}"
      : "=f"(a), "=f"(b)
      : "h"(both));
#else
  a = e4m3_value(code_a);
  b = e4m3_value(code_b);
#endif
}

// Two values rounded to e4m3: in place, or as the f16 that hold them exactly, the first in the low half.
__device__ __forceinline__ void e4m3_round2(float &a, float &b) {
  u32 code_a, code_b;
  e4m3_encode2(a, b, code_a, code_b);
  e4m3_decode2(code_a, code_b, a, b);
}
__device__ __forceinline__ u32 e4m3_round_f16(float a, float b) {
#if __CUDA_ARCH__ >= 890
  u32 both;
  asm("{.reg .b16 c;\n\tcvt.rn.satfinite.e4m3x2.f32 c, %1, %2;\n\tcvt.rn.f16x2.e4m3x2 %0, c;}"
      : "=r"(both)
      : "f"(b), "f"(a));
  return both;
#else
  e4m3_round2(a, b);
  return F16::pair(a, b);
#endif
}
// The same of two f16.
__device__ __forceinline__ u32 e4m3_round_f16(u32 pair) {
#if __CUDA_ARCH__ >= 890
  u32 both;
  asm("{.reg .b16 c;\n\tcvt.rn.satfinite.e4m3x2.f16x2 c, %1;\n\tcvt.rn.f16x2.e4m3x2 %0, c;}" : "=r"(both) : "r"(pair));
  return both;
#else
  float a, b;
  F16::widen(pair, a, b);
  return e4m3_round_f16(a, b);
#endif
}
