/* What the files of the prover share: short names, and the facts that rules ask for. */
#ifndef SAMEBITS_MUTANTS_TERMS_H
#define SAMEBITS_MUTANTS_TERMS_H

#include "conformance/mutants/prove.h"

static inline const sb_term *at(const sb_terms *t, int i) { return &t->term[i]; }
static inline const sb_range *range(const sb_terms *t, int i) { return &t->term[i].range; }
static inline bool is(const sb_terms *t, int i, sb_cop op) { return i >= 0 && t->term[i].op == op; }
static inline bool is_number(const sb_terms *t, int i) { return is(t, i, C_NUM); }

/* g >= this * |a| for every element a of g's tile, NaN apart; 0: not known. */
double sb_least_share(const sb_terms *t, int g, int a);
/* Term i is a quotient of a whose size is at most `most`. */
void sb_limit_quotient(sb_terms *t, int i, int a, double most);

/* Whether rounding the exact u to g and then to f is rounding it once to f. */
bool sb_rounds_once(const sb_terms *t, int f, int g, int u);
/* The operand that is what u, a sum, rounds to in f, since the other is less than a part'th of its last place; or -1.
 */
int sb_absorbed(const sb_terms *t, int f, int u, int part);
/* c where term i is a * fl(1 / c) in f64 and rounds to f as a / c does; or 0. `floored`: under a floor of at least the
 * smallest normal of f. */
double sb_reciprocal_of(const sb_terms *t, int f, int i, bool floored);

bool sb_reciprocal_is_enough(int f);

/* What may take the place of a term under an operator; the term itself where nothing does (or -1). */
int sb_term_unflushed(sb_terms *t, int v);             /* in max(v, c), c >= 2^-126 */
int sb_term_unadded(sb_terms *t, int v, double floor); /* in max(v, floor) */
int sb_term_any_zero(sb_terms *t, int i);              /* where the sign of a zero is forgotten */
int sb_term_divided(sb_terms *t, int i);               /* in round(i); -1 */

#endif
