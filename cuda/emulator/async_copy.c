/* async_copy.c: cp.async. PTX ISA, "Data Movement and Conversion Instructions: cp.async": the writes of a copy are weak
   and have no order before the wait that covers it. So a copy is fetched when it is issued and stored when its thread
   waits: cp.async.wait_all, or wait_group N once N younger groups of that thread are committed. Until then its
   destination is pending: whoever touches it races with the copy. */
#include "handlers.h"
#include "move.h"
#include "shadow.h"
#include <stdlib.h>

enum { MOST_PENDING = 1 << 16 }; /* of a warp; beyond it the oldest copy arrives early, as it may */
typedef struct {
  u64 from;
  u32 to, group;
  u8 lane, size, read; /* read: bytes of the source, the rest are zeros */
  u8 value[16];
} Pending;
struct AsyncCopies {
  u32 committed[LANES]; /* groups of each lane */
  u32 count, room;
  Pending *copies;
};

void async_reset(AsyncCopies *a) {
  if (a) memset(a->committed, 0, sizeof a->committed), a->count = 0;
}
void async_free(AsyncCopies *a) {
  if (a) free(a->copies);
  free(a);
}
static AsyncCopies *copies_of(Warp *w, const Insn *i) {
  if (!w->async) w->async = calloc(1, sizeof *w->async);
  if (!w->async) (void)fault_at(w, i, FAULT_INTERNAL, 0, false, 0, "out of memory");
  return w->async;
}

/* Does every pending copy of warp `warp` into these bytes of shared memory store `value` there? */
bool async_stores(const Block *b, u32 warp, u32 at, u32 size, const u8 *value) {
  const AsyncCopies *a = b->warps[warp].async;
  for (u32 k = 0; a && k < a->count; k++) {
    const Pending *x = &a->copies[k];
    for (u32 n = 0; n < x->size; n++)
      if (x->to + n - at < size && x->value[n] != value[x->to + n - at]) return false;
  }
  return true;
}

/* Copies that have arrived are stores of their lane at this time. */
static bool arrive(Warp *w, const Insn *i, const Pending *x) {
  Block *b = w->block;
  const Launch *l = w->launch;
  const Alloc *source = x->read ? mem_find(x->from) : NULL;
  if (source && l->checks & CHECK_GLOBAL_RACE && memcmp((const void *)(uintptr_t)x->from, x->value, x->read)) {
    (void)fault_at(w, i, FAULT_GLOBAL_RACE, x->lane, true, x->from,
                   "what a cp.async of this thread copies was changed before the copy had been waited for");
    return false;
  }
  memcpy(b->shared + x->to, x->value, x->size);
  if (!(l->checks & CHECK_SHARED_RACE)) return true;
  const u32 shift = l->fn->shared_shift;
  for (u32 c = x->to >> shift; c <= (x->to + x->size - 1) >> shift; c++)
    if (b->shared_write[c] == tag_pending(w->index, x->lane)) b->shared_write[c] = tag_of(b->now, w->index, x->lane);
  return true;
}

static bool append(Warp *w, const Insn *i, const Pending *x) {
  AsyncCopies *a = w->async;
  if (a->count == MOST_PENDING) {
    if (!arrive(w, i, a->copies)) return false;
    memmove(a->copies, a->copies + 1, --a->count * sizeof *a->copies);
  }
  if (a->count == a->room) {
    u32 room = a->room ? 2 * a->room : 256;
    Pending *grown = realloc(a->copies, room * sizeof *grown);
    if (!grown) {
      (void)fault_at(w, i, FAULT_INTERNAL, x->lane, false, 0, "out of memory");
      return false;
    }
    a->copies = grown, a->room = room;
  }
  a->copies[a->count++] = *x;
  return true;
}

/* The source, byte by byte where its length is no power of two. */
static bool fetch(Warp *w, const Insn *i, Pending *x) {
  const u32 step = x->read & (x->read - 1) ? 1 : x->read;
  for (u32 n = 0; n < x->read; n += step) {
    const u8 *from = lane_memory(w, i, x->lane, SPACE_GLOBAL, x->from + n, step, false, false, NULL);
    if (!from) return false;
    memcpy(x->value + n, from, step);
  }
  return true;
}
static bool reserve(Warp *w, const Insn *i, const Pending *x) {
  Block *b = w->block;
  if (!lane_memory(w, i, x->lane, SPACE_SHARED, x->to, x->size, true, false, x->value)) return false;
  if (!(w->launch->checks & CHECK_SHARED_RACE)) return true;
  const u32 shift = w->launch->fn->shared_shift;
  for (u32 c = x->to >> shift; c <= (x->to + x->size - 1) >> shift; c++)
    if (!tag_is_pending(b->shared_write[c])) b->shared_write[c] = tag_pending(w->index, x->lane);
  return true;
}

const Insn *op_cp_async(Warp *w, const Insn *i) {
  const AsyncCopy *c = i->x.extra;
  const AsyncCopies *a = copies_of(w, i);
  u64 to[LANES], from[LANES];
  if (!a) return i;
  lane_addresses(w, &c->to, to), lane_addresses(w, &c->from, from);
  for (u32 k = w->mask; k; k &= k - 1) {
    const u32 lane = (u32)__builtin_ctz(k), size = c->to.size;
    u32 n = size;
    if (c->source_size != ~0u) {
      u32 v = REG(const u32, c->source_size)[lane];
      n = c->ignore ? (v ? 0 : size) : v;
    }
    if (n > size) return fault_at(w, i, FAULT_PARAMETER, lane, false, 0, "cp.async reads %u of %u bytes", n, size);
    Pending x = {from[lane], (u32)to[lane], a->committed[lane], (u8)lane, (u8)size, (u8)n, {0}};
    if (!fetch(w, i, &x) || !reserve(w, i, &x) || !append(w, i, &x)) return i;
  }
  return i + 1;
}

/* commit_group; wait_group N: all but the N youngest committed groups have arrived; wait_all: everything has. */
const Insn *op_cp_async_wait(Warp *w, const Insn *i) {
  AsyncCopies *a = copies_of(w, i);
  if (!a) return i;
  if (i->aux != ASYNC_WAIT_GROUP)
    for (u32 k = w->mask; k; k &= k - 1) a->committed[__builtin_ctz(k)]++;
  if (i->aux == ASYNC_COMMIT) return i + 1;
  const u64 younger = i->aux == ASYNC_WAIT_GROUP ? (u64)i->x.imm : 0;
  u32 kept = 0;
  for (u32 k = 0; k < a->count; k++) {
    const Pending *x = &a->copies[k];
    if (!(w->mask >> x->lane & 1u) || x->group + younger >= a->committed[x->lane])
      a->copies[kept++] = *x;
    else if (!arrive(w, i, x))
      return i;
  }
  a->count = kept;
  return i + 1;
}
