/* kernels.h: the nine kernels of bench-emulator, each with its data on both sides. */
#ifndef BENCH_EMULATOR_KERNELS_H
#define BENCH_EMULATOR_KERNELS_H
#include "bench/buffers.h"
#include "samebits/cuda.h"

enum { BENCH_KERNELS = 9 };

typedef struct bench_device {
  sb_cuda *cuda;
  void (*set_checks)(const char *list);
  void (*set_counting)(int on);
  const char *(*counters)(void);
  const char *(*isa)(void);
} bench_device;

typedef struct bench_kernel {
  const char *name;
  sb_cuda_step step;
  sb_bench_buffers host;
  int64_t elements;
  uint64_t thread_instructions; /* of one launch, counted */
} bench_kernel;

/* SB_USAGE where the device is not the emulator's. */
sb_status bench_device_open(const char *name, bench_device *device);
void bench_device_close(bench_device *device);

/* Fills the inputs, uploads them, and counts one launch's instructions. `which`: 0 to BENCH_KERNELS - 1. */
sb_status bench_kernel_make(bench_device *device, int which, bench_kernel *kernel);
void bench_kernel_free(bench_device *device, bench_kernel *kernel);
sb_status bench_kernel_launch(bench_device *device, bench_kernel *kernel);
sb_status bench_kernel_reference(bench_kernel *kernel); /* the same step by the C reference, one thread */
/* SB_INTERNAL where an output of the last launch is not bit for bit the reference's. */
sb_status bench_kernel_verify(bench_device *device, bench_kernel *kernel);

#endif
