/* A second statement of the floating-point formats, as a list of their values: code 0 is 0, each next code is one step
 * more, and the step doubles each time another 2^m codes beyond the first 2 * 2^m are done. Rounding is then: between
 * which two codes does the magnitude lie, and on which side of their middle. No field of a bit pattern is looked at. */
#ifndef SAMEBITS_TESTS_FORMAT_TABLE_H
#define SAMEBITS_TESTS_FORMAT_TABLE_H

#include "samebits/formats.h"

#include <math.h>

enum { TABLE_CODES = 0x7f81 };

typedef enum table_overflow { TABLE_TO_INFINITY, TABLE_TO_NAN, TABLE_TO_MAX } table_overflow;

typedef struct format_table {
  sb_format format;
  int finite;        /* magnitudes that are finite numbers: codes 0 .. finite - 1 */
  uint32_t sign_bit; /* code of -0 */
  uint32_t nan;      /* code of the NaN that conversions give */
  /* value of each code, `finite` being the number that an unbounded format would have next; and the middle between a
   * code and the next: both are exact in f64 */
  double value[TABLE_CODES], middle[TABLE_CODES];
} format_table;

/* From the documents: IEEE 754 binary16, bfloat16, OCP 8-bit floating point 1.0, OCP microscaling 1.0. */
static const struct table_facts {
  sb_format format;
  double smallest; /* subnormal */
  int mantissa_codes, finite;
  uint32_t sign_bit, nan;
  double max;
} table_facts[] = {
    {SB_F16, 0x1p-24, 1024, 0x7c00, 0x8000, 0x7e00, 65504.0},
    {SB_BF16, 0x1p-133, 128, 0x7f80, 0x8000, 0x7fc0, 0x1.fep127},
    {SB_E4M3, 0x1p-9, 8, 0x7f, 0x80, 0x7f, 448.0},
    {SB_E5M2, 0x1p-16, 4, 0x7c, 0x80, 0x7f, 57344.0},
    {SB_E2M1, 0.5, 2, 8, 8, 7, 6.0},
};
enum { TABLE_FORMATS = sizeof table_facts / sizeof *table_facts };

/* Fills the table of table_facts[index]; false if the list does not end at the format's largest number. */
static inline bool format_table_make(int index, format_table *t) {
  const struct table_facts *f = &table_facts[index];
  t->format = f->format;
  t->finite = f->finite;
  t->sign_bit = f->sign_bit;
  t->nan = f->nan;
  double value = 0, step = f->smallest;
  for (int code = 0; code <= f->finite; code++) {
    t->value[code] = value;
    if (code >= 2 * f->mantissa_codes && code % f->mantissa_codes == 0) step *= 2;
    value += step;
    t->middle[code] = t->value[code] + step / 2;
  }
  return t->value[f->finite - 1] == f->max;
}

/* The code of a magnitude that may be infinite, where `code` is the largest code whose value is not above it (of codes
 * 0 .. finite). */
static inline uint32_t format_table_nearest(const format_table *t, int code, double magnitude, table_overflow policy) {
  if (code < t->finite && (magnitude > t->middle[code] || (magnitude == t->middle[code] && code % 2))) code++;
  if (code < t->finite) return (uint32_t)code;
  if (policy == TABLE_TO_MAX) return (uint32_t)t->finite - 1;
  return policy == TABLE_TO_NAN ? t->nan : (uint32_t)t->finite; /* infinity is the code after the last number */
}

/* The code of any number. */
static inline uint32_t format_table_encode(const format_table *t, double value, table_overflow policy) {
  if (value != value) return t->nan;
  const double magnitude = fabs(value);
  int low = 0, high = t->finite + 1; /* value[low] <= magnitude, and value[high] is above it or beyond the list */
  while (high - low > 1) {
    const int between = (low + high) / 2;
    if (t->value[between] <= magnitude)
      low = between;
    else
      high = between;
  }
  return format_table_nearest(t, low, magnitude, policy) | (signbit(value) ? t->sign_bit : 0);
}

/* The number of a code. */
static inline double format_table_decode(const format_table *t, uint32_t code) {
  const uint32_t magnitude = code & (t->sign_bit - 1);
  double value = (double)NAN;
  if ((int)magnitude < t->finite) value = t->value[magnitude];
  if ((int)magnitude == t->finite && t->format != SB_E4M3) value = (double)INFINITY;
  return code & t->sign_bit ? -value : value;
}

#endif
