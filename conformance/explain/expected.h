/* Rewritten contracts by which expected divergences are verified. */
#ifndef SAMEBITS_EXPLAIN_EXPECTED_H
#define SAMEBITS_EXPLAIN_EXPECTED_H

#include "conformance/explain/search.h"

/* The most mechanisms of one row of expectations. */
enum { SB_MAX_EXPECTED_IDS = 16 };

typedef struct sb_id_list {
  int count;
  const sb_mechanism *ids[SB_MAX_EXPECTED_IDS];
} sb_id_list;

/* Ids of a comma list, looked up. SB_USAGE names an unknown one. */
sb_status sb_id_list_parse(const char *text, sb_id_list *list);

/* Rows of every fill as one case: x, and what the contract `to` gives for it, to be explained from `from`. */
sb_status sb_expected_train(const sb_spec *spec, const sb_contract_case *from, const sb_contract_case *to,
                            sb_capture *training);

/* The contract that the capture names, rewritten by these mechanisms in their order so that it gives every bit of the
 * capture, exactly evaluated; copied into `arena`. NULL: they do not lead there. *rewrites: how many were needed. */
sb_status sb_expected_derive(const sb_capture *capture, const sb_id_list *ids, sb_arena *arena, sb_contract **found,
                             int *rewrites);

#endif
