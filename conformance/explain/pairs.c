/* Singles and pairs. The second rewrites of a pair are searched by several threads, a share of the first ones each; the
 * shares are fixed, so that the answer does not depend on their number of cores. */
#include "conformance/contract/values.h"
#include "conformance/explain/search_parts.h"
#include "conformance/shares.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct first {
  sb_candidate candidate;
  sb_contract *contract;
  sb_change_made made;
  int mismatch; /* the line of the first slot that differs in the first view */
  uint64_t hash;
  int representative; /* index of the first one with the same results; itself where it is that */
} first;

/* A second rewrite that came near the capture after a first one: those that gave the same as that first one are tried
 * with it, for what follows may tell them apart. */
enum { NEAR = 32 };
typedef struct near {
  int first;
  const sb_mechanism *mechanism;
  const sb_alternative *alternative;
  char parameter[48];
  double reached;
} near;

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
  int index;   /* of the prefix among the firsts */
  near *nears; /* kept when not NULL: the NEAR nearest */
  int near_count;
  const near *second; /* this rewrite alone, when not NULL */
} walk;

static void keep_near(walk *w, const sb_candidate *c) {
  int at = w->near_count;
  for (int i = 0; i < w->near_count; i++) /* one of a mechanism */
    if (w->nears[i].first == w->index && w->nears[i].mechanism == c->mechanism) at = i;
  if (at == NEAR) {
    at = 0;
    for (int i = 1; i < NEAR; i++)
      if (w->nears[i].reached < w->nears[at].reached) at = i;
  }
  if (at < w->near_count && w->nears[at].reached >= w->s->reached) return;
  w->near_count += at == w->near_count;
  w->nears[at] = (near){w->index, c->mechanism, c->alternative, "", w->s->reached};
  snprintf(w->nears[at].parameter, sizeof w->nears[at].parameter, "%s", c->parameter);
}

