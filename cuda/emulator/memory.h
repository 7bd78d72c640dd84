/* memory.h: allocations of global memory. */
#ifndef EMU_MEMORY_H
#define EMU_MEMORY_H
#include "base.h"

typedef enum { ALLOC_DEVICE, ALLOC_MANAGED, ALLOC_HOST, ALLOC_MODULE, ALLOC_CONST } AllocKind;
typedef struct Alloc {
  u64 base, size;
  AllocKind kind;
  u32 id, owner; /* owner: index of the context */
  bool all_init;
  _Atomic(u64) *init; /* one bit a byte, unless all_init */
  u32 *race;          /* race.h: one cell a word, while a launch checks races */
  _Atomic(u32) race_epoch;
  bool readonly;            /* a store is the fault write-to-input */
  _Atomic(u64) *touched[2]; /* bits of bytes loaded and stored, while counters run */
  _Atomic(u64) requested[2];
} Alloc;

u64 mem_alloc(u64 size, AllocKind kind);
bool mem_free(u64 base);
void mem_mark_init(Alloc *al, u64 address, u64 size);
void mem_forget(Alloc *al, u64 address, u64 size);
bool mem_is_init(const Alloc *al, u64 address, u64 size);
void mem_each(void (*f)(Alloc *, void *), void *arg);
u64 mem_used(void);
u64 mem_total(void);
extern u64 mem_arena_base, mem_arena_size;
extern u32 *mem_owner;
extern Alloc **mem_table;
enum { GRANULE_SHIFT = 16 };
/* The allocation that holds `address`, or NULL. */
static inline Alloc *mem_find(u64 address) {
  u64 at = address - mem_arena_base;
  if (at >= mem_arena_size || !mem_owner) return NULL;
  u32 index = mem_owner[at >> GRANULE_SHIFT];
  if (!index) return NULL;
  Alloc *al = mem_table[index];
  return al && address - al->base < al->size ? al : NULL;
}
#endif
