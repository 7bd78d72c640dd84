/* What a run is worth. */
#include "cli/outcome.h"

#include "cli/command.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

int sb_exit_of_case(sb_case_status status) {
  static const int codes[SB_CASE_STATUSES] = {
      [SB_FAIL] = SB_EXIT_DIFFERS,           [SB_XPASS] = SB_EXIT_DIFFERS,
      [SB_ERROR] = SB_EXIT_INFRASTRUCTURE,   [SB_CRASH] = SB_EXIT_INFRASTRUCTURE,
      [SB_TIMEOUT] = SB_EXIT_INFRASTRUCTURE, [SB_MISTRUSTED] = SB_EXIT_INCONCLUSIVE,
      [SB_UNPROVEN] = SB_EXIT_INCONCLUSIVE,  [SB_NOTRUN] = SB_EXIT_INFRASTRUCTURE};
  return codes[status];
}

bool sb_in_list(const char *list, const char *word) {
  if (!list || !*list) return true;
  for (size_t length = strlen(word); *list;) {
    size_t item = strcspn(list, ",");
    if (item == length && strncmp(list, word, length) == 0) return true;
    list += item + (list[item] == ',');
  }
  return false;
}

int sb_missing_cells(const sb_required *required, const char *const lists[SB_SELECTION_LISTS], const char *device,
                     sb_on_problem *on, void *context) {
  int missing = 0;
  for (int i = 0; i < required->count; i++) {
    const sb_required_cell *cell = &required->cells[i];
    const char *const words[SB_SELECTION_LISTS] = {cell->recipe, cell->side, cell->step, cell->flavor, cell->dtype};
    char text[SB_CELL_TEXT];
    bool covered = strcmp(cell->device, device) == 0 && cell->filled < cell->least;
    for (int w = 0; w < SB_SELECTION_LISTS; w++) covered = covered && sb_in_list(lists[w], words[w]);
    if (!covered) continue;
    on(context, sb_required_text(required, i, text));
    missing++;
  }
  return missing;
}

int sb_outdated_rows(const sb_expectations *expectations, sb_on_problem *on, void *context) {
  int outdated = 0;
  for (int i = 0; i < expectations->count; i++) {
    const sb_expectation *row = &expectations->rows[i];
    char text[768];
    if (!sb_expectation_outdated(row)) continue;
    snprintf(text, sizeof text, "XPASS %s: all of its %" PRId64 " cases are exact (%s line %d)", row->glob,
             row->matched, expectations->path, row->line);
    on(context, text);
    outdated++;
  }
  return outdated;
}

void sb_print_untaken(const sb_safetensors *input, const char *glob) {
  enum { SHOWN = 3 };
  int untaken = 0;
  char names[SHOWN][SB_VISIBLE];
  for (int i = 0; i < sb_safetensors_count(input); i++) {
    const char *name = sb_safetensors_name(input, i);
    if ((glob && !sb_case_matches(glob, name)) || sb_input_fits(sb_safetensors_at(input, i))) continue;
    if (untaken < SHOWN) sb_visible(name, names[untaken]);
    untaken++;
  }
  for (int i = 0; i < untaken && i < SHOWN; i++) printf("%s%s", i ? ", " : "not taken: ", names[i]);
  if (untaken)
    printf("%s (%d of %d tensors: only floating-point ones of rank 2 are)\n", untaken > SHOWN ? ", ..." : "", untaken,
           sb_safetensors_count(input));
}
