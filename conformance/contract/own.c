/* The user's contracts as recipes: what a case, a fill, a device or a manifest can name as it names a recipe of ref/.
 * The bits are the contract's own, by MPFR. */
#include "conformance/contract/library.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

enum { GROUP = 32 }; /* of contracts over groups, where the case says none */

static bool is_name(const char *text) {
  for (const char *p = text; *p; p++)
    if (!isalnum((unsigned char)*p) && !strchr("._-", *p)) return false;
  return *text != 0;
}

/* The case that computes a spec's step, and the contract that its tensors are described by: prepare, or convert. */
static void cases_of(const sb_spec *spec, sb_contract_case *step, sb_contract_case *whole) {
  sb_contract_case_of(spec, step);
  const char *described = sb_step_names[spec->path->prepare ? SB_PREPARE : SB_CONVERT];
  if (spec->step == SB_BOTH) snprintf(step->step, sizeof step->step, "%s", described);
  *whole = *step;
  if (spec->step > SB_BOTH) snprintf(whole->step, sizeof whole->step, "%s", described);
}

static sb_tensor describe(const sb_contract *k, const sb_env *env, int line) {
  sb_tensor t = line < 0 ? (sb_tensor){0} : sb_line_tensor(k, env, line);
  return line >= 0 && strcmp(k->lines[line].name, sb_slot_names[SB_PACKED]) == 0 && env->cols % 2 ? (sb_tensor){0} : t;
}

static sb_status tensors(const sb_spec *spec, int64_t rows, int64_t cols, sb_tensor in[SB_SLOTS],
                         sb_tensor out[SB_SLOTS]) {
  static const double none[1];
  sb_contract_case step, whole;
  sb_contract *k = NULL;
  int yields = 0;
  cases_of(spec, &step, &whole);
  sb_env env = {.T = (int)spec->dtype,
                .S = (int)spec->dtype,
                .Z = SB_I32,
                .O = (int)spec->dtype,
                .rows = rows,
                .cols = cols,
                .group = spec->group_size,
                .eps = step.eps,
                .binding_count = 1,
                .bindings = {{"x", (int)spec->dtype, {1, 1}, none}}};
  sb_status status = sb_contract_load(&whole, &k);
  if (!status) status = sb_contract_check(k, &env);
  for (int s = 0; s < SB_SLOTS && !status; s++) {
    const char *operand = k->operation[s] ? k->operation[s] : sb_slot_names[s];
    const bool qparam = s == SB_SCALE || s == SB_ZERO_POINT || s == SB_ROW_SCALE,
               codes = (s == SB_CODES || s == SB_PACKED) && spec->step == SB_DEQUANTIZE;
    sb_tensor takes = {0}, gives = describe(k, &env, sb_contract_slot_line(k, &step, (sb_slot)s));
    if (s == SB_X && spec->step != SB_DEQUANTIZE) takes = sb_tensor_2d(spec->dtype, rows, cols);
    if ((spec->step == SB_QUANTIZE || spec->step == SB_DEQUANTIZE) && (qparam || codes))
      takes = describe(k, &env, sb_line_find(k, operand));
    yields += gives.rank != 0;
    if (in) in[s] = takes;
    if (out) out[s] = gives;
  }
  if (!status && yields == 0)
    status = sb_fail(SB_UNSUPPORTED, "%s: this contract gives no tensor of the step %s", k->name, step.step);
  sb_contract_free(k);
  return status;
}

static sb_status run(const sb_spec *spec, const sb_tensor in[SB_SLOTS], sb_tensor out[SB_SLOTS],
                     const sb_run_options *options) {
  const bool other_way = options && options->isa != SB_ISA_BEST;
  return other_way ? sb_contract_oracle_fast(NULL, spec, in, out) : sb_contract_oracle(NULL, spec, in, out);
}

static const sb_recipe_methods methods = {tensors, run};

/* A recipe that grows while its contracts are found; what it points to stays as long as the program. */
typedef struct own {
  sb_recipe recipe;
  sb_path *paths;
} own;

static struct {
  own **recipes;
  int count;
} owned;

