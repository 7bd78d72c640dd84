/* Rounding on a grid: a format is its precision, its least exponent and its largest value. */
#include "conformance/contract/values.h"

#include <math.h>
#include <pthread.h>

typedef struct grid {
  int precision, least; /* bits of the significand, exponent of the smallest normal */
  int exponent_bits, bias;
  double largest;
  bool infinity;
} grid;

static const grid grids[CF_COUNT] = {
    [SB_F64] = {53, -1022, 11, 1023, 0x1.fffffffffffffp1023, true},
    [SB_F32] = {24, -126, 8, 127, 0x1.fffffep127, true},
    [SB_BF16] = {8, -126, 8, 127, 0x1.fep127, true},
    [SB_F16] = {11, -14, 5, 15, 65504, true},
    [SB_E4M3] = {4, -6, 4, 7, 448, false},
    [SB_E5M2] = {3, -14, 5, 15, 57344, true},
    [SB_E2M1] = {2, 0, 2, 1, 6, false},
    [CF_FNUZ] = {4, -7, 4, 8, 240, false},
    [SB_E8M0] = {1, -127, 8, 127, 0x1p127, false},
};

bool sb_cf_is_float(int f) { return f >= 0 && f < CF_COUNT && grids[f].precision > 0; }
bool sb_cf_is_narrow(int f) { return f == SB_E4M3 || f == SB_E5M2 || f == SB_E2M1 || f == SB_E8M0 || f == CF_FNUZ; }
double sb_cf_eps(int f) { return ldexp(1, 1 - grids[f].precision); }
double sb_cf_smallest_normal(int f) { return ldexp(1, grids[f].least); }
double sb_cf_largest(int f) { return grids[f].largest; }

/* An integer next to `v`, which is exact. */
static double to_integer(double v, sb_rule rule) {
  double low = floor(v), rest = v - low;
  switch (rule) {
  case R_ZERO:
    return trunc(v);
  case R_UP:
    return rest >= 0.5 ? low + 1 : low;
  case R_AWAY:
    return rest > 0.5 || (rest == 0.5 && v > 0) ? low + 1 : low;
  default:
    return rest > 0.5 || (rest == 0.5 && fmod(low, 2) != 0) ? low + 1 : low;
  }
}

static double round_on(const grid *g, double v, sb_rule rule) {
  int e;
  frexp(v, &e);
  e = (e - 1 > g->least ? e - 1 : g->least) - (g->precision - 1);
  return copysign(ldexp(to_integer(ldexp(v, -e), rule), e), v);
}

static bool has_sign(int f) {
  return f != SB_U4 && f != SB_U8 && f != SB_U16 && f != SB_U32 && f != SB_U64 && f != SB_BOOL;
}
static double two_to(int n) { return sb_f64_from_bits((uint64_t)(1023 + n) << 52); }
static double integer_least(int f) { return has_sign(f) ? -two_to(sb_format_of((sb_format)f)->bits - 1) : 0; }
static double integer_largest(int f) {
  if (f == SB_BOOL) return 1;
  return two_to(sb_format_of((sb_format)f)->bits - has_sign(f)) - 1;
}

double sb_value_wrap(__int128 v, int f) {
  const int bits = sb_format_of((sb_format)f)->bits; /* at most 64 */
  const uint64_t mask = UINT64_MAX >> (64 - bits), low = (uint64_t)v & mask;
  if (has_sign(f) && (low >> (bits - 1)) & 1) return -(double)(mask - low + 1);
  return (double)low;
}

static double to_integer_format(double v, int f, sb_rule rule) {
  double t = trunc(v);
  if (rule == R_SAT) {
    if (isnan(v)) return 0;
    t = t < integer_least(f) ? integer_least(f) : t > integer_largest(f) ? integer_largest(f) : t;
    return t == 0 ? 0 : t;
  }
  if (rule == R_X86) {
    double limit = f == SB_I64 || f == SB_U32 || f == SB_U64 ? 0x1p63 : 0x1p31;
    if (!(t >= -limit && t < limit)) t = -limit;
  } else if (isnan(v)) {
    return 0;
  } else if (!(fabs(t) < 0x1p120)) {
    t = 0;
  }
  return fabs(t) < 0x1p62 ? sb_value_wrap((int64_t)t, f) : sb_value_wrap((__int128)t, f);
}

