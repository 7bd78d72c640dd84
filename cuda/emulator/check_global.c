/* check_global.c: global memory that nobody has written, races between blocks, and non-coherent loads of written data.
   Of two accesses to a byte by different blocks that nothing orders, one of them a store, the second one is accused,
   whichever it is, so that the verdict is the same in every order; but not
   - two stores of one value, as long as nobody stored another one there;
   - a load of what the block itself has stored, as long as the other stores have that value;
   - volatile stores among each other, and volatile loads: that is how blocks talk;
   - atomics among each other. Against plain accesses they are held, but for what correct kernels do without a fence: a
     plain store by a block that has made an atomic before (the last block clears the ticket), and a plain load with an
     atomic behind it in the code (the first guess of a loop around atomicCAS).
   Blocks are ordered only by a fence and an atomic (or volatile) access on both sides; what may be so ordered is not
   accused. */
#include "handlers.h"
#include "race.h"
#include "race_row.h"
#include <stdio.h>

/* ---- order among blocks ---- */
static bool waited(const Warp *w) {
  const Launch *l = w->launch;
  return l->release_time && atomic_load_explicit(&l->acquire_time[w->block->index], memory_order_relaxed);
}
/* May what `other` did be visible to this block? */
static bool ordered(const Warp *w, u64 other) {
  const Launch *l = w->launch;
  if (!l->release_time) return false;
  u32 release = atomic_load_explicit(&l->release_time[other], memory_order_relaxed);
  return release && release <= atomic_load_explicit(&l->acquire_time[w->block->index], memory_order_relaxed);
}
void note_fence(Warp *w) { w->block->fenced = w->block->order.fenced[w->index] = true; }
/* A release is noted before its store, an acquire behind its load: who saw the store has the later time. */
void note_sync(Warp *w, bool acquire, bool release) {
  Launch *l = w->launch;
  if (!l->release_time) return;
  u32 now = atomic_fetch_add(&l->clock, 1) + 1;
  if ((release || w->block->fenced) && !atomic_load(&l->release_time[w->block->index]))
    atomic_store(&l->release_time[w->block->index], now);
  if (acquire) atomic_store(&l->acquire_time[w->block->index], now);
}

/* ---- one byte ---- */
static u64 block_of(u32 tag) { return (tag >> RACE_BLOCK) - 1; }
static bool by_others(const Warp *w, u32 tag) {
  return tag && (block_of(tag) != w->block->index || tag & RACE_SEVERAL);
}
/* Of several blocks one is known; where that is this one, the others are taken to be ordered if it ever waited. */
static bool before_me(const Warp *w, u32 tag) {
  return block_of(tag) != w->block->index ? ordered(w, block_of(tag)) : waited(w);
}

typedef struct {
  Warp *w;
  const Insn *i;
  const MemOp *m;
  u32 lane;
  bool races, nc; /* which rules are on */
  bool atomic;
} Access;

static bool accuse(const Access *a, u64 address, u32 tag, const char *what, const char *with) {
  char who[32] = "another block";
  if (block_of(tag) != a->w->block->index) (void)snprintf(who, sizeof who, "block %u", (u32)block_of(tag));
  (void)fault_at(a->w, a->i, FAULT_GLOBAL_RACE, a->lane, true, address,
                 "%s races with %s by %s: nothing orders the two blocks", what, with, who);
  return false;
}
static bool accuse_nc(const Access *a, u64 address, const char *what) {
  (void)fault_at(a->w, a->i, FAULT_NC, a->lane, true, address, "%s", what);
  return false;
}

static void join_reader(u32 *reader, u32 mine, u32 flags) {
  const u32 other = *reader >> RACE_BLOCK == mine >> RACE_BLOCK ? 0 : (u32)RACE_SEVERAL;
  *reader = (*reader ? *reader | other : mine) | flags;
}

