/* engine.c: warps, blocks and launches. Among the groups of lanes of a warp the deepest call runs first, then the
   lowest instruction; groups that reach the same instruction merge. A warp runs until its lanes wait at a barrier or
   have exited, or until its time slice ends; the warps of a block take turns. Blocks go to worker threads in order. */
#include "counters.h"
#include "handlers.h"
#include "race.h"
#include "shadow.h"
#include <stdlib.h>
#include <unistd.h>

enum { TIME_SLICE = 1 << 20 };
#define NO_LIMIT ((const Insn *)UINTPTR_MAX)

/* ---- groups of lanes ---- */
void warp_push(Warp *w, Frame *frame, const Insn *pc, u32 mask, GroupState state) {
  for (u32 k = 0; k < w->group_count; k++) {
    Group *g = &w->groups[k];
    if (g->frame == frame && g->pc == pc && g->state == state && state != GROUP_BARRIER) {
      g->mask |= mask;
      return;
    }
  }
  w->groups[w->group_count++] = (Group){.frame = frame, .pc = pc, .mask = mask, .work = w->work, .state = state};
}
/* The running group must stop before `pc`, where another one waits to go on. */
void warp_limit(Warp *w, const Insn *pc) {
  if (w->limit && (uintptr_t)pc < (uintptr_t)w->limit) w->limit = pc;
}
/* The running group waits at i until other lanes of the warp arrive there. */
const Insn *warp_park(Warp *w, const Insn *i) {
  account(w, i);
  warp_push(w, w->frame, i, w->mask, GROUP_PARKED);
  w->mask = 0, w->limit = NULL;
  return i;
}
/* Lanes that wait at i join the running group. */
void warp_absorb(Warp *w, const Insn *i) {
  for (u32 k = 0; k < w->group_count; k++) {
    Group *g = &w->groups[k];
    if (g->frame != w->frame || g->pc != i || g->state == GROUP_BARRIER) continue;
    if (!g->mask) continue;
    account(w, i); /* what the running lanes did alone */
    w->segment = i;
    w->mask |= g->mask;
    *g = w->groups[--w->group_count];
    k--;
  }
}

void account(Warp *w, const Insn *end) {
  i64 n = end - w->segment;
  if (n <= 0) return;
  u32 lanes = (u32)__builtin_popcount(w->mask);
  w->slice -= n;
  w->block->warp_insns += (u64)n;
  w->block->thread_insns += (u64)n * lanes;
  if (!(end[-1].flags & INSN_TRIVIAL) || n > 1) w->work = (u32)(end - w->frame->fn->code);
  if (UNLIKELY(w->block->diff_warp != NULL)) {
    const Insn *code = w->frame->fn->code;
    u64 *warps = w->block->diff_warp + w->frame->fn->code_base,
        *threads = w->block->diff_thread + w->frame->fn->code_base;
    warps[w->segment - code]++, warps[end - code]--;
    threads[w->segment - code] += lanes, threads[end - code] -= lanes;
  }
  w->segment = end;
}

static bool before(const Group *a, const Group *b) {
  return a->frame->depth != b->frame->depth ? a->frame->depth > b->frame->depth : (uintptr_t)a->pc < (uintptr_t)b->pc;
}
/* Makes a ready group the running one. */
static bool pick(Warp *w, bool rotate) {
  u32 best = ~0u;
  for (u32 k = 0; k < w->group_count; k++) {
    Group *g = &w->groups[k];
    if (g->state != GROUP_READY) continue;
    if (best == ~0u || (rotate ? before(&w->groups[best], g) : before(g, &w->groups[best]))) best = k;
  }
  if (best == ~0u) return false;
  Group g = w->groups[best];
  w->groups[best] = w->groups[--w->group_count];
  w->frame = g.frame, w->r = g.frame->r, w->mask = g.mask, w->work = g.work;
  w->segment = g.pc;
  w->limit = NO_LIMIT;
  for (u32 k = 0; k < w->group_count; k++) {
    Group *o = &w->groups[k];
    if (o->state != GROUP_READY || o->frame != g.frame) continue;
    if (o->pc == g.pc) {
      w->mask |= o->mask;
      *o = w->groups[--w->group_count];
      k--;
    } else if ((uintptr_t)o->pc > (uintptr_t)g.pc)
      warp_limit(w, o->pc);
  }
  return true;
}
/* When nothing is ready, parked groups are tried again: the lanes they miss may have exited. Once that has changed
   nothing, and no lane waits at a barrier that others may release, they are tried for the last time (w->final), and
   fault. */
