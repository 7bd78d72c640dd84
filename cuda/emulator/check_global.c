/* check_global.c: global memory that nobody has written, races between blocks, and non-coherent loads of written data.
   Each 4-byte word has a cell: the block that wrote it last and one that read it, with the bytes concerned. Blocks are
   ordered only by a fence and an atomic (or volatile) access on both sides; what may be so ordered is not accused. */
#include "handlers.h"
#include <sys/mman.h>

/* A cell: block + 1 (27 bits), several blocks (1), bytes (4). */
enum { CELL_SEVERAL = 1 << 4, CELL_SHIFT = 5, CELL_BLOCK_MAX = (1 << 27) - 2 };

static RaceCell *cells_of(Launch *l, Alloc *al) {
  if (LIKELY(al->race && al->race_epoch == l->race_epoch)) return al->race;
  size_t bytes = (size_t)(al->size / 4 + 2) * sizeof *al->race;
  pthread_mutex_lock(&l->lock);
  if (!al->race) {
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p != MAP_FAILED) al->race = p;
  } else if (al->race_epoch != l->race_epoch)
    (void)madvise(al->race, bytes, MADV_DONTNEED);
  al->race_epoch = l->race_epoch;
  pthread_mutex_unlock(&l->lock);
  return al->race;
}

/* May what `other` did be visible to this block? */
static bool ordered(const Warp *w, u64 other) {
  const Launch *l = w->launch;
  if (!l->release_time) return false;
  u32 release = atomic_load_explicit(&l->release_time[other], memory_order_relaxed);
  return release && release <= atomic_load_explicit(&l->acquire_time[w->block->index], memory_order_relaxed);
}
void note_fence(Warp *w) { w->block->fenced = true; }
void note_sync(Warp *w, bool acquire, bool release) {
  Launch *l = w->launch;
  if (!l->release_time) return;
  u32 now = atomic_fetch_add(&l->clock, 1) + 1;
  if ((release || w->block->fenced) && !atomic_load(&l->release_time[w->block->index]))
    atomic_store(&l->release_time[w->block->index], now);
  if (acquire) atomic_store(&l->acquire_time[w->block->index], now);
}

static bool changes(u64 address, const void *value, u32 bytes) {
  return !value || memcmp((const void *)(uintptr_t)address, value, bytes) != 0;
}

static bool race(Warp *w, const Insn *i, u32 lane, u64 address, u32 other, const char *what, const char *with) {
  (void)fault_at(w, i, FAULT_GLOBAL_RACE, lane, true, address,
                 "%s races with %s by block %u: nothing orders the two blocks", what, with, (other >> CELL_SHIFT) - 1);
  return false;
}
static bool other_block(const Warp *w, u32 cell, u32 mask) {
  return cell && (cell >> CELL_SHIFT) - 1 != w->block->index && !(cell & CELL_SEVERAL) && cell & mask;
}

static bool check_word(Warp *w, const Insn *i, const MemOp *m, RaceCell *cell, u32 mask, u32 lane, u64 address,
                       u32 bytes, const void *value) {
  u32 mine = ((u32)w->block->index + 1) << CELL_SHIFT;
  u32 writer = atomic_load_explicit(&cell->writer, memory_order_relaxed),
      reader = atomic_load_explicit(&cell->reader, memory_order_relaxed);
  u32 checks = w->launch->checks;
  if (m->nc && checks & CHECK_NC && writer && writer & mask) {
    (void)fault_at(w, i, FAULT_NC, lane, true, address,
                   "a non-coherent load (.nc, __ldg) of data that this launch has written");
    return false;
  }
  if (!(checks & CHECK_GLOBAL_RACE) && !m->store) return true;
  if (!m->store) {
    if (other_block(w, writer, mask) && !ordered(w, (writer >> CELL_SHIFT) - 1) && !m->volatile_)
      return race(w, i, lane, address, writer, "a load", "a store");
    if (!reader)
      atomic_store_explicit(&cell->reader, mine | mask, memory_order_relaxed);
    else if (reader >> CELL_SHIFT != mine >> CELL_SHIFT || (reader & mask) != mask)
      atomic_store_explicit(&cell->reader,
                            reader | mask | (reader >> CELL_SHIFT != mine >> CELL_SHIFT ? (u32)CELL_SEVERAL : 0),
                            memory_order_relaxed);
    return true;
  }
  if (checks & CHECK_GLOBAL_RACE && !m->volatile_) {
    if (other_block(w, writer, mask) && !ordered(w, (writer >> CELL_SHIFT) - 1) && changes(address, value, bytes))
      return race(w, i, lane, address, writer, "a store", "a store");
    bool foreign = reader & mask && ((reader >> CELL_SHIFT) - 1 != w->block->index);
    if (foreign && !ordered(w, (reader >> CELL_SHIFT) - 1) && changes(address, value, bytes))
      return race(w, i, lane, address, reader, "a store", "a load");
  }
  u32 same = writer >> CELL_SHIFT == mine >> CELL_SHIFT, keep = !writer || same ? 0 : (u32)CELL_SEVERAL;
  atomic_store_explicit(&cell->writer, mine | mask | (writer & (15u | CELL_SEVERAL)) | keep, memory_order_relaxed);
  return true;
}

