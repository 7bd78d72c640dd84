/* samebits golden verify FILE...: captured upstream outputs against an oracle. */
#include "samebits/golden.h"
#include "cli/command.h"
#include "samebits/contract.h"
#include "samebits/expect.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

enum { PRINTED = 20 };

typedef struct options {
  int count;
  char **files;
  const char *oracle, *required;
  bool json;
  int64_t printed;
} options;

static error_t parse(int key, char *word, struct argp_state *state) {
  options *o = state->input;
  switch (key) {
  case 'o':
    o->oracle = word;
    return 0;
  case 'r':
    o->required = word;
    return 0;
  case 'c':
    return sb_take_contracts(word);
  case 'j':
    o->json = true;
    return 0;
  case ARGP_KEY_ARGS:
    o->files = state->argv + state->next;
    o->count = state->argc - state->next;
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

static void print_difference(void *context, const sb_golden *golden, const sb_golden_case *at, sb_slot slot,
                             int64_t index, const sb_tensor *got) {
  options *o = context;
  if (!o->json && o->printed++ >= PRINTED) return;
  char expected[SB_ELEMENT_TEXT], text[SB_ELEMENT_TEXT];
  const char *path = sb_safetensors_path(golden->file), *tensor = sb_slot_names[slot];
  sb_element_text(&at->expected[slot], index, expected);
  sb_element_text(got, index, text);
  if (o->json) {
    json_t *line = json_pack("{s:s,s:s,s:s,s:I,s:s,s:s}", "file", path, "case", at->name, "tensor", tensor, "index",
                             (json_int_t)index, "expected", expected, "got", text);
    json_dumpf(line, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(line);
  } else {
    char file[SB_VISIBLE], name[SB_VISIBLE];
    printf("%s: case %s: %s[%" PRId64 ", %" PRId64 "] (index %" PRId64 "): expected %s, got %s\n",
           sb_visible(path, file), sb_visible(at->name, name), tensor, index / got->dims[1], index % got->dims[1],
           index, expected, text);
  }
}

/* What a file holds beside what its step computes is not compared, and that is said. */
static void print_ignored(const options *o, const sb_golden *golden) {
  char names[128] = "", file[SB_VISIBLE];
  for (int slot = 0; slot < SB_SLOTS; slot++)
    if (golden->ignored[slot])
      snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s", *names ? ", " : "", sb_slot_names[slot]);
  if (*names)
    fprintf(o->json ? stderr : stdout, "%s: not compared: %s (the step does not compute it)\n",
            sb_visible(sb_safetensors_path(golden->file), file), names);
}

static int verify(int argc, char **argv) {
  static const struct argp_option table[] = {
      {"oracle", 'o', "ref|contract", 0, "what computes the expected bits (default: ref)", 0},
      {"required", 'r', "FILE", 0, "cells that must be verified without a difference (as ci/required.txt)", 0},
      {"contracts", 'c', "DIR", 0, SB_CONTRACTS_HELP, 0},
      {"json", 'j', NULL, 0, "one JSON object a mismatch, then one with the counts", 0},
      {0}};
  static const struct argp argp = {table, parse, "FILE...", "Compares captured outputs, bit for bit, with an oracle.",
                                   NULL,  NULL,  NULL};
  options o = {.oracle = "ref"};
  int exit_code = sb_parse_options(&argp, argc, argv, &o);
  if (exit_code) return exit_code;
  sb_oracle *oracle = NULL;
  if (strcmp(o.oracle, "contract") == 0)
    oracle = sb_contract_oracle;
  else if (strcmp(o.oracle, "ref") != 0) {
    fprintf(stderr, "%s: unknown oracle '%s'\n", argv[0], o.oracle);
    return SB_EXIT_USAGE;
  }
  if (o.count == 0) {
    fprintf(stderr, "%s: no files given\n", argv[0]);
    return SB_EXIT_USAGE;
  }
  sb_golden_counts counts = {0};
  sb_required required = {0};
  if (o.required && sb_required_load(o.required, &required)) return sb_report(argv[0], SB_FILE);
  for (int i = 0; i < o.count; i++) {
    sb_golden golden;
    sb_golden_counts before = counts;
    sb_status status = sb_golden_open(o.files[i], &golden);
    if (!status) {
      status = sb_golden_verify(&golden, oracle, NULL, &counts, print_difference, &o);
      if (!status && counts.different == before.different)
        sb_required_fill(&required, &golden.spec, "ref", counts.elements - before.elements);
      if (!status) print_ignored(&o, &golden);
      sb_golden_close(&golden);
    }
    if (status) exit_code = sb_report(argv[0], SB_FILE);
  }
  bool applies = false;
  for (int i = 0; i < required.count; i++) {
    char text[SB_CELL_TEXT];
    if (strcmp(required.cells[i].device, "ref") != 0) continue;
    applies = true;
    if (required.cells[i].filled >= required.cells[i].least) continue;
    fprintf(stderr, "%s\n", sb_required_text(&required, i, text));
    exit_code = sb_exit_join(exit_code, SB_EXIT_DIFFERS);
  }
  if (o.required && !applies) {
    fprintf(stderr, "REQUIRED no row of %s is of the device ref, which captured files are held to\n", o.required);
    exit_code = sb_exit_join(exit_code, SB_EXIT_DIFFERS);
  }
  sb_required_free(&required);
  if (o.json)
    printf("{\"files\":%" PRId64 ",\"cases\":%" PRId64 ",\"elements\":%" PRId64 ",\"different\":%" PRId64 "}\n",
           counts.files, counts.cases, counts.elements, counts.different);
  else
    printf("golden: %" PRId64 " files, %" PRId64 " cases, %" PRId64 " elements, %" PRId64 " differ\n", counts.files,
           counts.cases, counts.elements, counts.different);
  return counts.different ? sb_exit_join(exit_code, SB_EXIT_DIFFERS) : exit_code;
}

static int run(int argc, char **argv) {
  static const sb_subcommand table[] = {{"verify", "captured outputs against an oracle", verify}};
  return sb_dispatch("golden", table, 1, argc, argv);
}

const sb_command sb_command_golden = {"golden", "captured upstream outputs: verify FILE...", run};
