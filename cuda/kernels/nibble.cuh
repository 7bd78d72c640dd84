// Two int4 codes to a byte, two's complement: the even element in the low nibble, or in the high one (`high_first`).
#pragma once
#include "packed.cuh"

__device__ __forceinline__ u32 swap_nibbles(u32 word) { return (word & 0x0f0f0f0fu) << 4 | (word >> 4 & 0x0f0f0f0fu); }

// Bytes in the order of the elements, a code in the low nibble of each, to nibbles, the even element low; four bytes to
// the low half.
__device__ __forceinline__ u32 nibbles4(u32 bytes) {
  bytes &= 0x0f0f0f0fu;
  return __byte_perm(bytes | bytes >> 4, 0, 0x4420);
}
__device__ __forceinline__ u32 nibbles8(u32 low, u32 high) {
  low &= 0x0f0f0f0fu;
  high &= 0x0f0f0f0fu;
  return __byte_perm(low | low >> 4, high | high >> 4, 0x6420);
}

// N sums SB_INTEGER + 8 + code, to nibbles, as below.
template <int N> __device__ __forceinline__ u32 nibbles_of_sums(const float *sum) {
  u32 pair[N / 2];
#pragma unroll
  for (int k = 0; k < N / 2; k++) pair[k] = f2u(sum[2 * k]) + (f2u(sum[2 * k + 1]) << 4);
  return N == 4 ? (__byte_perm(pair[0], pair[1], 0x0040) & 0xffffu) ^ 0x8888u
                : bytes4(pair[0], pair[1], pair[2], pair[3]) ^ 0x88888888u;
}

// int4 codes of two elements in a register, clamp(round(r(x * inverse)), -8, 7) with |x * inverse| < 8.5.
template <class T> struct PackedInt4 {
  typedef Packed<T> P;
  // y to the number P::integer8 + code; clamping to an integer may come before the rounding.
  static __device__ __forceinline__ u32 sum(u32 y) { return P::add(P::min(y, P::seven), P::integer8); }
  static __device__ __forceinline__ u32 code(u32 sum) { return P::sub(sum, P::integer8); }
  // v to r(code * scale): (1) r(x * inverse), (2) to an integer, (3) the product
  static __device__ __forceinline__ void values(Vector &v, float inverse, float scale) {
    const u32 inverse2 = both<T>(inverse), scale2 = both<T>(scale);
#pragma unroll
    for (int k = 0; k < 4; k++) v.word[k] = P::mul(code(sum(P::mul(v.word[k], inverse2))), scale2);
  }
  // Eight sums to nibbles: what is kept of one is code + 8, whose upper bit is the opposite of code's.
  static __device__ __forceinline__ u32 nibbles(const u32 *sum) {
    return nibbles8(__byte_perm(sum[0], sum[1], 0x6420), __byte_perm(sum[2], sum[3], 0x6420)) ^ 0x88888888u;
  }
  static __device__ __forceinline__ u32 codes(const Vector &v, float inverse) {
    const u32 inverse2 = both<T>(inverse);
    u32 y[4];
#pragma unroll
    for (int k = 0; k < 4; k++) y[k] = sum(P::mul(v.word[k], inverse2));
    return nibbles(y);
  }
};

// Four nibbles, sign-extended to bytes; the even element is the low nibble.
__device__ __forceinline__ u32 bytes_of_nibbles(u32 nibbles) {
  const u32 bytes = __byte_perm(nibbles & 0x0f0fu, nibbles >> 4 & 0x0f0fu, 0x5140);
  return bytes + (bytes & 0x08080808u) * 30u;
}

// Element `k` of a word of eight.
__device__ __forceinline__ int nibble_value(u32 word, int k) { return static_cast<int>(word << (28 - 4 * k)) >> 28; }

__device__ __forceinline__ int byte_value(u32 word, int k) { return static_cast<int>(word << (24 - 8 * k)) >> 24; }
