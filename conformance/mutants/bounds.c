/* How large a quotient by a tile's own scale can be, which no interval of its operands tells. */
#include "conformance/contract/values.h"
#include "conformance/mutants/terms.h"

#include <float.h>
#include <math.h>

/* Whether term i is at least (at most) every element a of its tile, NaN apart. */
static bool bounds(const sb_terms *t, int i, int a, bool most) {
  const sb_term *n = at(t, i);
  switch (n->op) {
  case C_AMAX:
  case C_AMIN:
    return (n->op == C_AMAX) == most && n->arg[0] == a;
  case C_MAX:
  case C_MIN:
    return (n->op == C_MAX) == most && (bounds(t, n->arg[0], a, most) || bounds(t, n->arg[1], a, most));
  default:
    return false;
  }
}
static bool bounds_negative(const sb_terms *t, int i, int a) {
  return is(t, i, C_NEG) && bounds(t, at(t, i)->arg[0], a, false);
}

/* Whether g >= |a| for every element a of g's tile, NaN apart: g is its largest magnitude, or its range. */
static bool covers(const sb_terms *t, int g, int a) {
  const sb_term *n = at(t, g);
  const sb_range *r = range(t, a);
  switch (n->op) {
  case C_AMAX:
    return is(t, n->arg[0], C_ABS) && at(t, n->arg[0])->arg[0] == a;
  case C_NEG:
    return n->arg[0] == a && r->hi <= 0;
  case C_CAST: /* what covers a value of the format covers it when rounded */
    if (n->rule != R_DEFAULT || !sb_cf_is_float(n->fmt)) return false;
    /* a rounding of the same format: x - min against max - min */
    if (is(t, a, C_CAST) && at(t, a)->fmt == n->fmt && at(t, a)->rule == R_DEFAULT &&
        covers(t, n->arg[0], at(t, a)->arg[0]))
      return true;
    return sb_range_fits(r, n->fmt) && covers(t, n->arg[0], a);
  case C_MAX: {
    const int p = n->arg[0], q = n->arg[1];
    if ((bounds(t, p, a, true) && bounds_negative(t, q, a)) || (bounds(t, q, a, true) && bounds_negative(t, p, a)))
      return true;
    return covers(t, p, a) || covers(t, q, a);
  }
  case C_SUB: {
    const sb_term *p = at(t, n->arg[0]), *q = at(t, n->arg[1]);
    if (p->range.lo >= 0 && !p->range.down && n->arg[1] == a && r->hi <= 0) return true; /* p - a, a <= 0 <= p */
    if (n->arg[0] == a && r->lo >= 0 && q->range.hi <= 0 && !q->range.up) return true;
    if (p->op == C_AMAX && q->op == C_AMIN && p->arg[0] == q->arg[0]) /* x - min against max - min */
      return is(t, a, C_SUB) && at(t, a)->arg[0] == p->arg[0] && at(t, a)->arg[1] == n->arg[1];
    return p->op == C_MAX && q->op == C_MIN && is(t, p->arg[0], C_AMAX) && is(t, q->arg[0], C_AMIN) &&
           at(t, p->arg[0])->arg[0] == a && at(t, q->arg[0])->arg[0] == a && is_number(t, p->arg[1]) &&
           at(t, p->arg[1])->number == 0 && is_number(t, q->arg[1]) && at(t, q->arg[1])->number == 0;
  }
  default:
    return false;
  }
}

/* The least of max(r(v / k), floor) / v over all values v > 0 of a format of 16 bits: how much a rounded quotient
 * loses, which for many k is less than half a place. */
static double least_of_quotients(int f, double k, double floor) {
  static _Thread_local struct {
    int f;
    double k, floor, least;
  } last; /* a contract has one or two such quotients, each asked for by many terms */
  if (last.k == k && last.f == f && last.floor == floor) return last.least;
  const double *all = sb_values_of_half(f);
  double least = DBL_MAX;
  for (int i = 1; i < 1 << 15; i++) {
    if (!(all[i] > 0) || isinf(all[i])) continue;
    const double q = fmax(sb_value_cast(sb_value_cast(all[i] / k, SB_F32, R_DEFAULT), f, R_DEFAULT), floor) / all[i];
    if (q < least) least = q;
  }
  last.f = f, last.k = k, last.floor = floor, last.least = least * (1 - 0x1p-50);
  return last.least;
}

/* g >= this * |a|, 0: not known: g is what covers a, divided by a number, with a floor. A rounding lessens a value by
 * at most one part in 2^(p - 1) where it is normal, which the floor takes care of. */
double sb_least_share(const sb_terms *t, int g, int a) {
  const sb_term *n = at(t, g);
  if (covers(t, g, a)) return 1;
  if (is(t, g, C_MAX) && is_number(t, n->arg[1])) {
    const double floor = at(t, n->arg[1])->number;
    const sb_term *m = at(t, n->arg[0]);
    if (!(floor > 0)) return 0;
    const sb_term *d = m->op == C_CAST && m->rule == R_DEFAULT ? at(t, m->arg[0]) : m;
    if ((m->fmt == SB_BF16 || m->fmt == SB_F16) && d->op == C_DIV && is_number(t, d->arg[1]) &&
        at(t, d->arg[1])->number > 0 && sb_range_fits(range(t, d->arg[0]), m->fmt))
      return sb_least_share(t, d->arg[0], a) * least_of_quotients(m->fmt, at(t, d->arg[1])->number, floor);
    if (m->op == C_CAST && m->rule == R_DEFAULT && sb_cf_is_float(m->fmt) && floor >= sb_cf_smallest_normal(m->fmt))
      return sb_least_share(t, m->arg[0], a) * (1 - sb_cf_eps(m->fmt));
    return sb_least_share(t, n->arg[0], a);
  }
  if ((n->op == C_DIV || n->op == C_MUL) && is_number(t, n->arg[1]) && at(t, n->arg[1])->number > 0) {
    const double k = at(t, n->arg[1])->number, share = sb_least_share(t, n->arg[0], a);
    return (n->op == C_DIV ? share / k : share * k) * (1 - 0x1p-50);
  }
  return 0;
}

/* |a / g| <= most: no overflow, whatever the tile holds; of x - min it is not negative. */
void sb_limit_quotient(sb_terms *t, int i, int a, double most) {
  if (i < 0) return;
  sb_range *r = &t->term[i].range;
  const sb_term *n = at(t, a);
  if (n->op == C_CAST) n = at(t, n->arg[0]);
  const bool above = n->op == C_SUB && is(t, n->arg[1], C_AMIN) && at(t, n->arg[1])->arg[0] == n->arg[0];
  if (r->hi > most) r->hi = most;
  if (r->lo < -most) r->lo = -most;
  if (above && r->lo < 0) r->lo = 0;
  r->up = r->down = false;
}
