// Reductions of extrema over a warp, a segment of a warp, or the row of a block.
//
// Extrema are taken over integer keys whose order is the order of the floats; NaN lies outside both infinities, so that
// an integer maximum keeps it, whatever the order of the reduction.
#pragma once
#include "format.cuh"

// Signed keys: -NaN < -inf < ... < -0 < +0 < ... < inf < NaN.
__device__ __forceinline__ int key_of(float x) {
  const int bits = __float_as_int(x);
  return bits ^ (bits >> 31 & 0x7fffffff);
}
__device__ __forceinline__ float of_key(int key) { return __int_as_float(key ^ (key >> 31 & 0x7fffffff)); }

struct AbsMax {
  u32 top;
  static __device__ __forceinline__ AbsMax none() { return {0}; }
  __device__ __forceinline__ void add(float x) { top = max(top, f2u(x) & 0x7fffffffu); }
  __device__ __forceinline__ void join(const AbsMax &other) { top = max(top, other.top); }
  __device__ __forceinline__ float amax() const { return u2f(top); }
  __device__ __forceinline__ AbsMax across(int offset) const { return {__shfl_xor_sync(~0u, top, offset)}; }
  __device__ __forceinline__ void warp() {
#if __CUDA_ARCH__ >= 800
    top = __reduce_max_sync(~0u, top);
#else
    for (int offset = 16; offset > 0; offset >>= 1) join(across(offset));
#endif
  }
};

// The largest magnitude of what is not NaN.
struct AbsMaxNumber : AbsMax {
  static __device__ __forceinline__ AbsMaxNumber none() { return {{0}}; }
  __device__ __forceinline__ void add(float x) { top = f2u(fmaxf(u2f(top), fabsf(x))); }
};

struct MinMax {
  int low, high;
  static __device__ __forceinline__ MinMax none() { return {0x7fffffff, static_cast<int>(0x80000000)}; }
  __device__ __forceinline__ void add(float x) {
    const int key = key_of(x);
    low = min(low, key);
    high = max(high, key);
  }
  __device__ __forceinline__ void join(const MinMax &other) {
    low = min(low, other.low);
    high = max(high, other.high);
  }
  __device__ __forceinline__ float amin() const { return of_key(low); }
  __device__ __forceinline__ float amax() const { return of_key(high); }
  __device__ __forceinline__ MinMax across(int offset) const {
    return {__shfl_xor_sync(~0u, low, offset), __shfl_xor_sync(~0u, high, offset)};
  }
  __device__ __forceinline__ void warp() {
#if __CUDA_ARCH__ >= 800
    low = __reduce_min_sync(~0u, low);
    high = __reduce_max_sync(~0u, high);
#else
    for (int offset = 16; offset > 0; offset >>= 1) join(across(offset));
#endif
  }
};

// min(amin, 0) and max(amax, 0): zero is part of every range.
struct MinMaxZero : MinMax {
  static __device__ __forceinline__ MinMaxZero none() { return {{0, 0}}; }
};

// Every lane of `lanes` consecutive ones (a power of two) gets the extrema of them all.
template <class R> __device__ __forceinline__ void reduce_segment(R &extrema, int lanes) {
  for (int offset = lanes >> 1; offset > 0; offset >>= 1) extrema.join(extrema.across(offset));
}

// Every thread of a row of the block (blockDim.x threads, a multiple of 32; blockDim.y rows) gets the extrema of its
// row. `turn` alternates between calls, so that one barrier a call is enough: a warp writes the half that no warp can
// still read.
template <class R> __device__ __forceinline__ void reduce_row(R &extrema, int turn) {
  extrema.warp();
  if (blockDim.x <= 32) return;
  __shared__ R partial[2][32];
  const int warps = blockDim.x >> 5, lane = threadIdx.x & 31;
  R *row = partial[turn & 1] + threadIdx.y * warps;
  if (lane == 0) row[threadIdx.x >> 5] = extrema;
  __syncthreads();
  extrema = lane < warps ? row[lane] : R::none();
  extrema.warp();
}
