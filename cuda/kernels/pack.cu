// pack_i4: int4 codes, a byte each, to nibbles: two elements of a row to a byte; cols is even.
#include "nibble.cuh"

extern "C" __global__ void __launch_bounds__(1024)
    pack_i4(const signed char *codes, unsigned char *packed, i64 rows, i64 cols, i64 codes_stride, int high_first) {
  for (i64 row = static_cast<i64>(blockIdx.x) * blockDim.y + threadIdx.y; row < rows;
       row += static_cast<i64>(gridDim.x) * blockDim.y) {
    const signed char *from = codes + row * codes_stride;
    unsigned char *to = packed + row * (codes_stride / 2);
    for (i64 i = threadIdx.x; i < cols / 2; i += blockDim.x) {
      const u32 even = from[2 * i] & 15u, odd = from[2 * i + 1] & 15u;
      to[i] = static_cast<unsigned char>(high_first ? even << 4 | odd : even | odd << 4);
    }
  }
}
