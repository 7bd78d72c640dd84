/* special.c: special registers and address spaces. */
#include "handlers.h"
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

static u64 sreg_value(const Warp *w, u32 sreg, u32 lane) {
  const Block *b = w->block;
  const Launch *l = w->launch;
  u64 time = b->warp_insns + 1; /* a clock that is the same on every run */
  if (sreg < SREG_NTID) return w->tid[sreg][lane];
  if (sreg < SREG_CTAID) return l->block[sreg - SREG_NTID];
  if (sreg < SREG_NCTAID) return b->id[sreg - SREG_CTAID];
  if (sreg < SREG_LANEID) return l->grid[sreg - SREG_NCTAID];
  switch (sreg) {
  case SREG_LANEID:
    return lane;
  case SREG_WARPID:
    return w->index;
  case SREG_NWARPID:
    return b->warp_count;
  case SREG_NSMID:
    return 1;
  case SREG_GRIDID:
    return 1;
  case SREG_MASK_EQ:
    return 1u << lane;
  case SREG_MASK_LT:
    return (1u << lane) - 1u;
  case SREG_MASK_LE:
    return (2u << lane) - 1u;
  case SREG_MASK_GT:
    return ~((2u << lane) - 1u);
  case SREG_MASK_GE:
    return ~((1u << lane) - 1u);
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
  case SREG_ONE:
    return 1;
  default:
    return 0;
  }
}
const Insn *op_sreg(Warp *w, const Insn *i) {
  for (u32 m = w->mask; m; m &= m - 1) {
    u32 lane = (u32)__builtin_ctz(m);
    u64 v = sreg_value(w, i->aux, lane);
    if (sreg_is_wide(i->aux))
      REG(u64, i->d)[lane] = v;
    else
      REG(u32, i->d)[lane] = (u32)v;
  }
  return i + 1;
}
const Insn *op_local_address(Warp *w, const Insn *i) {
  u64 *d = REG(u64, i->d), v = (u64)w->frame->local_base + (u64)i->x.imm;
  for (u32 m = w->mask; m; m &= m - 1) d[__builtin_ctz(m)] = v;
  return i + 1;
}
/* Dynamic shared memory begins behind the static one of the launched entry. */
const Insn *op_dynamic_shared(Warp *w, const Insn *i) {
  u64 v = w->launch->shared_bytes - w->launch->dynamic_shared + (u64)i->x.imm;
  for (u32 m = w->mask; m; m &= m - 1) {
    u32 lane = (u32)__builtin_ctz(m);
    if (i->aux)
      REG(u64, i->d)[lane] = v;
    else
      REG(u32, i->d)[lane] = (u32)v;
  }
  return i + 1;
}
const Insn *op_cvta(Warp *w, const Insn *i) {
  const u64 *a = REG(const u64, i->a);
  u64 *d = REG(u64, i->d);
  for (u32 l = 0; l < LANES; l++) d[l] = w->mask >> l & 1u ? a[l] + (u64)i->x.imm : d[l];
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
