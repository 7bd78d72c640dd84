/* Every number format: one table row each, one decoder and one encoder that the rows parametrize.
 *
 * Written for clarity, not for speed: the loops over tensors use lanes.h, and the tests hold the two against each other
 * over all inputs. Hosts are little-endian, as the file format is. */
#include "samebits/formats.h"

#include <float.h>
#include <math.h>

static const sb_format_info infos[SB_FORMATS] = {
    [SB_F32] = {"f32", "F32", 32, true},      [SB_F16] = {"f16", "F16", 16, true},
    [SB_BF16] = {"bf16", "BF16", 16, true},   [SB_F64] = {"f64", "F64", 64, true},
    [SB_E4M3] = {"e4m3", "F8_E4M3", 8, true}, [SB_E5M2] = {"e5m2", "F8_E5M2", 8, true},
    [SB_E8M0] = {"e8m0", "F8_E8M0", 8, true}, [SB_E2M1] = {"e2m1", "F4", 4, true},
    [SB_I4] = {"i4", NULL, 4, false},         [SB_U4] = {"u4", NULL, 4, false},
    [SB_I8] = {"i8", "I8", 8, false},         [SB_U8] = {"u8", "U8", 8, false},
    [SB_I16] = {"i16", "I16", 16, false},     [SB_U16] = {"u16", "U16", 16, false},
    [SB_I32] = {"i32", "I32", 32, false},     [SB_U32] = {"u32", "U32", 32, false},
    [SB_I64] = {"i64", "I64", 64, false},     [SB_U64] = {"u64", "U64", 64, false},
    [SB_BOOL] = {"bool", "BOOL", 8, false},
};

const sb_format_info *sb_format_of(sb_format format) { return &infos[format]; }

sb_status sb_format_parse(const char *name, sb_format *format) {
  for (int i = 0; i < SB_FORMATS; i++) {
    if (strcmp(name, infos[i].name) == 0 || (infos[i].safetensors && strcmp(name, infos[i].safetensors) == 0)) {
      *format = (sb_format)i;
      return SB_OK;
    }
  }
  return sb_fail(
      SB_USAGE,
      "unknown format '%.40s' (known: f32 f16 bf16 f64 e4m3 e5m2 e8m0 e2m1 i4 u4 i8 u8 i16 u16 i32 u32 i64 u64 "
      "bool)",
      name);
}

int64_t sb_format_bytes(sb_format format, int64_t count) {
  const int bits = infos[format].bits;
  if (count < 0) return -1;
  if (bits == 4) return count / 2 + (count & 1);
  return count > INT64_MAX / (bits / 8) ? -1 : count * (bits / 8);
}

/* A sign-magnitude binary format: value = 1.m * 2^(e - bias), subnormals below. */
typedef struct layout {
  int mantissa_bits, min_exponent; /* exponent of the smallest normal */
  double max;
  uint64_t sign, infinity, nan; /* bit patterns; infinity 0: the format has none */
} layout;

static const layout layouts[SB_FORMATS] = {
    [SB_F16] = {10, -14, 65504.0, 0x8000, 0x7c00, 0x7e00},
    [SB_BF16] = {7, -126, 0x1.fep127, 0x8000, 0x7f80, 0x7fc0},
    [SB_E4M3] = {3, -6, 448.0, 0x80, 0, 0x7f},
    [SB_E5M2] = {2, -14, 57344.0, 0x80, 0x7c, 0x7f},
    [SB_E2M1] = {1, 0, 6.0, 0x8, 0, 0x7},
};

typedef enum overflow { TO_INFINITY, TO_NAN, TO_MAX } overflow;

/* 2^k, k from -1022 to 1023. */
static double power(int k) { return sb_f64_from_bits((uint64_t)(k + 1023) << 52); }

/* The bits of a finite or infinite magnitude, sign apart. */
static uint64_t encode_magnitude(const layout *l, double magnitude, overflow policy) {
  const int e = (int)(sb_f64_bits(magnitude) >> 52) - 1023; /* what is subnormal in f64 is far below min_exponent */
  const int exponent = !isinf(magnitude) && e > l->min_exponent ? e : l->min_exponent;
  /* 1: the only rounding; scaling by a power of two is exact */
  const double units = nearbyint(magnitude * power(l->mantissa_bits - exponent));
  if (isinf(magnitude) || units * power(exponent - l->mantissa_bits) > l->max) {
    if (policy == TO_INFINITY) return l->infinity;
    if (policy == TO_NAN) return l->nan;
    return encode_magnitude(l, l->max, policy);
  }
  const uint64_t hidden = UINT64_C(1) << l->mantissa_bits, whole = (uint64_t)units;
  if (whole < hidden) return whole;
  /* whole == 2 * hidden carries into the exponent field by itself */
  return whole - hidden + ((uint64_t)(exponent - l->min_exponent + 1) << l->mantissa_bits);
}

