/* The same for other languages: opaque handles, plain structs and text, so that a binding needs no header.
 *
 * Texts that a function gives are freed by sb_api_free; sb_message() (status.h) says what went wrong. The layout of
 * sb_tensor (tensor.h) and sb_comparison (compare.h), the order of sb_slot (recipe.h) and of sb_format (formats.h) are
 * part of this interface and change with SB_API. */
#ifndef SAMEBITS_API_H
#define SAMEBITS_API_H

#include "samebits/case.h"
#include "samebits/compare.h"

enum { SB_API = 1 };

int sb_api(void);                      /* SB_API of the library */
const char *sb_version(void);          /* "0.1.0, commit 0123456789ab, kernels: nvcc 13.0.88" */
void sb_api_free(char *text);          /* NULL is allowed */
const char *sb_api_format(int format); /* "f32"; NULL: no such format */
const char *sb_api_slot(int slot);     /* "x"; NULL: no such slot */

/* The cases of a selection on `ref`, one text a line. `words`: recipe, side, step, flavor, dtype, shape, group, fill,
 * seed, tier, as on the command line, NULL where not given. */
enum { SB_API_WORDS = 10 };
sb_status sb_api_cases(const char *const words[SB_API_WORDS], char **lines);

/* One computation: what it takes, and what it should yield. */
typedef struct sb_api_case sb_api_case;

/* Of a case's text: x by its fill, the other inputs of a single operation by the operations before it. Expected is what
 * ref/ yields, or of a recipe that sb_contracts_add (contract.h) brought, its contract. The step `both` is none:
 * SB_USAGE. */
sb_status sb_api_open(const char *text, sb_api_case **result);

void sb_api_close(sb_api_case *c); /* NULL is allowed */

/* SB_SLOTS tensors each, without data where there is none; they live as long as the case. */
const sb_tensor *sb_api_in(const sb_api_case *c);
const sb_tensor *sb_api_expected(const sb_api_case *c);

/* explain FILE (explain.h) as the command line prints it. `mechanisms`: "" or the ids of the first answer, with commas;
 * `verdict`: 0 same, 1 explained, 2 unexplained. */
sb_status sb_api_explain(const char *path, char **text, char **mechanisms, int *verdict);

#endif
