/* isa.c: the handlers and tables of one instruction set. */
#include "exec.h"

extern const RowTable EXEC(emu_rows_int), EXEC(emu_rows_logic), EXEC(emu_rows_f32), EXEC(emu_rows_f64),
    EXEC(emu_rows_half), EXEC(emu_rows_cvt_int), EXEC(emu_rows_cvt_float), EXEC(emu_rows_cvt_small),
    EXEC(emu_rows_setp), EXEC(emu_rows_simd), EXEC(emu_rows_rz), EXEC(emu_rows_rm), EXEC(emu_rows_rp);

static const RowTable *const tables[] = {&EXEC(emu_rows_int),       &EXEC(emu_rows_logic),
                                         &EXEC(emu_rows_f32),       &EXEC(emu_rows_f64),
                                         &EXEC(emu_rows_half),      &EXEC(emu_rows_cvt_int),
                                         &EXEC(emu_rows_cvt_float), &EXEC(emu_rows_cvt_small),
                                         &EXEC(emu_rows_setp),      &EXEC(emu_rows_simd),
                                         &EXEC(emu_rows_rz),        &EXEC(emu_rows_rm),
                                         &EXEC(emu_rows_rp),        NULL};
extern const Isa EXEC(emu_isa);
const Isa EXEC(emu_isa) = {EXEC(guarded),  EXEC(ld_global),  EXEC(ld_shared), EXEC(ld_local),
                           EXEC(ld_param), EXEC(ld_generic), EXEC(st_global), EXEC(st_shared),
                           EXEC(st_local), EXEC(st_generic), tables};
