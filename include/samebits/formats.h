/* Number formats: their names, widths and limits, and one conversion each way.
 *
 * A value of a floating-point format is held in memory as its bits (uint8_t, uint16_t, float, double). i4, u4 and e2m1
 * are two to a byte, the even element in the low nibble. Encoding rounds to nearest, ties to even, once. */
#ifndef SAMEBITS_FORMATS_H
#define SAMEBITS_FORMATS_H

#include "samebits/status.h"
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

typedef enum sb_format {
  SB_F32,
  SB_F16,
  SB_BF16,
  SB_F64, /* IEEE binary32, binary16, bfloat16, binary64 */
  SB_E4M3,
  SB_E5M2, /* OCP FP8: e4m3fn (max 448, no infinity) and e5m2 */
  SB_E8M0,
  SB_E2M1, /* OCP MX: power-of-two scale (0xff is NaN) and FP4 */
  SB_I4,
  SB_U4,
  SB_I8,
  SB_U8,
  SB_I16,
  SB_U16,
  SB_I32,
  SB_U32,
  SB_I64,
  SB_U64,
  SB_BOOL,
  SB_FORMATS
} sb_format;

typedef struct sb_format_info {
  const char *name;        /* "bf16": as in case strings and metadata */
  const char *safetensors; /* "BF16": as in a safetensors header; NULL where that file format has no such type */
  int bits;                /* width of one element in memory */
  bool is_float;
} sb_format_info;

/* Facts about a format; `format` is one of the enumerators. */
const sb_format_info *sb_format_of(sb_format format);

/* Looks up "bf16" (or "BF16", the safetensors name). SB_USAGE names the unknown word. */
sb_status sb_format_parse(const char *name, sb_format *format);

/* Bytes that `count` elements take (two nibbles to a byte, rounded up); -1 where that overflows int64_t. */
int64_t sb_format_bytes(sb_format format, int64_t count);

static inline uint32_t sb_f32_bits(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}
static inline float sb_f32_from_bits(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}
static inline uint64_t sb_f64_bits(double value) {
  uint64_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}
static inline double sb_f64_from_bits(uint64_t bits) {
  double value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

/* Narrowing of an f32, one rounding to nearest even. f16, bf16: overflow gives infinity, NaN the positive quiet NaN.
 * e4m3 `_nan`: above 464 NaN, as PyTorch's cast through 2.12 (c10 Float8_e4m3fn.h); `_sat`: clamped to +-448, NaN kept,
 * as torchao clamps first and as cvt.rn.satfinite does. e5m2 `_inf`: overflow gives infinity; `_sat`: clamped to
 * +-57344. e2m1: saturates at +-6, NaN gives +6 (cvt.rn.satfinite.e2m1x2). e8m0: 2^k of a positive power of two,
 * rounded up to a power of two otherwise (`_up`) or down (`_down`); 0 and below give 0 (2^-127), NaN 0xff. */
uint16_t sb_f32_to_f16(float value);
uint16_t sb_f32_to_bf16(float value);
uint8_t sb_f32_to_e4m3_nan(float value);
uint8_t sb_f32_to_e4m3_sat(float value);
uint8_t sb_f32_to_e5m2_inf(float value);
uint8_t sb_f32_to_e5m2_sat(float value);
uint8_t sb_f32_to_e2m1(float value);
uint8_t sb_f32_to_e8m0_up(float value);
uint8_t sb_f32_to_e8m0_down(float value);
uint16_t sb_f64_to_f16(double value);
uint16_t sb_f64_to_bf16(double value);

/* Widening, exact. */
float sb_f16_to_f32(uint16_t bits);
float sb_bf16_to_f32(uint16_t bits);
float sb_e4m3_to_f32(uint8_t bits);
float sb_e5m2_to_f32(uint8_t bits);
float sb_e2m1_to_f32(uint8_t bits); /* the low nibble */
float sb_e8m0_to_f32(uint8_t bits);

/* Element `index` of an array in `format`. Floating-point formats and integers up to 53 bits are exact in the f64;
 * sb_load_int takes integer formats only. sb_store rounds to nearest even (f16, bf16, e5m2: to infinity; e4m3: to NaN
 * above 464; e2m1, e8m0 and integers: saturating, NaN to 0 for integers). */
double sb_load(sb_format format, const void *data, int64_t index);
int64_t sb_load_int(sb_format format, const void *data, int64_t index);
void sb_store(sb_format format, void *data, int64_t index, double value);
void sb_store_int(sb_format format, void *data, int64_t index, int64_t value);

/* The bits of element `index`, zero-extended: what comparison and digests look at. */
uint64_t sb_load_bits(sb_format format, const void *data, int64_t index);

/* finfo(format).eps and finfo(format).smallest_normal of f32, f16, bf16 and f64. */
double sb_format_eps(sb_format format);
double sb_format_smallest_normal(sb_format format);

#endif
