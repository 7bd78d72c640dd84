/* race_row.h: the check of global memory (check_global.c) for 32 lanes side by side. The common case, words that only
   this block has touched, or that nobody has stored, is one pass over their cells. */
#ifndef EMU_RACE_ROW_H
#define EMU_RACE_ROW_H
#include "handlers.h"
#include "race.h"

/* Has this block made an atomic or volatile access before? */
static inline u32 race_synced(const Warp *w) {
  const Launch *l = w->launch;
  const bool done =
      l->release_time && atomic_load_explicit(&l->acquire_time[w->block->index], memory_order_relaxed) != 0;
  return done ? RACE_SYNCED : 0;
}
/* A loop around atomicCAS begins with a plain load, and so does the question whether an atomic is needed: a load is
   held against atomics only where the code has none behind it. */
static inline u32 race_load_flags(const Warp *w, const Insn *i, const MemOp *m) {
  const Function *f = w->frame->fn;
  return RACE_PLAIN | (m->nc ? (u32)RACE_NC : 0) | (f->is_entry && i->info >= f->atomics_end ? (u32)RACE_FINAL : 0);
}

static inline bool row_of_loads(u32 *restrict writer, u32 *restrict reader, u32 words, u32 mine, u32 flags) {
  const u32 nc = flags & RACE_NC;
  u32 strange = 0;
  for (u32 k = 0; k < words; k++) {
    const u32 wr = writer[k], rd = reader[k];
    strange |= (u32)(wr != 0) & (u32)((wr & ~(u32)(RACE_VARIED | RACE_SYNCED)) != (mine | RACE_BYTES) || nc);
    strange |= (u32)(rd != 0) & (u32)((rd & (RACE_BYTES | RACE_ATOMIC)) != RACE_BYTES);
  }
  if (strange) return false;
  for (u32 k = 0; k < words; k++) {
    const u32 rd = reader[k], other = (rd ^ mine) >> RACE_BLOCK ? (u32)RACE_SEVERAL : 0;
    const u32 joined = rd ? rd | other | flags : mine | RACE_BYTES | flags;
    reader[k] = writer[k] ? rd : joined;
  }
  return true;
}
static inline bool row_of_stores(u32 *restrict writer, const u32 *restrict reader, u32 words, u32 mine) {
  u32 strange = 0;
  for (u32 k = 0; k < words; k++) {
    const u32 wr = writer[k], rd = reader[k];
    strange |= (u32)(wr != 0) & (u32)((wr | RACE_SYNCED) != (mine | RACE_SYNCED | RACE_BYTES | RACE_VARIED));
    strange |= (u32)(rd != 0) & (u32)(rd >> RACE_BLOCK != mine >> RACE_BLOCK || rd & RACE_SEVERAL);
  }
  if (strange) return false;
  for (u32 k = 0; k < words; k++) writer[k] = writer[k] ? writer[k] : mine | RACE_BYTES;
  return true;
}

/* What happens on the way to an access to global memory, whatever its rules. */
static inline void before_access(Warp *w, const Insn *i, const MemOp *m, const u64 *address, u32 mask, u32 bytes) {
  if (UNLIKELY(w->block->counters_on)) count_global(w, i, m, address, mask, bytes);
  if (UNLIKELY(w->launch->schedule != NULL)) schedule_step(w->launch->schedule, w->block->index);
}

typedef enum {
  ROW_FAULT,
  ROW_OPEN, /* the caller loads or stores, and then releases *hold */
  ROW_DONE  /* stored already */
} RowCheck;
static inline RowCheck check_row(Warp *w, const Insn *i, const MemOp *m, Alloc *al, u64 first, u32 bytes,
                                 RaceHold *hold) {
  Launch *l = w->launch;
  const u32 total = bytes * LANES;
  bool plain = !m->volatile_ && (m->store || !(l->checks & CHECK_INIT_GLOBAL) || mem_is_init(al, first, total));
  u64 address[LANES];
  for (u32 k = 0; k < LANES; k++) address[k] = first + (u64)k * bytes;
  before_access(w, i, m, address, ALL_LANES, bytes);
  if (plain && !l->races) return ROW_OPEN;
  if (plain && !((first - al->base) & 3) && !(total & 3)) {
    if (!m->store && l->blocks == 1 && !m->nc) return ROW_OPEN;
    u32 *cells = race_cells(l, al);
    if (!cells) return ROW_OPEN;
    u32 *writer = cells + (first - al->base) / 4, *reader = writer + race_words(al);
    const u32 mine = ((u32)w->block->index + 1) << RACE_BLOCK;
    if (!l->alone) *hold = race_hold(first, total);
    if (m->store ? row_of_stores(writer, reader, total / 4, mine | race_synced(w))
                 : row_of_loads(writer, reader, total / 4, mine, race_load_flags(w, i, m)))
      return ROW_OPEN;
    race_release(*hold);
    *hold = RACE_NOTHING_HELD;
  }
  if (!check_global(w, i, m, address, ALL_LANES, bytes)) return ROW_FAULT;
  return m->store ? ROW_DONE : ROW_OPEN;
}
#endif
