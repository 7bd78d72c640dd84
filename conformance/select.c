/* Selections: the product of the lists, and what filters it. */
#include "conformance/select.h"

#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

const sb_named_set sb_named_sets[] = {
    {"fake_quantize_per_token_vs_convert",
     "upstream's test (torchao test_qat.py, #1964): 1,000 seeds, zero differences", "int8-dynamic-act-int4-weight",
     "activation", "torchao-0.11-cpu,torchao-0.18-cpu,aligned", "f32,bf16,f16", "8x256", "normal", 0, 999},
    {"fake_quantize_per_group_vs_convert", "its twin on the weight side: 1,000 seeds, zero differences",
     "int8-dynamic-act-int4-weight", "weight", "torchao-0.11-cpu,torchao-0.18-cpu,aligned", "f32,bf16,f16", "8x256",
     "normal", 0, 999},
};
const int sb_named_set_count = sizeof sb_named_sets / sizeof *sb_named_sets;

sb_side sb_side_of_tensor(const char *name) {
  for (const char *at = name;; at++) {
    size_t length = strcspn(at, ".");
    if (length == strlen("weight") && strncmp(at, "weight", length) == 0) return SB_WEIGHT;
    at += length;
    if (!*at) return SB_ACTIVATION;
  }
}

/* Whether a comma list (NULL: everything) has the word; where it has, its use is noted in `used`. */
static bool listed(const char *list, const char *word, uint64_t *used) {
  if (!list) return true;
  for (int index = 0; *list; index++) {
    size_t length = strcspn(list, ",");
    if (strlen(word) == length && strncmp(list, word, length) == 0) {
      if (used && index < 64) *used |= 1ull << index;
      return true;
    }
    list += length + (list[length] == ',');
  }
  return false;
}

/* The next item of a comma list, copied; false at its end. */
static bool next_item(const char **list, char item[SB_CASE_NAME]) {
  if (!**list) return false;
  size_t length = strcspn(*list, ",");
  snprintf(item, SB_CASE_NAME, "%.*s", (int)(length < SB_CASE_NAME ? length : SB_CASE_NAME - 1), *list);
  *list += length + ((*list)[length] == ',');
  return true;
}

enum { RECIPE, SIDE, STEP, FLAVOR, DTYPE, LISTS };

typedef struct walk {
  const sb_selection *selection;
  const sb_device *device;
  sb_case_list *list;
  uint64_t used[LISTS]; /* items of the explicit lists that made a case */
  bool variants;        /* a pattern asks for variants */
  bool full;
  const char *tier;
} walk;

/* The shapes of the tiers in columns a group: one row, prime rows, a tail, tile - 1, tile + 1, a wide row. */
static const struct {
  int64_t rows, row_cols, groups; /* columns per token, or groups of a grouped row */
  bool full_only;
} tier_shapes[] = {{1, 512, 16, false}, {13, 384, 3, false},   {5, 257, 5, false},   {31, 255, 31, false},
                   {33, 129, 9, false}, {2, 4096, 128, false}, {257, 1031, 7, true}, {64, 4095, 63, true},
                   {127, 65, 1, true},  {3, 16384, 257, true}};

static bool keep(const walk *w, const sb_case *c, const char *text) {
  const sb_selection *s = w->selection;
  char without[SB_CASE_TEXT];
  bool matched = s->pattern_count == 0;
  sb_case here = *c;
  *here.device = 0;
  sb_case_print(&here, without);
  for (int i = 0; i < s->pattern_count && !matched; i++)
    matched = sb_case_matches(s->patterns[i], text) || sb_case_matches(s->patterns[i], without);
  return matched;
}

static bool in_shard(const sb_selection *s, const char *text) {
  return s->shards == 0 || XXH3_64bits(text, strlen(text)) % (uint64_t)s->shards == (uint64_t)(s->shard - 1);
}

static sb_status add(walk *w, sb_case *c) {
  char text[SB_CASE_TEXT];
  strcpy(c->device, strcmp(w->device->name, "ref") == 0 ? "" : w->device->name);
  sb_case_print(c, text);
  return keep(w, c, text) && in_shard(w->selection, text) ? sb_case_list_add(w->list, c) : SB_OK;
}

