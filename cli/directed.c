/* samebits directed make: inputs searched for each mechanism, as the data of the fill `directed`. */
#include "cli/command.h"
#include "conformance/contract/library.h"
#include "conformance/mutants/mutants.h"
#include "samebits/recipe.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The smoke tier's tallest shape has 33 rows: these tell mechanisms from their contract; those after them, each other.
 */
enum { COLS = 32, WIDE = 2 * COLS, TRIES = 16, MOST_ROWS = 33, WITH_PAIRS = 64, PAIR_TRIES = 4, MOST_CONTRACTS = 64 };

typedef struct options {
  const char *output, *from, *recipe, *dtype;
  const sb_mechanism *only;
} options;

static error_t parse(int key, char *word, struct argp_state *state) {
  options *o = state->input;
  switch (key) {
  case 'o':
    o->output = word;
    return 0;
  case 'f':
    o->from = word;
    return 0;
  case 'r':
    o->recipe = word;
    return 0;
  case 't':
    o->dtype = word;
    return 0;
  case 'm':
    o->only = sb_mechanism_find(word);
    return o->only ? 0 : sb_argp_error(sb_fail(SB_USAGE, "no mechanism '%s' (samebits list mechanisms)", word));
  case 'c':
    return sb_take_contracts(word);
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

/* The rows that FILE has for a recipe, side and dtype; a second line of one, its dtype with a +, is its second group.
 */
static sb_status known_rows(const char *path, const char *key, sb_directed_pool *pool) {
  FILE *f = fopen(path, "r");
  char line[4096];
  const size_t length = strlen(key);
  if (!f) return sb_fail(SB_FILE, "%s: cannot be opened", path);
  while (fgets(line, sizeof line, f)) {
    if (strncmp(line, key, length) != 0 || (line[length] != ' ' && line[length] != '+')) continue;
    const bool second = line[length] == '+' && pool->count > 0 && pool->cols == WIDE;
    if (!second) pool->count++;
    double *grown = realloc(pool->x, sizeof *grown * (size_t)(pool->count * pool->cols));
    if (!grown) return fclose(f), sb_fail(SB_NO_MEMORY, "no memory for rows");
    char *p = line + length + 1;
    pool->x = grown;
    double *row = grown + (pool->count - 1) * pool->cols;
    for (int j = second ? COLS : 0; j < COLS * (1 + second); j++) row[j] = strtod(p, &p);
    for (int j = COLS; j < pool->cols && !second; j++) row[j] = row[j - COLS];
  }
  fclose(f);
  return SB_OK;
}

/* Two groups where a contract has a scale of the row and one of the group. */
static int64_t width_of(const char *recipe, const char *side) {
  char prefix[200];
  int64_t cols = COLS;
  snprintf(prefix, sizeof prefix, "%s/%s/", recipe, side);
  for (int i = 0; i < sb_contracts_count(); i++) {
    sb_contract_case at;
    sb_contract *contract = NULL;
    const char *name = sb_contracts_name(i);
    if (strncmp(name, prefix, strlen(prefix)) != 0 || sb_contract_case_parse(name, SB_F32, COLS, &at) != SB_OK)
      continue;
    if (sb_contract_load(&at, &contract) == SB_OK && sb_groups_of_a_row(contract) == 2) cols = WIDE;
    sb_contract_free(contract);
  }
  return cols;
}

static void put_row(FILE *f, const char *key, const char *dtype, const double *x) {
  fprintf(f, "%s%s", key, dtype);
  for (int j = 0; j < COLS; j++) put(f, x[j]);
  fputc('\n', f);
}

/* One pool for each recipe, side and dtype, from the contracts of all flavors. */
static sb_status pool_of(const options *o, const char *recipe, const char *side, sb_format dtype, FILE *f) {
  sb_directed_pool pool = {.cols = width_of(recipe, side)};
  sb_status status = SB_OK;
  char prefix[200], key[220];
  static sb_contract_case contracts[MOST_CONTRACTS];
  int count = 0;
  const sb_recipe *known = sb_recipe_find(recipe);
  bool own = known && known->methods, search = o->dtype && strcmp(o->dtype, sb_format_of(dtype)->name) != 0 ? false
                                               : o->recipe ? strcmp(o->recipe, recipe) == 0
                                                           : own || !sb_contracts_recipes();
  if (!search && !o->from) return SB_OK;
  snprintf(key, sizeof key, "%s %s %s", recipe, side, sb_format_of(dtype)->name);
  if (o->from) status = known_rows(o->from, key, &pool);
  snprintf(prefix, sizeof prefix, "%s/%s/", recipe, side);
  for (int i = 0; i < sb_contracts_count() && status == SB_OK && search; i++) {
    sb_contract_case at;
    const char *name = sb_contracts_name(i);
    if (strncmp(name, prefix, strlen(prefix)) != 0) continue;
    status = sb_contract_case_parse(name, dtype, 0, &at);
    if (status != SB_OK || (strcmp(at.step, "prepare") != 0 && strcmp(at.step, "convert") != 0)) continue;
    at.group_size = COLS; /* the row of the pool */
    status = sb_directed_search(&at, TRIES, o->only, &pool);
    if (count < MOST_CONTRACTS) contracts[count++] = at;
  }
  if (status == SB_OK && pool.count > MOST_ROWS && count)
    status = sb_directed_prune(contracts, count, MOST_ROWS, &pool);
  sb_directed_pairs_told told = {0};
  for (int i = 0; i < count && status == SB_OK && pool.count && !o->only; i++)
    status = sb_directed_pairs(&contracts[i], PAIR_TRIES, WITH_PAIRS, &pool, &told);
  for (int r = 0; r < pool.count; r++) {
    const double *x = pool.x + r * pool.cols;
    put_row(f, key, "", x);
    if (pool.cols == WIDE && memcmp(x, x + COLS, sizeof *x * COLS) != 0) put_row(f, key, "+", x + COLS);
  }
  fprintf(stderr, "%s%s: %d rows", prefix, sb_format_of(dtype)->name, pool.count);
  if (told.pairs)
    fprintf(stderr, ", which tell %" PRId64 " of %" PRId64 " pairs of wrong implementations apart", told.told,
            told.pairs);
  fputc('\n', stderr);
  free(pool.x);
  return status;
}

static int make(int argc, char **argv) {
  static const struct argp_option table[] = {{"output", 'o', "FILE", 0, "where the rows go", 0},
                                             {"from", 'f', "FILE", 0, "rows to start from", 0},
                                             {"recipe", 'r', "R", 0, "search for this recipe only", 0},
                                             {"dtype", 't', "T", 0, "f32, bf16 or f16: search for this one only", 0},
                                             {"mechanism", 'm', "ID", 0, "search for this mechanism only", 0},
                                             {"contracts", 'c', "DIR", 0, SB_CONTRACTS_HELP, 0},
                                             {0}};
  static const struct argp argp = {
      table, parse, "", "Searches inputs on which each mechanism differs from its contract.", NULL, NULL, NULL};
  static const sb_format dtypes[] = {SB_F32, SB_BF16, SB_F16};
  options o = {0};
  int exit_code = sb_parse_options(&argp, argc, argv, &o);
  if (exit_code) return exit_code;
  FILE *f = o.output ? fopen(o.output, "w") : NULL;
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
    for (int d = 0; d < 3 && status == SB_OK; d++) status = pool_of(&o, key, key + (a - name) + 1, dtypes[d], f);
  }
  if (fclose(f) != 0 && status == SB_OK) status = sb_fail(SB_FILE, "%s: cannot be written in full", o.output);
  return status ? sb_report(argv[0], status) : SB_EXIT_OK;
}

static int run(int argc, char **argv) {
  static const sb_subcommand table[] = {{"make", "search the inputs and write them", make}};
  return sb_dispatch("directed", table, 1, argc, argv);
}

const sb_command sb_command_directed = {"directed", "inputs that tell each mechanism from its contract: make", run};
