/* What the kinds of search have in common. Views are tried from the cheapest to all rows of all cases, and a rewrite is
 * given up at the first bit. */
#include "conformance/contract/values.h"
#include "conformance/explain/search_parts.h"

#include <stdio.h>
#include <stdlib.h>

enum { FEW_ROWS = 12, FEW_ELEMENTS = 6144 }; /* of a quick view: fewer rows where they are long, but four */
enum { LISTED = 3, ODD = 20 };               /* the rank of a parameter that nobody writes down */
#define MOST_WORK 4e10                       /* operations on elements: a minute or so */

static int64_t differing_rows(sb_search *s, int index, int64_t *rows, int64_t most);

static sb_status add_view(sb_search *s, const sb_capture_case *c, const int64_t *rows, int64_t count) {
  sb_view *grown = realloc(s->views, (size_t)(s->view_count + 1) * sizeof *grown);
  if (!grown) return sb_fail(SB_NO_MEMORY, "no memory for views");
  s->views = grown;
  sb_view *v = &grown[s->view_count++];
  return rows ? sb_view_rows(c, rows, count, s->tensor_level, v) : sb_view_all(c, v);
}

/* Compares every slot of a view in order; the first that differs ends it. Returns the number of slots that are equal
 * before it, or -1 where the contract is wrong for the case. *share: of its elements that differ, in the first view. */
static int equal_slots(sb_search *s, int view, sb_contract *k, int unchanged, bool exact, bool *all, double *share) {
  const sb_view *v = &s->views[view];
  sb_eval eval, whole;
  int n = 0;
  *all = false, *share = 1;
  s->work += (double)k->node_count * (double)v->env.rows * (double)v->env.cols;
  sb_search_eval(s, view, k, unchanged, exact, &eval, &whole);
  for (; n < SB_SLOTS - 1; n++) {
    sb_difference d;
    if (sb_view_compare(v, k, &s->capture->at, sb_slot_order[n], &eval, view > 0, &d) != SB_OK) return -1;
    if (d.different) return *share = (double)d.different / (double)(d.elements ? d.elements : 1), n;
  }
  *all = true;
  return n;
}

void sb_search_from(sb_search *s, const sb_contract *from) {
  const sb_env *like = &s->capture->cases[0].env;
  sb_scratch_reset(s->prefix_scratch);
  s->from = from;
  for (s->prefix_count = 0; s->prefix_count < s->first_full && s->prefix_count < SB_PREFIXES; s->prefix_count++) {
    const sb_view *v = &s->views[s->prefix_count];
    if (v->whole_too || v->env.cols != like->cols || v->env.group != like->group) return;
    s->prefix[s->prefix_count] =
        (sb_eval){.contract = from, .env = &v->env, .kernel = sb_kernel_fast, .scratch = s->prefix_scratch};
  }
}

void sb_search_eval(sb_search *s, int view, const sb_contract *k, int unchanged, bool exact, sb_eval *eval,
                    sb_eval *whole) {
  sb_scratch_reset(s->scratch);
  sb_view_eval(&s->views[view], k, exact, s->scratch, eval, whole);
  if (!exact && view < s->prefix_count) eval->prefix = &s->prefix[view], eval->prefix_lines = unchanged;
}

bool sb_search_spent(const sb_search *s) { return s->work > s->most_work; }

static bool holds(sb_search *s, sb_contract *k, int unchanged, int first, bool exact, int *equal) {
  for (int i = first; i < s->view_count; i++) {
    bool all;
    double share;
    if (sb_contract_check(k, &s->views[i].env) != SB_OK) return *equal = -1, false;
    int n = equal_slots(s, i, k, unchanged, exact, &all, &share);
    if (i == 0) *equal = n;
    s->reached = (double)(i * SB_SLOTS + n) + (1 - share);
    if (!all) return false;
  }
  return true;
}

bool sb_search_holds(sb_search *s, sb_contract *k, int unchanged, int *equal) {
  return holds(s, k, unchanged, 0, false, equal);
}

