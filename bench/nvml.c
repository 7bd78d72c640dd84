/* Names and numbers are from NVIDIA's NVML API reference (nvmlClockType_t, nvmlClocksEventReasons). */
#include "bench/nvml.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CLOCK_SM = 1, CLOCK_MEMORY = 2, TEMPERATURE_GPU = 0 };
/* Slowed by the hardware, by heat, or by the power brake. The software's power cap is not among them: it is how a GPU
 * works at its limit, and its clock tells. */
static const unsigned long long slowed_reasons = 0x8 | 0x20 | 0x40 | 0x80;

#define ENTRY_POINTS(X)                                                                                                \
  X(nvmlInit_v2, (void))                                                                                               \
  X(nvmlShutdown, (void))                                                                                              \
  X(nvmlDeviceGetHandleByPciBusId_v2, (const char *, void **))                                                         \
  X(nvmlDeviceGetClockInfo, (void *, int, unsigned *))                                                                 \
  X(nvmlDeviceGetPowerUsage, (void *, unsigned *))                                                                     \
  X(nvmlDeviceGetTemperature, (void *, int, unsigned *))                                                               \
  X(nvmlDeviceGetCurrentClocksThrottleReasons, (void *, unsigned long long *))

struct sb_nvml {
  void *library, *device;
  bool open;
#define MEMBER(entry, parameters) int(*entry) parameters;
  ENTRY_POINTS(MEMBER)
#undef MEMBER
};

static sb_status bind(sb_nvml *n) {
  const char *missing = NULL;
  void *p;
#define BIND(entry, parameters)                                                                                        \
  p = dlsym(n->library, #entry);                                                                                       \
  if (!p) missing = #entry;                                                                                            \
  memcpy(&n->entry, &p, sizeof p);
  ENTRY_POINTS(BIND)
#undef BIND
  return missing ? sb_fail(SB_UNSUPPORTED, "NVML has no %s", missing) : SB_OK;
}

sb_status sb_nvml_open(int domain, int bus, int device, sb_nvml **nvml) {
  const char *given = getenv("SAMEBITS_NVML"), *path = given && *given ? given : "libnvidia-ml.so.1";
  char address[32];
  *nvml = NULL;
  sb_nvml *n = calloc(1, sizeof *n);
  if (!n) return sb_fail(SB_NO_MEMORY, "out of memory: NVML");
  n->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  sb_status status = n->library ? bind(n) : sb_fail(SB_UNSUPPORTED, "NVML is not installed (%s)", path);
  if (!status) {
    const int code = n->nvmlInit_v2();
    n->open = code == 0;
    if (code) status = sb_fail(SB_UNSUPPORTED, "nvmlInit failed with %d", code);
  }
  snprintf(address, sizeof address, "%08x:%02x:%02x.0", (unsigned)domain, (unsigned)bus, (unsigned)device);
  if (!status) {
    const int code = n->nvmlDeviceGetHandleByPciBusId_v2(address, &n->device);
    if (code) status = sb_fail(SB_UNSUPPORTED, "NVML does not know the GPU at %s (%d)", address, code);
  }
  if (status)
    sb_nvml_close(n);
  else
    *nvml = n;
  return status;
}

void sb_nvml_close(sb_nvml *n) {
  if (!n) return;
  if (n->open) (void)n->nvmlShutdown();
  free(n);
}

void sb_nvml_sense(sb_nvml *n, sb_sense *now) {
  unsigned value = 0;
  unsigned long long reasons = 0;
  *now = (sb_sense){0};
  if (!n->nvmlDeviceGetClockInfo(n->device, CLOCK_SM, &value)) now->hertz = value * 1e6;
  if (!n->nvmlDeviceGetClockInfo(n->device, CLOCK_MEMORY, &value)) now->memory_hertz = value * 1e6;
  if (!n->nvmlDeviceGetPowerUsage(n->device, &value)) now->watts = value * 1e-3;
  if (!n->nvmlDeviceGetTemperature(n->device, TEMPERATURE_GPU, &value)) now->celsius = value;
  if (!n->nvmlDeviceGetCurrentClocksThrottleReasons(n->device, &reasons)) now->slowed = (reasons & slowed_reasons) != 0;
}
