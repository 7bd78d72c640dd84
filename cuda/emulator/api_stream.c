/* api_stream.c: streams, events, and names of errors. Launches and copies complete before they return, so order is kept
   and everything recorded is done. */
#include "cuda_api.h"
#include "cuda_entry.h"
#include <stdio.h>
#include <time.h>

enum { SLOTS = 65536 };
static struct {
  bool stream, event, recorded;
  u64 nanoseconds;
} slots[SLOTS];
static u32 used = 1;

static u64 now(void) {
  struct timespec t;
  (void)clock_gettime(CLOCK_MONOTONIC, &t);
  return (u64)t.tv_sec * 1000000000ull + (u64)t.tv_nsec;
}
static CUresult slot_new(bool stream, u32 kind, void **h) {
  CUresult r = CUDA_ERROR_OUT_OF_MEMORY;
  pthread_mutex_lock(&driver.lock);
  u32 k = 1;
  while (k < used && (slots[k].stream || slots[k].event)) k++;
  if (k < SLOTS) {
    if (k == used) used++;
    slots[k].stream = stream, slots[k].event = !stream, slots[k].recorded = false;
    *h = MAKE_HANDLE(kind, k, 0);
    r = CUDA_SUCCESS;
  }
  pthread_mutex_unlock(&driver.lock);
  return r;
}
/* NULL and the two special streams (legacy 1, per thread 2) always exist. */
CUresult stream_ok(CUstream s) {
  if ((u64)(uintptr_t)s <= 2) return CUDA_SUCCESS;
  u32 k = handle_index(s);
  return handle_is(s, HANDLE_STREAM) && k < SLOTS && slots[k].stream ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}
