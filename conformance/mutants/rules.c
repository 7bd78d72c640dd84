/* Terms, and the rules by which they are made: each keeps the value for every input. */
#include "conformance/contract/values.h"
#include "conformance/mutants/terms.h"

#include <float.h>
#include <math.h>
#include <string.h>

static bool equal(const sb_term *a, const sb_term *b) {
  return a->op == b->op && a->rule == b->rule && a->fmt == b->fmt && memcmp(a->arg, b->arg, sizeof a->arg) == 0 &&
         sb_f64_bits(a->number) == sb_f64_bits(b->number) && a->over.r == b->over.r && a->over.c == b->over.c &&
         (a->op != C_INPUT || strcmp(a->name, b->name) == 0);
}

int sb_term_add(sb_terms *t, const sb_term *n) {
  for (int i = 0; i < 3; i++)
    if (n->arg[i] < -1) return -2;
  for (int i = 0; i < t->count; i++)
    if (equal(&t->term[i], n)) return i;
  if (t->count == SB_MAX_TERMS) return -2;
  t->term[t->count] = *n;
  t->term[t->count].range = sb_range_of(t, n);
  return t->count++;
}

static int plain(sb_terms *t, sb_cop op, int a, int b, int c) {
  return sb_term_add(t, &(sb_term){.op = (uint8_t)op, .fmt = CF_NONE, .arg = {a, b, c}});
}

int sb_term_number(sb_terms *t, double v) {
  return sb_term_add(t, &(sb_term){.op = C_NUM, .fmt = CF_NONE, .arg = {-1, -1, -1}, .number = isnan(v) ? SB_NAN : v});
}
int sb_term_input(sb_terms *t, const char *name, int format) {
  return sb_term_add(t, &(sb_term){.op = C_INPUT, .fmt = (int8_t)format, .arg = {-1, -1, -1}, .name = name});
}

/* A rounding that no value between goes back over: rounded to nearest, or a flush of what is subnormal. */
static bool is_monotone(const sb_term *n) {
  return n->op == C_FLUSH || (n->op == C_CAST && sb_cf_is_float(n->fmt) && n->rule == R_DEFAULT);
}
static int redo(sb_terms *t, const sb_term *rounding, int a) {
  const sb_term r = *rounding;
  return r.op == C_FLUSH ? sb_term_make(t, C_FLUSH, a, -1, -1) : sb_term_cast(t, r.fmt, (sb_rule)r.rule, a);
}

/* A reduction takes one of its operands, so that a monotone rounding of each is one of the result (of values that are
 * not negative: which zero it takes of two signs is not said). */
int sb_term_reduce(sb_terms *t, sb_cop op, sb_tile over, int a) {
  if (a < 0) return -2;
  const sb_term n = *at(t, a);
  const sb_range *r = n.arg[0] >= 0 ? range(t, n.arg[0]) : &n.range;
  const bool no_sign = r->lo >= 0 && !r->down && !r->minus_zero;
  if ((op == C_AMAX || op == C_AMIN) && is_monotone(&n) && no_sign)
    return redo(t, &n, sb_term_reduce(t, op, over, n.arg[0]));
  return sb_term_add(t, &(sb_term){.op = (uint8_t)op, .fmt = CF_NONE, .arg = {a, -1, -1}, .over = over});
}

int sb_term_integer(sb_terms *t, sb_cop op, int format, int a, int b) {
  if (a < 0 || b < 0) return -2;
  const sb_term n = {.op = (uint8_t)op, .fmt = CF_NONE, .arg = {a, b, -1}};
  const sb_range r = sb_range_of(t, &n);
  if (sb_range_fits(&r, format)) return sb_term_make(t, op, a, b, -1);
  return sb_term_add(t, &(sb_term){.op = (uint8_t)op, .fmt = (int8_t)format, .arg = {a, b, -1}});
}

