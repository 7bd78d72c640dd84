/* Names to a computation, and the shapes and formats of its tensors. */
#include "ref/registry.h"

#include <stdio.h>
#include <stdlib.h>

const char *const sb_side_names[SB_SIDES] = {"activation", "weight", ""};
const char *const sb_step_names[SB_STEPS] = {"prepare", "convert", "both", "choose_qparams", "quantize", "dequantize"};
const char *sb_flavor_names[SB_MOST_FLAVORS] = {"torchao-0.10-cpu", "torchao-0.11-cpu", "torchao-0.18-cpu",
                                                "torchao-0.18-cuda", "aligned"};
const char *const sb_slot_names[SB_SLOTS] = {"x", "scale", "zero_point", "codes", "output", "row_scale", "packed"};

static sb_status parse(const char *what, const char *const *names, int count, const char *name, int *index) {
  for (int i = 0; i < count; i++) {
    if (names[i] && *names[i] && strcmp(names[i], name) == 0) {
      *index = i;
      return SB_OK;
    }
  }
  char known[256] = "";
  for (size_t i = 0, used = 0; i < (size_t)count && used < sizeof known; i++) {
    if (names[i])
      used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", *names[i] && used ? " " : "", names[i]);
  }
  return sb_fail(SB_USAGE, "unknown %s '%.60s' (known: %s)", what, name, known);
}

sb_status sb_side_parse(const char *name, sb_side *side) {
  int index = 0;
  const sb_status status = parse("side", sb_side_names, SB_SIDES, name, &index);
  if (status == SB_OK) *side = (sb_side)index;
  return status;
}

sb_status sb_step_parse(const char *name, sb_step *step) {
  int index = 0;
  const sb_status status = parse("step", sb_step_names, SB_STEPS, name, &index);
  if (status == SB_OK) *step = (sb_step)index;
  return status;
}

sb_status sb_flavor_parse(const char *name, sb_flavor *flavor) {
  int index = 0;
  const sb_status status = parse("flavor", sb_flavor_names, SB_MOST_FLAVORS, name, &index);
  if (status == SB_OK) *flavor = (sb_flavor)index;
  return status;
}

sb_status sb_flavor_add(const char *name, sb_flavor *flavor) {
  for (int i = 0; i < SB_MOST_FLAVORS; i++) {
    if (!sb_flavor_names[i]) sb_flavor_names[i] = name;
    *flavor = (sb_flavor)i;
    if (strcmp(sb_flavor_names[i], name) == 0) return SB_OK;
  }
  return sb_fail(SB_USAGE, "flavor '%.60s': there are %d already, which is the most", name, SB_MOST_FLAVORS);
}

static struct {
  const sb_recipe **recipes;
  int count;
} added;

sb_status sb_recipe_add(const sb_recipe *recipe) {
  /* NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers */
  const sb_recipe **grown = realloc(added.recipes, sizeof(*grown) * (size_t)(added.count + 1));
  if (!grown) return sb_fail(SB_NO_MEMORY, "no memory for the recipe %.60s", recipe->name);
  added.recipes = grown;
  grown[added.count++] = recipe;
  return SB_OK;
}

int sb_recipe_count(void) { return sb_registry_count + added.count; }
const sb_recipe *sb_recipe_at(int index) {
  return index < sb_registry_count ? &sb_registry[SB_ISA_PORTABLE][index]->recipe
                                   : added.recipes[index - sb_registry_count];
}

/* The recipe `affine`: the primitives with parameters from the case. */
static const sb_path affine_paths[] = {
    {SB_NO_SIDE, SB_TORCHAO_0_11_CPU, "", true, true,
     "quant_primitives: choose_qparams_affine, quantize_affine, dequantize_affine"},
    {SB_NO_SIDE, SB_TORCHAO_0_18_CPU, "", true, true,
     "quant_primitives: choose_qparams_affine, quantize_affine, dequantize_affine"},
};
static const sb_recipe affine_recipe = {
    .name = "affine",
    .summary = "the affine primitives with parameters of their own (golden files)",
    .path_count = sizeof affine_paths / sizeof *affine_paths,
    .paths = affine_paths,
    .refused_by_upstream = "",
};

const sb_recipe *sb_recipe_find(const char *name) {
  for (int i = 0; i < sb_recipe_count(); i++) {
    if (strcmp(sb_recipe_at(i)->name, name) == 0) return sb_recipe_at(i);
  }
  return strcmp(name, affine_recipe.name) == 0 ? &affine_recipe : NULL;
}