static CUresult event_ok(CUevent e) {
  u32 k = handle_index(e);
  return handle_is(e, HANDLE_EVENT) && k < SLOTS && slots[k].event ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

API CUresult cuStreamCreate(CUstream *s, unsigned int flags) {
  CUresult r = api_ready();
  if (r) return r;
  void *h;
  if (!s || flags > 1) return CUDA_ERROR_INVALID_VALUE;
  r = slot_new(true, HANDLE_STREAM, &h);
  if (!r) *s = h;
  return r;
}
API CUresult cuStreamCreateWithPriority(CUstream *s, unsigned int flags, int priority) {
  (void)priority;
  return cuStreamCreate(s, flags);
}
API CUresult cuStreamDestroy_v2(CUstream s) {
  if ((u64)(uintptr_t)s <= 2 || stream_ok(s)) return CUDA_ERROR_INVALID_HANDLE;
  slots[handle_index(s)].stream = false;
  return CUDA_SUCCESS;
}
static CUresult done(CUstream s) {
  CUresult r = stream_ok(s);
  return r ? r : api_ready();
}
API CUresult cuStreamSynchronize(CUstream s) { return done(s); }
API CUresult cuStreamQuery(CUstream s) { return done(s); }
API CUresult cuStreamWaitEvent(CUstream s, CUevent e, unsigned int flags) {
  (void)flags;
  CUresult r = event_ok(e);
  return r ? r : done(s);
}
API CUresult cuStreamGetFlags(CUstream s, unsigned int *flags) {
  if (!flags) return CUDA_ERROR_INVALID_VALUE;
  *flags = 0;
  return stream_ok(s);
}
API CUresult cuStreamGetPriority(CUstream s, int *priority) {
  if (!priority) return CUDA_ERROR_INVALID_VALUE;
  *priority = 0;
  return stream_ok(s);
}
API CUresult cuStreamGetCtx(CUstream s, CUcontext *c) {
  CUresult r = stream_ok(s);
  return r ? r : cuCtxGetCurrent(c);
}
API CUresult cuStreamIsCapturing(CUstream s, int *status) {
  if (!status) return CUDA_ERROR_INVALID_VALUE;
  *status = 0;
  return stream_ok(s);
}
API CUresult cuLaunchHostFunc(CUstream s, void (*f)(void *), void *arg) {
  CUresult r = done(s);
  if (r) return r;
  if (!f) return CUDA_ERROR_INVALID_VALUE;
  f(arg);
  return CUDA_SUCCESS;
}

API CUresult cuEventCreate(CUevent *e, unsigned int flags) {
  CUresult r = api_ready();
  (void)flags;
  if (r) return r;
  void *h;
  if (!e) return CUDA_ERROR_INVALID_VALUE;
  r = slot_new(false, HANDLE_EVENT, &h);
  if (!r) *e = h;
  return r;
}
API CUresult cuEventDestroy_v2(CUevent e) {
  CUresult r = event_ok(e);
  if (!r) slots[handle_index(e)].event = false;
  return r;
}
API CUresult cuEventRecord(CUevent e, CUstream s) {
  CUresult r = event_ok(e);
  if (!r) r = done(s);
  if (r) return r;
  slots[handle_index(e)].recorded = true, slots[handle_index(e)].nanoseconds = now();
  return CUDA_SUCCESS;
}
API CUresult cuEventRecordWithFlags(CUevent e, CUstream s, unsigned int flags) {
  (void)flags;
  return cuEventRecord(e, s);
}
API CUresult cuEventSynchronize(CUevent e) {
  CUresult r = event_ok(e);
  return r ? r : api_ready();
}
API CUresult cuEventQuery(CUevent e) { return cuEventSynchronize(e); }
API CUresult cuEventElapsedTime_v2(float *ms, CUevent from, CUevent to) {
  CUresult r = event_ok(from);
  if (!r) r = event_ok(to);
  if (r) return r;
  if (!ms) return CUDA_ERROR_INVALID_VALUE;
  if (!slots[handle_index(from)].recorded || !slots[handle_index(to)].recorded) return CUDA_ERROR_INVALID_HANDLE;
  *ms = (float)((double)(i64)(slots[handle_index(to)].nanoseconds - slots[handle_index(from)].nanoseconds) * 1e-6);
  return CUDA_SUCCESS;
}
API CUresult cuEventElapsedTime(float *ms, CUevent from, CUevent to) { return cuEventElapsedTime_v2(ms, from, to); }

/* ---- the asynchronous names: the same, in stream order ---- */
#define IN_STREAM(s, call) (stream_ok(s) ? CUDA_ERROR_INVALID_HANDLE : (call))
API CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void *from, size_t n, CUstream s) {
  return IN_STREAM(s, cuMemcpyHtoD_v2(to, from, n));
}
API CUresult cuMemcpyDtoHAsync_v2(void *to, CUdeviceptr from, size_t n, CUstream s) {
  return IN_STREAM(s, cuMemcpyDtoH_v2(to, from, n));
}
API CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t n, CUstream s) {
  return IN_STREAM(s, cuMemcpyDtoD_v2(to, from, n));
}
API CUresult cuMemcpyAsync(CUdeviceptr to, CUdeviceptr from, size_t n, CUstream s) {
  return IN_STREAM(s, cuMemcpy(to, from, n));
}
API CUresult cuMemcpy2DAsync_v2(const void *c, CUstream s) { return IN_STREAM(s, cuMemcpy2D_v2(c)); }
API CUresult cuMemsetD8Async(CUdeviceptr to, unsigned char v, size_t n, CUstream s) {
  return IN_STREAM(s, cuMemsetD8_v2(to, v, n));
}
API CUresult cuMemsetD16Async(CUdeviceptr to, unsigned short v, size_t n, CUstream s) {
  return IN_STREAM(s, cuMemsetD16_v2(to, v, n));
}
API CUresult cuMemsetD32Async(CUdeviceptr to, unsigned int v, size_t n, CUstream s) {
  return IN_STREAM(s, cuMemsetD32_v2(to, v, n));
}
API CUresult cuMemAllocAsync(CUdeviceptr *p, size_t n, CUstream s) { return IN_STREAM(s, cuMemAlloc_v2(p, n)); }
API CUresult cuMemFreeAsync(CUdeviceptr p, CUstream s) { return IN_STREAM(s, cuMemFree_v2(p)); }

