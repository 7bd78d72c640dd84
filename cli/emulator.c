/* samebits emulator selftest: the opcode table, row by row, on the emulator or against a GPU. */
#include "cli/command.h"
#include "samebits/selftest.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct options {
  const char *device, *kernel;
  bool json;
  uint64_t count;
} options;

static error_t parse(int key, char *word, struct argp_state *state) {
  options *o = state->input;
  if (key == 'd')
    o->device = word;
  else if (key == 'j')
    o->json = true;
  else if (key == 'k')
    o->kernel = word;
  else if (key == 'n')
    o->count = (uint64_t)strtoul(word, NULL, 10) << 22;
  else
    return ARGP_ERR_UNKNOWN;
  return 0;
}

static void print_row(void *context, const sb_selftest_row *row) {
  const options *o = context;
  const char *state = row->different < 0 ? "absent" : row->different ? "DIFFERS" : "ok";
  if (o->json)
    printf("{\"opcode\":\"%s\",\"digest\":\"%016" PRIx64 "\",\"different\":%ld,\"state\":\"%s\"}\n", row->opcode,
           row->digest, row->different, state);
  else if (row->different > 0)
    printf("%016" PRIx64 " %s DIFFERS in %ld elements from %s\n", row->digest, row->opcode, row->different,
           row->expression);
  else
    printf("%016" PRIx64 " %s%s\n", row->digest, row->opcode, row->different < 0 ? " (not on this device)" : "");
}

static int selftest(int argc, char **argv) {
  static const struct argp_option table[] = {
      {"device", 'd', "DEVICE", 0, "emu:sm_XX (default emu:sm_90), or cuda:N, which is compared with the emulator", 0},
      {"json", 'j', NULL, 0, "one JSON object a row", 0},
      {0}};
  static const struct argp argp = {
      table, parse, NULL, "Runs one tiny kernel for each row of the opcode table and prints a digest of its results.",
      NULL,  NULL,  NULL};
  options o = {.device = "emu:sm_90"};
  int code = sb_parse_options(&argp, argc, argv, &o), rows = 0, failures = 0;
  if (code) return code;
  sb_status status = sb_selftest(o.device, print_row, &o, &rows, &failures);
  if (status) return sb_report(argv[0], status);
  if (!o.json && strncmp(o.device, "emu", 3) == 0)
    printf("selftest: %d rows on %s: digests, compared with nothing (a GPU's are, with --device cuda:0)\n", rows,
           o.device);
  else if (!o.json)
    printf("selftest: %d rows on %s, %d differ\n", rows, o.device, failures);
  return failures ? SB_EXIT_DIFFERS : rows ? SB_EXIT_OK : SB_EXIT_INFRASTRUCTURE;
}

/* All f32 inputs through the quantize kernels. */
static int sweep32(int argc, char **argv) {
  static const struct argp_option table[] = {
      {"device", 'd', "DEVICE", 0, "emu:sm_XX (default emu:sm_90), or cuda:N", 0},
      {"kernel", 'k', "NAME", 0, "i8 or e4m3 (default: both)", 0},
      {"chunks", 'n', "N", 0, "only the first N of 1024 parts", 0},
      {0}};
  static const struct argp argp = {
      table, parse,
      NULL,  "Runs all 2^32 f32 inputs through a quantize kernel and compares every code with the reference's.",
      NULL,  NULL,
      NULL};
  options o = {.device = "emu:sm_90", .count = 1ull << 32};
  int code = sb_parse_options(&argp, argc, argv, &o), ran = 0;
  if (code) return code;
  if (!o.count || o.count > 1ull << 32)
    return sb_report(argv[0], sb_fail(SB_USAGE, "--chunks: a number from 1 to 1024 is needed"));
  const sb_sweep_kernel *kernel;
  for (int k = 0; (kernel = sb_sweep_kernel_at(k)) != NULL; k++) {
    if (o.kernel && strcmp(o.kernel, kernel->name) != 0) continue;
    sb_sweep_result r;
    sb_status status = sb_sweep32(o.device, kernel, o.count, &r);
    if (status) return sb_report(argv[0], status);
    printf("%s: %" PRIu64 " inputs on %s, %" PRIu64 " codes differ, %.1f s\n", kernel->name, r.inputs, o.device,
           r.different, r.seconds);
    if (r.different)
      printf("  the first: input 0x%08" PRIx32 " gives 0x%02" PRIx64 ", the reference 0x%02" PRIx64 "\n", r.input,
             r.got, r.expected);
    if (r.different) code = SB_EXIT_DIFFERS;
    ran++;
  }
  if (!ran) return sb_report(argv[0], sb_fail(SB_USAGE, "--kernel %s: there are i8 and e4m3", o.kernel));
  return code;
}

static int run(int argc, char **argv) {
  static const sb_subcommand table[] = {{"selftest", "the opcode table, row by row", selftest},
                                        {"sweep32", "all 2^32 f32 inputs through a quantize kernel", sweep32}};
  return sb_dispatch("emulator", table, 2, argc, argv);
}

const sb_command sb_command_emulator = {"emulator", "the emulator's opcode table: selftest; all f32 inputs: sweep32",
                                        run};
