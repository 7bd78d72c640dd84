/* A small libnvidia-ml for the tests: one GPU at any address, 1.5 GHz, 250 W. FAKE_NVML=hot: slowed by heat all the
 * time; =unknown: it does not know the GPU. */
#include <stdlib.h>
#include <string.h>

static int is_faulty(const char *how) {
  const char *fault = getenv("FAKE_NVML");
  return fault && strcmp(fault, how) == 0;
}

int nvmlInit_v2(void);
int nvmlInit_v2(void) { return 0; }

int nvmlShutdown(void);
int nvmlShutdown(void) { return 0; }

int nvmlDeviceGetHandleByPciBusId_v2(const char *address, void **device);
int nvmlDeviceGetHandleByPciBusId_v2(const char *address, void **device) {
  static int gpu;
  *device = &gpu;
  return is_faulty("unknown") || strlen(address) != 16 ? 6 : 0;
}

int nvmlDeviceGetClockInfo(void *device, int type, unsigned *mhz);
int nvmlDeviceGetClockInfo(void *device, int type, unsigned *mhz) {
  (void)device;
  *mhz = type == 1 ? 1500 : 2600;
  return 0;
}

int nvmlDeviceGetPowerUsage(void *device, unsigned *milliwatts);
int nvmlDeviceGetPowerUsage(void *device, unsigned *milliwatts) {
  (void)device;
  *milliwatts = 250000;
  return 0;
}

int nvmlDeviceGetTemperature(void *device, int sensor, unsigned *celsius);
int nvmlDeviceGetTemperature(void *device, int sensor, unsigned *celsius) {
  (void)device;
  *celsius = 55;
  return sensor;
}

int nvmlDeviceGetCurrentClocksThrottleReasons(void *device, unsigned long long *reasons);
int nvmlDeviceGetCurrentClocksThrottleReasons(void *device, unsigned long long *reasons) {
  (void)device;
  *reasons = is_faulty("hot") ? 0x40 : 0x4;
  return 0;
}