static uint64_t encode(sb_format format, double value, overflow policy) {
  const layout *l = &layouts[format];
  if (isnan(value)) return l->nan;
  return (signbit(value) ? l->sign : 0) | encode_magnitude(l, fabs(value), policy);
}

static double decode(sb_format format, uint64_t bits) {
  const layout *l = &layouts[format];
  const uint64_t magnitude = bits & (l->sign - 1), hidden = UINT64_C(1) << l->mantissa_bits;
  const double sign = bits & l->sign ? -1.0 : 1.0;
  if (l->infinity && magnitude >= l->infinity) return magnitude == l->infinity ? sign * (double)INFINITY : (double)NAN;
  if (format == SB_E4M3 && magnitude == l->nan) return (double)NAN;
  const int field = (int)(magnitude >> l->mantissa_bits);
  const uint64_t fraction = magnitude & (hidden - 1);
  if (field == 0) return sign * (double)fraction * power(l->min_exponent - l->mantissa_bits);
  return sign * (double)(fraction + hidden) * power(field - 1 + l->min_exponent - l->mantissa_bits);
}

uint16_t sb_f32_to_f16(float value) { return (uint16_t)encode(SB_F16, (double)value, TO_INFINITY); }
uint16_t sb_f32_to_bf16(float value) { return (uint16_t)encode(SB_BF16, (double)value, TO_INFINITY); }
uint8_t sb_f32_to_e4m3_nan(float value) { return (uint8_t)encode(SB_E4M3, (double)value, TO_NAN); }
uint8_t sb_f32_to_e4m3_sat(float value) { return (uint8_t)encode(SB_E4M3, (double)value, TO_MAX); }
uint8_t sb_f32_to_e5m2_inf(float value) { return (uint8_t)encode(SB_E5M2, (double)value, TO_INFINITY); }
uint8_t sb_f32_to_e5m2_sat(float value) { return (uint8_t)encode(SB_E5M2, (double)value, TO_MAX); }
uint8_t sb_f32_to_e2m1(float value) { return (uint8_t)encode(SB_E2M1, (double)value, TO_MAX); }
uint16_t sb_f64_to_f16(double value) { return (uint16_t)encode(SB_F16, value, TO_INFINITY); }
uint16_t sb_f64_to_bf16(double value) { return (uint16_t)encode(SB_BF16, value, TO_INFINITY); }

static uint8_t encode_e8m0(double value, bool up) {
  if (isnan(value)) return 0xff;
  if (value <= 0x1p-127) return 0;
  if (isinf(value)) return 0xfe;
  int e;
  const double m = frexp(value, &e); /* value = m * 2^e, m in [1/2, 1) */
  const int exponent = e - 1 + (up && m > 0.5 ? 1 : 0);
  return (uint8_t)(exponent > 127 ? 254 : exponent + 127);
}

uint8_t sb_f32_to_e8m0_up(float value) { return encode_e8m0((double)value, true); }
uint8_t sb_f32_to_e8m0_down(float value) { return encode_e8m0((double)value, false); }

float sb_f16_to_f32(uint16_t bits) { return (float)decode(SB_F16, bits); }
float sb_bf16_to_f32(uint16_t bits) { return sb_f32_from_bits((uint32_t)bits << 16); }
float sb_e4m3_to_f32(uint8_t bits) { return (float)decode(SB_E4M3, bits); }
float sb_e5m2_to_f32(uint8_t bits) { return (float)decode(SB_E5M2, bits); }
float sb_e2m1_to_f32(uint8_t bits) { return (float)decode(SB_E2M1, bits & 0xf); }
float sb_e8m0_to_f32(uint8_t bits) { return bits == 0xff ? NAN : ldexpf(1.0F, bits - 127); }

