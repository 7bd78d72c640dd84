/* A small libcublas for the tests: the entry points that the program uses, on the memory of the emulator's driver, with
 * the sums in another order than the kernels': four partial sums. FAKE_CUBLAS=status answers a layer with an error,
 * =transposed takes the operands the wrong way round, =no-handle refuses to be opened. */
#include <dlfcn.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "samebits/formats.h"

static int (*copy_in)(uint64_t, const void *, size_t), (*copy_out)(void *, uint64_t, size_t);

static int is_faulty(const char *how) {
  const char *fault = getenv("FAKE_CUBLAS");
  return fault && strcmp(fault, how) == 0;
}

int cublasCreate_v2(void **handle);
int cublasCreate_v2(void **handle) {
  void *driver = dlopen(EMULATOR, RTLD_NOW | RTLD_NOLOAD), *p;
  if (!driver || is_faulty("no-handle")) return 1;
  p = dlsym(driver, "cuMemcpyHtoD_v2");
  memcpy(&copy_in, &p, sizeof p);
  p = dlsym(driver, "cuMemcpyDtoH_v2");
  memcpy(&copy_out, &p, sizeof p);
  *handle = malloc(1);
  return !*handle;
}

int cublasDestroy_v2(void *handle);
int cublasDestroy_v2(void *handle) {
  free(handle);
  return 0;
}

int cublasGetVersion_v2(void *handle, int *version);
int cublasGetVersion_v2(void *handle, int *version) {
  (void)handle;
  *version = 120304;
  return 0;
}

int cublasSetStream_v2(void *handle, void *stream);
int cublasSetStream_v2(void *handle, void *stream) {
  (void)handle;
  return stream != NULL;
}

int cublasSetMathMode(void *handle, int mode);
int cublasSetMathMode(void *handle, int mode) {
  (void)handle;
  return mode != 16; /* CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION */
}

/* c[i + j * ldc] = sum over t of op(a)[i, t] * b[t + j * ldb], by columns. */
int cublasGemmEx(void *handle, int op_a, int op_b, int m, int n, int k, const void *alpha, const void *a, int a_type,
                 int lda, const void *b, int b_type, int ldb, const void *beta, void *c, int c_type, int ldc,
                 int compute, int algorithm);
int cublasGemmEx(void *handle, int op_a, int op_b, int m, int n, int k, const void *alpha, const void *a, int a_type,
                 int lda, const void *b, int b_type, int ldb, const void *beta, void *c, int c_type, int ldc,
                 int compute, int algorithm) {
  const sb_format format = a_type == 0 ? SB_F32 : a_type == 2 ? SB_F16 : SB_BF16;
  const size_t size = format == SB_F32 ? 4 : 2;
  (void)handle;
  if (is_faulty("status") || op_a != 1 || op_b != 0 || *(const float *)alpha != 1.0f || *(const float *)beta != 0.0f ||
      compute != 68 || algorithm != -1 || a_type != b_type || a_type != c_type)
    return 7; /* CUBLAS_STATUS_INVALID_VALUE */
  char *as = malloc((size_t)lda * (size_t)m * size), *bs = malloc((size_t)ldb * (size_t)n * size),
       *cs = malloc((size_t)ldc * (size_t)n * size);
  int bad = !as || !bs || !cs || copy_out(as, (uint64_t)a, (size_t)lda * (size_t)m * size) ||
            copy_out(bs, (uint64_t)b, (size_t)ldb * (size_t)n * size);
  for (int j = 0; j < n && !bad; j++) {
    for (int i = 0; i < m; i++) {
      float part[4] = {0};
      for (int t = 0; t < k; t++) {
        const int64_t at = is_faulty("transposed") ? (i + (int64_t)t * m) % ((int64_t)lda * m) : t + (int64_t)i * lda;
        part[t % 4] =
            fmaf((float)sb_load(format, as, at), (float)sb_load(format, bs, t + (int64_t)j * ldb), part[t % 4]);
      }
      sb_store(format, cs, i + (int64_t)j * ldc, (double)((part[0] + part[1]) + (part[2] + part[3])));
    }
  }
  bad = bad || copy_in((uint64_t)c, cs, (size_t)ldc * (size_t)n * size);
  free(as), free(bs), free(cs);
  return bad ? 14 : 0;
}
