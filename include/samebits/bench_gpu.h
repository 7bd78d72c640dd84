/* Throughput of kernels on a device with a CUDA driver, timed by its events, with the bits verified in the same run. */
#ifndef SAMEBITS_BENCH_GPU_H
#define SAMEBITS_BENCH_GPU_H

#include "samebits/bench.h"
#include "samebits/timing.h"

/* What a line of a device has beside the figures of samebits/bench.h, whose samples are those of the cold cache. */
typedef struct sb_bench_gpu_figures {
  const sb_timing *cold, *hot;
  double peak_bytes_per_second; /* memory clock x bus width x 2 / 8, as the driver tells; 0: not known */
  const char *sensors;          /* "NVML", or why there are none */
} sb_bench_gpu_figures;

typedef struct sb_bench_gpu_options {
  const char *device, *kernels; /* kernels: a manifest, NULL: ours */
  sb_timing_policy policy;      /* cold, usual_hertz, bytes and bytes_per_second are filled in */
  bool json;
  sb_bench_on_result *on_result; /* result->gpu is set */
  void *context;
} sb_bench_gpu_options;

/* Times every case (step BOTH and the fill `file` excepted): the launches alone, on contiguous device tensors, in the
 * deployed form: a convert gives codes (packed, where it has them) and qparams, no output. Baselines in the same run:
 * a copy of x's size in device memory, and, where cuBLAS is, one layer a dtype. Each case once with a cold cache (a
 * fill of more than twice the L2 before each launch) and once with a warm one. After its timing every output must be
 * the reference's. summary->unstable counts cases that the device was too slowed to time. */
sb_status sb_bench_gpu_run(const sb_case *cases, int count, const sb_bench_gpu_options *options,
                           sb_bench_summary *summary);

/* The usual policy: 10 to 200 samples, 10 s a case and cache, 0.5 %. */
extern const sb_timing_policy sb_timing_usual;

#endif