static bool retry(Warp *w) {
  bool parked = false, at_barrier = false;
  for (u32 k = 0; k < w->group_count; k++) {
    parked |= w->groups[k].state == GROUP_PARKED;
    at_barrier |= w->groups[k].state == GROUP_BARRIER;
  }
  if (!parked) return false;
  bool again = w->retried_at == w->block->warp_insns + 1;
  if (again && at_barrier && !w->block->desperate) return false;
  w->final = again, w->retried_at = w->block->warp_insns + 1;
  for (u32 k = 0; k < w->group_count; k++)
    if (w->groups[k].state == GROUP_PARKED) w->groups[k].state = GROUP_READY;
  return true;
}

/* Runs the group that pick chose until it stops. */
static void run_group(Warp *w) {
  const Insn *i = w->segment;
  while (LIKELY((uintptr_t)i < (uintptr_t)w->limit)) i = i->fn(w, i);
  if (!w->mask) return;
  account(w, i);
  warp_push(w, w->frame, i, w->mask, GROUP_READY);
  w->mask = 0;
}

/* Runs a warp until it is done, waits, faults, or its slice is over; a slice is no longer than the budget. */
static void run_warp(Warp *w) {
  const u64 spent = atomic_load_explicit(&w->launch->insns, memory_order_relaxed), most = w->launch->max_insns;
  const bool last = spent >= most || most - spent < TIME_SLICE;
  w->slice = !last ? TIME_SLICE : spent < most ? (i64)(most - spent) : 0;
  while (w->slice >= 0 && !w->block->faulted) {
    w->final = false;
    if (!pick(w, false) && !(retry(w) && pick(w, false))) break;
    run_group(w);
  }
  if (w->slice < 0 && w->group_count > 1 && !last &&
      !w->block->faulted) { /* lanes that spin give the others of the warp a turn */
    w->slice = TIME_SLICE / 16;
    if (pick(w, true)) run_group(w);
  }
  w->done = w->live == 0;
}

static bool has_ready(const Warp *w) {
  for (u32 k = 0; k < w->group_count; k++)
    if (w->groups[k].state != GROUP_BARRIER) return true;
  return false;
}

/* ---- blocks ---- */
static void block_begin(Block *b, u64 index) {
  const Launch *l = b->launch;
  b->index = index;
  b->id[0] = (u32)(index % l->grid[0]), b->id[1] = (u32)(index / l->grid[0] % l->grid[1]),
  b->id[2] = (u32)(index / l->grid[0] / l->grid[1]);
  b->now = 1, b->exit_work = 0, b->faulted = b->desperate = false;
  memset(b->barriers, 0, sizeof b->barriers);
  memset(&b->order, 0, sizeof b->order);
  if (b->shared_write) {
    size_t cells = (size_t)(l->shared_bytes >> l->fn->shared_shift) + 64;
    memset(b->shared_write, 0, cells * sizeof *b->shared_write);
    memset(b->shared_read, 0, cells * sizeof *b->shared_read);
    memset(b->shared_atomic, 0, cells);
  }
  for (u32 k = 0; k < b->warp_count; k++) {
    Warp *w = &b->warps[k];
    u32 left = b->threads - k * LANES;
    for (u32 g = 0; g < w->group_count; g++) /* left by a block that faulted */
      for (Frame *f = w->groups[g].frame; f && f->live; f = f->parent) f->live = 0, frame_free(w, f);
    w->live = left >= LANES ? ALL_LANES : (1u << left) - 1u;
    w->retried_at = 0;
    async_reset(w->async);
    w->group_count = 0, w->done = false, w->bar_time = w->sync_time = 1, w->work = 0;
    Frame *f = frame_new(w, l->fn, NULL, NULL, w->live);
    if (!f) {
      b->faulted = true;
      b->fault.kind = FAULT_STACK;
      return;
    }
    warp_push(w, f, l->fn->code, w->live, GROUP_READY);
  }
}

