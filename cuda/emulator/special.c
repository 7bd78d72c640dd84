/* special.c: special registers and address spaces. */
#include "handlers.h"
#include "lanes.h"
#include "parse.h"

static const struct {
  const char *name;
  u32 id;
} names[] = {{"%tid.x", SREG_TID},
             {"%tid.y", SREG_TID + 1},
             {"%tid.z", SREG_TID + 2},
             {"%ntid.x", SREG_NTID},
             {"%ntid.y", SREG_NTID + 1},
             {"%ntid.z", SREG_NTID + 2},
             {"%ctaid.x", SREG_CTAID},
             {"%ctaid.y", SREG_CTAID + 1},
             {"%ctaid.z", SREG_CTAID + 2},
             {"%nctaid.x", SREG_NCTAID},
             {"%nctaid.y", SREG_NCTAID + 1},
             {"%nctaid.z", SREG_NCTAID + 2},
             {"%laneid", SREG_LANEID},
             {"%warpid", SREG_WARPID},
             {"%nwarpid", SREG_NWARPID},
             {"%smid", SREG_SMID},
             {"%nsmid", SREG_NSMID},
             {"%gridid", SREG_GRIDID},
             {"%lanemask_eq", SREG_MASK_EQ},
             {"%lanemask_lt", SREG_MASK_LT},
             {"%lanemask_le", SREG_MASK_LE},
             {"%lanemask_gt", SREG_MASK_GT},
             {"%lanemask_ge", SREG_MASK_GE},
             {"%clock", SREG_CLOCK},
             {"%clock_hi", SREG_CLOCK_HI},
             {"%clock64", SREG_CLOCK64},
             {"%globaltimer", SREG_TIMER},
             {"%globaltimer_lo", SREG_TIMER_LO},
             {"%globaltimer_hi", SREG_TIMER_HI},
             {"%dynamic_smem_size", SREG_DYNAMIC_SMEM},
             {"%total_smem_size", SREG_TOTAL_SMEM},
             {"%aggr_smem_size", SREG_TOTAL_SMEM},
             {"%cluster_ctarank", SREG_ZERO},
             {"%cluster_nctarank", SREG_ONE},
             {"%cluster_ctaid.x", SREG_ZERO},
             {"%cluster_ctaid.y", SREG_ZERO},
             {"%cluster_ctaid.z", SREG_ZERO},
             {"%cluster_nctaid.x", SREG_ONE},
             {"%cluster_nctaid.y", SREG_ONE},
             {"%cluster_nctaid.z", SREG_ONE},
             {"%clusterid.x", SREG_CTAID},
             {"%clusterid.y", SREG_CTAID + 1},
             {"%clusterid.z", SREG_CTAID + 2},
             {"%nclusterid.x", SREG_NCTAID},
             {"%nclusterid.y", SREG_NCTAID + 1},
             {"%nclusterid.z", SREG_NCTAID + 2}};

i32 sreg_from_name(const char *name) {
  for (u32 k = 0; k < sizeof names / sizeof names[0]; k++)
    if (!strcmp(name, names[k].name)) return (i32)names[k].id;
  return -1;
}
bool sreg_is_wide(u32 sreg) {
  return sreg == SREG_CLOCK64 || sreg == SREG_TIMER || sreg == SREG_GRIDID || sreg == SREG_ZERO64;
}

/* The registers that are the same for every lane of a warp. */
static u64 warp_value(const Warp *w, u32 sreg) {
  const Block *b = w->block;
  const Launch *l = w->launch;
  u64 time = b->warp_insns + 1; /* a clock that is the same on every run */
  if (sreg < SREG_CTAID) return l->block[sreg - SREG_NTID];
  if (sreg < SREG_NCTAID) return b->id[sreg - SREG_CTAID];
  if (sreg < SREG_LANEID) return l->grid[sreg - SREG_NCTAID];
  switch (sreg) {
  case SREG_WARPID:
    return w->index;
  case SREG_NWARPID:
    return b->warp_count;
  case SREG_NSMID:
  case SREG_GRIDID:
  case SREG_ONE:
    return 1;
  case SREG_CLOCK:
  case SREG_TIMER_LO:
    return (u32)time;
  case SREG_CLOCK_HI:
  case SREG_TIMER_HI:
    return time >> 32;
  case SREG_CLOCK64:
  case SREG_TIMER:
    return time;
  case SREG_DYNAMIC_SMEM:
    return l->dynamic_shared;
  case SREG_TOTAL_SMEM:
    return l->shared_bytes;
  default:
    return 0;
  }
}
const Insn *op_sreg(Warp *w, const Insn *i) {
  u32 *d = REG(u32, i->d);
  switch (i->aux) {
  case SREG_TID:
  case SREG_TID + 1:
  case SREG_TID + 2:
    LANES_SET(d, w->tid[i->aux - SREG_TID][l]);
    break;
  case SREG_LANEID:
    LANES_SET(d, l);
    break;
  case SREG_MASK_EQ:
    LANES_SET(d, 1u << l);
    break;
  case SREG_MASK_LT:
    LANES_SET(d, (1u << l) - 1u);
    break;
  case SREG_MASK_LE:
    LANES_SET(d, (2u << l) - 1u);
    break;
  case SREG_MASK_GT:
    LANES_SET(d, ~((2u << l) - 1u));
    break;
  case SREG_MASK_GE:
    LANES_SET(d, ~((1u << l) - 1u));
    break;
  default: {
    const u64 v = warp_value(w, i->aux);
    u64 *wide = REG(u64, i->d);
    if (sreg_is_wide(i->aux))
      LANES_SET(wide, v);
    else
      LANES_SET(d, (u32)v);
  }
  }
  return i + 1;
}
const Insn *op_local_address(Warp *w, const Insn *i) {
  u64 *d = REG(u64, i->d);
  const u64 v = (u64)w->frame->local_base + (u64)i->x.imm;
  LANES_SET(d, v);
  return i + 1;
}
/* Dynamic shared memory begins behind the static one of the launched entry. */
const Insn *op_dynamic_shared(Warp *w, const Insn *i) {
  const u64 v = w->launch->shared_bytes - w->launch->dynamic_shared + (u64)i->x.imm;
  u64 *wide = REG(u64, i->d);
  u32 *d = REG(u32, i->d);
  if (i->aux)
    LANES_SET(wide, v);
  else
    LANES_SET(d, (u32)v);
  return i + 1;
}
const Insn *op_cvta(Warp *w, const Insn *i) {
  const u64 *a = REG(const u64, i->a), add = (u64)i->x.imm;
  u64 *d = REG(u64, i->d);
  LANES_SET(d, a[l] + add);
  return i + 1;
}
const Insn *op_isspacep(Warp *w, const Insn *i) {
  const u64 *a = REG(const u64, i->a);
  u32 *d = REG(u32, i->d);
  u64 window = (u64)i->x.imm;
  for (u32 m = w->mask; m; m &= m - 1) {
    u32 l = (u32)__builtin_ctz(m);
    d[l] = window ? a[l] - window < WINDOW_SIZE : a[l] - SHARED_WINDOW >= CODE_WINDOW + WINDOW_SIZE - SHARED_WINDOW;
  }
  return i + 1;
}
const Insn *op_activemask(Warp *w, const Insn *i) {
  for (u32 m = w->mask; m; m &= m - 1) REG(u32, i->d)[__builtin_ctz(m)] = w->mask;
  return i + 1;
}
