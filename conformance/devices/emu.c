/* emu:sm_XX: the kernels' PTX on the emulator's driver. It shows what the PTX ISA says of nvcc's PTX; no GPU is
 * involved. */
#include "conformance/gpu.h"

extern const sb_device_family sb_device_family_emu;

static void list(void (*found)(void *context, const char *name, const char *what), void *context) {
  static const char *const names[] = {"emu:sm_75", "emu:sm_80",  "emu:sm_86", "emu:sm_89",
                                      "emu:sm_90", "emu:sm_100", "emu:sm_120"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    found(context, names[i], "nvcc's PTX, executed on this processor");
}

static sb_status open_emu(const char *name, const sb_device_options *options, sb_device **device) {
  return sb_gpu_open(&sb_device_family_emu, name, options, device);
}

const sb_device_family sb_device_family_emu = {.scheme = "emu",
                                               .summary = "the CUDA kernels on the PTX emulator",
                                               .list = list,
                                               .open = open_emu,
                                               .run = sb_gpu_run,
                                               .describe = sb_gpu_describe,
                                               .close = sb_gpu_close,
                                               .adapt = sb_gpu_adapt,
                                               .default_flavors = 1u << SB_TORCHAO_0_18_CUDA | 1u << SB_ALIGNED,
                                               .forks = true};