static void block_deadlock(Block *b) {
  for (u32 k = 0; k < b->warp_count; k++) {
    Warp *w = &b->warps[k];
    for (u32 g = 0; g < w->group_count; g++)
      if (w->groups[g].state == GROUP_BARRIER) {
        w->mask = w->groups[g].mask;
        w->frame = w->groups[g].frame;
        (void)fault_at(w, w->groups[g].pc - 1, FAULT_BARRIER, (u32)__builtin_ctz(w->mask), false, 0,
                       "the barrier waits for ever: not every thread of the block arrives");
        w->mask = 0;
        return;
      }
  }
}

/* Charges what the warp has executed to the launch's budget. A warp that has ended is where its last lanes exited. */
static void charge(Block *b, Warp *w, u64 insns) {
  Launch *l = b->launch;
  u64 total = atomic_fetch_add_explicit(&l->insns, insns, memory_order_relaxed) + insns;
  if (LIKELY(total <= l->max_insns)) return;
  const Insn *at = w->segment - 1;
  u32 lane = 0;
  if (w->group_count) w->frame = w->groups[0].frame, at = w->groups[0].pc, lane = (u32)__builtin_ctz(w->groups[0].mask);
  (void)fault_at(w, at, FAULT_TIMEOUT, lane, false, 0, "the launch has executed more than %llu warp instructions",
                 (unsigned long long)l->max_insns);
  w->mask = 0;
}

static void block_run(Block *b) {
  for (bool more = !b->faulted; more && !b->faulted;) {
    u64 insns = b->warp_insns, releases = b->releases;
    more = false;
    for (u32 k = 0; k < b->warp_count && !b->faulted; k++) {
      Warp *w = &b->warps[k];
      if (w->done || !has_ready(w)) continue;
      u64 start = b->warp_insns;
      run_warp(w);
      if (!b->faulted) charge(b, w, b->warp_insns - start);
    }
    for (u32 id = 0; id < MAX_BARRIERS && !b->faulted; id++) barrier_try(b, id);
    for (u32 k = 0; k < b->warp_count; k++) more |= !b->warps[k].done;
    if (b->warp_insns != insns || b->releases != releases)
      b->desperate = false;
    else if (more && !b->faulted && b->desperate)
      block_deadlock(b);
    else
      b->desperate = true;
  }
  if (UNLIKELY(b->now > TAG_TIME_MAX) && b->launch->checks & CHECK_SHARED_RACE && b->shared_write)
    atomic_fetch_or(&b->launch->race_gaps, RACE_GAP_TIMES);
}

static void block_free(Block *b) {
  if (b->warps)
    for (u32 k = 0; k < b->warp_count; k++) {
      Warp *w = &b->warps[k];
      for (u32 g = 0; g < w->group_count; g++)
        for (Frame *f = w->groups[g].frame; f && f->live; f = f->parent) f->live = 0, frame_free(w, f);
      for (Frame *f = w->pool, *next; f; f = next) {
        next = f->next;
        free(f->r), free(f);
      }
      free(w->local), free(w->local_init), async_free(w->async);
    }
  free(b->warps), free(b->shared), free(b->shared_write), free(b->shared_read), free(b->shared_atomic),
      free(b->diff_warp), free(b->diff_thread), free(b->guarded_off), free(b->counters);
}

