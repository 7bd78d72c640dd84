/* Rows aimed at the places where a rewrite of a contract can show: made of the constants of both and of the formats. */
#include "conformance/contract/values.h"
#include "conformance/explain/distinguish.h"
#include "conformance/mutants/mutants.h"
#include "conformance/mutants/prove.h"

#include <math.h>

enum { CONSTANTS = 32 };

typedef struct aim {
  double divisor[CONSTANTS], small[CONSTANTS]; /* from 1 to 1024; in (0, 0.1) */
  int divisors, smalls;
} aim;

/* lo to hi, both included. */
static int any(uint64_t *s, int lo, int hi) { return lo + (int)(sb_distinguish_random(s) % (uint64_t)(hi - lo + 1)); }

static void take(double *list, int *count, double v) {
  for (int i = 0; i < *count; i++)
    if (list[i] == v) return;
  if (*count < CONSTANTS) list[(*count)++] = v;
}

static void constants(aim *a, const sb_node *n) {
  if (n->constant) {
    const double v = fabs(n->number);
    if (v > 1 && v <= 1024) take(a->divisor, &a->divisors, v);
    if (v > 0x1p-11 && v < 1) take(a->divisor, &a->divisors, 1 / v);
    if (v > 0 && v < 0.1) take(a->small, &a->smalls, v);
    return;
  }
  for (int i = 0; i < n->nargs; i++) constants(a, n->arg[i]);
}

static double in_format(double v, int f) { return sb_value_cast(sb_value_cast(v, SB_F32, R_DEFAULT), f, R_DEFAULT); }

/* Some last places off, mostly none. */
static double near(uint64_t *s, double v, int f) {
  v = in_format(v, f);
  for (int n = any(s, -6, 6); n >= 4 || n <= -4; n += n > 0 ? -1 : 1)
    if (isfinite(v) && v != 0) v = sb_value_next(v, f, n > 0 ? 1 : -1);
  return v;
}

/* A multiple of the scale near which codes change: halves, midpoints of e4m3, its values; at most `most`. */
static double multiple(uint64_t *s, double most) {
  double m;
  switch (any(s, 0, 4)) {
  case 0:
    m = any(s, 0, most < 1 ? 0 : (int)most - 1) + 0.5;
    break;
  case 1:
    m = ldexp(2 * any(s, 8, 15) + 1, any(s, -10, 4));
    break;
  case 2:
    m = ldexp(any(s, 8, 15), any(s, -9, 5));
    break;
  case 3:
    m = ldexp(2 * any(s, 0, 7) + 1, -10); /* of its subnormals */
    break;
  default:
    m = any(s, 0, (int)most);
    break;
  }
  return m <= most ? m : any(s, 0, 1) ? most / 2 : 0.5;
}

/* A scale: of any size of the format, near a small constant, near the format's least value, or near 1. */
static double scale(const aim *a, uint64_t *s, int f, double c) {
  const int least = sb_format_least(f), p = sb_format_precision(f), tiny = least - p + 1;
  const int top = ilogb(sb_cf_largest(f)) - ilogb(c);
  double size = 1;
  switch (any(s, 0, 5)) {
  case 0:
    size = ldexp(1, any(s, tiny - 2, top));
    break;
  case 1:
  case 2:
    if (a->smalls) {
      size = a->small[any(s, 0, a->smalls - 1)] * ldexp(1, any(s, -4, 27));
      if (any(s, 0, 1)) size /= c;
      if (any(s, 0, 1)) size = ldexp(1, ilogb(size));
    }
    break;
  case 3:
    size = ldexp(1, tiny + any(s, -2, p + 2));
    break;
  case 4:
    return ldexp(any(s, 1, 64), tiny - any(s, 0, 1)); /* of few bits, subnormal */
  default:
    size = ldexp(1, any(s, -16, 4));
    break;
  }
  switch (any(s, 0, 3)) {
  case 0:
    return size;
  case 1:
    return size * (2 * any(s, 8, 15) + 1) / 16;
  case 2:
    return size * any(s, 64, 127) / 64;
  default:
    return in_format(size * (1 + ldexp(any(s, 0, (1 << 23) - 1), -23)), f);
  }
}

