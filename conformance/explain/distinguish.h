/* Inputs on which two contracts differ. */
#ifndef SAMEBITS_EXPLAIN_DISTINGUISH_H
#define SAMEBITS_EXPLAIN_DISTINGUISH_H

#include "conformance/contract/library.h"

typedef struct sb_distinction {
  bool found;
  int64_t cols;
  double x[256]; /* one row */
  sb_slot slot;
  int64_t index;
  double first, second;
  int first_format, second_format;
} sb_distinction;

/* Searches rows of `cols` elements (a multiple of the group): random ones of many sizes, halves of the scale and their
 * neighbours, special values. The row found is made simpler while it still tells them apart. Deterministic. */
sb_status sb_distinguish(const sb_contract_case *at, sb_contract *a, sb_contract *b, const sb_env *like, int tries,
                         sb_distinction *distinction);

/* 64 random bits (SplitMix64), for repertoires of rows. */
uint64_t sb_distinguish_random(uint64_t *state);

/* The same with rows of `groups` groups from another repertoire: row number `kind` of env->cols values of env->T. */
typedef void sb_make_row(const void *context, uint64_t *state, int kind, const sb_env *env, double *x);
sb_status sb_distinguish_by(sb_make_row *make, const void *context, int groups, const sb_contract_case *at,
                            sb_contract *a, sb_contract *b, const sb_env *like, int tries, sb_distinction *distinction);

/* Whether two contracts, on the x that `env` binds, give different tensors; the first difference is told. */
bool sb_contracts_differ(const sb_contract_case *at, sb_contract *a, sb_contract *b, sb_env *env, bool exact,
                         sb_scratch *scratch, sb_distinction *distinction, int64_t *row);

/* As one JSON object. */
void sb_distinction_print(const sb_distinction *distinction, int dtype, char *text, size_t size);

#endif
