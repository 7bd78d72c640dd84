/* model_float.c: float rows. Each operation is made by MPFR with the destination's precision, exponent range and
   rounding, so that it rounds once; modifiers are applied as the PTX ISA words them. */
#include "model.h"
#include <math.h>
#include <mpfr.h>
#include <stdio.h>
#include <string.h>

void opcode_split(const char *opcode, Opcode *o) {
  o->count = 0;
  (void)snprintf(o->text, sizeof o->text, "%s", opcode);
  for (char *save, *p = strtok_r(o->text, ".", &save); p && o->count < 14; p = strtok_r(NULL, ".", &save))
    o->part[o->count++] = p;
}
bool opcode_has(const Opcode *o, const char *part) {
  for (int k = 1; k < o->count; k++)
    if (!strcmp(o->part[k], part)) return true;
  return false;
}

/* ---- formats ---- */
typedef struct {
  const char *name;
  int bits, precision, least; /* significant bits; exponent of the smallest normal number 1.0 * 2^least */
  double most;
  bool has_infinity;
  uint64_t nan; /* ~0: has none */
} Format;
static const Format formats[] = {{"f32", 32, 24, -126, 0x1.fffffep127, true, 0x7fffffff},
                                 {"f64", 64, 53, -1022, 0x1.fffffffffffffp1023, true, 0x7fffffffffffffff},
                                 {"f16", 16, 11, -14, 65504, true, 0x7fff},
                                 {"bf16", 16, 8, -126, 0x1.fep127, true, 0x7fff},
                                 {"e4m3", 8, 4, -6, 448, false, 0x7f},
                                 {"e5m2", 8, 3, -14, 57344, true, 0x7f},
                                 {"e2m3", 6, 4, 0, 7.5, false, ~0ull},
                                 {"e3m2", 6, 3, -2, 28, false, ~0ull},
                                 {"e2m1", 4, 2, 0, 6, false, ~0ull}};
static const Format *format_of(const char *name, bool *pair) {
  size_t n = strlen(name);
  *pair = n > 2 && !strcmp(name + n - 2, "x2");
  if (*pair) n -= 2;
  for (size_t k = 0; k < sizeof formats / sizeof *formats; k++)
    if (strlen(formats[k].name) == n && !strncmp(formats[k].name, name, n)) return &formats[k];
  return NULL;
}
static uint64_t low(int bits) { return bits == 64 ? ~0ull : (1ull << bits) - 1; }

static double decode(const Format *f, uint64_t code) {
  int m = f->precision - 1;
  uint64_t a = code & low(f->bits - 1), field = a >> m, fraction = a & low(m), top = low(f->bits - 1 - m);
  double v = field ? ldexp((double)(fraction | 1ull << m), f->least - m + (int)field - 1)
                   : ldexp((double)fraction, f->least - m);
  if (f->has_infinity && field == top) v = fraction ? (double)NAN : (double)INFINITY;
  if (!f->has_infinity && f->nan != ~0ull && a == (f->nan & low(f->bits - 1))) v = (double)NAN;
  return code >> (f->bits - 1) & 1 ? -v : v;
}
/* The code of a value that the format has. */
static uint64_t encode(const Format *f, double v) {
  int m = f->precision - 1, e;
  if (isnan(v)) return f->nan == ~0ull ? low(f->bits - 1) : f->nan;
  uint64_t sign = (uint64_t) !!signbit(v) << (f->bits - 1), top = low(f->bits - 1 - m) << m;
  v = fabs(v);
  if (isinf(v)) return sign | top;
  if (v == 0) return sign;
  (void)frexp(v, &e);
  if (e - 1 < f->least) return sign | (uint64_t)ldexp(v, m - f->least);
  return sign | (uint64_t)(e - 1 - f->least + 1) << m | ((uint64_t)ldexp(v, m - (e - 1)) & low(m));
}

