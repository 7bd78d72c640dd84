/* mma.h: operands of the matrix instructions. */
#ifndef EMU_MMA_H
#define EMU_MMA_H
#include "emu.h"

typedef struct {
  u32 rows, depth, bits, a_regs, b_regs, c_regs; /* shape m16n8k32: rows 16, depth 32; n is 8 */
  bool a_signed, b_signed, saturate;
  u32 d[4], a[4], b[2], c[4];
} Mma;
typedef struct {
  MemOp mem;
  u32 count, d[4];
  bool transposed;
} LoadMatrix;
#endif
