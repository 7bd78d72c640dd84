/* emu.h: the machine that runs PTX: instructions, warps, blocks, memory and modules as every file of this folder sees
 * them. */
#ifndef EMU_H
#define EMU_H
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t i8;
typedef int16_t i16;
typedef int32_t i32;
typedef int64_t i64;

enum { LANES = 32, MAX_THREADS = 1024, MAX_WARPS = MAX_THREADS / LANES, MAX_BARRIERS = 16, MAX_VECTOR = 8 };
#define ALL_LANES 0xffffffffu

/* Windows of the generic address space. Global memory has host addresses, which never fall into them. */
#define SHARED_WINDOW 0x0000000100000000ull
#define LOCAL_WINDOW  0x0000000200000000ull
#define PARAM_WINDOW  0x0000000300000000ull
#define CODE_WINDOW   0x0000000400000000ull
#define WINDOW_SIZE   0x10000000ull

typedef enum {
  SPACE_GENERIC,
  SPACE_GLOBAL,
  SPACE_SHARED,
  SPACE_LOCAL,
  SPACE_PARAM,
  SPACE_CONST,
  SPACE_REG,
  SPACE_CODE
} Space;

/* Types of operands, as PTX names them. The container of a lane is 32 bits, or 64 for the types from T_b64 on. */
#define EMU_TYPES(X)                                                                                                   \
  X(b8)                                                                                                                \
  X(u8)                                                                                                                \
  X(s8)                                                                                                                \
  X(b16)                                                                                                               \
  X(u16)                                                                                                               \
  X(s16)                                                                                                               \
  X(b32) X(u32) X(s32) X(f16) X(bf16) X(f16x2) X(bf16x2) X(f32) X(pred) X(b64) X(u64) X(s64) X(f64) X(f32x2) X(b128)
#define EMU_TYPE_ENUM(t) T_##t,
typedef enum { T_none, EMU_TYPES(EMU_TYPE_ENUM) T_count } Type;
#undef EMU_TYPE_ENUM
static inline bool type_is_wide(Type t) { return t >= T_b64; }
u32 type_bytes(Type t);
const char *type_name(Type t);
bool type_is_signed(Type t);
Type type_from_name(const char *name, size_t n);

typedef struct Insn Insn;
typedef struct Warp Warp;
typedef struct Block Block;
typedef struct Launch Launch;
typedef struct Function Function;
typedef struct Module Module;
typedef struct Schedule Schedule;

/* A handler executes one instruction for the lanes in w->mask and returns the next instruction. */
typedef const Insn *Handler(Warp *w, const Insn *i);

/* What a load, store, atomic or copy needs beyond registers. */
typedef struct {
  Space space;
  u8 size, count;                  /* bytes of one element, number of elements */
  bool sign, store, nc, volatile_; /* sign-extend a narrow load; is a store; goes through the non-coherent cache */
  bool atomic, acquire, release;
  bool narrow_address;   /* the address register has 32 bits */
  bool wide[MAX_VECTOR]; /* element registers of 64 bits */
  u32 reg[MAX_VECTOR];   /* element registers: ~0u is `_` */
  u32 address;           /* register of the base, ~0u when the address is `offset` alone */
  i64 offset;
  Type type;
} MemOp;

/* Operands are byte offsets into the register file of the current frame. */
struct Insn {
  Handler *fn;    /* what the engine calls */
  Handler *inner; /* the operation under a guard */
  u32 d, a, b, c, e;
  u32 guard; /* predicate register of a guarded instruction */
  union {
    const Insn *to;
    MemOp *mem;
    i64 imm;
    void *extra;
  } x;
  u8 negate; /* the guard is !p */
  u8 aux;
  u16 flags;
  u32 info; /* index into Function.info */
};

enum {
  INSN_FUSABLE_MUL = 1,
  INSN_FUSABLE_ADD = 2,
  INSN_FTZ = 4,
  INSN_TRIVIAL = 8,
  INSN_REFUSED = 16,
  INSN_APPROX = 32
};

typedef struct {
  const char *opcode; /* as written, owned by the module */
  u32 ptx_line;
  u32 file, line; /* .loc; file 0: none */
  u16 kind;       /* class for counters */
} InsnInfo;

typedef struct {
  u32 offset, variable; /* variable + 1 whose address is added when the module is loaded; 0: none */
  bool wide;
  u64 value;
} ConstSlot;

typedef struct {
  char *name;
  u32 offset, size, align;
  Type type;
  bool pointer;
} Param;

typedef struct {
  u32 *target; /* instruction index per entry */
  u32 count;
} BranchTable;

struct Function {
  Module *module;
  char *name;
  bool is_entry, defined;
  Param *params;
  u32 param_count, param_bytes;
  u32 ret_offset, ret_bytes; /* device functions: the return value follows the parameters in the frame */
  Insn *code;
  InsnInfo *info;
  u32 count, capacity;
  ConstSlot *consts;
  u32 const_count, const_capacity;
  u32 reg_bytes, reg_count[2];
  u32 local_bytes;  /* frame: parameters, return value, .param and .local variables */
  u32 shared_bytes; /* static, module-scope variables included */
  u32 max_threads, req_threads[3], min_blocks;
  u32 shared_shift;     /* log2 of the smallest shared access: granularity of the race check */
  bool ordered_atomics; /* has atomics whose result depends on the order of blocks */
  bool has_ftz;
  u32 refused; /* 1 + the first instruction that is refused */
  const char *refused_why;
  Function **callees;
  u32 callee_count, callee_capacity;
  bool calls_pointers;
  u32 max_dynamic_shared;
  u32 index, code_base; /* code_base: number of its first instruction in the module */
  u32 approx;           /* 1 + the first approximate instruction */
  struct FusablePair {
    u32 add, mul;
    Handler *plain;
  } * fusable;
  u32 fusable_count;
};

