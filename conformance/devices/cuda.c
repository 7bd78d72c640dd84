/* cuda:N: the same kernels on a GPU, by NVIDIA's driver. */
#include "conformance/gpu.h"

#include "samebits/cuda.h"
#include <stdio.h>

extern const sb_device_family sb_device_family_cuda;

static void list(void (*found)(void *context, const char *name, const char *what), void *context) {
  for (int i = 0; i < 16; i++) {
    char name[16];
    snprintf(name, sizeof name, "cuda:%d", i);
    sb_cuda *cuda;
    if (sb_cuda_open(name, &cuda)) return;
    found(context, name, sb_cuda_name(cuda));
    sb_cuda_close(cuda);
  }
}

static sb_status open_cuda(const char *name, const sb_device_options *options, sb_device **device) {
  return sb_gpu_open(&sb_device_family_cuda, name, options, device);
}

const sb_device_family sb_device_family_cuda = {.scheme = "cuda",
                                                .summary = "the CUDA kernels on a GPU",
                                                .list = list,
                                                .open = open_cuda,
                                                .run = sb_gpu_run,
                                                .describe = sb_gpu_describe,
                                                .close = sb_gpu_close,
                                                .adapt = sb_gpu_adapt,
                                                .default_flavors = 1u << SB_TORCHAO_0_18_CUDA | 1u << SB_ALIGNED};
