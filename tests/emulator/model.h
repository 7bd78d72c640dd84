/* model.h: a second statement of the opcode rows, by MPFR (floats) and 128-bit integers, read from the opcode's own
   words. It shares nothing with the emulator's table. */
#ifndef TEST_EMULATOR_MODEL_H
#define TEST_EMULATOR_MODEL_H
#include <stdbool.h>
#include <stdint.h>

typedef struct {
  char text[160];
  char *part[14];
  int count;
} Opcode;
void opcode_split(const char *opcode, Opcode *o);
bool opcode_has(const Opcode *o, const char *part);

/* The result of one lane: containers in, the low bits of the destination out; *mask says which bits count. False: this
   opcode has no model. NaN results have the canonical code. */
bool model_float(const Opcode *o, const uint64_t in[4], uint64_t *out, uint64_t *mask);
bool model_int(const Opcode *o, const uint64_t in[4], uint64_t *out, uint64_t *mask);
#endif
