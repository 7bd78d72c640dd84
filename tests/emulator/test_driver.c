/* The emulator as other people's programs see it: the driver API alone, every entry found by cuGetProcAddress. */
#include <check.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int (*call)(); /* the entries are called with the types of the manual */
enum { OK = 0, INVALID_VALUE = 1, NOT_INITIALIZED = 3, INVALID_CONTEXT = 201, INVALID_HANDLE = 400, NOT_FOUND = 500 };
enum {
  ILLEGAL_ADDRESS = 700,
  INVALID_IMAGE = 200,
  INVALID_PTX = 218,
  NOT_SUPPORTED = 801,
  INVALID_DEVICE = 101,
  LAUNCH_TIMEOUT = 702
};
typedef uint64_t pointer;

static void *library;
static char ptx[8192];
static void *context, *module, *fill;

static call entry(const char *name) {
  void *get = dlsym(library, "cuGetProcAddress_v2"), *found = NULL;
  int (*get_address)(const char *, void **, int, uint64_t, int *), status = -1;
  memcpy(&get_address, &get, sizeof get);
  ck_assert_msg(get_address(name, &found, 13000, (uint64_t)0, &status) == OK && found && status == 0, "%s", name);
  call f;
  memcpy(&f, &found, sizeof f);
  return f;
}
#define CU(name, ...)    entry("cu" #name)(__VA_ARGS__)
#define CU_OK(name, ...) ck_assert_int_eq(CU(name, __VA_ARGS__), OK)

static void open_driver(void) {
  const char *path = getenv("SAMEBITS_EMULATOR");
  ck_assert(path != NULL);
  library = dlopen(path, RTLD_NOW);
  ck_assert_msg(library != NULL, "%s", dlerror());
  ck_assert_int_eq(CU(CtxSynchronize), NOT_INITIALIZED);
  CU_OK(Init, 0);
  ck_assert_int_eq(CU(MemAlloc, &(pointer){0}, (size_t)4), INVALID_CONTEXT);
  CU_OK(CtxCreate, &context, NULL, 0u, 3);
  FILE *f = fopen(TEST_SOURCE_DIR "/driver.ptx", "r");
  ck_assert(f != NULL);
  ptx[fread(ptx, 1, sizeof ptx - 1, f)] = 0;
  (void)fclose(f);
  CU_OK(ModuleLoadData, &module, ptx);
  CU_OK(ModuleGetFunction, &fill, module, "fill");
}
static void close_driver(void) {
  CU_OK(ModuleUnload, module);
  CU_OK(CtxDestroy, context);
}
static void quiet(void) {
  void *p = dlsym(library, "samebitsEmuSetQuiet");
  void (*set)(int);
  memcpy(&set, &p, sizeof p);
  set(1);
}

static void expect_filled(pointer at, unsigned count, unsigned plus) {
  uint32_t got[256];
  CU_OK(MemcpyDtoH, got, at, (size_t)count * 4);
  for (unsigned k = 0; k < count; k++) ck_assert_uint_eq(got[k], 3 * k + 10 + plus);
}

/* CUlaunchConfig as the manual lays it out, and its attributes. */
typedef struct {
  int id;
  char pad[4];
  union {
    char room[64];
    unsigned dims[3];
  } value;
} attribute;
typedef struct {
  unsigned grid[3], block[3], shared;
  void *stream;
  attribute *attributes;
  unsigned count;
} config;

/* A launch gives the same bits by cuLaunchKernel, by its `extra` buffer and by cuLaunchKernelEx; clusters of several
 * blocks and cooperative launches are not supported, and say so. */
