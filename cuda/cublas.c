/* cuBLAS, opened at run time. Names and numbers of its enumerations are from NVIDIA's documentation of the library
 * (cuBLAS 13, "cublasGemmEx", "cublasComputeType_t", "cublasMath_t", "cudaDataType_t"), the same since version 11. */
#include "samebits/linear.h"

#include "cuda/modules.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

enum { NO_TRANSPOSE = 0, TRANSPOSE = 1, COMPUTE_32F = 68, DEFAULT_ALGORITHM = -1, FULL_SUMS = 16 };

#define ENTRY_POINTS(X)                                                                                                \
  X(cublasCreate_v2, (void **))                                                                                        \
  X(cublasDestroy_v2, (void *))                                                                                        \
  X(cublasGetVersion_v2, (void *, int *))                                                                              \
  X(cublasSetStream_v2, (void *, void *))                                                                              \
  X(cublasSetMathMode, (void *, int))                                                                                  \
  X(cublasGemmEx, (void *, int, int, int, int, int, const void *, const void *, int, int, const void *, int, int,      \
                   const void *, void *, int, int, int, int))

struct sb_cublas {
  sb_cuda *cuda;
  void *library, *handle;
  char name[64];
#define MEMBER(entry, parameters) int(*entry) parameters;
  ENTRY_POINTS(MEMBER)
#undef MEMBER
};

static sb_status failed(int code, const char *what) {
  return code ? sb_fail(SB_DEVICE, "cuBLAS: %s failed with status %d", what, code) : SB_OK;
}

static void *open_library(char *tried, size_t room) {
  static const char *const names[] = {"libcublas.so.13", "libcublas.so.12", "libcublas.so.11", "libcublas.so"};
  const char *given = getenv("SAMEBITS_CUBLAS");
  if (given && *given) {
    snprintf(tried, room, "%s", given);
    return dlopen(given, RTLD_NOW | RTLD_LOCAL);
  }
  snprintf(tried, room, "%s", "libcublas.so.13, .12, .11");
  void *library = NULL;
  for (size_t i = 0; i < sizeof names / sizeof *names && !library; i++)
    library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
  return library;
}

static sb_status bind(sb_cublas *b) {
  void *p;
  const char *missing = NULL;
#define BIND(entry, parameters)                                                                                        \
  p = dlsym(b->library, #entry);                                                                                       \
  if (!p) missing = #entry;                                                                                            \
  memcpy(&b->entry, &p, sizeof p);
  ENTRY_POINTS(BIND)
#undef BIND
  return missing ? sb_fail(SB_DEVICE, "cuBLAS: the library has no %s", missing) : SB_OK;
}

sb_status sb_cublas_open(sb_cuda *cuda, sb_cublas **blas) {
  char tried[256];
  *blas = NULL;
  if (sb_driver_is_emulator(sb_cuda_driver(cuda)) && !getenv("SAMEBITS_CUBLAS"))
    return sb_fail(SB_UNSUPPORTED, "cuBLAS runs on GPUs only, %s is the emulator",
                   sb_driver_device(sb_cuda_driver(cuda)));
  sb_cublas *b = calloc(1, sizeof *b);
  if (!b) return sb_fail(SB_NO_MEMORY, "out of memory: cuBLAS");
  b->cuda = cuda;
  b->library = open_library(tried, sizeof tried);
  int version = 0;
  sb_status status = b->library ? bind(b) : sb_fail(SB_UNSUPPORTED, "cuBLAS is not installed (%s)", tried);
  if (!status) status = sb_driver_enter(sb_cuda_driver(cuda)); /* its handle belongs to the current context */
  if (!status) status = failed(b->cublasCreate_v2(&b->handle), "cublasCreate");
  if (!status) status = failed(b->cublasGetVersion_v2(b->handle, &version), "cublasGetVersion");
  if (!status) status = failed(b->cublasSetMathMode(b->handle, FULL_SUMS), "cublasSetMathMode");
  const int major = version < 100000 ? 1000 : 10000; /* 11.6.5 is 11605, 13.1.0 is 130100 */
  snprintf(b->name, sizeof b->name, "cuBLAS %d.%d.%d", version / major, version % major / 100, version % 100);
  if (status)
    sb_cublas_close(b);
  else
    *blas = b;
  return status;
}

void sb_cublas_close(sb_cublas *b) {
  if (!b) return;
  if (b->handle) (void)b->cublasDestroy_v2(b->handle);
  free(b); /* the library stays loaded, as the driver does */
}

const char *sb_cublas_name(const sb_cublas *b) { return b->name; }

/* cuBLAS takes matrices by columns: transpose(y) [n, m] = w [n, k] * transpose(x) [k, m]. */
sb_status sb_cublas_linear(sb_cublas *b, sb_format format, sb_linear_shape s, uint64_t x, uint64_t w, uint64_t y,
                           void *stream) {
  static const int types[SB_FORMATS] = {[SB_F32] = 0, [SB_F16] = 2, [SB_BF16] = 14};
  if (format != SB_F32 && format != SB_F16 && format != SB_BF16)
    return sb_fail(SB_USAGE, "cuBLAS: no layer of %s here", sb_format_of(format)->name);
  if (s.m < 1 || s.n < 1 || s.k < 1 || s.m > INT32_MAX || s.n > INT32_MAX || s.k > INT32_MAX)
    return sb_fail(SB_INVALID, "cuBLAS: m, n, k of %lld, %lld, %lld: 1 to 2147483647", (long long)s.m, (long long)s.n,
                   (long long)s.k);
  const float one = 1.0f, zero = 0.0f;
  const int m = (int)s.m, n = (int)s.n, k = (int)s.k, type = types[format];
  sb_status status = sb_driver_enter(sb_cuda_driver(b->cuda));
  if (!status) status = failed(b->cublasSetStream_v2(b->handle, stream), "cublasSetStream");
  if (!status)
    status = failed(b->cublasGemmEx(b->handle, TRANSPOSE, NO_TRANSPOSE, n, m, k, &one, (const void *)(uintptr_t)w, type,
                                    k, (const void *)(uintptr_t)x, type, k, &zero, (void *)(uintptr_t)y, type, n,
                                    COMPUTE_32F, DEFAULT_ALGORITHM),
                    "cublasGemmEx");
  return status;
}
