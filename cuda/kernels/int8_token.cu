// Entries of int8 per token: <op>_token_<from>_<to>[_<flavor>].
#include "int8_token.cuh"

#define ENTRY extern "C" __global__ void __launch_bounds__(512, 1)

// What the flavors share: quantize and dequantize take their qparams as given.
#define SHARED_ENTRIES(format, Format)                                                                                 \
  ENTRY quantize_token_##format##_i8(const void *x, void *scale, void *zero_point, void *codes, i64 rows, i64 cols,    \
                                     i64 x_stride, i64 codes_stride) {                                                 \
    row_step<Int8Token<Format, Aligned>, QUANTIZE>(x, scale, zero_point, codes, rows, cols, x_stride, codes_stride);   \
  }                                                                                                                    \
  ENTRY dequantize_token_i8_##format(const void *codes, const void *scale, const void *zero_point, void *output,       \
                                     i64 rows, i64 cols, i64 codes_stride, i64 output_stride) {                        \
    row_dequantize<Int8Token<Format, Aligned>>(codes, scale, zero_point, output, rows, cols, codes_stride,             \
                                               output_stride);                                                         \
  }

#define FLAVOR_ENTRIES(format, Format, flavor, Flavor)                                                                 \
  ENTRY choose_qparams_token_##format##_##flavor(const void *x, void *scale, void *zero_point, i64 rows, i64 cols,     \
                                                 i64 x_stride) {                                                       \
    row_step<Int8Token<Format, Flavor>, CHOOSE>(x, scale, zero_point, nullptr, rows, cols, x_stride, 0);               \
  }                                                                                                                    \
  ENTRY prepare_token_##format##_i8_##flavor(const void *x, void *scale, void *zero_point, void *output, i64 rows,     \
                                             i64 cols, i64 x_stride, i64 output_stride) {                              \
    row_step<Int8Token<Format, Flavor>, PREPARE>(x, scale, zero_point, output, rows, cols, x_stride, output_stride);   \
  }                                                                                                                    \
  ENTRY convert_token_##format##_i8_##flavor(const void *x, void *scale, void *zero_point, void *codes, i64 rows,      \
                                             i64 cols, i64 x_stride, i64 codes_stride) {                               \
    row_step<Int8Token<Format, Flavor>, CONVERT>(x, scale, zero_point, codes, rows, cols, x_stride, codes_stride);     \
  }

#define ENTRIES(format, Format)                                                                                        \
  SHARED_ENTRIES(format, Format)                                                                                       \
  FLAVOR_ENTRIES(format, Format, aligned, Aligned)                                                                     \
  FLAVOR_ENTRIES(format, Format, torchao, Torchao)

// The module is compiled once a model format.
#define EXPAND(macro, ...) macro(__VA_ARGS__)
EXPAND(ENTRIES, SB_DTYPE, SB_FORMAT)
