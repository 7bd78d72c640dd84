/* The options of `samebits check`. */
#include "cli/check_options.h"

enum {
  DEVICE = 0x2000,
  INPUT,
  TENSOR,
  OUTPUT,
  JSON,
  REQUIRED,
  EXPECT,
  REPEAT,
  THREADS,
  FAIL_FAST,
  MAX_ERRORS,
  SAVE_FAILURES,
  LIFT_GATES,
  TIMEOUT,
  KERNELS,
  JOBS,
  RESUME,
  CONTRACTS
};

static error_t parse(int key, char *word, struct argp_state *state) {
  sb_check_request *r = state->input;
  int64_t number = 0;
  sb_status status = SB_OK;
  switch (key) {
  case ARGP_KEY_INIT:
    state->child_inputs[0] = &r->selection;
    return 0;
  case DEVICE:
    r->devices = word;
    return 0;
  case INPUT:
    r->input = word;
    return 0;
  case TENSOR:
    r->tensors = word;
    return 0;
  case OUTPUT:
    r->output = word;
    return 0;
  case JSON:
    r->json = true;
    return 0;
  case REQUIRED:
    r->required = word;
    return 0;
  case EXPECT:
    r->expect = word;
    return 0;
  case FAIL_FAST:
    r->fail_fast = true;
    return 0;
  case SAVE_FAILURES:
    r->save = word;
    return 0;
  case RESUME:
    r->resume = word;
    return 0;
  case CONTRACTS:
    r->contracts = word;
    return sb_take_contracts(word);
  case LIFT_GATES:
    r->device.lift_gates = true;
    return 0;
  case KERNELS:
    r->device.kernels = word;
    return 0;
  case MAX_ERRORS:
    return sb_argp_error(sb_option_number("max-errors", word, 1, INT64_MAX, &r->max_errors));
  case REPEAT:
    status = sb_option_number("repeat", word, 1, 1000000, &number);
    r->check.repeat = (int)number;
    return sb_argp_error(status);
  case THREADS:
    status = sb_option_number("threads", word, 0, 4096, &number);
    r->check.threads = r->device.threads = (int)number;
    return sb_argp_error(status);
  case JOBS:
    status = sb_option_number("jobs", word, 1, 64, &r->jobs);
    return sb_argp_error(status);
  case TIMEOUT:
    status = sb_option_number("timeout", word, 1, 86400, &number);
    r->device.timeout = (double)number;
    return sb_argp_error(status);
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

static const struct argp_option table[] = {
    {NULL, 0, NULL, 0, "Where and on what:", 2},
    {"device", DEVICE, "D,...", 0, "devices (default: ref; samebits list devices)", 2},
    {"input", INPUT, "FILE", 0, "every 2-D floating-point tensor of a safetensors file instead of fills", 2},
    {"tensor", TENSOR, "GLOB", 0, "the tensors whose name matches", 2},
    {"kernels", KERNELS, "MANIFEST", 0, "other people's kernels", 2},
    {"contracts", CONTRACTS, "DIR", 0, SB_CONTRACTS_HELP, 2},
    {"threads", THREADS, "N", 0, "threads of the reference (default: one a core)", 2},
    {"jobs", JOBS, "N", 0, "processes for the cases (default: one a core; on a GPU always 1)", 2},
    {"repeat", REPEAT, "N", 0, "run each case N times: the same bits every time", 2},
    {"timeout", TIMEOUT, "SECONDS", 0, "a case (default: none)", 2},
    {"lift-gates", LIFT_GATES, NULL, 0, "run what upstream's architecture gates refuse", 2},
    {NULL, 0, NULL, 0, "What comes out:", 3},
    {"json", JSON, NULL, 0, "the run as JSON lines on standard output", 3},
    {"output", OUTPUT, "RUN.jsonl", 0, "the run as JSON lines in a file", 3},
    {"resume", RESUME, "RUN.jsonl", 0,
     "go on with an interrupted run of the same selection, in its file or in --output's", 3},
    {"save-failures", SAVE_FAILURES, "DIR", 0, "a file for each case that is not PASS: input, expected, got", 3},
    {"expect", EXPECT, "FILE", 0, "known divergences (default: ci/expect/DEVICE.txt)", 3},
    {"required", REQUIRED, "FILE", 0, "cells that must be filled (default: ci/required.txt, for whole selections)", 3},
    {"fail-fast", FAIL_FAST, NULL, 0, "stop at the first case that is not as expected", 3},
    {"max-errors", MAX_ERRORS, "N", 0, "stop after N such cases", 3},
    {0}};

static const struct argp_child children[] = {{&sb_select_argp, 0, NULL, 1}, {0}};
const struct argp sb_check_argp = {
    table,
    parse,
    "[CASE|GLOB...]",
    "Runs cases and compares bits. Exit: 0 all as expected, 1 bits differ, 2 usage, 3 nothing ran or a "
    "file or device failed, 4 inconclusive.\v"
    "What is not said is all there is: every recipe, side, step, dtype and fill, the flavors of the device without "
    "their "
    "variants, the shapes of the tier. With --input: the step both, and the side by the tensor's name (--side auto): a "
    "name with a part `weight` between dots is a weight. --tensor is for --input; --max-errors counts cases that are "
    "not "
    "as expected.",
    children,
    NULL,
    NULL};

sb_status sb_check_request_valid(const sb_check_request *r) {
  const sb_selection *s = &r->selection;
  const char *made = s->shapes                                   ? "shape"
                     : s->fills && strcmp(s->fills, "file") != 0 ? "fill"
                     : s->seeds                                  ? "seed"
                     : s->tier                                   ? "tier"
                                                                 : NULL;
  if (r->input && made)
    return sb_fail(SB_USAGE, "--%s is of generated input: it has no meaning beside --input %.200s", made, r->input);
  if (r->tensors && !r->input) return sb_fail(SB_USAGE, "--tensor %.100s needs --input FILE", r->tensors);
  if (s->name && (s->recipes || s->sides || s->steps || s->flavors || s->dtypes || s->groups || made))
    return sb_fail(SB_USAGE, "--name %.100s says what runs: no other list has a meaning beside it", s->name);
  return SB_OK;
}

const char *sb_check_repro(const sb_check_request *r, const sb_case *c, sb_case_status status,
                           char text[SB_REPRO_TEXT]) {
  const sb_repro_options options = {.input = r->input,
                                    .kernels = r->device.kernels,
                                    .contracts = r->contracts,
                                    .expect = r->expect,
                                    .timeout = status == SB_TIMEOUT ? r->device.timeout : 0,
                                    .repeat = r->check.repeat,
                                    .lift_gates = r->device.lift_gates};
  return sb_repro(c, &options, text);
}