static sb_status add_seeds(walk *w, sb_case *c) {
  char item[SB_CASE_NAME];
  const char *seeds = w->selection->seeds ? w->selection->seeds : w->full ? "1,2,3" : "1";
  while (next_item(&seeds, item)) {
    uint64_t first = 0, last = 0;
    sb_status status = sb_seeds_parse(item, &first, &last);
    for (uint64_t seed = first; !status && seed <= last; seed++) {
      c->seed = seed;
      status = add(w, c);
      if (seed == UINT64_MAX) break;
    }
    if (status) return status;
  }
  return SB_OK;
}

/* Groups of an odd size, whose nibbles are packed another way by convert: once, beside the usual size. */
static sb_status add_odd_groups(walk *w, const sb_case *c) {
  enum { ODD = 9, ROWS = 5, GROUPS = 128 };
  const int64_t usual = c->spec.recipe->default_group[c->spec.path->side];
  sb_case odd = *c;
  if (usual == 0 || c->spec.group_size != usual || c->spec.step != SB_CONVERT || !c->fill->ordinary) return SB_OK;
  odd.rows = ROWS;
  odd.cols = ODD * GROUPS;
  odd.spec.group_size = ODD;
  return add_seeds(w, &odd);
}

static sb_status add_shapes(walk *w, sb_case *c) {
  enum { MOST_TILE = 1024 };
  char item[SB_CASE_NAME];
  const char *shapes = w->selection->shapes;
  sb_status status = SB_OK;
  while (shapes && !status && next_item(&shapes, item)) {
    status = sb_shape_parse(item, &c->rows, &c->cols);
    if (!status) status = add_seeds(w, c);
  }
  if (!shapes && c->fill->shape) {
    c->fill->shape(&c->spec, &c->rows, &c->cols);
    return add_seeds(w, c);
  }
  const int64_t *tile = c->spec.recipe->tile;
  if (!shapes && tile[0] > 1 && tile[0] <= MOST_TILE && tile[1] <= MOST_TILE) { /* a whole tile, and parts of others */
    c->rows = tile[0] + 1;
    c->cols = tile[1] + 1;
    status = add_seeds(w, c);
  }
  for (size_t i = 0; !w->selection->shapes && !status && i < sizeof tier_shapes / sizeof *tier_shapes; i++) {
    if (tier_shapes[i].full_only && !w->full) continue;
    c->rows = tier_shapes[i].rows;
    c->cols = c->spec.group_size ? tier_shapes[i].groups * c->spec.group_size : tier_shapes[i].row_cols;
    status = add_seeds(w, c);
  }
  if (!status && !w->selection->shapes && !w->selection->groups) status = add_odd_groups(w, c);
  return status;
}

bool sb_input_fits(const sb_tensor *tensor) { return tensor->rank == 2 && sb_format_of(tensor->format)->is_float; }

static sb_status add_inputs(walk *w, sb_case *c) {
  const sb_safetensors *input = w->selection->input;
  for (int i = 0; i < sb_safetensors_count(input); i++) {
    const sb_tensor *tensor = sb_safetensors_at(input, i);
    const char *name = sb_safetensors_name(input, i), *side = w->selection->side;
    if (w->selection->tensors && !sb_case_matches(w->selection->tensors, name)) continue;
    if (!sb_input_fits(tensor) || strlen(name) >= sizeof c->tensor) continue;
    sb_side of = side && strcmp(side, "auto") != 0 ? c->spec.path->side : sb_side_of_tensor(name);
    if (of != c->spec.path->side || (side && strcmp(side, "auto") != 0 && strcmp(side, sb_side_names[of]) != 0))
      continue;
    c->rows = tensor->dims[0];
    c->cols = tensor->dims[1];
    strcpy(c->tensor, name);
    sb_status status = add(w, c);
    if (status) return status;
  }
  return SB_OK;
}

static sb_status add_fills(walk *w, sb_case *c) {
  sb_status status = SB_OK;
  if (w->selection->input) return add_inputs(w, c);
  for (int i = 0; !status && i < sb_fill_table_count; i++) {
    c->fill = sb_fill_table[i];
    const bool in_tier = c->fill->tier ? strcmp(c->fill->tier, w->tier) == 0 : w->full || strcmp(w->tier, "smoke") == 0;
    if (w->selection->fills ? listed(w->selection->fills, c->fill->name, NULL)
                            : in_tier && (!c->fill->applies || c->fill->applies(&c->spec)))
      status = add_shapes(w, c);
  }
  return status;
}

