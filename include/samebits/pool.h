/* Many cases on one device, in several processes: a case that crashes costs itself and nothing else. */
#ifndef SAMEBITS_POOL_H
#define SAMEBITS_POOL_H

#include "samebits/check.h"

/* Called with the result of a case. `status`: what sb_check returned, with its message. Anything but SB_OK ends the
 * run. */
typedef sb_status sb_on_result(void *context, const sb_case *c, sb_status status, sb_result *result);

/* Runs the cases on the device of that name, each of `jobs` processes on one of its own, one thread a process; jobs <
 * 2: in this process, on `device`, unless there is a timeout, which ends a process: such a case is TIMEOUT. Results of
 * processes hold no tensors. A process that ends makes its case CRASH and is restarted. `first` (or NULL) is called as
 * soon as a case has ended with a result, in no particular order; `on` for each case in the order of the list, after
 * which the result is freed. `*stop`, set by `on`, ends the run early. */
sb_status sb_check_all(sb_device *device, const sb_device_options *device_options, const sb_check_options *options,
                       const sb_case *cases, int count, int jobs, sb_on_result *first, sb_on_result *on, void *context,
                       const bool *stop);

#endif
