/* api_device.c: initialisation, devices, contexts. */
#include "cuda_api.h"
#include "cuda_entry.h"
#include <fenv.h>
#include <stdio.h>
#include <stdlib.h>

Driver driver = {.lock = PTHREAD_MUTEX_INITIALIZER, .options = {.max_insns = 1ull << 40}};
static const Arch archs[] = {{75, "samebits emulator sm_75", 49152, 65536, 65536, 1024, 16, 65536, 4u << 20},
                             {80, "samebits emulator sm_80", 49152, 166912, 167936, 2048, 32, 65536, 40u << 20},
                             {86, "samebits emulator sm_86", 49152, 101376, 102400, 1536, 16, 65536, 6u << 20},
                             {89, "samebits emulator sm_89", 49152, 101376, 102400, 1536, 24, 65536, 72u << 20},
                             {90, "samebits emulator sm_90", 49152, 232448, 233472, 2048, 32, 65536, 50u << 20},
                             {100, "samebits emulator sm_100", 49152, 232448, 233472, 2048, 32, 65536, 126u << 20},
                             {120, "samebits emulator sm_120", 49152, 101376, 102400, 1536, 24, 65536, 96u << 20}};
enum { ARCH_COUNT = sizeof archs / sizeof archs[0] };

static _Thread_local u32 stack[64];
static _Thread_local u32 stack_depth;

static void add_device(const Arch *a) {
  driver.devices[driver.device_count++] =
      (Device){.arch = a, .stack_limit = 65536, .printf_limit = 1u << 20, .heap_limit = 8u << 20};
}

/* SAMEBITS_EMU_DEVICES: sm_XX names in the order wanted; without it every architecture, ascending. */
static bool choose_devices(void) {
  const char *env = getenv("SAMEBITS_EMU_DEVICES");
  if (!env || !*env) {
    for (u32 k = 0; k < ARCH_COUNT; k++) add_device(&archs[k]);
    return true;
  }
  while (*env) {
    size_t n = strcspn(env, ",");
    bool found = false;
    for (u32 k = 0; k < ARCH_COUNT && driver.device_count < 16; k++) {
      char name[16];
      int length = snprintf(name, sizeof name, "sm_%u", archs[k].sm);
      if ((size_t)length == n && !memcmp(env, name, n)) {
        add_device(&archs[k]);
        found = true;
      }
    }
    if (!found) {
      (void)fprintf(stderr,
                    "samebits emulator: SAMEBITS_EMU_DEVICES names '%.*s'; known: sm_75, sm_80, sm_86, sm_89, sm_90, "
                    "sm_100, sm_120\n",
                    (int)n, env);
      return false;
    }
    env += n + (env[n] == ',');
  }
  return driver.device_count > 0;
}

/* Subnormals must be kept and rounding must be to nearest, or no result is what the PTX ISA says. */
static bool fpu_is_sound(void) {
  volatile float tiny = 0x1p-126f, half = 0.5f;
  return tiny * half != 0.0f && fegetround() == FE_TONEAREST;
}

API CUresult cuInit(unsigned int flags) {
  CUresult r = CUDA_SUCCESS;
  if (flags) return CUDA_ERROR_INVALID_VALUE;
  pthread_mutex_lock(&driver.lock);
  if (!driver.initialized) {
    if (!fpu_is_sound())
      r = CUDA_ERROR_UNKNOWN;
    else if (!choose_devices())
      driver.device_count = 0, r = CUDA_ERROR_NO_DEVICE;
    else {
      driver.checks = checks_from_text(getenv("SAMEBITS_EMU_CHECKS"));
      driver.initialized = true;
    }
  }
  pthread_mutex_unlock(&driver.lock);
  return r;
}
API CUresult cuDriverGetVersion(int *version) {
  if (!version) return CUDA_ERROR_INVALID_VALUE;
  *version = 13000;
  return CUDA_SUCCESS;
}
CUresult api_initialized(void) { return driver.initialized ? CUDA_SUCCESS : CUDA_ERROR_NOT_INITIALIZED; }

