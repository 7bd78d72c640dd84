#define EMU_DEF   "ops/half.def"
#define EMU_TABLE EXEC(emu_rows_half)
#include "rows.inc"
