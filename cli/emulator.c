/* samebits emulator selftest: the opcode table, row by row, on the emulator or against a GPU. */
#include "cli/command.h"
#include "samebits/selftest.h"

#include <inttypes.h>
#include <stdio.h>

typedef struct options {
  const char *device;
  bool json;
} options;

static error_t parse(int key, char *word, struct argp_state *state) {
  options *o = state->input;
  if (key == 'd')
    o->device = word;
  else if (key == 'j')
    o->json = true;
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
  if (!o.json) printf("selftest: %d rows on %s, %d differ\n", rows, o.device, failures);
  return failures ? SB_EXIT_DIFFERS : rows ? SB_EXIT_OK : SB_EXIT_INFRASTRUCTURE;
}

static int run(int argc, char **argv) {
  static const sb_subcommand table[] = {{"selftest", "the opcode table, row by row", selftest}};
  return sb_dispatch("emulator", table, 1, argc, argv);
}

const sb_command sb_command_emulator = {"emulator", "the emulator's opcode table: selftest", run};
