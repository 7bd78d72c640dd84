/* Parameters read off the capture: every second tile proposes, the others confirm; so do the others, for a floor that
 * shows in them alone. All of them decide.
 *
 * A floor shows as the smallest scale; a divisor as the ratio of the contract's scale and the captured one. */
#include "conformance/contract/values.h"
#include "conformance/explain/search_parts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void propose(double *list, int *count, double v) {
  if (!isfinite(v) || v <= 0 || *count == SB_MAX_FITTED) return;
  for (int i = 0; i < *count; i++)
    if (list[i] == v) return;
  list[(*count)++] = v;
}

/* The shortest decimals that round to v in the format, and v itself. */
static void propose_near(double *list, int *count, double v, int format) {
  char text[40];
  int found = 0;
  for (int digits = 1; digits <= 7 && found < 1; digits++) {
    snprintf(text, sizeof text, "%.*g", digits, v);
    double d = strtod(text, NULL);
    if (sb_value_cast(sb_value_cast(d, SB_F32, R_DEFAULT), format, R_DEFAULT) == v) propose(list, count, d), found++;
  }
  propose(list, count, v);
}

/* The simplest number of an interval: a multiple of 1, 1/2, 1/4 ..., else the fewest decimals. */
static void propose_within(double *list, int *count, double low, double high) {
  if (!(low <= high) || low <= 0) return;
  for (int parts = 1; parts <= 16; parts *= 2) {
    double v = ceil(low * parts) / parts;
    if (v <= high) {
      propose(list, count, v);
      break;
    }
  }
  for (int digits = 1; digits <= 9; digits++) {
    double unit = pow(10, floor(log10(high)) + 1 - digits), v = ceil(low / unit) * unit;
    char text[40];
    snprintf(text, sizeof text, "%.*g", digits, v);
    v = strtod(text, NULL);
    if (v >= low && v <= high) {
      propose(list, count, v);
      break;
    }
  }
}

static _Thread_local double constants[16];
static _Thread_local int constant_count;

static void divisors_of(const sb_node *n) {
  if (n->op == C_DIV && n->arg[1]->constant && constant_count < 16 && n->arg[1]->number > 1)
    constants[constant_count++] = n->arg[1]->number;
  for (int i = 0; i < n->nargs; i++) divisors_of(n->arg[i]);
}

/* What a floor or an addend may be, from the smallest scale and from the least one that grew. */
static void propose_floors(sb_fitted *f, double smallest, double added, int format, double half) {
  if (!isfinite(smallest)) return;
  propose_near(f->eps, &f->eps_count, smallest, format);
  if (isfinite(added)) propose_near(f->eps, &f->eps_count, added, format);
  for (int i = 0; i < constant_count && i < 2; i++) {
    propose_near(f->eps, &f->eps_count, sb_value_cast(smallest * constants[i], SB_F32, R_DEFAULT), SB_F32);
    propose_within(f->eps, &f->eps_count, smallest * constants[i] * (1 - half), smallest * constants[i] * (1 + half));
    if (isfinite(added))
      propose_within(f->eps, &f->eps_count, added * constants[i] * (1 - 0x1p-8), added * constants[i] * (1 + 0x1p-8));
  }
  if (isfinite(added)) propose_within(f->eps, &f->eps_count, added * (1 - 0x1p-6), added * (1 + 0x1p-6));
}

static void fit_case(sb_search *s, const sb_capture_case *c, sb_slot slot, double *low, double *high) {
  const sb_captured *cap = &c->slot[slot];
  int line = sb_contract_slot_line(s->base, &s->capture->at, slot);
  sb_view all;
  sb_eval eval, whole;
  if (line < 0 || !cap->values || sb_view_all(c, &all) != SB_OK || sb_contract_check(s->base, &all.env) != SB_OK)
    return;
  sb_tensor t = sb_line_tensor(s->base, &all.env, line);
  int64_t n = sb_tensor_count(&t);
  if (cap->count != n || cap->rank != 2) return;
  sb_scratch_reset(s->scratch);
  sb_view_eval(&all, s->base, false, s->scratch, &eval, &whole);
  const double *base = sb_eval_line(&eval, line);
  int source = sb_line_find(s->base, "s") >= 0 && slot == SB_SCALE ? sb_line_find(s->base, "s") : line;
  int format = s->base->lines[line].expr->fmt;
  double smallest[2] = {SB_INF, SB_INF}, added[2] = {SB_INF, SB_INF}, least[2] = {SB_INF, SB_INF};
  if (!base) return;
  double largest = 0; /* a divisor shows in the large scales, which no floor and no subnormal touches */
  for (int64_t i = 0; i < n; i++)
    if (isfinite(cap->values[i]) && cap->values[i] > largest) largest = cap->values[i];
  constant_count = 0;
  divisors_of(s->base->lines[source].expr);
  for (int64_t i = 0; i < n; i++) {
    const bool half = (i / t.dims[1] + i % t.dims[1]) % 2 != 0;
    double v = cap->values[i], b = base[i];
    if (!(v > 0) || !isfinite(v)) continue;
    if (v < smallest[half]) smallest[half] = v;
    if (b >= 0 && b < least[half] && v > b) least[half] = b, added[half] = v - b;
    if ((half && n > 1) || v < largest / 16) continue;
    double eps = sb_cf_is_float(format) ? ldexp(1, format == SB_BF16 ? -7 : format == SB_F16 ? -10 : -22) : 0;
    bool in_t = s->base->lines[source].expr->fmt == SB_BF16;
    if (in_t && eps < 0x1p-7) eps = 0x1p-7;
    if (b > 0x1p-100 && isfinite(b) && constant_count) {
      double ratio = b / v;
      if (ratio * (1 - 2 * eps) > *low) *low = ratio * (1 - 2 * eps);
      if (ratio * (1 + 2 * eps) < *high) *high = ratio * (1 + 2 * eps);
    }
  }
  const double half = sb_cf_is_float(format) ? sb_cf_eps(cap->format == SB_F32 ? format : cap->format) / 2 : 0x1p-24;
  for (int k = 0; k < 2 && (k == 0 || smallest[1] != smallest[0]); k++)
    propose_floors(&s->fitted, smallest[k], added[k], format, half);
}