START_TEST(launches) {
  pointer o;
  unsigned plus = 5;
  open_driver();
  CU_OK(MemAlloc, &o, (size_t)1024);
  void *params[] = {&o, &plus};
  CU_OK(LaunchKernel, fill, 4u, 1u, 1u, 64u, 1u, 1u, 0u, NULL, params, NULL);
  expect_filled(o, 256, 5);
  struct {
    pointer o;
    unsigned plus;
  } packed = {o, 6};
  size_t size = 12;
  void *extra[] = {(void *)1, &packed, (void *)2, &size, NULL};
  CU_OK(LaunchKernel, fill, 4u, 1u, 1u, 64u, 1u, 1u, 0u, NULL, NULL, extra);
  expect_filled(o, 256, 6);
  size = 8;
  ck_assert_int_eq(CU(LaunchKernel, fill, 4u, 1u, 1u, 64u, 1u, 1u, 0u, NULL, NULL, extra), INVALID_VALUE);
  ck_assert_int_eq(CU(LaunchKernel, fill, 4u, 1u, 1u, 64u, 1u, 1u, 0u, NULL, params, extra), INVALID_VALUE);
  plus = 7;
  attribute cluster = {.id = 4, .value.dims = {1, 1, 1}};
  config c = {{4, 1, 1}, {64, 1, 1}, 0, NULL, &cluster, 1};
  CU_OK(LaunchKernelEx, &c, fill, params, NULL);
  expect_filled(o, 256, 7);
  quiet();
  cluster.value.dims[0] = 2;
  ck_assert_int_eq(CU(LaunchKernelEx, &c, fill, params, NULL), NOT_SUPPORTED);
  cluster = (attribute){.id = 2, .value.dims = {1}};
  ck_assert_int_eq(CU(LaunchKernelEx, &c, fill, params, NULL), NOT_SUPPORTED);
  ck_assert_int_eq(CU(LaunchKernelEx, NULL, fill, params, NULL), INVALID_VALUE);
  ck_assert_int_eq(CU(LaunchKernel, fill, 0u, 1u, 1u, 64u, 1u, 1u, 0u, NULL, params, NULL), INVALID_VALUE);
  ck_assert_int_eq(CU(LaunchKernel, fill, 1u, 1u, 1u, 2048u, 1u, 1u, 0u, NULL, params, NULL), INVALID_VALUE);
  CU_OK(MemFree, o);
  close_driver();
}
END_TEST

/* CUDA_MEMCPY2D of the manual. */
typedef struct {
  size_t from_x, from_y;
  int from_type;
  const void *from_host;
  pointer from_device;
  void *from_array;
  size_t from_pitch, to_x, to_y;
  int to_type;
  void *to_host;
  pointer to_device;
  void *to_array;
  size_t to_pitch, width, height;
} copy2d;

/* Pitched memory, 2-D copies with offsets both ways and 2-D memset move exactly the rectangle. */
START_TEST(pitched_memory) {
  enum { W = 100, H = 7 };
  unsigned char in[H][W], out[H][W];
  pointer p;
  size_t pitch = 0;
  open_driver();
  for (int k = 0; k < H * W; k++) in[k / W][k % W] = (unsigned char)(k * 7);
  CU_OK(MemAllocPitch, &p, &pitch, (size_t)W, (size_t)H, 4u);
  ck_assert(pitch >= W && pitch % 512 == 0);
  CU_OK(MemsetD2D8, p, pitch, (unsigned char)0xee, (size_t)W, (size_t)H);
  copy2d in_part = {.from_x = 3, .from_y = 1, .from_type = 1, .from_host = in, .from_pitch = W};
  in_part.to_x = 10, in_part.to_y = 2, in_part.to_type = 2, in_part.to_device = p, in_part.to_pitch = pitch;
  in_part.width = 50, in_part.height = 4;
  CU_OK(Memcpy2D, &in_part);
  copy2d back = {.from_type = 2, .from_device = p, .from_pitch = pitch, .to_type = 1, .to_host = out};
  back.to_pitch = W, back.width = W, back.height = H;
  CU_OK(Memcpy2D, &back);
  for (int y = 0; y < H; y++)
    for (int x = 0; x < W; x++) {
      int inside = x >= 10 && x < 60 && y >= 2 && y < 6;
      ck_assert_uint_eq(out[y][x], inside ? in[y - 1][x - 7] : 0xee);
    }
  in_part.height = 6; /* beyond the last row */
  ck_assert_int_ne(CU(Memcpy2D, &in_part), OK);
  in_part.height = 4, in_part.to_pitch = 20;
  ck_assert_int_eq(CU(Memcpy2D, &in_part), INVALID_VALUE);
  ck_assert_int_eq(CU(MemAllocPitch, &p, &pitch, (size_t)W, (size_t)H, 3u), INVALID_VALUE);
  CU_OK(MemFree, p);
  close_driver();
}
END_TEST

