/* Steps on a CUDA driver, NVIDIA's or the emulator's, by the kernels of cuda/. */
#include "conformance/gpu.h"

#include "cuda/device.h"
#include "cuda/ptx.h"
#include "samebits/manifest.h"

#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

typedef struct gpu_device {
  sb_device device;
  sb_cuda *cuda;
  bool lift_gates;
  sb_manifest manifest; /* count 0: our own kernels */
  const char *manifest_path;
} gpu_device;

sb_status sb_gpu_open(const sb_device_family *family, const char *name, const sb_device_options *options,
                      sb_device **device) {
  gpu_device *gpu = calloc(1, sizeof *gpu);
  if (!gpu) return sb_fail(SB_NO_MEMORY, "no memory for the device");
  gpu->device.family = family;
  snprintf(gpu->device.name, sizeof gpu->device.name, "%s", name);
  gpu->lift_gates = options->lift_gates;
  gpu->manifest_path = options->kernels;
  sb_status status = options->kernels ? sb_manifest_load(options->kernels, &gpu->manifest) : SB_OK;
  if (!status) status = sb_cuda_open(name, &gpu->cuda);
  if (status)
    sb_gpu_close(&gpu->device);
  else
    *device = &gpu->device;
  return status;
}

sb_status sb_gpu_run(sb_device *device, const sb_spec *spec, const sb_tensor in[SB_SLOTS], sb_tensor out[SB_SLOTS],
                     sb_device_reply *reply) {
  gpu_device *gpu = (gpu_device *)device;
  const char *gate = gpu->lift_gates ? NULL : sb_cuda_gate(spec, sb_cuda_sm(gpu->cuda));
  if (gate) return sb_fail(SB_UNSUPPORTED, "%s on sm_%d: %s", spec->recipe->name, sb_cuda_sm(gpu->cuda), gate);
  bool given[SB_SLOTS];
  const sb_kernel_set set = {gpu->manifest.count, gpu->manifest.kernels, (const char *const *)gpu->manifest.texts};
  const sb_status status = sb_cuda_run(gpu->cuda, set.count ? &set : NULL, spec, in, out, given, &reply->nanoseconds);
  for (int slot = 0; slot < SB_SLOTS; slot++) {
    if (!status && out[slot].data && !given[slot]) sb_guard_free(&out[slot]);
  }
  return status;
}

void sb_gpu_describe(const sb_device *device, void (*say)(void *context, const char *key, const char *value),
                     void *context) {
  const gpu_device *gpu = (const gpu_device *)device;
  char text[32];
  say(context, "name", sb_cuda_name(gpu->cuda));
  snprintf(text, sizeof text, "sm_%d", sb_cuda_sm(gpu->cuda));
  say(context, "sm", text);
  if (gpu->manifest.count == 0) {
    say(context, "kernels", sb_ptx_made_by);
    say(context, "flags", "-ptx -fmad=false -lineinfo");
    return;
  }
  XXH64_hash_t digest = 0;
  for (int i = 0; i < gpu->manifest.count; i++)
    digest = XXH3_64bits_withSeed(gpu->manifest.texts[i], strlen(gpu->manifest.texts[i]), digest);
  snprintf(text, sizeof text, "%016llx", (unsigned long long)digest);
  say(context, "kernels", gpu->manifest_path);
  say(context, "kernels_digest", text);
}

void sb_gpu_close(sb_device *device) {
  gpu_device *gpu = (gpu_device *)device;
  sb_cuda_close(gpu->cuda);
  sb_manifest_free(&gpu->manifest);
  free(gpu);
}

/* Upstream's MSLK kernel needs sm_90; below, torchao's own quantizer is what converts (variant below-sm90). */
sb_status sb_gpu_adapt(const sb_device *device, sb_spec *spec) {
  const gpu_device *gpu = (const gpu_device *)device;
  if (sb_cuda_sm(gpu->cuda) >= 90 || spec->path->flavor != SB_TORCHAO_0_18_CUDA || *spec->path->variant) return SB_OK;
  for (int i = 0; i < spec->recipe->path_count; i++) {
    const sb_path *path = &spec->recipe->paths[i];
    if (path->side == spec->path->side && path->flavor == spec->path->flavor && !strcmp(path->variant, "below-sm90"))
      spec->path = path;
  }
  return SB_OK;
}
