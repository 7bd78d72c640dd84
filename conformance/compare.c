/* What "the same bits" means. */
#include "samebits/compare.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

/* Where a floating-point format keeps its magnitude, and from where on a magnitude is NaN. */
typedef struct layout {
  uint64_t magnitude, greatest; /* bits of everything but the sign; the greatest magnitude that is no NaN */
} layout;

static const layout layouts[SB_FORMATS] = {
    [SB_F32] = {0x7fffffff, 0x7f800000},
    [SB_F16] = {0x7fff, 0x7c00},
    [SB_BF16] = {0x7fff, 0x7f80},
    [SB_F64] = {0x7fffffffffffffff, 0x7ff0000000000000},
    [SB_E4M3] = {0x7f, 0x7e},
    [SB_E5M2] = {0x7f, 0x7c},
    [SB_E8M0] = {0xff, 0xfe},
    [SB_E2M1] = {0x7, 0x7},
};

static bool is_nan(sb_format format, uint64_t bits) {
  return (bits & layouts[format].magnitude) > layouts[format].greatest;
}

static bool integer_equals_float(const sb_tensor *integer, const sb_tensor *real, int64_t index) {
  double value = sb_load(real->format, real->data, index);
  int64_t whole = sb_load_int(integer->format, integer->data, index);
  if (integer->format == SB_U64 && whole < 0)
    return value >= 0x1p63 && value < 0x1p64 && (uint64_t)value == (uint64_t)whole;
  return value >= -0x1p63 && value < 0x1p63 && value == floor(value) && (int64_t)value == whole;
}

bool sb_same_element(const sb_tensor *expected, const sb_tensor *got, int64_t index) {
  bool real = sb_format_of(expected->format)->is_float, other = sb_format_of(got->format)->is_float;
  if (real != other)
    return real ? integer_equals_float(got, expected, index) : integer_equals_float(expected, got, index);
  if (!real) {
    int64_t a = sb_load_int(expected->format, expected->data, index);
    int64_t b = sb_load_int(got->format, got->data, index);
    return a == b && (a >= 0 || (expected->format == SB_U64) == (got->format == SB_U64));
  }
  if (expected->format == got->format) {
    uint64_t a = sb_load_bits(expected->format, expected->data, index);
    uint64_t b = sb_load_bits(got->format, got->data, index);
    return a == b || (is_nan(expected->format, a) && is_nan(got->format, b));
  }
  double a = sb_load(expected->format, expected->data, index), b = sb_load(got->format, got->data, index);
  return (isnan(a) && isnan(b)) || sb_f64_bits(a) == sb_f64_bits(b);
}

sb_status sb_compare(const sb_tensor *expected, const sb_tensor *got, sb_comparison *result, sb_on_difference *on,
                     void *context) {
  bool same = expected->rank == got->rank;
  for (int i = 0; same && i < expected->rank; i++) same = expected->dims[i] == got->dims[i];
  int64_t count = sb_tensor_count(expected);
  *result = (sb_comparison){.first = -1};
  if (!same || count < 0)
    return sb_fail(SB_INVALID, "shapes differ: rank %d, %lld elements against rank %d, %lld elements", expected->rank,
                   (long long)count, got->rank, (long long)sb_tensor_count(got));
  enum { STRIDE = 4096 }; /* even, so that a stride of nibbles is whole bytes */
  int bits = sb_format_of(expected->format)->bits;
  result->elements = count;
  for (int64_t from = 0; from < count; from += STRIDE) {
    int64_t to = count - from < STRIDE ? count : from + STRIDE;
    if (expected->format == got->format && (bits >= 8 || to - from == STRIDE)) {
      const char *a = (const char *)expected->data + from * bits / 8, *b = (const char *)got->data + from * bits / 8;
      if (memcmp(a, b, (size_t)((to - from) * bits / 8)) == 0) continue;
    }
    for (int64_t i = from; i < to; i++) {
      if (sb_same_element(expected, got, i)) continue;
      if (result->different++ == 0) result->first = i;
      if (on && !on(context, i)) on = NULL;
    }
  }
  return SB_OK;
}

int64_t sb_ulps(sb_format format, uint64_t a, uint64_t b) {
  const layout *l = &layouts[format];
  if (is_nan(format, a) || is_nan(format, b)) return -1;
  uint64_t x = a & l->magnitude, y = b & l->magnitude;
  bool opposite = (a & ~l->magnitude) != (b & ~l->magnitude);
  uint64_t distance = opposite ? x + y : x > y ? x - y : y - x;
  return distance > INT64_MAX ? INT64_MAX : (int64_t)distance;
}

const char *sb_element_text(const sb_tensor *tensor, int64_t index, char text[SB_ELEMENT_TEXT]) {
  const sb_format_info *format = sb_format_of(tensor->format);
  uint64_t bits = sb_load_bits(tensor->format, tensor->data, index);
  int digits = (format->bits + 3) / 4;
  if (!format->is_float) {
    int64_t value = sb_load_int(tensor->format, tensor->data, index);
    snprintf(text, SB_ELEMENT_TEXT,
             tensor->format == SB_U64 ? "0x%0*" PRIx64 " (%" PRIu64 ")" : "0x%0*" PRIx64 " (%" PRId64 ")", digits, bits,
             value);
    return text;
  }
  const double value = sb_load(tensor->format, tensor->data, index);
  if (isnan(value))
    snprintf(text, SB_ELEMENT_TEXT, "0x%0*" PRIx64 " (nan)", digits, bits);
  else
    snprintf(text, SB_ELEMENT_TEXT, "0x%0*" PRIx64 " (%.*g)", digits, bits, tensor->format == SB_F64 ? 17 : 9, value);
  return text;
}
