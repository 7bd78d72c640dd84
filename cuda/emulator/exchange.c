/* exchange.c: what the lanes of a warp exchange. An instruction with a member mask waits (is parked) until all named
   lanes that have not exited are here. */
#include "bits.h"
#include "handlers.h"
#include "lanes.h"

static const Insn *gone(Warp *w, const Insn *i, u32 missing, const char *what) {
  (void)missing;
  return fault_at(w, i, FAULT_LANE, (u32)__builtin_ctz(w->mask), false, 0,
                  "%s names lanes that never arrive (mask 0x%08x, lanes here 0x%08x)", what, missing | w->mask,
                  w->mask);
}
/* Gathers the lanes that the running ones name. False: the group waits, or has faulted; *next is what the handler
 * returns. */
bool gather_lanes(Warp *w, const Insn *i, u32 *named, const Insn **next) {
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

/* Do all 32 lanes run and name all 32? Then nobody is waited for. */
static inline bool whole_warp(const Warp *w, const Insn *i) {
  if (w->mask != ALL_LANES) return false;
  const u32 *masks = REG(const u32, i->e);
  u32 common = ALL_LANES;
  for (u32 l = 0; l < LANES; l++) common &= masks[l];
  return common == ALL_LANES;
}

static inline bool same_in_all(const u32 *v) {
  u32 differ = 0;
  for (u32 l = 0; l < LANES; l++) differ |= v[l] ^ v[0];
  return !differ;
}
#define SWAP_LANES(k)                                                                                                  \
  case k:                                                                                                              \
    for (u32 l = 0; l < LANES; l++) value[l] = a[l ^ k];                                                               \
    break;
/* The shuffles of a whole warp over all 32 lanes, by the same distance in every lane. False: not one of them. */
static inline bool shuffle_whole(const Insn *i, const u32 *a, u32 distance, u32 clamp, u32 *value, u32 *in_range) {
  const u32 k = distance & 31u, last = clamp & 31u, segment = clamp >> 8 & 31u;
  *in_range = ALL_LANES;
  if (i->aux == SHFL_BFLY && last == 31 && !(segment & k)) {
    switch (k) {
      SWAP_LANES(1)
      SWAP_LANES(2)
      SWAP_LANES(4)
      SWAP_LANES(8)
      SWAP_LANES(16)
    default:
      for (u32 l = 0; l < LANES; l++) value[l] = a[l ^ k];
    }
    return true;
  }
  if (segment || last != (i->aux == SHFL_UP ? 0u : 31u)) return false;
  switch (i->aux) {
  case SHFL_DOWN:
    memcpy(value, a + k, (LANES - k) * sizeof *a);
    memcpy(value + LANES - k, a + LANES - k, k * sizeof *a);
    *in_range = ALL_LANES >> k;
    return true;
  case SHFL_UP:
    memcpy(value, a, k * sizeof *a);
    memcpy(value + k, a, (LANES - k) * sizeof *a);
    *in_range = ALL_LANES << k;
    return true;
  case SHFL_IDX:
    for (u32 l = 0; l < LANES; l++) value[l] = a[k];
    return true;
  default:
    return false;
  }
}
#undef SWAP_LANES

/* Which lane each lane reads; bit l of the result: lane l's source is in range. */
static u32 shuffle_sources(const Insn *i, const u32 *b, const u32 *c, u32 *from) {
  u32 in_range = 0;
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
    in_range |= (u32)ok << l;
  }
  return in_range;
}