bool sb_search_reproduces(sb_search *s, sb_contract *k, bool exact) {
  int equal = 0;
  return holds(s, k, 0, s->first_full, exact, &equal);
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
  *s = (sb_search){.capture = capture,
                   .unit = 1,
                   .most_work = MOST_WORK,
                   .arena = sb_arena_new(),
                   .passing = sb_arena_new(),
                   .scratch = sb_scratch_new(),
                   .prefix_scratch = sb_scratch_new()};
  if (!s->arena || !s->passing || !s->scratch || !s->prefix_scratch || !(s->base = sb_contract_copy(base, s->arena)))
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
      const int64_t fit = FEW_ELEMENTS / c->cols, most = fit < 4 ? 4 : fit < FEW_ROWS ? fit : FEW_ROWS;
      int64_t units[FEW_ROWS], *rows, n = differing_rows(s, i, units, pass ? most : 1);
      if (n == 0 || s->view_count > 24) continue;
      rows = malloc(sizeof *rows * (size_t)(n * s->unit));
      if (!rows) return sb_fail(SB_NO_MEMORY, "no memory for a search");
      status = add_view(s, c, rows, spread_units(s, c, units, n, rows));
      free(rows);
    }
  const int scale = sb_contract_slot_line(s->base, &capture->at, SB_SCALE);
  const sb_captured *captured = &capture->cases[0].slot[SB_SCALE];
  s->first_full = s->view_count;
  for (int i = 0; i < capture->count && status == SB_OK; i++) status = add_view(s, &capture->cases[i], NULL, 0);
  if (status == SB_OK) status = sb_contract_check(s->base, &capture->cases[0].env);
  if (status == SB_OK && scale >= 0 && captured->values)
    s->scale_says_f64 =
        (captured->format == SB_F64) != (sb_line_tensor(s->base, &capture->cases[0].env, scale).format == SB_F64);
  return status;
}

void sb_search_end(sb_search *s) {
  for (int i = 0; i < s->view_count; i++) sb_view_free(&s->views[i]);
  free(s->views);
  sb_arena_free(s->arena);
  sb_arena_free(s->passing);
  for (int i = 0; i < SB_WORKERS; i++) sb_arena_free(s->kept[i]);
  sb_scratch_free(s->scratch);
  sb_scratch_free(s->prefix_scratch);
  *s = (sb_search){0};
}

/* Of two that explain as much, the one without a parameter says more; then the one whose number is shorter. */
static int parameter_rank(const sb_candidate *c) {
  const int digits = sb_search_digits(c->parameter);
  if (!*c->parameter) return 0;
  return !c->fitted ? LISTED : digits <= 2 ? 5 : digits <= 4 ? 8 : ODD;
}

