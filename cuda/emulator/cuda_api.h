/* cuda_api.h: what this library needs of the CUDA driver API: its types, result codes and enumerations by value, so
   that it builds without the CUDA toolkit. Names and values are those of the driver API's reference manual. */
#ifndef EMU_CUDA_API_H
#define EMU_CUDA_API_H
#include "emu.h"

#define API __attribute__((visibility("default")))
typedef int CUresult, CUdevice;
typedef u64 CUdeviceptr;
typedef struct CUctx_st *CUcontext;
typedef struct CUmod_st *CUmodule;
typedef struct CUfunc_st *CUfunction;
typedef struct CUstream_st *CUstream;
typedef struct CUevent_st *CUevent;
typedef struct {
  char bytes[16];
} CUuuid;

enum {
  CUDA_SUCCESS = 0,
  CUDA_ERROR_INVALID_VALUE = 1,
  CUDA_ERROR_OUT_OF_MEMORY = 2,
  CUDA_ERROR_NOT_INITIALIZED = 3,
  CUDA_ERROR_DEINITIALIZED = 4,
  CUDA_ERROR_NO_DEVICE = 100,
  CUDA_ERROR_INVALID_DEVICE = 101,
  CUDA_ERROR_INVALID_IMAGE = 200,
  CUDA_ERROR_INVALID_CONTEXT = 201,
  CUDA_ERROR_NO_BINARY_FOR_GPU = 209,
  CUDA_ERROR_INVALID_PTX = 218,
  CUDA_ERROR_UNSUPPORTED_PTX_VERSION = 222,
  CUDA_ERROR_FILE_NOT_FOUND = 301,
  CUDA_ERROR_INVALID_HANDLE = 400,
  CUDA_ERROR_ILLEGAL_STATE = 401,
  CUDA_ERROR_NOT_FOUND = 500,
  CUDA_ERROR_NOT_READY = 600,
  CUDA_ERROR_ILLEGAL_ADDRESS = 700,
  CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES = 701,
  CUDA_ERROR_LAUNCH_TIMEOUT = 702,
  CUDA_ERROR_PRIMARY_CONTEXT_ACTIVE = 708,
  CUDA_ERROR_CONTEXT_IS_DESTROYED = 709,
  CUDA_ERROR_ASSERT = 710,
  CUDA_ERROR_MISALIGNED_ADDRESS = 716,
  CUDA_ERROR_LAUNCH_FAILED = 719,
  CUDA_ERROR_NOT_PERMITTED = 800,
  CUDA_ERROR_NOT_SUPPORTED = 801,
  CUDA_ERROR_UNKNOWN = 999
};

/* Handles are numbers, never addresses: a wild one is found out without being followed. */
enum {
  HANDLE_CONTEXT = 0x51,
  HANDLE_MODULE = 0x52,
  HANDLE_FUNCTION = 0x53,
  HANDLE_STREAM = 0x54,
  HANDLE_EVENT = 0x55,
  HANDLE_LIBRARY = 0x56
};
#define MAKE_HANDLE(kind, index, sub) ((void *)(uintptr_t)((u64)(kind) << 56 | (u64)(index) << 28 | (u64)(sub)))
static inline bool handle_is(const void *h, u32 kind) { return (u64)(uintptr_t)h >> 56 == kind; }
static inline u32 handle_index(const void *h) { return (u32)((u64)(uintptr_t)h >> 28 & 0xfffffffu); }
static inline u32 handle_sub(const void *h) { return (u32)((u64)(uintptr_t)h & 0xfffffffu); }

/* One architecture's limits. Source: CUDA C++ Programming Guide, technical specifications per compute capability. */
typedef struct {
  u32 sm;
  const char *name;
  u32 shared_block, shared_optin, shared_sm, threads_sm, blocks_sm, registers_sm, l2_bytes;
} Arch;
typedef struct {
  const Arch *arch;
  u32 refcount;    /* of the primary context */
  CUresult sticky; /* the error of a fault, until the context is reset */
  u64 stack_limit, printf_limit, heap_limit;
} Device;
typedef struct {
  u32 device;
  bool live, primary;
} Context;

typedef struct {
  bool initialized;
  u32 device_count, context_count, module_count, module_capacity;
  Device devices[16];
  Context contexts[1024];
  Module **modules; /* by index; NULL once unloaded */
  u32 *module_device;
  u32 checks;
  pthread_mutex_t lock;
  Fault last_fault;
  char last_json[2048], unchecked[256], counters[65536];
  struct EmuOptions {
    u64 max_insns;
    bool counting, quiet, fuse;
    u32 approx;
    u64 seed;
    i64 site;
    const char *schedule;
  } options;
} Driver;
extern Driver driver;

Context *current_context(void);
Device *current_device(void);
/* CUDA_SUCCESS when initialised, a context is current, and no fault sticks to it. */
CUresult api_ready(void);
CUresult api_initialized(void);
const Module *module_of(CUmodule h);
const Function *function_of(CUfunction h, u32 *device);
CUresult fault_result(FaultKind k);
void leaks_of_context(u32 context);
void fault_json(const Fault *f, char *text, size_t size);
bool host_pointer_ok(const void *p);
#endif
