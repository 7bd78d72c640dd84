/* Two nodes computed for every value of what they have in common, where that is few. */
#include "conformance/contract/eval.h"
#include "conformance/contract/values.h"
#include "conformance/explain/view.h"
#include "conformance/mutants/prove.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { VARIABLES = SB_MAX_BINDINGS, BLOCK = 1 << 14, OPENED = 24 };

typedef struct cut {
  sb_terms *terms;
  const bool *shared; /* by term: both sides have it */
  int opened[OPENED], opened_count;
  int variable[VARIABLES], count; /* terms */
  bool failed;
} cut;

static void mark(sb_term_map *m, const sb_node *n, bool *seen) {
  const int i = sb_term_of(m, n);
  if (i >= 0) seen[i] = true;
  if (n->constant || n->op == C_INPUT) return;
  if (n->op == C_NAME) {
    mark(m, m->contract->lines[n->index].expr, seen);
    return;
  }
  for (int k = 0; k < n->nargs; k++) mark(m, n->arg[k], seen);
}

static bool is_opened(const cut *c, int term) {
  for (int i = 0; i < c->opened_count; i++)
    if (c->opened[i] == term) return true;
  return false;
}

static sb_node *copy(cut *c, sb_term_map *m, const sb_node *n, sb_arena *arena) {
  const int term = n->constant ? -1 : sb_term_of(m, n);
  const sb_tile one = {1, 1};
  if (!n->constant && term < 0) c->failed = true;
  if (c->failed) return NULL;
  if (n->op == C_NAME && !n->constant && !(c->shared[term] && !is_opened(c, term)))
    return copy(c, m, m->contract->lines[n->index].expr, arena);
  sb_node *to = sb_arena_get(arena, sizeof *to);
  if (!to) return c->failed = true, NULL;
  *to = *n;
  to->tile = n->constant ? (sb_tile){0, 0} : one;
  if (n->constant) return to;
  if (c->terms->term[term].op == C_NUM) {
    to->op = C_NUM, to->nargs = 0, to->constant = true, to->number = c->terms->term[term].number;
    to->tile = (sb_tile){0, 0};
    return to;
  }
  if ((c->shared[term] && !is_opened(c, term)) || n->op == C_INPUT) {
    int k = 0;
    while (k < c->count && c->variable[k] != term) k++;
    if (k == VARIABLES) return c->failed = true, NULL;
    if (k == c->count) c->variable[c->count++] = term;
    to->op = C_INPUT, to->nargs = 0, to->index = (int8_t)k;
    return to;
  }
  if (n->op >= C_AMIN && n->op <= C_SIGNED_ABSMAX) return c->failed = true, NULL;
  if (n->op == C_PACK_LOW || n->op == C_PACK_HIGH) return c->failed = true, NULL;
  for (int k = 0; k < n->nargs; k++)
    if (!(to->arg[k] = copy(c, m, n->arg[k], arena))) return NULL;
  return to;
}

/* The values of a variable: those of the narrowest format that holds it, within its bounds. */
static int domain_format(const sb_range *r) {
  static const int formats[] = {SB_E4M3, SB_BF16, SB_F16, SB_F32};
  for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
    if (sb_range_fits(r, formats[i])) return formats[i];
  return CF_NONE;
}

/* `step`: of which the finite values are multiples; 0: every value that is asked for is one. */
static bool in_range(const sb_range *r, double step, double v) {
  if (isnan(v)) return r->nan;
  if (isinf(v)) return v > 0 ? r->up : r->down;
  if (v == 0) return signbit(v) ? r->minus_zero : r->zero;
  if (v < r->lo || v > r->hi || fabs(v) < r->least) return false;
  return step == 0 || fmod(v, step) == 0;
}

/* How many values; with `out`, the values. Integers of few are listed by themselves. */
static int64_t domain(const sb_range *r, double *out) {
  int64_t n = 0;
  double step = r->quantum > -1000 && r->quantum < 1000 ? ldexp(1, r->quantum) : 0;
  if (r->quantum >= 0 && r->hi - r->lo < 4096) {
    for (double v = ceil(r->lo); v <= r->hi; v++) {
      if (v != 0 && in_range(r, step, v)) out ? (void)(out[n] = v) : (void)0, n++;
    }
    const double odd[] = {0.0, -0.0, SB_NAN, SB_INF, -SB_INF};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++)
      if (in_range(r, step, odd[i])) out ? (void)(out[n] = odd[i]) : (void)0, n++;
    return n;
  }
  const int f = domain_format(r);
  if (f == CF_NONE || f == SB_F32) return INT64_MAX;
  const int bits = sb_format_of((sb_format)f)->bits;
  if (r->quantum <= sb_format_least(f) - sb_format_precision(f) + 1) step = 0;
  const double *all = bits == 16 ? sb_values_of_half(f) : NULL;
  bool nan = false;
  for (uint64_t b = 0; b < (uint64_t)1 << bits; b++) {
    const double v = all ? all[b] : sb_value_decode(b, f);
    if (!in_range(r, step, v) || (isnan(v) && nan)) continue;
    nan = nan || isnan(v);
    if (out) out[n] = v;
    n++;
  }
  return n;
}

