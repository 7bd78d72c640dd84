/* Inputs made before: the steps of a recipe's side run on the same input, and making it costs as much as running a
 * step. */
#ifndef SAMEBITS_CONFORMANCE_RECALL_H
#define SAMEBITS_CONFORMANCE_RECALL_H

#include "samebits/case.h"

/* The text that cases of the same input share. */
void sb_input_key(const sb_case *c, char text[SB_CASE_TEXT]);

/* A new copy of the input of a case that differs from `c` in its step at most; false: it was not made in this thread,
 * or is forgotten. */
bool sb_input_recall(const sb_case *c, sb_tensor *x);

/* Keeps a copy, until a case of another recipe or side comes; at most 96 MiB a thread. */
void sb_input_remember(const sb_case *c, const sb_tensor *x);

#endif
