#include "bench/gpu.h"

#include "samebits/driver.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* Numbers of CUdevice_attribute, from the CUDA driver API's reference. */
enum {
  CLOCK_RATE = 13, /* kHz */
  PCI_BUS = 33,
  PCI_DEVICE = 34,
  MEMORY_CLOCK_RATE = 36, /* kHz */
  MEMORY_BUS_WIDTH = 37,  /* bits */
  L2_SIZE = 38,
  PCI_DOMAIN = 50
};
enum { LEAST_FLUSH = 256 << 20 };

sb_status sb_gpu_timing_open(const char *device, sb_gpu *gpu) {
  *gpu = (sb_gpu){0};
  sb_status status = sb_cuda_open(device, &gpu->cuda);
  if (status) return status;
  sb_driver *driver = sb_cuda_driver(gpu->cuda);
  const bool emulator = sb_driver_is_emulator(driver);
  const int attribute[] = {sb_driver_attribute(driver, PCI_DOMAIN), sb_driver_attribute(driver, PCI_BUS),
                           sb_driver_attribute(driver, PCI_DEVICE)};
  gpu->usual_hertz = 1e3 * sb_driver_attribute(driver, CLOCK_RATE);
  gpu->bytes_per_second =
      1e3 * sb_driver_attribute(driver, MEMORY_CLOCK_RATE) * 2 / 8 * sb_driver_attribute(driver, MEMORY_BUS_WIDTH);
  /* More than twice the L2; and on a GPU long enough that what is timed is queued before it is done. */
  gpu->flush_bytes = 2 * (size_t)sb_driver_attribute(driver, L2_SIZE) + 4096;
  if (!emulator && gpu->flush_bytes < LEAST_FLUSH) gpu->flush_bytes = LEAST_FLUSH;
  if (emulator) gpu->flush_bytes = 4096; /* it has no cache, and its clocks mean nothing */
  if (emulator) gpu->usual_hertz = gpu->bytes_per_second = 0;
  status = sb_driver_alloc(driver, gpu->flush_bytes, &gpu->flush);
  snprintf(gpu->sensors, sizeof gpu->sensors, "NVML");
  if (!status && sb_nvml_open(attribute[0], attribute[1], attribute[2], &gpu->nvml))
    snprintf(gpu->sensors, sizeof gpu->sensors, "none: %s", sb_message());
  if (status) sb_gpu_timing_close(gpu);
  return status;
}

void sb_gpu_timing_close(sb_gpu *gpu) {
  sb_nvml_close(gpu->nvml);
  if (gpu->flush) (void)sb_driver_free(sb_cuda_driver(gpu->cuda), gpu->flush);
  sb_cuda_close(gpu->cuda);
  *gpu = (sb_gpu){0};
}

typedef struct timed_work {
  sb_gpu *gpu;
  sb_gpu_work *work;
  void *context;
} timed_work;

/* The fill empties the cache, and keeps the device busy while the events and launches behind it are queued, so that
 * they bracket nothing but the work. With a warm cache one launch goes before that is not timed. */
static sb_status launch(void *context, bool cold, int launches, double *seconds) {
  const timed_work *t = context;
  sb_driver *driver = sb_cuda_driver(t->gpu->cuda);
  sb_status status = sb_driver_fill(driver, t->gpu->flush, 0x5a, t->gpu->flush_bytes);
  if (!status && !cold) status = t->work(t->context);
  if (!status) status = sb_driver_begin(driver);
  for (int i = 0; i < launches && !status; i++) status = t->work(t->context);
  return status ? status : sb_driver_end(driver, seconds);
}

static sb_status sense(void *context, sb_sense *now) {
  sb_nvml_sense(((const timed_work *)context)->gpu->nvml, now);
  return SB_OK;
}

static double now(void *context) {
  struct timespec time;
  (void)context;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void rest(void *context, double seconds) {
  (void)context;
  const struct timespec time = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
  (void)nanosleep(&time, NULL);
}

sb_status sb_gpu_time(sb_gpu *gpu, sb_gpu_work *work, void *context, const sb_timing_policy *policy, int64_t bytes,
                      sb_timing *cold, sb_timing *hot) {
  timed_work t = {gpu, work, context};
  const sb_timed timed = {&t, launch, gpu->nvml ? sense : NULL, now, rest};
  sb_timing_policy p = *policy;
  p.usual_hertz = gpu->usual_hertz;
  p.bytes = bytes;
  p.bytes_per_second = gpu->bytes_per_second;
  p.cold = true;
  sb_status status = sb_time(&timed, &p, cold);
  p.cold = false;
  return status ? status : sb_time(&timed, &p, hot);
}
