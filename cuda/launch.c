/* Which kernel, grid, block and parameters compute a step of a recipe: one row a kernel. The same rows serve both
 * drivers. */
#include "samebits/kernels.h"

/* A tensor row is taken by BX threads, 32 elements each where it fits; a block has BY rows, so that it has 128 threads
 * or more. */
#define BX     "min(512,ceil(cols/1024)*32)"
#define BY     "max(1,floor(128/" BX "))"
#define BLOCKS "min(2147483647,ceil(rows/" BY "))"
/* Group steps also split a long row, in pieces of 32 * BX elements. */
#define PIECES "min(65535,ceil(cols/(32*" BX ")))"

#define BY_ROWS   .grid = {BLOCKS}, .block = {BX, BY}
#define BY_GROUPS .grid = {BLOCKS, PIECES}, .block = {BX, BY}

#define SHAPE     " i64:rows i64:cols"
#define GROUP     SHAPE " i64:group"
#define SCALES    " i64:scale_row_stride i64:scale_group_stride"
#define TO_OUTPUT .only_for = "output"

/* ---- activations of int8-dynamic-act-int4-weight ---- */
#define INT8_TOKEN(step_, flavor_, entry_, args_, ...)                                                                 \
  {                                                                                                                    \
    .recipe = "int8-dynamic-act-int4-weight", .side = SB_ACTIVATION, .step = step_, .flavor = flavor_, .variant = "",  \
    .file = "int8_token_{dtype}", .entry = entry_, .args = args_, BY_ROWS, __VA_ARGS__                                 \
  }
#define INT8_TOKEN_FLAVOR(flavor, name)                                                                                \
  INT8_TOKEN(SB_CHOOSE_QPARAMS, flavor, "choose_qparams_token_{dtype}_" name,                                          \
             "x scale zero_point" SHAPE " i64:x_stride"),                                                              \
      INT8_TOKEN(SB_QUANTIZE, flavor, "quantize_token_{dtype}_i8",                                                     \
                 "x scale zero_point codes" SHAPE " i64:x_stride i64:codes_stride"),                                   \
      INT8_TOKEN(SB_DEQUANTIZE, flavor, "dequantize_token_i8_{dtype}",                                                 \
                 "codes scale zero_point output" SHAPE " i64:codes_stride i64:output_stride"),                         \
      INT8_TOKEN(SB_PREPARE, flavor, "prepare_token_{dtype}_i8_" name,                                                 \
                 "x scale zero_point output" SHAPE " i64:x_stride i64:output_stride"),                                 \
      INT8_TOKEN(SB_CONVERT, flavor, "convert_token_{dtype}_i8_" name,                                                 \
                 "x scale zero_point codes" SHAPE " i64:x_stride i64:codes_stride"),                                   \
      INT8_TOKEN(SB_CONVERT, flavor, "dequantize_token_i8_{dtype}",                                                    \
                 "codes scale zero_point output" SHAPE " i64:codes_stride i64:output_stride", TO_OUTPUT)

/* ---- weights with a scale a group. The kernels pack whole bytes of a group: of an odd one the codes are packed after.
 * ---- */
#define EVEN         .when = "group % 2 == 0"
#define ODD          .when = "group % 2 == 1"
#define PACK_ODD     .only_for = "packed", .when = "group % 2 == 1 && cols % 2 == 0"
#define PACK_ARGS    "codes packed" SHAPE " i64:codes_stride i32:high_first"
#define X_TO_CODES   GROUP " i64:x_stride i64:codes_stride" SCALES " i32:high_first"
#define CODES_TO_Y   GROUP " i64:codes_stride i64:output_stride" SCALES " i32:high_first"
#define X_TO_Y       GROUP " i64:x_stride i64:output_stride" SCALES
#define X_TO_QPARAMS GROUP " i64:x_stride" SCALES

#define INT4_GROUP(step_, flavor_, file_, entry_, args_, ...)                                                          \
  {                                                                                                                    \
    .recipe = "int8-dynamic-act-int4-weight", .side = SB_WEIGHT, .step = step_, .flavor = flavor_, .variant = "",      \
    .file = file_, .entry = entry_, .args = args_, BY_GROUPS, __VA_ARGS__                                              \
  }
