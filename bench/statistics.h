/* What decides whether two sets of timings are of the same speed. */
#ifndef SAMEBITS_BENCH_STATISTICS_H
#define SAMEBITS_BENCH_STATISTICS_H

#include "samebits/status.h"

typedef struct sb_quartiles {
  double least, q1, median, q3, most;
} sb_quartiles;

/* Of n > 0 numbers, by linear interpolation between order statistics (type 7). Sorts `values`. */
sb_quartiles sb_quartiles_of(double *values, int n);

/* The one-sided p-value of Mann and Whitney's test: how probable it is, were a and b of one distribution, that b is
 * greater than a as clearly as here. Exact where no two values are equal and both sets have at most 40; otherwise the
 * normal approximation with the correction for ties and for continuity. 1 where a set is empty; -1: no memory. */
double sb_mann_whitney_greater(const double *a, int n, const double *b, int m);

/* Holm's step-down correction: adjusted[i] is the smallest family-wise error rate at which hypothesis i is rejected.
 * `adjusted` may be `p`. */
sb_status sb_holm(const double *p, int count, double *adjusted);

#endif
