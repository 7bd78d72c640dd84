/* sync.c: barriers, and what the lanes of a warp exchange. An instruction with a member mask waits (is parked) until
   all named lanes that have not exited are here. */
#include "bits.h"
#include "handlers.h"

static const Insn *gone(Warp *w, const Insn *i, u32 missing, const char *what) {
  (void)missing;
  return fault_at(w, i, FAULT_LANE, (u32)__builtin_ctz(w->mask), false, 0,
                  "%s names lanes that never arrive (mask 0x%08x, lanes here 0x%08x)", what, missing | w->mask,
                  w->mask);
}
/* Gathers the lanes that the running ones name. False: the group waits, or has faulted; *next is what the handler
 * returns. */
static bool gather(Warp *w, const Insn *i, u32 *named, const Insn **next) {
  const u32 *masks = REG(const u32, i->e);
  warp_absorb(w, i);
  u32 all = 0, self = 0;
  for (u32 m = w->mask; m; m &= m - 1) {
    u32 l = (u32)__builtin_ctz(m);
    all |= masks[l];
    if (!(masks[l] >> l & 1u)) self |= 1u << l;
  }
  *named = all;
  if (self && w->launch->checks & CHECK_LANES) {
    u32 lane = (u32)__builtin_ctz(self);
    *next =
        fault_at(w, i, FAULT_LANE, lane, false, 0, "%s: the member mask 0x%08x does not name the lane that executes it",
                 w->frame->fn->info[i->info].opcode, masks[lane]);
    return false;
  }
  u32 missing = all & w->live & ~w->mask;
  if (!missing) return true;
  if (w->final) {
    *next = gone(w, i, missing, w->frame->fn->info[i->info].opcode);
    return false;
  }
  *next = warp_park(w, i);
  return false;
}

const Insn *op_bar_warp(Warp *w, const Insn *i) {
  const Insn *next;
  u32 named;
  if (!gather(w, i, &named, &next)) return next;
  w->sync_time = ++w->block->now;
  return i + 1;
}

const Insn *op_shfl(Warp *w, const Insn *i) {
  const Insn *next;
  u32 named;
  if (!gather(w, i, &named, &next)) return next;
  const u32 *a = REG(const u32, i->a), *b = REG(const u32, i->b), *c = REG(const u32, i->c);
  u32 *d = REG(u32, i->d), *p = i->x.imm >= 0 ? REG(u32, (u32)i->x.imm) : NULL, value[LANES], from[LANES], in_range = 0;
  for (u32 l = 0; l < LANES; l++) {
    u32 lane = b[l] & 31u, clamp = c[l] & 31u, segment = c[l] >> 8 & 31u, max = (l & segment) | (clamp & ~segment),
        min = l & segment;
    i32 j;
    bool ok;
    switch (i->aux) {
    case SHFL_UP:
      j = (i32)l - (i32)lane, ok = j >= (i32)max;
      break;
    case SHFL_DOWN:
      j = (i32)(l + lane), ok = j <= (i32)max;
      break;
    case SHFL_BFLY:
      j = (i32)(l ^ lane), ok = j <= (i32)max;
      break;
    default:
      j = (i32)(min | (lane & ~segment)), ok = j <= (i32)max;
      break;
    }
    from[l] = ok ? (u32)j & 31u : l;
    value[l] = a[from[l]];
    in_range |= (u32)ok << l;
  }
  u32 absent = 0;
  for (u32 l = 0; l < LANES; l++) absent |= (~w->mask >> from[l] & 1u) << l;
  absent &= w->mask;
  if (UNLIKELY(absent) && w->launch->checks & CHECK_LANES) {
    u32 lane = (u32)__builtin_ctz(absent);
    return fault_at(w, i, FAULT_LANE, lane, false, 0, "the shuffle reads lane %u, which does not take part",
                    from[lane]);
  }
  const u32 mask = w->mask;
  for (u32 l = 0; l < LANES; l++) d[l] = mask >> l & 1u ? value[l] : d[l];
  if (p)
    for (u32 l = 0; l < LANES; l++) p[l] = mask >> l & 1u ? in_range >> l & 1u : p[l];
  return i + 1;
}