/* The host reads and writes managed and pinned memory directly, and kernels the same bytes. */
START_TEST(managed_and_host_memory) {
  pointer managed, mapped;
  void *host;
  unsigned plus = 1;
  open_driver();
  CU_OK(MemAllocManaged, &managed, (size_t)256, 1u);
  CU_OK(MemHostAlloc, &host, (size_t)256, 0u);
  CU_OK(MemHostGetDevicePointer, &mapped, host, 0u);
  void *to_managed[] = {&managed, &plus}, *to_host[] = {&mapped, &plus};
  CU_OK(LaunchKernel, fill, 1u, 1u, 1u, 64u, 1u, 1u, 0u, NULL, to_managed, NULL);
  CU_OK(LaunchKernel, fill, 1u, 1u, 1u, 64u, 1u, 1u, 0u, NULL, to_host, NULL);
  CU_OK(CtxSynchronize);
  for (unsigned k = 0; k < 64; k++) {
    ck_assert_uint_eq(((uint32_t *)(uintptr_t)managed)[k], 3 * k + 11);
    ck_assert_uint_eq(((uint32_t *)host)[k], 3 * k + 11);
  }
  ck_assert_int_eq(CU(MemFree, (pointer)(uintptr_t)host), INVALID_VALUE);
  ck_assert_int_eq(CU(MemFreeHost, (void *)(uintptr_t)managed), INVALID_VALUE);
  CU_OK(MemFree, managed);
  CU_OK(MemFreeHost, host);
  close_driver();
}
END_TEST

/* Module variables have an address and a size, and a launch sees what the host stores there. */
START_TEST(module_variables) {
  pointer factor, terms, o;
  size_t size;
  unsigned plus = 0;
  open_driver();
  CU_OK(ModuleGetGlobal, &factor, &size, module, "factor");
  ck_assert_uint_eq(size, 4);
  CU_OK(ModuleGetGlobal, &terms, &size, module, "terms");
  ck_assert_uint_eq(size, 8);
  ck_assert_int_eq(CU(ModuleGetGlobal, &terms, &size, module, "nothing"), NOT_FOUND);
  CU_OK(MemAlloc, &o, (size_t)256);
  uint32_t value = 100, got[64];
  CU_OK(MemcpyHtoD, factor, &value, (size_t)4);
  CU_OK(MemcpyHtoD, terms, &value, (size_t)4);
  CU_OK(LaunchKernel, fill, 1u, 1u, 1u, 64u, 1u, 1u, 0u, NULL, ((void *[]){&o, &plus}), NULL);
  CU_OK(MemcpyDtoH, got, o, (size_t)256);
  for (uint32_t k = 0; k < 64; k++) ck_assert_uint_eq(got[k], 100 * k + 100);
  CU_OK(MemFree, o);
  close_driver();
}
END_TEST

/* Function attributes are those of the PTX; dynamic shared memory beyond 48 KiB needs the attribute first. */
START_TEST(function_attributes) {
  void *shares;
  int value;
  pointer o;
  unsigned bytes = 64u << 10;
  open_driver();
  CU_OK(ModuleGetFunction, &shares, module, "shares");
  CU_OK(FuncGetAttribute, &value, 0, shares);
  ck_assert_int_eq(value, 64); /* MAX_THREADS_PER_BLOCK: .maxntid */
  CU_OK(FuncGetAttribute, &value, 0, fill);
  ck_assert_int_eq(value, 1024);
  CU_OK(FuncGetAttribute, &value, 1, shares);
  ck_assert_int_eq(value, 0); /* SHARED_SIZE_BYTES: no static one */
  CU_OK(MemAlloc, &o, (size_t)4);
  void *params[] = {&o, &bytes};
  ck_assert_int_eq(CU(LaunchKernel, shares, 1u, 1u, 1u, 1u, 1u, 1u, bytes, NULL, params, NULL), INVALID_VALUE);
  CU_OK(FuncSetAttribute, shares, 8, (int)bytes);
  CU_OK(LaunchKernel, shares, 1u, 1u, 1u, 1u, 1u, 1u, bytes, NULL, params, NULL);
  uint32_t got;
  CU_OK(MemcpyDtoH, &got, o, (size_t)4);
  ck_assert_uint_eq(got, 7);
  ck_assert_int_eq(CU(LaunchKernel, shares, 1u, 1u, 1u, 65u, 1u, 1u, bytes, NULL, params, NULL), INVALID_VALUE);
  ck_assert_int_eq(CU(FuncGetAttribute, &value, 99, fill), INVALID_VALUE);
  size_t offset, size;
  CU_OK(FuncGetParamInfo, fill, (size_t)1, &offset, &size);
  ck_assert(offset == 8 && size == 4);
  ck_assert_int_eq(CU(FuncGetParamInfo, fill, (size_t)2, &offset, &size), INVALID_VALUE);
  CU_OK(MemFree, o);
  close_driver();
}
END_TEST

