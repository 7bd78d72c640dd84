/* samebits directed make: inputs searched for each mechanism, as the data of the fill `directed`. */
#include "cli/command.h"
#include "conformance/mutants/mutants.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COLS = 32, TRIES = 16 };

static error_t parse(int key, char *word, struct argp_state *state) {
  const char **output = state->input;
  switch (key) {
  case 'o':
    *output = word;
    return 0;
  case 'c': {
    sb_status status = sb_contracts_add(word);
    return status ? sb_argp_error(status) : 0;
  }
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

static void put(FILE *f, double v) {
  if (isnan(v))
    fputs(" nan", f);
  else if (isinf(v))
    fputs(v > 0 ? " inf" : " -inf", f);
  else if (v == 0)
    fputs(signbit(v) ? " -0" : " 0", f);
  else
    fprintf(f, " %a", v);
}

/* One pool for each recipe, side and dtype, from the contracts of all flavors. */
static sb_status pool_of(const char *recipe, const char *side, sb_format dtype, FILE *f) {
  sb_directed_pool pool = {.cols = COLS};
  sb_status status = SB_OK;
  char prefix[200];
  snprintf(prefix, sizeof prefix, "%s/%s/", recipe, side);
  for (int i = 0; i < sb_contracts_count() && status == SB_OK; i++) {
    sb_contract_case at;
    const char *name = sb_contracts_name(i);
    if (strncmp(name, prefix, strlen(prefix)) != 0) continue;
    status = sb_contract_case_parse(name, dtype, strcmp(side, "weight") == 0 && strstr(recipe, "int4") ? COLS : 0, &at);
    if (status != SB_OK || (strcmp(at.step, "prepare") != 0 && strcmp(at.step, "convert") != 0)) continue;
    if (strcmp(recipe, "float8-dynamic-act-float8-weight") == 0) at.group_size = 0;
    at.group_size = at.group_size ? at.group_size : COLS; /* the row of the pool */
    status = sb_directed_search(&at, TRIES, &pool);
  }
  for (int r = 0; r < pool.count; r++) {
    fprintf(f, "%s %s %s", recipe, side, sb_format_of(dtype)->name);
    for (int j = 0; j < COLS; j++) put(f, pool.x[r * COLS + j]);
    fputc('\n', f);
  }
  fprintf(stderr, "%s%s: %d rows\n", prefix, sb_format_of(dtype)->name, pool.count);
  free(pool.x);
  return status;
}

static int make(int argc, char **argv) {
  static const struct argp_option table[] = {{"output", 'o', "FILE", 0, "where the rows go", 0},
                                             {"contracts", 'c', "DIR", 0, "contracts of your own", 0},
                                             {0}};
  static const struct argp argp = {
      table, parse, "", "Searches inputs on which each mechanism differs from its contract.", NULL, NULL, NULL};
  static const sb_format dtypes[] = {SB_F32, SB_BF16, SB_F16};
  const char *output = NULL;
  int exit_code = sb_parse_options(&argp, argc, argv, &output);
  if (exit_code) return exit_code;
  FILE *f = output ? fopen(output, "w") : NULL;
  if (!f) {
    fprintf(stderr, "%s: --output FILE that can be written is expected\n", argv[0]);
    return SB_EXIT_USAGE;
  }
  sb_status status = SB_OK;
  char done[64][128];
  int count = 0;
  for (int i = 0; i < sb_contracts_count() && status == SB_OK; i++) {
    char key[128];
    const char *name = sb_contracts_name(i), *a = strchr(name, '/'), *b = a ? strchr(a + 1, '/') : NULL;
    bool seen = false;
    if (!b || snprintf(key, sizeof key, "%.*s", (int)(b - name), name) >= (int)sizeof key) continue;
    for (int k = 0; k < count; k++) seen = seen || strcmp(done[k], key) == 0;
    if (seen || count == 64) continue;
    strcpy(done[count++], key);
    key[a - name] = 0;
    for (int d = 0; d < 3 && status == SB_OK; d++) status = pool_of(key, key + (a - name) + 1, dtypes[d], f);
  }
  if (fclose(f) != 0 && status == SB_OK) status = sb_fail(SB_FILE, "%s: cannot be written in full", output);
  return status ? sb_report(argv[0], status) : SB_EXIT_OK;
}

static int run(int argc, char **argv) {
  static const sb_subcommand table[] = {{"make", "search the inputs and write them", make}};
  return sb_dispatch("directed", table, 1, argc, argv);
}

const sb_command sb_command_directed = {"directed", "inputs that tell each mechanism from its contract: make", run};