double sb_value_pow2(double v, bool up) {
  int e;
  if (!isfinite(v) || v == 0) return v;
  double m = frexp(fabs(v), &e);
  return copysign(ldexp(1, up && m > 0.5 ? e : e - 1), v);
}

static double to_e8m0(double v, sb_rule rule) {
  if (isnan(v) || v < 0) return isnan(v) ? v : 0x1p-127;
  if (v <= 0x1p-127) return 0x1p-127;
  if (v >= 0x1p127) return 0x1p127;
  return sb_value_pow2(v, rule != R_ZERO);
}

double sb_value_cast(double v, int f, sb_rule rule) {
  const grid *g = &grids[f];
  if (!sb_cf_is_float(f)) return to_integer_format(v, f, rule);
  if (f == SB_E8M0) return to_e8m0(v, rule);
  if (rule == R_BITS) return sb_value_decode(sb_value_encode(v, f == SB_E4M3 ? CF_FNUZ : SB_E4M3), f);
  if (isnan(v)) return f == SB_E2M1 ? 6 : v;
  bool saturates = sb_cf_is_narrow(f) ? rule != R_NAN && rule != R_INF && rule != R_DEFAULT : rule == R_SAT;
  if (isinf(v)) return saturates ? copysign(g->largest, v) : g->infinity ? v : SB_NAN;
  double r = v == 0 ? v : round_on(g, v, rule);
  if ((rule == R_FLUSH || rule == R_FLUSH_POSITIVE) && fabs(r) < sb_cf_smallest_normal(f))
    r = rule == R_FLUSH ? copysign(0, v) : 0;
  if (fabs(r) > g->largest) {
    if (saturates || rule == R_ZERO)
      r = copysign(g->largest, v);
    else
      r = g->infinity ? copysign(SB_INF, v) : SB_NAN;
  }
  if (f == CF_FNUZ && r == 0) r = 0;
  return r;
}

double sb_value_next(double v, int f, int direction) {
  const grid *g = &grids[f];
  int e;
  if (!isfinite(v)) return v;
  if (v == 0) return direction * ldexp(1, g->least - g->precision + 1);
  double m = frexp(fabs(v), &e);
  bool outward = (v > 0) == (direction > 0);
  int exponent = e - 1 > g->least ? e - 1 : g->least;
  if (!outward && m == 0.5 && exponent > g->least) exponent--;
  double r = v + direction * ldexp(1, exponent - g->precision + 1);
  return fabs(r) > g->largest ? copysign(SB_INF, r) : r;
}

uint64_t sb_value_encode(double v, int f) {
  const grid *g = &grids[f];
  if (!sb_cf_is_float(f)) {
    int bits = sb_format_of((sb_format)f)->bits;
    uint64_t all = (uint64_t)(v < 0 ? (uint64_t)(int64_t)v : v >= 0x1p63 ? UINT64_MAX : (uint64_t)v);
    return bits == 64 ? all : all & (((uint64_t)1 << bits) - 1);
  }
  int mantissa = g->precision - 1;
  uint64_t sign = (uint64_t)(signbit(v) != 0) << (g->exponent_bits + mantissa),
           all = ((uint64_t)1 << g->exponent_bits) - 1;
  if (f == SB_E8M0) {
    int e;
    if (isnan(v)) return 0xff;
    frexp(v, &e);
    return (uint64_t)((int64_t)e - 1 + 127);
  }
  if (f == CF_FNUZ && isnan(v)) return 0x80;
  if (f == CF_FNUZ && v == 0) return 0;
  if (isnan(v)) return f == SB_E4M3 ? 0x7f : all << mantissa | (uint64_t)1 << (mantissa - 1);
  if (isinf(v)) return sign | all << mantissa;
  if (v == 0) return sign;
  int e;
  frexp(v, &e);
  e--;
  if (e < g->least) return sign | (uint64_t)ldexp(fabs(v), mantissa - g->least);
  uint64_t field = (uint64_t)((int64_t)e + g->bias),
           fraction = (uint64_t)ldexp(fabs(v), mantissa - e) & (((uint64_t)1 << mantissa) - 1);
  return sign | field << mantissa | fraction;
}