static int64_t size_of(const cut *c, int64_t size[VARIABLES], int *largest) {
  int64_t all = 1;
  *largest = -1;
  for (int k = 0; k < c->count; k++) {
    sb_term *n = &c->terms->term[c->variable[k]];
    if (!n->values) n->values = domain(&n->range, NULL);
    size[k] = n->values;
    if (*largest < 0 || size[k] > size[*largest]) *largest = k;
    all = size[k] == 0 || all > INT64_MAX / (size[k] > 0 ? size[k] : 1) ? INT64_MAX : all * size[k];
  }
  return all;
}

/* Whether the values can be together: where one variable is an extremum of another over its tile. */
static bool possible(const cut *c, const double *blocks, int64_t i) {
  for (int g = 0; g < c->count; g++) {
    const sb_term *n = &c->terms->term[c->variable[g]];
    if (n->op != C_AMAX && n->op != C_AMIN) continue;
    const sb_term *m = &c->terms->term[n->arg[0]];
    const double most = blocks[(ptrdiff_t)g * BLOCK + i];
    for (int v = 0; v < c->count; v++) {
      const bool size = m->op == C_ABS && m->arg[0] == c->variable[v], itself = n->arg[0] == c->variable[v];
      double x = blocks[(ptrdiff_t)v * BLOCK + i];
      if (!size && !itself) continue;
      if (size) x = fabs(x);
      if (isnan(x) && !isnan(most)) return false;
      if (n->op == C_AMAX ? x > most : x < most) return false;
    }
  }
  return true;
}

static bool compute(const cut *c, sb_node *x, sb_node *y, const int64_t size[VARIABLES], int64_t all, bool floating) {
  double *values[VARIABLES] = {NULL}, *blocks = malloc(sizeof(double) * BLOCK * VARIABLES);
  sb_scratch *scratch = sb_scratch_new();
  bool same = scratch && blocks;
  for (int k = 0; k < c->count && same; k++) {
    same = (values[k] = malloc(sizeof(double) * (size_t)size[k])) != NULL;
    if (same) domain(&c->terms->term[c->variable[k]].range, values[k]);
  }
  sb_env env = {.T = SB_F32, .S = CF_NONE, .Z = CF_NONE, .O = CF_NONE, .rows = 1, .binding_count = c->count};
  sb_contract k = {.name = "sweep", .line_count = 2};
  k.lines[0] = (sb_line){.name = "first side", .expr = x}, k.lines[1] = (sb_line){.name = "second side", .expr = y};
  for (int64_t from = 0; from < all && same; from += BLOCK) {
    const int64_t n = all - from < BLOCK ? all - from : BLOCK;
    env.cols = n;
    for (int v = 0; v < c->count; v++) {
      double *to = blocks + (ptrdiff_t)v * BLOCK;
      int64_t stride = 1;
      for (int w = 0; w < v; w++) stride *= size[w];
      for (int64_t i = 0; i < n; i++) to[i] = values[v][(from + i) / stride % size[v]];
      env.bindings[v] = (sb_binding){"variable", SB_F32, {1, 1}, to};
    }
    sb_scratch_reset(scratch);
    sb_eval e = {.contract = &k, .env = &env, .kernel = sb_kernel_fast, .scratch = scratch};
    const double *p = sb_eval_line(&e, 0), *q = sb_eval_line(&e, 1);
    same = p && q;
    for (int64_t i = 0; i < n && same; i++) same = sb_same_value(p[i], q[i], floating) || !possible(c, blocks, i);
  }
  for (int v = 0; v < VARIABLES; v++) free(values[v]);
  free(blocks);
  sb_scratch_free(scratch);
  return same;
}

bool sb_sweep(sb_term_map *ma, const sb_node *a, sb_term_map *mb, const sb_node *b, bool floating, int64_t most,
              int64_t *swept) {
  sb_terms *t = ma->terms;
  bool *in_a = calloc(SB_MAX_TERMS, 1), *in_b = calloc(SB_MAX_TERMS, 1), proven = false;
  sb_arena *arena = sb_arena_new();
  cut c = {.terms = t, .shared = in_a};
  if (!in_a || !in_b || !arena) goto done;
  mark(ma, a, in_a);
  mark(mb, b, in_b);
  for (int i = 0; i < SB_MAX_TERMS; i++) in_a[i] = in_a[i] && in_b[i];
  for (int tries = 0; tries < OPENED; tries++) {
    int64_t size[VARIABLES];
    int largest;
    c.count = 0, c.failed = false;
    sb_arena_reset(arena);
    sb_node *x = copy(&c, ma, a, arena), *y = x ? copy(&c, mb, b, arena) : NULL;
    if (!y || c.failed) break;
    const int64_t all = size_of(&c, size, &largest);
    if (all <= most) {
      proven = compute(&c, x, y, size, all, floating);
      if (proven) *swept += all;
      break;
    }
    if (largest < 0 || c.opened_count == OPENED || t->term[c.variable[largest]].op == C_INPUT) break;
    c.opened[c.opened_count++] = c.variable[largest];
  }
done:
  free(in_a);
  free(in_b);
  sb_arena_free(arena);
  return proven;
}
