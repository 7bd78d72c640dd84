/* What no rounding is needed for: comparisons, rounding to an integer, integer arithmetic, and conversions of exact
 * values. */
#include "conformance/contract/eval.h"
#include "conformance/contract/values.h"

#include <math.h>

static double minimum(double a, double b) { return a < b || (a == b && signbit(a)) ? a : b; }
static double maximum(double a, double b) { return a > b || (a == b && !signbit(a)) ? a : b; }

static double to_even(double v) {
  double low = floor(v), rest = v - low, up = low + 1;
  if (!isfinite(v) || rest == 0) return v;
  return copysign(rest > 0.5 || (rest == 0.5 && fmod(low, 2) != 0) ? up : low, v);
}

static double flush(double v) { return fabs(v) < 0x1p-126 ? copysign(0, v) : v; }

static double integer(int op, double a, double b, int format) {
  const bool few = fabs(a) < 0x1p62 && fabs(b) < 0x1p62;
  __int128 x = few ? (int64_t)a : (__int128)a, y = few ? (int64_t)b : (__int128)b;
  return sb_value_wrap(op == C_ADD ? x + y : op == C_SUB ? x - y : x * y, format);
}

static double one(const sb_node *n, double a, double b, double c) {
  bool nan = isnan(a) || isnan(b);
  switch (n->op) {
  case C_NEG:
    return sb_cf_is_float(n->fmt) ? -a : sb_value_wrap(-(__int128)a, n->fmt);
  case C_ADD:
  case C_SUB:
  case C_MUL:
    return integer(n->op, a, b, n->fmt);
  case C_FMA:
    return integer(C_ADD, integer(C_MUL, a, b, SB_I64), c, n->fmt);
  case C_MIN:
    return nan ? SB_NAN : minimum(a, b);
  case C_MAX:
    return nan ? SB_NAN : maximum(a, b);
  case C_MINNUM:
    return isnan(a) ? b : isnan(b) ? a : minimum(a, b);
  case C_MAXNUM:
    return isnan(a) ? b : isnan(b) ? a : maximum(a, b);
  case C_CLAMP:
    return nan || isnan(c) ? SB_NAN : minimum(maximum(a, b), c);
  case C_CLAMPNUM:
    return isnan(a) ? b : minimum(maximum(a, b), c);
  case C_ABS:
    return fabs(a);
  case C_COPYSIGN:
    return copysign(a, b);
  case C_ROUND:
    return to_even(a);
  case C_ROUND_AWAY:
    return round(a);
  case C_FLOOR:
    return floor(a);
  case C_CEIL:
    return ceil(a);
  case C_TRUNC:
    return trunc(a);
  case C_LT:
    return a < b;
  case C_LE:
    return a <= b;
  case C_GT:
    return a > b;
  case C_GE:
    return a >= b;
  case C_EQ:
    return a == b;
  case C_NE:
    return a != b;
  case C_SELECT:
    return a != 0 ? b : c;
  case C_ISNAN:
    return isnan(a);
  case C_ISINF:
    return isinf(a);
  case C_POW2_DOWN:
    return sb_value_pow2(a, false);
  case C_POW2_UP:
    return sb_value_pow2(a, true);
  case C_NEXT_UP:
    return sb_value_next(a, n->fmt, 1);
  case C_NEXT_DOWN:
    return sb_value_next(a, n->fmt, -1);
  case C_FLUSH:
    return flush(a);
  case C_POSITIVE_ZERO:
    return a == 0 ? 0 : a;
  default:
    return SB_NAN;
  }
}

static double convert(const sb_node *n, double v) {
  int from = n->arg[0]->fmt, to = n->fmt;
  if (from == to && n->rule != R_FLUSH && n->rule != R_FLUSH_POSITIVE) return v;
  if (!sb_cf_is_float(to) && !sb_cf_is_float(from) && from != CF_PYFLOAT && n->rule != R_SAT)
    return fabs(v) < 0x1p62 ? sb_value_wrap((int64_t)v, to) : sb_value_wrap((__int128)v, to);
  /* An integer of more than 24 bits reaches 16-bit formats through f32, as PyTorch's conversion does. */
  if ((to == SB_F16 || to == SB_BF16) && !sb_cf_is_float(from)) v = sb_value_cast(v, SB_F32, R_DEFAULT);
  return sb_value_cast(v, to, (sb_rule)n->rule);
}

void sb_kernel_shared(const sb_node *n, size_t count, double *out, const double *const in[3]) {
  for (size_t i = 0; i < count; i++) {
    double v = n->op == C_CAST ? convert(n, in[0][i])
                               : one(n, in[0][i], n->nargs > 1 ? in[1][i] : 0, n->nargs > 2 ? in[2][i] : 0);
    if (n->at != CF_NONE && n->op != C_CAST) {
      if (n->via == SB_F32) v = sb_value_cast(v, SB_F32, R_DEFAULT);
      v = sb_value_cast(v, n->fmt, R_DEFAULT);
    }
    out[i] = v;
  }
}
