#define MODE         "rm"
#define EMU_ROUNDING FE_DOWNWARD
#define EMU_DEF      "ops/directed.def"
#define EMU_TABLE    EXEC(emu_rows_rm)
#include "rows.inc"