static sb_status no_recipe(const char *name) {
  char known[256] = "";
  size_t used = 0;
  for (int i = 0; i < sb_recipe_count() && used < sizeof known; i++) {
    used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", i ? " " : "", sb_recipe_at(i)->name);
  }
  return sb_fail(SB_USAGE, "unknown recipe '%.60s' (known: %s)", name, known);
}

/* A recipe's path that has the step. */
static const sb_path *find_path(const sb_recipe *recipe, sb_side side, sb_step step, sb_flavor flavor,
                                const char *variant) {
  for (int i = 0; i < recipe->path_count; i++) {
    const sb_path *p = &recipe->paths[i];
    const bool has = step == SB_PREPARE   ? p->prepare
                     : step == SB_CONVERT ? p->convert
                     : step == SB_BOTH    ? p->prepare && p->convert
                                          : true;
    if (has && p->side == side && p->flavor == flavor && (strcmp(p->variant, variant) == 0 || recipe == &affine_recipe))
      return p;
  }
  return NULL;
}

sb_status sb_spec_make(const char *recipe_name, sb_side side, sb_step step, sb_flavor flavor, const char *variant,
                       sb_format dtype, int64_t group_size, sb_spec *spec) {
  const sb_recipe *recipe = sb_recipe_find(recipe_name);
  if (!recipe) return no_recipe(recipe_name);
  if (recipe == &affine_recipe) side = SB_NO_SIDE;
  const sb_path *path = NULL;
  for (int i = sb_recipe_count() - 1; i >= 0 && !path; i--) { /* what was added comes first */
    const sb_recipe *r = sb_recipe_at(i);
    if (strcmp(r->name, recipe_name) == 0 && (path = find_path(r, side, step, flavor, variant))) recipe = r;
  }
  if (!path) path = find_path(recipe, side, step, flavor, variant);
  if (!path) {
    return sb_fail(SB_USAGE, "%s: there is no %s%s%s of flavor %s%s%.40s", recipe->name, sb_side_names[side],
                   *sb_side_names[side] ? " " : "", sb_step_names[step], sb_flavor_names[flavor], *variant ? "+" : "",
                   variant);
  }
  if (dtype != SB_F32 && dtype != SB_BF16 && dtype != SB_F16) {
    if (dtype == SB_F64) return sb_fail(SB_UNSUPPORTED, "%s: Unsupported input dtype: torch.float64", recipe->name);
    return sb_fail(SB_USAGE, "%s: dtype %s (known: f32 bf16 f16)", recipe->name, sb_format_of(dtype)->name);
  }
  if (group_size < 0) group_size = recipe->default_group[side];
  if (group_size > 0 && recipe->default_group[side] == 0 && recipe != &affine_recipe) {
    return sb_fail(SB_USAGE, "%s: the %s side has one scale a row, group_size %lld is not 0", recipe->name,
                   sb_side_names[side], (long long)group_size);
  }
  *spec = (sb_spec){.recipe = recipe, .path = path, .step = step, .dtype = dtype, .group_size = group_size};
  if (recipe == &affine_recipe) {
    const sb_affine_version version = flavor == SB_TORCHAO_0_11_CPU ? SB_AFFINE_0_11 : SB_AFFINE_0_18;
    const int64_t dims[2] = {1, 1};
    spec->affine = sb_affine_default(version, dtype, 2, dims);
  }
  return SB_OK;
}

const sb_path_impl *sb_path_impl_of(const sb_spec *spec, sb_isa isa) {
  for (int i = 0; i < sb_registry_count; i++) {
    const sb_recipe_impl *portable = sb_registry[SB_ISA_PORTABLE][i];
    if (&portable->recipe == spec->recipe) return &sb_registry[isa][i]->impls[spec->path - spec->recipe->paths];
  }
  return NULL;
}

