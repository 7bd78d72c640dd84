/* types.c: names and sizes of PTX types. */
#include "emu.h"

#define NAME(t) #t,
static const char *const names[T_count] = {"", EMU_TYPES(NAME)};
#undef NAME
static const u8 bytes[T_count] = {0, 1, 1, 1, 2, 2, 2, 4, 4, 4, 2, 2, 4, 4, 4, 1, 8, 8, 8, 8, 8, 16};

u32 type_bytes(Type t) { return bytes[t]; }
const char *type_name(Type t) { return names[t]; }
bool type_is_signed(Type t) { return t == T_s8 || t == T_s16 || t == T_s32 || t == T_s64; }
Type type_from_name(const char *name, size_t n) {
  for (Type t = T_none + 1; t < T_count; t++)
    if (strlen(names[t]) == n && !memcmp(names[t], name, n)) return t;
  return T_none;
}
