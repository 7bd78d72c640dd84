/* exec_global.c: loads and stores of global memory, and those through generic addresses. Compiled once for each
 * instruction set. */
#include "exec.h"
#include "move.h"
#include "race_row.h"

/* Every lane inside one allocation and aligned: the allocation. Otherwise the first lane that is not faults, or, with
   several allocations, each lane is looked up; *mixed tells. */
static Alloc *locate(Warp *w, const Insn *i, const MemOp *m, const u64 *a, u32 bytes, bool *mixed) {
  const u64 lead = a[__builtin_ctz(w->mask)];
  Alloc *al = mem_find(lead);
  *mixed = false;
  if (LIKELY(al && al->size >= bytes)) {
    const u64 base = al->base, last = al->size - bytes;
    const u32 mask = w->mask;
    u64 beyond = 0, all = 0;
    LANE_LOOP {
      const u64 x = mask >> l & 1u ? a[l] : lead;
      beyond |= (x - base) | (last - (x - base)); /* sizes are below 2^63: a borrow sets the top bit */
      all |= x;
    }
    if (!(beyond >> 63) && !(all & (bytes - 1))) return al;
  }
  for (u32 k = w->mask; k; k &= k - 1) {
    u32 lane = (u32)__builtin_ctz(k);
    al = mem_find(a[lane]);
    if (!al || al->size - (a[lane] - al->base) < bytes) {
      (void)fault_at(w, i, FAULT_OUT_OF_BOUNDS, lane, true, a[lane], "%s of %u bytes %s",
                     m->store ? "a store" : "a load", bytes,
                     al ? "reaches beyond the end of its allocation" : "outside every allocation");
      return NULL;
    }
    if (a[lane] & (bytes - 1) && w->launch->checks & CHECK_ALIGN) {
      (void)fault_at(w, i, FAULT_MISALIGNED, lane, true, a[lane],
                     "%s of %u bytes needs an address that is a multiple of it", m->store ? "a store" : "a load",
                     bytes);
      return NULL;
    }
  }
  *mixed = true;
  return al;
}

const Insn *EXEC(ld_global)(Warp *w, const Insn *i) {
  const MemOp *m = i->x.mem;
  u64 a[LANES], first;
  u32 bytes = (u32)m->size * m->count;
  bool mixed;
  if (LIKELY(lanes_side_by_side(w, m, bytes, &first))) {
    Alloc *al = mem_find(first);
    if (LIKELY(al && al->size - (first - al->base) >= (u64)bytes * LANES && !(first & (bytes - 1)))) {
      RaceHold hold = RACE_NOTHING_HELD;
      if (w->launch->watch && check_row(w, i, m, al, first, bytes, &hold) == ROW_FAULT) return i;
      load_row(w, m, (const u8 *)(uintptr_t)first);
      race_release(hold);
      if (UNLIKELY(m->volatile_)) note_sync(w, true, false);
      return i + 1;
    }
  }
  if (!w->mask) return i + 1;
  lane_addresses(w, m, a);
  Alloc *al = locate(w, i, m, a, bytes, &mixed);
  if (UNLIKELY(!al)) return i;
  if (w->launch->watch) {
    before_access(w, i, m, a, w->mask, bytes);
    if (!check_global(w, i, m, a, w->mask, bytes)) return i;
  }
  if (m->size == 4 && m->count == 1 && !m->wide[0] && m->reg[0] != ~0u) {
    u32 *d = REG(u32, m->reg[0]);
    for (u32 k = w->mask; k; k &= k - 1) {
      u32 l = (u32)__builtin_ctz(k);
      memcpy(&d[l], (const void *)(uintptr_t)a[l], 4);
    }
  } else
    for (u32 k = w->mask; k; k &= k - 1) {
      u32 l = (u32)__builtin_ctz(k);
      load_lane(w, m, l, (const u8 *)(uintptr_t)a[l]);
    }
  if (UNLIKELY(m->volatile_)) note_sync(w, true, false);
  return i + 1;
}

