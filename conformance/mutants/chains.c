/* Rules that look through several operations: what a floor, an integer or a forgotten sign makes of no account. */
#include "conformance/contract/values.h"
#include "conformance/mutants/terms.h"

#include <math.h>

/* What is left of max(v, c), c >= 2^-126, when v's operands are no longer flushed: those that were are below c. */
int sb_term_unflushed(sb_terms *t, int v) {
  const sb_term n = *at(t, v);
  if (n.op == C_FLUSH) return n.arg[0];
  if (n.op == C_CAST && n.rule == R_DEFAULT && sb_cf_is_float(n.fmt) && sb_cf_smallest_normal(n.fmt) <= 0x1p-126) {
    const int u = sb_term_unflushed(t, n.arg[0]);
    return u == n.arg[0] ? v : sb_term_cast(t, n.fmt, R_DEFAULT, u);
  }
  if (n.op == C_DIV && is_number(t, n.arg[1]) && at(t, n.arg[1])->number >= 1) {
    const int u = sb_term_unflushed(t, n.arg[0]);
    return u == n.arg[0] ? v : sb_term_make(t, C_DIV, u, n.arg[1], -1);
  }
  if (n.op == C_MAX || n.op == C_MIN || n.op == C_NEG) { /* what changes is below 2^-126 before and after */
    const int u = sb_term_unflushed(t, n.arg[0]), w = n.op == C_NEG ? -1 : sb_term_unflushed(t, n.arg[1]);
    return u == n.arg[0] && w == n.arg[1] ? v : sb_term_make(t, (sb_cop)n.op, u, w, -1);
  }
  return v;
}

static bool is_scaling(const sb_terms *t, int i) {
  const sb_term *n = at(t, i);
  return (n->op == C_DIV || n->op == C_MUL) && is_number(t, n->arg[1]) && at(t, n->arg[1])->number > 0;
}
static bool is_rounding(const sb_terms *t, int i) {
  const sb_term *n = at(t, i);
  return n->op == C_CAST && n->rule == R_DEFAULT && sb_cf_is_float(n->fmt);
}

/* max(v, floor) where v is made of r(w + c), 0 < c, w >= 0, by quotients and roundings, which keep the order: where c
 * counts, w is below some w0 that c does not reach, and v is at most what w0 gives. If that is under the floor, w does
 * as well: max(v of w, floor). */
int sb_term_unadded(sb_terms *t, int v, double floor) {
  enum { MOST = 8 };
  int chain[MOST], depth = 0;
  for (int i = v; depth == 0 || !is(t, i, C_ADD); i = at(t, i)->arg[0]) {
    if (depth == MOST || !(is_scaling(t, i) || is_rounding(t, i))) return v;
    chain[depth++] = i;
  }
  const int f = at(t, chain[depth - 1])->fmt;
  const sb_term sum = *at(t, at(t, chain[depth - 1])->arg[0]);
  if (!is_rounding(t, chain[depth - 1]) || !is_number(t, sum.arg[1])) return v;
  const double c = at(t, sum.arg[1])->number;
  const sb_range *w = range(t, sum.arg[0]);
  if (!(c > 0) || !(w->lo >= 0) || w->down || w->minus_zero || !sb_range_fits(w, f)) return v;
  double value = fmax(ldexp(1, ilogb(c) + 1 + sb_format_precision(f)), sb_cf_smallest_normal(f)); /* w0 */
  for (int k = depth - 2; k >= 0; k--) {
    const sb_term *n = at(t, chain[k]);
    const double by = n->op == C_CAST ? 1 : at(t, n->arg[1])->number;
    value = n->op == C_CAST ? sb_value_cast(value, n->fmt, R_DEFAULT)
                            : nextafter(n->op == C_DIV ? value / by : value * by, SB_INF);
  }
  if (!(value <= floor)) return v;
  int i = sum.arg[0];
  for (int k = depth - 2; k >= 0; k--) {
    const sb_term n = *at(t, chain[k]);
    i = n.op == C_CAST ? sb_term_cast(t, n.fmt, R_DEFAULT, i) : sb_term_make(t, (sb_cop)n.op, i, n.arg[1], -1);
  }
  return i;
}

/* Sign-free: the same value but for the sign of a zero, for an operator that forgets it. */
int sb_term_any_zero(sb_terms *t, int i) {
  const sb_term n = *at(t, i);
  if (n.op == C_POSITIVE_ZERO) return sb_term_any_zero(t, n.arg[0]);
  if (n.op == C_ROUND || (n.op == C_CAST && sb_cf_is_float(n.fmt) && n.rule == R_DEFAULT && n.fmt != CF_FNUZ)) {
    const int u = sb_term_any_zero(t, n.arg[0]);
    return u == n.arg[0]     ? i
           : n.op == C_ROUND ? sb_term_make(t, C_ROUND, u, -1, -1)
                             : sb_term_cast(t, n.fmt, R_DEFAULT, u);
  }
  if (n.op == C_MUL) {
    const int u = sb_term_any_zero(t, n.arg[0]), w = sb_term_any_zero(t, n.arg[1]);
    return u == n.arg[0] && w == n.arg[1] ? i : sb_term_make(t, C_MUL, u, w, -1);
  }
  return i;
}

/* round(r(fl(a * fl(1 / b)))), a and b of 16 bits: a / b in place of the product, where the quotient is less than 2^15
 * and neither 1 / b nor what is not rounded to 0 is subnormal; or -1. */
int sb_term_divided(sb_terms *t, int i) {
  const sb_term r = *at(t, i);
  if (r.op != C_CAST || r.rule != R_DEFAULT || (r.fmt != SB_BF16 && r.fmt != SB_F16)) return -1;
  const sb_term *fl = at(t, r.arg[0]);
  if (fl->op != C_CAST || fl->fmt != SB_F32 || fl->rule != R_DEFAULT || !is(t, fl->arg[0], C_MUL)) return -1;
  const sb_term *m = at(t, fl->arg[0]);
  for (int swap = 0; swap < 2; swap++) {
    const int a = m->arg[swap], u = m->arg[1 - swap], d = is(t, u, C_CAST) ? at(t, u)->arg[0] : -1;
    if (d < 0 || at(t, u)->fmt != SB_F32 || at(t, u)->rule != R_DEFAULT || !is(t, d, C_DIV)) continue;
    if (!is_number(t, at(t, d)->arg[0]) || at(t, at(t, d)->arg[0])->number != 1) continue;
    const int b = at(t, d)->arg[1];
    const sb_range *n = range(t, b);
    if (!sb_range_fits(range(t, a), r.fmt) || !sb_range_fits(n, r.fmt) || n->zero || n->down) continue;
    if (!(n->least >= 0x1p-126) || !(n->lo > 0) || !(n->hi <= 0x1p126)) continue;
    const int q = sb_term_make(t, C_DIV, a, b, -1);
    if (q < 0 || !(range(t, q)->hi <= 0x1p15) || !(range(t, q)->lo >= -0x1p15) || range(t, q)->up ||
        range(t, q)->down || !sb_reciprocal_is_enough(r.fmt))
      return -1;
    return sb_term_cast(t, r.fmt, R_DEFAULT, q);
  }
  return -1;
}