const Insn *op_shfl(Warp *w, const Insn *i) {
  const u32 *a = REG(const u32, i->a), *b = REG(const u32, i->b), *c = REG(const u32, i->c);
  u32 *d = REG(u32, i->d), *p = i->x.imm >= 0 ? REG(u32, (u32)i->x.imm) : NULL, value[LANES], in_range;
  if (!(whole_warp(w, i) && same_in_all(b) && same_in_all(c) && shuffle_whole(i, a, b[0], c[0], value, &in_range))) {
    const Insn *next;
    u32 named, from[LANES], absent = 0;
    if (!gather_lanes(w, i, &named, &next)) return next;
    in_range = shuffle_sources(i, b, c, from);
    for (u32 l = 0; l < LANES; l++) {
      value[l] = a[from[l]];
      absent |= (~w->mask >> from[l] & 1u) << l;
    }
    absent &= w->mask;
    if (UNLIKELY(absent) && w->launch->checks & CHECK_LANES) {
      u32 lane = (u32)__builtin_ctz(absent);
      return fault_at(w, i, FAULT_LANE, lane, false, 0, "the shuffle reads lane %u, which does not take part",
                      from[lane]);
    }
  }
  LANES_SET(d, value[l]);
  if (p) LANES_SET(p, in_range >> l & 1u);
  return i + 1;
}

const Insn *op_vote(Warp *w, const Insn *i) {
  const Insn *next;
  u32 named;
  if (!gather_lanes(w, i, &named, &next)) return next;
  const u32 *a = REG(const u32, i->a), *masks = REG(const u32, i->e);
  u32 *d = REG(u32, i->d);
  const u32 yes = lanes_true(a) & w->mask;
  if (whole_warp(w, i)) {
    const u32 r = i->aux == VOTE_ALL   ? yes == ALL_LANES
                  : i->aux == VOTE_ANY ? yes != 0
                  : i->aux == VOTE_UNI ? yes == ALL_LANES || yes == 0
                                       : yes;
    LANES_SET(d, r);
    return i + 1;
  }
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
  if (!gather_lanes(w, i, &named, &next)) return next;
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
#define REDUCE(start, step)                                                                                            \
  do {                                                                                                                 \
    r = start;                                                                                                         \
    for (u32 l = 0; l < LANES; l++) r = step;                                                                          \
  } while (0)
/* All 32 lanes by one integer operation. False: a float one. */
static bool reduce_whole(u32 op, const u32 *v, u32 *result) {
  u32 r = v[0];
  i32 s = (i32)v[0];
  switch (op) {
  case REDUX_ADD:
    REDUCE(0, r + v[l]);
    break;
  case REDUX_MIN_S:
    for (u32 l = 0; l < LANES; l++) s = (i32)v[l] < s ? (i32)v[l] : s;
    r = (u32)s;
    break;
  case REDUX_MAX_S:
    for (u32 l = 0; l < LANES; l++) s = (i32)v[l] > s ? (i32)v[l] : s;
    r = (u32)s;
    break;
  case REDUX_MIN_U:
    REDUCE(ALL_LANES, v[l] < r ? v[l] : r);
    break;
  case REDUX_MAX_U:
    REDUCE(0, v[l] > r ? v[l] : r);
    break;
  case REDUX_AND:
    REDUCE(ALL_LANES, r & v[l]);
    break;
  case REDUX_OR:
    REDUCE(0, r | v[l]);
    break;
  case REDUX_XOR:
    REDUCE(0, r ^ v[l]);
    break;
  default:
    return false;
  }
  *result = r;
  return true;
}
#undef REDUCE
const Insn *op_redux(Warp *w, const Insn *i) {
  const u32 *all = REG(const u32, i->a);
  u32 whole, *to = REG(u32, i->d);
  if (whole_warp(w, i) && !(i->aux & REDUX_ABS) && reduce_whole(i->aux & 15u, all, &whole)) {
    LANES_SET(to, whole);
    return i + 1;
  }
  const Insn *next;
  u32 named;
  if (!gather_lanes(w, i, &named, &next)) return next;
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
  if (!gather_lanes(w, i, &named, &next)) return next;
  const u32 *masks = REG(const u32, i->e);
  u32 *d = REG(u32, i->d), *p = REG(u32, (u32)i->x.imm);
  for (u32 m = w->mask; m; m &= m - 1) {
    u32 l = (u32)__builtin_ctz(m), leader = (u32)__builtin_ctz(masks[l] & w->mask);
    d[l] = leader, p[l] = l == leader;
  }
  return i + 1;
}
