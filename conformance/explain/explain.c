/* From a capture to an explanation: layouts, singles, pairs, and only what the exact evaluation confirms. */
#include "samebits/explain.h"
#include "conformance/explain/distinguish.h"
#include "conformance/explain/explain_parts.h"
#include "conformance/explain/search_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_TOLD = 8 }; /* alternatives for which an input is searched */

const char *const sb_verdict_names[3] = {"same", "explained", "unexplained"};

static void put_layout(const sb_layout *l, sb_explained_set *set) {
  for (int i = 0; i < l->id_count && set->count < SB_EXPLAINED_STEPS; i++) {
    const sb_layout_info *info = sb_layout_of(l->ids[i]);
    sb_explained_step *step = &set->steps[set->count++];
    *step = (sb_explained_step){.says = info->says, .evidence = info->evidence, .fix = info->fix};
    snprintf(step->id, sizeof step->id, "%s", info->id);
    snprintf(step->what, sizeof step->what, "%s", l->what);
  }
}

/* The lines in which two contracts differ, as a diff. A line that was split goes on under its own name as it was,
 * beside a new one. */
static void put_diff(const sb_contract *from, const sb_contract *to, char *text, size_t size) {
  char old[400], new[400];
  size_t n = 0;
  for (int i = 0; i < to->line_count && n < size; i++) {
    const int was = sb_line_find(from, to->lines[i].name);
    sb_line_print(&to->lines[i], new, sizeof new);
    if (was >= 0) sb_line_print(&from->lines[was], old, sizeof old);
    if (was >= 0 && strcmp(old, new) == 0) continue;
    if (was >= 0) n += (size_t)snprintf(text + n, size - n, "- %s\n", old);
    if (n < size) n += (size_t)snprintf(text + n, size - n, "+ %s\n", new);
  }
}

static sb_explained_step step_of(const sb_mechanism *m) {
  sb_explained_step step = {.says = m->says, .evidence = m->evidence, .fix = m->fix};
  snprintf(step.id, sizeof step.id, "%s", m->id);
  return step;
}

/* One id for each mechanism: two places of the same mechanism are one cause. */
static void put_set(const sb_set *from, sb_explained_set *set) {
  for (int i = 0; i < from->count && set->count < SB_EXPLAINED_STEPS; i++) {
    const sb_change_made *m = &from->made[i];
    sb_explained_step *step = &set->steps[set->count++];
    *step = step_of(m->mechanism);
    snprintf(step->what, sizeof step->what, "%s", m->alternative->what);
    snprintf(step->parameter, sizeof step->parameter, "%s", m->parameter);
    snprintf(step->before, sizeof step->before, "%s", m->before);
    snprintf(step->after, sizeof step->after, "%s", m->after);
    if (m->from && m->to) put_diff(m->from, m->to, step->diff, sizeof step->diff);
    const char *too = sb_alternative_includes(m->alternative);
    if (too && set->count < SB_EXPLAINED_STEPS) {
      set->steps[set->count] = *step;
      sb_explained_step *other = &set->steps[set->count++];
      const sb_explained_step words = step_of(sb_mechanism_find(too));
      snprintf(other->id, sizeof other->id, "%s", words.id);
      other->says = words.says, other->evidence = words.evidence, other->fix = words.fix;
    }
  }
}

static bool same_ids(const sb_explained_set *a, const sb_explained_set *b) {
  for (int side = 0; side < 2; side++) {
    const sb_explained_set *x = side ? b : a, *y = side ? a : b;
    for (int i = 0; i < x->count; i++) {
      bool found = false;
      for (int j = 0; j < y->count; j++) found = found || strcmp(x->steps[i].id, y->steps[j].id) == 0;
      if (!found) return false;
    }
  }
  return true;
}

static void add(sb_explanation *e, const sb_explained_set *set) {
  for (int i = 0; i < e->set_count; i++)
    if (same_ids(&e->sets[i], set)) return;
  if (e->set_count < SB_EXPLAINED_SETS && set->count) e->sets[e->set_count++] = *set;
}

/* What the search found and the exact evaluation confirms. */
static void confirm(sb_search *s, const sb_layout *layout, sb_explanation *e) {
  sb_contract *answer = NULL;
  for (int i = 0; i < s->set_count; i++) {
    sb_explained_set set = {0};
    if (!sb_search_reproduces(s, s->sets[i].contract, true)) continue;
    if (layout) put_layout(layout, &set);
    put_set(&s->sets[i], &set);
    int before = e->set_count;
    add(e, &set);
    /* An input that tells the answer from an alternative, where both rewrite the same plain contract. */
    if (before == 0 && e->set_count == 1) answer = s->sets[i].contract;
    if (e->set_count > before && before > 0 && before <= MOST_TOLD && answer) {
      sb_distinction d;
      char *text = e->sets[before].distinguishing_input;
      if (sb_distinguish(&s->capture->at, answer, s->sets[i].contract, &s->capture->cases[0].env, 24, &d) == SB_OK)
        sb_distinction_print(&d, (int)s->capture->at.dtype, text, sizeof e->sets[before].distinguishing_input);
    }
  }
}

/* What the contract gives for each case by the fast kernels: most layouts are refuted by it. */
typedef struct given {
  sb_contract *base;
  sb_view *views;
  sb_eval *evals, *wholes;
  sb_scratch *scratch;
} given;

static void given_free(given *g) {
  free(g->views);
  free(g->evals);
  free(g->wholes);
  sb_scratch_free(g->scratch);
}

