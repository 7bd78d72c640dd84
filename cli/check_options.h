/* What `samebits check` is asked for. */
#ifndef SAMEBITS_CLI_CHECK_OPTIONS_H
#define SAMEBITS_CLI_CHECK_OPTIONS_H

#include "cli/select.h"
#include "samebits/check.h"
#include "samebits/run.h"

/* What the command line asks for. */
typedef struct sb_check_request {
  sb_selection selection;
  char *devices;
  const char *input, *tensors, *contracts, *output, *required, *expect, *save, *resume;
  bool json, fail_fast;
  int64_t max_errors, jobs;
  sb_device_options device;
  sb_check_options check;
} sb_check_request;

/* The command's options and its text of help; the input is a sb_check_request. */
extern const struct argp sb_check_argp;

/* Options that contradict each other or that would be ignored: SB_USAGE. */
sb_status sb_check_request_valid(const sb_check_request *r);

/* The line that gives a case of the run its bits and its verdict again. */
const char *sb_check_repro(const sb_check_request *r, const sb_case *c, sb_case_status status,
                           char text[SB_REPRO_TEXT]);

#endif
