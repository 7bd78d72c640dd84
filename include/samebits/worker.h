/* Workers: the device is another process, which reads requests and writes responses on its standard input and output,
 * each an 8-byte little-endian length and one safetensors blob (docs/worker.md). Standard error is a log.
 *
 *   request  metadata op = hello | run | quit; of run: case, recipe, side, step, flavor, variant, dtype, group_size,
 * rows, cols; tensors x, and scale, zero_point, codes ... where the step takes them response metadata status = ok |
 * unsupported | error, message, device, elapsed_ns; of run: the tensors that the step yields, by their names in golden
 * files */
#ifndef SAMEBITS_WORKER_H
#define SAMEBITS_WORKER_H

#include "samebits/device.h"
#include "samebits/safetensors.h"

/* One blob out, one blob in, each done before the deadline (seconds of CLOCK_MONOTONIC; INFINITY: none). A blob longer
 * than `limit` bytes is SB_FILE, as is one that is no safetensors. SB_DEVICE: the other end is gone; *timeout: it was
 * too slow. At the end of the input sb_blob_get gives SB_OK and a NULL blob. */
sb_status sb_blob_put(int file, const sb_safetensors_writer *blob, double deadline, bool *timeout);
sb_status sb_blob_get(int file, const char *label, size_t limit, double deadline, sb_safetensors **blob, bool *timeout);
double sb_now(void);

/* Serves requests from `in` on `out` by a device until `quit` or the end of the input. SB_FILE: a request that is none.
 */
sb_status sb_worker_serve(sb_device *device, int in, int out);

#endif
