/* What values an exact operation can have, from what its operands can have. Bounds are widened outward where the host's
 * f64 rounds them. */
#include "conformance/contract/values.h"
#include "conformance/mutants/prove.h"

#include <float.h>
#include <math.h>

int sb_format_precision(int f) { return 1 - ilogb(sb_cf_eps(f)); }
int sb_format_least(int f) { return ilogb(sb_cf_smallest_normal(f)); }

static double outward(double v, double to) {
  const double next = isfinite(v) ? nextafter(v, to) : v;
  return isfinite(next) ? next : copysign(DBL_MAX, v);
}
static double least_of(double a, double b) { return a < b ? a : b; }
static double most_of(double a, double b) { return a > b ? a : b; }
static double size_of(const sb_range *r) { return most_of(fabs(r->lo), fabs(r->hi)); }

/* What follows from the rest. */
static sb_range tidy(sb_range r) {
  if (r.lo > 0 || r.hi < 0) r.zero = r.minus_zero = false;
  if (!r.zero) r.minus_zero = false;
  if (r.quantum > -SB_UNKNOWN) {
    const double one = ldexp(1, r.quantum < -1074 ? -1074 : r.quantum);
    r.least = most_of(r.least, r.quantum < -1074 ? 0 : one);
    const double size = size_of(&r);
    const int bits = !(size <= DBL_MAX) ? SB_UNKNOWN : size > 0 ? ilogb(size) - r.quantum + 1 : 1;
    if (bits < r.bits) r.bits = bits < 1 ? 1 : bits;
  }
  if (r.lo > 0) r.least = most_of(r.least, r.lo);
  if (r.hi < 0) r.least = most_of(r.least, -r.hi);
  return r;
}

sb_range sb_range_anything(void) {
  return (sb_range){-DBL_MAX, DBL_MAX, 0, SB_UNKNOWN, -SB_UNKNOWN, true, true, true, true, true};
}

sb_range sb_range_of_number(double v) {
  if (isnan(v)) return (sb_range){0, 0, DBL_MAX, 1, SB_UNKNOWN, .nan = true};
  if (isinf(v)) return (sb_range){0, 0, DBL_MAX, 1, SB_UNKNOWN, .up = v > 0, .down = v < 0};
  sb_range r = {v, v, fabs(v), 1, SB_UNKNOWN, .zero = v == 0, .minus_zero = v == 0 && signbit(v)};
  if (v == 0) {
    r.least = DBL_MAX;
    return r;
  }
  int e = ilogb(v) - 52;
  double m = fabs(ldexp(v, -e));
  for (; fmod(m, 2) == 0; m /= 2) e++;
  r.quantum = e;
  r.bits = ilogb(m) + 1;
  return r;
}

sb_range sb_range_of_format(int f) {
  if (!sb_cf_is_float(f)) {
    const sb_format_info *i = sb_format_of((sb_format)f);
    const bool sign = sb_value_wrap(-1, f) < 0;
    const double most = ldexp(1, i->bits - sign);
    return (sb_range){sign ? -ldexp(1, i->bits - 1) : 0, i->bits > 52 ? most : most - 1, 1, i->bits, 0, .zero = true};
  }
  const int p = sb_format_precision(f), q = sb_format_least(f) - p + 1;
  const bool infinite = f == SB_F64 || f == SB_F32 || f == SB_BF16 || f == SB_F16 || f == SB_E5M2;
  return (sb_range){
      -sb_cf_largest(f), sb_cf_largest(f), f == SB_F64 ? 0 : ldexp(1, q), p, q, f != SB_E2M1, infinite, infinite, true,
      f != CF_FNUZ};
}

bool sb_range_fits(const sb_range *r, int f) {
  if (f < 0 || f >= CF_COUNT || f == SB_E8M0) return false;
  const double size = size_of(r);
  if (!sb_cf_is_float(f)) {
    const sb_range all = sb_range_of_format(f);
    return r->quantum >= 0 && !r->nan && !r->up && !r->down && r->lo >= all.lo && r->hi <= all.hi && r->hi < 0x1p63;
  }
  const int p = sb_format_precision(f), q = sb_format_least(f) - p + 1;
  if (((r->up || r->down) && !sb_range_of_format(f).up) || (r->nan && f == SB_E2M1)) return false;
  if (r->minus_zero && f == CF_FNUZ) return false;
  return size <= sb_cf_largest(f) && r->quantum >= q && r->bits <= p;
}

