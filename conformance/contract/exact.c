/* Kernels by MPFR: an operator's exact result is rounded to odd at 53 bits, which loses nothing that a rounding to 51
 * bits or fewer could need (Boldo and Melquiond), then once to the operator's format; f64 is rounded by MPFR itself. */
#include "conformance/contract/eval.h"
#include "conformance/contract/values.h"

#include <math.h>
#include <mpfr.h>
#include <pthread.h>

static _Thread_local struct {
  bool ready;
  mpfr_t a, b, c, r;
} m;

/* A thread that evaluated gives back what it had of MPFR when it ends. */
static pthread_key_t ending;
static bool has_ending;
static void end(void *unused) {
  (void)unused;
  mpfr_clears(m.a, m.b, m.c, m.r, (mpfr_ptr)0);
  mpfr_free_cache();
  m.ready = false;
}
static void make_ending(void) { has_ending = pthread_key_create(&ending, end) == 0; }

static void start(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  if (m.ready) return;
  pthread_once(&once, make_ending);
  if (has_ending) pthread_setspecific(ending, &m);
  mpfr_init2(m.a, 53);
  mpfr_init2(m.b, 53);
  mpfr_init2(m.c, 53);
  mpfr_init2(m.r, 53);
  m.ready = true;
}

static int apply(int op, mpfr_rnd_t round) {
  switch (op) {
  case C_ADD:
    return mpfr_add(m.r, m.a, m.b, round);
  case C_SUB:
    return mpfr_sub(m.r, m.a, m.b, round);
  case C_MUL:
    return mpfr_mul(m.r, m.a, m.b, round);
  case C_DIV:
    return mpfr_div(m.r, m.a, m.b, round);
  default:
    return mpfr_fma(m.r, m.a, m.b, m.c, round);
  }
}

static double to_odd(int op) {
  int inexact = apply(op, MPFR_RNDZ);
  double r = mpfr_get_d(m.r, MPFR_RNDZ);
  if (!inexact || !isfinite(r)) return r;
  uint64_t bits = sb_f64_bits(r) | 1;
  return sb_f64_from_bits(bits);
}

static double to_f64(int op) {
  mpfr_exp_t least = mpfr_get_emin(), most = mpfr_get_emax();
  int inexact = apply(op, MPFR_RNDN);
  mpfr_set_emin(-1073);
  mpfr_set_emax(1024);
  inexact = mpfr_check_range(m.r, inexact, MPFR_RNDN);
  mpfr_subnormalize(m.r, inexact, MPFR_RNDN);
  double r = mpfr_get_d(m.r, MPFR_RNDN);
  mpfr_set_emin(least);
  mpfr_set_emax(most);
  return r;
}

void sb_kernel_exact(const sb_node *n, size_t count, double *out, const double *const in[3]) {
  bool arithmetic = n->op == C_ADD || n->op == C_SUB || n->op == C_MUL || n->op == C_DIV || n->op == C_FMA;
  if (!arithmetic || !sb_cf_is_float(n->fmt)) {
    sb_kernel_shared(n, count, out, in);
    return;
  }
  start();
  for (size_t i = 0; i < count; i++) {
    if (isnan(in[0][i]) || isnan(in[1][i]) || (n->op == C_FMA && isnan(in[2][i]))) { /* one class, without MPFR */
      out[i] = SB_NAN;
      continue;
    }
    mpfr_set_d(m.a, in[0][i], MPFR_RNDN);
    mpfr_set_d(m.b, in[1][i], MPFR_RNDN);
    if (n->op == C_FMA) mpfr_set_d(m.c, in[2][i], MPFR_RNDN);
    if (n->fmt == SB_F64) {
      out[i] = to_f64(n->op);
      continue;
    }
    double r = to_odd(n->op);
    if (n->via == SB_F32 && n->fmt != SB_F32) r = sb_value_cast(r, SB_F32, R_DEFAULT);
    out[i] = sb_value_cast(r, n->fmt, R_DEFAULT);
  }
}
