/* What a run is worth: the exit code of a status, cells that are not filled, rows that are out of date. */
#ifndef SAMEBITS_CLI_OUTCOME_H
#define SAMEBITS_CLI_OUTCOME_H

#include "samebits/expect.h"
#include "samebits/select.h"

int sb_exit_of_case(sb_case_status status);

/* Whether a word is in a comma list; no list, and an empty one, hold everything. */
bool sb_in_list(const char *list, const char *word);

/* Takes one line that says what is wrong. */
typedef void sb_on_problem(void *context, const char *text);

/* The comma lists of a selection, in the order recipe, side, step, flavor, dtype. */
enum { SB_SELECTION_LISTS = 5 };

/* Names each cell of the device that the lists cover and that is not filled; returns how many. */
int sb_missing_cells(const sb_required *required, const char *const lists[SB_SELECTION_LISTS], const char *device,
                     sb_on_problem *on, void *context);

/* Names each row whose every case is exact; returns how many. */
int sb_outdated_rows(const sb_expectations *expectations, sb_on_problem *on, void *context);

/* Prints which tensors of an input (of those whose names a glob matches; NULL: all) no case takes. */
void sb_print_untaken(const sb_safetensors *input, const char *glob);

#endif