static sb_status add_groups(walk *w, const sb_recipe *recipe, const sb_path *path, sb_step step, sb_format dtype) {
  char item[SB_CASE_NAME];
  int64_t usual = recipe->default_group[path->side];
  const char *groups = usual == 0             ? "0"
                       : w->selection->groups ? w->selection->groups
                       : w->full              ? "32,64,128,256"
                                              : NULL;
  sb_case c = {0};
  if (!groups) {
    sb_status status = sb_spec_make(recipe->name, path->side, step, path->flavor, path->variant, dtype, usual, &c.spec);
    if (!status && c.spec.path != path) return SB_OK; /* another recipe of the name has it */
    return status ? status : add_fills(w, &c);
  }
  while (next_item(&groups, item)) {
    char *end;
    long long group = strtoll(item, &end, 10);
    if (end == item || *end || group < 0 || group > INT32_MAX || (usual && group == 0))
      return sb_fail(SB_USAGE, "group size '%.60s' is not a positive number", item);
    sb_status status = sb_spec_make(recipe->name, path->side, step, path->flavor, path->variant, dtype, group, &c.spec);
    if (!status && c.spec.path == path) status = add_fills(w, &c);
    if (status) return status;
  }
  return SB_OK;
}

/* Whether the lists take this path, by its flavor and variant. */
static bool takes_path(walk *w, const sb_path *path, uint64_t *used) {
  char name[SB_CASE_NAME];
  if (!listed(w->selection->sides, sb_side_names[path->side], NULL)) return false;
  snprintf(name, sizeof name, "%s%s%s", sb_flavor_names[path->flavor], *path->variant ? "+" : "", path->variant);
  if (w->selection->flavors) return listed(w->selection->flavors, name, used);
  return (w->variants || !*path->variant) &&
         (path->flavor >= SB_FLAVORS || (w->device->family->default_flavors >> path->flavor & 1));
}

static sb_status add_path(walk *w, const sb_recipe *recipe, const sb_path *path) {
  static const sb_format dtypes[] = {SB_F32, SB_BF16, SB_F16};
  const sb_selection *s = w->selection;
  /* Of tensors of a file: training against deployment; on a device that has to be the reference's, too. */
  const char *of_input = strcmp(w->device->name, "ref") == 0 ? "both" : "both,prepare,convert";
  const char *steps = s->steps ? s->steps : s->input ? of_input : NULL;
  for (int step = 0; step < SB_STEPS; step++) {
    bool has = step == SB_PREPARE   ? path->prepare
               : step == SB_CONVERT ? path->convert
               : step == SB_BOTH    ? path->prepare && path->convert
                                    : true;
    if (!has || !listed(steps, sb_step_names[step], NULL)) continue;
    for (int t = 0; t < 3; t++) {
      if (!listed(s->dtypes, sb_format_of(dtypes[t])->name, NULL)) continue;
      int before = w->list->count;
      sb_status status = add_groups(w, recipe, path, (sb_step)step, dtypes[t]);
      if (status) return status;
      if (w->list->count == before) continue;
      takes_path(w, path, &w->used[FLAVOR]);
      listed(s->recipes, recipe->name, &w->used[RECIPE]);
      listed(s->sides, sb_side_names[path->side], &w->used[SIDE]);
      listed(s->steps, sb_step_names[step], &w->used[STEP]);
      listed(s->dtypes, sb_format_of(dtypes[t])->name, &w->used[DTYPE]);
    }
  }
  return SB_OK;
}

