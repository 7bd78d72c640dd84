/* The kernels as a device of the harness: what the families `emu` and `cuda` share. */
#ifndef SAMEBITS_CONFORMANCE_GPU_H
#define SAMEBITS_CONFORMANCE_GPU_H

#include "samebits/device.h"

/* As in sb_device_family. */
sb_status sb_gpu_open(const sb_device_family *family, const char *name, const sb_device_options *options,
                      sb_device **device);
sb_status sb_gpu_run(sb_device *device, const sb_spec *spec, const sb_tensor in[SB_SLOTS], sb_tensor out[SB_SLOTS],
                     sb_device_reply *reply);
void sb_gpu_describe(const sb_device *device, void (*say)(void *context, const char *key, const char *value),
                     void *context);
void sb_gpu_close(sb_device *device);
sb_status sb_gpu_adapt(const sb_device *device, sb_spec *spec);

#endif
