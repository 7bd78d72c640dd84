/* samebits bench on the emulator: exact counts and a prediction. */
#ifndef SAMEBITS_CLI_BENCH_EMULATED_H
#define SAMEBITS_CLI_BENCH_EMULATED_H

#include "cli/select.h"

/* `devices`: a comma list of emu:sm_XX. Returns the exit code. */
int sb_bench_emulated(const char *program, const char *devices, const sb_selection *selection, const char *output);

#endif
