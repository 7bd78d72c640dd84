#define MODE         "rp"
#define EMU_ROUNDING FE_UPWARD
#define EMU_DEF      "ops/directed.def"
#define EMU_TABLE    EXEC(emu_rows_rp)
#include "rows.inc"