/* A wild pointer or handle from the host is an error code, and the driver goes on. */
START_TEST(wild_arguments) {
  pointer o, wild[] = {0, 1, 0x10, 0x123456789abcdef0ull, ~0ull};
  void *handles[] = {NULL, (void *)0x10, (void *)0x7fffdeadbeefull, (void *)~(uintptr_t)0, &o};
  uint32_t word = 0;
  int value;
  size_t size;
  void *found;
  unsigned plus = 0;
  open_driver();
  quiet();
  CU_OK(MemAlloc, &o, (size_t)64);
  for (int k = 0; k < 5; k++) {
    pointer p = wild[k];
    void *h = handles[k];
    ck_assert_int_ne(CU(MemcpyHtoD, p, &word, (size_t)4), OK);
    ck_assert_int_ne(CU(MemcpyDtoH, &word, p, (size_t)4), OK);
    ck_assert_int_ne(CU(MemcpyDtoD, p, o, (size_t)4), OK);
    ck_assert_int_ne(CU(MemsetD32, p, 0u, (size_t)1), OK);
    if (p) ck_assert_int_ne(CU(MemFree, p), OK);
    ck_assert_int_ne(CU(ModuleUnload, h), OK);
    ck_assert_int_ne(CU(ModuleGetFunction, &found, h, "fill"), OK);
    ck_assert_int_ne(CU(LaunchKernel, h, 1u, 1u, 1u, 1u, 1u, 1u, 0u, NULL, ((void *[]){&o, &plus}), NULL), OK);
    ck_assert_int_ne(CU(FuncGetAttribute, &value, 0, h), OK);
    ck_assert_int_ne(CU(CtxDestroy, h), OK);
    if (h) ck_assert_int_ne(CU(CtxSetCurrent, h), OK);
    if (h) ck_assert_int_ne(CU(StreamSynchronize, h), OK);
    ck_assert_int_ne(CU(EventRecord, h, NULL), OK);
  }
  ck_assert_int_ne(CU(MemFree, o + 4), OK);
  ck_assert_int_ne(CU(MemcpyHtoD, o, ptx, (size_t)65), OK);
  ck_assert_int_ne(CU(MemAlloc, &o, (size_t)0), OK);
  ck_assert_int_ne(CU(MemAlloc, &o, ~(size_t)0), OK);
  ck_assert_int_eq(CU(DeviceGet, &value, 99), INVALID_DEVICE);
  ck_assert_int_eq(CU(ModuleGetFunction, &found, module, "nothing"), NOT_FOUND);
  ck_assert_int_ne(CU(ModuleLoadData, &found, "this is no PTX"), OK);
  ck_assert_int_ne(CU(ModuleLoadData, &found, ".version 8.0\n.target sm_80\n.visible .entry x() { mov.u32 %r1, 1; }"),
                   OK);
  ck_assert_int_eq(CU(ModuleGetGlobal, NULL, &size, module, NULL), INVALID_VALUE);
  int (*get_address)(const char *, void **, int, uint64_t, int *), status = 0;
  void *get = dlsym(library, "cuGetProcAddress_v2");
  memcpy(&get_address, &get, sizeof get);
  ck_assert_int_eq(get_address("cuNothing", &found, 13000, 0, &status), NOT_FOUND);
  ck_assert_int_eq(status, 1);
  CU_OK(MemFree, o);
  close_driver();
}
END_TEST

/* A kernel's fault sticks to the context until it is reset; another context's memory is not concerned. */
START_TEST(a_fault_sticks) {
  pointer nowhere = 64;
  unsigned plus = 0;
  void *primary;
  open_driver();
  quiet();
  ck_assert_int_eq(CU(LaunchKernel, fill, 1u, 1u, 1u, 1u, 1u, 1u, 0u, NULL, ((void *[]){&nowhere, &plus}), NULL),
                   ILLEGAL_ADDRESS);
  ck_assert_int_eq(CU(CtxSynchronize), ILLEGAL_ADDRESS);
  ck_assert_int_eq(CU(MemAlloc, &nowhere, (size_t)4), ILLEGAL_ADDRESS);
  CU_OK(DevicePrimaryCtxRetain, &primary, 3);
  CU_OK(DevicePrimaryCtxReset, 3);
  CU_OK(CtxSynchronize);
  CU_OK(DevicePrimaryCtxRelease, 3);
  close_driver();
}
END_TEST

