/* order.c: order among the warps of a block, for the check of shared memory. A barrier of the whole block orders all
   that was before it; one with a count orders those who arrive before those who wait, and what was ordered before the
   former; a fence and an atomic order a warp before each warp whose atomic follows. Times are Block.now. */
#include "handlers.h"

static void later(u32 *at, u32 time) { *at = *at < time ? time : *at; }

u32 order_before(const Warp *w, u32 other) {
  const Block *b = w->block;
  u32 time = b->order.before[w->index][other];
  return time < b->order.all ? b->order.all : time;
}

/* A warp arrives at a barrier with a count. What it does behind bar.arrive has a later time. */
void order_arrive(Warp *w, Barrier *x, bool waits) {
  Block *b = w->block;
  if (!waits || x->expected != b->warp_count * LANES) b->order.partial = true;
  for (u32 v = 0; v < b->warp_count; v++)
    if (v != w->index) later(&x->seen[v], order_before(w, v));
  x->seen[w->index] = b->now++;
}
/* A warp leaves a barrier that was released at `time`. */
void order_leave(Warp *w, const Barrier *x, u32 time) {
  Block *b = w->block;
  u32 least = time;
  w->sync_time = time + 1;
  if (!x->expected) {
    b->order.all = time, w->bar_time = time + 1;
    return;
  }
  for (u32 v = 0; v < b->warp_count; v++) {
    if (v == w->index) continue;
    later(&b->order.before[w->index][v], x->seen[v]);
    if (order_before(w, v) < least) least = order_before(w, v);
  }
  w->bar_time = least + 1;
}

void order_publish(Warp *w, bool release) {
  Block *b = w->block;
  if (!(release || b->order.fenced[w->index]) || b->warp_count == 1) return;
  b->order.fenced[w->index] = false;
  for (u32 v = 0; v < b->warp_count; v++)
    if (v != w->index) later(&b->order.published[v], order_before(w, v));
  b->order.published[w->index] = b->now++;
  b->order.partial = true;
}
void order_acquire(Warp *w) {
  Block *b = w->block;
  if (!b->order.partial) return;
  for (u32 v = 0; v < b->warp_count; v++)
    if (v != w->index) later(&b->order.before[w->index][v], b->order.published[v]);
}