/* How far below 0 the least element is, in scales: a number of the contract (a zero point), any multiple, or next to
 * nothing. */
static double lowest(const aim *a, uint64_t *s, double c, double tail) {
  const double v = a->divisors ? a->divisor[any(s, 0, a->divisors - 1)] : 1;
  switch (any(s, 0, 3)) {
  case 0:
    return v < c ? v : c;
  case 1:
    return tail * any(s, -2, 16);
  default:
    return multiple(s, any(s, 0, 1) ? c : 8);
  }
}

static void make(const void *context, uint64_t *s, int kind, const sb_env *env, double *x) {
  const aim *a = context;
  const int f = env->T;
  const int64_t cols = env->cols, group = env->group > 0 && env->group < cols ? env->group : cols;
  const double c = a->divisors ? a->divisor[any(s, 0, a->divisors - 1)] : 1, size = scale(a, s, f, c);
  const bool offset = kind % 3 == 0;
  const double tail = ldexp(1, -any(s, 12, 30)), low = offset ? lowest(a, s, c, tail) : 0;
  for (int64_t j = 0; j < cols; j++) {
    const double most = j < group ? c : ldexp(c, -any(s, 0, 16));
    double v = multiple(s, most);
    if (offset)
      v = any(s, 0, 2) ? v - low : v * tail;
    else if (any(s, 0, 1))
      v = -v;
    x[j] = near(s, v * size, f);
  }
  for (int64_t g = 0; g < cols; g += group) {
    const double most = g == 0 ? c : kind & 1 ? multiple(s, c) : ldexp(c, -any(s, 0, 16)); /* of the group */
    if (offset) {
      const double down = in_format(-low * size, f), up = any(s, 0, 1) ? down + most * size : (most - low) * size;
      x[g] = near(s, down, f), x[g + 1] = near(s, up, f);
      for (int64_t j = g + 2; j < g + group; j++) x[j] = fmin(fmax(x[j], x[g]), x[g + 1]);
    } else {
      x[g] = near(s, any(s, 0, 1) ? -most * size : most * size, f);
      for (int64_t j = g + 1; j < g + group; j++)
        if (fabs(x[j]) > fabs(x[g])) x[j] = in_format(x[g] * any(s, 0, 32) / 32, f);
    }
  }
  for (int64_t j = 0; j < cols; j++)
    if (!isfinite(x[j])) x[j] = 0;
  if (kind % 64 == 7) /* infinities alone, in the row or in its last group */
    for (int64_t j = kind % 128 == 7 ? 0 : cols - group; j < cols; j++) x[j] = any(s, 0, 1) ? SB_INF : -SB_INF;
}

int sb_groups_of_a_row(const sb_contract *contract) {
  bool row = false, group = false;
  for (int i = 0; i < contract->line_count; i++) {
    row = row || contract->lines[i].over.kind == OVER_ROW;
    group = group || contract->lines[i].over.kind == OVER_GROUP;
  }
  return row && group ? 2 : 1;
}

sb_status sb_aim(const sb_contract_case *at, sb_contract *a, sb_contract *b, const sb_env *like, int tries,
                 sb_distinction *d) {
  aim of = {0};
  sb_env env = *like;
  if (sb_contract_check(a, &env) == SB_OK)
    for (int i = 0; i < a->line_count; i++) constants(&of, a->lines[i].expr);
  if (sb_contract_check(b, &env) == SB_OK)
    for (int i = 0; i < b->line_count; i++) constants(&of, b->lines[i].expr);
  return sb_distinguish_by(make, &of, sb_groups_of_a_row(a), at, a, b, like, tries, d);
}
