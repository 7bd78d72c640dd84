/* harness.h: launches a test kernel on an emulated device and compares with what the host computed. */
#ifndef TEST_EMULATOR_HARNESS_H
#define TEST_EMULATOR_HARNESS_H
#include "samebits/driver.h"
#include "samebits/emulator.h"
#include "tests/suite.h"
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One buffer on both sides. */
typedef struct {
  void *host;
  size_t bytes;
  uint64_t device;
} Buf;

enum { TEST_ARCHS = 5 };
extern const int test_archs[TEST_ARCHS];
int run_each_arch(const char *name, const TTest *each_arch,
                  int archs);                /* the test for each of them, as a program's main */
void open_arch(int arch, const char *suite); /* loads tests/emulator/<suite>.cu as compiled for that architecture */
sb_driver *open_device(int arch);            /* without a module */
sb_driver *open_driver(void);
void close_arch(void);
Buf in(const void *data, size_t bytes);
Buf out(size_t bytes);
void free_buffers(void);
/* Launches; the result is the driver's, for kernels that must fault. */
sb_status try_launch(const char *kernel, unsigned gx, unsigned gy, unsigned bx, unsigned by, unsigned shared,
                     void **params);
sb_status try_launch_3d(const char *kernel, const unsigned grid[3], const unsigned block[3], void **params);
const char *last_fault(void);
void *fetch_buffer(Buf b); /* downloads; b.host */
/* Downloads and compares: bits, or for `is_float` bits with NaN as one class. */
void expect_bytes(const char *what, Buf b, const void *expected);
void expect_f32(const char *what, Buf b, const float *expected);
void expect_f64(const char *what, Buf b, const double *expected);
void expect_16(const char *what, Buf b, const uint16_t *expected, uint16_t exponent); /* 0x7c00 f16, 0x7f80 bf16 */

#define P(...)           ((void *[]){__VA_ARGS__})
#define RUN(kernel, ...) RUN_IN_ROW(kernel, __VA_ARGS__)
#define RUN_IN_ROW(kernel, gx, bx, shared, params)                                                                     \
  ck_assert_msg(try_launch(kernel, gx, 1, bx, 1, shared, params) == SB_OK, "%s: %s", kernel, sb_message())
#define RUN2(kernel, gx, gy, bx, by, params)                                                                           \
  ck_assert_msg(try_launch(kernel, gx, gy, bx, by, 0, params) == SB_OK, "%s: %s", kernel, sb_message())

uint64_t random_bits(void);
/* Integers from -100 to 100, and floats of some bits to either side of 0. */
void fill_numbers(int *ints, float *floats, int count);
float edge_f32(int k); /* edges first, then random bit patterns */
double edge_f64(int k);
uint16_t edge_16(int k);
#endif
