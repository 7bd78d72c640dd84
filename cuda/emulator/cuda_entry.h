/* cuda_entry.h: declarations of all entry points. */
#ifndef EMU_CUDA_ENTRY_H
#define EMU_CUDA_ENTRY_H
#include "cuda_api.h"
#define ENTRY(result, name, ...) API result name(__VA_ARGS__);
#include "entries.def"
#undef ENTRY
API CUresult cuGetProcAddress(const char *name, void **address, int version, u64 flags);
API CUresult cuGetProcAddress_v2(const char *name, void **address, int version, u64 flags, int *status);
API CUresult cuGetExportTable(const void **table, const void *uuid);
CUresult stream_ok(CUstream s);
CUresult not_supported(const char *what);
#endif