double sb_value_decode(uint64_t bits, int f) {
  const grid *g = &grids[f];
  if (!sb_cf_is_float(f)) return sb_value_wrap((__int128)bits, f);
  int mantissa = g->precision - 1;
  if (f == SB_E8M0) return bits == 0xff ? SB_NAN : ldexp(1, (int)bits - 127);
  uint64_t all = ((uint64_t)1 << g->exponent_bits) - 1, field = bits >> mantissa & all,
           fraction = bits & (((uint64_t)1 << mantissa) - 1);
  double sign = bits >> (g->exponent_bits + mantissa) & 1 ? -1 : 1;
  if (f == CF_FNUZ && bits == 0x80) return SB_NAN;
  if (g->infinity && field == all) return fraction ? SB_NAN : sign * SB_INF;
  if (f == SB_E4M3 && (bits & 0x7f) == 0x7f) return SB_NAN;
  if (field == 0) return sign * ldexp((double)fraction, g->least - mantissa);
  return sign * ldexp((double)(fraction | (uint64_t)1 << mantissa), (int)field - g->bias - mantissa);
}

static uint64_t raw(const sb_tensor *t, int64_t i) {
  const unsigned char *p = t->data;
  uint64_t v = 0;
  int bits = sb_format_of(t->format)->bits;
  if (bits == 4) return p[i / 2] >> (4 * (i & 1)) & 15;
  memcpy(&v, p + (size_t)i * (size_t)bits / 8, (size_t)bits / 8);
  return v;
}

/* Every value of bf16 and f16, for tensors large enough. */
static double halves[2][1 << 16];
static pthread_once_t halves_made = PTHREAD_ONCE_INIT;
static void make_halves(void) {
  for (uint64_t b = 0; b < 1 << 16; b++)
    halves[0][b] = sb_value_decode(b, SB_BF16), halves[1][b] = sb_value_decode(b, SB_F16);
}

const double *sb_values_of_half(int format) {
  pthread_once(&halves_made, make_halves);
  return halves[format == SB_F16];
}

void sb_values_load(const sb_tensor *t, double *values) {
  int64_t n = sb_tensor_count(t);
  if (t->format == SB_F32) {
    for (int64_t i = 0; i < n; i++) {
      float f;
      memcpy(&f, (const char *)t->data + 4 * i, 4);
      values[i] = (double)f;
    }
    return;
  }
  const double *table = t->format == SB_BF16 ? halves[0] : t->format == SB_F16 ? halves[1] : NULL;
  if (table && n >= 4096) {
    pthread_once(&halves_made, make_halves);
    for (int64_t i = 0; i < n; i++) values[i] = table[raw(t, i)];
    return;
  }
  for (int64_t i = 0; i < n; i++) values[i] = sb_value_decode(raw(t, i), (int)t->format);
}

void sb_values_store(const double *values, int format, sb_tensor *t) {
  int64_t n = sb_tensor_count(t);
  int bits = sb_format_of(t->format)->bits, as = (int)t->format;
  unsigned char *p = t->data;
  for (int64_t i = 0; i < n; i++) {
    double v = values[i];
    uint64_t b = format == CF_FNUZ && as == SB_E4M3 ? sb_value_encode(v, CF_FNUZ) : sb_value_encode(v, as);
    if (bits == 4)
      p[i / 2] = (unsigned char)(i & 1 ? (p[i / 2] & 15) | b << 4 : b);
    else
      memcpy(p + (size_t)i * (size_t)bits / 8, &b, (size_t)bits / 8);
  }
}
