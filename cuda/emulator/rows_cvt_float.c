#define EMU_DEF   "ops/cvt_float.def"
#define EMU_TABLE EXEC(emu_rows_cvt_float)
#include "rows.inc"
