/* Parts of an explanation that have files of their own. */
#ifndef SAMEBITS_EXPLAIN_PARTS_H
#define SAMEBITS_EXPLAIN_PARTS_H

#include "conformance/explain/search.h"
#include "samebits/explain.h"

/* The whole search for a capture against a contract. */
sb_status sb_explain_capture(const sb_capture *capture, const sb_contract *base, const sb_explain_options *options,
                             sb_explanation *explanation);

/* Fills the cases with their first differences from the contract. */
sb_status sb_explain_cases(const sb_capture *capture, sb_contract *base, bool same, sb_explanation *explanation);

/* Whether undoing the layout is worth a search for a rewrite on top: packed codes that become the captured codes, or no
 * codes to tell. */
bool sb_layout_plausible(const sb_capture *capture, const sb_capture *plain, const sb_layout *layout);

#endif
