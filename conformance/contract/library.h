/* Where contracts are found, and a case turned into something to evaluate. */
#ifndef SAMEBITS_CONTRACT_LIBRARY_H
#define SAMEBITS_CONTRACT_LIBRARY_H

#include "conformance/contract/eval.h"
#include "samebits/contract.h"

typedef struct sb_embedded_contract {
  const char *path; /* below contracts/ */
  const char *text;
} sb_embedded_contract;
extern const sb_embedded_contract sb_embedded_contracts[];
extern const int sb_embedded_contract_count;

/* The parsed contract of a case, operations already cut out of prepare; freed by sb_contract_free. */
sb_status sb_contract_load(const sb_contract_case *c, sb_contract **contract);

/* The environment of a case for x of [rows, cols]; x and the operation's inputs are bound to `values` (see
 * sb_inputs_load). */
typedef struct sb_inputs {
  double *values[SB_SLOTS];
} sb_inputs;
sb_status sb_inputs_load(const sb_contract *contract, const sb_contract_case *c, const sb_tensor in[SB_SLOTS],
                         sb_env *env, sb_inputs *inputs);
void sb_inputs_free(sb_inputs *inputs);

/* The line that gives slot `s` in this case's step, or -1. */
int sb_contract_slot_line(const sb_contract *contract, const sb_contract_case *c, sb_slot s);
bool sb_contract_is_operation(const sb_contract_case *c);

/* sb_contract_run by these kernels. */
sb_status sb_contract_run_by(sb_kernel *kernel, const sb_contract_case *c, const sb_tensor in[SB_SLOTS],
                             sb_tensor out[SB_SLOTS]);
/* sb_contract_oracle by the host's arithmetic, for the comparison with the exact one. */
sb_status sb_contract_oracle_fast(void *context, const sb_spec *spec, const sb_tensor in[SB_SLOTS],
                                  sb_tensor out[SB_SLOTS]);

/* Makes a contract of the user's, found as `path`, a path of a recipe (sb_recipe_add). SB_FILE: a name that no case can
 * have; SB_INVALID: a mistake in the contract. */
sb_status sb_contract_register(const char *name, const char *path);

/* Format and shape of the tensor of a line (of a checked contract). */
sb_tensor sb_line_tensor(const sb_contract *contract, const sb_env *env, int line);
/* The evaluated line as that tensor's values: rounded where the tensor is narrower than the line. */
void sb_line_stored(const sb_contract *contract, const sb_env *env, int line, const double *values, int64_t count,
                    double *stored);

#endif
