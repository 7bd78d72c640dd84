/* When two roundings are one, and when a sum is its larger operand. */
#include "conformance/contract/values.h"
#include "conformance/mutants/terms.h"

#include <float.h>
#include <math.h>

/* Precision of a format at numbers of exponent e. */
static int precision_at(int f, int e) {
  const int under = sb_format_least(f) - e;
  return sb_format_precision(f) - (under > 0 ? under : 0);
}

/* Whether rounding the exact `u` to g and then to f is rounding it once to f: no value of u is so near the middle of
 * two neighbours of f, without being it, that g rounds it there. Sums of two values of f: g has 2p + 1 bits (Figueroa),
 * and below the normal range they are exact. A product of k bits: g keeps k. A quotient by q bits, not the middle m of
 * p + 1 bits, is off it by more than 2^-(p + 1 + q) of it: g keeps so many. */
bool sb_rounds_once(const sb_terms *t, int f, int g, int u) {
  const sb_term *n = at(t, u);
  const int p = sb_format_precision(f), least = sb_format_least(f), tiny = least - p;
  if (sb_cf_largest(g) < sb_cf_largest(f) || sb_format_least(g) - sb_format_precision(g) >= tiny) return false;
  if (n->op != C_ADD && n->op != C_SUB && n->op != C_MUL && n->op != C_DIV) return false;
  const sb_range *a = range(t, n->arg[0]), *b = range(t, n->arg[1]);
  if (n->op == C_ADD || n->op == C_SUB) {
    const int q = least - p + 1;
    const bool both = a->bits <= p && b->bits <= p && a->quantum >= q && b->quantum >= q;
    return both && sb_format_precision(g) >= 2 * p + 1;
  }
  if (a->bits >= SB_UNKNOWN || b->bits >= SB_UNKNOWN) return false;
  if (n->op == C_MUL) return precision_at(g, tiny) >= a->bits + b->bits;
  return precision_at(g, least) >= p + 1 + b->bits && precision_at(g, tiny) >= 1 + b->bits &&
         precision_at(g, tiny) >= a->bits + 1;
}

/* t + c where c is less than a quarter of t's last place in f: t; where c has t's sign, less than half of it. */
int sb_absorbed(const sb_terms *t, int f, int u, int part) {
  if (is(t, u, C_CAST) && at(t, u)->rule == R_DEFAULT && sb_cf_is_float(at(t, u)->fmt) &&
      sb_format_precision(at(t, u)->fmt) >= sb_format_precision(f) &&
      sb_format_least(at(t, u)->fmt) <= sb_format_least(f))
    return sb_absorbed(t, f, at(t, u)->arg[0], 8);
  if (!is(t, u, C_ADD) && !is(t, u, C_SUB)) return -1;
  const int a = at(t, u)->arg[0], b = at(t, u)->arg[1];
  for (int swap = 0; swap < (is(t, u, C_ADD) ? 2 : 1); swap++) {
    const int v = swap ? b : a, c = swap ? a : b;
    const sb_range *r = range(t, v), *s = range(t, c);
    if (!sb_range_fits(r, f) || (r->zero && !(s->lo == 0 && s->hi == 0)) || s->nan || s->up || s->down) continue;
    const int e = ilogb(r->least), low = sb_format_least(f), last = (e > low ? e : low) - sb_format_precision(f) + 1;
    const double size = fmax(fabs(s->lo), fabs(s->hi));
    const bool away = part == 4 && is(t, u, C_ADD) && r->lo >= 0 && !r->down && s->lo >= 0;
    if (away && r->least > 0 && r->least < DBL_MAX && size > 0 && size < ldexp(1, last) / 2) return v;
    if (r->least > 0 && r->least < DBL_MAX && size > 0 && size < ldexp(1, last) / part) return v;
  }
  return -1;
}

/* a * fl(1 / c), rounded to f64 and then to f, as a / c: both are off a / c by less than 2^-51 of it, and a / c is no
 * middle of two neighbours in f, since c has an odd factor (a * 2^n = m * c would have more bits than a), and further
 * off them. 0: not so. `floored`: what is below the smallest normal of f is not asked for. */
double sb_reciprocal_of(const sb_terms *t, int f, int i, bool floored) {
  const sb_term *n = at(t, i);
  if (n->op != C_CAST || n->fmt != SB_F64 || n->rule != R_DEFAULT || !is(t, n->arg[0], C_MUL)) return 0;
  const sb_term *m = at(t, n->arg[0]);
  if (!is_number(t, m->arg[1]) || !(at(t, m->arg[1])->number > 0)) return 0;
  const double k = at(t, m->arg[1])->number, c = rint(2 / k) / 2;
  const sb_range *a = range(t, m->arg[0]), q = sb_range_of_number(c);
  int e;
  const int p = sb_format_precision(f);
  if (!(c >= 0.5 && c < 0x1p20) || 1 / c != k || frexp(c, &e) == 0.5 || a->bits > p) return 0;
  if (!floored && (a->zero ? a->least < DBL_MAX && a->least / c < sb_cf_smallest_normal(f)
                           : a->least / c < sb_cf_smallest_normal(f)))
    return 0;
  return p + 2 + q.bits <= 51 && a->bits <= 50 ? c : 0;
}

/* Whether r(fl(a * fl(1 / b))) = r(a / b) for all a and b of f, 16 bits, whose mantissas count alone as long as nothing
 * is subnormal or too large: all pairs of mantissas are computed, once. */
bool sb_reciprocal_is_enough(int f) {
  static _Thread_local int known[2]; /* bf16, f16; 1: so, 2: not */
  int *k = f == SB_BF16 ? &known[0] : f == SB_F16 ? &known[1] : NULL;
  if (!k) return false;
  const int one = 1 << (sb_format_precision(f) - 1);
  bool same = true;
  for (int b = one; b < 2 * one && !*k && same; b++) {
    const double r = sb_value_cast(1.0 / b, SB_F32, R_DEFAULT);
    for (int a = one; a < 2 * one && same; a++)
      same = sb_value_cast(sb_value_cast(a * r, SB_F32, R_DEFAULT), f, R_DEFAULT) ==
             sb_value_cast((double)a / b, f, R_DEFAULT);
  }
  if (!*k) *k = same ? 1 : 2;
  return *k == 1;
}
