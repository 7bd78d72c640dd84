/* handlers.h: instructions that are more than a formula, and what they share with the engine. */
#ifndef EMU_HANDLERS_H
#define EMU_HANDLERS_H
#include "emu.h"

/* control.c. Branches: x.to (x.imm until the function is complete). */
Handler op_branch, op_branch_if, op_branch_table, op_return, op_exit, op_call, op_trap, op_nop, op_refused,
    op_assertfail, op_printf;
typedef struct {
  const Function *callee; /* NULL: through register `pointer` */
  u32 pointer, count;
  u32 from[32], size[32]; /* frame offsets and sizes of the arguments */
  u32 ret_to, ret_size;
} Call;

Handler op_load_used; /* load_used.c */
/* special.c */
Handler op_sreg, op_local_address, op_dynamic_shared, op_isspacep, op_cvta, op_cvta_to, op_activemask;
enum {
  SREG_TID,
  SREG_NTID = 3,
  SREG_CTAID = 6,
  SREG_NCTAID = 9,
  SREG_LANEID = 12,
  SREG_WARPID,
  SREG_NWARPID,
  SREG_SMID,
  SREG_NSMID,
  SREG_GRIDID,
  SREG_MASK_EQ,
  SREG_MASK_LT,
  SREG_MASK_LE,
  SREG_MASK_GT,
  SREG_MASK_GE,
  SREG_CLOCK,
  SREG_CLOCK_HI,
  SREG_CLOCK64,
  SREG_TIMER,
  SREG_TIMER_LO,
  SREG_TIMER_HI,
  SREG_DYNAMIC_SMEM,
  SREG_TOTAL_SMEM,
  SREG_ZERO,
  SREG_ONE,
  SREG_ZERO64,
  SREG_COUNT
};

/* sync.c */
Handler op_bar, op_bar_warp;
/* exchange.c. gather_lanes waits for the lanes that the running ones name; false: the group waits, or has faulted, and
 * *next is what the handler returns. */
Handler op_shfl, op_vote, op_match, op_redux, op_elect;
bool gather_lanes(Warp *w, const Insn *i, u32 *named, const Insn **next);
enum { BAR_SYNC, BAR_ARRIVE, BAR_RED_POPC, BAR_RED_AND, BAR_RED_OR };
enum { SHFL_UP, SHFL_DOWN, SHFL_BFLY, SHFL_IDX };
enum { VOTE_ALL, VOTE_ANY, VOTE_UNI, VOTE_BALLOT };
enum {
  REDUX_ADD,
  REDUX_MIN_S,
  REDUX_MAX_S,
  REDUX_MIN_U,
  REDUX_MAX_U,
  REDUX_AND,
  REDUX_OR,
  REDUX_XOR,
  REDUX_MIN_F,
  REDUX_MAX_F,
  REDUX_MIN_F_NAN,
  REDUX_MAX_F_NAN,
  REDUX_ABS = 16
};

/* atomic.c */
Handler op_atomic, op_fence;
/* async_copy.c */
Handler op_cp_async, op_cp_async_wait;
enum { ASYNC_COMMIT, ASYNC_WAIT_GROUP, ASYNC_WAIT_ALL };
bool async_stores(const Block *b, u32 warp, u32 at, u32 size, const u8 *value);
void async_reset(AsyncCopies *a);
void async_free(AsyncCopies *a);
typedef enum {
  ATOM_ADD,
  ATOM_MIN,
  ATOM_MAX,
  ATOM_INC,
  ATOM_DEC,
  ATOM_AND,
  ATOM_OR,
  ATOM_XOR,
  ATOM_EXCH,
  ATOM_CAS
} AtomicOp;
typedef struct {
  MemOp mem;
  AtomicOp op;
  u32 source[MAX_VECTOR], compare;
} AtomicRegs;
typedef struct {
  MemOp to, from;
  u32 source_size; /* register: bytes read, the rest are zeros; ~0u: all. A predicate when `ignore` */
  bool ignore;
} AsyncCopy;

/* Transfers control: accounts for the straight line that ends with i, and gives way when the time slice is over. */
void account(Warp *w, const Insn *end);
static inline const Insn *transfer(Warp *w, const Insn *i, const Insn *to) {
  account(w, i + 1);
  w->segment = to;
  if (to <= i && UNLIKELY(w->slice < 0)) w->limit = NULL;
  return to;
}
/* engine.c */
void warp_push(Warp *w, Frame *frame, const Insn *pc, u32 mask, GroupState state);
void warp_limit(Warp *w, const Insn *pc);
const Insn *warp_park(Warp *w, const Insn *i);
void warp_absorb(Warp *w, const Insn *i);
Frame *frame_new(Warp *w, const Function *fn, Frame *parent, const Insn *ret, u32 mask);
void frame_free(Warp *w, Frame *f);
void barrier_try(Block *b, u32 id);

/* order.c: which accesses of another warp to shared memory are ordered before what this one does next. */
u32 order_before(const Warp *w, u32 other); /* up to that time, and including it */
void order_arrive(Warp *w, Barrier *x, bool waits);
void order_leave(Warp *w, const Barrier *x, u32 time);
void order_publish(Warp *w, bool release);
void order_acquire(Warp *w);

/* lane_memory.c: the bytes of one lane at an address, after every check; NULL after a fault. `value`: what a store
 * writes. */
u8 *lane_memory(Warp *w, const Insn *i, u32 lane, Space space, u64 address, u32 size, bool write, bool atomic,
                const void *value);
/* check_global.c: the rules about global memory that concern its history, for the lanes of `mask` one after the other.
   What is stored is stored by the check. False: a fault. */
bool check_global(Warp *w, const Insn *i, const MemOp *m, const u64 *address, u32 mask, u32 bytes);
bool check_global_lane(Warp *w, const Insn *i, const MemOp *m, Alloc *al, u32 lane, u64 address, u32 bytes,
                       const void *value);
void note_fence(Warp *w);
void note_sync(Warp *w, bool acquire, bool release);
/* counters.c */
void count_global(Warp *w, const Insn *i, const MemOp *m, const u64 *address, u32 mask, u32 bytes);
void count_shared(Warp *w, const Insn *i, const MemOp *m, const u64 *address, u32 mask, u32 bytes);
#endif
