/* The driver API, opened at run time. Declarations are written out so that this builds without a CUDA toolkit. */
#include "samebits/driver.h"

#include <dlfcn.h>
#include <limits.h>
#include <link.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

enum { NOT_SUPPORTED = 801, INVALID_PTX = 218, UNSUPPORTED_PTX = 222, JIT_ERROR_LOG = 5, JIT_ERROR_LOG_SIZE = 6 };

/* Entry point, and its parameters. */
#define ENTRY_POINTS(X)                                                                                                \
  X(cuInit, (unsigned))                                                                                                \
  X(cuDeviceGetCount, (int *))                                                                                         \
  X(cuDeviceGet, (int *, int))                                                                                         \
  X(cuDeviceGetName, (char *, int, int))                                                                               \
  X(cuDeviceGetAttribute, (int *, int, int))                                                                           \
  X(cuDevicePrimaryCtxRetain, (void **, int))                                                                          \
  X(cuDevicePrimaryCtxRelease_v2, (int))                                                                               \
  X(cuDevicePrimaryCtxReset_v2, (int))                                                                                 \
  X(cuCtxSetCurrent, (void *))                                                                                         \
  X(cuCtxSynchronize, (void))                                                                                          \
  X(cuModuleLoadDataEx, (void **, const void *, unsigned, int *, void **))                                             \
  X(cuModuleUnload, (void *))                                                                                          \
  X(cuModuleGetFunction, (void **, void *, const char *))                                                              \
  X(cuFuncSetAttribute, (void *, int, int))                                                                            \
  X(cuMemAlloc_v2, (uint64_t *, size_t))                                                                               \
  X(cuMemFree_v2, (uint64_t))                                                                                          \
  X(cuMemcpyHtoD_v2, (uint64_t, const void *, size_t))                                                                 \
  X(cuMemcpyDtoH_v2, (void *, uint64_t, size_t))                                                                       \
  X(cuMemcpyDtoD_v2, (uint64_t, uint64_t, size_t))                                                                     \
  X(cuMemsetD8_v2, (uint64_t, unsigned char, size_t))                                                                  \
  X(cuLaunchKernel,                                                                                                    \
    (void *, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, void *, void **, void **))          \
  X(cuStreamSynchronize, (void *))                                                                                     \
  X(cuEventCreate, (void **, unsigned))                                                                                \
  X(cuEventRecord, (void *, void *))                                                                                   \
  X(cuEventSynchronize, (void *))                                                                                      \
  X(cuEventElapsedTime, (float *, void *, void *))                                                                     \
  X(cuEventDestroy_v2, (void *))                                                                                       \
  X(cuGetErrorName, (int, const char **))

struct sb_driver {
  void *library;
  char device[64], title[128];
  int ordinal, sm;
  bool emulator;
  void *context, *start, *stop;
  const char *(*last_fault)(void);
#define MEMBER(name, parameters) int(*name) parameters;
  ENTRY_POINTS(MEMBER)
#undef MEMBER
};

struct sb_module {
  sb_driver *driver;
  void *handle;
};

static const char *error_name(const sb_driver *d, int code) {
  const char *name = NULL;
  return d->cuGetErrorName && !d->cuGetErrorName(code, &name) && name ? name : "unknown error";
}
static sb_status failed(const sb_driver *d, int code, const char *what) {
  return code ? sb_fail(SB_DEVICE, "%s: %s failed: %s (%d)", d->device, what, error_name(d, code), code) : SB_OK;
}
/* The context is bound to the calling thread on every call: the caller may use several threads. */
static sb_status enter(sb_driver *d) { return failed(d, d->cuCtxSetCurrent(d->context), "cuCtxSetCurrent"); }
sb_status sb_driver_enter(sb_driver *d) { return enter(d); }

/* ---- finding the libraries ---- */
/* The folder of the file that holds this code, the program or a library: the tree may have been moved since it was
 * made. The program's own entry has no name. */
