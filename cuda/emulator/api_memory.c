/* api_memory.c: allocations, copies, memset. Device addresses are checked against the allocations; host ones are the
 * caller's. */
#include "cuda_api.h"
#include "cuda_entry.h"

/* All of [address, address + size) inside one allocation. */
static Alloc *device_range(u64 address, u64 size) {
  Alloc *al = mem_find(address);
  return al && al->size - (address - al->base) >= size ? al : NULL;
}

/* 0: no room. */
static u64 allocate(u64 size, AllocKind kind) {
  u64 address = mem_alloc(size, kind);
  if (address) mem_find(address)->owner = (u32)(current_context() - driver.contexts);
  return address;
}

API CUresult cuMemAlloc_v2(CUdeviceptr *address, size_t size) {
  CUresult r = api_ready();
  if (r) return r;
  if (!address || !size) return CUDA_ERROR_INVALID_VALUE;
  *address = allocate(size, ALLOC_DEVICE);
  return *address ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}
API CUresult cuMemAllocPitch_v2(CUdeviceptr *address, size_t *pitch, size_t width, size_t height,
                                unsigned int element) {
  CUresult r = api_ready();
  if (r) return r;
  if (!address || !pitch || !width || !height || (element != 4 && element != 8 && element != 16) ||
      width > 1ull << 32 || height > 1ull << 32)
    return CUDA_ERROR_INVALID_VALUE;
  *pitch = (width + 511) & ~(size_t)511;
  return cuMemAlloc_v2(address, *pitch * height);
}
API CUresult cuMemAllocManaged(CUdeviceptr *address, size_t size, unsigned int flags) {
  CUresult r = api_ready();
  (void)flags;
  if (r) return r;
  if (!address || !size) return CUDA_ERROR_INVALID_VALUE;
  *address = allocate(size, ALLOC_MANAGED);
  if (!*address) return CUDA_ERROR_OUT_OF_MEMORY;
  mem_mark_init(mem_find(*address), *address, size); /* the host may write it unseen */
  return CUDA_SUCCESS;
}
API CUresult cuMemHostAlloc(void **p, size_t size, unsigned int flags) {
  CUresult r = api_ready();
  (void)flags;
  if (r) return r;
  if (!p || !size) return CUDA_ERROR_INVALID_VALUE;
  u64 address = allocate(size, ALLOC_HOST);
  if (!address) return CUDA_ERROR_OUT_OF_MEMORY;
  mem_mark_init(mem_find(address), address, size);
  *p = (void *)(uintptr_t)address;
  return CUDA_SUCCESS;
}
API CUresult cuMemAllocHost_v2(void **p, size_t size) { return cuMemHostAlloc(p, size, 0); }
static CUresult release(u64 address, bool host) {
  CUresult r = api_initialized();
  if (r) return r;
  const Alloc *al = mem_find(address);
  if (!al || al->base != address || al->kind == ALLOC_MODULE || al->kind == ALLOC_CONST ||
      (al->kind == ALLOC_HOST) != host)
    return CUDA_ERROR_INVALID_VALUE;
  return mem_free(address) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}
API CUresult cuMemFree_v2(CUdeviceptr address) { return address ? release(address, false) : CUDA_SUCCESS; }
API CUresult cuMemFreeHost(void *p) { return release((u64)(uintptr_t)p, true); }
API CUresult cuMemHostGetDevicePointer_v2(CUdeviceptr *address, void *p, unsigned int flags) {
  (void)flags;
  if (!address) return CUDA_ERROR_INVALID_VALUE;
  if (!mem_find((u64)(uintptr_t)p)) return CUDA_ERROR_INVALID_VALUE;
  *address = (u64)(uintptr_t)p;
  return CUDA_SUCCESS;
}
API CUresult cuMemHostGetFlags(unsigned int *flags, void *p) {
  if (!flags || !mem_find((u64)(uintptr_t)p)) return CUDA_ERROR_INVALID_VALUE;
  *flags = 0;
  return CUDA_SUCCESS;
}
API CUresult cuMemGetInfo_v2(size_t *free_bytes, size_t *total) {
  CUresult r = api_ready();
  if (r) return r;
  if (!free_bytes || !total) return CUDA_ERROR_INVALID_VALUE;
  *total = mem_total(), *free_bytes = mem_total() - mem_used();
  return CUDA_SUCCESS;
}
API CUresult cuMemGetAddressRange_v2(CUdeviceptr *base, size_t *size, CUdeviceptr address) {
  CUresult r = api_ready();
  const Alloc *al = mem_find(address);
  if (r) return r;
  if (!al) return CUDA_ERROR_NOT_FOUND;
  if (base) *base = al->base;
  if (size) *size = al->size;
  return CUDA_SUCCESS;
}