static sb_range of_sum(sb_range a, sb_range b, bool minus) {
  if (minus) {
    const sb_range n = b;
    b.lo = -n.hi, b.hi = -n.lo, b.up = n.down, b.down = n.up;
    b.minus_zero = n.zero; /* of either sign */
  }
  sb_range r = {
      outward(a.lo + b.lo, -SB_INF), outward(a.hi + b.hi, SB_INF), 0, SB_UNKNOWN, -SB_UNKNOWN, .up = a.up || b.up,
      .down = a.down || b.down};
  if (a.lo + b.lo - a.lo == b.lo && a.lo + b.lo - b.lo == a.lo) r.lo = a.lo + b.lo; /* near enough to exact: integers */
  if (a.hi + b.hi - a.hi == b.hi && a.hi + b.hi - b.hi == a.hi) r.hi = a.hi + b.hi;
  r.quantum = a.quantum < b.quantum ? a.quantum : b.quantum;
  r.nan = a.nan || b.nan || (a.up && b.down) || (a.down && b.up);
  r.zero = r.lo <= 0 && r.hi >= 0;
  r.minus_zero = a.minus_zero && b.minus_zero;
  return tidy(r);
}

static bool negative(const sb_range *r) { return r->lo < 0 || r->down || r->minus_zero; }
static bool positive(const sb_range *r) { return r->hi > 0 || r->up || r->zero; }

static sb_range of_product(const sb_range *a, const sb_range *b) {
  const double corner[4] = {a->lo * b->lo, a->lo * b->hi, a->hi * b->lo, a->hi * b->hi};
  sb_range r = {SB_INF, -SB_INF,
                .bits = a->bits == 1                                   ? b->bits /* powers of two */
                        : b->bits == 1                                 ? a->bits
                        : a->bits < SB_UNKNOWN && b->bits < SB_UNKNOWN ? a->bits + b->bits
                                                                       : SB_UNKNOWN};
  for (int i = 0; i < 4; i++) r.lo = least_of(r.lo, corner[i]), r.hi = most_of(r.hi, corner[i]);
  if (r.bits > 53) r.lo = outward(r.lo, -SB_INF), r.hi = outward(r.hi, SB_INF);
  r.lo = most_of(r.lo, -DBL_MAX), r.hi = least_of(r.hi, DBL_MAX);
  const bool known = a->quantum > -SB_UNKNOWN && b->quantum > -SB_UNKNOWN;
  r.quantum = known ? (a->quantum == SB_UNKNOWN || b->quantum == SB_UNKNOWN ? SB_UNKNOWN : a->quantum + b->quantum)
                    : -SB_UNKNOWN;
  r.least = a->least < DBL_MAX && b->least < DBL_MAX ? outward(a->least * b->least, 0) : 0;
  r.up = r.down = a->up || a->down || b->up || b->down;
  r.nan = a->nan || b->nan || ((a->up || a->down) && b->zero) || ((b->up || b->down) && a->zero);
  r.zero = a->zero || b->zero;
  const bool minus = (negative(a) && positive(b)) || (positive(a) && negative(b));
  r.minus_zero = (a->minus_zero && positive(b)) || (a->zero && negative(b)) || (b->minus_zero && positive(a)) ||
                 (b->zero && negative(a));
  r.down = r.down && minus;
  return tidy(r);
}

