/* What the fills share. */
#include "samebits/fill.h"

sb_status sb_fill_parse(const char *name, const sb_fill **fill) {
  for (int i = 0; i < sb_fill_table_count; i++)
    if (strcmp(sb_fill_table[i]->name, name) == 0) {
      *fill = sb_fill_table[i];
      return SB_OK;
    }
  char known[256] = "";
  for (int i = 0; i < sb_fill_table_count; i++) {
    strncat(known, i ? ", " : "", sizeof known - strlen(known) - 1);
    strncat(known, sb_fill_table[i]->name, sizeof known - strlen(known) - 1);
  }
  return sb_fail(SB_USAGE, "unknown fill '%.60s'; there are: %s", name, known);
}

int64_t sb_fill_block(const sb_spec *spec, int64_t cols) {
  if (spec->recipe->tile[1] > 0) return spec->recipe->tile[1] < cols ? spec->recipe->tile[1] : cols;
  return spec->group_size > 0 && spec->group_size <= cols ? spec->group_size : cols;
}
