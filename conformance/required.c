/* Cells that a run must fill: a case that was left out, skipped or refused cannot pass unnoticed. */
#include "conformance/text.h"
#include "samebits/expect.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { RECIPE, SIDE, STEP, FLAVOR, DTYPE, DEVICE, ELEMENTS, COLUMNS };

/* A row with a name that does not exist would never be asked for. Devices are open: emu:*, cuda:*, worker:*. `affine`
 * has neither side nor step: `-`. */
static sb_status check_names(const sb_required *required, char *words[COLUMNS], int line) {
  sb_side side;
  sb_step step;
  sb_flavor flavor;
  sb_format dtype;
  sb_status status = SB_OK;
  if (!sb_recipe_find(words[RECIPE])) status = sb_fail(SB_FILE, "unknown recipe '%.60s'", words[RECIPE]);
  const bool affine = !status && strcmp(words[RECIPE], "affine") == 0;
  if (affine && (strcmp(words[SIDE], "-") != 0 || strcmp(words[STEP], "-") != 0))
    status = sb_fail(SB_FILE, "the recipe affine has no side and no step: 'affine - - FLAVOR DTYPE DEVICE ELEMENTS'");
  if (!status && !affine) status = sb_side_parse(words[SIDE], &side);
  if (!status && !affine) status = sb_step_parse(words[STEP], &step);
  if (!status) status = sb_flavor_parse(words[FLAVOR], &flavor);
  if (!status) status = sb_format_parse(words[DTYPE], &dtype);
  return status ? sb_fail_in(SB_FILE, "%s: line %d", required->path, line) : SB_OK;
}

static sb_status parse_cell(sb_required *required, char *words[COLUMNS], int line) {
  char *end;
  const sb_status known = check_names(required, words, line);
  if (known) return known;
  errno = 0;
  long long least = strtoll(words[ELEMENTS], &end, 10);
  if (errno || *end || least < 1)
    return sb_fail(SB_FILE, "%s: line %d: '%.40s' is no number of elements", required->path, line, words[ELEMENTS]);
  sb_required_cell *cells = reallocarray(required->cells, (size_t)required->count + 1, sizeof *cells);
  if (!cells) return sb_fail(SB_NO_MEMORY, "%s: no memory", required->path);
  required->cells = cells;
  sb_required_cell *cell = &cells[required->count++];
  *cell = (sb_required_cell){.least = least};
  char **to[] = {&cell->recipe, &cell->side, &cell->step, &cell->flavor, &cell->dtype, &cell->device};
  for (int i = 0; i < ELEMENTS; i++)
    if (!(*to[i] = strdup(words[i]))) return sb_fail(SB_NO_MEMORY, "%s: no memory", required->path);
  return SB_OK;
}

sb_status sb_required_load(const char *path, sb_required *required) {
  char *text, *words[COLUMNS];
  *required = (sb_required){0};
  sb_status status = sb_read_text(path, &text);
  if (status) return status;
  char *at = text;
  required->path = strdup(path);
  if (!required->path) status = sb_fail(SB_NO_MEMORY, "%s: no memory", path);
  for (int count, line = 1; !status && (count = sb_next_words(&at, words, COLUMNS)) >= 0; line++) {
    if (count == 0) continue;
    if (count != COLUMNS)
      status = sb_fail(SB_FILE, "%s: line %d is not 'RECIPE SIDE STEP FLAVOR DTYPE DEVICE ELEMENTS'", path, line);
    else
      status = parse_cell(required, words, line);
  }
  free(text);
  if (!status && required->count == 0) status = sb_fail(SB_FILE, "%s: there is no cell in it", path);
  if (status) sb_required_free(required);
  return status;
}

void sb_required_free(sb_required *required) {
  for (int i = 0; i < required->count; i++) {
    sb_required_cell *cell = &required->cells[i];
    char *words[] = {cell->recipe, cell->side, cell->step, cell->flavor, cell->dtype, cell->device};
    for (int w = 0; w < ELEMENTS; w++) free(words[w]);
  }
  free(required->cells);
  free(required->path);
  *required = (sb_required){0};
}

/* Whether a cell's word is a spec's name for it; `-` where `affine` has none. */
static bool says(const char *word, const char *name, bool affine) { return strcmp(word, affine ? "-" : name) == 0; }

void sb_required_fill(sb_required *required, const sb_spec *spec, const char *device, int64_t elements) {
  if (*spec->path->variant) return;
  const bool affine = spec->path->side == SB_NO_SIDE;
  for (int i = 0; i < required->count; i++) {
    sb_required_cell *cell = &required->cells[i];
    if (strcmp(cell->recipe, spec->recipe->name) == 0 && says(cell->side, sb_side_names[spec->path->side], affine) &&
        says(cell->step, sb_step_names[spec->step], affine) &&
        strcmp(cell->flavor, sb_flavor_names[spec->path->flavor]) == 0 &&
        strcmp(cell->dtype, sb_format_of(spec->dtype)->name) == 0 && strcmp(cell->device, device) == 0)
      cell->filled += elements;
  }
}

const char *sb_required_text(const sb_required *required, int index, char text[SB_CELL_TEXT]) {
  const sb_required_cell *cell = &required->cells[index];
  snprintf(text, SB_CELL_TEXT, "REQUIRED %s/%s/%s@%s/%s on %s: %lld of %lld elements are PASS or EXPECTED (%s)",
           cell->recipe, cell->side, cell->step, cell->flavor, cell->dtype, cell->device, (long long)cell->filled,
           (long long)cell->least, required->path);
  return text;
}