/* The constant c op k rounded to f, where f64 holds enough of it. */
static int rounded_number(sb_terms *t, int f, double v) { return sb_term_number(t, sb_value_cast(v, f, R_DEFAULT)); }
static bool in_f32(double v) { return sb_value_cast(v, SB_F32, R_DEFAULT) == v; }

static int cast_float(sb_terms *t, int f, sb_rule rule, int a) {
  const sb_term n = *at(t, a);
  const sb_range r = n.range;
  if (n.op == C_NUM) return sb_term_number(t, sb_value_cast(n.number, f, rule));
  const bool flushes = rule == R_FLUSH || rule == R_FLUSH_POSITIVE;
  if (sb_range_fits(&r, f) && rule != R_BITS && !(flushes && r.least < sb_cf_smallest_normal(f))) return a;
  const bool nearest = rule == R_DEFAULT || rule == R_SAT || rule == R_NAN;
  if (rule == R_NAN && !r.up && !r.down && r.lo >= -464 && r.hi <= 464) return sb_term_cast(t, f, R_SAT, a);
  if (nearest && n.op == C_CAST && n.rule == R_DEFAULT && sb_cf_is_float(n.fmt) &&
      sb_rounds_once(t, f, n.fmt, n.arg[0]))
    return sb_term_cast(t, f, rule, n.arg[0]);
  if (nearest && n.op == C_FLUSH && sb_cf_smallest_normal(f) * sb_cf_eps(f) / 2 > 0x1p-126)
    return sb_term_cast(t, f, rule, n.arg[0]);
  if (rule == R_DEFAULT) {
    const double c = sb_reciprocal_of(t, f, a, false);
    if (c > 0)
      return sb_term_cast(t, f, rule, sb_term_make(t, C_DIV, at(t, n.arg[0])->arg[0], sb_term_number(t, c), -1));
    const int kept = sb_absorbed(t, f, a, 4);
    if (kept >= 0) return kept;
    if ((n.op == C_MAX || n.op == C_MIN) && is_number(t, n.arg[1]))
      return sb_term_make(t, (sb_cop)n.op, sb_term_cast(t, f, rule, n.arg[0]),
                          rounded_number(t, f, at(t, n.arg[1])->number), -1);
    /* max(v, c) / k: the larger of two quotients, each rounded. */
    if ((n.op == C_DIV || n.op == C_MUL) && is_number(t, n.arg[1]) && is(t, n.arg[0], C_MAX) &&
        is_number(t, at(t, n.arg[0])->arg[1])) {
      const double k = at(t, n.arg[1])->number, floor = at(t, at(t, n.arg[0])->arg[1])->number;
      const int v = at(t, n.arg[0])->arg[0];
      const bool exact = in_f32(floor) && in_f32(k) && (f == SB_F32 || f == SB_BF16 || f == SB_F16);
      if (k > 0 && floor > 0 && exact)
        return sb_term_make(t, C_MAX, sb_term_cast(t, f, rule, sb_term_make(t, (sb_cop)n.op, v, n.arg[1], -1)),
                            rounded_number(t, f, n.op == C_DIV ? floor / k : floor * k), -1);
    }
  }
  return sb_term_add(t, &(sb_term){.op = C_CAST, .rule = (uint8_t)rule, .fmt = (int8_t)f, .arg = {a, -1, -1}});
}

int sb_term_cast(sb_terms *t, int f, sb_rule rule, int a) {
  if (a < 0) return -2;
  if (sb_cf_is_float(f)) return f == SB_E8M0 ? plain(t, C_OPS, a, -1, -1) : cast_float(t, f, rule, a);
  sb_range r = *range(t, a);
  if (is_number(t, a)) return sb_term_number(t, sb_value_cast(at(t, a)->number, f, rule));
  if (is(t, a, C_POSITIVE_ZERO)) return sb_term_cast(t, f, rule, at(t, a)->arg[0]); /* integers have one zero */
  if (sb_range_fits(&r, f)) return sb_term_make(t, C_POSITIVE_ZERO, a, -1, -1);
  /* Of a value that fits but for NaN only NaN's integer matters. */
  r.nan = false;
  if (sb_range_fits(&r, f) && sb_value_cast(SB_NAN, f, rule) == 0) f = SB_I64, rule = R_SAT;
  return sb_term_add(t, &(sb_term){.op = C_CAST, .rule = (uint8_t)rule, .fmt = (int8_t)f, .arg = {a, -1, -1}});
}

