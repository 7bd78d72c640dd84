/* Sets of rewrites, by beam: at each size the most promising few, by slots that are equal and elements that differ. A
 * rewrite that gives results which were seen before is not followed again. */
#include "conformance/contract/values.h"
#include "conformance/explain/search_parts.h"

#include <stdio.h>
#include <stdlib.h>

enum { BEAM = 16, ORDERED_BEAM = 8, SCORED = 6, SEEN = 4096 };

typedef struct node {
  sb_set set;
  sb_contract *contract;
  int mismatch; /* the line of the first slot that differs: a rewrite after it cannot help */
  double score;
} node;

typedef struct walk {
  sb_search *s;
  const sb_mechanism *const *only;
  int only_count;
  const node *from;
  int count, width;
  node *next; /* `width` of them; NULL: the last size */
  uint64_t *seen;
} walk;

static bool wanted(const walk *w, const sb_mechanism *m) {
  for (int i = 0; i < w->only_count; i++)
    if (w->only[i] == m) return true;
  return w->only_count == 0;
}

/* Open addressing; a full table forgets nothing and lets states through. */
static bool seen_before(uint64_t *seen, uint64_t h) {
  h += h == 0;
  for (size_t k = 0, at = (size_t)h % SEEN; k < SEEN / 2; k++, at = (at + 1) % SEEN) {
    if (seen[at] == h) return true;
    if (seen[at] == 0) return seen[at] = h, false;
  }
  return false;
}

static uint64_t mix(uint64_t h, double v) {
  h = (h ^ (v != v ? 1 : sb_f64_bits(v))) * 1099511628211u;
  return h ^ h >> 29;
}

/* Slots equal first, then the share of elements that differ in the first slot that does; `hash` is of all results.
 * False: the contract is wrong for a case, or the score is not below `most`. */
static bool judge(sb_search *s, sb_contract *k, int first, int last, double most, node *n, uint64_t *hash) {
  n->score = 0, n->mismatch = k->line_count, *hash = 1469598103934665603u;
  for (int i = first; i < last; i++) {
    const sb_view *v = &s->views[i];
    sb_eval eval, whole;
    double weight = 1;
    if (sb_contract_check(k, &v->env) != SB_OK) return false;
    sb_scratch_reset(s->scratch);
    sb_view_eval(v, k, false, s->scratch, &eval, &whole);
    for (int slot = 0; slot < SB_SLOTS - 1; slot++, weight /= 4) {
      int line = sb_contract_slot_line(k, &s->capture->at, sb_slot_order[slot]);
      sb_difference d;
      if (line < 0 || !v->of->slot[sb_slot_order[slot]].values) continue;
      if (sb_view_compare(v, k, &s->capture->at, sb_slot_order[slot], &eval, 0, &d) != SB_OK) return false;
      int64_t count = sb_eval_count(&eval, k->lines[line].expr->tile);
      const double *values = sb_eval_line(&eval, line);
      for (int64_t j = 0; values && j < count; j++) *hash = mix(*hash, values[j]);
      if (!d.different) continue;
      if (line < n->mismatch) n->mismatch = line;
      n->score += weight * (0.05 + (double)d.different / (double)(d.elements ? d.elements : 1));
      if (n->score >= most) return false;
    }
  }
  return true;
}

static int worst(const walk *w) {
  int k = 0;
  for (int i = 1; i < w->count; i++)
    if (w->next[i].score > w->next[k].score) k = i;
  return k;
}

static void keep(walk *w, const node *found, const sb_candidate *c) {
  node *n = &w->next[w->count < w->width ? w->count++ : worst(w)];
  *n = *found;
  n->set = w->from->set;
  sb_search_change(c, w->from->contract, &n->set.made[n->set.count++]);
  n->set.made[n->set.count - 1].to = n->contract = sb_contract_copy(c->contract, w->s->arena);
}

static bool try_one(void *context, const sb_candidate *c) {
  walk *w = context;
  sb_search *s = w->s;
  int equal = 0, last = s->thorough ? s->view_count : s->first_full < SCORED ? s->first_full : SCORED;
  double most = w->count == w->width ? w->next[worst(w)].score : SB_INF;
  node found;
  uint64_t hash;
  if (wanted(w, c->mechanism) && c->line <= w->from->mismatch && sb_search_confirms(s, c)) {
    s->tried++;
    if (sb_search_holds(s, c->contract, 0, &equal))
      sb_search_add(s, &w->from->set, c, w->from->contract);
    else if (equal >= 0 && w->next &&
             judge(s, c->contract, s->thorough ? s->first_full : 0, last, most, &found, &hash) &&
             !seen_before(w->seen, hash))
      keep(w, &found, c);
  }
  sb_arena_reset(s->passing);
  return !sb_search_spent(s);
}

static sb_status follow(walk *w, const node *now, int count) {
  sb_search *s = w->s;
  sb_status status = SB_OK;
  for (int i = 0; i < count && status == SB_OK; i++) {
    if (now[i].set.count == SB_MAX_SET || sb_contract_check(now[i].contract, &s->capture->cases[0].env) != SB_OK)
      continue;
    w->from = &now[i];
    status = sb_rewrite_each(now[i].contract, &s->capture->cases[0].env, &s->fitted, NULL, s->passing, try_one, w);
  }
  return status;
}

sb_status sb_search_sets(sb_search *s, int most, const sb_mechanism *const *only, int count) {
  node *now = calloc(BEAM, sizeof *now), *next = calloc(BEAM, sizeof *next);
  uint64_t *seen = calloc(SEEN, sizeof *seen);
  sb_status status = now && next && seen ? SB_OK : sb_fail(SB_NO_MEMORY, "no memory for a search");
  int now_count = 1;
  if (status == SB_OK) now[0] = (node){.contract = s->base, .mismatch = SB_MAX_LINES};
  for (int size = 1; size <= most && size <= SB_MAX_SET && status == SB_OK && s->set_count == 0; size++) {
    walk w = {
        .s = s, .only = only, .only_count = count, .width = BEAM, .next = size < most ? next : NULL, .seen = seen};
    status = follow(&w, now, now_count);
    node *t = now;
    now = next, next = t, now_count = w.count;
  }
  free(now);
  free(next);
  free(seen);
  sb_search_order(s);
  return status;
}

sb_status sb_search_ordered(sb_search *s, const sb_mechanism *const *ids, int count) {
  enum { PLACES = 2 };
  node *now = calloc(BEAM, sizeof *now), *next = calloc(BEAM, sizeof *next);
  uint64_t *seen = calloc(SEEN, sizeof *seen), hash;
  sb_status status = now && next && seen ? SB_OK : sb_fail(SB_NO_MEMORY, "no memory for a search");
  int now_count = 1, equal;
  s->thorough = true;
  if (status == SB_OK) {
    now[0].contract = s->base;
    judge(s, s->base, s->first_full, s->view_count, SB_INF, &now[0], &hash);
    if (sb_search_holds(s, s->base, 0, &equal)) sb_search_add(s, &now[0].set, NULL, s->base);
  }
  for (int i = 0; i < count * PLACES && status == SB_OK && s->set_count == 0; i++) {
    /* What there was stays beside what the mechanism makes of it: it need not apply in every dtype. */
    walk w = {.s = s, .only = &ids[i / PLACES], .only_count = 1, .width = ORDERED_BEAM, .next = next, .seen = seen};
    memcpy(next, now, sizeof *now * (size_t)now_count);
    w.count = now_count;
    status = follow(&w, now, now_count);
    node *t = now;
    now = next, next = t, now_count = w.count;
  }
  free(now);
  free(next);
  free(seen);
  return status;
}
