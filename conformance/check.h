/* What the files of the runner share. Private to conformance/. */
#ifndef SAMEBITS_CONFORMANCE_CHECK_H
#define SAMEBITS_CONFORMANCE_CHECK_H

#include "samebits/check.h"

/* A case being run. */
typedef struct sb_checking {
  sb_device *device;
  const sb_case *c;
  const sb_check_options *options;
  sb_tensor x, in[SB_SLOTS];                   /* in: of a step by itself; x and what the operations before it gave */
  sb_tensor expected[SB_SLOTS], got[SB_SLOTS]; /* got: guarded */
  bool expected_guarded;
  sb_result *result;
} sb_checking;

/* Compares got with expected, slot by slot; `left` and `right` name the sides in messages. Differences make the result
 * FAIL. */
sb_status sb_compare_slots(sb_checking *k, const char *left, const char *right);

/* Sets the verdict once: a later, milder one does not replace it. */
void sb_verdict(sb_result *result, sb_case_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The checks of the reference against itself; `k->got` holds the batch's outputs. */
sb_status sb_check_reference(sb_checking *k, const sb_spec *spec, const sb_tensor in[SB_SLOTS]);

/* Whether generated data serves its fill's purpose; else MISTRUSTED. `slots` are the outputs of prepare or convert. */
sb_status sb_check_purpose(sb_checking *k, const sb_tensor slots[SB_SLOTS]);

#endif
