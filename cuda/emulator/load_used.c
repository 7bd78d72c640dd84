/* load_used.c: a load behind `.pragma "used_bytes_mask N"`: the compiler has widened it and says which bytes it needs.
   Only those must have been written and only those can race; all must be aligned and in bounds. */
#include "handlers.h"

static u64 register_address(const Warp *w, const MemOp *m, u32 lane) {
  if (m->address == ~0u) return (u64)m->offset;
  const u64 base = m->narrow_address ? REG(const u32, m->address)[lane] : REG(const u64, m->address)[lane];
  return m->space == SPACE_SHARED ? (u32)(base + (u64)m->offset) : base + (u64)m->offset;
}
static void set_element(Warp *w, const MemOp *m, u32 k, u32 lane, const u8 *p) {
  u64 v = 0;
  if (m->reg[k] == ~0u) return;
  memcpy(&v, p, m->size);
  const u32 unused = 64 - 8u * m->size;
  if (m->sign) v = (u64)((i64)(v << unused) >> unused);
  if (m->wide[k])
    REG(u64, m->reg[k])[lane] = v;
  else
    REG(u32, m->reg[k])[lane] = (u32)v;
}

/* i->e: one bit a byte of the access. */
const Insn *op_load_used(Warp *w, const Insn *i) {
  const MemOp *m = i->x.mem;
  const u32 bytes = (u32)m->size * m->count;
  u64 at[LANES] = {0};
  for (u32 k = w->mask; k; k &= k - 1) at[__builtin_ctz(k)] = register_address(w, m, (u32)__builtin_ctz(k));
  if (w->block->counters_on && m->space == SPACE_SHARED) count_shared(w, i, m, at, w->mask, bytes);
  if (w->block->counters_on && m->space == SPACE_GLOBAL) count_global(w, i, m, at, w->mask, bytes);
  for (u32 k = w->mask; k; k &= k - 1) {
    const u32 lane = (u32)__builtin_ctz(k);
    u8 value[32] = {0};
    const bool misaligned = (at[lane] & (bytes - 1)) != 0;
    if (misaligned && !lane_memory(w, i, lane, m->space, at[lane], bytes, false, false, NULL)) return i;
    for (u32 b = 0; b < bytes; b++) {
      if (!(i->e >> b & 1u)) continue;
      const u8 *p = lane_memory(w, i, lane, m->space, at[lane] + b, 1, false, false, NULL);
      if (!p) return i;
      value[b] = *p;
    }
    for (u32 e = 0; e < m->count; e++) set_element(w, m, e, lane, value + e * m->size);
  }
  return i + 1;
}
