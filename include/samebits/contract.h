/* Contracts: the numerics of a recipe as text that runs (the language: docs/contracts.md).
 *
 * A contract is found by its name, RECIPE/SIDE/STEP@FLAVOR[+VARIANT] or affine/MAPPING@FLAVOR; those of the project are
 * built in, others come from a folder laid out the same way. Evaluation is exact and independent of ref/: every
 * operator rounds once to its format, with MPFR. */
#ifndef SAMEBITS_CONTRACT_H
#define SAMEBITS_CONTRACT_H

#include "samebits/recipe.h"
#include <stddef.h>

/* Adds FOLDER/<recipe>/<side>-<step>@<flavor>[+<variant>].contract and FOLDER/affine/<mapping>@<flavor>.contract to
 * what is found; they come before built-in ones of the same name. SB_FILE: the folder cannot be read or holds no
 * contract. Not safe while other threads run contracts. */
sb_status sb_contracts_add(const char *folder);

/* Names in alphabetical order; the single operations, which are slices of a prepare contract, are among them. */
int sb_contracts_count(void);
const char *sb_contracts_name(int index);
/* Whether the contract has this operation: an operation whose result does not come from what it takes is refused. */
bool sb_contracts_offers(int index);

/* The text as written; NULL: no such contract. An operation gives the prepare contract that it is a slice of. */
const char *sb_contracts_text(const char *name);

/* The contract as it runs: what it uses put in its place, operations cut out. To be freed by free(). SB_USAGE: no such
 * contract; SB_INVALID: a mistake in it. */
sb_status sb_contract_text(const char *name, char **text);

/* One computation by names, so that recipes which only a contract knows work too. */
typedef struct sb_contract_case {
  char recipe[64], side[16], step[16], flavor[48], variant[48]; /* affine: side "", step "", variant "" */
  sb_format dtype;
  int64_t group_size;               /* 0: per token, row or tensor */
  char mapping[32];                 /* affine only: symmetric, asymmetric, noclip; and the rest */
  double quant_min, quant_max, eps; /* eps NaN: the flavor's default */
  sb_format scale_dtype, zero_point_dtype, output_dtype;
  bool preserve_zero;
} sb_contract_case;

/* From a golden file's metadata (looked up by `get`). SB_FILE: a key is missing or its value is none. */
typedef const char *sb_metadata_get(const void *context, const char *key);
sb_status sb_contract_case_read(sb_metadata_get *get, const void *context, sb_contract_case *result);

/* From "RECIPE/SIDE/STEP@FLAVOR[+VARIANT]". SB_USAGE: not of this form. */
sb_status sb_contract_case_parse(const char *name, sb_format dtype, int64_t group_size, sb_contract_case *result);

/* Writes the contract's name, as above. */
void sb_contract_case_name(const sb_contract_case *c, char *name, size_t size);

/* Computes from in[] (x; the operations take scale, zero_point, row_scale, codes too) whatever the step yields into
 * out[], whose data is allocated here (sb_tensor_free); what it does not yield stays absent. SB_USAGE: no such
 * contract; SB_INVALID: a mistake in the contract (file, line, column) or in the input; SB_UNSUPPORTED: what upstream
 * refuses. */
sb_status sb_contract_run(const sb_contract_case *c, const sb_tensor in[SB_SLOTS], sb_tensor out[SB_SLOTS]);

/* A spec's computation as a case, and sb_run by contract: the same arguments, shapes and formats. */
void sb_contract_case_of(const sb_spec *spec, sb_contract_case *c);
sb_status sb_contract_oracle(void *context, const sb_spec *spec, const sb_tensor in[SB_SLOTS], sb_tensor out[SB_SLOTS]);

#endif
