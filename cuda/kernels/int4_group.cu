// Entries of int4 per group, symmetric: <op>_group_<from>_<to>[_<flavor>].
#include "int4_group.cuh"

#define ENTRY extern "C" __global__ void __launch_bounds__(512, 1)

#define SHARED_ENTRIES(format, Format)                                                                                 \
  ENTRY quantize_group_##format##_i4(const void *x, void *scale, void *codes, void *packed, i64 rows, i64 cols,        \
                                     i64 group, i64 x_stride, i64 codes_stride, i64 scale_row_stride,                  \
                                     i64 scale_group_stride, int high_first) {                                         \
    group_step<Int4Group<Format, Aligned>, QUANTIZE>(                                                                  \
        x, scale, nullptr, codes, packed, nullptr,                                                                     \
        {rows, cols, group, x_stride, codes_stride, 0, scale_row_stride, scale_group_stride, high_first});             \
  }                                                                                                                    \
  ENTRY dequantize_group_i4_##format(const void *codes, const void *packed, const void *scale, void *output, i64 rows, \
                                     i64 cols, i64 group, i64 codes_stride, i64 output_stride, i64 scale_row_stride,   \
                                     i64 scale_group_stride, int high_first) {                                         \
    group_dequantize<Int4Group<Format, Aligned>>(                                                                      \
        codes, packed, scale, nullptr, output,                                                                         \
        {rows, cols, group, 0, codes_stride, output_stride, scale_row_stride, scale_group_stride, high_first});        \
  }

#define FLAVOR_ENTRIES(format, Format, flavor, Flavor)                                                                 \
  ENTRY choose_qparams_group_##format##_i4_##flavor(const void *x, void *scale, void *zero_point, i64 rows, i64 cols,  \
                                                    i64 group, i64 x_stride, i64 scale_row_stride,                     \
                                                    i64 scale_group_stride) {                                          \
    group_step<Int4Group<Format, Flavor>, CHOOSE>(                                                                     \
        x, scale, zero_point, nullptr, nullptr, nullptr,                                                               \
        {rows, cols, group, x_stride, 0, 0, scale_row_stride, scale_group_stride, 0});                                 \
  }                                                                                                                    \
  ENTRY prepare_group_##format##_i4_##flavor(const void *x, void *scale, void *zero_point, void *output, i64 rows,     \
                                             i64 cols, i64 group, i64 x_stride, i64 output_stride,                     \
                                             i64 scale_row_stride, i64 scale_group_stride) {                           \
    group_step<Int4Group<Format, Flavor>, PREPARE>(                                                                    \
        x, scale, zero_point, nullptr, nullptr, output,                                                                \
        {rows, cols, group, x_stride, 0, output_stride, scale_row_stride, scale_group_stride, 0});                     \
  }                                                                                                                    \
  ENTRY convert_group_##format##_i4_##flavor(const void *x, void *scale, void *zero_point, void *codes, void *packed,  \
                                             i64 rows, i64 cols, i64 group, i64 x_stride, i64 codes_stride,            \
                                             i64 scale_row_stride, i64 scale_group_stride, int high_first) {           \
    group_step<Int4Group<Format, Flavor>, CONVERT>(                                                                    \
        x, scale, zero_point, codes, packed, nullptr,                                                                  \
        {rows, cols, group, x_stride, codes_stride, 0, scale_row_stride, scale_group_stride, high_first});             \
  }

#define ENTRIES(format, Format)                                                                                        \
  SHARED_ENTRIES(format, Format)                                                                                       \
  FLAVOR_ENTRIES(format, Format, aligned, Aligned)                                                                     \
  FLAVOR_ENTRIES(format, Format, torchao, Torchao)

// The module is compiled once a model format.
#define EXPAND(macro, ...) macro(__VA_ARGS__)
EXPAND(ENTRIES, SB_DTYPE, SB_FORMAT)
