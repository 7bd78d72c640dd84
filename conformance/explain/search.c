/* Singles and pairs. Views are tried from the cheapest to all rows of all cases, and a rewrite is given up at the
 * first bit. */
#include "conformance/contract/values.h"
#include "conformance/explain/search_parts.h"

#include <stdio.h>
#include <stdlib.h>

enum { FEW_ROWS = 12 };
#define MOST_WORK 4e10 /* operations on elements: a minute or so */

static int64_t differing_rows(sb_search *s, int index, int64_t *rows, int64_t most);

static sb_status add_view(sb_search *s, const sb_capture_case *c, const int64_t *rows, int64_t count) {
  sb_view *grown = realloc(s->views, (size_t)(s->view_count + 1) * sizeof *grown);
  if (!grown) return sb_fail(SB_NO_MEMORY, "no memory for views");
  s->views = grown;
  sb_view *v = &grown[s->view_count++];
  return rows ? sb_view_rows(c, rows, count, s->tensor_level, v) : sb_view_all(c, v);
}

/* Compares every slot of a view in order; the first difference ends it. Returns the number of slots that are equal
 * before it, or -1 where the contract is wrong for the case. */
static int equal_slots(sb_search *s, const sb_view *v, sb_contract *k, bool exact, bool *all) {
  sb_eval eval, whole;
  int n = 0;
  *all = false;
  s->work += (double)k->node_count * (double)v->env.rows * (double)v->env.cols;
  sb_scratch_reset(s->scratch);
  sb_view_eval(v, k, exact, s->scratch, &eval, &whole);
  for (; n < SB_SLOTS - 1; n++) {
    sb_difference d;
    if (sb_view_compare(v, k, &s->capture->at, sb_slot_order[n], &eval, 1, &d) != SB_OK) return -1;
    if (d.different) return n;
  }
  *all = true;
  return n;
}

bool sb_search_spent(const sb_search *s) { return s->work > MOST_WORK; }

static bool holds(sb_search *s, sb_contract *k, int first, bool exact, int *equal) {
  for (int i = first; i < s->view_count; i++) {
    bool all;
    if (sb_contract_check(k, &s->views[i].env) != SB_OK) return *equal = -1, false;
    int n = equal_slots(s, &s->views[i], k, exact, &all);
    if (i == 0) *equal = n;
    if (!all) return false;
  }
  return true;
}

bool sb_search_holds(sb_search *s, sb_contract *k, int first, int *equal) { return holds(s, k, first, false, equal); }

bool sb_search_reproduces(sb_search *s, sb_contract *k, bool exact) {
  int equal = 0;
  return holds(s, k, s->first_full, exact, &equal);
}

/* Rows of a case in which the base differs, the ones that differ most first. */
static int64_t differing_rows(sb_search *s, int index, int64_t *rows, int64_t most) {
  const sb_capture_case *c = &s->capture->cases[index];
  sb_view all;
  sb_eval eval, whole;
  int64_t count = 0, units = (c->rows + s->unit - 1) / s->unit;
  double *score = calloc((size_t)units, sizeof *score);
  if (!score || sb_view_all(c, &all) != SB_OK || sb_contract_check(s->base, &all.env) != SB_OK) return free(score), 0;
  sb_scratch_reset(s->scratch);
  sb_view_eval(&all, s->base, false, s->scratch, &eval, &whole);
  for (int slot = 1; slot < SB_SLOTS; slot++) {
    const sb_captured *cap = &c->slot[slot];
    int line = sb_contract_slot_line(s->base, &s->capture->at, (sb_slot)slot);
    if (!cap->values || line < 0) continue;
    sb_tensor t = sb_line_tensor(s->base, &all.env, line);
    int64_t tr = s->base->lines[line].expr->tile.r, n = sb_tensor_count(&t);
    const double *v = sb_eval_line(&eval, line);
    double *stored = v ? sb_scratch_get(s->scratch, (size_t)n) : NULL;
    bool floating = sb_cf_is_float(cap->format) && sb_cf_is_float((int)t.format);
    if (!stored || cap->count != n || tr == 0) continue;
    sb_line_stored(s->base, &all.env, line, v, n, stored);
    for (int64_t i = 0; i < n; i++)
      if (!sb_same_value(sb_as_captured(stored[i], cap->format), cap->values[i], floating))
        score[i / t.dims[1] * tr / s->unit] += 1.0 / (double)t.dims[1];
  }
  while (count < most) {
    int64_t best = -1;
    for (int64_t u = 0; u < units; u++)
      if (score[u] > 0 && (best < 0 || (count % 2 ? score[u] < score[best] : score[u] > score[best]))) best = u;
    if (best < 0) break;
    score[best] = 0;
    rows[count++] = best;
  }
  free(score);
  return count;
}

