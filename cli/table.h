/* The table at the end of a check: recipe, side and dtype against flavor. */
#ifndef SAMEBITS_CLI_TABLE_H
#define SAMEBITS_CLI_TABLE_H

#include "samebits/check.h"

typedef struct sb_table_cell {
  const sb_recipe *recipe;
  const sb_path *path;
  sb_format dtype;
  bool both;
  int64_t cases, elements, different; /* of the case's worst tensor, summed over cases */
  int64_t statuses[SB_CASE_STATUSES];
} sb_table_cell;

typedef struct sb_table {
  int count, room;
  sb_table_cell *cells;
} sb_table;

sb_status sb_table_add(sb_table *table, const sb_case *c, const sb_result *result);
void sb_table_print(const sb_table *table);
void sb_table_free(sb_table *table);

#endif
