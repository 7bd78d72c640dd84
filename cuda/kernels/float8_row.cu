// Entries of float8 per row: <op>_row_<from>_<to>[_<form>].
#include "float8_row.cuh"

#define ENTRY extern "C" __global__ void __launch_bounds__(512, 1)

#define SHARED_ENTRIES(format, Format)                                                                                 \
  ENTRY quantize_row_##format##_e4m3(const void *x, void *scale, void *codes, i64 rows, i64 cols, i64 x_stride,        \
                                     i64 codes_stride) {                                                               \
    row_step<Float8Row<Format, RowAligned>, QUANTIZE>(x, scale, nullptr, codes, rows, cols, x_stride, codes_stride);   \
  }                                                                                                                    \
  ENTRY dequantize_row_e4m3_##format(const void *codes, const void *scale, void *output, i64 rows, i64 cols,           \
                                     i64 codes_stride, i64 output_stride) {                                            \
    row_dequantize<Float8Row<Format, RowAligned>>(codes, scale, nullptr, output, rows, cols, codes_stride,             \
                                                  output_stride);                                                      \
  }

#define FORM_ENTRIES(format, Format, form, Form)                                                                       \
  ENTRY choose_qparams_row_##format##_##form(const void *x, void *scale, i64 rows, i64 cols, i64 x_stride) {           \
    row_step<Float8Row<Format, Form>, CHOOSE>(x, scale, nullptr, nullptr, rows, cols, x_stride, 0);                    \
  }                                                                                                                    \
  ENTRY prepare_row_##format##_e4m3_##form(const void *x, void *scale, void *output, i64 rows, i64 cols, i64 x_stride, \
                                           i64 output_stride) {                                                        \
    row_step<Float8Row<Format, Form>, PREPARE>(x, scale, nullptr, output, rows, cols, x_stride, output_stride);        \
  }                                                                                                                    \
  ENTRY convert_row_##format##_e4m3_##form(const void *x, void *scale, void *codes, i64 rows, i64 cols, i64 x_stride,  \
                                           i64 codes_stride) {                                                         \
    row_step<Float8Row<Format, Form>, CONVERT>(x, scale, nullptr, codes, rows, cols, x_stride, codes_stride);          \
  }

#define ENTRIES(format, Format)                                                                                        \
  SHARED_ENTRIES(format, Format)                                                                                       \
  FORM_ENTRIES(format, Format, aligned, RowAligned)                                                                    \
  FORM_ENTRIES(format, Format, torchao, RowTorchao)                                                                    \
  FORM_ENTRIES(format, Format, mslk, RowMslk)

// The module is compiled once a model format.
#define EXPAND(macro, ...) macro(__VA_ARGS__)
EXPAND(ENTRIES, SB_DTYPE, SB_FORMAT)
