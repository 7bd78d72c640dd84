// The model formats f32, bf16 and f16 on the device: 16-byte vectors of them, exact widening, and one rounding.
//
// Arithmetic is f32 everywhere; a 16-bit value is only ever widened or made by one rounding to nearest even.
#pragma once

typedef long long i64;
typedef unsigned int u32;
typedef unsigned char u8;
typedef signed char i8;

__device__ __forceinline__ u32 f2u(float value) { return __float_as_uint(value); }
__device__ __forceinline__ float u2f(u32 bits) { return __uint_as_float(bits); }
__device__ __forceinline__ float nan32() { return u2f(0x7fffffffu); }

struct alignas(16) Vector {
  u32 word[4];
};

// Adding it to an f32 below 2^22 rounds that to an integer n, to nearest and ties to even, and the low bits of the sum
// are n's.
#define SB_INTEGER 0x1.8p23f

// vec: elements in a vector; tiles: vectors that a thread holds, 32 elements in every format; packed: whether
// packed.cuh has the operations on pairs of them.
struct F32 {
  enum { bytes = 4, vec = 4, tiles = 8, significand = 24, packed = 0 };
  static __device__ __forceinline__ float smallest_normal() { return 0x1p-126f; }
  static __device__ __forceinline__ float round(float value) { return value; }
  static __device__ __forceinline__ void round2(float &, float &) {}
  static __device__ __forceinline__ float load(const void *base, i64 index) {
    return __ldg(static_cast<const float *>(base) + index);
  }
  static __device__ __forceinline__ void store(void *base, i64 index, float value) {
    static_cast<float *>(base)[index] = value;
  }
  static __device__ __forceinline__ void unpack(const Vector &v, float *x) {
#pragma unroll
    for (int k = 0; k < 4; k++) x[k] = u2f(v.word[k]);
  }
  // The rounding of x to the format, packed.
  static __device__ __forceinline__ void pack(const float *x, Vector &v) {
#pragma unroll
    for (int k = 0; k < 4; k++) v.word[k] = f2u(x[k]);
  }
};

#if __CUDA_ARCH__ >= 800
enum { has_packed = 1 };
#else
enum { has_packed = 0 };
#endif

struct BF16 {
  enum { bytes = 2, vec = 8, tiles = 4, significand = 8, packed = has_packed };
  static __device__ __forceinline__ float smallest_normal() { return 0x1p-126f; }

  // Bits of the nearest bf16, ties to even; NaN stays NaN.
  static __device__ __forceinline__ u32 pair(float low, float high) {
#if __CUDA_ARCH__ >= 800
    u32 bits;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(bits) : "f"(high), "f"(low));
    return bits;
#else
    return nearest(low) >> 16 | (nearest(high) & 0xffff0000u);
#endif
  }
  static __device__ __forceinline__ u32 nearest(float value) {
    const u32 bits = f2u(value), rounded = bits + 0x7fffu + (bits >> 16 & 1u);
    return (bits & 0x7fffffffu) > 0x7f800000u ? 0x7fff0000u : rounded;
  }
  // In assembly, so that the bits are not moved to a register of another type, which PTX counts as an instruction.
  static __device__ __forceinline__ float low(u32 bits) {
    float value;
    asm("shl.b32 %0, %1, 16;" : "=f"(value) : "r"(bits));
    return value;
  }
  static __device__ __forceinline__ float high(u32 bits) {
    float value;
    asm("and.b32 %0, %1, 0xffff0000;" : "=f"(value) : "r"(bits));
    return value;
  }
  static __device__ __forceinline__ void widen(u32 bits, float &a, float &b) {
    a = low(bits);
    b = high(bits);
  }
  static __device__ __forceinline__ void round2(float &a, float &b) { widen(pair(a, b), a, b); }
  static __device__ __forceinline__ float round(float value) { return low(pair(value, 0.0f)); }
  static __device__ __forceinline__ float load(const void *base, i64 index) {
    return low(__ldg(static_cast<const unsigned short *>(base) + index));
  }
  static __device__ __forceinline__ void store(void *base, i64 index, float value) {
    static_cast<unsigned short *>(base)[index] = static_cast<unsigned short>(pair(value, 0.0f));
  }
  static __device__ __forceinline__ void unpack(const Vector &v, float *x) {
#pragma unroll
    for (int k = 0; k < 4; k++) x[2 * k] = low(v.word[k]), x[2 * k + 1] = high(v.word[k]);
  }
  static __device__ __forceinline__ void pack(const float *x, Vector &v) {
#pragma unroll
    for (int k = 0; k < 4; k++) v.word[k] = pair(x[2 * k], x[2 * k + 1]);
  }
};

