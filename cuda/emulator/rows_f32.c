#define EMU_DEF   "ops/f32.def"
#define EMU_TABLE EXEC(emu_rows_f32)
#include "rows.inc"
