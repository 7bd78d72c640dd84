#define EMU_DEF   "ops/setp.def"
#define EMU_TABLE EXEC(emu_rows_setp)
#include "rows.inc"
