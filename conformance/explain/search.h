/* The search for rewrites that reproduce a capture. */
#ifndef SAMEBITS_EXPLAIN_SEARCH_H
#define SAMEBITS_EXPLAIN_SEARCH_H

#include "conformance/contract/eval.h"
#include "conformance/explain/layout.h"
#include "conformance/explain/view.h"
#include "conformance/mechanisms/mechanism.h"

/* SB_WORKERS threads share a search for pairs; SB_PREFIXES quick views keep what a rewrite does not change. */
enum { SB_MAX_SET = 12, SB_MAX_SETS = 48, SB_WORKERS = 4, SB_PREFIXES = 8 };

/* One rewrite of a set, with the line that it changes. */
typedef struct sb_change_made {
  const sb_mechanism *mechanism;
  const sb_alternative *alternative;
  char parameter[48];
  int site, rank;
  bool weighed;                 /* the format of the scale counts already */
  int guess;                    /* the part of the rank that is the parameter's */
  bool odd;                     /* the parameter was read off the data, and is no number that somebody writes down */
  char before[320], after[400]; /* the first changed line */
  const sb_contract *from, *to; /* in the search's arena */
} sb_change_made;

typedef struct sb_set {
  int count, order; /* order: of the first rewrite among those that were tried */
  int others;       /* values of a parameter that reproduce the capture, too */
  sb_change_made made[SB_MAX_SET];
  sb_contract *contract; /* rewritten and checked for the first case */
} sb_set;

typedef struct sb_search {
  const sb_capture *capture;
  sb_contract *base;
  bool tensor_level;
  bool scale_says_f64; /* the scale is captured in f64 and the contract has another format, or the other way round */
  bool thorough;       /* sets are judged on all rows of every case, not on a few */
  int64_t unit;        /* rows that belong together */
  sb_arena *arena;     /* what lives as long as the search */
  sb_arena *passing;   /* one candidate */
  sb_scratch *scratch;
  sb_fitted fitted;
  bool half_differs[2];       /* whether tiles of either half differ from the contract */
  int view_count, first_full; /* views: the quickest first, then all rows of every case */
  sb_view *views;
  int set_count;
  sb_set sets[SB_MAX_SETS];
  int64_t tried;
  double reached;          /* how far the last candidate that was refuted came: views, slots, share of equal elements */
  double work, most_work;  /* operations on elements so far, and how many there may be */
  const sb_contract *from; /* what is rewritten at present; its values in the first quick views: */
  sb_eval prefix[SB_PREFIXES];
  int prefix_count;
  sb_scratch *prefix_scratch;
  sb_arena *kept[SB_WORKERS]; /* of the threads; lives as long as the search */
} sb_search;

sb_status sb_search_begin(sb_search *search, const sb_capture *capture, const sb_contract *base);
void sb_search_end(sb_search *search);

/* Whether the contract itself reproduces the capture, by the fast or the exact kernels, on all rows. */
bool sb_search_reproduces(sb_search *search, sb_contract *contract, bool exact);

/* Every single rewrite, every pair, and sets up to `most` by the most promising first; what reproduces the capture is
 * added to `sets`. `only`/`count`: restricted to these mechanisms. */
sb_status sb_search_singles(sb_search *search, const sb_mechanism *const *only, int count);
sb_status sb_search_pairs(sb_search *search);
sb_status sb_search_sets(sb_search *search, int most, const sb_mechanism *const *only, int count);

/* These mechanisms in this order, each at up to two places, or left out where it changes nothing. The contract itself,
 * where it reproduces the capture, is a set of none. */
sb_status sb_search_ordered(sb_search *search, const sb_mechanism *const *ids, int count);

/* Fits parameters on every second row. */
void sb_search_fit(sb_search *search);

#endif