/* What a program has not freed when it destroys the context, or when it ends, is reported as a leak, and only that. */
START_TEST(leaks_are_reported) {
  pointer o, kept;
  open_driver();
  quiet();
  void *p = dlsym(library, "samebitsEmuLastFault");
  const char *(*last)(void);
  memcpy(&last, &p, sizeof p);
  CU_OK(MemAlloc, &o, (size_t)64);
  CU_OK(MemAlloc, &kept, (size_t)100);
  CU_OK(MemFree, o);
  ck_assert_str_eq(last(), "");
  close_driver();
  ck_assert_msg(strstr(last(), "\"kind\":\"leak\"") && strstr(last(), "1 allocation of 100 bytes was never freed"),
                "%s", last());
  CU_OK(CtxCreate, &context, NULL, 0u, 3); /* it was freed with the context: none of this one's */
  ck_assert_int_eq(CU(MemFree, kept), INVALID_VALUE);
  CU_OK(CtxDestroy, context);
}
END_TEST

static void *launch_often(void *arg) {
  unsigned plus = (unsigned)(uintptr_t)arg;
  pointer o;
  CU_OK(CtxSetCurrent, context);
  for (int k = 0; k < 25; k++) {
    CU_OK(MemAlloc, &o, (size_t)1024);
    CU_OK(LaunchKernel, fill, 4u, 1u, 1u, 64u, 1u, 1u, 0u, NULL, ((void *[]){&o, &plus}), NULL);
    expect_filled(o, 256, plus);
    CU_OK(MemFree, o);
  }
  return NULL;
}
/* Property: a launch of more blocks than the check of races tells apart says that it was not made, one of fewer does
 * not. */
START_TEST(what_is_not_checked_is_said) {
  open_driver();
  quiet();
  pointer at;
  uint32_t plus = 1;
  void *p = dlsym(library, "samebitsEmuUnchecked"), *q = dlsym(library, "samebitsEmuSetBudget");
  const char *(*unchecked)(void);
  void (*budget)(unsigned long long);
  memcpy(&unchecked, &p, sizeof p), memcpy(&budget, &q, sizeof q);
  CU_OK(MemAlloc, &at, (size_t)1 << 26);
  void *args[] = {&at, &plus};
  const unsigned most = (1u << 23) - 2;
  budget(1000); /* it need not run to its end */
  ck_assert_int_eq(CU(LaunchKernel, fill, most + 1, 1u, 1u, 1u, 1u, 1u, 0u, NULL, args, NULL), LAUNCH_TIMEOUT);
  ck_assert_ptr_nonnull(strstr(unchecked(), "the launch has 8388607 blocks"));
  CU_OK(CtxDestroy, context);
  CU_OK(CtxCreate, &context, NULL, 0u, 3);
  CU_OK(ModuleLoadData, &module, ptx);
  CU_OK(ModuleGetFunction, &fill, module, "fill");
  CU_OK(MemAlloc, &at, (size_t)1 << 26);
  ck_assert_int_eq(CU(LaunchKernel, fill, most, 1u, 1u, 1u, 1u, 1u, 0u, NULL, args, NULL), LAUNCH_TIMEOUT);
  ck_assert_str_eq(unchecked(), "");
  close_driver();
}
END_TEST

/* Four threads of a program allocate, launch, copy and free in one context. */
START_TEST(threads) {
  pthread_t t[4];
  open_driver();
  for (uintptr_t k = 0; k < 4; k++) ck_assert_int_eq(pthread_create(&t[k], NULL, launch_often, (void *)(k * 1000)), 0);
  for (int k = 0; k < 4; k++) ck_assert_int_eq(pthread_join(t[k], NULL), 0);
  close_driver();
}
END_TEST

int main(void) {
  Suite *suite = suite_create("emulator driver");
  TCase *tests = tcase_create("driver");
  tcase_set_timeout(tests, 120);
  tcase_add_test(tests, launches);
  tcase_add_test(tests, pitched_memory);
  tcase_add_test(tests, managed_and_host_memory);
  tcase_add_test(tests, module_variables);
  tcase_add_test(tests, function_attributes);
  tcase_add_test(tests, wild_arguments);
  tcase_add_test(tests, a_fault_sticks);
  tcase_add_test(tests, leaks_are_reported);
  tcase_add_test(tests, what_is_not_checked_is_said);
  tcase_add_test(tests, threads);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed != 0;
}
