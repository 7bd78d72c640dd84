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

#endif