typedef struct {
  char *name;
  Space space;
  u32 align;
  u64 size, address; /* global and const: device address once loaded; shared: offset */
  u8 *init;
  struct {
    u64 at;
    char *symbol;
    i64 addend;
    bool generic;
  } * relocs;
  u32 reloc_count;
  bool is_extern;
} Variable;

struct Module {
  Function **functions;
  u32 function_count;
  Variable *variables;
  u32 variable_count;
  char **files;
  u32 file_count;
  u32 version_major, version_minor, target_sm;
  char target[32];
  char *text; /* the PTX, kept: names point into copies of their own */
  struct Chunk *arena;
  u32 dynamic_align, code_total;
};

/* ---- global memory ---- */
typedef enum { ALLOC_DEVICE, ALLOC_MANAGED, ALLOC_HOST, ALLOC_MODULE, ALLOC_CONST } AllocKind;
typedef struct Alloc {
  u64 base, size;
  AllocKind kind;
  u32 id, owner; /* owner: index of the context */
  bool all_init;
  _Atomic(u64) *init; /* one bit a byte, unless all_init */
  u32 *race;          /* race.h: one cell a word, while a launch checks races */
  _Atomic(u32) race_epoch;
  bool readonly;            /* a store is the fault write-to-input */
  _Atomic(u64) *touched[2]; /* bits of bytes loaded and stored, while counters run */
  _Atomic(u64) requested[2];
} Alloc;

u64 mem_alloc(u64 size, AllocKind kind);
bool mem_free(u64 base);
void mem_mark_init(Alloc *al, u64 address, u64 size);
void mem_forget(Alloc *al, u64 address, u64 size);
bool mem_is_init(const Alloc *al, u64 address, u64 size);
void mem_each(void (*f)(Alloc *, void *), void *arg);
u64 mem_used(void);
u64 mem_total(void);
extern u64 mem_arena_base, mem_arena_size;
extern u32 *mem_owner;
extern Alloc **mem_table;
enum { GRANULE_SHIFT = 16 };
/* The allocation that holds `address`, or NULL. */
static inline Alloc *mem_find(u64 address) {
  u64 at = address - mem_arena_base;
  if (at >= mem_arena_size || !mem_owner) return NULL;
  u32 index = mem_owner[at >> GRANULE_SHIFT];
  if (!index) return NULL;
  Alloc *al = mem_table[index];
  return al && address - al->base < al->size ? al : NULL;
}

/* ---- checks and faults ---- */
typedef enum {
  CHECK_BOUNDS = 1,
  CHECK_ALIGN = 2,
  CHECK_INIT_GLOBAL = 4,
  CHECK_INIT_SHARED = 8,
  CHECK_INIT_LOCAL = 16,
  CHECK_SHARED_RACE = 32,
  CHECK_GLOBAL_RACE = 64,
  CHECK_BARRIER = 128,
  CHECK_LANES = 256,
  CHECK_NC = 512,
  CHECK_LEAK = 1024,
  CHECK_BUDGET = 2048,
  CHECK_ALL = 4095
} Check;
u32 checks_from_text(const char *text);

typedef enum {
  FAULT_NONE,
  FAULT_OUT_OF_BOUNDS,
  FAULT_MISALIGNED,
  FAULT_UNINITIALIZED,
  FAULT_SHARED_RACE,
  FAULT_GLOBAL_RACE,
  FAULT_BARRIER,
  FAULT_LANE,
  FAULT_PARAMETER,
  FAULT_TRAP,
  FAULT_ASSERT,
  FAULT_TIMEOUT,
  FAULT_STACK,
  FAULT_WRITE_TO_INPUT,
  FAULT_NC,
  FAULT_LEAK,
  FAULT_REFUSED,
  FAULT_INTERNAL
} FaultKind;
const char *fault_name(FaultKind k);

typedef struct {
  FaultKind kind;
  char kernel[256], file[256], opcode[96], message[400], allocation[96];
  u32 line, ptx_line;
  u32 block[3], thread[3];
  u64 address, block_index;
  bool has_address;
} Fault;

/* Records a fault for the first lane of `lanes`; the warp stops. Returns i, for handlers to return. */
const Insn *fault_at(Warp *w, const Insn *i, FaultKind kind, u32 lane, bool has_address, u64 address,
                     const char *format, ...) __attribute__((format(printf, 7, 8)));

/* ---- running ---- */
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
  struct Schedule *schedule; /* NULL: blocks run as they come */
  struct Counters *counters;
  struct {
    u32 mode;
    u64 seed;
    i64 site;
  } approx;
};

bool launch_run(Launch *l); /* false: l->fault tells */

/* ---- the opcode table ---- */
typedef struct {
  const char *names;  /* PTX opcodes, separated by blanks */
  Handler *fn, *same; /* same: for a last source that is an immediate; NULL: none */
  u8 types[6];        /* Type of the destination, then of the sources */
  const char *text;   /* the expression */
} Row;
typedef struct {
  const Row *rows;
  u32 count;
} RowTable;

/* Handlers with more than a formula, of one instruction set. */
typedef struct {
  Handler *guarded, *ld_global, *ld_shared, *ld_local, *ld_param, *ld_generic, *st_global, *st_shared, *st_local,
      *st_generic;
  const RowTable *const *tables; /* up to a NULL */
} Isa;
const Isa *isa_current(void);
const Row *row_find(const char *opcode);
const char *isa_name(void);

#define REG(T, off) ((T *)__builtin_assume_aligned(w->r + (off), 64))
#define LIKELY(x)   __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)
#endif