/* Where the sign of a term comes from, positive factors left out. */
static int sign_of(const sb_terms *t, int i) {
  for (;;) {
    const sb_term *n = at(t, i);
    const bool rounds = (n->op == C_CAST && sb_cf_is_float(n->fmt) && n->fmt != CF_FNUZ &&
                         n->rule != R_FLUSH_POSITIVE && n->rule != R_BITS) ||
                        n->op == C_FLUSH || n->op == C_ROUND;
    if (rounds)
      i = n->arg[0];
    else if ((n->op == C_MUL || n->op == C_DIV)) {
      const sb_range *a = range(t, n->arg[0]), *b = range(t, n->arg[1]);
      if (b->lo >= 0 && !b->minus_zero && !b->down)
        i = n->arg[0];
      else if (n->op == C_MUL && a->lo >= 0 && !a->minus_zero && !a->down)
        i = n->arg[1];
      else
        return i;
    } else {
      return i;
    }
  }
}

/* -1: neither; 0: false for every value, NaN too; 1: true for every value. */
static int decided(const sb_terms *t, sb_cop op, int i, int j) {
  const sb_range *a = range(t, i), *b = range(t, j);
  const bool nan = a->nan || b->nan;
  const double alo = a->down ? -SB_INF : a->lo, ahi = a->up ? SB_INF : a->hi, blo = b->down ? -SB_INF : b->lo,
               bhi = b->up ? SB_INF : b->hi;
  const bool apart = alo > bhi || ahi < blo || (!a->zero && is_number(t, j) && at(t, j)->number == 0);
  switch (op) {
  case C_LT:
    return alo >= bhi ? 0 : ahi < blo && !nan ? 1 : -1;
  case C_LE:
    return alo > bhi ? 0 : ahi <= blo && !nan ? 1 : -1;
  case C_GT:
    return ahi <= blo ? 0 : alo > bhi && !nan ? 1 : -1;
  case C_GE:
    return ahi < blo ? 0 : alo >= bhi && !nan ? 1 : -1;
  case C_EQ:
    return apart ? 0 : -1;
  case C_NE:
    return apart ? 1 : -1;
  default:
    return -1;
  }
}

/* a * r(1 / g), whose size is known where that of a / g is. */
static int times_reciprocal(sb_terms *t, int a, int b) {
  const int i = is_number(t, b) || a < b ? plain(t, C_MUL, a, b, -1) : plain(t, C_MUL, b, a, -1);
  for (int swap = 0; swap < 2; swap++) {
    const int v = swap ? b : a, r = swap ? a : b, d = is(t, r, C_CAST) ? at(t, r)->arg[0] : -1;
    if (d < 0 || !is(t, d, C_DIV) || !is_number(t, at(t, d)->arg[0]) || at(t, at(t, d)->arg[0])->number != 1) continue;
    const double share = sb_least_share(t, at(t, d)->arg[1], v);
    if (at(t, r)->rule != R_DEFAULT || !(share > 0) || range(t, r)->up || range(t, r)->down) continue;
    sb_limit_quotient(t, i, v, 1 / share * (1 + 2 * sb_cf_eps(at(t, r)->fmt)) + 1); /* + 1: a subnormal reciprocal */
  }
  return i;
}

static bool integral(const sb_range *r) { return r->quantum >= 0; }