static bool block_init(Block *b, Launch *l) {
  const Function *fn = l->fn;
  memset(b, 0, sizeof *b);
  b->launch = l;
  b->threads = l->block[0] * l->block[1] * l->block[2];
  b->warp_count = (b->threads + LANES - 1) / LANES;
  b->shared = aligned_alloc(64, ((size_t)l->shared_bytes + 127) & ~(size_t)63);
  b->warps = aligned_alloc(64, (b->warp_count * sizeof *b->warps + 63) & ~(size_t)63);
  if (!b->shared || !b->warps) return false;
  memset(b->warps, 0, b->warp_count * sizeof *b->warps);
  memset(b->shared, 0, l->shared_bytes);
  if (l->checks & (CHECK_SHARED_RACE | CHECK_INIT_SHARED)) {
    size_t cells = (size_t)(l->shared_bytes >> fn->shared_shift) + 64;
    b->shared_write = calloc(cells, sizeof *b->shared_write);
    b->shared_read = calloc(cells, sizeof *b->shared_read);
    b->shared_atomic = calloc(cells, 1);
    if (!b->shared_write || !b->shared_read || !b->shared_atomic) return false;
  }
  if (l->counting) {
    size_t total = fn->module->code_total + 1;
    b->counters_on = true;
    b->diff_warp = calloc(total, sizeof(u64));
    b->diff_thread = calloc(total, sizeof(u64));
    b->guarded_off = calloc(total, sizeof(u64));
    b->counters = calloc(1, sizeof *b->counters);
    if (!b->diff_warp || !b->diff_thread || !b->guarded_off || !b->counters) return false;
  }
  for (u32 k = 0; k < b->warp_count; k++) {
    Warp *w = &b->warps[k];
    w->block = b, w->launch = l, w->index = k;
    if (l->local_size) {
      w->local = calloc(LANES, l->local_size);
      w->local_init = l->checks & CHECK_INIT_LOCAL ? calloc(LANES, l->local_size) : NULL;
      if (!w->local || ((l->checks & CHECK_INIT_LOCAL) && !w->local_init)) return false;
    }
    for (u32 lane = 0; lane < LANES; lane++) {
      u32 t = k * LANES + lane;
      w->tid[0][lane] = t % l->block[0], w->tid[1][lane] = t / l->block[0] % l->block[1],
      w->tid[2][lane] = t / l->block[0] / l->block[1];
    }
  }
  return true;
}

static void report(Launch *l, const Block *b) {
  pthread_mutex_lock(&l->lock);
  if (l->fault.kind == FAULT_NONE || b->index < l->fault.block_index) {
    l->fault = b->fault;
    l->fault.block_index = b->index;
    atomic_store(&l->first_fault, b->index);
  }
  pthread_mutex_unlock(&l->lock);
}

/* Takes blocks in order; a block behind one that faulted need not run. */
static void *worker(void *arg) {
  Launch *l = arg;
  Block b;
  if (!block_init(&b, l)) {
    b.fault = (Fault){.kind = FAULT_INTERNAL};
    (void)strncpy(b.fault.message, "out of memory", sizeof b.fault.message - 1);
    report(l, &b);
  } else
    for (;;) {
      u64 step = l->blocks > 4096 ? 8 : 1, first = atomic_fetch_add(&l->next_block, step);
      if (first >= l->blocks) break;
      if (first > atomic_load(&l->first_fault)) {
        if (l->schedule) schedule_leave(l->schedule, first);
        break;
      }
      for (u64 k = first; k < first + step && k < l->blocks && !b.faulted; k++) {
        block_begin(&b, k);
        block_run(&b);
        if (l->schedule) schedule_leave(l->schedule, k);
      }
      if (b.faulted) {
        report(l, &b);
        break;
      }
    }
  pthread_mutex_lock(&l->lock);
  if (b.counters) counters_add(l, &b);
  pthread_mutex_unlock(&l->lock);
  block_free(&b);
  return NULL;
}

static u32 worker_count(const Launch *l) {
  if (l->schedule) return (u32)l->blocks;
  const char *env = getenv("SAMEBITS_EMU_THREADS");
  long n = env ? strtol(env, NULL, 10) : sysconf(_SC_NPROCESSORS_ONLN);
  if (l->fn->ordered_atomics || n < 1)
    return 1; /* results that depend on the order of blocks stay the same on every run */
  if (n > 64) n = 64;
  return (u64)n > l->blocks ? (u32)l->blocks : (u32)n;
}

bool launch_run(Launch *l) {
  pthread_t threads[64];
  u32 n = worker_count(l), started = 0;
  atomic_store(&l->next_block, 0), atomic_store(&l->first_fault, UINT64_MAX), atomic_store(&l->insns, 0);
  pthread_mutex_init(&l->lock, NULL);
  l->alone = n == 1;
  for (; started + 1 < n; started++)
    if (pthread_create(&threads[started], NULL, worker, l)) break;
  if (l->schedule && started + 1 < n) l->schedule->steps = ""; /* not every block can wait for its turn */
  (void)worker(l);
  for (u32 k = 0; k < started; k++) (void)pthread_join(threads[k], NULL);
  pthread_mutex_destroy(&l->lock);
  return l->fault.kind == FAULT_NONE;
}
