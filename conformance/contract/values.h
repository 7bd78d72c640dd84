/* The formats as sets of values: every value of every format is exact in f64, which carries it between operators.
 *
 * None of the reference's conversions is used: this is the second opinion. */
#ifndef SAMEBITS_CONTRACT_VALUES_H
#define SAMEBITS_CONTRACT_VALUES_H

#include "conformance/contract/ast.h"
#include <math.h>

#define SB_NAN ((double)NAN)
#define SB_INF ((double)INFINITY)

bool sb_cf_is_float(int format);
bool sb_cf_is_narrow(int format); /* floating point of 8 bits and fewer: no arithmetic */
double sb_cf_eps(int format), sb_cf_smallest_normal(int format), sb_cf_largest(int format);

/* One conversion of an exact value into a format by a rule. */
double sb_value_cast(double value, int format, sb_rule rule);
/* Two's-complement wrap of an exact integer into an integer format. */
double sb_value_wrap(__int128 value, int format);

uint64_t sb_value_encode(double value, int format); /* `value` is one of the format's */
double sb_value_decode(uint64_t bits, int format);

/* Elements of a tensor to f64 and back (values that the format has; e4m3fnuz into an e4m3 tensor keeps its bits). */
void sb_values_load(const sb_tensor *tensor, double *values);
void sb_values_store(const double *values, int format, sb_tensor *tensor);

/* All 65,536 values of bf16 or f16, by their bits. */
const double *sb_values_of_half(int format);

double sb_value_next(double value, int format, int direction);
double sb_value_pow2(double value, bool up);

#endif