static bool own_folder(char folder[PATH_MAX]) {
  static const char here = 0;
  struct link_map *map = NULL;
  Dl_info info;
  if (!dladdr1(&here, &info, (void **)&map, RTLD_DL_LINKMAP) || !map) return false;
  const char *program = (const char *)getauxval(AT_EXECFN); /* where there is no /proc */
  if (!realpath(*map->l_name ? map->l_name : "/proc/self/exe", folder) &&
      (*map->l_name || !program || !realpath(program, folder)))
    return false;
  *strrchr(folder, '/') = 0;
  return true;
}

/* Beside it: of a build, of an installed program, of an installed library. */
static void *open_emulator(char *tried, size_t size) {
  char path[PATH_MAX], folder[PATH_MAX];
  const char *env = getenv("SAMEBITS_EMULATOR");
  static const char *const beside[] = {"emulator/libcuda.so.1", "../emulator/libcuda.so.1",
                                       "../" SAMEBITS_LIBDIR "/samebits/libcuda.so.1", "samebits/libcuda.so.1"};
  if (env && *env) {
    (void)snprintf(tried, size, "%s", env);
    return dlopen(env, RTLD_NOW | RTLD_LOCAL);
  }
  *tried = 0;
  if (!own_folder(folder)) return NULL;
  for (size_t k = 0; k < sizeof beside / sizeof beside[0]; k++) {
    int length = snprintf(path, sizeof path, "%s/%s", folder, beside[k]);
    if (k == 0) (void)snprintf(tried, size, "%s", path);
    void *library = length > 0 && (size_t)length < sizeof path ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
    if (library) return library;
  }
  return NULL;
}

/* By full path first: once the emulator is open in this process, the bare name would find it by its soname. */
static void *open_nvidia(void) {
  static const char *const paths[] = {"/usr/lib/x86_64-linux-gnu/libcuda.so.1",
                                      "/usr/lib/aarch64-linux-gnu/libcuda.so.1",
                                      "/usr/lib64/libcuda.so.1",
                                      "/usr/lib/libcuda.so.1",
                                      "/usr/local/nvidia/lib64/libcuda.so.1",
                                      "/usr/lib/wsl/lib/libcuda.so.1",
                                      "libcuda.so.1"};
  for (size_t k = 0; k < sizeof paths / sizeof paths[0]; k++) {
    void *library = dlopen(paths[k], RTLD_NOW | RTLD_LOCAL);
    if (library && !dlsym(library, "samebitsEmuLastFault")) return library;
    if (library) (void)dlclose(library);
  }
  return NULL;
}