static int by_value(const void *a, const void *b) {
  int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return (x > y) - (x < y);
}

static int64_t spread_units(sb_search *s, const sb_capture_case *c, int64_t *units, int64_t count, int64_t *rows) {
  int64_t n = 0;
  qsort(units, (size_t)count, sizeof *units, by_value);
  for (int64_t u = 0; u < count; u++)
    for (int64_t r = units[u] * s->unit; r < (units[u] + 1) * s->unit && r < c->rows; r++) rows[n++] = r;
  return n;
}

sb_status sb_search_begin(sb_search *s, const sb_capture *capture, const sb_contract *base) {
  *s = (sb_search){
      .capture = capture, .unit = 1, .arena = sb_arena_new(), .passing = sb_arena_new(), .scratch = sb_scratch_new()};
  if (!s->arena || !s->passing || !s->scratch || !(s->base = sb_contract_copy(base, s->arena)))
    return sb_fail(SB_NO_MEMORY, "no memory for a search");
  for (int i = 0; i < base->line_count; i++) {
    if (base->lines[i].over.kind == OVER_TENSOR) s->tensor_level = true;
    if (base->lines[i].over.kind == OVER_BLOCK && base->lines[i].over.r > s->unit) s->unit = base->lines[i].over.r;
  }
  for (int i = 0, most = 1; i <= capture->count; i++) { /* a tile is no taller than its x */
    if (i == capture->count)
      s->unit = s->unit < most ? s->unit : most;
    else if (capture->cases[i].rows > most)
      most = (int)(capture->cases[i].rows < INT32_MAX ? capture->cases[i].rows : INT32_MAX);
  }
  sb_status status = SB_OK;
  /* The quickest view: one row; then a few of every case that differs. */
  for (int pass = 0; pass < 2; pass++)
    for (int i = 0; i < capture->count && status == SB_OK && (pass || s->view_count < 1); i++) {
      const sb_capture_case *c = &capture->cases[i];
      int64_t units[FEW_ROWS], *rows, n = differing_rows(s, i, units, pass ? FEW_ROWS : 1);
      if (n == 0 || s->view_count > 24) continue;
      rows = malloc(sizeof *rows * (size_t)(n * s->unit));
      if (!rows) return sb_fail(SB_NO_MEMORY, "no memory for a search");
      status = add_view(s, c, rows, spread_units(s, c, units, n, rows));
      free(rows);
    }
  s->first_full = s->view_count;
  for (int i = 0; i < capture->count && status == SB_OK; i++) status = add_view(s, &capture->cases[i], NULL, 0);
  if (status == SB_OK) status = sb_contract_check(s->base, &capture->cases[0].env);
  return status;
}

void sb_search_end(sb_search *s) {
  for (int i = 0; i < s->view_count; i++) sb_view_free(&s->views[i]);
  free(s->views);
  sb_arena_free(s->arena);
  sb_arena_free(s->passing);
  sb_scratch_free(s->scratch);
  *s = (sb_search){0};
}

void sb_search_change(const sb_candidate *c, const sb_contract *from, sb_change_made *m) {
  *m = (sb_change_made){.mechanism = c->mechanism, .alternative = c->alternative, .site = c->site, .from = from};
  snprintf(m->parameter, sizeof m->parameter, "%s", c->parameter);
  m->rank = c->mechanism->rank + c->alternative->rank + (c->fitted ? 5 : 0);
  /* With a constant zero point the order of adding it shows in the sign of zero alone, which has its own name. */
  int zero = sb_line_find(from, sb_slot_names[SB_ZERO_POINT]);
  bool no_zero = zero >= 0 && from->lines[zero].expr->op == C_CAST && from->lines[zero].expr->arg[0]->constant;
  if (c->mechanism->number == 26 && no_zero) m->rank += 20;
  int line = c->line < from->line_count ? c->line : 0;
  int now = strncmp(c->contract->lines[c->line].name, "exact_", 6) == 0 ? c->line + 1 : c->line;
  sb_line_print(&c->contract->lines[now], m->after, sizeof m->after);
  int old = sb_line_find(from, c->contract->lines[now].name);
  sb_line_print(&from->lines[old >= 0 ? old : line], m->before, sizeof m->before);
}