uint64_t sb_load_bits(sb_format format, const void *data, int64_t index) {
  const int bits = infos[format].bits;
  const uint8_t *bytes = data;
  if (bits == 4) return (uint64_t)(bytes[index / 2] >> (index & 1 ? 4 : 0)) & 0xf;
  uint16_t two;
  uint32_t four;
  uint64_t eight;
  switch (bits) { /* each a plain load */
  case 8:
    return bytes[index];
  case 16:
    memcpy(&two, bytes + index * 2, sizeof two);
    return two;
  case 32:
    memcpy(&four, bytes + index * 4, sizeof four);
    return four;
  default:
    memcpy(&eight, bytes + index * 8, sizeof eight);
    return eight;
  }
}

static void store_bits(sb_format format, void *data, int64_t index, uint64_t value) {
  const int bits = infos[format].bits;
  uint8_t *bytes = data;
  if (bits == 4) {
    const int shift = index & 1 ? 4 : 0;
    bytes[index / 2] = (uint8_t)((bytes[index / 2] & ~(0xf << shift)) | (int)((value & 0xf) << shift));
    return;
  }
  memcpy(bytes + index * (bits / 8), &value, (size_t)bits / 8);
}

static bool is_signed(sb_format format) {
  return format == SB_I4 || format == SB_I8 || format == SB_I16 || format == SB_I32 || format == SB_I64;
}

int64_t sb_load_int(sb_format format, const void *data, int64_t index) {
  const uint64_t value = sb_load_bits(format, data, index);
  const int unused = 64 - infos[format].bits;
  return is_signed(format) ? (int64_t)(value << unused) >> unused : (int64_t)value;
}

double sb_load(sb_format format, const void *data, int64_t index) {
  const uint64_t bits = sb_load_bits(format, data, index);
  switch (format) {
  case SB_F32:
    return (double)sb_f32_from_bits((uint32_t)bits);
  case SB_F64:
    return sb_f64_from_bits(bits);
  case SB_BF16:
    return (double)sb_bf16_to_f32((uint16_t)bits);
  case SB_E8M0:
    return (double)sb_e8m0_to_f32((uint8_t)bits);
  case SB_U64:
    return (double)bits;
  default:
    return infos[format].is_float ? decode(format, bits) : (double)sb_load_int(format, data, index);
  }
}

void sb_store_int(sb_format format, void *data, int64_t index, int64_t value) {
  store_bits(format, data, index, (uint64_t)value);
}

/* Nearest integer of the format, saturating; NaN gives 0. */
static uint64_t encode_integer(sb_format format, double value) {
  if (isnan(value)) return 0;
  if (format == SB_BOOL) return value != 0;
  const int bits = infos[format].bits;
  const bool negative = is_signed(format);
  const double whole = nearbyint(value), high = ldexp(1.0, negative ? bits - 1 : bits);
  const uint64_t most = (negative ? UINT64_MAX >> 1 : UINT64_MAX) >> (64 - bits);
  if (whole >= high) return most;
  if (whole <= (negative ? -high : 0.0)) return negative ? most + 1 : 0;
  return negative ? (uint64_t)(int64_t)whole : (uint64_t)whole;
}

void sb_store(sb_format format, void *data, int64_t index, double value) {
  uint64_t bits;
  switch (format) {
  case SB_F32:
    bits = sb_f32_bits((float)value);
    break;
  case SB_F64:
    bits = sb_f64_bits(value);
    break;
  case SB_F16:
  case SB_BF16:
  case SB_E5M2:
    bits = encode(format, value, TO_INFINITY);
    break;
  case SB_E4M3:
    bits = encode(format, value, TO_NAN);
    break;
  case SB_E2M1:
    bits = encode(format, value, TO_MAX);
    break;
  case SB_E8M0:
    bits = encode_e8m0(value, true);
    break;
  default:
    bits = encode_integer(format, value);
    break;
  }
  store_bits(format, data, index, bits);
}

double sb_format_eps(sb_format format) {
  switch (format) {
  case SB_F16:
    return 0x1p-10;
  case SB_BF16:
    return 0x1p-7;
  case SB_F64:
    return DBL_EPSILON;
  default:
    return (double)FLT_EPSILON;
  }
}

double sb_format_smallest_normal(sb_format format) {
  switch (format) {
  case SB_F16:
    return 0x1p-14;
  case SB_F64:
    return DBL_MIN;
  default:
    return (double)FLT_MIN; /* bf16 has f32's exponents */
  }
}
