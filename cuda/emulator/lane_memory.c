/* lane_memory.c: one lane's access to any space, with all its checks. */
#include "handlers.h"
#include "shadow.h"

static const char *verb(bool write, bool atomic) { return atomic ? "an atomic access" : write ? "a store" : "a load"; }

static bool misaligned(Warp *w, const Insn *i, u32 lane, u64 address, u32 size, bool write, bool atomic) {
  if (!(address & (size - 1)) || !(w->launch->checks & CHECK_ALIGN)) return false;
  (void)fault_at(w, i, FAULT_MISALIGNED, lane, true, address,
                 "%s of %u bytes needs an address that is a multiple of it", verb(write, atomic), size);
  return true;
}
static u8 *beyond(Warp *w, const Insn *i, u32 lane, u64 address, u32 size, bool write, bool atomic, const char *what,
                  u32 limit) {
  (void)fault_at(w, i, FAULT_OUT_OF_BOUNDS, lane, true, address,
                 "%s of %u bytes at offset 0x%llx of the %s, which has %u bytes", verb(write, atomic), size,
                 (unsigned long long)address, what, limit);
  return NULL;
}

/* Does what the tag says race with this lane's access? */
static bool races(const Warp *w, u32 lane, u32 tag) {
  const u32 other = tag >> 5 & 31u, since = other == w->index ? w->bar_time : order_before(w, other) + 1;
  return tag_conflict(tag, w->index, lane, since, w->sync_time);
}
static bool shared_rules(Warp *w, const Insn *i, u32 lane, u32 at, u32 size, bool write, bool atomic,
                         const void *value) {
  Block *b = w->block;
  u32 shift = w->launch->fn->shared_shift, checks = w->launch->checks, mine = tag_of(b->now, w->index, lane);
  for (u32 c = at >> shift; c <= (at + size - 1) >> shift; c++) {
    u32 last_write = b->shared_write[c], last_read = b->shared_read[c];
    if (checks & CHECK_INIT_SHARED && last_write == 0 && (!write || atomic)) {
      (void)fault_at(w, i, FAULT_UNINITIALIZED, lane, true, (u64)c << shift,
                     "%s of shared memory that this block has not written (offset 0x%x)", verb(write, atomic),
                     c << shift);
      return false;
    }
    bool conflict = false, with_read = false;
    if (checks & CHECK_SHARED_RACE) {
      conflict = races(w, lane, last_write) && !(atomic && b->shared_atomic && b->shared_atomic[c]);
      if (write && !conflict)
        with_read = conflict = races(w, lane, last_read) && !(atomic && b->shared_atomic && b->shared_atomic[c]);
      /* Threads that store what is there already do not change the result. */
      const bool stores = write && !atomic && value, pending = tag_is_pending(last_write);
      if (stores && pending && async_stores(b, last_write >> 5 & 31u, at, size, value)) continue;
      if (conflict && stores && !pending && !memcmp(b->shared + at, value, size)) conflict = false;
    }
    if (conflict) {
      u32 other = with_read ? last_read : last_write, thread = (other >> 5 & 31u) * LANES + (other & 31u);
      (void)fault_at(w, i, FAULT_SHARED_RACE, lane, true, (u64)c << shift,
                     tag_is_pending(other)
                         ? "%s of shared offset 0x%x races with %s by thread %u of the block that it has not waited for"
                         : "%s of shared offset 0x%x races with %s by thread %u of the block: no barrier lies between "
                           "them",
                     verb(write, atomic), c << shift,
                     with_read               ? "a load"
                     : tag_is_pending(other) ? "a cp.async"
                                             : "a store",
                     thread);
      return false;
    }
    if (b->shared_atomic) b->shared_atomic[c] = atomic;
    if (write) b->shared_write[c] = mine;
    const u32 reader = last_read >> 5 & 31u, since = reader == w->index ? w->bar_time : order_before(w, reader) + 1;
    if (!write || atomic) b->shared_read[c] = tag_read(last_read, mine, since);
  }
  return true;
}

