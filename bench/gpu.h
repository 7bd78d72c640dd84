/* Work on a device, queued again and again, as something that sb_time can time. */
#ifndef SAMEBITS_BENCH_GPU_WORK_H
#define SAMEBITS_BENCH_GPU_WORK_H

#include "bench/nvml.h"
#include "cuda/device.h"

/* The device, what empties its cache, and what tells of its state. */
typedef struct sb_gpu {
  sb_cuda *cuda;
  sb_nvml *nvml; /* NULL: no sensors */
  char sensors[160];
  uint64_t flush; /* memory of flush_bytes, filled before every timed launch */
  size_t flush_bytes;
  double usual_hertz, bytes_per_second; /* as the driver tells; 0: not known */
} sb_gpu;

sb_status sb_gpu_timing_open(const char *device, sb_gpu *gpu);
void sb_gpu_timing_close(sb_gpu *gpu);

/* Queues the work once on the default stream. */
typedef sb_status sb_gpu_work(void *context);

/* Both caches: sb_time with the policy. `bytes`: what one piece of work moves at the least, 0: not known. */
sb_status sb_gpu_time(sb_gpu *gpu, sb_gpu_work *work, void *context, const sb_timing_policy *policy, int64_t bytes,
                      sb_timing *cold, sb_timing *hot);

#endif