void sb_search_change(const sb_candidate *c, const sb_contract *from, sb_change_made *m) {
  *m = (sb_change_made){.mechanism = c->mechanism, .alternative = c->alternative, .site = c->site, .from = from};
  snprintf(m->parameter, sizeof m->parameter, "%s", c->parameter);
  const int more = parameter_rank(c);
  m->rank = c->mechanism->rank + c->alternative->rank + more, m->guess = more, m->odd = more == ODD;
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

bool sb_search_wants(const sb_mechanism *const *only, int count, const sb_mechanism *mechanism) {
  for (int i = 0; i < count; i++)
    if (only[i] == mechanism) return true;
  return count == 0;
}

sb_set *sb_search_same(sb_search *s, const sb_set *set) {
  for (int i = 0; i < s->set_count; i++) {
    bool same = s->sets[i].count == set->count;
    for (int j = 0; same && j < set->count; j++) {
      bool found = false;
      for (int l = 0; l < set->count; l++) found = found || s->sets[i].made[l].mechanism == set->made[j].mechanism;
      same = found;
    }
    if (same) return &s->sets[i];
  }
  return NULL;
}

sb_status sb_search_share(sb_search *s, int k, sb_search **own) {
  if (!s->kept[k]) s->kept[k] = sb_arena_new();
  sb_search *w = *own = malloc(sizeof *w);
  if (!w) return sb_fail(SB_NO_MEMORY, "no memory for a search");
  *w = *s;
  w->arena = s->kept[k], w->passing = sb_arena_new(), w->scratch = sb_scratch_new();
  w->prefix_scratch = sb_scratch_new(), w->prefix_count = 0;
  w->set_count = 0, w->tried = 0, w->work = 0, w->most_work = (s->most_work - s->work) / SB_WORKERS;
  if (w->arena && w->passing && w->scratch && w->prefix_scratch) return SB_OK;
  return sb_fail(SB_NO_MEMORY, "no memory for a search");
}

/* The causes that a set has: a form may include another mechanism, and a parameter of many digits is a guess more. */
static int size_of(const sb_set *set) {
  int n = set->count, odd = 0;
  for (int i = 0; i < set->count; i++) {
    n += sb_alternative_includes(set->made[i].alternative) != NULL;
    odd |= set->made[i].odd;
  }
  return n + odd;
}

/* Of two sets of the same mechanisms the one with fewer causes and shorter numbers is kept, the first one else. */
static int costs(const sb_set *set) {
  int cost = 1000 * size_of(set);
  for (int i = 0; i < set->count; i++) cost += set->made[i].guess;
  return cost;
}

/* `found` has the same mechanisms as `kept`: another value of a parameter, or another form. */
static void count_or_replace(sb_set *kept, const sb_set *found) {
  bool value = false;
  for (int i = 0; i < kept->count; i++)
    value |= found->made[i].guess == LISTED && strcmp(kept->made[i].parameter, found->made[i].parameter) != 0;
  const int others = kept->others + value + found->others, order = kept->order;
  if (costs(found) < costs(kept)) *kept = *found, kept->order = order;
  kept->others = others;
}

static int by_order(const void *a, const void *b) { return ((const sb_set *)a)->order - ((const sb_set *)b)->order; }

void sb_search_merge(sb_search *s, sb_search *const own[SB_WORKERS]) {
  sb_set *sets = calloc((size_t)SB_WORKERS * SB_MAX_SETS, sizeof *sets);
  int count = 0;
  for (int k = 0; sets && k < SB_WORKERS; k++)
    for (int i = 0; i < own[k]->set_count; i++) sets[count++] = own[k]->sets[i];
  if (sets) qsort(sets, (size_t)count, sizeof *sets, by_order);
  for (int i = 0; i < count && s->set_count < SB_MAX_SETS; i++) {
    sb_set *same = sb_search_same(s, &sets[i]);
    if (same)
      count_or_replace(same, &sets[i]);
    else
      s->sets[s->set_count++] = sets[i];
  }
  free(sets);
}

void sb_search_unshare(sb_search *s, sb_search *w) {
  s->tried += w->tried, s->work += sb_search_spent(w) ? s->most_work : w->work;
  sb_arena_free(w->passing);
  sb_scratch_free(w->scratch);
  sb_scratch_free(w->prefix_scratch);
  free(w);
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
  sb_set *same = sb_search_same(s, set);
  set->others = 0;
  if (!same || costs(set) < costs(same))
    set->made[set->count - 1].to = set->contract = sb_contract_copy(c->contract, s->arena);
  if (same)
    count_or_replace(same, set);
  else
    s->set_count++;
}

/* A floor that may be anything, as no element comes near it, is no guess. */
static int rank_of(const sb_set *set) {
  enum { ANYTHING = 4, FLOOR = 8 };
  int rank = 0;
  for (int i = 0; i < set->count; i++) {
    const bool floor = set->made[i].mechanism->number == FLOOR;
    rank += set->made[i].rank - (floor && set->others >= ANYTHING ? set->made[i].guess : 0);
  }
  return rank;
}

static int by_rank(const void *a, const void *b) {
  const sb_set *x = a, *y = b;
  if (size_of(x) != size_of(y)) return size_of(x) - size_of(y);
  return rank_of(x) != rank_of(y) ? rank_of(x) - rank_of(y) : x->order - y->order;
}

/* A scale in f64 on one side alone is what widening leaves behind. */
static void weigh_formats(sb_search *s) {
  enum { SEEN = 15 };
  for (int i = 0; s->scale_says_f64 && i < s->set_count; i++)
    for (int k = 0; k < s->sets[i].count; k++) {
      sb_change_made *m = &s->sets[i].made[k];
      if (strcmp(m->mechanism->id, "fp64-qparams-widened") == 0 && !m->weighed) m->rank -= SEEN, m->weighed = true;
    }
}

void sb_search_order(sb_search *s) {
  weigh_formats(s);
  qsort(s->sets, (size_t)s->set_count, sizeof *s->sets, by_rank);
}