static Device *device_at(CUdevice d) { return d >= 0 && (u32)d < driver.device_count ? &driver.devices[d] : NULL; }

API CUresult cuDeviceGetCount(int *count) {
  if (!driver.initialized) return CUDA_ERROR_NOT_INITIALIZED;
  if (!count) return CUDA_ERROR_INVALID_VALUE;
  *count = (int)driver.device_count;
  return CUDA_SUCCESS;
}
API CUresult cuDeviceGet(CUdevice *device, int ordinal) {
  if (!driver.initialized) return CUDA_ERROR_NOT_INITIALIZED;
  if (!device) return CUDA_ERROR_INVALID_VALUE;
  if (!device_at(ordinal)) return CUDA_ERROR_INVALID_DEVICE;
  *device = ordinal;
  return CUDA_SUCCESS;
}
API CUresult cuDeviceGetName(char *name, int length, CUdevice device) {
  const Device *d = device_at(device);
  if (!driver.initialized) return CUDA_ERROR_NOT_INITIALIZED;
  if (!d) return CUDA_ERROR_INVALID_DEVICE;
  if (!name || length <= 0) return CUDA_ERROR_INVALID_VALUE;
  (void)snprintf(name, (size_t)length, "%s", d->arch->name);
  return CUDA_SUCCESS;
}
API CUresult cuDeviceGetUuid_v2(CUuuid *uuid, CUdevice device) {
  const Device *d = device_at(device);
  if (!driver.initialized) return CUDA_ERROR_NOT_INITIALIZED;
  if (!d) return CUDA_ERROR_INVALID_DEVICE;
  if (!uuid) return CUDA_ERROR_INVALID_VALUE;
  memset(uuid, 0, sizeof *uuid);
  (void)snprintf(uuid->bytes, sizeof uuid->bytes, "samebits sm_%u", d->arch->sm);
  return CUDA_SUCCESS;
}
API CUresult cuDeviceGetUuid(CUuuid *uuid, CUdevice device) { return cuDeviceGetUuid_v2(uuid, device); }
API CUresult cuDeviceTotalMem_v2(size_t *bytes, CUdevice device) {
  if (!driver.initialized) return CUDA_ERROR_NOT_INITIALIZED;
  if (!device_at(device)) return CUDA_ERROR_INVALID_DEVICE;
  if (!bytes) return CUDA_ERROR_INVALID_VALUE;
  *bytes = mem_total();
  return CUDA_SUCCESS;
}
API CUresult cuDeviceComputeCapability(int *major, int *minor, CUdevice device) {
  const Device *d = device_at(device);
  if (!driver.initialized) return CUDA_ERROR_NOT_INITIALIZED;
  if (!d) return CUDA_ERROR_INVALID_DEVICE;
  if (!major || !minor) return CUDA_ERROR_INVALID_VALUE;
  *major = (int)(d->arch->sm / 10), *minor = (int)(d->arch->sm % 10);
  return CUDA_SUCCESS;
}