static bool uninitialized(Warp *w, const Insn *i, u32 lane, u64 address) {
  (void)fault_at(w, i, FAULT_UNINITIALIZED, lane, true, address, "a load of global memory that nobody has written");
  return false;
}

bool check_global_lane(Warp *w, const Insn *i, const MemOp *m, Alloc *al, u32 lane, u64 address, u32 bytes,
                       const void *value) {
  Launch *l = w->launch;
  if (!m->store && l->checks & CHECK_INIT_GLOBAL && !mem_is_init(al, address, bytes))
    return uninitialized(w, i, lane, address);
  if (m->volatile_) note_sync(w, !m->store, m->store && m->release);
  if (!(l->checks & (CHECK_GLOBAL_RACE | CHECK_NC)) || l->blocks > CELL_BLOCK_MAX) return true;
  RaceCell *cells = cells_of(l, al);
  if (!cells) return true;
  u64 at = address - al->base;
  for (u64 x = at & ~3ull; x < at + bytes; x += 4) {
    u32 from = x < at ? (u32)(at - x) : 0, to = x + 4 > at + bytes ? (u32)(at + bytes - x) : 4;
    u32 mask = ((1u << to) - 1) & ~((1u << from) - 1), part = to - from;
    const u8 *v = value ? (const u8 *)value + (x + from - at) : NULL;
    if (!check_word(w, i, m, &cells[x / 4], mask, lane, al->base + x + from, part, v)) return false;
  }
  return true;
}

static void lane_value(const Warp *w, const MemOp *m, u32 lane, u8 *value) {
  for (u32 k = 0; k < m->count; k++) {
    u64 v = m->wide[k] ? REG(const u64, m->reg[k])[lane] : REG(const u32, m->reg[k])[lane];
    memcpy(value + k * m->size, &v, m->size);
  }
}

bool check_global(Warp *w, const Insn *i, const MemOp *m, const u64 *address, u32 mask, u32 bytes) {
  if (w->block->counters_on) count_global(w, i, m, address, mask, bytes);
  for (u32 k = mask; k; k &= k - 1) {
    u32 lane = (u32)__builtin_ctz(k);
    u8 value[32];
    if (m->store) lane_value(w, m, lane, value);
    if (!check_global_lane(w, i, m, mem_find(address[lane]), lane, address[lane], bytes, m->store ? value : NULL))
      return false;
  }
  return true;
}

/* 32 lanes side by side. The common case, words that only this block has touched, is one pass over the cells. */
bool check_global_range(Warp *w, const Insn *i, const MemOp *m, Alloc *al, u64 first, u32 bytes) {
  Launch *l = w->launch;
  u32 total = bytes * LANES;
  bool plain = !m->volatile_ && !w->block->counters_on &&
               (m->store || !(l->checks & CHECK_INIT_GLOBAL) || mem_is_init(al, first, total));
  if (plain && !(l->checks & (CHECK_GLOBAL_RACE | CHECK_NC))) return true;
  if (plain && !((first - al->base) & 3) && !(total & 3) && l->blocks <= CELL_BLOCK_MAX) {
    RaceCell *cells = cells_of(l, al);
    if (!cells) return true;
    u32 *c = (u32 *)(void *)&cells[(first - al->base) / 4];
    const u32 n = total / 4, mine = ((u32)w->block->index + 1) << CELL_SHIFT | 15u;
    u32 strange = 0;
    for (u32 k = 0; k < n; k++) {
      const u32 writer = c[2 * k], reader = c[2 * k + 1];
      strange |= (u32)((writer != 0) & (!m->store | (writer != mine))) | (u32)((reader != 0) & (reader != mine));
    }
    if (!strange) {
      for (u32 k = 0; k < n; k++) c[2 * k + !m->store] = mine;
      return true;
    }
  }
  u64 address[LANES];
  for (u32 k = 0; k < LANES; k++) address[k] = first + (u64)k * bytes;
  return check_global(w, i, m, address, ALL_LANES, bytes);
}
