// Two values of a 16-bit format in one register, from sm_80 on. An operation rounds once, to the format; with f32
// arithmetic and a rounding after it the bits would be the same wherever the schemes use it, because a product of two
// 16-bit numbers and a sum of integers below 2^9 are exact in f32.
#pragma once
#include "format.cuh"

// max_abs, max_abs_nan: the larger magnitude, of a sign of its own; a has no sign before the first of a chain, and the
// sign is cleared after the last.
#define SB_BINARY(name, instruction)                                                                                   \
  static __device__ __forceinline__ u32 name(u32 a, u32 b) {                                                           \
    u32 d;                                                                                                             \
    asm(instruction " %0, %1, %2;" : "=r"(d) : "r"(a), "r"(b));                                                        \
    return d;                                                                                                          \
  }

template <class T> struct Packed;

// integer: the bits of twice a number so large that a sum with it is rounded to an integer, to nearest and ties to
// even; it is a multiple of 16, and an integer n added to it is added to the bits. integer8: of that number + 8.
template <> struct Packed<BF16> {
  enum {
    integer = 0x43404340,
    integer8 = 0x43484348,
    seven = 0x40e040e0,
    infinity = 0x7f807f80
  }; // 192, for -64 <= n < 64
  SB_BINARY(min, "min.bf16x2")
  SB_BINARY(max, "max.bf16x2")
  SB_BINARY(min_nan, "min.NaN.bf16x2")
  SB_BINARY(max_nan, "max.NaN.bf16x2")
#if __CUDA_ARCH__ >= 890
  SB_BINARY(max_abs, "max.xorsign.abs.bf16x2")
  SB_BINARY(max_abs_nan, "max.NaN.xorsign.abs.bf16x2")
#else
  static __device__ __forceinline__ u32 max_abs(u32 a, u32 b) { return max(a, b & 0x7fff7fffu); }
  static __device__ __forceinline__ u32 max_abs_nan(u32 a, u32 b) { return max_nan(a, b & 0x7fff7fffu); }
#endif
#if __CUDA_ARCH__ >= 900
  SB_BINARY(mul, "mul.rn.bf16x2")
  SB_BINARY(add, "add.rn.bf16x2")
  SB_BINARY(sub, "sub.rn.bf16x2")
#else // -0 is what a product may be added to, and 1 or -1 what a term may be multiplied with, with no effect
  static __device__ __forceinline__ u32 fma(u32 a, u32 b, u32 c) {
    u32 d;
    asm("fma.rn.bf16x2 %0, %1, %2, %3;" : "=r"(d) : "r"(a), "r"(b), "r"(c));
    return d;
  }
  static __device__ __forceinline__ u32 mul(u32 a, u32 b) { return fma(a, b, 0x80008000u); }
  static __device__ __forceinline__ u32 add(u32 a, u32 b) { return fma(a, 0x3f803f80u, b); }
  static __device__ __forceinline__ u32 sub(u32 a, u32 b) { return fma(b, 0xbf80bf80u, a); }
#endif
};

template <> struct Packed<F16> {
  enum {
    integer = 0x66006600,
    integer8 = 0x66086608,
    seven = 0x47004700,
    infinity = 0x7c007c00
  }; // 1536, for -512 <= n < 512
  SB_BINARY(min, "min.f16x2")
  SB_BINARY(max, "max.f16x2")
  SB_BINARY(min_nan, "min.NaN.f16x2")
  SB_BINARY(max_nan, "max.NaN.f16x2")
#if __CUDA_ARCH__ >= 890
  SB_BINARY(max_abs, "max.xorsign.abs.f16x2")
  SB_BINARY(max_abs_nan, "max.NaN.xorsign.abs.f16x2")
#else
  static __device__ __forceinline__ u32 max_abs(u32 a, u32 b) { return max(a, b & 0x7fff7fffu); }
  static __device__ __forceinline__ u32 max_abs_nan(u32 a, u32 b) { return max_nan(a, b & 0x7fff7fffu); }
#endif
  static __device__ __forceinline__ u32 fma(u32 a, u32 b, u32 c) {
    u32 d;
    asm("fma.rn.f16x2 %0, %1, %2, %3;" : "=r"(d) : "r"(a), "r"(b), "r"(c));
    return d;
  }
  SB_BINARY(mul, "mul.rn.f16x2")
  SB_BINARY(add, "add.rn.f16x2")
  SB_BINARY(sub, "sub.rn.f16x2")
};
#undef SB_BINARY

// Both halves of a register hold r(value).
template <class T> __device__ __forceinline__ u32 both(float value) { return T::pair(value, value); }

// Four integers saturated to i8, the first in the low byte.
__device__ __forceinline__ u32 saturate4(int a, int b, int c, int d) {
  u32 high, word;
  asm("cvt.pack.sat.s8.s32.b32 %0, %1, %2, %3;" : "=r"(high) : "r"(d), "r"(c), "r"(0));
  asm("cvt.pack.sat.s8.s32.b32 %0, %1, %2, %3;" : "=r"(word) : "r"(b), "r"(a), "r"(high));
  return word;
}
