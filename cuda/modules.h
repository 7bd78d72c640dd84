/* An open device with its loaded modules. */
#ifndef SAMEBITS_CUDA_MODULES_H
#define SAMEBITS_CUDA_MODULES_H

#include "samebits/cuda.h"
#include "samebits/driver.h"
#include "samebits/kernels.h"

/* How a record is launched. */
typedef struct sb_on {
  const char *text;      /* PTX of the caller, remembered by the record's file; NULL: our own module */
  void *stream;          /* where it is queued, unless `wait` */
  bool wait;             /* launch and wait: a fault is this call's error */
  uint64_t *nanoseconds; /* with `wait`: the device's time is added; may be NULL */
} sb_on;

/* Launches a filled record: its module is loaded on first use. */
sb_status sb_modules_launch(sb_cuda *cuda, const sb_launch *launch, const sb_on *on);

/* Launches the rows of a step as sb_cuda_launch does. */
sb_status sb_cuda_launch_on(sb_cuda *cuda, const sb_cuda_step *step, const sb_on *on);

/* The PTX of one of our modules for the device: that of the newest architecture that is not newer. NULL: no such
 * module. */
const char *sb_modules_text(const sb_cuda *cuda, const char *module);

/* The variables of a step, strides filled in and checked. */
sb_status sb_cuda_variables(const sb_cuda_step *step, int sm, sb_variables *variables);

sb_driver *sb_cuda_driver(const sb_cuda *cuda);

#endif
