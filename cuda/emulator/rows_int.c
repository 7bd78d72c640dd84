#define EMU_DEF   "ops/int.def"
#define EMU_TABLE EXEC(emu_rows_int)
#include "rows.inc"