int sb_term_make(sb_terms *t, sb_cop op, int a, int b, int c) {
  if (a < 0 || b < -1 || c < -1) return -2;
  const sb_term n = *at(t, a), m = b >= 0 ? *at(t, b) : (sb_term){0};
  switch (op) {
  case C_ADD:
    if (n.op == C_NUM) return m.op == C_NUM ? plain(t, op, a, b, -1) : sb_term_make(t, op, b, a, -1);
    if (m.op == C_NUM && m.number == 0) return signbit(m.number) ? a : sb_term_make(t, C_POSITIVE_ZERO, a, -1, -1);
    if (m.op == C_NUM && n.op == C_MAX && is_number(t, n.arg[1]) && at(t, n.arg[1])->number == 0 &&
        range(t, n.arg[0])->lo >= 0 && !range(t, n.arg[0])->down)
      return sb_term_make(t, op, n.arg[0], b, -1); /* either zero, and a number */
    if (n.op == C_POSITIVE_ZERO && !m.range.minus_zero) return sb_term_make(t, op, n.arg[0], b, -1);
    if (m.op == C_POSITIVE_ZERO && !n.range.minus_zero) return sb_term_make(t, op, a, m.arg[0], -1);
    return m.op == C_NUM || a < b ? plain(t, op, a, b, -1) : plain(t, op, b, a, -1);
  case C_SUB:
    if (m.op == C_NUM) return sb_term_make(t, C_ADD, a, sb_term_number(t, -m.number), -1);
    return plain(t, op, a, b, -1);
  case C_MUL:
    if (n.op == C_NUM && m.op != C_NUM) return sb_term_make(t, op, b, a, -1);
    if (m.op == C_NUM && m.number == 1) return a;
    return times_reciprocal(t, a, b);
  case C_DIV: {
    int e;
    if (m.op == C_NUM && m.number > 0 && frexp(m.number, &e) == 0.5)
      return sb_term_make(t, C_MUL, a, sb_term_number(t, 1 / m.number), -1);
    const double share = sb_least_share(t, b, a);
    const int i = plain(t, op, a, b, -1);
    if (share > 0) sb_limit_quotient(t, i, a, 1 / share * (1 + 0x1p-50));
    return i;
  }
  case C_FMA: /* an exact product, added */
    return sb_term_make(t, C_ADD, sb_term_make(t, C_MUL, a, b, -1), c, -1);
  case C_NEG:
    if (n.op == C_NUM) return sb_term_number(t, -n.number);
    if (n.op == C_NEG) return n.arg[0];
    return plain(t, op, a, -1, -1);
  case C_ABS:
    if (is_monotone(&n)) return redo(t, &n, sb_term_make(t, op, n.arg[0], -1, -1)); /* roundings are symmetric */
    if (n.op == C_NEG) return sb_term_make(t, op, n.arg[0], -1, -1);
    if (sb_term_any_zero(t, a) != a) return sb_term_make(t, op, sb_term_any_zero(t, a), -1, -1);
    return n.range.lo >= 0 && !n.range.minus_zero && !n.range.down ? a : plain(t, op, a, -1, -1);
  case C_MINNUM:
  case C_MAXNUM:
    if (n.range.nan || m.range.nan) return a < b ? plain(t, op, a, b, -1) : plain(t, op, b, a, -1);
    return sb_term_make(t, op == C_MINNUM ? C_MIN : C_MAX, a, b, -1);
  case C_MIN:
  case C_MAX: {
    const bool most = op == C_MAX;
    if (a == b) return a;
    if (n.op == C_NUM && m.op != C_NUM) return sb_term_make(t, op, b, a, -1);
    if (m.op == C_NUM && isfinite(m.number)) {
      const double v = m.number;
      const sb_range *r = &n.range;
      if (most ? r->lo >= v && !r->down && (r->lo > v || v != 0) : r->hi <= v && !r->up && (r->hi < v || v != 0))
        return a;
      if (n.op == op && is_number(t, n.arg[1])) {
        const double w = at(t, n.arg[1])->number;
        if (sb_f64_bits(v) == sb_f64_bits(w)) return a;
        if (!isfinite(w) || (v == 0 && w == 0)) return plain(t, op, a, b, -1);
        return sb_term_make(t, op, n.arg[0], sb_term_number(t, most ? (v > w ? v : w) : v < w ? v : w), -1);
      }
      const int u = most && v >= 0x1p-126 ? sb_term_unflushed(t, a) : a;
      if (u != a) return sb_term_make(t, op, u, b, -1);
      const int w = most && v > 0 ? sb_term_unadded(t, a, v) : a;
      if (w != a) return sb_term_make(t, op, w, b, -1);
      const double k =
          most && n.op == C_CAST && n.rule == R_DEFAULT && sb_cf_is_float(n.fmt) && v >= sb_cf_smallest_normal(n.fmt)
              ? sb_reciprocal_of(t, n.fmt, n.arg[0], true)
              : 0;
      if (k > 0) {
        const int q = sb_term_make(t, C_DIV, at(t, at(t, n.arg[0])->arg[0])->arg[0], sb_term_number(t, k), -1);
        return sb_term_make(t, op, sb_term_cast(t, n.fmt, R_DEFAULT, q), b, -1);
      }
      if (n.op == C_POSITIVE_ZERO && !(v == 0 && signbit(v)))
        return sb_term_make(t, C_POSITIVE_ZERO, sb_term_make(t, op, n.arg[0], b, -1), -1, -1);
    }
    if (m.op == C_NUM && isinf(m.number) && (m.number > 0) != most) return a;
    return m.op == C_NUM || a < b ? plain(t, op, a, b, -1) : plain(t, op, b, a, -1);
  }
  case C_CLAMP:
    return sb_term_make(t, C_MIN, sb_term_make(t, C_MAX, a, b, -1), c, -1);
  case C_CLAMPNUM:
    return n.range.nan ? plain(t, op, a, b, c) : sb_term_make(t, C_CLAMP, a, b, c);
  case C_ROUND:
    if (n.op == C_FLUSH) return sb_term_make(t, op, n.arg[0], -1, -1);
    if (sb_term_divided(t, a) >= 0) return sb_term_make(t, op, sb_term_divided(t, a), -1, -1);
    return integral(&n.range) ? a : plain(t, op, a, -1, -1);
  case C_ROUND_AWAY:
  case C_FLOOR:
  case C_CEIL:
  case C_TRUNC:
    return integral(&n.range) ? a : plain(t, op, a, -1, -1);
  case C_LT:
  case C_LE:
  case C_GT:
  case C_GE:
  case C_EQ:
  case C_NE: {
    const int known = decided(t, op, a, b);
    return known >= 0 ? sb_term_number(t, known) : plain(t, op, a, b, -1);
  }
  case C_ISNAN:
    return n.range.nan ? plain(t, op, a, -1, -1) : sb_term_number(t, 0);
  case C_ISINF:
    return n.range.up || n.range.down ? plain(t, op, a, -1, -1) : sb_term_number(t, 0);
  case C_SELECT:
    if (n.op == C_NUM) return n.number != 0 ? b : c;
    return b == c ? b : plain(t, op, a, b, c);
  case C_COPYSIGN:
    return sign_of(t, a) == b ? a : plain(t, op, a, b, -1);
  case C_FLUSH:
    return n.range.least >= 0x1p-126 ? a : plain(t, op, a, -1, -1);
  case C_POSITIVE_ZERO:
    if (!n.range.minus_zero) return a;
    if (sb_term_any_zero(t, a) != a) return sb_term_make(t, op, sb_term_any_zero(t, a), -1, -1);
    return plain(t, op, a, -1, -1);
  default:
    return plain(t, op, a, b, c);
  }
}