/* What the contract gives for the captured slots in the quick views. */
static uint64_t hash_results(sb_search *s, sb_contract *k, int unchanged) {
  uint64_t h = 1469598103934665603u;
  int views = s->first_full < 3 ? s->first_full : 3;
  for (int i = 0; i < views; i++) {
    sb_eval eval, whole;
    const sb_view *v = &s->views[i];
    if (sb_contract_check(k, &v->env) != SB_OK) return 0;
    sb_search_eval(s, i, k, unchanged, false, &eval, &whole);
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
  uint64_t h = hash_results(s, c->contract, c->line);
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
  /* Other forms of the second one, too, unless it has a number. */
  const bool other = w->second && *w->second->parameter &&
                     (c->alternative != w->second->alternative || strcmp(c->parameter, w->second->parameter));
  if (other || !sb_search_wants(w->only, w->only_count, c->mechanism) || c->line > w->mismatch ||
      !sb_search_confirms(s, c)) {
    sb_arena_reset(s->passing);
    return true;
  }
  s->tried++;
  if (sb_search_holds(s, c->contract, c->line, &equal))
    sb_search_add(s, w->prefix, c, w->from);
  else if (equal >= 0 && w->firsts)
    collect(w, c, equal);
  else if (equal >= 0 && w->nears)
    keep_near(w, c);
  sb_arena_reset(s->passing);
  return !sb_search_spent(s);
}

static sb_status each(sb_search *s, walk *w, const sb_contract *from) {
  w->s = s, w->from = from;
  sb_search_from(s, from);
  return sb_rewrite_each(from, &s->capture->cases[0].env, &s->fitted, w->second ? w->second->mechanism : NULL,
                         s->passing, try_one, w);
}

sb_status sb_search_singles(sb_search *s, const sb_mechanism *const *only, int count) {
  walk w = {.only = only, .only_count = count, .mismatch = SB_MAX_LINES};
  sb_status status = each(s, &w, s->base);
  sb_search_order(s);
  return status;
}

/* One thread's share: every SB_WORKERS-th of the first rewrites. */
typedef struct share {
  sb_search *s; /* its own: views, capture and base are those of all */
  const walk *one;
  const sb_search *all;
  int index, pass, found;
  near nears[NEAR];
  int near_count;
  sb_status status;
} share;

static void after_first(share *h, int i, walk *two) {
  sb_search *s = h->s;
  first *f = &h->one->firsts[i];
  if (sb_contract_check(f->contract, &s->capture->cases[0].env) != SB_OK) return;
  sb_set prefix = {.count = 1, .made = {f->made}};
  const int before = s->set_count;
  two->prefix = &prefix, two->mismatch = f->mismatch, two->index = i;
  h->status = each(s, two, f->contract);
  for (int k = before; k < s->set_count; k++) s->sets[k].order = i;
}

/* The first rewrites, one of each kind of result; once a pair is found, the others of that kind, for the alternatives.
 */
static void *search_share(void *context) {
  share *h = context;
  sb_search *s = h->s;
  walk two = {.nears = h->pass == 0 ? h->nears : NULL};
  for (int i = 0, mine = 0; i < h->one->first_count && h->status == SB_OK && !sb_search_spent(s); i++) {
    first *f = &h->one->firsts[i];
    bool kind_found = false;
    for (int k = 0; k < h->found; k++)
      kind_found =
          kind_found || h->all->sets[k].made[0].mechanism == h->one->firsts[f->representative].candidate.mechanism;
    if (h->pass == 0 ? f->representative != i : f->representative == i || !kind_found) continue;
    if (mine++ % SB_WORKERS == h->index) after_first(h, i, &two);
  }
  h->near_count = two.near_count;
  return NULL;
}

/* What gave the same as a first one that came near, each with the second one that did. */
static void *search_near(void *context) {
  share *h = context;
  for (int n = 0; n < h->near_count && h->status == SB_OK; n++)
    for (int i = h->nears[n].first + 1; i < h->one->first_count && !sb_search_spent(h->s); i++) {
      walk two = {.second = &h->nears[n]};
      if (h->one->firsts[i].representative == h->nears[n].first) after_first(h, i, &two);
    }
  return NULL;
}

static sb_status search_shares(sb_search *s, walk *one, share shares[SB_WORKERS], int pass) {
  sb_search *own[SB_WORKERS] = {NULL};
  sb_status status = SB_OK;
  const bool nears = pass && s->set_count == 0;
  for (int k = 0; k < SB_WORKERS && !status; k++) {
    shares[k].one = one, shares[k].all = s, shares[k].index = k, shares[k].pass = pass;
    shares[k].found = s->set_count;
    status = sb_search_share(s, k, &shares[k].s);
    own[k] = shares[k].s;
  }
  if (!status) sb_shares_run(nears ? search_near : search_share, shares, sizeof *shares, SB_WORKERS);
  for (int k = 0; k < SB_WORKERS; k++)
    if (!status && shares[k].status) status = sb_fail(shares[k].status, "a search failed");
  if (!status) sb_search_merge(s, own);
  for (int k = 0; k < SB_WORKERS; k++)
    if (own[k]) sb_search_unshare(s, own[k]);
  return status;
}

sb_status sb_search_pairs(sb_search *s) {
  walk one = {.mismatch = SB_MAX_LINES, .s = s};
  one.firsts = malloc(256 * sizeof(first));
  if (!one.firsts) return sb_fail(SB_NO_MEMORY, "no memory for a search");
  one.first_capacity = 256;
  one.base_hash = hash_results(s, s->base, 0);
  sb_contract_check(s->base, &s->capture->cases[0].env);
  sb_status status = each(s, &one, s->base);
  share shares[SB_WORKERS] = {{0}};
  for (int pass = 0; pass < 2 && status == SB_OK; pass++) status = search_shares(s, &one, shares, pass);
  free(one.firsts);
  sb_search_order(s);
  return status;
}