/* Where the scale was not captured, the least output beside 0 is it: a code one step from the zero point. */
static void fit_output(sb_search *s, const sb_capture_case *c) {
  const sb_captured *output = &c->slot[SB_OUTPUT];
  sb_fitted *f = &s->fitted;
  double least = SB_INF;
  if (c->slot[SB_SCALE].values || !output->values || output->rank != 2) return;
  for (int64_t i = 0; i < output->count; i++) {
    double v = fabs(output->values[i]);
    if (v > 0 && v < least) least = v;
  }
  if (!isfinite(least)) return;
  propose_near(f->eps, &f->eps_count, least, output->format);
  propose_near(f->eps, &f->eps_count, least, SB_F32);
}

/* Tiles of either half in which the capture differs from the contract. */
static void find_halves(sb_search *s) {
  for (int i = 0; i < s->capture->count; i++) {
    const sb_capture_case *c = &s->capture->cases[i];
    sb_view all;
    sb_eval eval, whole;
    if (sb_view_all(c, &all) != SB_OK || sb_contract_check(s->base, &all.env) != SB_OK) continue;
    sb_scratch_reset(s->scratch);
    sb_view_eval(&all, s->base, false, s->scratch, &eval, &whole);
    for (int slot = 1; slot < SB_SLOTS; slot++) {
      const sb_captured *cap = &c->slot[slot];
      const int line = sb_contract_slot_line(s->base, &s->capture->at, (sb_slot)slot);
      if (!cap->values || line < 0) continue;
      const sb_tensor t = sb_line_tensor(s->base, &all.env, line);
      const int64_t n = sb_tensor_count(&t);
      const double *v = sb_eval_line(&eval, line);
      double *stored = v ? sb_scratch_get(s->scratch, (size_t)n) : NULL;
      const bool floating = sb_cf_is_float(cap->format) && sb_cf_is_float((int)t.format),
                 coarse = n < c->rows * c->cols;
      if (!stored || cap->count != n) continue;
      sb_line_stored(s->base, &all.env, line, v, n, stored);
      for (int64_t k = 0; k < n; k++)
        if (!sb_same_value(sb_as_captured(stored[k], cap->format), cap->values[k], floating))
          s->half_differs[(k / t.dims[1] + (coarse ? k % t.dims[1] : 0)) % 2] = true;
    }
  }
}

int sb_search_digits(const char *parameter) {
  const char *p = strchr(parameter, '=');
  int digits = 0;
  if (!p || strstr(parameter, "0x1p")) return 0;
  if (strstr(parameter, "0x1.")) return 9;
  for (p += strspn(p, "= "); *p && *p != 'e' && *p != 'p'; p++)
    digits += *p >= '0' && *p <= '9' && (digits || *p != '0');
  return digits;
}

/* A number that somebody writes down: of few digits, or a power of two, and no subnormal. */
static bool is_simple(const char *parameter) {
  const char *p = strchr(parameter, '=');
  enum { FEW_DIGITS = 2 };
  return !p || (sb_search_digits(parameter) <= FEW_DIGITS && strtod(p + 1, NULL) >= 0x1p-126);
}

bool sb_search_confirms(const sb_search *s, const sb_candidate *c) {
  enum { ADDED = 10 }; /* an addend that shows in few tiles may be one damaged bit */
  if (!c->fitted || (s->half_differs[0] && s->half_differs[1])) return true;
  return is_simple(c->parameter) && c->mechanism->number != ADDED;
}

void sb_search_fit(sb_search *s) {
  static const sb_slot slots[] = {SB_SCALE, SB_ROW_SCALE};
  for (int k = 0; k < 2; k++) {
    double low = 0, high = SB_INF;
    for (int i = 0; i < s->capture->count; i++) fit_case(s, &s->capture->cases[i], slots[k], &low, &high);
    sb_fitted *f = &s->fitted;
    if (low > 0 && low <= high)
      for (int i = 0; i < constant_count; i++)
        propose_within(f->divisor, &f->divisor_count, low * constants[i], high * constants[i]);
  }
  for (int i = 0; i < s->capture->count; i++) fit_output(s, &s->capture->cases[i]);
  find_halves(s);
}