/* The rewritten contract as it is to be shown and used: unchecked trees print as they were written. */
void sb_search_add(sb_search *s, const sb_set *prefix, const sb_candidate *c, const sb_contract *from) {
  if (s->set_count == SB_MAX_SETS) return;
  sb_set *set = &s->sets[s->set_count];
  *set = prefix ? *prefix : (sb_set){0};
  if (set->count == SB_MAX_SET) return;
  if (!c) {
    set->contract = sb_contract_copy(from, s->arena);
    s->set_count++;
    return;
  }
  sb_search_change(c, from, &set->made[set->count++]);
  for (int i = 0; i < s->set_count; i++) {
    bool same = s->sets[i].count == set->count;
    for (int j = 0; same && j < set->count; j++) {
      bool found = false;
      for (int l = 0; l < set->count; l++) found = found || s->sets[i].made[l].mechanism == set->made[j].mechanism;
      same = found;
    }
    if (same) return; /* another form of the same mechanisms */
  }
  set->made[set->count - 1].to = set->contract = sb_contract_copy(c->contract, s->arena);
  s->set_count++;
}

typedef struct first {
  sb_candidate candidate;
  sb_contract *contract;
  sb_change_made made;
  int mismatch; /* the line of the first slot that differs in the first view */
  uint64_t hash;
  int representative; /* index of the first one with the same results; itself where it is that */
} first;

typedef struct walk {
  sb_search *s;
  const sb_mechanism *const *only;
  int only_count;
  const sb_set *prefix;
  const sb_contract *from;
  int mismatch; /* a rewrite has to change this line or one before it */
  uint64_t base_hash;
  first *firsts; /* collected when not NULL */
  int first_count, first_capacity;
} walk;

static bool wanted(const walk *w, const sb_mechanism *m) {
  for (int i = 0; i < w->only_count; i++)
    if (w->only[i] == m) return true;
  return w->only_count == 0;
}

/* What the contract gives for the captured slots in the quick views. */
static uint64_t hash_results(sb_search *s, sb_contract *k) {
  uint64_t h = 1469598103934665603u;
  int views = s->first_full < 3 ? s->first_full : 3;
  for (int i = 0; i < views; i++) {
    sb_eval eval, whole;
    const sb_view *v = &s->views[i];
    if (sb_contract_check(k, &v->env) != SB_OK) return 0;
    sb_scratch_reset(s->scratch);
    sb_view_eval(v, k, false, s->scratch, &eval, &whole);
    for (int n = 0; n < SB_SLOTS - 1; n++) {
      int line = sb_contract_slot_line(k, &s->capture->at, sb_slot_order[n]);
      if (line < 0 || !v->of->slot[sb_slot_order[n]].values) continue;
      sb_tensor t = sb_line_tensor(k, &v->env, line);
      int64_t count = sb_tensor_count(&t);
      const double *values = sb_eval_line(&eval, line);
      double *stored = values ? sb_scratch_get(s->scratch, (size_t)count) : NULL;
      if (!stored) return 0;
      sb_line_stored(k, &v->env, line, values, count, stored);
      for (int64_t j = 0; j < count; j++) {
        uint64_t bits = stored[j] != stored[j] ? 1 : sb_f64_bits(stored[j]);
        h = (h ^ bits) * 1099511628211u;
        h ^= h >> 29;
      }
    }
  }
  return h;
}

static int mismatch_line(const sb_search *s, const sb_contract *k, int equal) {
  for (int n = equal < 0 ? 0 : equal; n < SB_SLOTS - 1; n++) {
    int line = sb_contract_slot_line(k, &s->capture->at, sb_slot_order[n]);
    if (line >= 0) return line;
  }
  return k->line_count;
}

