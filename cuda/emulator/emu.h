/* emu.h: all that every file of this folder sees: the machine (machine.h) and the table of opcodes. */
#ifndef EMU_EMU_H
#define EMU_EMU_H
#include "machine.h"

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
