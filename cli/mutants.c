/* samebits mutants: every mechanism as a wrong implementation, and which fill kills it. */
#include "conformance/mutants/mutants.h"
#include "cli/command.h"
#include "conformance/mutants/prove.h"
#include "samebits/fill.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 33, TRIES = 16 };

typedef struct options {
  const char *recipe, *dtype, *flavor;
  bool all, check_proofs;
} options;

static error_t parse(int key, char *word, struct argp_state *state) {
  options *o = state->input;
  switch (key) {
  case 'r':
    o->recipe = word;
    return 0;
  case 't':
    o->dtype = word;
    return 0;
  case 'f':
    o->flavor = word;
    return 0;
  case 'a':
    o->all = true;
    return 0;
  case 'p':
    o->check_proofs = true;
    return 0;
  case 'c':
    return sb_take_contracts(word);
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

/* Two inputs a fill would need a reference; a user's own recipe borrows the fills of a recipe of the same shape. */
static sb_status spec_of(const sb_contract_case *at, sb_spec *spec) {
  sb_side side;
  sb_step step;
  sb_flavor flavor;
  if (sb_side_parse(at->side, &side) == SB_OK && sb_step_parse(at->step, &step) == SB_OK &&
      sb_flavor_parse(at->flavor, &flavor) == SB_OK &&
      sb_spec_make(at->recipe, side, step, flavor, at->variant, at->dtype, at->group_size, spec) == SB_OK)
    return SB_OK;
  return sb_spec_make("float8-dynamic-act-float8-weight", SB_ACTIVATION, SB_PREPARE, SB_TORCHAO_0_18_CPU, "", at->dtype,
                      0, spec);
}

/* The recipe's group; 32 where any will do, so that a row has many. */
static int64_t usual_group(const sb_contract_case *at) {
  sb_side side;
  const sb_recipe *recipe = sb_recipe_find(at->recipe);
  if (!recipe || sb_side_parse(at->side, &side) || recipe->default_group[side] == 0) return 0;
  return strncmp(at->recipe, "float8", 6) == 0 ? 128 : 32;
}

/* Whether --contracts gave it. */
static bool is_own(const sb_contract_case *at) {
  sb_spec spec;
  return spec_of(at, &spec) == SB_OK && strcmp(spec.recipe->name, at->recipe) == 0 && spec.recipe->methods;
}

typedef struct totals {
  int mechanisms, killed, equivalent, survivors, contradicted;
  int forms, proven[4], argued; /* of the equivalent forms */
  int64_t swept;
} totals;

/* How many forms give the same bits, and by which proof. */
static void print_equivalent(const sb_contract_case *at, const sb_mutant_row *r, totals *t) {
  static const char *const by[] = {[SB_PROVEN_SAME_TREES] = "the same operations",
                                   [SB_PROVEN_BY_RULES] = "by the rules of exact terms",
                                   [SB_PROVEN_BY_SWEEP] = "by a sweep"};
  const char *argument = r->killed ? NULL : sb_equivalence(at, r->mechanism->id, NULL), *comma = ":";
  int rest = r->proven[SB_NOT_PROVEN];
  for (int i = 0; i < SB_MUTANT_ARGUMENTS; i++) rest -= r->argued[i], t->argued += r->argued[i];
  t->forms += r->equivalent, t->swept += r->swept;
  if (argument)
    t->argued += rest;
  else
    t->proven[SB_NOT_PROVEN] += rest;
  printf(" %d", r->equivalent);
  for (int k = SB_PROVEN_SAME_TREES; k <= SB_PROVEN_BY_SWEEP; k++) {
    t->proven[k] += r->proven[k];
    if (!r->proven[k]) continue;
    printf("%s %d %s", comma, r->proven[k], by[k]);
    if (k == SB_PROVEN_BY_SWEEP) printf(" of %lld values", (long long)r->swept);
    comma = ";";
  }
  for (int i = 0; i < SB_MUTANT_ARGUMENTS && r->argued[i]; i++, comma = ";")
    printf("%s %d: %s", comma, r->argued[i], r->arguments[i]);
  if (rest && argument) printf("%s %d: %s", comma, rest, argument);
  if (rest && !argument) printf("%s %d not told by the search (%s)", comma, rest, r->unproved);
  printf(" |\n");
}

static void print_row(const sb_contract_case *at, const sb_mutant_row *r, int count, totals *t) {
  printf("| %s | %d |", r->mechanism->id, r->forms);
  for (int f = 0; f < count; f++) printf(" %s |", r->killed >> f & 1 ? "x" : "");
  if (r->survivors)
    printf(" **%d survive: %s** |\n", r->survivors, r->survivor);
  else
    print_equivalent(at, r, t);
  t->mechanisms++;
  if (r->contradicted)
    printf("**%s: %d forms are proven the same, and a fill tells them**\n", r->mechanism->id, r->contradicted);
  t->contradicted += r->contradicted;
  if (r->survivors)
    t->survivors++;
  else if (r->killed)
    t->killed++;
  else
    t->equivalent++;
}

static sb_status matrix(const char *name, sb_format dtype, bool check_proofs, totals *t) {
  sb_contract_case at;
  sb_spec spec;
  sb_tensor x[SB_MUTANT_FILLS] = {{0}};
  sb_mutant_input inputs[SB_MUTANT_FILLS];
  const char *names[SB_MUTANT_FILLS];
  int count = 0;
  sb_status status = sb_contract_case_parse(name, dtype, 0, &at);
  if (status) return status;
  at.group_size = usual_group(&at);
  status = spec_of(&at, &spec);
  for (int f = 0; f < sb_fill_table_count && count < SB_MUTANT_FILLS && !status; f++) {
    if (sb_fill_table[f]->tier) continue; /* not of the smoke tier */
    /* Blocks of several rows: the smoke tier's shape with room for all directed rows. */
    const bool wide = spec.recipe->tile[0] > 1 && strcmp(sb_fill_table[f]->name, "directed") == 0;
    x[count] = sb_tensor_2d(dtype, wide ? 2 : ROWS, wide ? 4096 : 512);
    status = sb_tensor_alloc(&x[count]);
    if (status || sb_fill_table[f]->make(&spec, 1, &x[count]) != SB_OK) {
      sb_tensor_free(&x[count]);
      continue;
    }
    names[count] = sb_fill_table[f]->name;
    inputs[count] = (sb_mutant_input){names[count], &x[count]};
    count++;
  }
  sb_mutant_row *rows = calloc((size_t)sb_mechanism_count(), sizeof *rows);
  if (!rows) status = sb_fail(SB_NO_MEMORY, "no memory for a matrix");
  if (!status) status = sb_mutants_run(&at, inputs, count, TRIES, check_proofs, rows);
  if (!status) {
    printf("\n### %s, %s\n\n| mechanism | forms |", name, sb_format_of(dtype)->name);
    for (int f = 0; f < count; f++) printf(" %s |", names[f]);
    printf(" equivalent forms |\n|---|---|");
    for (int f = 0; f <= count; f++) printf("---|");
    putchar('\n');
    for (int i = 0; i < sb_mechanism_count(); i++)
      if (rows[i].forms) print_row(&at, &rows[i], count, t);
  }
  free(rows);
  for (int f = 0; f < count; f++) sb_tensor_free(&x[f]);
  return status;
}

static int run(int argc, char **argv) {
  static const struct argp_option table[] = {
      {"recipe", 'r', "R", 0, "only this recipe", 0},
      {"dtype", 't', "D", 0, "only this dtype", 0},
      {"flavor", 'f', "F", 0, "only this flavor (default: torchao-0.18-cpu, aligned, and your own)", 0},
      {"all", 'a', NULL, 0, "convert and variants too, where they have contracts of their own", 0},
      {"check-proofs", 'p', NULL, 0, "give the prover what a fill kills, too: a proof of that is wrong (minutes)", 0},
      {"contracts", 'c', "DIR", 0, SB_CONTRACTS_HELP, 0},
      {0}};
  static const struct argp argp = {
      table, parse, "", "Prints which fill kills which mechanism, for which recipe and dtype.", NULL, NULL, NULL};
  static const sb_format dtypes[] = {SB_F32, SB_BF16, SB_F16};
  options o = {0};
  totals t = {0};
  int exit_code = sb_parse_options(&argp, argc, argv, &o);
  if (exit_code) return exit_code;
  sb_status status = SB_OK;
  for (int i = 0; i < sb_contracts_count() && !status; i++) {
    sb_contract_case at;
    const char *name = sb_contracts_name(i);
    if (strncmp(name, "affine/", 7) == 0 || sb_contract_case_parse(name, SB_F32, 0, &at) != SB_OK) continue;
    const bool own = is_own(&at), all = o.all || own;
    bool step = strcmp(at.step, "prepare") == 0 || (strcmp(at.step, "convert") == 0 && all);
    bool flavor = o.flavor ? strcmp(at.flavor, o.flavor) == 0
                           : strcmp(at.flavor, "torchao-0.18-cpu") == 0 || strcmp(at.flavor, "aligned") == 0 || own;
    if (!step || !flavor || (*at.variant && !all)) continue;
    if (o.recipe ? strcmp(at.recipe, o.recipe) != 0 : !own && sb_contracts_recipes()) continue;
    for (int d = 0; d < 3 && !status; d++)
      if (!o.dtype || strcmp(o.dtype, sb_format_of(dtypes[d])->name) == 0)
        status = matrix(name, dtypes[d], o.check_proofs, &t);
  }
  if (status) return sb_report(argv[0], status);
  printf("\nmutants: %d mechanism cells, %d killed, %d equivalent, %d not killed\n", t.mechanisms, t.killed,
         t.equivalent, t.survivors);
  printf(
      "of %d forms that no input told from their contract, %d are the same operations, %d are proven by the rules, %d "
      "by sweeps of %lld values, %d by an argument; %d are not told by the search, which is no proof\n",
      t.forms, t.proven[SB_PROVEN_SAME_TREES], t.proven[SB_PROVEN_BY_RULES], t.proven[SB_PROVEN_BY_SWEEP],
      (long long)t.swept, t.argued, t.proven[SB_NOT_PROVEN]);
  if (t.contradicted) printf("%d proofs are contradicted by a fill\n", t.contradicted);
  if (t.mechanisms == 0) return SB_EXIT_INFRASTRUCTURE;
  return t.survivors || t.contradicted ? SB_EXIT_DIFFERS : SB_EXIT_OK;
}

const sb_command sb_command_mutants = {"mutants", "every mechanism as a wrong kernel: which fill kills it", run};