/* CUdevice_attribute by number. What describes speed has no meaning here and is 0 or 1. */
static int attribute(const Device *d, int which) {
  const Arch *a = d->arch;
  switch (which) {
  case 1:
    return MAX_THREADS; /* MAX_THREADS_PER_BLOCK */
  case 2:
  case 3:
    return 1024; /* MAX_BLOCK_DIM_X, Y */
  case 4:
    return 64; /* MAX_BLOCK_DIM_Z */
  case 5:
    return 2147483647; /* MAX_GRID_DIM_X */
  case 6:
  case 7:
    return 65535; /* MAX_GRID_DIM_Y, Z */
  case 8:
    return (int)a->shared_block; /* MAX_SHARED_MEMORY_PER_BLOCK */
  case 9:
    return 65536; /* TOTAL_CONSTANT_MEMORY */
  case 10:
    return LANES; /* WARP_SIZE */
  case 11:
    return 2147483647; /* MAX_PITCH */
  case 12:
    return 65536; /* MAX_REGISTERS_PER_BLOCK */
  case 13:
    return 1000000; /* CLOCK_RATE */
  case 14:
    return 512; /* TEXTURE_ALIGNMENT */
  case 15:
    return 1; /* GPU_OVERLAP */
  case 16:
    return 1; /* MULTIPROCESSOR_COUNT */
  case 18:
  case 19:
    return 1; /* INTEGRATED, CAN_MAP_HOST_MEMORY */
  case 31:
    return 1; /* CONCURRENT_KERNELS */
  case 36:
    return 1000000; /* MEMORY_CLOCK_RATE */
  case 37:
    return 64; /* GLOBAL_MEMORY_BUS_WIDTH */
  case 38:
    return (int)a->l2_bytes; /* L2_CACHE_SIZE */
  case 39:
    return (int)a->threads_sm; /* MAX_THREADS_PER_MULTIPROCESSOR */
  case 41:
    return 1; /* UNIFIED_ADDRESSING */
  case 75:
    return (int)(a->sm / 10); /* COMPUTE_CAPABILITY_MAJOR */
  case 76:
    return (int)(a->sm % 10); /* COMPUTE_CAPABILITY_MINOR */
  case 81:
    return (int)a->shared_sm; /* MAX_SHARED_MEMORY_PER_MULTIPROCESSOR */
  case 82:
    return (int)a->registers_sm; /* MAX_REGISTERS_PER_MULTIPROCESSOR */
  case 83:
  case 89:
    return 1; /* MANAGED_MEMORY, CONCURRENT_MANAGED_ACCESS */
  case 97:
    return (int)a->shared_optin; /* MAX_SHARED_MEMORY_PER_BLOCK_OPTIN */
  case 106:
    return (int)a->blocks_sm; /* MAX_BLOCKS_PER_MULTIPROCESSOR */
  case 111:
    return 1024; /* RESERVED_SHARED_MEMORY_PER_BLOCK */
  default:
    return 0;
  }
}
API CUresult cuDeviceGetAttribute(int *value, int which, CUdevice device) {
  const Device *d = device_at(device);
  if (!driver.initialized) return CUDA_ERROR_NOT_INITIALIZED;
  if (!d) return CUDA_ERROR_INVALID_DEVICE;
  if (!value || which <= 0 || which > 1024) return CUDA_ERROR_INVALID_VALUE;
  *value = attribute(d, which);
  return CUDA_SUCCESS;
}

