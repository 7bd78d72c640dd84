/* exec.h: names of the handlers that are compiled once for each instruction set: EXEC(x) is x_<EMU_ISA>. */
#ifndef EMU_EXEC_H
#define EMU_EXEC_H
#include "handlers.h"
#define EXEC_JOIN(a, b) a##_##b
#define EXEC_NAME(a, b) EXEC_JOIN(a, b)
#define EXEC(name)      EXEC_NAME(name, EMU_ISA)
Handler EXEC(guarded), EXEC(ld_global), EXEC(st_global), EXEC(ld_generic), EXEC(st_generic), EXEC(ld_shared),
    EXEC(st_shared), EXEC(ld_local), EXEC(st_local), EXEC(ld_param);
#endif
