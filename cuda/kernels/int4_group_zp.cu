// Entries of int4 per group with a floating-point zero point: <op>_groupzp_<from>_<to>[_<flavor>].
// choose_qparams and quantize keep scale and zero_point in f32, as computed; convert stores them in the model's format,
// and dequantize_groupzp_i4_<to> reads them so. dequantize_..._<flavor> reads what choose_qparams gave.
#include "int4_group_zp.cuh"

#define ENTRY extern "C" __global__ void __launch_bounds__(512, 1)

// f32 in memory, used as convert would have stored it.
template <class T> struct RoundedTo {
  static __device__ __forceinline__ float load(const void *base, i64 index) { return T::round(F32::load(base, index)); }
};

#define DEQUANTIZE(format, Format, suffix, Kept)                                                                       \
  ENTRY dequantize_groupzp_i4_##format##suffix(const void *codes, const void *packed, const void *scale,               \
                                               const void *zero_point, void *output, i64 rows, i64 cols, i64 group,    \
                                               i64 codes_stride, i64 output_stride, i64 scale_row_stride,              \
                                               i64 scale_group_stride, int high_first) {                               \
    group_dequantize<Int4GroupZpIn<Format, Aligned, Kept>>(                                                            \
        codes, packed, scale, zero_point, output,                                                                      \
        {rows, cols, group, 0, codes_stride, output_stride, scale_row_stride, scale_group_stride, high_first});        \
  }

#define SHARED_ENTRIES(format, Format)                                                                                 \
  ENTRY quantize_groupzp_##format##_i4(const void *x, void *scale, void *zero_point, void *codes, void *packed,        \
                                       i64 rows, i64 cols, i64 group, i64 x_stride, i64 codes_stride,                  \
                                       i64 scale_row_stride, i64 scale_group_stride, int high_first) {                 \
    group_step<Int4GroupZpIn<Format, Aligned, F32>, QUANTIZE>(                                                         \
        x, scale, zero_point, codes, packed, nullptr,                                                                  \
        {rows, cols, group, x_stride, codes_stride, 0, scale_row_stride, scale_group_stride, high_first});             \
  }                                                                                                                    \
  DEQUANTIZE(format, Format, , Format)                                                                                 \
  DEQUANTIZE(format, Format, _aligned, RoundedTo<Format>)                                                              \
  DEQUANTIZE(format, Format, _torchao, F32)

#define FLAVOR_ENTRIES(format, Format, flavor, Flavor, PrepareKept)                                                    \
  ENTRY choose_qparams_groupzp_##format##_i4_##flavor(const void *x, void *scale, void *zero_point, i64 rows,          \
                                                      i64 cols, i64 group, i64 x_stride, i64 scale_row_stride,         \
                                                      i64 scale_group_stride) {                                        \
    group_step<Int4GroupZpIn<Format, Flavor, F32>, CHOOSE>(                                                            \
        x, scale, zero_point, nullptr, nullptr, nullptr,                                                               \
        {rows, cols, group, x_stride, 0, 0, scale_row_stride, scale_group_stride, 0});                                 \
  }                                                                                                                    \
  ENTRY prepare_groupzp_##format##_i4_##flavor(const void *x, void *scale, void *zero_point, void *output, i64 rows,   \
                                               i64 cols, i64 group, i64 x_stride, i64 output_stride,                   \
                                               i64 scale_row_stride, i64 scale_group_stride) {                         \
    group_step<Int4GroupZpIn<Format, Flavor, PrepareKept>, PREPARE>(                                                   \
        x, scale, zero_point, nullptr, nullptr, output,                                                                \
        {rows, cols, group, x_stride, 0, output_stride, scale_row_stride, scale_group_stride, 0});                     \
  }                                                                                                                    \
  ENTRY convert_groupzp_##format##_i4_##flavor(                                                                        \
      const void *x, void *scale, void *zero_point, void *codes, void *packed, i64 rows, i64 cols, i64 group,          \
      i64 x_stride, i64 codes_stride, i64 scale_row_stride, i64 scale_group_stride, int high_first) {                  \
    group_step<Int4GroupZpIn<Format, Flavor, Format>, CONVERT>(                                                        \
        x, scale, zero_point, codes, packed, nullptr,                                                                  \
        {rows, cols, group, x_stride, codes_stride, 0, scale_row_stride, scale_group_stride, high_first});             \
  }

#define ENTRIES(format, Format)                                                                                        \
  SHARED_ENTRIES(format, Format)                                                                                       \
  FLAVOR_ENTRIES(format, Format, aligned, Aligned, Format)                                                             \
  FLAVOR_ENTRIES(format, Format, torchao, Torchao, F32)

// The module is compiled once a model format.
#define EXPAND(macro, ...) macro(__VA_ARGS__)
EXPAND(ENTRIES, SB_DTYPE, SB_FORMAT)