/* ---- one rounding ---- */
static mpfr_rnd_t mode_of(const Opcode *o) {
  return opcode_has(o, "rz")   ? MPFR_RNDZ
         : opcode_has(o, "rm") ? MPFR_RNDD
         : opcode_has(o, "rp") ? MPFR_RNDU
                               : MPFR_RNDN;
}
static void enter(const Format *f) {
  (void)mpfr_set_emax(1024);
  (void)mpfr_set_emin(f->least - f->precision + 2);
  if (f->has_infinity) (void)mpfr_set_emax(f->bits == 64 ? 1024 : 1 - f->least + 1);
}
static double leave(const Format *f, mpfr_t r, int inexact, mpfr_rnd_t mode) {
  inexact = mpfr_check_range(r, inexact, mode);
  (void)mpfr_subnormalize(r, inexact, mode);
  double v = mpfr_get_d(r, MPFR_RNDN);
  (void)f;
  (void)mpfr_set_emin(mpfr_get_emin_min()), (void)mpfr_set_emax(mpfr_get_emax_max());
  return v;
}
typedef enum { ADD, SUB, MUL, FMA, DIV, RCP, SQRT, SET } Operation;
static double compute(const Format *f, Operation op, mpfr_rnd_t mode, double a, double b, double c) {
  mpfr_t r, x, y, z;
  int t = 0;
  mpfr_init2(r, f->precision), mpfr_inits2(53, x, y, z, (mpfr_ptr)0);
  mpfr_set_d(x, a, MPFR_RNDN), mpfr_set_d(y, b, MPFR_RNDN), mpfr_set_d(z, c, MPFR_RNDN);
  enter(f);
  t = op == ADD    ? mpfr_add(r, x, y, mode)
      : op == SUB  ? mpfr_sub(r, x, y, mode)
      : op == MUL  ? mpfr_mul(r, x, y, mode)
      : op == FMA  ? mpfr_fma(r, x, y, z, mode)
      : op == DIV  ? mpfr_div(r, x, y, mode)
      : op == RCP  ? mpfr_ui_div(r, 1, x, mode)
      : op == SQRT ? mpfr_sqrt(r, x, mode)
                   : mpfr_set(r, x, mode);
  double v = leave(f, r, t, mode);
  mpfr_clears(r, x, y, z, (mpfr_ptr)0);
  return v;
}
static double flush(const Format *f, double v) { return fabs(v) < ldexp(1.0, f->least) ? copysign(0.0, v) : v; }
/* relu, satfinite, sat and ftz of a rounded result. */
static double modify(const Opcode *o, const Format *f, double v, bool ftz) {
  if (opcode_has(o, "relu") && !isnan(v) && (v <= 0)) v = 0.0;
  if (opcode_has(o, "satfinite") && isinf(v)) v = copysign(f->most, v);
  if (opcode_has(o, "sat")) v = isnan(v) || v <= 0 ? 0.0 : v > 1 ? 1.0 : v;
  return ftz ? flush(f, v) : v;
}

static double larger(double a, double b) { return a > b || (a == b && signbit(b)) ? a : b; }
/* min, max of two: the number of a number and a NaN, unless .NaN; of zeros -0 is the lesser. */
static double extreme(bool max, bool nan, double a, double b) {
  if (isnan(a) || isnan(b)) return nan ? (double)NAN : isnan(a) ? b : a;
  return max ? larger(a, b) : -larger(-a, -b);
}

