/* A list of cases that grows. */
#include "samebits/select.h"

#include <stdlib.h>

sb_status sb_case_list_add(sb_case_list *list, const sb_case *c) {
  if (list->count == list->room) {
    int room = list->room ? 2 * list->room : 64;
    sb_case *cases = list->room > INT32_MAX / 4 ? NULL : reallocarray(list->cases, (size_t)room, sizeof *cases);
    if (!cases) return sb_fail(SB_NO_MEMORY, "no memory for %d cases", room);
    list->cases = cases;
    list->room = room;
  }
  list->cases[list->count++] = *c;
  return SB_OK;
}

void sb_case_list_free(sb_case_list *list) {
  free(list->cases);
  *list = (sb_case_list){0};
}
