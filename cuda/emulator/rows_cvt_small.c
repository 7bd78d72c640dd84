#define EMU_DEF   "ops/cvt_small.def"
#define EMU_TABLE EXEC(emu_rows_cvt_small)
#include "rows.inc"
