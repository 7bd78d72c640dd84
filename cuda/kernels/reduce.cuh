// Reductions of extrema over a warp, a segment of a warp, or the row of a block.
//
// Extrema are taken over integer keys whose order is the order of the floats; NaN lies outside both infinities, so that
// an integer maximum keeps it, whatever the order of the reduction.
#pragma once
#include "packed.cuh"

// Signed keys: -NaN < -inf < ... < -0 < +0 < ... < inf < NaN.
__device__ __forceinline__ int key_of(float x) {
  const int bits = __float_as_int(x);
  return bits ^ (bits >> 31 & 0x7fffffff);
}
__device__ __forceinline__ float of_key(int key) { return __int_as_float(key ^ (key >> 31 & 0x7fffffff)); }

struct AbsMax {
  template <class T> struct Pairs;
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
  template <class T> struct Pairs;
  static __device__ __forceinline__ AbsMaxNumber none() { return {{0}}; }
  __device__ __forceinline__ void add(float x) { top = f2u(fmaxf(u2f(top), fabsf(x))); }
};

struct MinMax {
  template <class T> struct Pairs;
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
  template <class T> struct Pairs;
  static __device__ __forceinline__ MinMaxZero none() { return {{0, 0}}; }
};

// Pairs<T>: the same extrema of the two halves of registers, each half for itself: low halves are compared with low
// ones. `beside` leaves the extrema of a's halves in the low half and of b's in the high one; `split` gives them out.
template <class T> struct AbsMax::Pairs {
  u32 top;
  static __device__ __forceinline__ Pairs none() { return {0}; }
  __device__ __forceinline__ void add(u32 pair) { top = Packed<T>::max_abs_nan(top, pair); }
  __device__ __forceinline__ void join(const Pairs &other) { top = Packed<T>::max_abs_nan(top, other.top); }
  __device__ __forceinline__ Pairs across(int offset) const { return {__shfl_xor_sync(~0u, top, offset)}; }
  static __device__ __forceinline__ Pairs beside(const Pairs &a, const Pairs &b) {
    return {Packed<T>::max_abs_nan(__byte_perm(a.top, b.top, 0x5410), __byte_perm(a.top, b.top, 0x7632))};
  }
  __device__ __forceinline__ void split(AbsMax &low, AbsMax &high) const {
    float a, b;
    T::widen(top & 0x7fff7fffu, a, b);
    low.top = f2u(a);
    high.top = f2u(b);
  }
};

template <class T> struct AbsMaxNumber::Pairs {
  u32 top;
  static __device__ __forceinline__ Pairs none() { return {0}; }
  __device__ __forceinline__ void add(u32 pair) { top = Packed<T>::max_abs(top, pair); }
  __device__ __forceinline__ void split(AbsMaxNumber &low, AbsMaxNumber &high) const {
    float a, b;
    T::widen(top & 0x7fff7fffu, a, b);
    low.top = f2u(a);
    high.top = f2u(b);
  }
};

template <class T> struct MinMax::Pairs {
  u32 low, high;
  static __device__ __forceinline__ Pairs none() { return {Packed<T>::infinity, Packed<T>::infinity | 0x80008000u}; }
  __device__ __forceinline__ void add(u32 pair) {
    low = Packed<T>::min_nan(low, pair);
    high = Packed<T>::max_nan(high, pair);
  }
  __device__ __forceinline__ void join(const Pairs &other) {
    low = Packed<T>::min_nan(low, other.low);
    high = Packed<T>::max_nan(high, other.high);
  }
  __device__ __forceinline__ Pairs across(int offset) const {
    return {__shfl_xor_sync(~0u, low, offset), __shfl_xor_sync(~0u, high, offset)};
  }
  static __device__ __forceinline__ Pairs beside(const Pairs &a, const Pairs &b) {
    return {Packed<T>::min_nan(__byte_perm(a.low, b.low, 0x5410), __byte_perm(a.low, b.low, 0x7632)),
            Packed<T>::max_nan(__byte_perm(a.high, b.high, 0x5410), __byte_perm(a.high, b.high, 0x7632))};
  }
  template <class R> __device__ __forceinline__ void split(R &first, R &second) const {
    float a, b;
    T::widen(low, a, b);
    first.low = key_of(a), second.low = key_of(b);
    T::widen(high, a, b);
    first.high = key_of(a), second.high = key_of(b);
  }
};

template <class T> struct MinMaxZero::Pairs : MinMax::Pairs<T> {
  static __device__ __forceinline__ Pairs none() { return {{0, 0}}; }
};

// The extrema of a thread's vectors.
template <class T, class R, bool packed = T::packed> struct Gather {
  R all;
  static __device__ __forceinline__ Gather none() { return {R::none()}; }
  __device__ __forceinline__ void add(const Vector &v) {
    float e[T::vec];
    T::unpack(v, e);
#pragma unroll
    for (int j = 0; j < T::vec; j++) all.add(e[j]);
  }
  __device__ __forceinline__ R result() const { return all; }
};
template <class T, class R> struct Gather<T, R, true> {
  typename R::template Pairs<T> pairs;
  static __device__ __forceinline__ Gather none() { return {R::template Pairs<T>::none()}; }
  __device__ __forceinline__ void add(const Vector &v) {
#pragma unroll
    for (int j = 0; j < 4; j++) pairs.add(v.word[j]);
  }
  __device__ __forceinline__ R result() const {
    R low, high;
    pairs.split(low, high);
    low.join(high);
    return low;
  }
};

// Every lane of `lanes` consecutive ones (a power of two) gets the extrema of them all, of vector k in extrema[k].
template <class T, class R, int n>
__device__ __forceinline__ void gather_segments(const Vector (&v)[n], int lanes, R (&extrema)[n]) {
  Gather<T, R> gather[n];
#pragma unroll
  for (int k = 0; k < n; k++) {
    gather[k] = Gather<T, R>::none();
    gather[k].add(v[k]);
  }
  if constexpr (T::packed) { // one shuffle for two vectors
    typename R::template Pairs<T> pairs[n / 2];
#pragma unroll
    for (int k = 0; k < n / 2; k++) pairs[k] = pairs[k].beside(gather[2 * k].pairs, gather[2 * k + 1].pairs);
#pragma unroll 1
    for (int offset = lanes >> 1; offset > 0; offset >>= 1)
#pragma unroll
      for (int k = 0; k < n / 2; k++) pairs[k].join(pairs[k].across(offset));
#pragma unroll
    for (int k = 0; k < n / 2; k++) pairs[k].split(extrema[2 * k], extrema[2 * k + 1]);
  } else {
#pragma unroll
    for (int k = 0; k < n; k++) extrema[k] = gather[k].result();
#pragma unroll 1
    for (int offset = lanes >> 1; offset > 0; offset >>= 1)
#pragma unroll
      for (int k = 0; k < n; k++) extrema[k].join(extrema[k].across(offset));
  }
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
