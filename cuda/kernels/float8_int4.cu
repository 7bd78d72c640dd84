// Entries of float8 per row, then int4 per group: <op>_rowgroup_<from>_<to>[_<form>].
// choose_qparams keeps the group scale as computed (f32; torchao: in the model's format); convert stores it as e4m3,
// and dequantize_rowgroup_i4_<to> reads it so. dequantize_..._<form> reads what choose_qparams gave.
#include "float8_int4.cuh"

#define ENTRY extern "C" __global__ void __launch_bounds__(512, 1)

#define DEQUANTIZE(format, suffix, ...)                                                                                \
  ENTRY dequantize_rowgroup_i4_##format##suffix(const void *codes, const void *packed, const void *scale,              \
                                                const void *row_scale, void *output, i64 rows, i64 cols, i64 group,    \
                                                i64 codes_stride, i64 output_stride, i64 scale_row_stride,             \
                                                i64 scale_group_stride, int high_first) {                              \
    group_dequantize<__VA_ARGS__>(                                                                                     \
        codes, packed, scale, row_scale, output,                                                                       \
        {rows, cols, group, 0, codes_stride, output_stride, scale_row_stride, scale_group_stride, high_first});        \
  }

#define OPERATIONS(format, form, ...)                                                                                  \
  ENTRY quantize_rowgroup_##format##_i4_##form(const void *x, void *scale, void *row_scale, void *codes, void *packed, \
                                               i64 rows, i64 cols, i64 group, i64 x_stride, i64 codes_stride,          \
                                               i64 scale_row_stride, i64 scale_group_stride, int high_first) {         \
    float8_int4_step<__VA_ARGS__, QUANTIZE>(                                                                           \
        x, scale, row_scale, codes, packed, nullptr,                                                                   \
        {rows, cols, group, x_stride, codes_stride, 0, scale_row_stride, scale_group_stride, high_first});             \
  }                                                                                                                    \
  ENTRY choose_qparams_rowgroup_##format##_i4_##form(const void *x, void *scale, void *row_scale, i64 rows, i64 cols,  \
                                                     i64 group, i64 x_stride, i64 scale_row_stride,                    \
                                                     i64 scale_group_stride) {                                         \
    float8_int4_step<__VA_ARGS__, CHOOSE>(                                                                             \
        x, scale, row_scale, nullptr, nullptr, nullptr,                                                                \
        {rows, cols, group, x_stride, 0, 0, scale_row_stride, scale_group_stride, 0});                                 \
  }

#define PREPARE_ENTRY(format, form, ...)                                                                               \
  ENTRY prepare_rowgroup_##format##_i4_##form(const void *x, void *scale, void *row_scale, void *output, i64 rows,     \
                                              i64 cols, i64 group, i64 x_stride, i64 output_stride,                    \
                                              i64 scale_row_stride, i64 scale_group_stride) {                          \
    float8_int4_step<__VA_ARGS__, Op::PREPARE>(                                                                        \
        x, scale, row_scale, nullptr, nullptr, output,                                                                 \
        {rows, cols, group, x_stride, 0, output_stride, scale_row_stride, scale_group_stride, 0});                     \
  }

#define CONVERT_ENTRY(format, form, ...)                                                                               \
  ENTRY convert_rowgroup_##format##_i4_##form(const void *x, void *scale, void *row_scale, void *codes, void *packed,  \
                                              i64 rows, i64 cols, i64 group, i64 x_stride, i64 codes_stride,           \
                                              i64 scale_row_stride, i64 scale_group_stride, int high_first) {          \
    float8_int4_step<__VA_ARGS__, Op::CONVERT>(                                                                        \
        x, scale, row_scale, codes, packed, nullptr,                                                                   \
        {rows, cols, group, x_stride, codes_stride, 0, scale_row_stride, scale_group_stride, high_first});             \
  }

template <class T> using AlignedCodes = Float8Int4Codes<T, RowAligned>;
template <class T> using MslkCodes = Float8Int4Codes<T, RowMslk>;

#define ENTRIES(format, Format)                                                                                        \
  DEQUANTIZE(format, , Float8Int4In<AlignedCodes<Format>, E4M3>)                                                       \
  DEQUANTIZE(format, _aligned, Float8Int4In<AlignedCodes<Format>, F32>)                                                \
  DEQUANTIZE(format, _torchao, Float8Int4In<Float8Int4Values<Format>, Format>)                                         \
  OPERATIONS(format, aligned, Float8Int4In<AlignedCodes<Format>, F32>)                                                 \
  OPERATIONS(format, torchao, Float8Int4In<Float8Int4Values<Format>, Format>)                                          \
  PREPARE_ENTRY(format, aligned, Float8Int4In<AlignedCodes<Format>, E4M3>)                                             \
  PREPARE_ENTRY(format, torchao, Float8Int4In<Float8Int4Values<Format>, Format>)                                       \
  CONVERT_ENTRY(format, aligned, Float8Int4In<AlignedCodes<Format>, E4M3>)                                             \
  CONVERT_ENTRY(format, mslk, Float8Int4In<MslkCodes<Format>, E4M3>)

// The module is compiled once a model format.
#define EXPAND(macro, ...) macro(__VA_ARGS__)
EXPAND(ENTRIES, SB_DTYPE, SB_FORMAT)