static sb_status check_sizes(const sb_spec *spec, int64_t rows, int64_t cols) {
  const char *name = spec->recipe->name;
  int64_t count;
  if (rows < 0 || cols < 0 || __builtin_mul_overflow(rows, cols, &count) || count > INT64_MAX / 8) {
    return sb_fail(SB_INVALID, "%s: shape %lldx%lld is negative or overflows 64 bits", name, (long long)rows,
                   (long long)cols);
  }
  if (cols == 0) {
    return sb_fail(SB_UNSUPPORTED,
                   "%s: shape %lldx0: IndexError: amin(): Expected reduction dim 1 to have non-zero size.", name,
                   (long long)rows);
  }
  if (rows == 0) {
    return sb_fail(SB_UNSUPPORTED, "%s: shape 0x%lld: %s", name, (long long)cols,
                   spec->group_size ? "RuntimeError: cannot reshape tensor of 0 elements"
                                    : "TypeError: unsupported operand type(s) for +: 'Tensor' and 'NoneType'");
  }
  if (spec->group_size > 0 && cols % spec->group_size != 0) {
    return sb_fail(SB_UNSUPPORTED, "%s: group_size %lld does not divide the row of %lld columns", name,
                   (long long)spec->group_size, (long long)cols);
  }
  return SB_OK;
}

/* Describes one slot by its format in the path's table. */
static sb_tensor describe(const sb_spec *spec, sb_slot slot, sb_slot_format format, bool per_tensor, int64_t rows,
                          int64_t cols) {
  if (format == SB_ABSENT) return (sb_tensor){0};
  const sb_format f = format == SB_AS_T ? spec->dtype : (sb_format)(format - 2);
  const int64_t groups = spec->group_size ? cols / spec->group_size : 1;
  if (slot == SB_PACKED) return cols % 2 ? (sb_tensor){0} : sb_tensor_2d(f, rows, cols / 2);
  if (slot == SB_SCALE || slot == SB_ZERO_POINT) return sb_tensor_2d(f, per_tensor ? 1 : rows, per_tensor ? 1 : groups);
  return sb_tensor_2d(f, rows, slot == SB_ROW_SCALE ? 1 : cols);
}

static void affine_formats(const sb_spec *spec, sb_slot_format step[SB_SLOTS], sb_slot_format choose[SB_SLOTS]) {
  choose[SB_SCALE] = step[SB_SCALE] = SB_AS(spec->affine.scale_format);
  choose[SB_ZERO_POINT] = step[SB_ZERO_POINT] =
      spec->affine.domain == SB_DOMAIN_NONE ? SB_ABSENT : SB_AS(spec->affine.zero_point_format);
  step[SB_CODES] = SB_AS(spec->affine.quant_max > 127 ? SB_I32 : SB_I8);
  step[SB_OUTPUT] = SB_AS(spec->affine.output_format);
}

sb_status sb_spec_tensors(const sb_spec *spec, int64_t rows, int64_t cols, sb_tensor in[SB_SLOTS],
                          sb_tensor out[SB_SLOTS]) {
  const sb_status status = check_sizes(spec, rows, cols);
  if (status != SB_OK) return status;
  if (spec->recipe->methods) return spec->recipe->methods->tensors(spec, rows, cols, in, out);
  sb_slot_format step[SB_SLOTS] = {0}, choose[SB_SLOTS] = {0};
  const sb_path_impl *impl = sb_path_impl_of(spec, SB_ISA_PORTABLE);
  if (impl) {
    memcpy(step, spec->step == SB_CONVERT || !spec->path->prepare ? impl->convert : impl->prepare, sizeof step);
    memcpy(choose, impl->choose, sizeof choose);
  } else {
    affine_formats(spec, step, choose);
  }
  const bool per_tensor = impl && impl->per_tensor;
  for (int slot = 0; slot < SB_SLOTS; slot++) {
    const bool qparam = slot == SB_SCALE || slot == SB_ZERO_POINT || slot == SB_ROW_SCALE;
    sb_slot_format takes = slot == SB_X && spec->step != SB_DEQUANTIZE ? SB_AS_T : SB_ABSENT, yields = step[slot];
    if (spec->step == SB_CHOOSE_QPARAMS) yields = choose[slot];
    if (spec->step == SB_QUANTIZE || spec->step == SB_DEQUANTIZE) {
      if (qparam) takes = choose[slot];
      if (slot == SB_CODES && spec->step == SB_DEQUANTIZE) takes = step[slot];
      if (slot != (spec->step == SB_QUANTIZE ? SB_CODES : SB_OUTPUT)) yields = SB_ABSENT;
    }
    if (in) in[slot] = describe(spec, (sb_slot)slot, takes, per_tensor, rows, cols);
    if (out) out[slot] = describe(spec, (sb_slot)slot, yields, per_tensor, rows, cols);
  }
  return SB_OK;
}
