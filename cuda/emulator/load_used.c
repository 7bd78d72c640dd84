/* load_used.c: a load behind `.pragma "used_bytes_mask N"`: the compiler has widened it and says which bytes it needs.
   Only those must have been written and only those can race; all must be aligned and in bounds. */
#include "move.h"

/* i->e: one bit a byte of the access. */
const Insn *op_load_used(Warp *w, const Insn *i) {
  const MemOp *m = i->x.mem;
  const u32 bytes = (u32)m->size * m->count;
  u64 at[LANES] = {0};
  for (u32 k = w->mask; k; k &= k - 1) at[__builtin_ctz(k)] = lane_address(w, m, (u32)__builtin_ctz(k));
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
    load_lane(w, m, lane, value);
  }
  return i + 1;
}
