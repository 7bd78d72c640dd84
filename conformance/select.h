/* Selections that are read from a run instead of being made from lists. */
#ifndef SAMEBITS_CONFORMANCE_SELECT_H
#define SAMEBITS_CONFORMANCE_SELECT_H

#include "samebits/select.h"

/* Adds the cases of a run's JSONL whose status is neither PASS nor EXPECTED. */
sb_status sb_select_failed(const char *path, sb_case_list *list);

#endif
