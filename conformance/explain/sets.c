/* Sets of rewrites, by beam: at each size the most promising few, by slots that are equal and elements that differ. A
 * rewrite that gives results which were seen before is not followed again. Several threads follow fixed shares of the
 * beam, so that the answer does not depend on the number of cores. */
#include "conformance/contract/values.h"
#include "conformance/explain/search_parts.h"
#include "conformance/shares.h"

#include <stdio.h>
#include <stdlib.h>

enum { BEAM = 16, ORDERED_BEAM = 8, SCORED = 6, SEEN = 4096 };

typedef struct node {
  sb_set set;
  sb_contract *contract;
  int mismatch; /* the line of the first slot that differs: a rewrite after it cannot help */
  double score;
  uint64_t hash; /* of the results */
} node;

typedef struct walk {
  sb_search *s;
  const sb_mechanism *const *only;
  int only_count;
  const node *from;
  int count, width, order;
  node *next; /* `width` of them; NULL: the last size */
  uint64_t *seen;
} walk;

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
static bool judge(sb_search *s, sb_contract *k, int unchanged, int first, int last, double most, node *n,
                  uint64_t *hash) {
  n->score = 0, n->mismatch = k->line_count, *hash = 1469598103934665603u;
  for (int i = first; i < last; i++) {
    const sb_view *v = &s->views[i];
    sb_eval eval, whole;
    double weight = 1;
    if (sb_contract_check(k, &v->env) != SB_OK) return false;
    sb_search_eval(s, i, k, unchanged, false, &eval, &whole);
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

static void keep(walk *w, const node *found, uint64_t hash, const sb_candidate *c) {
  node *n = &w->next[w->count < w->width ? w->count++ : worst(w)];
  *n = *found;
  n->hash = hash;
  n->set = w->from->set;
  sb_search_change(c, w->from->contract, &n->set.made[n->set.count++]);
  n->set.order = w->order + (int)(n - w->next);
  n->set.made[n->set.count - 1].to = n->contract = sb_contract_copy(c->contract, w->s->arena);
}

static bool try_one(void *context, const sb_candidate *c) {
  walk *w = context;
  sb_search *s = w->s;
  int equal = 0, last = s->thorough ? s->view_count : s->first_full < SCORED ? s->first_full : SCORED;
  double most = w->count == w->width ? w->next[worst(w)].score : SB_INF;
  node found;
  uint64_t hash;
  if (sb_search_wants(w->only, w->only_count, c->mechanism) && c->line <= w->from->mismatch &&
      sb_search_confirms(s, c)) {
    s->tried++;
    if (sb_search_holds(s, c->contract, c->line, &equal))
      sb_search_add(s, &w->from->set, c, w->from->contract);
    else if (equal >= 0 && w->next &&
             judge(s, c->contract, c->line, s->thorough ? s->first_full : 0, last, most, &found, &hash) &&
             !seen_before(w->seen, hash))
      keep(w, &found, hash, c);
  }
  sb_arena_reset(s->passing);
  return !sb_search_spent(s);
}

/* Nodes `first`, `first` + `step` ... */
static sb_status follow(walk *w, const node *now, int count, int first, int step) {
  sb_search *s = w->s;
  sb_status status = SB_OK;
  for (int i = first; i < count && status == SB_OK; i += step) {
    if (now[i].set.count == SB_MAX_SET || sb_contract_check(now[i].contract, &s->capture->cases[0].env) != SB_OK)
      continue;
    const int before = s->set_count;
    w->from = &now[i], w->order = i << 16;
    sb_search_from(s, now[i].contract);
    status = sb_rewrite_each(now[i].contract, &s->capture->cases[0].env, &s->fitted, NULL, s->passing, try_one, w);
    for (int k = before; k < s->set_count; k++) s->sets[k].order = i;
  }
  return status;
}

typedef struct share {
  walk w;
  const node *now;
  int count, index;
  sb_status status;
} share;

static void *follow_share(void *context) {
  share *h = context;
  h->status = follow(&h->w, h->now, h->count, h->index, SB_WORKERS);
  return NULL;
}

static int by_score(const void *a, const void *b) {
  const node *x = a, *y = b;
  if (x->score != y->score) return x->score < y->score ? -1 : 1;
  return x->set.order - y->set.order;
}

static int by_order(const void *a, const void *b) {
  return ((const node *)a)->set.order - ((const node *)b)->set.order;
}

/* The best of what the shares found, each kind of result once, in the order of what they were made of;
 * and the sets that reproduce the capture. */
static void merge(walk *w, const share *shares) {
  node *all = calloc((size_t)SB_WORKERS * BEAM, sizeof *all);
  sb_search *own[SB_WORKERS];
  int count = 0;
  for (int k = 0; k < SB_WORKERS; k++) {
    const walk *from = &shares[k].w;
    own[k] = from->s;
    for (int i = 0; all && i < from->count; i++) all[count++] = from->next[i];
  }
  sb_search_merge(w->s, own);
  if (all) qsort(all, (size_t)count, sizeof *all, by_score);
  for (int i = 0; all && i < count && w->count < w->width; i++)
    if (!seen_before(w->seen, all[i].hash)) w->next[w->count++] = all[i];
  if (w->count) qsort(w->next, (size_t)w->count, sizeof *w->next, by_order);
  for (int k = 0; k < SB_WORKERS; k++)
    for (int i = 0; i < SEEN; i++)
      if (shares[k].w.seen[i]) (void)seen_before(w->seen, shares[k].w.seen[i]);
  free(all);
}

static sb_status follow_all(walk *w, const node *now, int count) {
  share shares[SB_WORKERS] = {{.index = 0}};
  sb_status status = SB_OK;
  for (int k = 0; k < SB_WORKERS && status == SB_OK; k++) {
    shares[k] = (share){.w = *w, .now = now, .count = count, .index = k};
    shares[k].w.s = NULL;
    if (count >= SB_WORKERS) shares[k].w.width = w->width / 2; /* of a quarter of the nodes */
    status = sb_search_share(w->s, k, &shares[k].w.s);
    shares[k].w.seen = malloc(SEEN * sizeof(uint64_t));
    shares[k].w.next = w->next ? calloc(BEAM, sizeof(node)) : NULL;
    if (status == SB_OK && (!shares[k].w.seen || (w->next && !shares[k].w.next)))
      status = sb_fail(SB_NO_MEMORY, "no memory for a search");
    if (status == SB_OK) memcpy(shares[k].w.seen, w->seen, SEEN * sizeof(uint64_t));
  }
  /* a share beyond the nodes has nothing to follow */
  if (status == SB_OK) sb_shares_run(follow_share, shares, sizeof *shares, count < SB_WORKERS ? count : SB_WORKERS);
  for (int k = 0; k < SB_WORKERS; k++)
    if (status == SB_OK && shares[k].status) status = sb_fail(shares[k].status, "a search failed");
  if (status == SB_OK) merge(w, shares);
  for (int k = 0; k < SB_WORKERS; k++) {
    if (shares[k].w.s) sb_search_unshare(w->s, shares[k].w.s);
    free(shares[k].w.seen);
    free(shares[k].w.next);
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
    status = follow_all(&w, now, now_count);
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
    judge(s, s->base, 0, s->first_full, s->view_count, SB_INF, &now[0], &hash);
    if (sb_search_holds(s, s->base, 0, &equal)) sb_search_add(s, &now[0].set, NULL, s->base);
  }
  for (int i = 0; i < count * PLACES && status == SB_OK && s->set_count == 0; i++) {
    /* What there was stays beside what the mechanism makes of it: it need not apply in every dtype. */
    walk w = {.s = s, .only = &ids[i / PLACES], .only_count = 1, .width = ORDERED_BEAM, .next = next, .seen = seen};
    memcpy(next, now, sizeof *now * (size_t)now_count);
    w.count = now_count;
    status = follow(&w, now, now_count, 0, 1);
    node *t = now;
    now = next, next = t, now_count = w.count;
  }
  free(now);
  free(next);
  free(seen);
  return status;
}
