/* Proofs that a rewritten contract gives the same bits for every input.
 *
 * Both contracts become terms: an operator's exact result, and a rounding (C_CAST) wherever one happens. A term is made
 * through rules that keep its value for every input, each justified by what values its operands can have (a format that
 * holds them, an interval, a quantum, NaN, infinity, the sign of zero). Two lines with one term give the same bits.
 * Lines whose terms differ in a part that depends on few values are computed for all of them. */
#ifndef SAMEBITS_MUTANTS_PROVE_H
#define SAMEBITS_MUTANTS_PROVE_H

#include "conformance/contract/check.h"
#include "samebits/contract.h"

/* What values a term can have. Finite values are lo to hi, multiples of 2^quantum with at most `bits` significant bits;
 * the magnitudes of those that are not 0 are at least `least`. */
typedef struct sb_range {
  double lo, hi, least;
  int bits, quantum;
  bool nan, up, down, zero, minus_zero; /* up, down: infinities; zero: of either sign */
} sb_range;

typedef struct sb_term {
  uint8_t op, rule; /* of sb_cop, sb_rule */
  int8_t fmt;       /* of a C_CAST; of integer arithmetic that may wrap */
  int arg[3];       /* -1: none */
  double number;    /* of C_NUM */
  const char *name; /* of C_INPUT */
  sb_tile over;     /* of a reduction */
  sb_range range;
  int64_t values; /* how many there can be, where a sweep asked; 0: not asked */
} sb_term;

enum { SB_MAX_TERMS = 4096, SB_UNKNOWN = 1 << 20 };
typedef struct sb_terms {
  int count;
  sb_term term[SB_MAX_TERMS];
} sb_terms;

/* Terms of known value; each returns its index, -1 where there is no room. */
int sb_term_number(sb_terms *t, double value);
int sb_term_make(sb_terms *t, sb_cop op, int a, int b, int c);
int sb_term_cast(sb_terms *t, int format, sb_rule rule, int a);
int sb_term_reduce(sb_terms *t, sb_cop op, sb_tile over, int a);
int sb_term_input(sb_terms *t, const char *name, int format);
int sb_term_integer(sb_terms *t, sb_cop op, int format, int a, int b); /* wraps where it must */
int sb_term_add(sb_terms *t, const sb_term *term);                     /* as it is, but one index for equal terms */

/* Ranges. */
sb_range sb_range_of_number(double value);
sb_range sb_range_of_format(int format);
sb_range sb_range_anything(void);
sb_range sb_range_of(const sb_terms *t, const sb_term *term);
bool sb_range_fits(const sb_range *r, int format); /* every value is one of the format's */
int sb_format_precision(int format);
int sb_format_least(int format); /* exponent of the smallest normal */

/* The term of a node of a checked contract. */
typedef struct sb_term_map {
  sb_terms *terms;
  const sb_contract *contract;
  int count;
  struct {
    const sb_node *node;
    int term;
  } of[4096];
} sb_term_map;
int sb_term_of(sb_term_map *map, const sb_node *node);
void sb_term_take(sb_term_map *map, const sb_node *node, int term); /* the node was shown to have this value */

typedef enum sb_proof { SB_NOT_PROVEN, SB_PROVEN_SAME_TREES, SB_PROVEN_BY_RULES, SB_PROVEN_BY_SWEEP } sb_proof;

/* Both contracts are checked against `env`. `values`: how many were computed for a sweep; at most `most`. */
sb_proof sb_prove(const sb_contract_case *at, const sb_contract *a, const sb_contract *b, const sb_env *env,
                  int64_t most, int64_t *values);

/* Computes both nodes for every value of what they have in common. */
bool sb_sweep(sb_term_map *ma, const sb_node *a, sb_term_map *mb, const sb_node *b, bool floating, int64_t most,
              int64_t *values);

#endif
