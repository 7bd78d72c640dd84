#define EMU_DEF   "ops/simd.def"
#define EMU_TABLE EXEC(emu_rows_simd)
#include "rows.inc"