/* ---- contexts ---- */
static Context *context_of(CUcontext h) {
  u32 k = handle_index(h);
  return handle_is(h, HANDLE_CONTEXT) && k < driver.context_count && driver.contexts[k].live ? &driver.contexts[k]
                                                                                             : NULL;
}
Context *current_context(void) {
  if (!stack_depth) return NULL;
  Context *c = &driver.contexts[stack[stack_depth - 1]];
  return c->live ? c : NULL;
}
Device *current_device(void) {
  const Context *c = current_context();
  return c ? &driver.devices[c->device] : NULL;
}
CUresult api_ready(void) {
  if (!driver.initialized) return CUDA_ERROR_NOT_INITIALIZED;
  const Device *d = current_device();
  if (!d) return stack_depth ? CUDA_ERROR_CONTEXT_IS_DESTROYED : CUDA_ERROR_INVALID_CONTEXT;
  return d->sticky;
}
static CUresult context_new(u32 device, bool primary, CUcontext *h) {
  CUresult r = CUDA_SUCCESS;
  pthread_mutex_lock(&driver.lock);
  u32 k = 0;
  while (primary && k < driver.context_count &&
         !(driver.contexts[k].live && driver.contexts[k].primary && driver.contexts[k].device == device))
    k++;
  if (!primary || k == driver.context_count) {
    k = driver.context_count;
    if (k == sizeof driver.contexts / sizeof driver.contexts[0])
      r = CUDA_ERROR_OUT_OF_MEMORY;
    else
      driver.contexts[driver.context_count++] = (Context){device, true, primary};
  }
  if (!r) *h = MAKE_HANDLE(HANDLE_CONTEXT, k, 0);
  pthread_mutex_unlock(&driver.lock);
  return r;
}
API CUresult cuDevicePrimaryCtxRetain(CUcontext *h, CUdevice device) {
  Device *d = device_at(device);
  if (!driver.initialized) return CUDA_ERROR_NOT_INITIALIZED;
  if (!d) return CUDA_ERROR_INVALID_DEVICE;
  if (!h) return CUDA_ERROR_INVALID_VALUE;
  d->refcount++;
  return context_new((u32)device, true, h);
}
static void reset(Device *d) { d->sticky = CUDA_SUCCESS; }
API CUresult cuDevicePrimaryCtxRelease_v2(CUdevice device) {
  Device *d = device_at(device);
  if (!d) return CUDA_ERROR_INVALID_DEVICE;
  if (!d->refcount) return CUDA_ERROR_INVALID_CONTEXT;
  if (--d->refcount) return CUDA_SUCCESS;
  reset(d);
  for (u32 k = 0; k < driver.context_count; k++)
    if (driver.contexts[k].live && driver.contexts[k].primary && driver.contexts[k].device == (u32)device)
      leaks_of_context(k);
  return CUDA_SUCCESS;
}
API CUresult cuDevicePrimaryCtxReset_v2(CUdevice device) {
  Device *d = device_at(device);
  if (!d) return CUDA_ERROR_INVALID_DEVICE;
  reset(d);
  return CUDA_SUCCESS;
}
API CUresult cuDevicePrimaryCtxSetFlags_v2(CUdevice device, unsigned int flags) {
  (void)flags;
  return device_at(device) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}
