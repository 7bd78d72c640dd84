/* symbols.c: names in scopes. A declaration `%r<100>` is one symbol "%r" of 100 registers. */
#include "parse.h"
#include <stdlib.h>

u32 hash_name(const char *name, size_t n) {
  u32 h = 2166136261u;
  for (size_t k = 0; k < n; k++) h = (h ^ (u8)name[k]) * 16777619u;
  return (h ^ h >> 15) & (NAME_BUCKETS - 1);
}
Symbol *symbol_add(Parser *p, const char *name, SymbolKind kind) {
  Symbol *s = arena_alloc(p->module, sizeof *s);
  if (!s) parse_fail(p, "out of memory");
  s->name = arena_text(p->module, name, strlen(name));
  if (!s->name) parse_fail(p, "out of memory");
  s->kind = kind, s->scope = p->scope;
  u32 h = hash_name(name, strlen(name));
  s->next = p->buckets[h], p->buckets[h] = s;
  s->older = p->newest, p->newest = s;
  return s;
}
/* A range `a<2>` and a register `a` may stand in one scope. */
static Symbol *lookup(Parser *p, const char *name, size_t n, bool range) {
  for (Symbol *s = p->buckets[hash_name(name, n)]; s; s = s->next)
    if ((s->count != 0) == range && strlen(s->name) == n && !memcmp(s->name, name, n)) return s;
  return NULL;
}
/* Finds a name, or the range that `name` is the number-th register of. */
Symbol *symbol_find(Parser *p, const char *name, u32 *number) {
  size_t n = strlen(name), stem = n;
  *number = 0;
  Symbol *s = lookup(p, name, n, false);
  if (s) return s;
  u64 value = 0, unit = 1;
  while (stem > 0 && name[stem - 1] >= '0' && name[stem - 1] <= '9' && n - stem < 9) {
    value += unit * (u64)(name[--stem] - '0'), unit *= 10;
    if (stem && name[stem] == '0' && stem + 1 < n) continue; /* no register has a leading zero */
    Symbol *range = lookup(p, name, stem, true);
    if (range && value < range->count) {
      *number = (u32)value;
      return range;
    }
  }
  return NULL;
}
bool symbol_again(Parser *p, const char *name, bool range) {
  const Symbol *s = lookup(p, name, strlen(name), range);
  return s && s->scope == p->scope;
}
void scope_open(Parser *p) {
  if (++p->depth > 200) parse_fail(p, "scopes are nested too deeply");
  p->scope++;
}
void scope_close(Parser *p) {
  while (p->newest && p->newest->scope == p->scope) {
    Symbol *s = p->newest;
    u32 h = hash_name(s->name, strlen(s->name));
    p->buckets[h] = s->next; /* the newest of a scope is the first of its bucket */
    p->newest = s->older;
  }
  p->scope--, p->depth--;
}
