/* shadow.h: who touched a cell of shared memory last, in 32 bits: time (21) | several lanes (1) | warp (5) | lane (5).
   Time is a count of the block's barriers and warp barriers, from 1; a tag of 0 is a cell that nobody touched. An
   access of another warp races with mine unless it was before my last barrier (order.c: what exactly that means where
   barriers have counts, or locks order the warps); one of my own warp unless it was before the last __syncwarp() or
   barrier. A cell has 1, 2 or 4 bytes: the smallest shared access of the kernel. */
#ifndef EMU_SHADOW_H
#define EMU_SHADOW_H
#include "num.h"

enum { TAG_TIME_SHIFT = 11, TAG_SEVERAL = 1 << 10, TAG_TIME_MAX = (1 << 21) - 2 };

/* The last time stands for all after it: who touched a cell then races with nobody after the next barrier. */
NUM u32 tag_of(u32 time, u32 warp, u32 lane) {
  return (time < TAG_TIME_MAX ? time : TAG_TIME_MAX) << TAG_TIME_SHIFT | warp << 5 | lane;
}
NUM u32 tag_conflict(u32 tag, u32 warp, u32 lane, u32 bar_time, u32 sync_time) {
  u32 time = tag >> TAG_TIME_SHIFT, same_warp = (tag >> 5 & 31u) == warp;
  u32 same_lane = (tag & 31u) == lane, several = tag >> 10 & 1u;
  u32 since = same_warp ? sync_time : bar_time;
  return (time >= since) & ((same_warp & same_lane & (several ^ 1u)) ^ 1u);
}
/* A cell that a cp.async will store and nobody has waited for: no order reaches its time. */
NUM u32 tag_pending(u32 warp, u32 lane) {
  return (u32)(TAG_TIME_MAX + 1) << TAG_TIME_SHIFT | TAG_SEVERAL | warp << 5 | lane;
}
NUM bool tag_is_pending(u32 tag) { return tag >> TAG_TIME_SHIFT == TAG_TIME_MAX + 1; }
/* A read joins the reads of this interval: of several lanes of one warp the tag says so; of several warps it keeps the
   other one, so that a later write of either is found. */
NUM u32 tag_read(u32 old, u32 mine, u32 bar_time) {
  u32 current = old >> TAG_TIME_SHIFT >= bar_time, same_warp = ((old ^ mine) >> 5 & 31u) == 0,
      same_lane = ((old ^ mine) & 31u) == 0;
  u32 joined = same_warp ? (mine | (same_lane ? old & TAG_SEVERAL : TAG_SEVERAL)) : mine | TAG_SEVERAL;
  return current ? joined : mine;
}
#endif
