/* Every rewrite of a contract as a wrong implementation: which input kills it. */
#ifndef SAMEBITS_MUTANTS_H
#define SAMEBITS_MUTANTS_H

#include "conformance/mechanisms/mechanism.h"
#include "samebits/contract.h"

enum { SB_MUTANT_FILLS = 16, SB_MUTANT_ARGUMENTS = 4 };

typedef struct sb_mutant_row {
  const sb_mechanism *mechanism;
  int forms;      /* rewrites that match a line of the contract */
  int equivalent; /* of these: the same for every input, or no input of the search tells them from the contract */
  int proven[4];  /* of the equivalent, by sb_proof; SB_NOT_PROVEN: only searched, or argued */
  int argued[SB_MUTANT_ARGUMENTS]; /* of these, by the argument of the same index */
  const char *arguments[SB_MUTANT_ARGUMENTS];
  int64_t swept;      /* values computed for SB_PROVEN_BY_SWEEP */
  int contradicted;   /* proven, and yet told by a fill: the proof is wrong */
  char unproved[160]; /* the first equivalent form that is not proven */
  int survivors;      /* told apart by some input, by no fill */
  unsigned killed;    /* bit f: fill f kills at least one form */
  char survivor[160]; /* the first of them */
} sb_mutant_row;

typedef struct sb_mutant_input {
  const char *name;
  const sb_tensor *x;
} sb_mutant_input;

/* Whether two checked contracts are the same operations in the same formats, but for conversions that change nothing.
 */
bool sb_same_operations(const sb_contract *a, const sb_contract *b, const sb_env *env);

/* The argument why the form `what` of a mechanism does not differ from this contract, or, with NULL, no form does where
 * no input tells one; NULL: none is known. */
const char *sb_equivalence(const sb_contract_case *at, const char *id, const char *what);

/* rows[] has sb_mechanism_count() elements; those without a form have forms = 0. `tries`: batches of the search for
 * what no input killed. `check_proofs`: what an input killed is given to the prover, too, which must fail. */
sb_status sb_mutants_run(const sb_contract_case *at, const sb_mutant_input *inputs, int count, int tries,
                         bool check_proofs, sb_mutant_row *rows);

/* Rows of x, each of them `cols` long, such that every rewrite that some input tells from the contract is told by one
 * of them. `pool` grows by malloc; `known` rows are in it already. */
typedef struct sb_directed_pool {
  int64_t cols;
  int count;
  double *x;
} sb_directed_pool;
struct sb_distinction;
bool sb_directed_add_row(sb_directed_pool *pool, const struct sb_distinction *distinction); /* false: no memory */

/* The environment in which a mutant is evaluated on x of [rows, cols]. */
sb_env sb_mutant_env(const sb_contract_case *at, int64_t rows, int64_t cols, const double *x);

/* Searches rows aimed at what the two contracts' constants and formats say: scales and ranges at which a small number
 * is just not absorbed, elements at the midpoints of codes, subnormal scales, groups that differ under one row scale.
 * A row has two groups where the contract has a scale of the row and one of the group. */
sb_status sb_aim(const sb_contract_case *at, sb_contract *a, sb_contract *b, const sb_env *like, int tries,
                 struct sb_distinction *distinction);
int sb_groups_of_a_row(const sb_contract *contract); /* 2 or 1 */

/* `only`: for this mechanism, or NULL. */
sb_status sb_directed_search(const sb_contract_case *at, int tries, const sb_mechanism *only, sb_directed_pool *pool);

/* Adds rows, until there are `most`, such that rewrites of different mechanisms differ from each other on one of them
 * where the search finds an input for it; adds up how many pairs the rows tell. */
typedef struct sb_directed_pairs_told {
  int64_t pairs, told;
} sb_directed_pairs_told;
sb_status sb_directed_pairs(const sb_contract_case *at, int tries, int most, sb_directed_pool *pool,
                            sb_directed_pairs_told *told);

/* Drops rows, the first first, as long as every rewrite of these contracts that some row tells is still told by one
 * that stays, until `most` are left or none can go. At most 64 rows. */
sb_status sb_directed_prune(const sb_contract_case *at, int contracts, int most, sb_directed_pool *pool);

#endif
