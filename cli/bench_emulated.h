/* samebits bench on devices with a CUDA driver: counted, or timed. */
#ifndef SAMEBITS_CLI_BENCH_EMULATED_H
#define SAMEBITS_CLI_BENCH_EMULATED_H

#include "cli/select.h"
#include "samebits/bench_gpu.h"

/* `devices`: a comma list of emu:sm_XX; `kernels`: a manifest or NULL. Exact counts and a prediction. Returns the exit
 * code. */
int sb_bench_emulated(const char *program, const char *devices, const char *kernels, const sb_selection *selection,
                      const char *output);

/* One device, timed by its events. Returns the exit code. */
int sb_bench_timed(const char *program, const sb_bench_gpu_options *how, const sb_selection *selection,
                   const char *output);

#endif
