/* samebits list: what there is. */
#include "cli/select.h"
#include "samebits/contract.h"
#include "samebits/explain.h"

#include <inttypes.h>
#include <stdio.h>

typedef struct options {
  sb_selection selection;
  const char *device;
} options;

static error_t parse(int key, char *word, struct argp_state *state) {
  options *o = state->input;
  switch (key) {
  case ARGP_KEY_INIT:
    state->child_inputs[0] = &o->selection;
    return 0;
  case 'd':
    o->device = word;
    return 0;
  case 'c':
    return sb_take_contracts(word);
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

static error_t parse_contracts(int key, char *word, struct argp_state *state) {
  (void)state;
  return key == 'c' ? sb_take_contracts(word) : ARGP_ERR_UNKNOWN;
}

/* The lists that take no other option. */
static int no_options(int argc, char **argv) {
  static const struct argp_option table[] = {{"contracts", 'c', "DIR", 0, SB_CONTRACTS_HELP, 0}, {0}};
  static const struct argp argp = {table, parse_contracts, "", NULL, NULL, NULL, NULL};
  return sb_parse_options(&argp, argc, argv, NULL);
}

static int list_recipes(int argc, char **argv) {
  int exit_code = no_options(argc, argv);
  for (int i = 0; !exit_code && i < sb_recipe_count(); i++) {
    const sb_recipe *recipe = sb_recipe_at(i);
    printf("%s\n  %s\n", recipe->name, recipe->summary);
    for (int side = 0; side < SB_NO_SIDE; side++) {
      bool has = false;
      for (int p = 0; p < recipe->path_count; p++) has |= (int)recipe->paths[p].side == side;
      if (has && recipe->default_group[side])
        printf("  %s: group size %" PRId64 " unless given\n", sb_side_names[side], recipe->default_group[side]);
      else if (has)
        printf("  %s: one scale a row\n", sb_side_names[side]);
    }
    if (*recipe->refused_by_upstream) printf("  upstream's configuration refuses: %s\n", recipe->refused_by_upstream);
  }
  return exit_code;
}

static int list_paths(int argc, char **argv, bool variants) {
  int exit_code = no_options(argc, argv);
  for (int flavor = 0; !exit_code && flavor < SB_MOST_FLAVORS && sb_flavor_names[flavor]; flavor++) {
    if (!variants) printf("%s\n", sb_flavor_names[flavor]);
    for (int i = 0; i < sb_recipe_count(); i++)
      for (int p = 0; p < sb_recipe_at(i)->path_count; p++) {
        const sb_path *path = &sb_recipe_at(i)->paths[p];
        if ((int)path->flavor != flavor || variants != (*path->variant != 0)) continue;
        printf(variants ? "%s/%s/%s@%s+%s\n    %s\n" : "  %s/%s/%s%s%s\n    %s\n", sb_recipe_at(i)->name,
               sb_side_names[path->side],
               path->prepare && path->convert ? "both"
               : path->prepare                ? "prepare"
                                              : "convert",
               variants ? sb_flavor_names[flavor] : "", path->variant, path->source);
      }
  }
  return exit_code;
}

static int list_flavors(int argc, char **argv) { return list_paths(argc, argv, false); }
static int list_variants(int argc, char **argv) { return list_paths(argc, argv, true); }

static int list_fills(int argc, char **argv) {
  int exit_code = no_options(argc, argv);
  for (int i = 0; !exit_code && i < sb_fill_table_count; i++)
    printf("%-12s %s\n", sb_fill_table[i]->name, sb_fill_table[i]->summary);
  if (!exit_code) printf("%-12s the tensors of --input FILE\n", "file");
  return exit_code;
}

static void print_device(void *context, const char *name, const char *what) {
  (void)context;
  printf("%-14s %s\n", name, what);
}

static int list_devices(int argc, char **argv) {
  int exit_code = no_options(argc, argv);
  for (int i = 0; !exit_code && i < sb_device_family_table_count; i++)
    sb_device_family_table[i]->list(print_device, NULL);
  return exit_code;
}

static int list_cases(int argc, char **argv) {
  static const struct argp_option table[] = {
      {"device", 'd', "D", 0, "the device whose cases they are (default: ref)", 0},
      {"contracts", 'c', "DIR", 0, SB_CONTRACTS_HELP, 0},
      {0}};
  static const struct argp_child children[] = {{&sb_select_argp, 0, NULL, 1}, {0}};
  static const struct argp argp = {
      table, parse, "[CASE|GLOB...]", "Prints the cases of a selection, then the named sets.", children, NULL, NULL};
  options o = {.device = "ref"};
  sb_case_list list = {0};
  sb_device *device = NULL;
  sb_device_options device_options = {0};
  int exit_code = sb_parse_options(&argp, argc, argv, &o);
  if (exit_code) return exit_code;
  sb_status status = sb_device_open(o.device, &device_options, &device);
  if (!o.selection.recipes && o.selection.pattern_count == 0) o.selection.recipes = sb_contracts_recipes();
  if (!status) status = sb_select(&o.selection, device, &list);
  if (status) exit_code = sb_report(argv[0], status);
  for (int i = 0; i < list.count; i++) {
    char text[SB_CASE_TEXT];
    puts(sb_case_print(&list.cases[i], text));
  }
  for (int i = 0; !exit_code && i < sb_named_set_count; i++)
    printf("# --name %s: %s\n", sb_named_sets[i].name, sb_named_sets[i].what);
  sb_case_list_free(&list);
  sb_device_close(device);
  return exit_code;
}

static int list_contracts(int argc, char **argv) {
  int exit_code = no_options(argc, argv);
  for (int i = 0; !exit_code && i < sb_contracts_count(); i++)
    if (sb_contracts_offers(i)) puts(sb_contracts_name(i));
  return exit_code;
}

static int list_mechanisms(int argc, char **argv) {
  int exit_code = no_options(argc, argv);
  for (int i = 0; !exit_code && i < sb_mechanisms_listed(); i++) {
    sb_mechanism_info m = sb_mechanism_listed(i);
    printf("%-38s %s\n", m.id, m.says);
  }
  return exit_code;
}

static int run(int argc, char **argv) {
  static const sb_subcommand table[] = {
      {"contracts", "the numerics as text, by name", list_contracts},
      {"mechanisms", "the causes that explain knows", list_mechanisms},
      {"recipes", "recipes, their sides and group sizes", list_recipes},
      {"flavors", "whose numerics there are, path by path", list_flavors},
      {"variants", "other code paths of the flavors", list_variants},
      {"fills", "how input is made", list_fills},
      {"cases", "the cases of a selection, and the named sets", list_cases},
      {"devices", "where kernels can run now", list_devices},
  };
  return sb_dispatch("list", table, sizeof table / sizeof *table, argc, argv);
}

const sb_command sb_command_list = {"list", "recipes, flavors, variants, fills, cases, devices, contracts, mechanisms",
                                    run};
