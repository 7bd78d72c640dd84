/* --only-failed: the cases of an earlier run that were not as expected. */
#include "conformance/select.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

sb_status sb_select_failed(const char *path, sb_case_list *list) {
  FILE *file = fopen(path, "r");
  char *line = NULL;
  size_t room = 0;
  sb_status status = SB_OK;
  if (!file) return sb_fail(SB_FILE, "%s: cannot open", path);
  for (int number = 1; !status && getline(&line, &room, file) >= 0; number++) {
    json_t *record = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
    const char *type = json_string_value(json_object_get(record, "type"));
    const char *text = json_string_value(json_object_get(record, "case"));
    const char *verdict = json_string_value(json_object_get(record, "status"));
    sb_case c;
    if (!type)
      status = sb_fail(SB_FILE, "%s: line %d is no line of a run", path, number);
    else if (strcmp(type, "case") == 0 && text && verdict && strcmp(verdict, "PASS") != 0 &&
             strcmp(verdict, "EXPECTED") != 0) {
      status = sb_case_parse(text, &c);
      if (!status) status = sb_case_list_add(list, &c);
      if (status) status = sb_fail_in(SB_FILE, "%s: line %d", path, number);
    }
    json_decref(record);
  }
  free(line);
  fclose(file);
  return status;
}