struct F16 {
  enum { bytes = 2, vec = 8, tiles = 4, significand = 11, packed = has_packed };
  static __device__ __forceinline__ float smallest_normal() { return 0x1p-14f; }
  static __device__ __forceinline__ u32 pair(float low, float high) {
    u32 bits;
#if __CUDA_ARCH__ >= 800
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(bits) : "f"(high), "f"(low));
#else
    asm("{.reg .f16 a, b;\n\tcvt.rn.f16.f32 a, %1;\n\tcvt.rn.f16.f32 b, %2;\n\tmov.b32 %0, {a, b};}"
        : "=r"(bits)
        : "f"(low), "f"(high));
#endif
    return bits;
  }
  static __device__ __forceinline__ void widen(u32 bits, float &low, float &high) {
    asm("{.reg .f16 a, b;\n\tmov.b32 {a, b}, %2;\n\tcvt.f32.f16 %0, a;\n\tcvt.f32.f16 %1, b;}"
        : "=f"(low), "=f"(high)
        : "r"(bits));
  }
  static __device__ __forceinline__ void round2(float &a, float &b) { widen(pair(a, b), a, b); }
  static __device__ __forceinline__ float round(float value) {
    float low, high;
    widen(pair(value, 0.0f), low, high);
    return low;
  }
  static __device__ __forceinline__ float load(const void *base, i64 index) {
    float low, high;
    widen(__ldg(static_cast<const unsigned short *>(base) + index), low, high);
    return low;
  }
  static __device__ __forceinline__ void store(void *base, i64 index, float value) {
    static_cast<unsigned short *>(base)[index] = static_cast<unsigned short>(pair(value, 0.0f));
  }
  static __device__ __forceinline__ void unpack(const Vector &v, float *x) {
#pragma unroll
    for (int k = 0; k < 4; k++) widen(v.word[k], x[2 * k], x[2 * k + 1]);
  }
  static __device__ __forceinline__ void pack(const float *x, Vector &v) {
#pragma unroll
    for (int k = 0; k < 4; k++) v.word[k] = pair(x[2 * k], x[2 * k + 1]);
  }
};

__device__ __forceinline__ Vector load_vector(const void *from) {
  const uint4 v = __ldg(static_cast<const uint4 *>(from));
  return {{v.x, v.y, v.z, v.w}};
}
__device__ __forceinline__ void store_vector(void *to, const Vector &v) {
  *static_cast<uint4 *>(to) = make_uint4(v.word[0], v.word[1], v.word[2], v.word[3]);
}

// The low bytes of a, b, c, d, in this order.
__device__ __forceinline__ u32 bytes4(u32 a, u32 b, u32 c, u32 d) {
  return __byte_perm(__byte_perm(a, b, 0x0040), __byte_perm(c, d, 0x0040), 0x5410);
}

// The low bytes of N codes (N = 4 or 8), in N / 4 words.
template <int N> __device__ __forceinline__ void code_words(const u32 *code, u32 *word) {
  word[0] = bytes4(code[0], code[1], code[2], code[3]);
  if (N == 8) word[1] = bytes4(code[4], code[5], code[6], code[7]);
}

// N code bytes to and from an address that is a multiple of N.
template <int N> __device__ __forceinline__ void store_codes(void *to, const u32 *word) {
  if (N == 4)
    *static_cast<u32 *>(to) = word[0];
  else
    *static_cast<uint2 *>(to) = make_uint2(word[0], word[1]);
}
template <int N> __device__ __forceinline__ void load_codes(const void *from, u32 *word) {
  if (N == 4) {
    word[0] = __ldg(static_cast<const u32 *>(from));
  } else {
    const uint2 both = __ldg(static_cast<const uint2 *>(from));
    word[0] = both.x;
    word[1] = both.y;
  }
}