static bool arithmetic(const Opcode *o, const Format *d, const Format *narrow, const uint64_t in[4], uint64_t *out) {
  static const char *const names[] = {"add", "sub", "mul", "fma", "div", "rcp", "sqrt"};
  const bool ftz = opcode_has(o, "ftz");
  double v[3];
  for (int k = 0; k < 3; k++) {
    const Format *f = narrow && (k == 0 || (k == 1 && !strcmp(o->part[0], "fma"))) ? narrow : d;
    v[k] = decode(f, in[k] & low(f->bits));
    if (ftz) v[k] = flush(d, v[k]);
  }
  for (int k = 0; k < 7; k++)
    if (!strcmp(o->part[0], names[k])) {
      *out = encode(d, modify(o, d, compute(d, (Operation)k, mode_of(o), v[0], v[1], v[2]), ftz));
      return true;
    }
  const bool max = !strcmp(o->part[0], "max"), nan = opcode_has(o, "NaN"), sign = opcode_has(o, "xorsign");
  if (!max && strcmp(o->part[0], "min") != 0) return false;
  double r = extreme(max, nan, sign ? fabs(v[0]) : v[0], sign ? fabs(v[1]) : v[1]);
  if (opcode_has(o, "3")) r = extreme(max, nan, r, v[2]);
  if (sign && !isnan(r)) r = copysign(r, !signbit(v[0]) == !signbit(v[1]) ? 1.0 : -1.0);
  *out = encode(d, modify(o, d, r, false));
  return true;
}
/* abs, neg, copysign work on the bits; of a NaN only that it stays one. */
static bool on_bits(const Opcode *o, const Format *d, const uint64_t in[4], uint64_t *out) {
  uint64_t sign = 1ull << (d->bits - 1), a = in[0] & low(d->bits), b = in[1] & low(d->bits);
  const double v = decode(d, a);
  if (opcode_has(o, "ftz") && !isnan(v)) a = encode(d, flush(d, v));
  if (!strcmp(o->part[0], "abs"))
    *out = a & ~sign;
  else if (!strcmp(o->part[0], "neg"))
    *out = a ^ sign;
  else if (!strcmp(o->part[0], "copysign"))
    *out = (a & sign) | (b & ~sign);
  else
    return false;
  return true;
}

/* ---- comparisons ---- */
static bool compare(const Opcode *o, const Format *d, const uint64_t in[4], uint64_t *out) {
  static const char *const names[] = {"eq", "ne", "lt", "le", "gt", "ge"};
  double a = decode(d, in[0] & low(d->bits)), b = decode(d, in[1] & low(d->bits));
  if (opcode_has(o, "ftz")) a = flush(d, a), b = flush(d, b);
  const bool un = isnan(a) || isnan(b);
  const char *c = o->part[1];
  if (!strcmp(c, "num") || !strcmp(c, "nan")) {
    *out = un == (c[1] == 'a');
    return true;
  }
  const bool holds[] = {a == b, a != b, a<b, a <= b, a> b, a >= b};
  for (int k = 0; k < 6; k++)
    if (!strncmp(c, names[k], 2) && (!c[2] || !strcmp(c + 2, "u"))) {
      *out = un ? c[2] == 'u' : holds[k];
      return true;
    }
  return false;
}
static bool classify(const Opcode *o, const Format *d, const uint64_t in[4], uint64_t *out) {
  const double v = decode(d, in[0] & low(d->bits));
  const bool tiny = fabs(v) < ldexp(1.0, d->least);
  const char *c = o->part[1];
  const bool holds = !strcmp(c, "finite")       ? isfinite(v)
                     : !strcmp(c, "infinite")   ? isinf(v)
                     : !strcmp(c, "number")     ? !isnan(v)
                     : !strcmp(c, "notanumber") ? isnan(v)
                     : !strcmp(c, "normal")     ? isfinite(v) && !tiny
                                                : v != 0 && tiny;
  *out = holds;
  return true;
}

