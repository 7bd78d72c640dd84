// Two int4 codes to a byte, two's complement: the even element in the low nibble, or in the high one (`high_first`).
#pragma once
#include "format.cuh"

__device__ __forceinline__ u32 swap_nibbles(u32 word) { return (word & 0x0f0f0f0fu) << 4 | (word >> 4 & 0x0f0f0f0fu); }

// Four codes (low bytes) to 16 bits, the even element low.
__device__ __forceinline__ u32 nibbles4(const u32 *code) {
  const u32 bytes = bytes4(code[0], code[1], code[2], code[3]) & 0x0f0f0f0fu;
  return __byte_perm(bytes | bytes >> 4, 0, 0x4420);
}

__device__ __forceinline__ u32 nibbles8(const u32 *code) {
  const u32 low = bytes4(code[0], code[1], code[2], code[3]) & 0x0f0f0f0fu;
  const u32 high = bytes4(code[4], code[5], code[6], code[7]) & 0x0f0f0f0fu;
  return __byte_perm(low | low >> 4, high | high >> 4, 0x6420);
}

// Element `k` of a word of eight.
__device__ __forceinline__ int nibble_value(u32 word, int k) { return static_cast<int>(word << (28 - 4 * k)) >> 28; }

__device__ __forceinline__ int byte_value(u32 word, int k) { return static_cast<int>(word << (24 - 8 * k)) >> 24; }