/* Every word of the lists must be known. */
static sb_status check_words(const sb_selection *s) {
  char item[SB_CASE_NAME];
  const char *list;
  sb_status status = SB_OK;
  sb_side side;
  sb_step step;
  sb_format format;
  sb_flavor flavor;
  const sb_fill *fill;
  for (list = s->recipes ? s->recipes : ""; next_item(&list, item);)
    if (!sb_recipe_find(item)) {
      sb_spec spec;
      return sb_spec_make(item, SB_WEIGHT, SB_PREPARE, SB_ALIGNED, "", SB_F32, -1, &spec);
    }
  for (list = s->sides ? s->sides : ""; !status && next_item(&list, item);) status = sb_side_parse(item, &side);
  for (list = s->steps ? s->steps : ""; !status && next_item(&list, item);) status = sb_step_parse(item, &step);
  for (list = s->flavors ? s->flavors : ""; !status && next_item(&list, item);) {
    item[strcspn(item, "+")] = 0;
    status = sb_flavor_parse(item, &flavor);
  }
  for (list = s->dtypes ? s->dtypes : ""; !status && next_item(&list, item);) {
    status = sb_format_parse(item, &format);
    if (!status && format != SB_F32 && format != SB_BF16 && format != SB_F16)
      status = format == SB_F64 ? sb_fail(SB_UNSUPPORTED, "dtype f64: Unsupported input dtype: torch.float64")
                                : sb_fail(SB_USAGE, "dtype '%.60s' is none of f32, bf16, f16", item);
  }
  for (list = s->fills ? s->fills : ""; !status && next_item(&list, item);) {
    if (strcmp(item, "file") == 0 && !s->input) return sb_fail(SB_USAGE, "the fill file needs --input FILE");
    if (strcmp(item, "file") != 0) status = sb_fill_parse(item, &fill);
  }
  return status;
}

/* A word that was named and made no case is an error. */
static sb_status check_used(const walk *w) {
  const sb_selection *s = w->selection;
  const char *lists[LISTS] = {s->recipes, s->sides, s->steps, s->flavors, s->dtypes};
  static const char *const names[LISTS] = {"recipe", "side", "step", "flavor", "dtype"};
  char all[512] = "";
  for (int i = 0; i < LISTS; i++)
    if (lists[i]) snprintf(all + strlen(all), sizeof all - strlen(all), ", %s %s", names[i], lists[i]);
  if (w->list->count == 0 && *all && s->input)
    return sb_fail(SB_USAGE, "no tensor of %s is taken by %s (--side weight or activation, if their names mislead)",
                   sb_safetensors_path(s->input), all + 2);
  if (w->list->count == 0 && *all) return sb_fail(SB_USAGE, "upstream defines nothing with %s", all + 2);
  for (int i = 0; i < LISTS; i++) {
    char item[SB_CASE_NAME];
    const char *list = lists[i] ? lists[i] : "";
    for (int index = 0; next_item(&list, item); index++)
      if (index < 64 && !(w->used[i] >> index & 1))
        return sb_fail(SB_USAGE, "no case has the %s %s together with the rest of the selection", names[i], item);
  }
  return SB_OK;
}

/* A file of which nothing can be taken: the first tensor that was meant says why. */
static sb_status no_input(const sb_selection *s) {
  const char *path = sb_safetensors_path(s->input);
  for (int i = 0; i < sb_safetensors_count(s->input); i++) {
    const sb_tensor *tensor = sb_safetensors_at(s->input, i);
    const char *name = sb_safetensors_name(s->input, i);
    if (s->tensors && !sb_case_matches(s->tensors, name)) continue;
    if (sb_input_fits(tensor)) return SB_OK; /* the rest of the selection left it out */
    return sb_fail(SB_FILE, "%s: no floating-point tensor of rank 2; %.200s is %s of rank %d", path, name,
                   sb_format_of(tensor->format)->name, tensor->rank);
  }
  return sb_fail(SB_FILE, "%s: no tensor%s%.200s", path, s->tensors ? " matches " : "", s->tensors ? s->tensors : "");
}

static sb_status select_product(const sb_selection *selection, const sb_device *device, sb_case_list *list) {
  walk w = {.selection = selection, .device = device, .list = list};
  const char *tier = selection->tier ? selection->tier : "smoke";
  w.full = strcmp(tier, "full") == 0;
  w.tier = tier;
  bool known = w.full || strcmp(tier, "smoke") == 0;
  for (int i = 0; i < sb_fill_table_count; i++)
    known |= sb_fill_table[i]->tier && !strcmp(sb_fill_table[i]->tier, tier);
  if (!known) return sb_fail(SB_USAGE, "unknown tier '%.60s'; there are: smoke, full, sweep16", tier);
  for (int i = 0; i < selection->pattern_count; i++) w.variants |= strchr(selection->patterns[i], '+') != NULL;
  sb_status status = check_words(selection);
  for (int r = 0; r < sb_recipe_count() && !status; r++) {
    const sb_recipe *recipe = sb_recipe_at(r);
    if (!listed(selection->recipes, recipe->name, NULL)) continue;
    for (int p = 0; p < recipe->path_count && !status; p++)
      if (takes_path(&w, &recipe->paths[p], NULL)) status = add_path(&w, recipe, &recipe->paths[p]);
  }
  if (!status && selection->input && list->count == 0) status = no_input(selection);
  return status || selection->shards ? status : check_used(&w);
}

