/* api_entry.c: entry points by name. A name without _v2 means the newest form that this library has and the caller's
   version of CUDA knows: cuCtxCreate has taken other parameters since 13.0. */
#include "cuda_api.h"
#include "cuda_entry.h"
#include <stdio.h>

typedef void AnyFunction(void);
static const struct {
  const char *name;
  AnyFunction *function;
} entries[] = {
#define ENTRY(result, name, ...) {#name, (AnyFunction *)name},
#include "entries.def"
#undef ENTRY
    {"cuGetProcAddress", (AnyFunction *)cuGetProcAddress_v2},
    {"cuGetProcAddress_v2", (AnyFunction *)cuGetProcAddress_v2},
    {"cuGetExportTable", (AnyFunction *)cuGetExportTable}};

CUresult not_supported(const char *what) {
  if (!driver.options.quiet) (void)fprintf(stderr, "samebits emulator: %s is not supported\n", what);
  return CUDA_ERROR_NOT_SUPPORTED;
}

static AnyFunction *find(const char *name, int version) {
  char wanted[128];
  const char *const suffixes[] = {version >= 13000 ? "_v4" : "_v2", "_v2", ""};
  for (u32 s = 0; s < 3; s++) {
    int n = snprintf(wanted, sizeof wanted, "%s%s", name, suffixes[s]);
    if (n < 0 || (size_t)n >= sizeof wanted) return NULL;
    for (size_t k = 0; k < sizeof entries / sizeof entries[0]; k++)
      if (!strcmp(entries[k].name, wanted)) return entries[k].function;
  }
  return NULL;
}
/* status: 0 found, 1 no such symbol. */
API CUresult cuGetProcAddress_v2(const char *name, void **address, int version, u64 flags, int *status) {
  (void)flags;
  if (!name || !address) return CUDA_ERROR_INVALID_VALUE;
  AnyFunction *f = find(name, version);
  memcpy(address, &f, sizeof f);
  if (status) *status = f ? 0 : 1;
  return f ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
}
API CUresult cuGetProcAddress(const char *name, void **address, int version, u64 flags) {
  return cuGetProcAddress_v2(name, address, version, flags, NULL);
}
API CUresult cuGetExportTable(const void **table, const void *uuid) {
  (void)uuid;
  if (table) *table = NULL;
  return not_supported("cuGetExportTable");
}