static sb_status recipe_of(const char *name, own **found) {
  for (int i = 0; i < owned.count; i++)
    if (strcmp(owned.recipes[i]->recipe.name, name) == 0) return *found = owned.recipes[i], SB_OK;
  /* NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers, which others hold */
  own **grown = realloc(owned.recipes, sizeof(*grown) * (size_t)(owned.count + 1));
  own *o = grown ? calloc(1, sizeof *o) : NULL;
  char *copy = strdup(name);
  if (grown) owned.recipes = grown;
  if (!o || !copy) {
    free(o), free(copy);
    return sb_fail(SB_NO_MEMORY, "no memory for the recipe %s", name);
  }
  o->recipe =
      (sb_recipe){.name = copy, .summary = "a contract of your own", .refused_by_upstream = "", .methods = &methods};
  *found = grown[owned.count++] = o;
  return sb_recipe_add(&o->recipe);
}

static sb_status add_path(own *o, const sb_contract_case *c, sb_side side, sb_step step, sb_flavor flavor,
                          const char *source) {
  sb_path *path = NULL;
  for (int i = 0; i < o->recipe.path_count; i++)
    if (o->paths[i].side == side && o->paths[i].flavor == flavor && strcmp(o->paths[i].variant, c->variant) == 0)
      path = &o->paths[i];
  if (!path) {
    sb_path *grown = realloc(o->paths, sizeof *grown * (size_t)(o->recipe.path_count + 1));
    char *variant = strdup(c->variant), *from = strdup(source ? source : "");
    if (grown) o->paths = grown, o->recipe.paths = grown;
    if (!grown || !variant || !from) {
      free(variant), free(from);
      return sb_fail(SB_NO_MEMORY, "no memory for the recipe %s", c->recipe);
    }
    path = &grown[o->recipe.path_count++];
    *path = (sb_path){.side = side, .flavor = flavor, .variant = variant, .source = from};
  }
  path->prepare |= step == SB_PREPARE;
  path->convert |= step == SB_CONVERT;
  return SB_OK;
}

/* What shares a scale: it says which group a case takes, and which shapes and fills see it. */
static void take_tiles(own *o, const sb_contract *k, sb_side side) {
  for (int i = 0; i < k->line_count; i++) {
    const sb_over *over = &k->lines[i].over;
    if (over->kind == OVER_GROUP && !over->c) o->recipe.default_group[side] = GROUP;
    for (int d = 0; d < 2 && over->kind == OVER_BLOCK; d++) {
      const int64_t size = d ? over->c : over->r;
      if (size > o->recipe.tile[d]) o->recipe.tile[d] = size;
    }
  }
}

sb_status sb_contract_register(const char *name, const char *path) {
  sb_contract_case c;
  sb_contract *k = NULL;
  sb_side side = SB_NO_SIDE;
  sb_step step = SB_BOTH;
  sb_flavor flavor;
  own *o = NULL;
  if (strncmp(name, "affine/", 7) == 0) return SB_OK; /* parametrized: for files, whose metadata have the parameters */
  sb_status status = sb_contract_case_parse(name, SB_F32, 0, &c);
  if (!status) status = sb_side_parse(c.side, &side);
  if (!status) status = sb_step_parse(c.step, &step);
  if (!status && step != SB_PREPARE && step != SB_CONVERT)
    status = sb_fail(SB_USAGE, "the step is prepare or convert, not %s", c.step);
  if (!status && !(is_name(c.recipe) && is_name(c.flavor) && (!*c.variant || is_name(c.variant))))
    status = sb_fail(SB_USAGE, "names of recipes, flavors and variants are of letters, digits, '.', '-' and '_'");
  if (status) return sb_fail_in(SB_FILE, "%s", path);
  status = sb_contract_load(&c, &k);
  if (!status && sb_flavor_parse(c.flavor, &flavor)) {
    char *copy = strdup(c.flavor);
    status = copy ? sb_flavor_add(copy, &flavor) : sb_fail(SB_NO_MEMORY, "no memory for the flavor %s", c.flavor);
    if (status) free(copy); /* else it stays, as the flavor's name */
  }
  /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): the list of flavors has `copy` */
  if (!status) status = recipe_of(c.recipe, &o);
  if (!status) status = add_path(o, &c, side, step, flavor, k->source);
  if (!status) take_tiles(o, k, side);
  sb_contract_free(k);
  return status;
}
