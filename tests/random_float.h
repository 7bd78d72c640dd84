/* Random numbers that are the same in every run. */
#ifndef SAMEBITS_TESTS_RANDOM_FLOAT_H
#define SAMEBITS_TESTS_RANDOM_FLOAT_H

#include <stdint.h>

static uint64_t random_state = 1;
static inline float random_float(void) { /* in [-1, 1) */
  random_state = random_state * 6364136223846793005u + 1442695040888963407u;
  return (float)(int32_t)(random_state >> 32) * 0x1p-31f;
}

#endif