#define INT4_GROUP_FLAVOR(flavor, name)                                                                                \
  INT4_GROUP(SB_CHOOSE_QPARAMS, flavor, "int4_group_{dtype}", "choose_qparams_group_{dtype}_i4_" name,                 \
             "x scale zero_point" X_TO_QPARAMS),                                                                       \
      INT4_GROUP(SB_QUANTIZE, flavor, "int4_group_{dtype}", "quantize_group_{dtype}_i4",                               \
                 "x scale codes packed" X_TO_CODES),                                                                   \
      INT4_GROUP(SB_DEQUANTIZE, flavor, "int4_group_{dtype}", "dequantize_group_i4_{dtype}",                           \
                 "codes packed scale output" CODES_TO_Y),                                                              \
      INT4_GROUP(SB_PREPARE, flavor, "int4_group_{dtype}", "prepare_group_{dtype}_i4_" name,                           \
                 "x scale zero_point output" X_TO_Y),                                                                  \
      INT4_GROUP(SB_CONVERT, flavor, "int4_group_{dtype}", "convert_group_{dtype}_i4_" name,                           \
                 "x scale zero_point codes packed" X_TO_CODES, EVEN),                                                  \
      INT4_GROUP(SB_CONVERT, flavor, "int4_group_{dtype}", "convert_group_{dtype}_i4_" name,                           \
                 "x scale zero_point codes u64:0" X_TO_CODES, ODD),                                                    \
      INT4_GROUP(SB_CONVERT, flavor, "pack", "pack_i4", PACK_ARGS, PACK_ODD),                                          \
      INT4_GROUP(SB_CONVERT, flavor, "int4_group_{dtype}", "dequantize_group_i4_{dtype}",                              \
                 "codes packed scale output" CODES_TO_Y, TO_OUTPUT)

#define INT4_ZP(step_, flavor_, file_, entry_, args_, ...)                                                             \
  {                                                                                                                    \
    .recipe = "int4-weight-only", .side = SB_WEIGHT, .step = step_, .flavor = flavor_, .variant = "", .file = file_,   \
    .entry = entry_, .args = args_, BY_GROUPS, __VA_ARGS__                                                             \
  }
#define INT4_ZP_FLAVOR(flavor, name)                                                                                   \
  INT4_ZP(SB_CHOOSE_QPARAMS, flavor, "int4_group_zp_{dtype}", "choose_qparams_groupzp_{dtype}_i4_" name,               \
          "x scale zero_point" X_TO_QPARAMS),                                                                          \
      INT4_ZP(SB_QUANTIZE, flavor, "int4_group_zp_{dtype}", "quantize_groupzp_{dtype}_i4",                             \
              "x scale zero_point codes packed" X_TO_CODES),                                                           \
      INT4_ZP(SB_DEQUANTIZE, flavor, "int4_group_zp_{dtype}", "dequantize_groupzp_i4_{dtype}_" name,                   \
              "codes packed scale zero_point output" CODES_TO_Y),                                                      \
      INT4_ZP(SB_PREPARE, flavor, "int4_group_zp_{dtype}", "prepare_groupzp_{dtype}_i4_" name,                         \
              "x scale zero_point output" X_TO_Y),                                                                     \
      INT4_ZP(SB_CONVERT, flavor, "int4_group_zp_{dtype}", "convert_groupzp_{dtype}_i4_" name,                         \
              "x scale zero_point codes packed" X_TO_CODES, EVEN),                                                     \
      INT4_ZP(SB_CONVERT, flavor, "int4_group_zp_{dtype}", "convert_groupzp_{dtype}_i4_" name,                         \
              "x scale zero_point codes u64:0" X_TO_CODES, ODD),                                                       \
      INT4_ZP(SB_CONVERT, flavor, "pack", "pack_i4", PACK_ARGS, PACK_ODD),                                             \
      INT4_ZP(SB_CONVERT, flavor, "int4_group_zp_{dtype}", "dequantize_groupzp_i4_{dtype}",                            \
              "codes packed scale zero_point output" CODES_TO_Y, TO_OUTPUT)

/* ---- float8 per row ---- */
#define FLOAT8_ROW(recipe_, side_, step_, flavor_, variant_, entry_, args_, ...)                                       \
  {                                                                                                                    \
    .recipe = recipe_, .side = side_, .step = step_, .flavor = flavor_, .variant = variant_,                           \
    .file = "float8_row_{dtype}", .entry = entry_, .args = args_, BY_ROWS, __VA_ARGS__                                 \
  }
#define FLOAT8_ROW_SIDE(recipe, side, flavor, variant, prepare, convert)                                               \
  FLOAT8_ROW(recipe, side, SB_CHOOSE_QPARAMS, flavor, variant, "choose_qparams_row_{dtype}_" prepare,                  \
             "x scale" SHAPE " i64:x_stride"),                                                                         \
      FLOAT8_ROW(recipe, side, SB_QUANTIZE, flavor, variant, "quantize_row_{dtype}_e4m3",                              \
                 "x scale codes" SHAPE " i64:x_stride i64:codes_stride"),                                              \
      FLOAT8_ROW(recipe, side, SB_DEQUANTIZE, flavor, variant, "dequantize_row_e4m3_{dtype}",                          \
                 "codes scale output" SHAPE " i64:codes_stride i64:output_stride"),                                    \
      FLOAT8_ROW(recipe, side, SB_PREPARE, flavor, variant, "prepare_row_{dtype}_e4m3_" prepare,                       \
                 "x scale output" SHAPE " i64:x_stride i64:output_stride"),                                            \
      FLOAT8_ROW(recipe, side, SB_CONVERT, flavor, variant, "convert_row_{dtype}_e4m3_" convert,                       \
                 "x scale codes" SHAPE " i64:x_stride i64:codes_stride"),                                              \
      FLOAT8_ROW(recipe, side, SB_CONVERT, flavor, variant, "dequantize_row_e4m3_{dtype}",                             \
                 "codes scale output" SHAPE " i64:codes_stride i64:output_stride", TO_OUTPUT)