static void collect(walk *w, const sb_candidate *c, int equal) {
  sb_search *s = w->s;
  if (w->first_count == w->first_capacity) {
    int capacity = w->first_capacity ? 2 * w->first_capacity : 256;
    first *grown = realloc(w->firsts, (size_t)capacity * sizeof *grown);
    if (!grown) return;
    w->firsts = grown, w->first_capacity = capacity;
  }
  uint64_t h = hash_results(s, c->contract);
  if (h == w->base_hash || h == 0) return;
  first *f = &w->firsts[w->first_count];
  *f = (first){.candidate = *c, .hash = h, .representative = w->first_count};
  sb_search_change(c, w->from, &f->made);
  f->mismatch = mismatch_line(s, c->contract, equal);
  f->made.to = f->contract = sb_contract_copy(c->contract, s->arena);
  for (int i = 0; i < w->first_count; i++)
    if (w->firsts[i].hash == h) {
      f->representative = i;
      break;
    }
  if (f->contract) w->first_count++;
}

static bool try_one(void *context, const sb_candidate *c) {
  walk *w = context;
  sb_search *s = w->s;
  int equal = 0;
  if (!wanted(w, c->mechanism) || c->line > w->mismatch || !sb_search_confirms(s, c)) {
    sb_arena_reset(s->passing);
    return true;
  }
  s->tried++;
  if (sb_search_holds(s, c->contract, 0, &equal))
    sb_search_add(s, w->prefix, c, w->from);
  else if (equal >= 0 && w->firsts)
    collect(w, c, equal);
  sb_arena_reset(s->passing);
  return !sb_search_spent(s);
}

static int by_rank(const void *a, const void *b) {
  const sb_set *x = a, *y = b;
  if (x->count != y->count) return x->count - y->count;
  int rx = 0, ry = 0;
  for (int i = 0; i < x->count; i++) rx += x->made[i].rank;
  for (int i = 0; i < y->count; i++) ry += y->made[i].rank;
  return rx - ry;
}

void sb_search_order(sb_search *s) { qsort(s->sets, (size_t)s->set_count, sizeof *s->sets, by_rank); }

static sb_status each(sb_search *s, walk *w, const sb_contract *from) {
  w->s = s, w->from = from;
  return sb_rewrite_each(from, &s->capture->cases[0].env, &s->fitted, NULL, s->passing, try_one, w);
}

sb_status sb_search_singles(sb_search *s, const sb_mechanism *const *only, int count) {
  walk w = {.only = only, .only_count = count, .mismatch = SB_MAX_LINES};
  sb_status status = each(s, &w, s->base);
  sb_search_order(s);
  return status;
}

sb_status sb_search_pairs(sb_search *s) {
  walk one = {.mismatch = SB_MAX_LINES, .s = s};
  one.firsts = malloc(256 * sizeof(first));
  if (!one.firsts) return sb_fail(SB_NO_MEMORY, "no memory for a search");
  one.first_capacity = 256;
  one.base_hash = hash_results(s, s->base);
  sb_contract_check(s->base, &s->capture->cases[0].env);
  sb_status status = each(s, &one, s->base);
  for (int pass = 0; pass < 2 && status == SB_OK; pass++) {
    int found = s->set_count;
    for (int i = 0; i < one.first_count && status == SB_OK && !sb_search_spent(s); i++) {
      first *f = &one.firsts[i];
      /* First one of each kind of result; once a pair is found, the others of that kind, for the alternatives. */
      bool kind_found = false;
      for (int k = 0; k < found; k++)
        kind_found = kind_found || s->sets[k].made[0].mechanism == one.firsts[f->representative].candidate.mechanism;
      if (pass == 0 ? f->representative != i : f->representative == i || !kind_found) continue;
      if (sb_contract_check(f->contract, &s->capture->cases[0].env) != SB_OK) continue;
      sb_set prefix = {.count = 1, .made = {f->made}};
      walk two = {.prefix = &prefix, .mismatch = f->mismatch};
      status = each(s, &two, f->contract);
    }
    if (s->set_count == 0) break;
  }
  free(one.firsts);
  sb_search_order(s);
  return status;
}