/* ---- conversions ---- */
static bool int_type(const char *name, int *bits, bool *is_signed) {
  static const char *const names[] = {"u8", "u16", "u32", "u64", "s8", "s16", "s32", "s64"};
  for (int k = 0; k < 8; k++)
    if (!strcmp(name, names[k])) {
      *bits = 8 << k % 4, *is_signed = k >= 4;
      return true;
    }
  return false;
}
/* Rounded to an integer value. */
static double integral(const Opcode *o, double v) {
  return opcode_has(o, "rzi") ? trunc(v) : opcode_has(o, "rmi") ? floor(v) : opcode_has(o, "rpi") ? ceil(v) : rint(v);
}
/* PTX ISA, cvt: NaN gives 0, but 2^(bits-1) of a destination of 64 bits or a source of f64. */
static uint64_t to_integer(double v, int bits, bool is_signed, bool from64) {
  const double most = ldexp(1.0, is_signed ? bits - 1 : bits), least = is_signed ? -most : 0;
  if (isnan(v)) return bits == 64 || from64 ? 1ull << (bits - 1) : 0;
  if (v >= most) return low(is_signed ? bits - 1 : bits);
  if (v <= least) return is_signed ? 1ull << (bits - 1) : 0;
  return v < 0 ? (uint64_t)(int64_t)v & low(bits) : (uint64_t)v;
}
static double from_integer(const Format *d, mpfr_rnd_t mode, uint64_t bits_in, int bits, bool is_signed) {
  mpfr_t r, x;
  uint64_t u = bits_in & low(bits);
  mpfr_init2(r, d->precision), mpfr_init2(x, 64);
  if (is_signed && u >> (bits - 1))
    (void)mpfr_set_sj(x, (intmax_t)(u | ~low(bits)), MPFR_RNDN);
  else
    (void)mpfr_set_uj(x, u, MPFR_RNDN);
  enter(d);
  int t = mpfr_set(r, x, mode);
  double v = leave(d, r, t, mode);
  mpfr_clear(r), mpfr_clear(x);
  return v;
}
/* One float to another, its modifiers included; `wide`: of a format without infinity what is too large saturates. */
static uint64_t narrow_to(const Opcode *o, const Format *d, const Format *s, double v) {
  const bool rounds_integral =
      opcode_has(o, "rni") || opcode_has(o, "rzi") || opcode_has(o, "rmi") || opcode_has(o, "rpi");
  const bool ftz = opcode_has(o, "ftz");
  if (ftz && s->bits == 32) v = flush(s, v);
  double r = rounds_integral ? integral(o, v) : v;
  if (isnan(r) || isinf(r) || r == 0)
    ;
  else
    r = compute(d, SET, mode_of(o), r, 0, 0);
  if (!d->has_infinity || d->bits == 8) r = isnan(r) ? r : fabs(r) > d->most ? copysign(d->most, r) : r;
  return encode(d, modify(o, d, r, ftz && d->bits == 32));
}
static uint64_t to_ue8m0(const Opcode *o, double v) {
  if (isnan(v)) return 0xff;
  v = fabs(v);
  if (v == 0) return 0;
  if (isinf(v)) return 0xfe;
  int e;
  double m = frexp(v, &e); /* m in [0.5, 1) */
  e += 126 + (opcode_has(o, "rp") && m > 0.5);
  return (uint64_t)(e < 0 ? 0 : e > 0xfe ? 0xfe : e);
}
static bool convert(const Opcode *o, const uint64_t in[4], uint64_t *out, uint64_t *mask) {
  const char *to = o->part[o->count - 2], *from = o->part[o->count - 1];
  bool pair_to, pair_from, is_signed;
  int bits;
  const Format *d = format_of(to, &pair_to), *s = format_of(from, &pair_from);
  if (!strcmp(to, "tf32") && s) {
    static const Format tf32 = {"tf32", 32, 11, -126, 0x1.ffcp127, true, 0x7fffffff};
    const double v = decode(s, in[0] & low(32));
    uint64_t r = in[0] & low(32);
    if (isfinite(v)) { /* ties away: the larger neighbour of the halfway value */
      double t = compute(&tf32, SET, opcode_has(o, "rz") ? MPFR_RNDZ : MPFR_RNDN, v, 0, 0),
             up = compute(&tf32, SET, MPFR_RNDA, v, 0, 0), down = compute(&tf32, SET, MPFR_RNDZ, v, 0, 0);
      if (opcode_has(o, "rna") && isfinite(up) && fabs(up - v) == fabs(v - down)) t = up;
      if (opcode_has(o, "rna") && isinf(up) && fabs(v) - fabs(down) >= 0x1p116) t = up;
      r = encode(&formats[0], t);
    }
    *out = isnan(v) ? 0x7fffffff : r, *mask = low(32);
    return true;
  }
  if (!strcmp(to, "ue8m0x2") && s) {
    const double a = decode(s, pair_from ? in[0] >> 16 & 0xffff : in[0] & low(32)),
                 b = decode(s, pair_from ? in[0] & 0xffff : in[1] & low(32));
    *out = to_ue8m0(o, a) << 8 | to_ue8m0(o, b), *mask = 0xffff;
    return true;
  }
  if (!strcmp(from, "ue8m0x2") && d) {
    for (int k = 1; k >= 0; k--) {
      const uint64_t c = in[0] >> (8 * k) & 255;
      *out = *out << 16 | (c == 255 ? 0x7fff : encode(d, ldexp(1.0, (int)c - 127)));
    }
    *mask = low(32);
    return true;
  }
  if (d && s && pair_to) {
    const int step = d->bits == 6 ? 8 : d->bits;
    const int from_step = s->bits == 6 ? 8 : s->bits;
    for (int k = 1; k >= 0; k--) { /* of two sources the first goes to the upper half */
      const uint64_t code = pair_from ? in[0] >> (from_step * k) : in[1 - k];
      *out = *out << step | narrow_to(o, d, s, decode(s, code & low(s->bits)));
    }
    *mask = low(2 * step);
    return true;
  }
  if (d && s) {
    *out = narrow_to(o, d, s, decode(s, in[0] & low(s->bits))), *mask = low(d->bits);
    return true;
  }
  if (d && int_type(from, &bits, &is_signed)) {
    *out = encode(d, modify(o, d, from_integer(d, mode_of(o), in[0], bits, is_signed), false)), *mask = low(d->bits);
    return true;
  }
  if (s && int_type(to, &bits, &is_signed)) {
    double v = decode(s, in[0] & low(s->bits));
    if (opcode_has(o, "ftz")) v = flush(s, v);
    *out = to_integer(isnan(v) ? v : integral(o, v), bits, is_signed, s->bits == 64), *mask = low(bits);
    return true;
  }
  return false;
}

