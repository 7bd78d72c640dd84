/* Mechanisms: known ways in which kernels go wrong, as rewrites of a contract.
 *
 * An entry has one id of the catalogue and any number of alternatives (its directions, places and forms). An
 * alternative is a list of changes: mostly a pattern and its replacement in the contract's own language, where $a
 * stands for anything, $e for a value an element, $g for one that several elements share, ?c for a number, ?eps for a
 * number in (0, 0.1), ?div for one from 1 to 256, ?p for the parameter, and @R for the format of what is replaced. */
#ifndef SAMEBITS_MECHANISM_H
#define SAMEBITS_MECHANISM_H

#include "conformance/contract/check.h"

typedef enum sb_change_kind {
  CHANGE_END,
  CHANGE_MATCH,  /* pattern -> replacement, at one place and at all of them */
  CHANGE_ALL,    /* pattern -> replacement, at all places only */
  CHANGE_BIND,   /* pattern must match; nothing is changed */
  CHANGE_ROOT,   /* the whole expression of the line, $a, -> replacement */
  CHANGE_CHAIN,  /* every operator of the lines computes in `format`; the line is rounded as before */
  CHANGE_KEEP,   /* the same, and later lines see the value in `format`; the tensor is rounded when stored */
  CHANGE_ONE_OP, /* one operator computes in `format` */
  CHANGE_FLUSH,  /* operators' results, f32 and bf16, lose subnormals; in replacement "inputs": x as well; "lines": only
                    lines' values */
  CHANGE_ROUNDING, /* every rounding to bf16 in the lines is done by the rule named in replacement */
  CHANGE_GROUP,    /* group size ?p (0: the row) */
  CHANGE_STORED,   /* only the stored tensor is replacement (of $a); other lines see the old value */
  CHANGE_FORMAT    /* the line's value is of `format`; the tensor keeps its own, unless that is of integers */
} sb_change_kind;

/* OPTIONAL: need not match. EPS_TOO, RANGE_TOO: the form includes another mechanism, `eps-value` or
 * `narrow-range-clamp`. TENSOR_TOO: a CHANGE_FORMAT is one of the tensor, too. */
enum { OPTIONAL = 1, EPS_TOO = 2, RANGE_TOO = 4, TENSOR_TOO = 8 };

typedef struct sb_change {
  sb_change_kind kind;
  const char *lines; /* names, separated by blanks; "*": every line */
  const char *pattern, *replacement;
  int format;
  int flags;
} sb_change;

typedef enum sb_param { PARAM_NONE, PARAM_EPS, PARAM_DIVISOR, PARAM_GROUP } sb_param;
enum { SB_MAX_CHANGES = 5 };

typedef struct sb_alternative {
  const char *what; /* which form: a parameter of the answer */
  sb_change changes[SB_MAX_CHANGES];
  sb_param param;
  int rank; /* added to the mechanism's */
} sb_alternative;

typedef struct sb_mechanism {
  const char *id;
  int number;           /* of the catalogue, 0: not numbered */
  const char *says;     /* side 1 | side 2 */
  const char *evidence; /* where it was seen */
  const char *fix;      /* what to do about it */
  int rank;             /* of mechanisms that explain equally well, the least is named first */
  const sb_alternative *alternatives;
  int alternative_count;
} sb_mechanism;

/* One family a file; sb_mechanisms lists all. */
typedef struct sb_family {
  const sb_mechanism *mechanisms;
  int count;
} sb_family;
int sb_mechanism_count(void);
const sb_mechanism *sb_mechanism_at(int index);
const sb_mechanism *sb_mechanism_find(const char *id);

/* Values that a search found in the data for a parameter. */
enum { SB_MAX_FITTED = 24 };
typedef struct sb_fitted {
  int eps_count, divisor_count, group_count;
  double eps[SB_MAX_FITTED], divisor[SB_MAX_FITTED];
  int64_t group[SB_MAX_FITTED];
} sb_fitted;

typedef struct sb_candidate {
  const sb_mechanism *mechanism;
  const sb_alternative *alternative;
  char parameter[48];    /* "eps = 1e-05"; "" */
  bool fitted;           /* the parameter was read off the data */
  int site;              /* which place; -1: all of them */
  sb_contract *contract; /* rewritten, not checked; belongs to `arena` of sb_rewrite_each */
  int line;              /* the first changed line */
} sb_candidate;

/* Calls `each` for every rewrite of a checked contract; returning false stops. `only`: this mechanism alone, or NULL.
 * The candidate's contract lives in `arena`, which `each` may reset. */
typedef bool sb_each_candidate(void *context, const sb_candidate *candidate);
/* The id of the other mechanism that a form includes; NULL: none. */
const char *sb_alternative_includes(const sb_alternative *alternative);

sb_status sb_rewrite_each(const sb_contract *contract, const sb_env *env, const sb_fitted *fitted,
                          const sb_mechanism *only, sb_arena *arena, sb_each_candidate *each, void *context);

/* A copy of the contract into another arena. */
sb_contract *sb_contract_copy(const sb_contract *from, sb_arena *arena);

#endif