#define FLOAT8 "float8-dynamic-act-float8-weight"
#define MIXED  "float8-dynamic-act-int4-weight"

/* ---- the weight of float8-dynamic-act-int4-weight ---- */
#define ROWGROUP(step_, flavor_, file_, entry_, args_, ...)                                                            \
  {                                                                                                                    \
    .recipe = MIXED, .side = SB_WEIGHT, .step = step_, .flavor = flavor_, .variant = "", .file = file_,                \
    .entry = entry_, .args = args_, __VA_ARGS__                                                                        \
  }
#define ROWGROUP_FLAVOR(flavor, name, convert)                                                                         \
  ROWGROUP(SB_CHOOSE_QPARAMS, flavor, "float8_int4_{dtype}", "choose_qparams_rowgroup_{dtype}_i4_" name,               \
           "x scale row_scale" X_TO_QPARAMS, BY_ROWS),                                                                 \
      ROWGROUP(SB_QUANTIZE, flavor, "float8_int4_{dtype}", "quantize_rowgroup_{dtype}_i4_" name,                       \
               "x scale row_scale codes packed" X_TO_CODES, BY_ROWS),                                                  \
      ROWGROUP(SB_DEQUANTIZE, flavor, "float8_int4_{dtype}", "dequantize_rowgroup_i4_{dtype}_" name,                   \
               "codes packed scale row_scale output" CODES_TO_Y, BY_GROUPS),                                           \
      ROWGROUP(SB_PREPARE, flavor, "float8_int4_{dtype}", "prepare_rowgroup_{dtype}_i4_" name,                         \
               "x scale row_scale output" X_TO_Y, BY_ROWS),                                                            \
      ROWGROUP(SB_CONVERT, flavor, "float8_int4_{dtype}", "convert_rowgroup_{dtype}_i4_" convert,                      \
               "x scale row_scale codes packed" X_TO_CODES, BY_ROWS, EVEN),                                            \
      ROWGROUP(SB_CONVERT, flavor, "float8_int4_{dtype}", "convert_rowgroup_{dtype}_i4_" convert,                      \
               "x scale row_scale codes u64:0" X_TO_CODES, BY_ROWS, ODD),                                              \
      ROWGROUP(SB_CONVERT, flavor, "pack", "pack_i4", PACK_ARGS, BY_ROWS, PACK_ODD),                                   \
      ROWGROUP(SB_CONVERT, flavor, "float8_int4_{dtype}", "dequantize_rowgroup_i4_{dtype}",                            \
               "codes packed scale row_scale output" CODES_TO_Y, BY_GROUPS, TO_OUTPUT)

static const sb_kernel kernels[] = {
    INT8_TOKEN_FLAVOR(SB_ALIGNED, "aligned"),
    INT8_TOKEN_FLAVOR(SB_TORCHAO_0_18_CUDA, "torchao"),
    INT4_GROUP_FLAVOR(SB_ALIGNED, "aligned"),
    INT4_GROUP_FLAVOR(SB_TORCHAO_0_18_CUDA, "torchao"),
    INT4_ZP_FLAVOR(SB_ALIGNED, "aligned"),
    INT4_ZP_FLAVOR(SB_TORCHAO_0_18_CUDA, "torchao"),
    FLOAT8_ROW_SIDE(FLOAT8, SB_ACTIVATION, SB_ALIGNED, "", "aligned", "aligned"),
    FLOAT8_ROW_SIDE(FLOAT8, SB_ACTIVATION, SB_TORCHAO_0_18_CUDA, "", "torchao", "mslk"),
    FLOAT8_ROW_SIDE(FLOAT8, SB_ACTIVATION, SB_TORCHAO_0_18_CUDA, "below-sm90", "torchao", "torchao"),
    FLOAT8_ROW_SIDE(FLOAT8, SB_WEIGHT, SB_ALIGNED, "", "aligned", "aligned"),
    FLOAT8_ROW_SIDE(FLOAT8, SB_WEIGHT, SB_TORCHAO_0_18_CUDA, "", "torchao", "mslk"),
    FLOAT8_ROW_SIDE(FLOAT8, SB_WEIGHT, SB_TORCHAO_0_18_CUDA, "below-sm90", "torchao", "torchao"),
    FLOAT8_ROW_SIDE(MIXED, SB_ACTIVATION, SB_ALIGNED, "", "aligned", "aligned"),
    FLOAT8_ROW_SIDE(MIXED, SB_ACTIVATION, SB_TORCHAO_0_18_CUDA, "", "torchao", "mslk"),
    ROWGROUP_FLAVOR(SB_ALIGNED, "aligned", "aligned"),
    ROWGROUP_FLAVOR(SB_TORCHAO_0_18_CUDA, "torchao", "mslk"),
};

int sb_kernel_count(void) { return (int)(sizeof kernels / sizeof *kernels); }
const sb_kernel *sb_kernel_at(int index) { return &kernels[index]; }