static bool load_byte(const Access *a, u32 *writer, u32 *reader, u64 address) {
  Warp *w = a->w;
  const u32 mine = ((u32)w->block->index + 1) << RACE_BLOCK, flags = race_load_flags(w, a->i, a->m);
  if (*reader & RACE_ATOMIC) {
    if (a->m->nc && a->nc)
      return accuse_nc(a, address,
                       "a non-coherent load (.nc, __ldg) of data that an atomic of this launch has changed");
    if (a->races && !a->m->volatile_ && flags & RACE_FINAL && by_others(w, *reader) && !before_me(w, *reader))
      return accuse(a, address, *reader, "a load", "an atomic");
  }
  if (*writer) {
    if (a->m->nc && a->nc)
      return accuse_nc(a, address, "a non-coherent load (.nc, __ldg) of data that this launch has written");
    if (!a->races || a->m->volatile_) return true;
    bool first = block_of(*writer) == w->block->index;
    bool own = first || (*writer & RACE_SEVERAL && race_has_written(w->launch->races, address, w->block->index));
    if (own && !(*writer & RACE_VOLATILE)) return true;
    if (!own && !before_me(w, *writer)) return accuse(a, address, *writer, "a load", "a store");
  }
  if (!a->races || a->m->volatile_) return true;
  join_reader(reader, mine, flags);
  return true;
}

static bool atomic_byte(const Access *a, u32 *writer, u32 *reader, u64 address) {
  const Warp *w = a->w;
  const u32 mine = ((u32)w->block->index + 1) << RACE_BLOCK;
  if (*reader & RACE_NC && a->nc && by_others(w, *reader))
    return accuse_nc(a, address, "an atomic on data that another block has loaded non-coherently (.nc, __ldg)");
  if (a->races && by_others(w, *writer) && !(*writer & (RACE_VOLATILE | RACE_SYNCED)) && !before_me(w, *writer))
    return accuse(a, address, *writer, "an atomic", "a store");
  if (a->races && by_others(w, *reader) && *reader & RACE_FINAL && !before_me(w, *reader))
    return accuse(a, address, *reader, "an atomic", "a load");
  join_reader(reader, mine, RACE_ATOMIC);
  return true;
}

/* `differs`: the byte changes; `varies`: some byte that this access stores in the word does. */
static bool store_byte(const Access *a, u32 *writer, const u32 *reader, u64 address, bool differs, bool varies) {
  Warp *w = a->w;
  const u32 mine = ((u32)w->block->index + 1) << RACE_BLOCK, old = *writer;
  if (a->races) {
    bool both_volatile = a->m->volatile_ && old & RACE_VOLATILE;
    if (by_others(w, old) && !both_volatile && (differs || old & RACE_VARIED) && !before_me(w, old))
      return accuse(a, address, old, "a store", "a store");
    const bool atomics = *reader && !(*reader & RACE_PLAIN), excused = atomics && (a->m->volatile_ || waited(w));
    if (by_others(w, *reader) && !excused && !before_me(w, *reader))
      return atomics ? accuse(a, address, *reader, "a store", "an atomic")
             : *reader & RACE_NC && a->nc
                 ? accuse_nc(a, address, "a store to data that another block has loaded non-coherently (.nc, __ldg)")
                 : accuse(a, address, *reader, "a store", "a load");
  }
  u32 flags = old & (RACE_SEVERAL | RACE_VARIED);
  if (old && varies) flags |= RACE_VARIED;
  if (a->m->volatile_ && (!old || old & RACE_VOLATILE)) flags |= RACE_VOLATILE;
  if ((!old || old & RACE_SYNCED) && race_synced(w)) flags |= RACE_SYNCED;
  if (by_others(w, old)) {
    if (!(old & RACE_SEVERAL)) race_wrote(w->launch->races, address, block_of(old));
    race_wrote(w->launch->races, address, w->block->index);
    flags |= RACE_SEVERAL;
  }
  *writer = mine | flags;
  return true;
}

/* ---- one word ---- */
static void unpack(u32 cell, u32 *tag) {
  for (u32 k = 0; k < 4; k++) tag[k] = cell >> k & 1u ? cell & ~(u32)RACE_BYTES : 0;
}
/* One tag for all bytes that have any; false: they differ. */
static bool pack(const u32 *tag, u32 *cell) {
  *cell = 0;
  for (u32 k = 0; k < 4; k++) {
    if (!tag[k]) continue;
    if (*cell && (*cell & ~(u32)RACE_BYTES) != tag[k]) return false;
    *cell |= tag[k] | 1u << k;
  }
  return true;
}
static bool check_byte(const Access *a, u32 *writer, u32 *reader, u64 address, const u8 *value, u8 now, bool varies) {
  if (a->atomic) return atomic_byte(a, writer, reader, address);
  return value ? store_byte(a, writer, reader, address, *value != now, varies) : load_byte(a, writer, reader, address);
}
static bool check_word(const Access *a, u32 *writer, u32 *reader, u32 mask, u64 word, const u8 *value) {
  RaceTable *table = a->w->launch->races;
  bool spilled = *writer && !(*writer & RACE_BYTES), ok = true;
  RaceBytes here, *bytes = spilled ? race_bytes(table, *writer) : &here;
  if (!spilled) unpack(*writer, here.writer), unpack(*reader, here.reader);
  const u8 *now = (const u8 *)(uintptr_t)word;
  bool varies = false;
  for (u32 k = 0; k < 4 && value; k++) varies |= mask >> k & 1u && value[k] != now[k];
  for (u32 k = 0; k < 4 && ok; k++)
    if (mask >> k & 1u)
      ok = check_byte(a, &bytes->writer[k], &bytes->reader[k], word + k, value ? value + k : NULL, now[k], varies);
  u32 wr, rd;
  if (!ok || spilled) return ok;
  if (pack(here.writer, &wr) && pack(here.reader, &rd))
    *writer = wr, *reader = rd;
  else if ((bytes = race_spill(table, writer, reader)))
    *bytes = here;
  else
    atomic_fetch_or(&a->w->launch->race_gaps, RACE_GAP_MEMORY);
  return true;
}