/* ---- copies ---- */
API CUresult cuMemcpyHtoD_v2(CUdeviceptr to, const void *from, size_t size) {
  CUresult r = api_ready();
  if (r || !size) return r;
  Alloc *al = device_range(to, size);
  if (!al || !from) return CUDA_ERROR_INVALID_VALUE;
  memmove((void *)(uintptr_t)to, from, size);
  mem_mark_init(al, to, size);
  return CUDA_SUCCESS;
}
API CUresult cuMemcpyDtoH_v2(void *to, CUdeviceptr from, size_t size) {
  CUresult r = api_ready();
  if (r || !size) return r;
  if (!device_range(from, size) || !to) return CUDA_ERROR_INVALID_VALUE;
  memmove(to, (const void *)(uintptr_t)from, size);
  return CUDA_SUCCESS;
}
/* What was not written stays unwritten in the copy. */
API CUresult cuMemcpyDtoD_v2(CUdeviceptr to, CUdeviceptr from, size_t size) {
  CUresult r = api_ready();
  if (r || !size) return r;
  Alloc *al = device_range(to, size), *source = device_range(from, size);
  if (!al || !source) return CUDA_ERROR_INVALID_VALUE;
  memmove((void *)(uintptr_t)to, (const void *)(uintptr_t)from, size);
  if (mem_is_init(source, from, size))
    mem_mark_init(al, to, size);
  else
    for (u64 k = 0; k < size; k++)
      if (mem_is_init(source, from + k, 1)) mem_mark_init(al, to + k, 1);
  return CUDA_SUCCESS;
}
API CUresult cuMemcpy(CUdeviceptr to, CUdeviceptr from, size_t size) {
  bool device_to = mem_find(to) != NULL, device_from = mem_find(from) != NULL;
  if (device_to && device_from) return cuMemcpyDtoD_v2(to, from, size);
  if (device_to) return cuMemcpyHtoD_v2(to, (const void *)(uintptr_t)from, size);
  if (device_from) return cuMemcpyDtoH_v2((void *)(uintptr_t)to, from, size);
  return size ? CUDA_ERROR_INVALID_VALUE : api_ready();
}

/* CUDA_MEMCPY2D of the manual. Memory types: 1 host, 2 device, 4 unified (by address); arrays (3) are not supported. */
typedef struct {
  size_t from_x, from_y;
  int from_type;
  const void *from_host;
  CUdeviceptr from_device;
  void *from_array;
  size_t from_pitch, to_x, to_y;
  int to_type;
  void *to_host;
  CUdeviceptr to_device;
  void *to_array;
  size_t to_pitch, width, height;
} Copy2D;
API CUresult cuMemcpy2D_v2(const void *description) {
  const Copy2D *c = description;
  CUresult r = api_ready();
  if (r) return r;
  if (!c || c->from_type == 3 || c->to_type == 3) return c ? CUDA_ERROR_NOT_SUPPORTED : CUDA_ERROR_INVALID_VALUE;
  u64 from = c->from_type == 1 ? (u64)(uintptr_t)c->from_host : c->from_device,
      to = c->to_type == 1 ? (u64)(uintptr_t)c->to_host : c->to_device;
  u64 from_pitch = c->from_pitch ? c->from_pitch : c->width, to_pitch = c->to_pitch ? c->to_pitch : c->width;
  if (from_pitch < c->width + c->from_x || to_pitch < c->width + c->to_x) return CUDA_ERROR_INVALID_VALUE;
  for (u64 y = 0; y < c->height && c->width; y++) {
    u64 a = from + (c->from_y + y) * from_pitch + c->from_x, b = to + (c->to_y + y) * to_pitch + c->to_x;
    if (c->from_type == 1 && c->to_type == 1)
      memmove((void *)(uintptr_t)b, (const void *)(uintptr_t)a, c->width);
    else if (c->from_type == 1)
      r = cuMemcpyHtoD_v2(b, (const void *)(uintptr_t)a, c->width);
    else if (c->to_type == 1)
      r = cuMemcpyDtoH_v2((void *)(uintptr_t)b, a, c->width);
    else
      r = cuMemcpy(b, a, c->width);
    if (r) return r;
  }
  return CUDA_SUCCESS;
}
API CUresult cuMemcpy2DUnaligned_v2(const void *description) { return cuMemcpy2D_v2(description); }

/* ---- memset ---- */
static CUresult fill(CUdeviceptr to, u64 value, u32 element, size_t count) {
  CUresult r = api_ready();
  if (r || !count) return r;
  if (count > 1ull << 40 || to % element) return CUDA_ERROR_INVALID_VALUE;
  Alloc *al = device_range(to, count * element);
  if (!al) return CUDA_ERROR_INVALID_VALUE;
  u8 *p = (u8 *)(uintptr_t)to;
  if (element == 1)
    memset(p, (int)value, count);
  else
    for (size_t k = 0; k < count; k++) memcpy(p + k * element, &value, element);
  mem_mark_init(al, to, count * element);
  return CUDA_SUCCESS;
}
API CUresult cuMemsetD8_v2(CUdeviceptr to, unsigned char value, size_t count) { return fill(to, value, 1, count); }
API CUresult cuMemsetD16_v2(CUdeviceptr to, unsigned short value, size_t count) { return fill(to, value, 2, count); }
API CUresult cuMemsetD32_v2(CUdeviceptr to, unsigned int value, size_t count) { return fill(to, value, 4, count); }
static CUresult fill_2d(CUdeviceptr to, size_t pitch, u64 value, u32 element, size_t width, size_t height) {
  CUresult r = api_ready();
  for (size_t y = 0; y < height && !r; y++) r = fill(to + y * pitch, value, element, width);
  return r;
}
API CUresult cuMemsetD2D8_v2(CUdeviceptr to, size_t pitch, unsigned char value, size_t width, size_t height) {
  return fill_2d(to, pitch, value, 1, width, height);
}
API CUresult cuMemsetD2D16_v2(CUdeviceptr to, size_t pitch, unsigned short value, size_t width, size_t height) {
  return fill_2d(to, pitch, value, 2, width, height);
}
API CUresult cuMemsetD2D32_v2(CUdeviceptr to, size_t pitch, unsigned int value, size_t width, size_t height) {
  return fill_2d(to, pitch, value, 4, width, height);
}
