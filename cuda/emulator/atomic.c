/* atomic.c: read-modify-write, lane after lane in lane order, and fences. */
#include "bits.h"
#include "handlers.h"
#include "move.h"
#include "race.h"

static u32 pair16(u32 x, u32 y, u32 (*f)(u32, u32)) { return f(x & 0xffffu, y & 0xffffu) | f(x >> 16, y >> 16) << 16; }
static u32 add_f16(u32 x, u32 y) { return to_f16(from_f16(x) + from_f16(y)); }
static u32 add_bf16(u32 x, u32 y) { return to_bf16(from_bf16(x) + from_bf16(y)); }
static u32 min_f16(u32 x, u32 y) { return half_f16(min32(f32_bits(from_f16(x)), f32_bits(from_f16(y)))); }
static u32 max_f16(u32 x, u32 y) { return half_f16(max32(f32_bits(from_f16(x)), f32_bits(from_f16(y)))); }
static u32 min_bf16(u32 x, u32 y) { return half_bf16(min32(f32_bits(from_bf16(x)), f32_bits(from_bf16(y)))); }
static u32 max_bf16(u32 x, u32 y) { return half_bf16(max32(f32_bits(from_bf16(x)), f32_bits(from_bf16(y)))); }

/* PTX ISA, atom and red: .add.f32 without .noftz flushes subnormal operands and results to a zero of their sign in
   global memory, and keeps them in shared memory. */
static bool add_value(Type t, u64 x, u64 y, bool flush, u64 *r) {
  switch (t) {
  case T_f32:
    *r = flush ? flush32(canon32(as_f32(flush32((u32)x)) + as_f32(flush32((u32)y))))
               : canon32(as_f32((u32)x) + as_f32((u32)y));
    break;
  case T_f64:
    *r = canon64(as_f64(x) + as_f64(y));
    break;
  case T_f16:
    *r = add_f16((u32)x, (u32)y);
    break;
  case T_bf16:
    *r = add_bf16((u32)x, (u32)y);
    break;
  case T_f16x2:
    *r = pair16((u32)x, (u32)y, add_f16);
    break;
  case T_bf16x2:
    *r = pair16((u32)x, (u32)y, add_bf16);
    break;
  default:
    *r = x + y;
    break;
  }
  return true;
}
static u64 order_value(Type t, u64 x, u64 y, bool max) {
  switch (t) {
  case T_s32:
    return ((i32)(u32)x < (i32)(u32)y) != max ? x : y;
  case T_s64:
    return ((i64)x < (i64)y) != max ? x : y;
  case T_f16:
    return max ? max_f16((u32)x, (u32)y) : min_f16((u32)x, (u32)y);
  case T_bf16:
    return max ? max_bf16((u32)x, (u32)y) : min_bf16((u32)x, (u32)y);
  case T_f16x2:
    return pair16((u32)x, (u32)y, max ? max_f16 : min_f16);
  case T_bf16x2:
    return pair16((u32)x, (u32)y, max ? max_bf16 : min_bf16);
  default:
    return (x < y) != max ? x : y;
  }
}
static u64 updated(const AtomicRegs *a, bool flush, u64 old, u64 v, u64 compare) {
  u64 r = old;
  switch (a->op) {
  case ATOM_ADD:
    (void)add_value(a->mem.type, old, v, flush, &r);
    return r;
  case ATOM_MIN:
    return order_value(a->mem.type, old, v, false);
  case ATOM_MAX:
    return order_value(a->mem.type, old, v, true);
  case ATOM_INC:
    return old >= v ? 0 : old + 1;
  case ATOM_DEC:
    return old == 0 || old > v ? v : old - 1;
  case ATOM_AND:
    return old & v;
  case ATOM_OR:
    return old | v;
  case ATOM_XOR:
    return old ^ v;
  case ATOM_EXCH:
    return v;
  default:
    return old == compare ? v : old;
  }
}

/* Blocks run on several host threads: global memory is exchanged by compare-and-swap. */
static u64 exchange(const AtomicRegs *a, bool flush, u8 *p, u64 v, u64 compare) {
  if (a->mem.size == 4) {
    u32 *x = (u32 *)(void *)p, old = __atomic_load_n(x, __ATOMIC_SEQ_CST);
    while (!__atomic_compare_exchange_n(x, &old, (u32)updated(a, flush, old, v, compare), false, __ATOMIC_SEQ_CST,
                                        __ATOMIC_SEQ_CST)) {
    }
    return old;
  }
  if (a->mem.size == 2) {
    u16 *x = (u16 *)(void *)p, old = __atomic_load_n(x, __ATOMIC_SEQ_CST);
    while (!__atomic_compare_exchange_n(x, &old, (u16)updated(a, flush, old, v, compare), false, __ATOMIC_SEQ_CST,
                                        __ATOMIC_SEQ_CST)) {
    }
    return old;
  }
  u64 *x = (u64 *)(void *)p, old = __atomic_load_n(x, __ATOMIC_SEQ_CST);
  while (!__atomic_compare_exchange_n(x, &old, updated(a, flush, old, v, compare), false, __ATOMIC_SEQ_CST,
                                      __ATOMIC_SEQ_CST)) {
  }
  return old;
}

static u64 register_value(const Warp *w, bool wide, u32 reg, u32 lane) {
  return wide ? REG(const u64, reg)[lane] : REG(const u32, reg)[lane];
}

const Insn *op_atomic(Warp *w, const Insn *i) {
  const AtomicRegs *a = i->x.extra;
  const MemOp *m = &a->mem;
  u32 bytes = (u32)m->size * m->count;
  u64 width = m->size == 8 ? ~0ull : m->size == 4 ? 0xffffffffull : 0xffffull;
  if (m->space != SPACE_SHARED) {
    if (UNLIKELY(w->launch->schedule != NULL)) schedule_step(w->launch->schedule, w->block->index);
    note_sync(w, false, m->release);
  }
  if (w->block->counters_on) {
    u64 at[LANES] = {0};
    for (u32 k = w->mask; k; k &= k - 1) at[__builtin_ctz(k)] = lane_address(w, m, (u32)__builtin_ctz(k));
    if (m->space == SPACE_SHARED)
      count_shared(w, i, m, at, w->mask, bytes);
    else
      count_global(w, i, m, at, w->mask, bytes);
  }
  order_publish(w, m->release), order_acquire(w);
  for (u32 k = w->mask; k; k &= k - 1) {
    u32 lane = (u32)__builtin_ctz(k);
    const u64 at = lane_address(w, m, lane);
    u8 *p = lane_memory(w, i, lane, m->space, at, bytes, true, true, NULL);
    const bool shared = m->space == SPACE_SHARED || (m->space == SPACE_GENERIC && at - SHARED_WINDOW < WINDOW_SIZE);
    if (!p || (!shared && !check_global_atomic(w, i, m, lane, at, bytes))) return i;
    u64 compare = a->op == ATOM_CAS ? register_value(w, m->wide[0], a->compare, lane) & width : 0;
    for (u32 e = 0; e < m->count; e++) {
      u64 old = exchange(a, !shared && !i->aux, p + e * m->size,
                         register_value(w, m->wide[e], a->source[e], lane) & width, compare);
      if (m->reg[e] == ~0u) continue;
      if (m->wide[e])
        REG(u64, m->reg[e])[lane] = old;
      else
        REG(u32, m->reg[e])[lane] = (u32)old;
    }
  }
  if (m->space != SPACE_SHARED) note_sync(w, true, false);
  return i + 1;
}

const Insn *op_fence(Warp *w, const Insn *i) {
  note_fence(w);
  return i + 1;
}