API CUresult cuDevicePrimaryCtxGetState(CUdevice device, unsigned int *flags, int *active) {
  const Device *d = device_at(device);
  if (!d) return CUDA_ERROR_INVALID_DEVICE;
  if (flags) *flags = 0;
  if (active) *active = d->refcount > 0;
  return CUDA_SUCCESS;
}
API CUresult cuCtxSetCurrent(CUcontext h) {
  if (!driver.initialized) return CUDA_ERROR_NOT_INITIALIZED;
  if (!h) {
    if (stack_depth) stack_depth--;
    return CUDA_SUCCESS;
  }
  if (!context_of(h)) return CUDA_ERROR_INVALID_CONTEXT;
  if (!stack_depth) stack_depth = 1;
  stack[stack_depth - 1] = handle_index(h);
  return CUDA_SUCCESS;
}
API CUresult cuCtxPushCurrent_v2(CUcontext h) {
  if (!driver.initialized) return CUDA_ERROR_NOT_INITIALIZED;
  if (!context_of(h)) return CUDA_ERROR_INVALID_CONTEXT;
  if (stack_depth == sizeof stack / sizeof stack[0]) return CUDA_ERROR_OUT_OF_MEMORY;
  stack[stack_depth++] = handle_index(h);
  return CUDA_SUCCESS;
}
API CUresult cuCtxPopCurrent_v2(CUcontext *h) {
  if (!driver.initialized) return CUDA_ERROR_NOT_INITIALIZED;
  if (!stack_depth) return CUDA_ERROR_INVALID_CONTEXT;
  stack_depth--;
  if (h) *h = MAKE_HANDLE(HANDLE_CONTEXT, stack[stack_depth], 0);
  return CUDA_SUCCESS;
}
API CUresult cuCtxGetCurrent(CUcontext *h) {
  if (!driver.initialized) return CUDA_ERROR_NOT_INITIALIZED;
  if (!h) return CUDA_ERROR_INVALID_VALUE;
  *h = current_context() ? MAKE_HANDLE(HANDLE_CONTEXT, stack[stack_depth - 1], 0) : NULL;
  return CUDA_SUCCESS;
}
API CUresult cuCtxGetDevice(CUdevice *device) {
  const Context *c = current_context();
  if (!driver.initialized) return CUDA_ERROR_NOT_INITIALIZED;
  if (!c) return CUDA_ERROR_INVALID_CONTEXT;
  if (!device) return CUDA_ERROR_INVALID_VALUE;
  *device = (CUdevice)c->device;
  return CUDA_SUCCESS;
}
API CUresult cuCtxCreate_v2(CUcontext *h, unsigned int flags, CUdevice device) {
  (void)flags;
  if (!driver.initialized) return CUDA_ERROR_NOT_INITIALIZED;
  if (!device_at(device)) return CUDA_ERROR_INVALID_DEVICE;
  if (!h) return CUDA_ERROR_INVALID_VALUE;
  CUresult r = context_new((u32)device, false, h);
  return r ? r : cuCtxPushCurrent_v2(*h);
}
API CUresult cuCtxCreate_v4(CUcontext *h, void *params, unsigned int flags, CUdevice device) {
  (void)params;
  return cuCtxCreate_v2(h, flags, device);
}
API CUresult cuCtxDestroy_v2(CUcontext h) {
  Context *c = context_of(h);
  if (!driver.initialized) return CUDA_ERROR_NOT_INITIALIZED;
  if (!c || c->primary) return CUDA_ERROR_INVALID_CONTEXT;
  if (stack_depth && stack[stack_depth - 1] == handle_index(h)) stack_depth--;
  c->live = false;
  leaks_of_context(handle_index(h));
  reset(&driver.devices[c->device]);
  return CUDA_SUCCESS;
}
API CUresult cuCtxSynchronize(void) { return api_ready(); }
API CUresult cuCtxGetApiVersion(CUcontext h, unsigned int *version) {
  (void)h;
  if (!version) return CUDA_ERROR_INVALID_VALUE;
  *version = 13000;
  return CUDA_SUCCESS;
}
API CUresult cuCtxGetFlags(unsigned int *flags) {
  if (!flags) return CUDA_ERROR_INVALID_VALUE;
  *flags = 0;
  return current_context() ? CUDA_SUCCESS : CUDA_ERROR_INVALID_CONTEXT;
}
API CUresult cuCtxGetStreamPriorityRange(int *least, int *greatest) {
  if (least) *least = 0;
  if (greatest) *greatest = 0;
  return current_context() ? CUDA_SUCCESS : CUDA_ERROR_INVALID_CONTEXT;
}
static u64 *limit_of(Device *d, int which) {
  return which == 0 ? &d->stack_limit : which == 1 ? &d->printf_limit : which == 2 ? &d->heap_limit : NULL;
}
API CUresult cuCtxSetLimit(int which, size_t value) {
  Device *d = current_device();
  if (!d) return CUDA_ERROR_INVALID_CONTEXT;
  u64 *at = limit_of(d, which);
  if (!at) return CUDA_ERROR_INVALID_VALUE;
  if (which == 0 && value > 512u << 10) return CUDA_ERROR_INVALID_VALUE;
  *at = value;
  return CUDA_SUCCESS;
}
API CUresult cuCtxGetLimit(size_t *value, int which) {
  Device *d = current_device();
  if (!d) return CUDA_ERROR_INVALID_CONTEXT;
  const u64 *at = limit_of(d, which);
  if (!at || !value) return CUDA_ERROR_INVALID_VALUE;
  *value = *at;
  return CUDA_SUCCESS;
}
API CUresult cuCtxGetCacheConfig(int *config) {
  if (!config) return CUDA_ERROR_INVALID_VALUE;
  *config = 0;
  return CUDA_SUCCESS;
}
API CUresult cuCtxSetCacheConfig(int config) {
  (void)config;
  return current_context() ? CUDA_SUCCESS : CUDA_ERROR_INVALID_CONTEXT;
}
