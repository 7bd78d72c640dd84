#define EMU_DEF   "ops/logic.def"
#define EMU_TABLE EXEC(emu_rows_logic)
#include "rows.inc"