static sb_status given_make(const sb_capture *cap, sb_contract *base, given *g) {
  const size_t n = (size_t)cap->count;
  *g = (given){base, calloc(n, sizeof *g->views), calloc(n, sizeof *g->evals), calloc(n, sizeof *g->wholes),
               sb_scratch_new()};
  if (!g->views || !g->evals || !g->wholes || !g->scratch) return sb_fail(SB_NO_MEMORY, "no memory for a search");
  for (int i = 0; i < cap->count; i++) {
    sb_status status = sb_view_all(&cap->cases[i], &g->views[i]);
    if (status == SB_OK) sb_view_eval(&g->views[i], base, false, g->scratch, &g->evals[i], &g->wholes[i]);
    if (status != SB_OK) return status;
  }
  return SB_OK;
}

/* Whether the contract gives every bit of `plain`, whose cases have the inputs of those of the capture. */
static bool given_is(given *g, const sb_capture *plain) {
  for (int i = 0; i < plain->count; i++) {
    sb_view v = g->views[i];
    v.of = &plain->cases[i];
    if (sb_contract_check(g->base, &v.env) != SB_OK) return false;
    for (int n = 0; n < SB_SLOTS - 1; n++) {
      sb_difference d;
      if (sb_view_compare(&v, g->base, &plain->at, sb_slot_order[n], &g->evals[i], 1, &d) != SB_OK || d.different)
        return false;
    }
  }
  return true;
}

/* Layouts alone, then with one rewrite. */
static sb_status try_layouts(const sb_capture *cap, sb_contract *base, bool rewrites, sb_explanation *e) {
  given all;
  sb_status status = given_make(cap, base, &all);
  /* Captured codes tell how the packed ones lie; else each layout would be a search of its own. */
  int most = 2;
  for (int i = 0; i < cap->count; i++)
    if (!cap->cases[i].slot[SB_CODES].values || !cap->cases[i].slot[SB_PACKED].values) most = 1;
  int fewest = 99;
  for (int i = 0; i < sb_layout_count() && status == SB_OK; i++) {
    sb_layout l;
    sb_capture plain;
    sb_layout_at(i, &l);
    if (l.id_count > fewest || (rewrites && l.id_count > most)) break;
    if (!sb_layout_undo(cap, &l, &plain)) continue;
    if (rewrites ? !sb_layout_plausible(cap, &plain, &l) : !given_is(&all, &plain)) {
      sb_layout_free(cap, &plain);
      continue;
    }
    sb_search s;
    status = sb_search_begin(&s, &plain, base);
    if (status == SB_OK && !rewrites && s.first_full == 0 && sb_search_reproduces(&s, s.base, true)) {
      sb_explained_set set = {0};
      put_layout(&l, &set);
      add(e, &set);
      fewest = l.id_count;
    } else if (status == SB_OK && rewrites) {
      sb_search_fit(&s);
      status = sb_search_singles(&s, NULL, 0);
      confirm(&s, &l, e);
    }
    e->rewrites_tried += s.tried;
    e->ended_early |= sb_search_spent(&s);
    sb_search_end(&s);
    sb_layout_free(cap, &plain);
  }
  given_free(&all);
  return status;
}

sb_status sb_explain_capture(const sb_capture *cap, const sb_contract *base, const sb_explain_options *options,
                             sb_explanation *e) {
  sb_search s;
  sb_status status = sb_search_begin(&s, cap, base);
  bool same = status == SB_OK && s.first_full == 0 && sb_search_reproduces(&s, s.base, true);
  if (status == SB_OK) status = sb_explain_cases(cap, s.base, same, e);
  e->verdict = same ? SB_SAME : SB_UNEXPLAINED;
  if (status == SB_OK && !same) status = try_layouts(cap, s.base, false, e);
  if (status == SB_OK && !same) {
    sb_search_fit(&s);
    if (e->set_count == 0) status = sb_search_singles(&s, NULL, 0);
    confirm(&s, NULL, e);
    bool sets = options && options->any_size;
    if (status == SB_OK && e->set_count == 0 && sets) {
      status = sb_search_sets(&s, options->most ? options->most : 4, NULL, 0);
      confirm(&s, NULL, e);
    } else if (status == SB_OK && e->set_count == 0) {
      status = try_layouts(cap, s.base, true, e);
      if (status == SB_OK) status = sb_search_pairs(&s);
      confirm(&s, NULL, e);
    }
  }
  e->rewrites_tried += s.tried;
  e->ended_early |= sb_search_spent(&s);
  sb_search_end(&s);
  if (e->set_count) e->verdict = SB_EXPLAINED;
  for (int i = 0; i < e->case_count; i++)
    if (e->cases[i].verdict != SB_SAME) e->cases[i].verdict = e->verdict;
  return status;
}

void sb_explanation_free(sb_explanation *e) {
  if (e) free(e->cases);
  free(e);
}

int sb_mechanisms_listed(void) { return sb_mechanism_count() + 4; }
sb_mechanism_info sb_mechanism_listed(int index) {
  static const char *const layouts[] = {"nibble-order", "nibble-encoding", "element-interleave", "scale-layout"};
  if (index >= sb_mechanism_count()) {
    int k = index - sb_mechanism_count();
    const sb_layout_info *l = sb_layout_of(layouts[k]);
    return (sb_mechanism_info){l->id, l->says, l->evidence, l->fix, 68 + k, 1};
  }
  const sb_mechanism *m = sb_mechanism_at(index);
  return (sb_mechanism_info){m->id, m->says, m->evidence, m->fix, m->number, m->alternative_count};
}
