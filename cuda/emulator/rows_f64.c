#define EMU_DEF   "ops/f64.def"
#define EMU_TABLE EXEC(emu_rows_f64)
#include "rows.inc"