static sb_status bind(sb_driver *d) {
  const char *missing = NULL;
  void *p;
#define BIND(name, parameters)                                                                                         \
  p = dlsym(d->library, #name);                                                                                        \
  if (!p) missing = #name;                                                                                             \
  memcpy(&d->name, &p, sizeof p);
  ENTRY_POINTS(BIND)
#undef BIND
  p = dlsym(d->library, "samebitsEmuLastFault");
  memcpy(&d->last_fault, &p, sizeof p);
  return missing ? sb_fail(SB_DEVICE, "%s: the driver library has no %s", d->device, missing) : SB_OK;
}

/* The ordinal of the device: N of cuda:N; on the emulator the one with that compute capability, a name of which it does
 * not know is SB_USAGE. */
static sb_status choose(sb_driver *d, long wanted) {
  char known[160] = "";
  int count = 0, major = 0, minor = 0, code = d->cuInit(0);
  if (!code) code = d->cuDeviceGetCount(&count);
  if (code) return failed(d, code, "cuInit");
  for (int k = 0; k < count; k++) {
    if (!d->emulator && k != wanted) continue;
    code = d->cuDeviceGet(&d->ordinal, k);
    if (!code) code = d->cuDeviceGetAttribute(&major, 75, d->ordinal);
    if (!code) code = d->cuDeviceGetAttribute(&minor, 76, d->ordinal);
    if (code) return failed(d, code, "cuDeviceGetAttribute");
    d->sm = major * 10 + minor;
    if (!d->emulator || d->sm == wanted)
      return failed(d, d->cuDeviceGetName(d->title, sizeof d->title, d->ordinal), "cuDeviceGetName");
    const size_t length = strlen(known);
    (void)snprintf(known + length, sizeof known - length, "%semu:sm_%d", length ? ", " : "", d->sm);
  }
  if (d->emulator) return sb_fail(SB_USAGE, "unknown device '%s'; the emulator has: %s", d->device, known);
  return sb_fail(SB_DEVICE, "%s: no such device, the library has %d", d->device, count);
}

sb_status sb_driver_open(const char *device, sb_driver **driver) {
  bool emulator = !strncmp(device, "emu:sm_", 7);
  const char *number = device + (emulator ? 7 : 5);
  char *end, tried[PATH_MAX] = "";
  long wanted = 0;
  *driver = NULL;
  if (!emulator && strncmp(device, "cuda:", 5) != 0)
    return sb_fail(SB_USAGE, "device '%.60s': expected emu:sm_XX or cuda:N", device);
  wanted = strtol(number, &end, 10);
  if (end == number || *end || wanted < 0 || wanted > 1000 || strlen(device) >= 64)
    return sb_fail(SB_USAGE, "device '%.60s': expected emu:sm_XX or cuda:N", device);
  sb_driver *d = calloc(1, sizeof *d);
  if (!d) return sb_fail(SB_NO_MEMORY, "device %s: out of memory", device);
  (void)snprintf(d->device, sizeof d->device, "%s", device);
  d->emulator = emulator;
  d->library = emulator ? open_emulator(tried, sizeof tried) : open_nvidia();
  sb_status status;
  if (!d->library)
    status = emulator ? sb_fail(SB_DEVICE, "%s: the emulator's library was not found (%s); set SAMEBITS_EMULATOR",
                                device, tried)
                      : sb_fail(SB_DEVICE, "%s: NVIDIA's libcuda.so.1 is not installed", device);
  else
    status = bind(d);
  if (status == SB_OK) status = choose(d, wanted);
  if (status == SB_OK)
    status = failed(d, d->cuDevicePrimaryCtxRetain(&d->context, d->ordinal), "cuDevicePrimaryCtxRetain");
  if (status == SB_OK) status = enter(d);
  if (status == SB_OK) status = failed(d, d->cuEventCreate(&d->start, 0), "cuEventCreate");
  if (status == SB_OK) status = failed(d, d->cuEventCreate(&d->stop, 0), "cuEventCreate");
  if (status == SB_OK)
    *driver = d;
  else
    sb_driver_close(d);
  return status;
}

/* The library stays loaded: NVIDIA's does not survive dlclose, and another sb_driver may use it. */
void sb_driver_close(sb_driver *d) {
  if (!d) return;
  if (d->context && d->cuCtxSetCurrent) {
    (void)d->cuCtxSetCurrent(d->context);
    if (d->start) (void)d->cuEventDestroy_v2(d->start);
    if (d->stop) (void)d->cuEventDestroy_v2(d->stop);
    (void)d->cuDevicePrimaryCtxRelease_v2(d->ordinal);
  }
  free(d);
}

const char *sb_driver_device(const sb_driver *d) { return d->device; }
const char *sb_driver_title(const sb_driver *d) { return d->title; }
int sb_driver_sm(const sb_driver *d) { return d->sm; }
bool sb_driver_is_emulator(const sb_driver *d) { return d->emulator; }
int sb_driver_attribute(const sb_driver *d, int which) {
  int value = 0;
  return d->cuDeviceGetAttribute(&value, which, d->ordinal) ? 0 : value;
}
void *sb_driver_symbol(const sb_driver *d, const char *name) { return dlsym(d->library, name); }
const char *sb_driver_fault(const sb_driver *d) { return d->last_fault ? d->last_fault() : ""; }

/* ---- modules ---- */
sb_status sb_driver_load(sb_driver *d, const char *text, size_t size, sb_module **module) {
  char log[1024] = "";
  int options[] = {JIT_ERROR_LOG, JIT_ERROR_LOG_SIZE};
  void *values[] = {log, (void *)(uintptr_t)sizeof log};
  *module = NULL;
  sb_status status = enter(d);
  if (status) return status;
  char *copy = malloc(size + 8);
  sb_module *m = calloc(1, sizeof *m);
  if (!copy || !m) {
    free(copy), free(m);
    return sb_fail(SB_NO_MEMORY, "%s: out of memory for %zu bytes of PTX", d->device, size);
  }
  memcpy(copy, text, size);
  memset(copy + size, 0, 8);
  m->driver = d;
  int code = d->cuModuleLoadDataEx(&m->handle, copy, 2, options, values);
  free(copy);
  if (!code) {
    *module = m;
    return SB_OK;
  }
  free(m);
  log[sizeof log - 1] = 0;
  return sb_fail(code == INVALID_PTX || code == UNSUPPORTED_PTX ? SB_FILE : SB_DEVICE,
                 "%s: the PTX cannot be loaded: %s (%d)%s%s", d->device, error_name(d, code), code, log[0] ? ": " : "",
                 log);
}

sb_status sb_driver_function(sb_module *m, const char *entry, sb_function *function) {
  void *handle = NULL;
  sb_status status = enter(m->driver);
  if (status) return status;
  int code = m->driver->cuModuleGetFunction(&handle, m->handle, entry);
  if (code)
    return sb_fail(SB_DEVICE, "%s: no entry '%s': %s (%d)", m->driver->device, entry, error_name(m->driver, code),
                   code);
  *function = handle;
  return SB_OK;
}
sb_status sb_driver_param(sb_driver *d, sb_function f, size_t index, size_t *size) {
  int (*info)(void *, size_t, size_t *, size_t *) = NULL;
  void *p = dlsym(d->library, "cuFuncGetParamInfo"); /* since CUDA 12.4 */
  size_t offset;
  memcpy(&info, &p, sizeof p);
  if (!info) return SB_UNSUPPORTED;
  sb_status status = enter(d);
  return status ? status : info(f, index, &offset, size) ? SB_INVALID : SB_OK;
}
void *sb_driver_module_handle(sb_module *m) { return m->handle; }
void sb_driver_unload(sb_module *m) {
  if (!m) return;
  if (enter(m->driver) == SB_OK) (void)m->driver->cuModuleUnload(m->handle);
  free(m);
}

/* ---- memory ---- */
sb_status sb_driver_alloc(sb_driver *d, size_t bytes, uint64_t *address) {
  sb_status status = enter(d);
  return status ? status : failed(d, d->cuMemAlloc_v2(address, bytes ? bytes : 1), "cuMemAlloc");
}
sb_status sb_driver_free(sb_driver *d, uint64_t address) {
  sb_status status = enter(d);
  return status ? status : failed(d, d->cuMemFree_v2(address), "cuMemFree");
}
sb_status sb_driver_upload(sb_driver *d, uint64_t to, const void *from, size_t bytes) {
  sb_status status = enter(d);
  return status || !bytes ? status : failed(d, d->cuMemcpyHtoD_v2(to, from, bytes), "cuMemcpyHtoD");
}
sb_status sb_driver_download(sb_driver *d, void *to, uint64_t from, size_t bytes) {
  sb_status status = enter(d);
  return status || !bytes ? status : failed(d, d->cuMemcpyDtoH_v2(to, from, bytes), "cuMemcpyDtoH");
}
sb_status sb_driver_fill(sb_driver *d, uint64_t to, unsigned char value, size_t bytes) {
  sb_status status = enter(d);
  return status || !bytes ? status : failed(d, d->cuMemsetD8_v2(to, value, bytes), "cuMemsetD8");
}
sb_status sb_driver_copy(sb_driver *d, uint64_t to, uint64_t from, size_t bytes) {
  sb_status status = enter(d);
  return status || !bytes ? status : failed(d, d->cuMemcpyDtoD_v2(to, from, bytes), "cuMemcpyDtoD");
}

/* ---- launches ---- */
sb_status sb_driver_launch(sb_driver *d, sb_function f, const sb_grid *g, void **params, uint64_t *nanoseconds) {
  float milliseconds = 0.0f;
  sb_status status = enter(d);
  if (status) return status;
  int code = 0;
  if (g->shared > 48u << 10) code = d->cuFuncSetAttribute(f, 8, (int)g->shared);
  if (code) return failed(d, code, "cuFuncSetAttribute(MAX_DYNAMIC_SHARED_SIZE_BYTES)");
  if (nanoseconds) code = d->cuEventRecord(d->start, NULL);
  if (!code)
    code = d->cuLaunchKernel(f, g->grid[0], g->grid[1], g->grid[2], g->block[0], g->block[1], g->block[2], g->shared,
                             NULL, params, NULL);
  if (!code && nanoseconds) code = d->cuEventRecord(d->stop, NULL);
  if (!code) code = d->cuCtxSynchronize();
  if (!code && nanoseconds) code = d->cuEventElapsedTime(&milliseconds, d->start, d->stop);
  if (!code && nanoseconds) *nanoseconds = (uint64_t)((double)milliseconds * 1e6);
  if (!code) return SB_OK;
  const char *fault = sb_driver_fault(d);
  return sb_fail(code == NOT_SUPPORTED && d->emulator ? SB_REFUSED : SB_DEVICE, "%s: the launch failed: %s (%d)%s%s",
                 d->device, error_name(d, code), code, *fault ? ": " : "", fault);
}
sb_status sb_driver_queue(sb_driver *d, sb_function f, const sb_grid *g, void **params, void *stream) {
  sb_status status = enter(d);
  if (status) return status;
  int code = g->shared > 48u << 10 ? d->cuFuncSetAttribute(f, 8, (int)g->shared) : 0;
  if (!code)
    code = d->cuLaunchKernel(f, g->grid[0], g->grid[1], g->grid[2], g->block[0], g->block[1], g->block[2], g->shared,
                             stream, params, NULL);
  return failed(d, code, "cuLaunchKernel");
}
sb_status sb_driver_wait(sb_driver *d, void *stream) {
  sb_status status = enter(d);
  return status ? status : failed(d, d->cuStreamSynchronize(stream), "cuStreamSynchronize");
}
sb_status sb_driver_reset(sb_driver *d) {
  return failed(d, d->cuDevicePrimaryCtxReset_v2(d->ordinal), "cuDevicePrimaryCtxReset");
}
sb_status sb_driver_begin(sb_driver *d) {
  sb_status status = enter(d);
  return status ? status : failed(d, d->cuEventRecord(d->start, NULL), "cuEventRecord");
}
sb_status sb_driver_end(sb_driver *d, double *seconds) {
  float milliseconds = 0.0f;
  sb_status status = enter(d);
  if (status) return status;
  int code = d->cuEventRecord(d->stop, NULL);
  if (!code) code = d->cuEventSynchronize(d->stop);
  if (!code) code = d->cuEventElapsedTime(&milliseconds, d->start, d->stop);
  *seconds = (double)milliseconds * 1e-3;
  const char *fault = sb_driver_fault(d);
  return code ? sb_fail(SB_DEVICE, "%s: what was timed failed: %s (%d)%s%s", d->device, error_name(d, code), code,
                        *fault ? ": " : "", fault)
              : SB_OK;
}
