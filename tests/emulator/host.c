/* host.c: number formats and bit operations by the host's own arithmetic: _Float16, __float128, searches over all
 * codes. */
#include "host.h"
#include <math.h>
#include <string.h>

float max_f(float x, float y) { return isnan(x) ? y : isnan(y) ? x : x > y ? x : y > x ? y : signbit(x) ? y : x; }

int to_int(float r) { return isnan(r) ? 0 : r >= 0x1p31f ? INT32_MAX : r < -0x1p31f ? INT32_MIN : (int)r; }

/* The nearest code of a table of non-negative values, ties to the even code. */
int nearest_code(const double *table, int count, double v) {
  int best = 0;
  for (int c = 1; c < count; c++) {
    double d = fabs(table[c] - v), e = fabs(table[best] - v);
    if (d < e || (d == e && c % 2 == 0)) best = c;
  }
  return best;
}
uint8_t fp8(const double *table, int count, uint8_t nan, float v) {
  return (uint8_t)(isnan(v) ? nan
                            : nearest_code(table, count, fmin(fabs((double)v), 2 * table[count - 1])) |
                                  (signbit(v) ? 128 : 0));
}
uint16_t bits16(_Float16 h) {
  uint16_t b;
  memcpy(&b, &h, 2);
  return b;
}
_Float16 half_of(uint16_t b) {
  _Float16 h;
  memcpy(&h, &b, 2);
  return h;
}
float float_of(uint32_t bits) {
  float f;
  memcpy(&f, &bits, 4);
  return f;
}
uint32_t bits32(float f) {
  uint32_t b;
  memcpy(&b, &f, 4);
  return b;
}
/* f16 toward zero: the neighbour of the nearest one that does not exceed the value. */
uint16_t half_toward(float v, int up) {
  if (isnan(v)) return 0x7fff;
  uint16_t h = bits16((_Float16)v);
  float back = (float)half_of(h);
  if (isinf(v)) return h;
  if (!up && fabsf(back) > fabsf(v)) h--;
  if (up && back < v) h = (uint16_t)((h & 0x7fff) == 0 ? (h & 0x8000 ? 0x8000 : 1) : h & 0x8000 ? h - 1 : h + 1);
  if (up && (float)half_of(h) < v && h == 0x8000 && v > 0) h = 1;
  return h;
}

/* The nearest bf16 of v + rest, where rest is what v has lost. */
static uint16_t brain_of(__float128 v, __float128 rest) {
  float f = (float)v;
  if (isnan(f)) return 0x7fff;
  if (isinf(f) && v - v != 0) return (uint16_t)(bits32(f) >> 16);
  uint32_t low = bits32(f) >> 16;
  __float128 best = 0;
  uint16_t r = 0;
  bool found = false;
  for (int d = -1; d <= 1; d++) {
    uint32_t c = (low & 0x7fff) + (uint32_t)d;
    if (c > 0x7f80) continue;
    c |= low & 0x8000;
    __float128 value = (c & 0x7fff) == 0x7f80 ? (c & 0x8000 ? -0x1p128Q : 0x1p128Q) : (__float128)float_of(c << 16),
               d0 = (value - v) - rest, e = d0 < 0 ? -d0 : d0;
    if (!found || e < best || (e == best && !(c & 1))) best = e, r = (uint16_t)c, found = true;
  }
  return r;
}
uint16_t brain(__float128 v) { return brain_of(v, 0); }
uint16_t brain_fma(__float128 x, __float128 y, __float128 z) {
  __float128 p = x * y, s = p + z, t = s - p; /* p is exact */
  return s - s != 0 ? brain(s) : brain_of(s, (p - (s - t)) + (z - t));
}

uint32_t reverse(uint32_t v) {
  uint32_t r = 0;
  for (int k = 0; k < 32; k++) r |= (v >> k & 1) << (31 - k);
  return r;
}
uint32_t byte_perm(uint32_t x, uint32_t y, uint32_t s) {
  uint32_t r = 0;
  for (int k = 0; k < 4; k++) {
    uint32_t n = s >> (4 * k) & 7, v = n < 4 ? x >> (8 * n) : y >> (8 * (n - 4));
    r |= (v & 255) << (8 * k);
  }
  return r;
}