static sb_range of_quotient(const sb_range *a, const sb_range *b) {
  sb_range r = sb_range_anything();
  const bool infinite = b->up || b->down, minus = (negative(a) && positive(b)) || (positive(a) && negative(b));
  if (!b->zero && b->least > 0 && b->least < DBL_MAX) {
    const double most = outward(size_of(a) / b->least, SB_INF);
    r.lo = -most, r.hi = most;
    if (!negative(a) && !negative(b)) r.lo = 0;
    r.up = r.down = a->up || a->down;
    if (a->hi <= 0 && !a->up && !negative(b)) r.hi = 0, r.up = false;
  }
  r.down = r.down && minus;
  if (!minus) r.lo = most_of(r.lo, 0);
  r.least = a->least < DBL_MAX && size_of(b) > 0 ? outward(a->least / size_of(b), 0) : 0;
  if (r.least > 0 && !a->zero && !infinite && r.lo == 0) r.lo = r.least;
  r.nan = a->nan || b->nan || (a->zero && b->zero) || ((a->up || a->down) && infinite);
  r.zero = a->zero || infinite;
  r.minus_zero = (a->minus_zero && positive(b)) || (a->zero && negative(b)) || (infinite && minus);
  return tidy(r);
}

static sb_range of_either(const sb_range *a, const sb_range *b) {
  return (sb_range){least_of(a->lo, b->lo),
                    most_of(a->hi, b->hi),
                    least_of(a->least, b->least),
                    a->bits > b->bits ? a->bits : b->bits,
                    a->quantum < b->quantum ? a->quantum : b->quantum,
                    a->nan || b->nan,
                    a->up || b->up,
                    a->down || b->down,
                    a->zero || b->zero,
                    a->minus_zero || b->minus_zero};
}

static sb_range of_extremum(const sb_range *a, const sb_range *b, bool most, bool numbers) {
  sb_range r = of_either(a, b);
  const bool plus_zero = (a->zero && !a->minus_zero && a->lo == 0 && a->hi == 0) ||
                         (b->zero && !b->minus_zero && b->lo == 0 && b->hi == 0); /* one operand is the number 0 */
  if (numbers && (a->nan || b->nan)) {                                            /* either operand may be the result */
    r.nan = a->nan && b->nan;
    return tidy(r);
  }
  if (most) {
    /* An infinity below leaves the other operand. */
    r.lo = a->down && b->down ? r.lo : a->down ? b->lo : b->down ? a->lo : most_of(a->lo, b->lo);
    r.down = a->down && b->down;
    if (plus_zero && r.lo >= 0) r.minus_zero = false;
  } else {
    r.hi = a->up && b->up ? r.hi : a->up ? b->hi : b->up ? a->hi : least_of(a->hi, b->hi);
    r.up = a->up && b->up;
  }
  return tidy(r);
}

static sb_range of_cast(const sb_range *a, int f, sb_rule rule) {
  sb_range r = sb_range_of_format(f);
  if (!sb_cf_is_float(f)) {
    if (!a->nan && !a->up && !a->down && a->lo >= r.lo && a->hi < r.hi) r.lo = trunc(a->lo), r.hi = trunc(a->hi);
    if (a->nan && !a->up && !a->down && a->lo >= r.lo && a->hi < r.hi) {
      const double nan = sb_value_cast(SB_NAN, f, rule);
      const double size = most_of(fabs(trunc(a->lo)), fabs(trunc(a->hi)));
      r.bits = size > 0 ? ilogb(size) + 1 : 1; /* NaN gives 0 or a power of two */
      r.lo = least_of(nan, trunc(a->lo)), r.hi = most_of(nan, trunc(a->hi));
    }
    return tidy(r);
  }
  if (rule == R_BITS || f == SB_E8M0) return r;
  const double lo = sb_value_cast(a->lo, f, rule), hi = sb_value_cast(a->hi, f, rule);
  const bool nearest = rule == R_DEFAULT || rule == R_SAT || rule == R_NAN || rule == R_INF;
  const bool saturates = rule == R_SAT || rule == R_ZERO || rule == R_AWAY || rule == R_UP;
  const bool keeps = rule == R_DEFAULT && r.up; /* an infinity stays one: what is finite comes of what is */
  if (isfinite(lo) && (!a->down || keeps)) r.lo = lo;
  if (isfinite(hi) && (!a->up || keeps)) r.hi = hi;
  r.up = r.up && (a->up || isinf(hi)), r.down = r.down && (a->down || isinf(lo));
  r.nan = (a->nan && f != SB_E2M1) || (!saturates && !sb_range_of_format(f).up);
  if (a->quantum > r.quantum) r.quantum = a->quantum;
  if (a->bits < r.bits) r.bits = a->bits;
  if (nearest && a->least > 0 && a->least < DBL_MAX) {
    const double least = sb_value_cast(a->least, f, R_SAT);
    r.zero = a->zero || least == 0;
    if (least > r.least) r.least = least;
    r.minus_zero = (a->minus_zero || (least == 0 && a->lo < 0)) && f != CF_FNUZ;
  } else {
    r.minus_zero = (a->minus_zero || a->lo < 0) && f != CF_FNUZ;
  }
  return tidy(r);
}

