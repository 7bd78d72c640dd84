/* Memory that is freed all at once. */
#include "conformance/contract/ast.h"

#include <stdlib.h>

typedef struct chunk {
  struct chunk *next;
  size_t used, size;
  _Alignas(16) unsigned char data[];
} chunk;

struct sb_arena {
  chunk *first;
};

sb_arena *sb_arena_new(void) { return calloc(1, sizeof(sb_arena)); }

void sb_arena_reset(sb_arena *arena) {
  chunk *keep = NULL;
  for (chunk *c = arena->first, *next; c; c = next) {
    next = c->next;
    if (!next)
      keep = c;
    else
      free(c);
  }
  if (keep) keep->used = 0;
  arena->first = keep;
}

void sb_arena_free(sb_arena *arena) {
  if (!arena) return;
  for (chunk *c = arena->first, *next; c; c = next) {
    next = c->next;
    free(c);
  }
  free(arena);
}

void *sb_arena_get(sb_arena *arena, size_t bytes) {
  if (bytes > SIZE_MAX / 2) return NULL;
  bytes = (bytes + 15) & ~(size_t)15;
  if (!arena->first || arena->first->size - arena->first->used < bytes) {
    size_t size = bytes > 16384 ? bytes : 16384;
    chunk *c = malloc(sizeof *c + size);
    if (!c) return NULL;
    *c = (chunk){.next = arena->first, .size = size};
    arena->first = c;
  }
  void *p = arena->first->data + arena->first->used;
  arena->first->used += bytes;
  memset(p, 0, bytes);
  return p;
}

const char *sb_arena_string(sb_arena *arena, const char *text, size_t length) {
  char *copy = sb_arena_get(arena, length + 1);
  if (copy) memcpy(copy, text, length);
  return copy;
}