bool model_float(const Opcode *o, const uint64_t in[4], uint64_t *out, uint64_t *mask) {
  bool pair;
  *out = 0;
  if (!strcmp(o->part[0], "cvt")) return convert(o, in, out, mask);
  const bool third = o->count > 2 && !strcmp(o->part[o->count - 1], "3");
  const int last = o->count - 1 - third;
  const Format *d = format_of(o->part[last], &pair), *narrow = NULL;
  bool unused;
  if (!d) return false;
  if (last > 1 && !strcmp(o->part[last - 1], "f32") && d->bits == 16 && strcmp(o->part[0], "setp") != 0)
    narrow = d, d = format_of("f32", &unused);
  if (!strcmp(o->part[0], "setp") || !strcmp(o->part[0], "testp")) {
    *mask = 1;
    return o->part[0][0] == 's' ? compare(o, d, in, out) : classify(o, d, in, out);
  }
  *mask = low(pair ? 2 * d->bits : d->bits);
  for (int k = pair ? 1 : 0; k >= 0; k--) {
    uint64_t lane[4], r = 0;
    for (int s = 0; s < 4; s++) lane[s] = in[s] >> (d->bits * k % 64);
    if (!arithmetic(o, d, narrow, lane, &r) && !on_bits(o, d, lane, &r)) return false;
    *out = pair ? *out << d->bits | r : r;
  }
  return true;
}