sb_range sb_range_of(const sb_terms *t, const sb_term *n) {
  const sb_range *a = n->arg[0] >= 0 ? &t->term[n->arg[0]].range : NULL,
                 *b = n->arg[1] >= 0 ? &t->term[n->arg[1]].range : NULL;
  const sb_range *c = n->arg[2] >= 0 ? &t->term[n->arg[2]].range : NULL;
  sb_range r = sb_range_anything();
  switch (n->op) {
  case C_NUM:
    return sb_range_of_number(n->number);
  case C_INPUT:
    return sb_range_of_format(n->fmt);
  case C_NEG:
    r = *a;
    r.lo = -a->hi, r.hi = -a->lo, r.up = a->down, r.down = a->up, r.minus_zero = a->zero;
    return tidy(r);
  case C_ADD:
  case C_SUB:
    return of_sum(*a, *b, n->op == C_SUB);
  case C_MUL:
    return of_product(a, b);
  case C_DIV:
    return of_quotient(a, b);
  case C_MIN:
  case C_MAX:
  case C_MINNUM:
  case C_MAXNUM:
    return of_extremum(a, b, n->op == C_MAX || n->op == C_MAXNUM, n->op == C_MINNUM || n->op == C_MAXNUM);
  case C_ABS:
    r = *a;
    r.lo = a->lo > 0 ? a->lo : a->hi < 0 ? -a->hi : 0;
    r.hi = size_of(a), r.up = a->up || a->down, r.down = false, r.minus_zero = false;
    return tidy(r);
  case C_ROUND:
  case C_ROUND_AWAY:
  case C_FLOOR:
  case C_CEIL:
  case C_TRUNC:
    r = *a;
    r.lo = n->op == C_ROUND ? rint(a->lo) : floor(a->lo), r.hi = n->op == C_ROUND ? rint(a->hi) : ceil(a->hi);
    r.least = 1;
    r.quantum = a->quantum > 0 ? a->quantum : 0, r.bits = SB_UNKNOWN;
    r.zero = a->zero || (r.lo <= 0 && r.hi >= 0);
    r.minus_zero = a->minus_zero || a->lo < 0;
    return tidy(r);
  case C_LT:
  case C_LE:
  case C_GT:
  case C_GE:
  case C_EQ:
  case C_NE:
  case C_ISNAN:
  case C_ISINF:
    return (sb_range){0, 1, 1, 1, 0, .zero = true};
  case C_SELECT:
    return of_either(b, c);
  case C_AMIN:
  case C_AMAX:
    return *a;
  case C_AMINNUM:
  case C_AMAXNUM:
  case C_SIGNED_ABSMAX:
    return *a;
  case C_FLUSH:
    r = *a;
    r.zero = r.zero || a->least < 0x1p-126, r.minus_zero = a->minus_zero || (a->least < 0x1p-126 && a->lo < 0);
    r.least = a->least > 0x1p-126 ? a->least : 0x1p-126;
    if (r.lo > 0 && r.lo < 0x1p-126) r.lo = 0;
    if (r.hi < 0 && r.hi > -0x1p-126) r.hi = 0;
    return tidy(r);
  case C_POSITIVE_ZERO:
    r = *a;
    r.minus_zero = false;
    return tidy(r);
  case C_CAST:
    return of_cast(a, n->fmt, (sb_rule)n->rule);
  default:
    return r;
  }
}
