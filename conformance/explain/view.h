/* Some rows of a case, to evaluate contracts on and to compare with what was captured. */
#ifndef SAMEBITS_EXPLAIN_VIEW_H
#define SAMEBITS_EXPLAIN_VIEW_H

#include "conformance/explain/capture.h"

typedef struct sb_view {
  const sb_capture_case *of;
  sb_env env;                    /* the rows of the view */
  double *data[SB_MAX_BINDINGS]; /* gathered; NULL: borrowed from the case */
  int64_t row_count;
  int64_t *rows;  /* indices in the case; NULL: all */
  bool whole_too; /* reductions over the tensor need all rows */
} sb_view;

/* All rows, or those listed (whole blocks of `unit` rows that start at multiples of it). */
sb_status sb_view_all(const sb_capture_case *c, sb_view *view);
sb_status sb_view_rows(const sb_capture_case *c, const int64_t *rows, int64_t count, bool tensor_level, sb_view *view);
void sb_view_free(sb_view *view);

typedef struct sb_difference {
  int64_t elements, different;
  int64_t first; /* row-major index in the captured tensor; -1: none */
  double expected, got;
  bool shape; /* the shapes cannot be compared */
} sb_difference;

/* Compares slot `s` as the contract gives it on the view with what was captured. `limit` > 0: stops after that many.
 * SB_INVALID where the contract is wrong for this case. The contract is checked against the view's environment already.
 */
sb_status sb_view_compare(const sb_view *view, const sb_contract *contract, const sb_contract_case *at, sb_slot s,
                          struct sb_eval *eval, int64_t limit, sb_difference *difference);

/* A fresh evaluation for a view. */
void sb_view_eval(const sb_view *view, const sb_contract *contract, bool exact, sb_scratch *scratch,
                  struct sb_eval *eval, struct sb_eval *whole);

bool sb_same_value(double a, double b, bool floating);

/* What a captured tensor of a format holds for a value of the contract: an integer tensor cannot hold NaN, which
 * becomes an integer as on x86 (INT_MIN, then the low bits). */
double sb_as_captured(double value, int captured_format);
extern const sb_slot sb_slot_order[SB_SLOTS - 1];

#endif