const Insn *EXEC(st_global)(Warp *w, const Insn *i) {
  const MemOp *m = i->x.mem;
  u64 a[LANES], first;
  u32 bytes = (u32)m->size * m->count;
  bool mixed;
  if (LIKELY(lanes_side_by_side(w, m, bytes, &first))) {
    Alloc *al = mem_find(first);
    if (LIKELY(al && al->size - (first - al->base) >= (u64)bytes * LANES && !(first & (bytes - 1)) && !al->readonly)) {
      RaceHold hold = RACE_NOTHING_HELD;
      RowCheck found = w->launch->watch ? check_row(w, i, m, al, first, bytes, &hold) : ROW_OPEN;
      if (UNLIKELY(found != ROW_OPEN)) return found == ROW_DONE ? i + 1 : i;
      store_row(w, m, (u8 *)(uintptr_t)first);
      if (!al->all_init) mem_mark_init(al, first, (u64)bytes * LANES);
      race_release(hold);
      return i + 1;
    }
  }
  if (!w->mask) return i + 1;
  lane_addresses(w, m, a);
  Alloc *al = locate(w, i, m, a, bytes, &mixed);
  if (UNLIKELY(!al)) return i;
  for (u32 k = w->mask; k; k &= k - 1) {
    u32 lane = (u32)__builtin_ctz(k);
    if (UNLIKELY((mixed ? mem_find(a[lane]) : al)->readonly))
      return fault_at(w, i, FAULT_WRITE_TO_INPUT, lane, true, a[lane], "a store to memory that may only be read");
  }
  if (w->launch->watch) {
    before_access(w, i, m, a, w->mask, bytes);
    return check_global(w, i, m, a, w->mask, bytes) ? i + 1 : i;
  }
  for (u32 k = w->mask; k; k &= k - 1) {
    u32 l = (u32)__builtin_ctz(k);
    store_lane(w, m, l, (u8 *)(uintptr_t)a[l]);
    if (mixed) al = mem_find(a[l]);
    if (!al->all_init) mem_mark_init(al, a[l], bytes);
  }
  return i + 1;
}

/* Generic addresses: when all lanes are in global memory the global path; else lane by lane. */
static bool all_global(const Warp *w, const u64 *a) {
  u64 windows = 0;
  for (u32 l = 0; l < LANES; l++)
    windows |= w->mask >> l & 1u && a[l] - SHARED_WINDOW < CODE_WINDOW + WINDOW_SIZE - SHARED_WINDOW;
  return !windows;
}
const Insn *EXEC(ld_generic)(Warp *w, const Insn *i) {
  const MemOp *m = i->x.mem;
  u64 a[LANES];
  u32 bytes = (u32)m->size * m->count;
  lane_addresses(w, m, a);
  if (all_global(w, a)) return EXEC(ld_global)(w, i);
  for (u32 k = w->mask; k; k &= k - 1) {
    u32 l = (u32)__builtin_ctz(k);
    const u8 *p = lane_memory(w, i, l, SPACE_GENERIC, a[l], bytes, false, false, NULL);
    if (!p) return i;
    load_lane(w, m, l, p);
  }
  return i + 1;
}
const Insn *EXEC(st_generic)(Warp *w, const Insn *i) {
  const MemOp *m = i->x.mem;
  u64 a[LANES];
  u32 bytes = (u32)m->size * m->count;
  lane_addresses(w, m, a);
  if (all_global(w, a)) return EXEC(st_global)(w, i);
  for (u32 k = w->mask; k; k &= k - 1) {
    u32 l = (u32)__builtin_ctz(k);
    u8 value[32];
    store_lane(w, m, l, value);
    u8 *p = lane_memory(w, i, l, SPACE_GENERIC, a[l], bytes, true, false, value);
    if (!p) return i;
    memcpy(p, value, bytes);
  }
  return i + 1;
}
