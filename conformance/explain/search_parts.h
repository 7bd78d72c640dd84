/* What the kinds of search share. Private to conformance/explain/. */
#ifndef SAMEBITS_EXPLAIN_SEARCH_PARTS_H
#define SAMEBITS_EXPLAIN_SEARCH_PARTS_H

#include "conformance/explain/search.h"

/* Whether the contract reproduces the views from `first` on, by the fast kernels. *equal: slots of view 0 that are
 * equal before the first difference; -1: the contract is wrong for a case. */
bool sb_search_holds(sb_search *search, sb_contract *contract, int first, int *equal);

/* Whether the search has done all the work that it may: what is found by then is all. */
bool sb_search_spent(const sb_search *search);

/* A parameter that was fitted on one half of the tiles is confirmed by the other where that differs too; else it has to
 * be a number that somebody writes down. */
bool sb_search_confirms(const sb_search *search, const sb_candidate *candidate);

/* The candidate as a change of the contract `from`, for the answer. */
void sb_search_change(const sb_candidate *candidate, const sb_contract *from, sb_change_made *change);

/* Adds prefix + candidate (NULL: nothing, the contract is `from`) to the sets, unless the same mechanisms are there. */
void sb_search_add(sb_search *search, const sb_set *prefix, const sb_candidate *candidate, const sb_contract *from);

/* Smallest sets first, then by rank. */
void sb_search_order(sb_search *search);

#endif
