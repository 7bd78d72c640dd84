/* sync.c: barriers of a warp and of a block. */
#include "handlers.h"

const Insn *op_bar_warp(Warp *w, const Insn *i) {
  const Insn *next;
  u32 named;
  if (!gather_lanes(w, i, &named, &next)) return next;
  w->sync_time = ++w->block->now;
  return i + 1;
}

/* ---- barriers of the block ---- */
const Insn *op_bar(Warp *w, const Insn *i) {
  const u32 *id = REG(const u32, i->a), *count = i->b == ~0u ? NULL : REG(const u32, i->b);
  Block *b = w->block;
  bool aligned = i->x.imm != 0;
  if (aligned) {
    warp_absorb(w, i);
    if (w->mask != w->live) {
      if (w->final && w->launch->checks & CHECK_BARRIER)
        return fault_at(w, i, FAULT_BARRIER, (u32)__builtin_ctz(w->mask), false, 0,
                        "lanes 0x%08x are at the barrier, lanes 0x%08x of the warp are elsewhere", w->mask,
                        w->live & ~w->mask);
      if (!w->final) return warp_park(w, i);
    }
  }
  u32 lane = (u32)__builtin_ctz(w->mask), which = id[lane], n = count ? count[lane] : 0;
  for (u32 m = w->mask; m; m &= m - 1) {
    u32 l = (u32)__builtin_ctz(m);
    if (id[l] != which || (count && count[l] != n))
      return fault_at(w, i, FAULT_BARRIER, l, false, 0, "lanes of a warp name different barriers or counts");
  }
  if (which >= MAX_BARRIERS || n % LANES || n > b->warp_count * LANES)
    return fault_at(w, i, which >= MAX_BARRIERS || n % LANES ? FAULT_PARAMETER : FAULT_BARRIER, lane, false, 0,
                    "barrier %u with %u threads in a block of %u", which, n, b->threads);
  Barrier *x = &b->barriers[which];
  u32 lanes = (u32)__builtin_popcount(w->mask);
  if (x->arrived == 0)
    x->expected = n, x->reduce_count = 0, x->reduce_and = true, x->reduce_or = false, x->pc = i;
  else if (x->expected != n)
    return fault_at(w, i, FAULT_BARRIER, lane, false, 0, "barrier %u is awaited with %u and with %u threads", which,
                    x->expected, n);
  x->arrived += aligned ? LANES : lanes;
  x->waiting += lanes;
  if (i->aux >= BAR_RED_POPC) {
    const u32 *c = REG(const u32, i->c);
    for (u32 m = w->mask; m; m &= m - 1) {
      u32 v = c[__builtin_ctz(m)] & 1u;
      x->reduce_count += v, x->reduce_and &= v, x->reduce_or |= v;
    }
  }
  if (n) order_arrive(w, x, i->aux != BAR_ARRIVE);
  account(w, i + 1);
  if (b->counters_on) b->barriers_hit++;
  if (i->aux == BAR_ARRIVE) {
    x->waiting -= lanes;
    w->segment = i + 1;
    barrier_try(b, which);
    return i + 1;
  }
  w->groups[w->group_count++] =
      (Group){.frame = w->frame, .pc = i + 1, .mask = w->mask, .state = GROUP_BARRIER, .barrier = which};
  w->mask = 0, w->limit = NULL;
  return i;
}

/* Releases barrier `id` when everybody it waits for has arrived: n threads, or all that have not exited. */
void barrier_try(Block *b, u32 id) {
  Barrier *x = &b->barriers[id];
  if (!x->arrived) return;
  if (x->expected) {
    if (x->arrived < x->expected) return;
  } else {
    u32 live = 0;
    for (u32 k = 0; k < b->warp_count; k++) live += (u32)__builtin_popcount(b->warps[k].live);
    if (x->waiting < live) return;
    u32 at = (u32)(x->pc - b->launch->fn->code);
    if (live < b->threads && b->launch->checks & CHECK_BARRIER && x->pc >= b->launch->fn->code &&
        at < b->launch->fn->count && b->exit_work > at + 1) {
      for (u32 k = 0; k < b->warp_count; k++)
        for (u32 g = 0; g < b->warps[k].group_count; g++)
          if (b->warps[k].groups[g].state == GROUP_BARRIER && b->warps[k].groups[g].barrier == id) {
            Warp *w = &b->warps[k];
            w->frame = w->groups[g].frame, w->mask = w->groups[g].mask;
            (void)fault_at(w, x->pc, FAULT_BARRIER, (u32)__builtin_ctz(w->mask), false, 0,
                           "%u of %u threads went past this barrier without waiting and exited", b->threads - live,
                           b->threads);
            w->mask = 0;
            return;
          }
    }
  }
  b->now++, b->releases++;
  for (u32 k = 0; k < b->warp_count; k++) {
    Warp *w = &b->warps[k];
    for (u32 g = 0; g < w->group_count; g++) {
      Group *o = &w->groups[g];
      if (o->state != GROUP_BARRIER || o->barrier != id) continue;
      const Insn *i = o->pc - 1;
      if (i->aux >= BAR_RED_POPC) {
        u32 *d = (u32 *)(void *)(o->frame->r + i->d), v = i->aux == BAR_RED_POPC  ? x->reduce_count
                                                          : i->aux == BAR_RED_AND ? x->reduce_and
                                                                                  : x->reduce_or;
        for (u32 m = o->mask; m; m &= m - 1) d[__builtin_ctz(m)] = v;
      }
      o->state = GROUP_READY;
      order_leave(w, x, b->now - 1);
      w->work = 0;
      o->work = 0;
    }
  }
  b->exit_work = 0;
  *x = (Barrier){.generation = x->generation + 1};
}
