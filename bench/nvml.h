/* Clocks, power and temperature of an NVIDIA GPU by its management library (libnvidia-ml.so.1), opened at run time. */
#ifndef SAMEBITS_BENCH_NVML_H
#define SAMEBITS_BENCH_NVML_H

#include "samebits/timing.h"

typedef struct sb_nvml sb_nvml;

/* The GPU by its address on the bus. The library is what $SAMEBITS_NVML names, else libnvidia-ml.so.1. SB_UNSUPPORTED,
 * with the reason, where it is not there or does not know the GPU. */
sb_status sb_nvml_open(int domain, int bus, int device, sb_nvml **nvml);
void sb_nvml_close(sb_nvml *nvml); /* NULL is allowed */

/* What it does not tell is 0. */
void sb_nvml_sense(sb_nvml *nvml, sb_sense *now);

#endif
