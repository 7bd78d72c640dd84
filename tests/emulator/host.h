/* host.h: a second statement of number formats and bit operations, which shares no code with the emulator. */
#ifndef TEST_EMULATOR_HOST_H
#define TEST_EMULATOR_HOST_H
#include <stdbool.h>
#include <stdint.h>

uint16_t bits16(_Float16 h);
_Float16 half_of(uint16_t b);
float float_of(uint32_t bits);
uint32_t bits32(float f);
/* The larger number; of a NaN and a number the number; -0 < +0. */
float max_f(float x, float y);
/* An integral f32 as i32: NaN gives 0, what is out of range saturates. */
int to_int(float r);
/* The nearest code of a table of non-negative values, ties to the even code. */
int nearest_code(const double *table, int count, double v);
/* An f32 in an 8-bit format by its table of finite magnitudes; infinity and overflow give the largest. */
uint8_t fp8(const double *table, int count, uint8_t nan, float v);
/* f16 toward zero (up: toward +infinity). */
uint16_t half_toward(float v, int up);
/* The nearest bf16; of x * y + z with one rounding. */
uint16_t brain(__float128 v);
uint16_t brain_fma(__float128 x, __float128 y, __float128 z);
uint32_t reverse(uint32_t v);
uint32_t byte_perm(uint32_t x, uint32_t y, uint32_t s); /* prmt without sign replication */
#endif
