/* machine.h: what runs: frames, groups of lanes, warps, blocks, launches. */
#ifndef EMU_MACHINE_H
#define EMU_MACHINE_H
#include "fault.h"
#include "memory.h"
#include "program.h"

typedef struct Frame {
  struct Frame *parent, *next; /* next: pool */
  const Function *fn;
  u8 *r;
  const Insn *ret; /* the call */
  u32 live, depth, local_base;
} Frame;

typedef enum { GROUP_READY, GROUP_PARKED, GROUP_BARRIER } GroupState;
typedef struct {
  Frame *frame;
  const Insn *pc;
  u32 mask, work;
  GroupState state;
  u32 barrier;
  bool retried;
} Group;

struct Warp {
  u8 *r;               /* registers of the current frame */
  u32 mask;            /* lanes that execute */
  u32 live;            /* lanes that have not exited */
  const Insn *limit;   /* the engine leaves the loop at or beyond it */
  const Insn *segment; /* first instruction since the last transfer of control */
  Frame *frame;
  Block *block;
  Launch *launch;
  u32 index, work;
  u32 bar_time, sync_time;
  i64 slice;
  Group groups[LANES];
  u32 group_count;
  bool final; /* parked groups are tried for the last time */
  u64 retried_at;
  u32 tid[3][LANES];
  u8 *local; /* LANES regions of local_size bytes */
  u8 *local_init;
  Frame *pool;
  bool done;
  AsyncCopies *async; /* cp.async: what no wait has covered; NULL: there was none */
  u64 scratch[LANES];
};

typedef struct {
  u32 waiting, expected, arrived, reduce_count;
  u32 seen[MAX_WARPS]; /* order.c: what is ordered before those who arrived */
  bool reduce_and, reduce_or;
  const Insn *pc;
  u32 generation;
  bool explicit_count;
} Barrier;

struct Block {
  Launch *launch;
  u32 id[3];
  u64 index;
  u8 *shared;
  u32 *shared_write, *shared_read;
  u8 *shared_atomic; /* the cell was last touched by an atomic */
  u32 now;
  Warp *warps;
  u32 warp_count, threads;
  Barrier barriers[MAX_BARRIERS];
  u32 exit_work; /* farthest instruction that a thread executed and then exited, since the last barrier */
  u64 warp_insns, thread_insns;
  bool faulted, desperate; /* desperate: a whole round moved nothing */
  u64 releases;
  Fault fault;
  u64 *diff_warp, *diff_thread; /* counters: differences along the code */
  struct Counters *counters;
  bool counters_on;
  u64 branches, divergent, barriers_hit, *guarded_off;
  bool fenced;
  struct {
    u32 before[MAX_WARPS][MAX_WARPS], published[MAX_WARPS], all;
    bool fenced[MAX_WARPS]; /* a fence, and no atomic since */
    bool partial;           /* not only barriers of the whole block order warps */
  } order;
};

struct Launch {
  const Function *fn;
  u32 grid[3], block[3], dynamic_shared, shared_bytes;
  const u8 *params;
  u32 checks, sm;
  u64 max_insns;
  bool counting;
  bool watch; /* global accesses are checked or counted beyond bounds and alignment */
  u64 blocks;
  _Atomic(u64) next_block, first_fault, insns;
  pthread_mutex_t lock;
  Fault fault;
  _Atomic(u32) *release_time, *acquire_time; /* per block, for the global race check */
  _Atomic(u32) clock;
  u32 local_size;
  u32 race_epoch;
  bool alone; /* one thread runs all blocks */
  struct RaceTable *races;
  _Atomic(u32) race_gaps;    /* race.h: what could not be looked at */
  struct Schedule *schedule; /* NULL: blocks run as they come */
  struct Counters *counters;
  struct {
    u32 mode;
    u64 seed;
    i64 site;
  } approx;
};

bool launch_run(Launch *l); /* false: l->fault tells */
#endif
