/* The tensors of one timed computation: inputs, outputs with guards, and the outputs that the portable code gives. */
#ifndef SAMEBITS_BENCH_BUFFERS_H
#define SAMEBITS_BENCH_BUFFERS_H

#include "samebits/bench.h"

typedef struct sb_bench_buffers {
  sb_tensor in[SB_SLOTS], out[SB_SLOTS], expected[SB_SLOTS];
  uint8_t *guarded[SB_SLOTS]; /* allocation behind out[i].data */
  int64_t bytes;              /* read and written by one call */
} sb_bench_buffers;

/* Allocates everything, fills x by the case's fill, and whatever else the step takes, and computes `expected`. */
sb_status sb_bench_buffers_make(const sb_case *item, sb_bench_buffers *buffers);

/* Fills every output and the guards around it with a pattern that no result has. */
void sb_bench_buffers_poison(sb_bench_buffers *buffers);

/* SB_INTERNAL, with the tensor, index and bits, where an output is not bit for bit what is expected (NaN as one class),
 * or where a guard was overwritten. */
sb_status sb_bench_buffers_verify(const sb_bench_buffers *buffers);

void sb_bench_buffers_free(sb_bench_buffers *buffers);

#endif
