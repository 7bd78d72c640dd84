/* shared_layout.c: where shared variables lie. Each entry has a window of its own: two variables share bytes unless
   some entry needs both, itself or through the functions that it may call. */
#include "parse.h"
#include <stdlib.h>

enum { SHARED_MOST = 1 << 20 };

void use_shared(Parser *p, u32 variable) {
  Function *f = p->fn;
  Variable *v = &p->module->variables[variable];
  if (!f || v->last_user == f->index + 1) return;
  v->last_user = f->index + 1;
  f->shared_used = grow(p, f->shared_used, &f->shared_capacity, f->shared_count, sizeof *f->shared_used);
  f->shared_used[f->shared_count++] = variable;
}

/* Variables by entry; later entries by variable. */
typedef struct {
  u32 variable, entry;
} Use;
typedef struct {
  Use *uses;
  u32 *stack, *seen;
  u32 count, capacity, depth;
} Walk;

static bool reach(Walk *w, const Function *f, u32 entry) {
  if (w->seen[f->index] == entry + 1) return true;
  w->seen[f->index] = entry + 1;
  w->stack[w->depth++] = f->index;
  for (u32 k = 0; k < f->shared_count; k++) {
    if (w->count == w->capacity) {
      u32 capacity = w->capacity ? 2 * w->capacity : 64;
      Use *bigger = capacity > w->capacity ? realloc(w->uses, capacity * sizeof *bigger) : NULL;
      if (!bigger) return false;
      w->uses = bigger, w->capacity = capacity;
    }
    w->uses[w->count++] = (Use){f->shared_used[k], entry};
  }
  return true;
}
static bool gather(const Module *m, Walk *w) {
  for (u32 e = 0; e < m->function_count; e++) {
    if (!m->functions[e]->is_entry) continue;
    if (!reach(w, m->functions[e], e)) return false;
    bool all = false; /* a call through a pointer may reach every function */
    while (w->depth) {
      const Function *f = m->functions[w->stack[--w->depth]];
      for (u32 c = 0; c < f->callee_count; c++)
        if (!reach(w, f->callees[c], e)) return false;
      for (u32 k = 0; f->calls_pointers && !all && k < m->function_count; k++)
        if (!m->functions[k]->is_entry && !reach(w, m->functions[k], e)) return false;
      all |= f->calls_pointers;
    }
  }
  return true;
}

static int by_variable(const void *a, const void *b) {
  const Use *x = a, *y = b;
  if (x->variable != y->variable) return x->variable < y->variable ? -1 : 1;
  return x->entry < y->entry ? -1 : x->entry > y->entry;
}

void place_shared(Parser *p) {
  Module *m = p->module;
  Walk w = {.stack = calloc(m->function_count + 1u, sizeof(u32)), .seen = calloc(m->function_count + 1u, sizeof(u32))};
  const Function *too_large = NULL;
  bool ok = w.stack && w.seen && gather(m, &w);
  if (ok && w.count) qsort(w.uses, w.count, sizeof *w.uses, by_variable);
  for (u32 k = 0, end; ok && !too_large && k < w.count; k = end) {
    Variable *v = &m->variables[w.uses[k].variable];
    u64 base = 0;
    for (end = k; end < w.count && w.uses[end].variable == w.uses[k].variable; end++) {
      const Function *f = m->functions[w.uses[end].entry];
      if (base < f->shared_bytes) base = f->shared_bytes;
    }
    base = (base + v->align - 1) & ~(u64)(v->align - 1);
    v->address = base;
    for (u32 j = k; j < end; j++) {
      Function *f = m->functions[w.uses[j].entry];
      if (base + v->size > SHARED_MOST) too_large = f;
      f->shared_bytes = (u32)(base + v->size);
    }
  }
  free(w.uses), free(w.stack), free(w.seen);
  if (!ok) parse_fail(p, "out of memory");
  if (too_large) parse_fail(p, "the shared variables of %.200s need more than 1 MiB", too_large->name);
}
