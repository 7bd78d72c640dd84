#define EMU_DEF   "ops/cvt_int.def"
#define EMU_TABLE EXEC(emu_rows_cvt_int)
#include "rows.inc"
