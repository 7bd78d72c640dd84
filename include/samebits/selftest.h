/* The opcode table as something that a GPU can prove or refute: one tiny kernel a row, edge and random operands, a
 * digest. */
#ifndef SAMEBITS_SELFTEST_H
#define SAMEBITS_SELFTEST_H

#include "samebits/driver.h"

typedef struct sb_selftest_row {
  const char *opcode;     /* the row's first name */
  const char *expression; /* its semantics */
  uint64_t digest;        /* FNV-1a of the results on the device, NaN as one class */
  uint64_t expected;      /* on the emulator, when another device is tested */
  long different;         /* elements that differ from the emulator; -1: the device does not have the instruction */
} sb_selftest_row;

/* Runs every row on the device and calls `report` for each. Returns SB_OK when all ran; *rows and *failures count. */
sb_status sb_selftest(const char *device, void (*report)(void *context, const sb_selftest_row *row), void *context,
                      int *rows, int *failures);

/* A quantize kernel of the project that takes any f32, with the qparams of the sweep. */
typedef struct sb_sweep_kernel {
  const char *name, *recipe;
  float scale;
  int zero_point;
} sb_sweep_kernel;
const sb_sweep_kernel *sb_sweep_kernel_at(int index); /* NULL behind the last */

typedef struct sb_sweep_result {
  uint64_t inputs, different;
  uint32_t input; /* the first that differs, and what it gave */
  uint64_t got, expected;
  double seconds; /* input, reference, kernel and comparison together */
} sb_sweep_result;

/* The f32 bit patterns 0, 1, ... up to `count` (2^32: all; a multiple of 2^22) through the kernel, each code compared
 * with the reference's, NaN as one class. */
sb_status sb_sweep32(const char *device, const sb_sweep_kernel *kernel, uint64_t count, sb_sweep_result *result);

#endif
