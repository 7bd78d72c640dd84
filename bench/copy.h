/* The yardstick: memcpy between two warm buffers, split over threads. */
#ifndef SAMEBITS_BENCH_COPY_H
#define SAMEBITS_BENCH_COPY_H

#include "samebits/status.h"
#include <stdint.h>

typedef struct sb_copy sb_copy;

/* Two touched buffers of `bytes`, to be copied by so many threads (0: one a core), each its part. */
sb_status sb_copy_make(int64_t bytes, int threads, sb_copy **copy);
void sb_copy_once(sb_copy *copy);
void sb_copy_free(sb_copy *copy);

/* Bytes read and written a second: the median of seven copies; on one thread by its CPU time. */
sb_status sb_copy_bandwidth(int64_t bytes, int threads, double *bytes_per_second);

#endif
