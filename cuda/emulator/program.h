/* program.h: what the parser makes: instructions, functions, variables, modules. */
#ifndef EMU_PROGRAM_H
#define EMU_PROGRAM_H
#include "base.h"

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
  Function *same_hash; /* the next one of the parser's bucket */
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
  u32 shared_bytes; /* of an entry: static, what the functions that it calls need included */
  u32 *shared_used, shared_count, shared_capacity; /* variables that the code names */
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
  u32 atomics_end;      /* 1 + the last instruction that is an atomic or a call */
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
  u8 *init;          /* its first init_bytes bytes; the rest are zeros */
  u64 init_bytes;
  struct {
    u64 at;
    char *symbol;
    i64 addend;
    bool generic;
  } * relocs;
  u32 reloc_count, last_user; /* last_user: 1 + the function that named it last */
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
#endif
