// What the flavors do differently, and the operations whose special cases the contracts fix.
#pragma once
#include "format.cuh"

// aligned: division by a constant is a true division; the integer code of NaN is 0 in both steps.
struct Aligned {
  enum { reciprocal = 0, nan_is_zero = 1 };
};

// torchao-0.18-cuda: a tensor divided by a Python number is multiplied by the number's f32 reciprocal (PyTorch,
// aten/src/ATen/native/cuda/BinaryDivTrueKernel.cu); prepare keeps its codes in floating point, so that NaN survives.
struct Torchao {
  enum { reciprocal = 1, nan_is_zero = 0 };
};

// fl(x / c), or fl(x * fl(1 / c)) where the flavor says so.
template <class Flavor> __device__ __forceinline__ float divide_constant(float x, float c, float reciprocal_of_c) {
  return Flavor::reciprocal ? __fmul_rn(x, reciprocal_of_c) : __fdiv_rn(x, c);
}

// max(x, floor), NaN kept.
__device__ __forceinline__ float at_least(float x, float floor) { return x < floor ? floor : x; }

__device__ __forceinline__ bool is_nan(float x) { return x != x; }