const Insn *op_vote(Warp *w, const Insn *i) {
  const Insn *next;
  u32 named;
  if (!gather(w, i, &named, &next)) return next;
  const u32 *a = REG(const u32, i->a), *masks = REG(const u32, i->e);
  u32 *d = REG(u32, i->d), yes = 0;
  for (u32 l = 0; l < LANES; l++) yes |= (a[l] & 1u) << l;
  yes &= w->mask;
  for (u32 m = w->mask; m; m &= m - 1) {
    u32 l = (u32)__builtin_ctz(m), here = masks[l] & w->mask, votes = yes & here;
    d[l] = i->aux == VOTE_ALL   ? votes == here
           : i->aux == VOTE_ANY ? votes != 0
           : i->aux == VOTE_UNI ? votes == here || votes == 0
                                : votes;
  }
  return i + 1;
}

const Insn *op_match(Warp *w, const Insn *i) {
  const Insn *next;
  u32 named;
  if (!gather(w, i, &named, &next)) return next;
  bool all = i->aux & 1, wide = i->aux & 2;
  const u32 *masks = REG(const u32, i->e);
  u32 *d = REG(u32, i->d), *p = i->x.imm >= 0 ? REG(u32, (u32)i->x.imm) : NULL, result[LANES] = {0};
  for (u32 m = w->mask; m; m &= m - 1) {
    u32 l = (u32)__builtin_ctz(m), here = masks[l] & w->mask;
    for (u32 o = here; o; o &= o - 1) {
      u32 k = (u32)__builtin_ctz(o);
      bool same = wide ? REG(const u64, i->a)[k] == REG(const u64, i->a)[l]
                       : REG(const u32, i->a)[k] == REG(const u32, i->a)[l];
      result[l] |= (u32)same << k;
    }
    if (all && result[l] != here) result[l] = 0;
  }
  for (u32 m = w->mask; m; m &= m - 1) {
    u32 l = (u32)__builtin_ctz(m);
    d[l] = result[l];
    if (p) p[l] = result[l] != 0;
  }
  return i + 1;
}

static u32 combine(u32 op, u32 x, u32 y) {
  switch (op) {
  case REDUX_ADD:
    return x + y;
  case REDUX_MIN_S:
    return (i32)x < (i32)y ? x : y;
  case REDUX_MAX_S:
    return (i32)x > (i32)y ? x : y;
  case REDUX_MIN_U:
    return x < y ? x : y;
  case REDUX_MAX_U:
    return x > y ? x : y;
  case REDUX_AND:
    return x & y;
  case REDUX_OR:
    return x | y;
  case REDUX_XOR:
    return x ^ y;
  case REDUX_MIN_F:
    return min32(x, y);
  case REDUX_MAX_F:
    return max32(x, y);
  case REDUX_MIN_F_NAN:
    return min_nan32(x, y);
  default:
    return max_nan32(x, y);
  }
}
const Insn *op_redux(Warp *w, const Insn *i) {
  const Insn *next;
  u32 named;
  if (!gather(w, i, &named, &next)) return next;
  const u32 *a = REG(const u32, i->a), *masks = REG(const u32, i->e);
  u32 *d = REG(u32, i->d), op = i->aux & 15u, value[LANES], done = 0;
  for (u32 l = 0; l < LANES; l++) value[l] = i->aux & REDUX_ABS ? a[l] & 0x7fffffffu : a[l];
  for (u32 m = w->mask; m; m &= m - 1) {
    u32 l = (u32)__builtin_ctz(m), here = masks[l] & w->mask, r;
    if (done >> l & 1u) continue;
    u32 o = here;
    r = value[__builtin_ctz(o)];
    if (op >= REDUX_MIN_F) r = combine(op, r, r);
    for (o &= o - 1; o; o &= o - 1) r = combine(op, r, value[__builtin_ctz(o)]);
    for (u32 t = w->mask; t; t &= t - 1) {
      u32 k = (u32)__builtin_ctz(t);
      if (masks[k] == masks[l]) d[k] = r, done |= 1u << k;
    }
  }
  return i + 1;
}
const Insn *op_elect(Warp *w, const Insn *i) {
  const Insn *next;
  u32 named;
  if (!gather(w, i, &named, &next)) return next;
  const u32 *masks = REG(const u32, i->e);
  u32 *d = REG(u32, i->d), *p = REG(u32, (u32)i->x.imm);
  for (u32 m = w->mask; m; m &= m - 1) {
    u32 l = (u32)__builtin_ctz(m), leader = (u32)__builtin_ctz(masks[l] & w->mask);
    d[l] = leader, p[l] = l == leader;
  }
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
      w->bar_time = w->sync_time = b->now;
      w->work = 0;
      o->work = 0;
    }
  }
  b->exit_work = 0;
  *x = (Barrier){.generation = x->generation + 1};
}
