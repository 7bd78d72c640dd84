/* All families as one list. */
#include "conformance/mechanisms/mechanism.h"

extern const sb_family *const sb_family_table[];
extern const int sb_family_table_count;

int sb_mechanism_count(void) {
  int n = 0;
  for (int i = 0; i < sb_family_table_count; i++) n += sb_family_table[i]->count;
  return n;
}

const sb_mechanism *sb_mechanism_at(int index) {
  for (int i = 0; i < sb_family_table_count; i++) {
    if (index < sb_family_table[i]->count) return &sb_family_table[i]->mechanisms[index];
    index -= sb_family_table[i]->count;
  }
  return NULL;
}

const char *sb_alternative_includes(const sb_alternative *alternative) {
  for (int i = 0; i < SB_MAX_CHANGES && alternative->changes[i].kind != CHANGE_END; i++) {
    if (alternative->changes[i].flags & EPS_TOO) return "eps-value";
    if (alternative->changes[i].flags & RANGE_TOO) return "narrow-range-clamp";
  }
  return NULL;
}

const sb_mechanism *sb_mechanism_find(const char *id) {
  for (int i = 0; i < sb_mechanism_count(); i++)
    if (strcmp(sb_mechanism_at(i)->id, id) == 0) return sb_mechanism_at(i);
  return NULL;
}