static sb_status select_named(const sb_selection *selection, const sb_device *device, sb_case_list *list) {
  for (int i = 0; i < sb_named_set_count; i++) {
    const sb_named_set *set = &sb_named_sets[i];
    char seeds[64];
    if (strcmp(set->name, selection->name) != 0) continue;
    snprintf(seeds, sizeof seeds, "%llu..%llu", (unsigned long long)set->first_seed,
             (unsigned long long)set->last_seed);
    sb_selection product = {.recipes = set->recipe,
                            .sides = set->side,
                            .steps = "both",
                            .flavors = set->flavors,
                            .dtypes = set->dtypes,
                            .shapes = set->shape,
                            .fills = set->fill,
                            .seeds = seeds};
    return select_product(&product, device, list);
  }
  return sb_fail(SB_USAGE, "no set of cases is named '%.100s' (samebits list cases)", selection->name);
}

static void shuffle(sb_case_list *list, uint64_t seed) {
  for (int i = list->count - 1; i > 0; i--) {
    int j = (int)(((uint64_t)sb_random_word(seed, 0, (uint64_t)i) * (uint64_t)(i + 1)) >> 32);
    sb_case held = list->cases[i];
    list->cases[i] = list->cases[j];
    list->cases[j] = held;
  }
}

bool sb_pattern_case(const sb_selection *selection, const char *pattern, sb_case *c) {
  if (!strpbrk(pattern, "*[")) return true;
  return selection->input && sb_case_parse(pattern, c) == SB_OK && !c->fill &&
         sb_safetensors_find(selection->input, c->tensor);
}

/* A whole case says everything itself: a list beside it would be ignored. */
static sb_status refuse_lists(const sb_selection *s, const char *pattern) {
  const char *given = s->recipes   ? "recipe"
                      : s->sides   ? "side"
                      : s->side    ? "side"
                      : s->steps   ? "step"
                      : s->flavors ? "flavor"
                      : s->dtypes  ? "dtype"
                      : s->shapes  ? "shape"
                      : s->groups  ? "group"
                      : s->fills   ? "fill"
                      : s->seeds   ? "seed"
                      : s->tier    ? "tier"
                                   : NULL;
  return given ? sb_fail(SB_USAGE, "'%.200s' is a whole case: --%s has no meaning beside it", pattern, given) : SB_OK;
}

sb_status sb_select(const sb_selection *selection, const sb_device *device, sb_case_list *list) {
  sb_selection globs = *selection;
  const char **patterns = calloc((size_t)selection->pattern_count + 1, sizeof *patterns);
  sb_status status = patterns ? SB_OK : sb_fail(SB_NO_MEMORY, "no memory for a selection");
  *list = (sb_case_list){0};
  globs.pattern_count = 0;
  globs.patterns = patterns;
  for (int i = 0; i < selection->pattern_count && !status; i++) {
    const char *pattern = selection->patterns[i];
    sb_case c;
    if (!sb_pattern_case(selection, pattern, &c)) {
      patterns[globs.pattern_count++] = pattern;
      continue;
    }
    status = sb_case_parse(pattern, &c);
    if (!status) status = refuse_lists(selection, pattern);
    if (!status && !c.device[0] && strcmp(device->name, "ref") != 0) strcpy(c.device, device->name);
    if (!status) status = sb_case_list_add(list, &c);
  }
  if (!status && selection->only)
    status = sb_select_failed(selection->only, list);
  else if (!status && selection->name)
    status = select_named(selection, device, list);
  else if (!status && (globs.pattern_count > 0 || selection->pattern_count == 0))
    status = select_product(&globs, device, list);
  if (!status && selection->shuffle) shuffle(list, selection->shuffle_seed);
  if (!status && list->count == 0 && !selection->shards && !selection->only)
    status = sb_fail(SB_USAGE, "the selection has no case");
  if (!status && list->count == 0 && selection->only)
    status = sb_fail(SB_FILE, "%s: every case in it was as expected, there is nothing to run", selection->only);
  free(patterns);
  if (status) sb_case_list_free(list);
  return status;
}
