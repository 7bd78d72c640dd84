// Linear layers of quantized operands, y = x * transpose(w), with the order of every sum stated.
//
// linear_plain_<format>: x [m, k] and w [n, k] are the dequantized operands, in the model's format.
//   y[i, j] = r(acc_k), acc_0 = 0, acc_(t+1) = fma(x[i, t], w[j, t], acc_t), t ascending: one fused rounding an
//   element.
// linear_i8_i4_<format>: x codes i8 [m, k] with scale and zero_point a row; w codes packed int4 [n, k / 2] with a scale
// a group.
//   sum_g = sum over the group of (x - zero_point) * w, exact in i32 (dp4a);
//   y[i, j] = r(fl(acc_G * scale_x[i])), acc_(g+1) = fma(fl(sum_g), scale_w[j, g], acc_g), g ascending.
#include "nibble.cuh"

// A block of 16 x 16 threads computes 16 x 16 outputs, 16 elements of k at a time.
template <class T>
__device__ __forceinline__ void linear_plain(const void *x, const void *w, void *y, i64 m, i64 n, i64 k) {
  __shared__ float xs[16][17], ws[16][17];
  const int tx = threadIdx.x, ty = threadIdx.y;
  const i64 i = static_cast<i64>(blockIdx.y) * 16 + ty, j = static_cast<i64>(blockIdx.x) * 16 + tx;
  const i64 w_row = static_cast<i64>(blockIdx.x) * 16 + ty;
  float acc = 0.0f;
  for (i64 t = 0; t < k; t += 16) {
    xs[ty][tx] = i < m && t + tx < k ? T::load(x, i * k + t + tx) : 0.0f;
    ws[ty][tx] = w_row < n && t + tx < k ? T::load(w, w_row * k + t + tx) : 0.0f;
    __syncthreads();
    const int count = k - t < 16 ? static_cast<int>(k - t) : 16;
    for (int e = 0; e < count; e++) acc = __fmaf_rn(xs[ty][e], ws[tx][e], acc);
    __syncthreads();
  }
  if (i < m && j < n) T::store(y, i * n + j, acc);
}

// Four nibbles to four signed bytes, in the order of the elements.
__device__ __forceinline__ int widen4(u32 nibbles) {
  const u32 spread = (nibbles & 0xfu) | (nibbles & 0xf0u) << 4 | (nibbles & 0xf00u) << 8 | (nibbles & 0xf000u) << 12;
  return static_cast<int>(spread | ((spread & 0x08080808u) >> 3) * 0xf0u);
}

__device__ __forceinline__ bool whole_words(const void *pointer, i64 row_bytes) {
  return ((reinterpret_cast<unsigned long long>(pointer) | static_cast<unsigned long long>(row_bytes)) & 3) == 0;
}

template <class T>
__device__ __forceinline__ void linear_i8_i4(const signed char *x, const void *x_scale, const signed char *zero_point,
                                             const unsigned char *w, const void *w_scale, void *y, i64 m, i64 n, i64 k,
                                             i64 group) {
  const i64 j = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x, i = blockIdx.y;
  if (j >= n || i >= m) return;
  const bool words = whole_words(x, k) && group % 8 == 0 && whole_words(w, k / 2);
  const int zero = zero_point[i];
  float acc = 0.0f;
  for (i64 g = 0; g < k / group; g++) {
    int sum = 0, codes = 0;
    const signed char *xg = x + i * k + g * group;
    const unsigned char *wg = w + (j * k + g * group) / 2;
    i64 t = 0;
    if (words) {
      for (; t + 8 <= group; t += 8) {
        const u32 packed = *reinterpret_cast<const u32 *>(wg + t / 2);
        const int low = widen4(packed & 0xffffu), high = widen4(packed >> 16);
        sum = __dp4a(*reinterpret_cast<const int *>(xg + t), low, sum);
        sum = __dp4a(*reinterpret_cast<const int *>(xg + t + 4), high, sum);
        codes = __dp4a(0x01010101, low, codes);
        codes = __dp4a(0x01010101, high, codes);
      }
    }
    for (; t < group; t++) {
      const i64 e = g * group + t;
      const int code = nibble_value(w[(j * k + e) / 2], static_cast<int>(e & 1));
      sum += xg[t] * code;
      codes += code;
    }
    acc = __fmaf_rn(__int2float_rn(sum - zero * codes), T::load(w_scale, j * (k / group) + g), acc);
  }
  T::store(y, i * n + j, __fmul_rn(acc, T::load(x_scale, i)));
}

#define ENTRIES(format, Format)                                                                                        \
  extern "C" __global__ void __launch_bounds__(256)                                                                    \
      linear_plain_##format(const void *x, const void *w, void *y, i64 m, i64 n, i64 k) {                              \
    linear_plain<Format>(x, w, y, m, n, k);                                                                            \
  }                                                                                                                    \
  extern "C" __global__ void __launch_bounds__(256)                                                                    \
      linear_i8_i4_##format(const signed char *x, const void *x_scale, const signed char *zero_point,                  \
                            const unsigned char *w, const void *w_scale, void *y, i64 m, i64 n, i64 k, i64 group) {    \
    linear_i8_i4<Format>(x, x_scale, zero_point, w, w_scale, y, m, n, k, group);                                       \
  }

// The module is compiled once a model format.
#define EXPAND(macro, ...) macro(__VA_ARGS__)
EXPAND(ENTRIES, SB_DTYPE, SB_FORMAT)
