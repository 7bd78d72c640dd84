/* samebits worker: a device behind the protocol of docs/worker.md, on standard input and output. */
#include "samebits/worker.h"
#include "cli/command.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { DEVICE = 0x7000, KERNELS, LIFT_GATES, CONTRACTS };

typedef struct request {
  const char *device;
  sb_device_options how;
} request;

static error_t parse(int key, char *word, struct argp_state *state) {
  request *r = state->input;
  switch (key) {
  case DEVICE:
    r->device = word;
    return 0;
  case KERNELS:
    r->how.kernels = word;
    return 0;
  case LIFT_GATES:
    r->how.lift_gates = true;
    return 0;
  case CONTRACTS:
    return sb_take_contracts(word);
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

static const struct argp_option table[] = {
    {"device", DEVICE, "D", 0, "which (default: ref)", 0},
    {"kernels", KERNELS, "MANIFEST", 0, "other people's kernels", 0},
    {"contracts", CONTRACTS, "DIR", 0, SB_CONTRACTS_HELP, 0},
    {"lift-gates", LIFT_GATES, NULL, 0, "run what upstream's architecture gates refuse", 0},
    {0}};

static int run(int argc, char **argv) {
  static const struct argp argp = {
      table,
      parse,
      NULL,
      "Serves requests on standard input until quit or its end: samebits check --device "
      "'worker:samebits worker --device emu:sm_90'. Exit: 0 served, 2 usage, 3 no device or "
      "a request that is none.",
      NULL,
      NULL,
      NULL};
  request r = {.device = "ref"};
  int exit_code = sb_parse_options(&argp, argc, argv, &r);
  if (exit_code) return exit_code;
  /* responses have the pipe for themselves: whatever a library prints goes to the log */
  const int out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
  sb_device *device = NULL;
  sb_status status = out >= 0 && dup2(STDERR_FILENO, STDOUT_FILENO) >= 0
                         ? SB_OK
                         : sb_fail(SB_FILE, "standard output or standard error is closed");
  if (!status) status = sb_device_open(r.device, &r.how, &device);
  if (!status) status = sb_worker_serve(device, STDIN_FILENO, out);
  sb_device_close(device);
  return status ? sb_report(argv[0], status) : SB_EXIT_OK;
}

const sb_command sb_command_worker = {"worker", "a device behind the worker protocol", run};
