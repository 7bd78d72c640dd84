/* One step on a device with tensors of the host: what `check` and the benchmarks call. */
#ifndef SAMEBITS_CUDA_DEVICE_H
#define SAMEBITS_CUDA_DEVICE_H

#include "cuda/modules.h"
#include "samebits/kernels.h"

/* Other people's kernels: rows of a manifest with their PTX, in the place of ours: a step without a row is
 * SB_UNSUPPORTED, so that none of ours passes for one of theirs. */
typedef struct sb_kernel_set {
  int count;
  const sb_kernel *kernels;
  const char *const *texts; /* the PTX of each */
} sb_kernel_set;

/* Computes a step from in[] into the slots of out[] that have data, in device buffers with guard pads, poisoned first.
 * The inputs must come back unchanged. given[slot] tells which outputs the kernels write: ours give no codes in
 * prepare. `set` may be NULL, and `nanoseconds`,
 * the device's time for the launches. SB_UNSUPPORTED: no kernel takes the shape; SB_DEVICE: the driver's error, a
 * touched pad, a changed input, a zero point that i8 does not hold. */
sb_status sb_cuda_run(sb_cuda *cuda, const sb_kernel_set *set, const sb_spec *spec, const sb_tensor in[SB_SLOTS],
                      sb_tensor out[SB_SLOTS], bool given[SB_SLOTS], uint64_t *nanoseconds);

/* Launches a step of `set` (NULL: ours) with the device pointers of `step`, as `on` says; given[slot] becomes true for
 * what the kernels have among their parameters. */
sb_status sb_cuda_launch_set(sb_cuda *cuda, const sb_kernel_set *set, const sb_cuda_step *step, const sb_on *on,
                             bool given[SB_SLOTS]);

#endif
