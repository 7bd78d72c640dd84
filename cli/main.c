/* samebits: dispatch to one subcommand. */
#include "cli/command.h"
#include "cuda/ptx.h"
#include "samebits/run.h"

#include <errno.h>
#include <fenv.h>
#include <float.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

/* The whole library assumes IEEE arithmetic: subnormals kept, round to nearest even. */
static const char *bad_float_environment(void) {
  volatile float smallest = FLT_MIN, half = 0x1p-1f, one = 1.0f, tie = 0x1p-24f;
  volatile double smallest_double = DBL_MIN;
  if (smallest * half == 0.0f || smallest_double * 0x1p-1 == 0.0) return "the FPU flushes subnormals to zero";
  if (fegetround() != FE_TONEAREST || one + tie != 1.0f || one - 0x1p-25f != 1.0f)
    return "the FPU is not in round-to-nearest";
  return NULL;
}

static void print_help(void) {
  printf("samebits: do two quantization computations give the same bits, and if not, which step differs?\n\n"
         "Usage: samebits COMMAND ...     (samebits COMMAND --help says more)\n\n");
  for (int i = 0; i < sb_command_table_count; i++)
    printf("  %-10s %s\n", sb_command_table[i]->name, sb_command_table[i]->summary);
  printf("\nExit codes: 0 all as expected, 1 bits differ, 2 usage, 3 infrastructure or nothing ran, 4 inconclusive\n");
}

/* Output that could not be written in full is an error, not a success. */
static int close_output(int exit_code) {
  if (fflush(stdout) == 0 && !ferror(stdout)) return exit_code;
  if (exit_code != SB_EXIT_INFRASTRUCTURE && errno != EPIPE)
    fprintf(stderr, "samebits: standard output cannot be written\n");
  return sb_exit_join(exit_code, SB_EXIT_INFRASTRUCTURE);
}

int main(int argc, char **argv) {
  char name[64];
  const char *problem = bad_float_environment();
  signal(SIGPIPE, SIG_IGN);
  if (problem) {
    fprintf(stderr, "samebits: refused to run: %s\n", problem);
    return SB_EXIT_INFRASTRUCTURE;
  }
  if (argc < 2) {
    fprintf(stderr, "samebits: a command is missing (see samebits --help)\n");
    return SB_EXIT_USAGE;
  }
  if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
    print_help();
    return close_output(SB_EXIT_OK);
  }
  if (strcmp(argv[1], "--version") == 0) {
    printf("samebits %s, commit %s, kernels: %s\n", SAMEBITS_VERSION, *sb_run_git ? sb_run_git : "not known",
           sb_ptx_made_by);
    return close_output(SB_EXIT_OK);
  }
  for (int i = 0; i < sb_command_table_count; i++) {
    if (strcmp(argv[1], sb_command_table[i]->name) != 0) continue;
    snprintf(name, sizeof name, "samebits %s", argv[1]);
    argv[1] = name;
    return close_output(sb_command_table[i]->run(argc - 1, argv + 1));
  }
  fprintf(stderr, "samebits: no command '%s' (see samebits --help)\n", argv[1]);
  return SB_EXIT_USAGE;
}
