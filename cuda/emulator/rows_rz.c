#define MODE         "rz"
#define EMU_ROUNDING FE_TOWARDZERO
#define EMU_DEF      "ops/directed.def"
#define EMU_TABLE    EXEC(emu_rows_rz)
#include "rows.inc"
