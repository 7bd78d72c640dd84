/* What a person reads first: exact, or how many elements differ. */
#include "cli/table.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { COLUMN = 19 };

sb_status sb_table_add(sb_table *table, const sb_case *c, const sb_result *result) {
  const sb_spec *spec = &c->spec;
  bool both = spec->step == SB_BOTH;
  sb_table_cell *cell = NULL;
  for (int i = 0; i < table->count && !cell; i++) {
    sb_table_cell *at = &table->cells[i];
    if (at->path == spec->path && at->dtype == spec->dtype && at->both == both) cell = at;
  }
  if (!cell) {
    if (table->count == table->room) {
      int room = table->room ? 2 * table->room : 64;
      sb_table_cell *cells = reallocarray(table->cells, (size_t)room, sizeof *cells);
      if (!cells) return sb_fail(SB_NO_MEMORY, "no memory for the table");
      table->cells = cells;
      table->room = room;
    }
    cell = &table->cells[table->count++];
    *cell = (sb_table_cell){.recipe = spec->recipe, .path = spec->path, .dtype = spec->dtype, .both = both};
  }
  int64_t worst = 0;
  for (int slot = 0; slot < SB_SLOTS; slot++) worst = result->different[slot] > worst ? result->different[slot] : worst;
  cell->cases++;
  cell->statuses[result->status]++;
  cell->different += worst;
  if (result->status == SB_PASS || result->status == SB_FAIL || result->status == SB_EXPECTED)
    cell->elements += result->elements;
  return SB_OK;
}

/* 1234567 -> "1,234,567" */
static void group_digits(int64_t number, char text[32]) {
  char digits[24];
  int length = snprintf(digits, sizeof digits, "%" PRId64, number), at = 0;
  for (int i = 0; i < length; i++) {
    if (i && (length - i) % 3 == 0) text[at++] = ',';
    text[at++] = digits[i];
  }
  text[at] = 0;
}

static void cell_text(const sb_table_cell *cell, char text[64]) {
  char number[32];
  int64_t good = cell->statuses[SB_PASS] + cell->statuses[SB_EXPECTED],
          bad = cell->cases - good - cell->statuses[SB_CASE_UNSUPPORTED] - cell->statuses[SB_SKIP];
  group_digits(cell->different, number);
  static const struct {
    sb_case_status status;
    const char *text;
  } worst[] = {{SB_CRASH, "CRASH"},           {SB_TIMEOUT, "TIMEOUT"},   {SB_ERROR, "ERROR"},
               {SB_MISTRUSTED, "mistrusted"}, {SB_UNPROVEN, "unproven"}, {SB_NOTRUN, "not run"}};
  const char *without_bits = "ERROR";
  for (size_t i = sizeof worst / sizeof *worst; i-- > 0;)
    if (cell->statuses[worst[i].status]) without_bits = worst[i].text;
  if (bad > cell->statuses[SB_FAIL])
    snprintf(text, 64, "%s", without_bits);
  else if (cell->statuses[SB_FAIL])
    snprintf(text, 64, "FAIL: %s", number);
  else if (cell->statuses[SB_EXPECTED])
    snprintf(text, 64, "%s differ", number);
  else if (good && good < cell->cases)
    snprintf(text, 64, "exact, %" PRId64 " not run", cell->cases - good);
  else if (good)
    snprintf(text, 64, cell->path->flavor == SB_TORCHAO_0_18_CUDA ? "exact *" : "exact");
  else
    snprintf(text, 64, "unsupported");
}

static const sb_table_cell *find(const sb_table *table, const sb_table_cell *row, const sb_path *column, bool both) {
  for (int i = 0; i < table->count; i++) {
    const sb_table_cell *cell = &table->cells[i];
    if (cell->recipe == row->recipe && cell->path->side == row->path->side && cell->dtype == row->dtype &&
        cell->path->flavor == column->flavor && strcmp(cell->path->variant, column->variant) == 0 && cell->both == both)
      return cell;
  }
  return NULL;
}

/* The first cell of each flavor and variant, in the order of the flavors. */
static int find_columns(const sb_table *table, bool both, const sb_path *columns[], int room) {
  int count = 0;
  for (int flavor = 0; flavor < SB_MOST_FLAVORS; flavor++)
    for (int i = 0; i < table->count; i++) {
      const sb_path *path = table->cells[i].path;
      bool known = table->cells[i].both != both || (int)path->flavor != flavor;
      for (int c = 0; c < count && !known; c++)
        known = columns[c]->flavor == path->flavor && strcmp(columns[c]->variant, path->variant) == 0;
      if (!known && count < room) columns[count++] = path;
    }
  return count;
}

static bool first_of_its_row(const sb_table *table, int index) {
  const sb_table_cell *cell = &table->cells[index];
  for (int i = 0; i < index; i++) {
    const sb_table_cell *at = &table->cells[i];
    if (at->both == cell->both && at->recipe == cell->recipe && at->path->side == cell->path->side &&
        at->dtype == cell->dtype)
      return false;
  }
  return true;
}

static void print_rows(const sb_table *table, bool both, const sb_path *const columns[], int count) {
  const sb_recipe *recipe = NULL;
  for (int r = 0; r < sb_recipe_count(); r++)
    for (int side = 0; side < SB_SIDES; side++)
      for (int i = 0; i < table->count; i++) {
        const sb_table_cell *row = &table->cells[i];
        if (row->both != both || row->recipe != sb_recipe_at(r) || (int)row->path->side != side ||
            !first_of_its_row(table, i))
          continue;
        if (row->recipe != recipe) printf("%s\n", row->recipe->name);
        recipe = row->recipe;
        printf("  %-11s %-5s", sb_side_names[side], sb_format_of(row->dtype)->name);
        for (int c = 0; c < count; c++) {
          const sb_table_cell *cell = find(table, row, columns[c], both);
          char text[64] = "";
          if (cell) cell_text(cell, text);
          printf("%*s", COLUMN, text);
        }
        putchar('\n');
      }
}

void sb_table_print(const sb_table *table) {
  static const char *const titles[] = {"every other step against the reference (on ref: against itself)",
                                       "convert against prepare"};
  for (int both = 1; both >= 0; both--) {
    const sb_path *columns[32];
    bool read_only = false;
    int count = find_columns(table, both, columns, 32);
    if (count == 0) continue;
    printf("\n%s, bit for bit\n%-19s", titles[both], "");
    for (int c = 0; c < count; c++) {
      char name[64];
      snprintf(name, sizeof name, "%s%s%s", sb_flavor_names[columns[c]->flavor], *columns[c]->variant ? "+" : "",
               columns[c]->variant);
      printf("%*s", COLUMN, strlen(name) < COLUMN || !*columns[c]->variant ? name : columns[c]->variant);
      read_only |= columns[c]->flavor == SB_TORCHAO_0_18_CUDA;
    }
    putchar('\n');
    print_rows(table, both, columns, count);
    if (read_only) printf("torchao-0.18-cuda is read from source, not captured on a GPU (*)\n");
  }
}

void sb_table_free(sb_table *table) {
  free(table->cells);
  *table = (sb_table){0};
}