/* ---- one lane ---- */
static bool check_cells(Warp *w, const Insn *i, const MemOp *m, Alloc *al, u32 lane, u64 address, u32 bytes,
                        const u8 *value, bool atomic) {
  Launch *l = w->launch;
  u32 *cells = race_cells(l, al);
  if (!cells) return true;
  const Access a = {w, i, m, lane, l->checks & CHECK_GLOBAL_RACE && l->blocks > 1, (l->checks & CHECK_NC) != 0, atomic};
  u64 at = address - al->base;
  for (u64 x = at & ~3ull; x < at + bytes; x += 4) {
    u32 from = x < at ? (u32)(at - x) : 0, to = x + 4 > at + bytes ? (u32)(at + bytes - x) : 4;
    u32 mask = ((1u << to) - 1) & ~((1u << from) - 1);
    u8 word[4];
    if (value) memcpy(word + from, value + (x + from - at), to - from);
    if (!check_word(&a, cells + x / 4, cells + race_words(al) + x / 4, mask, al->base + x, value ? word : NULL))
      return false;
  }
  return true;
}

bool check_global_lane(Warp *w, const Insn *i, const MemOp *m, Alloc *al, u32 lane, u64 address, u32 bytes,
                       const void *value) {
  Launch *l = w->launch;
  if (!m->store && l->checks & CHECK_INIT_GLOBAL && !mem_is_init(al, address, bytes)) {
    (void)fault_at(w, i, FAULT_UNINITIALIZED, lane, true, address, "a load of global memory that nobody has written");
    return false;
  }
  if (m->volatile_ && m->store) note_sync(w, false, m->release);
  RaceHold hold = l->alone ? RACE_NOTHING_HELD : race_hold(address, bytes);
  bool ok = !l->races || check_cells(w, i, m, al, lane, address, bytes, value, false);
  if (ok && value) {
    memcpy((void *)(uintptr_t)address, value, bytes);
    mem_mark_init(al, address, bytes);
  }
  race_release(hold);
  return ok;
}

bool check_global_atomic(Warp *w, const Insn *i, const MemOp *m, u32 lane, u64 address, u32 bytes) {
  Alloc *al = w->launch->races ? mem_find(address) : NULL;
  if (!al) return true;
  RaceHold hold = w->launch->alone ? RACE_NOTHING_HELD : race_hold(address, bytes);
  bool ok = check_cells(w, i, m, al, lane, address, bytes, NULL, true);
  race_release(hold);
  return ok;
}

static void lane_value(const Warp *w, const MemOp *m, u32 lane, u8 *value) {
  for (u32 k = 0; k < m->count; k++) {
    u64 v = m->wide[k] ? REG(const u64, m->reg[k])[lane] : REG(const u32, m->reg[k])[lane];
    memcpy(value + k * m->size, &v, m->size);
  }
}

bool check_global(Warp *w, const Insn *i, const MemOp *m, const u64 *address, u32 mask, u32 bytes) {
  u64 last = 0;
  for (u32 k = mask; k; k &= k - 1) {
    u32 lane = (u32)__builtin_ctz(k);
    u8 value[32];
    if (!m->store && address[lane] == last) continue; /* loads of one address: one stands for all */
    last = address[lane];
    if (m->store) lane_value(w, m, lane, value);
    if (!check_global_lane(w, i, m, mem_find(address[lane]), lane, address[lane], bytes, m->store ? value : NULL))
      return false;
  }
  return true;
}
