/* exec_shared.c: loads and stores of shared, local and parameter memory, and guards. Compiled once for each instruction
 * set. */
#include "exec.h"
#include "lanes.h"
#include "move.h"
#include "shadow.h"

const Insn *EXEC(guarded)(Warp *w, const Insn *i) {
  u32 saved = w->mask, bits = lanes_true(REG(const u32, i->guard));
  w->mask = (i->negate ? ~bits : bits) & saved;
  if (UNLIKELY(w->block->counters_on))
    w->block->guarded_off[w->frame->fn->code_base + i->info] += (u64)__builtin_popcount(saved & ~w->mask);
  const Insn *next = w->mask ? i->inner(w, i) : i + 1;
  if (LIKELY(w->limit != NULL)) w->mask = saved;
  return next;
}

/* The rules of a whole row of shared words (shadow.h), 32 lanes side by side. False: some lane breaks one. */
static bool row_ok(Warp *w, u32 cell, u32 per_lane, bool write) {
  Block *b = w->block;
  if (UNLIKELY(b->order.partial)) return false; /* warps have times of their own: lane by lane */
  u32 *wr = b->shared_write + cell, *rd = b->shared_read + cell, bad = 0, mine = tag_of(b->now, w->index, 0);
  const u32 checks = w->launch->checks, bar = w->bar_time, sync = w->sync_time;
  const u32 races = checks & CHECK_SHARED_RACE ? ~0u : 0, inits = checks & CHECK_INIT_SHARED ? ~0u : 0;
  for (u32 k = 0; k < per_lane; k++) {
    LANE_LOOP {
      u32 at = l * per_lane + k, last_write = wr[at], last_read = rd[at];
      u32 conflict = tag_conflict(last_write, w->index, l, bar, sync);
      if (write) conflict |= tag_conflict(last_read, w->index, l, bar, sync);
      bad |= (conflict & races) | ((last_write == 0) & (u32)!write & inits);
    }
  }
  if (UNLIKELY(bad)) return false;
  for (u32 k = 0; k < per_lane; k++) {
    if (write) {
      LANE_LOOP { wr[l * per_lane + k] = mine | l; }
      LANE_LOOP { b->shared_atomic[cell + l * per_lane + k] = 0; }
    } else {
      LANE_LOOP { rd[l * per_lane + k] = tag_read(rd[l * per_lane + k], mine | l, bar); }
    }
  }
  return true;
}

static const Insn *access_shared(Warp *w, const Insn *i, bool write) {
  const MemOp *m = i->x.mem;
  Block *b = w->block;
  u64 a[LANES], row;
  u32 bytes = (u32)m->size * m->count, shift = w->launch->fn->shared_shift;
  if (UNLIKELY(w->block->counters_on)) {
    lane_addresses(w, m, a);
    count_shared(w, i, m, a, w->mask, bytes);
  }
  if (lanes_side_by_side(w, m, bytes, &row)) {
    u32 size = w->launch->shared_bytes, first = (u32)row;
    if (!(first & (bytes - 1)) && size >= bytes * LANES && first <= size - bytes * LANES &&
        (!b->shared_write || row_ok(w, first >> shift, bytes >> shift, write))) {
      if (write)
        store_row(w, m, b->shared + first);
      else
        load_row(w, m, b->shared + first);
      return i + 1;
    }
  }
  lane_addresses(w, m, a);
  for (u32 k = w->mask; k; k &= k - 1) {
    u32 l = (u32)__builtin_ctz(k);
    u8 value[32];
    if (write) store_lane(w, m, l, value);
    u8 *p = lane_memory(w, i, l, SPACE_SHARED, (u32)a[l], bytes, write, false, value);
    if (UNLIKELY(!p)) return i;
    if (write)
      memcpy(p, value, bytes);
    else
      load_lane(w, m, l, p);
  }
  return i + 1;
}
const Insn *EXEC(ld_shared)(Warp *w, const Insn *i) { return access_shared(w, i, false); }
const Insn *EXEC(st_shared)(Warp *w, const Insn *i) { return access_shared(w, i, true); }

static const Insn *access_local(Warp *w, const Insn *i, bool write) {
  const MemOp *m = i->x.mem;
  u64 a[LANES];
  u32 bytes = (u32)m->size * m->count;
  lane_addresses(w, m, a);
  for (u32 k = w->mask; k; k &= k - 1) {
    u32 l = (u32)__builtin_ctz(k);
    u8 *p = lane_memory(w, i, l, SPACE_LOCAL, a[l], bytes, write, false, NULL);
    if (UNLIKELY(!p)) return i;
    if (write)
      store_lane(w, m, l, p);
    else
      load_lane(w, m, l, p);
  }
  return i + 1;
}
const Insn *EXEC(ld_local)(Warp *w, const Insn *i) { return access_local(w, i, false); }
const Insn *EXEC(st_local)(Warp *w, const Insn *i) { return access_local(w, i, true); }

/* Parameters of the entry: mostly one fixed offset, the same for all lanes. */
const Insn *EXEC(ld_param)(Warp *w, const Insn *i) {
  const MemOp *m = i->x.mem;
  u32 bytes = (u32)m->size * m->count;
  if (m->address == ~0u && (u64)m->offset + bytes <= w->launch->fn->param_bytes) {
    const u8 *p = w->launch->params + m->offset;
    for (u32 k = 0; k < m->count; k++) {
      if (m->reg[k] == ~0u) continue;
      const u64 v = read_element(p + k * m->size, m->size, m->sign);
      u64 *wide = REG(u64, m->reg[k]);
      u32 *d = REG(u32, m->reg[k]);
      if (m->wide[k])
        LANES_SET(wide, v);
      else
        LANES_SET(d, (u32)v);
    }
    return i + 1;
  }
  u64 a[LANES];
  lane_addresses(w, m, a);
  for (u32 k = w->mask; k; k &= k - 1) {
    u32 l = (u32)__builtin_ctz(k);
    const u8 *p = lane_memory(w, i, l, SPACE_PARAM, a[l], bytes, false, false, NULL);
    if (!p) return i;
    load_lane(w, m, l, p);
  }
  return i + 1;
}
