/* --contracts DIR, of every command that has it. */
#include "cli/command.h"
#include "samebits/contract.h"
#include "samebits/fill.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *sb_contracts_recipes(void) {
  static char *list;
  size_t size = 1;
  for (int i = 0; i < sb_recipe_count(); i++)
    if (sb_recipe_at(i)->methods) size += strlen(sb_recipe_at(i)->name) + 1;
  free(list);
  list = size > 1 ? calloc(1, size) : NULL;
  for (int i = 0; list && i < sb_recipe_count(); i++)
    if (sb_recipe_at(i)->methods) strcat(strcat(list, *list ? "," : ""), sb_recipe_at(i)->name);
  return list;
}

error_t sb_take_contracts(const char *folder) {
  char path[4096];
  sb_status status = sb_contracts_add(folder);
  if (!status && snprintf(path, sizeof path, "%s/directed.txt", folder) < (int)sizeof path && access(path, F_OK) == 0)
    status = sb_directed_add(path);
  return sb_argp_error(status);
}
