/* What the kinds of search share. Private to conformance/explain/. */
#ifndef SAMEBITS_EXPLAIN_SEARCH_PARTS_H
#define SAMEBITS_EXPLAIN_SEARCH_PARTS_H

#include "conformance/explain/search.h"

/* What follows rewrites `from`, which is checked for the first case: lines that a rewrite leaves alone are computed
 * once.
 */
void sb_search_from(sb_search *search, const sb_contract *from);

/* An evaluation of a view, in the search's scratch; its first `unchanged` lines are those of sb_search_from. */
void sb_search_eval(sb_search *search, int view, const sb_contract *contract, int unchanged, bool exact, sb_eval *eval,
                    sb_eval *whole);

/* Whether the contract reproduces all views, by the fast kernels. *equal: slots of view 0 that are equal before the
 * first difference; -1: the contract is wrong for a case. */
bool sb_search_holds(sb_search *search, sb_contract *contract, int unchanged, int *equal);

/* Thread k's own search on the same views, which finds for itself; what it keeps lives in search->kept[k]. Merging adds
 * the sets of all in their order, each combination of mechanisms once; at the end its work is added. */
sb_status sb_search_share(sb_search *search, int k, sb_search **own);
void sb_search_merge(sb_search *search, sb_search *const own[SB_WORKERS]);
void sb_search_unshare(sb_search *search, sb_search *own);

/* Whether a mechanism is one of a list; no list has all. */
bool sb_search_wants(const sb_mechanism *const *only, int count, const sb_mechanism *mechanism);

/* The set of the same mechanisms that is there; NULL: none. */
sb_set *sb_search_same(sb_search *search, const sb_set *set);

/* Whether the search has done all the work that it may: what is found by then is all. */
bool sb_search_spent(const sb_search *search);

/* A parameter that was fitted on one half of the tiles is confirmed by the other where that differs too; else it has to
 * be a number that somebody writes down. */
bool sb_search_confirms(const sb_search *search, const sb_candidate *candidate);

/* Decimal digits of a parameter "eps = 1e-05"; 0: none, or a power of two. */
int sb_search_digits(const char *parameter);

/* The candidate as a change of the contract `from`, for the answer. */
void sb_search_change(const sb_candidate *candidate, const sb_contract *from, sb_change_made *change);

/* Adds prefix + candidate (NULL: nothing, the contract is `from`) to the sets, unless the same mechanisms are there. */
void sb_search_add(sb_search *search, const sb_set *prefix, const sb_candidate *candidate, const sb_contract *from);

/* Smallest sets first, then by rank. */
void sb_search_order(sb_search *search);

#endif