static u8 *local_memory(Warp *w, const Insn *i, u32 lane, u64 address, u32 size, bool write, bool atomic) {
  u32 limit = w->launch->local_size;
  if (address > limit || limit - address < size)
    return beyond(w, i, lane, address, size, write, atomic, "local memory of the thread", limit);
  if (misaligned(w, i, lane, address, size, write, atomic)) return NULL;
  size_t at = (size_t)lane * limit + address;
  if (w->local_init) {
    if (write)
      memset(w->local_init + at, 1, size);
    else
      for (u32 k = 0; k < size; k++)
        if (!w->local_init[at + k]) {
          (void)fault_at(w, i, FAULT_UNINITIALIZED, lane, true, address,
                         "a load of local memory that this thread has not written (offset 0x%llx)",
                         (unsigned long long)(address + k));
          return NULL;
        }
  }
  return w->local + at;
}

u8 *lane_memory(Warp *w, const Insn *i, u32 lane, Space space, u64 address, u32 size, bool write, bool atomic,
                const void *value) {
  Launch *l = w->launch;
  if (space == SPACE_GENERIC) {
    if (address - SHARED_WINDOW < WINDOW_SIZE)
      space = SPACE_SHARED, address -= SHARED_WINDOW;
    else if (address - LOCAL_WINDOW < WINDOW_SIZE)
      space = SPACE_LOCAL, address -= LOCAL_WINDOW;
    else if (address - PARAM_WINDOW < WINDOW_SIZE)
      space = SPACE_PARAM, address -= PARAM_WINDOW;
  }
  switch (space) {
  case SPACE_SHARED:
    if (address > l->shared_bytes || l->shared_bytes - address < size)
      return beyond(w, i, lane, address, size, write, atomic, "shared memory of the block", l->shared_bytes);
    if (misaligned(w, i, lane, address, size, write, atomic)) return NULL;
    if (w->block->shared_write && !shared_rules(w, i, lane, (u32)address, size, write, atomic, value)) return NULL;
    return w->block->shared + address;
  case SPACE_LOCAL:
    return local_memory(w, i, lane, address, size, write, atomic);
  case SPACE_PARAM:
    if (write || address > l->fn->param_bytes || l->fn->param_bytes - address < size)
      return beyond(w, i, lane, address, size, write, atomic, "parameters", l->fn->param_bytes);
    if (misaligned(w, i, lane, address, size, write, atomic)) return NULL;
    return (u8 *)(uintptr_t)(l->params + address);
  default: {
    Alloc *al = mem_find(address);
    if (!al || al->size - (address - al->base) < size) {
      (void)fault_at(w, i, FAULT_OUT_OF_BOUNDS, lane, true, address, "%s of %u bytes %s", verb(write, atomic), size,
                     al ? "reaches beyond the end of its allocation" : "outside every allocation");
      return NULL;
    }
    if (misaligned(w, i, lane, address, size, write, atomic)) return NULL;
    if (write && al->readonly) {
      (void)fault_at(w, i, FAULT_WRITE_TO_INPUT, lane, true, address, "a store to memory that may only be read");
      return NULL;
    }
    if (atomic) {
      if (l->checks & CHECK_INIT_GLOBAL && !mem_is_init(al, address, size)) {
        (void)fault_at(w, i, FAULT_UNINITIALIZED, lane, true, address,
                       "an atomic access to memory that nobody has written");
        return NULL;
      }
    } else if (l->watch) {
      MemOp m = {.store = write, .size = (u8)size, .count = 1};
      if (!check_global_lane(w, i, &m, al, lane, address, size, value)) return NULL;
    }
    if (write && !al->all_init) mem_mark_init(al, address, size);
    return (u8 *)(uintptr_t)address;
  }
  }
}