/* ---- errors ---- */
static const struct {
  CUresult code;
  const char *name, *text;
} errors[] = {
    {CUDA_SUCCESS, "CUDA_SUCCESS", "no error"},
    {CUDA_ERROR_INVALID_VALUE, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {CUDA_ERROR_OUT_OF_MEMORY, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {CUDA_ERROR_NOT_INITIALIZED, "CUDA_ERROR_NOT_INITIALIZED", "initialization error"},
    {CUDA_ERROR_DEINITIALIZED, "CUDA_ERROR_DEINITIALIZED", "driver shutting down"},
    {CUDA_ERROR_NO_DEVICE, "CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"},
    {CUDA_ERROR_INVALID_DEVICE, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
    {CUDA_ERROR_INVALID_IMAGE, "CUDA_ERROR_INVALID_IMAGE", "device kernel image is invalid"},
    {CUDA_ERROR_INVALID_CONTEXT, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
    {CUDA_ERROR_NO_BINARY_FOR_GPU, "CUDA_ERROR_NO_BINARY_FOR_GPU",
     "no kernel image is available for execution on the device"},
    {CUDA_ERROR_INVALID_PTX, "CUDA_ERROR_INVALID_PTX", "a PTX JIT compilation failed"},
    {CUDA_ERROR_UNSUPPORTED_PTX_VERSION, "CUDA_ERROR_UNSUPPORTED_PTX_VERSION",
     "the provided PTX was compiled with an unsupported toolchain"},
    {CUDA_ERROR_FILE_NOT_FOUND, "CUDA_ERROR_FILE_NOT_FOUND", "file not found"},
    {CUDA_ERROR_INVALID_HANDLE, "CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"},
    {CUDA_ERROR_ILLEGAL_STATE, "CUDA_ERROR_ILLEGAL_STATE", "the operation cannot be performed in the present state"},
    {CUDA_ERROR_NOT_FOUND, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
    {CUDA_ERROR_NOT_READY, "CUDA_ERROR_NOT_READY", "device not ready"},
    {CUDA_ERROR_ILLEGAL_ADDRESS, "CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered"},
    {CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES, "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES",
     "too many resources requested for launch"},
    {CUDA_ERROR_LAUNCH_TIMEOUT, "CUDA_ERROR_LAUNCH_TIMEOUT", "the launch timed out and was terminated"},
    {CUDA_ERROR_PRIMARY_CONTEXT_ACTIVE, "CUDA_ERROR_PRIMARY_CONTEXT_ACTIVE",
     "cannot set while device is active in this process"},
    {CUDA_ERROR_CONTEXT_IS_DESTROYED, "CUDA_ERROR_CONTEXT_IS_DESTROYED", "context is destroyed"},
    {CUDA_ERROR_ASSERT, "CUDA_ERROR_ASSERT", "device-side assert triggered"},
    {CUDA_ERROR_MISALIGNED_ADDRESS, "CUDA_ERROR_MISALIGNED_ADDRESS", "misaligned address"},
    {CUDA_ERROR_LAUNCH_FAILED, "CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"},
    {CUDA_ERROR_NOT_PERMITTED, "CUDA_ERROR_NOT_PERMITTED", "operation not permitted"},
    {CUDA_ERROR_NOT_SUPPORTED, "CUDA_ERROR_NOT_SUPPORTED", "operation not supported"},
    {CUDA_ERROR_UNKNOWN, "CUDA_ERROR_UNKNOWN", "unknown error"}};
API CUresult cuGetErrorName(CUresult code, const char **name) {
  if (!name) return CUDA_ERROR_INVALID_VALUE;
  *name = NULL;
  for (size_t k = 0; k < sizeof errors / sizeof errors[0]; k++)
    if (errors[k].code == code) *name = errors[k].name;
  return *name ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}
API CUresult cuGetErrorString(CUresult code, const char **text) {
  if (!text) return CUDA_ERROR_INVALID_VALUE;
  *text = NULL;
  for (size_t k = 0; k < sizeof errors / sizeof errors[0]; k++)
    if (errors[k].code == code) *text = errors[k].text;
  return *text ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}
