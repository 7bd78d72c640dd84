/* Golden files: which computation the metadata names, and its cases. */
#include "samebits/golden.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

static const char *metadata(const sb_golden *golden, const char *key) {
  const char *value = sb_safetensors_metadata(golden->file, key);
  return value ? value : "";
}

static sb_status broken(const sb_golden *golden, const char *what, const char *value) {
  return sb_fail(SB_FILE, "%s: %s '%.100s'", sb_safetensors_path(golden->file), what, value);
}

static sb_status parse_integer(const sb_golden *golden, const char *key, int64_t *number) {
  const char *text = metadata(golden, key);
  char *end;
  errno = 0;
  *number = strtoll(text, &end, 10);
  if (errno || end == text || *end)
    return sb_fail(SB_FILE, "%s: metadata %s is '%.100s', not an integer", sb_safetensors_path(golden->file), key,
                   text);
  return SB_OK;
}

/* A format, or T for "input". */
static sb_status parse_format(const sb_golden *golden, const char *key, sb_format T, sb_format *format) {
  const char *text = metadata(golden, key);
  *format = T;
  if (strcmp(text, "input") == 0) return SB_OK;
  return sb_format_parse(text, format) ? broken(golden, key, text) : SB_OK;
}

static sb_status parse_affine(sb_golden *golden) {
  static const struct {
    const char *name;
    sb_mapping mapping;
  } mappings[] = {{"SYMMETRIC", SB_SYMMETRIC},
                  {"SYMMETRIC_NO_CLIPPING_ERR", SB_SYMMETRIC_NO_CLIPPING_ERR},
                  {"ASYMMETRIC", SB_ASYMMETRIC}};
  sb_spec *spec = &golden->spec;
  sb_affine *affine = &spec->affine;
  *affine = sb_affine_default(spec->path->flavor == SB_TORCHAO_0_11_CPU ? SB_AFFINE_0_11 : SB_AFFINE_0_18, spec->dtype,
                              2, (int64_t[]){1, 1});
  const char *mapping = metadata(golden, "mapping"), *eps = metadata(golden, "eps");
  const char *preserve = metadata(golden, "preserve_zero");
  int found = -1;
  for (int i = 0; i < 3; i++)
    if (strcasecmp(mapping, mappings[i].name) == 0) found = i;
  if (found < 0) return broken(golden, "unknown mapping", mapping);
  affine->mapping = mappings[found].mapping;
  if (strcmp(eps, "default") != 0) {
    char *end;
    affine->eps = strtod(eps, &end);
    if (end == eps || *end || !(affine->eps >= 0) || isinf(affine->eps)) return broken(golden, "eps is", eps);
  }
  if (strcmp(preserve, "true") != 0 && strcmp(preserve, "false") != 0)
    return broken(golden, "preserve_zero is", preserve);
  affine->preserve_zero = strcmp(preserve, "true") == 0;
  sb_status status = parse_integer(golden, "quant_min", &affine->quant_min);
  if (!status) status = parse_integer(golden, "quant_max", &affine->quant_max);
  if (!status) status = parse_format(golden, "scale_dtype", spec->dtype, &affine->scale_format);
  if (!status) status = parse_format(golden, "zero_point_dtype", spec->dtype, &affine->zero_point_format);
  if (!status) status = parse_format(golden, "output_dtype", spec->dtype, &affine->output_format);
  return status;
}

/* What every golden file says; `affine` has no side and no step. */
static sb_status has_all(const sb_golden *golden, bool affine) {
  static const char *const keys[] = {"recipe", "flavor", "dtype", "group_size", "side", "step"};
  for (size_t i = 0; i < sizeof keys / sizeof *keys - (affine ? 2 : 0); i++)
    if (!*metadata(golden, keys[i]))
      return sb_fail(SB_FILE, "%s: its metadata lacks %s", sb_safetensors_path(golden->file), keys[i]);
  return SB_OK;
}

/* The spec that the metadata names. */
static sb_status parse_spec(sb_golden *golden) {
  sb_side side = SB_NO_SIDE;
  sb_step step = SB_CONVERT;
  sb_flavor flavor;
  sb_format dtype;
  int64_t group;
  const char *recipe = metadata(golden, "recipe");
  bool affine = strcmp(recipe, "affine") == 0;
  if (strcmp(metadata(golden, "samebits.golden"), "1") != 0)
    return sb_fail(SB_FILE, "%s: no golden file (its metadata lacks samebits.golden = 1)",
                   sb_safetensors_path(golden->file));
  sb_status status = has_all(golden, affine);
  if (!status) status = parse_integer(golden, "group_size", &group);
  if (status) return status;
  if (group < 0) return broken(golden, "group_size is", metadata(golden, "group_size"));
  if (sb_format_parse(metadata(golden, "dtype"), &dtype))
    return broken(golden, "unknown dtype", metadata(golden, "dtype"));
  status = sb_flavor_parse(metadata(golden, "flavor"), &flavor);
  if (!status && !affine) status = sb_side_parse(metadata(golden, "side"), &side);
  if (!status && !affine) status = sb_step_parse(metadata(golden, "step"), &step);
  if (!status && step == SB_BOTH) status = sb_fail(SB_FILE, "step both is no computation");
  if (!status)
    status = sb_spec_make(recipe, side, step, flavor, affine ? "" : metadata(golden, "variant"), dtype, group,
                          &golden->spec);
  if (status) return sb_fail_in(SB_FILE, "%s", sb_safetensors_path(golden->file));
  return affine ? parse_affine(golden) : SB_OK;
}

static int compare_cases(const void *a, const void *b) {
  return strcmp(((const sb_golden_case *)a)->name, ((const sb_golden_case *)b)->name);
}

/* The case called `name[0..length)`, added if it is new. */
static sb_golden_case *find_case(sb_golden *golden, const char *name, size_t length) {
  for (int i = golden->count - 1; i >= 0; i--) {
    const char *had = golden->cases[i].name;
    if (had && strncmp(had, name, length) == 0 && had[length] == 0) return &golden->cases[i];
  }
  sb_golden_case *added = &golden->cases[golden->count];
  added->name = strndup(name, length);
  if (!added->name) return NULL;
  golden->count++;
  return added;
}

/* Sorts the file's tensors into cases. */
static sb_status collect(sb_golden *golden) {
  int count = sb_safetensors_count(golden->file);
  golden->cases = calloc((size_t)count + 1, sizeof *golden->cases);
  if (!golden->cases) return sb_fail(SB_NO_MEMORY, "%s: no memory", sb_safetensors_path(golden->file));
  for (int i = 0; i < count; i++) {
    const char *name = sb_safetensors_name(golden->file, i), *dot = strrchr(name, '.');
    int slot = 0;
    while (dot && slot < SB_SLOTS && strcmp(dot + 1, sb_slot_names[slot]) != 0) slot++;
    if (!dot || dot == name || slot == SB_SLOTS) return broken(golden, "no <case>.<tensor> of a golden file:", name);
    if (strncmp(name, "expected.", strlen("expected.")) == 0) continue; /* beside a saved failure */
    sb_golden_case *at = find_case(golden, name, (size_t)(dot - name));
    if (!at) return sb_fail(SB_NO_MEMORY, "%s: no memory", sb_safetensors_path(golden->file));
    at->expected[slot] = *sb_safetensors_at(golden->file, i);
    if (at->expected[slot].rank != 2) return broken(golden, "not of rank 2:", name);
  }
  if (golden->count == 0) return sb_fail(SB_FILE, "%s: it holds no case", sb_safetensors_path(golden->file));
  qsort(golden->cases, (size_t)golden->count, sizeof *golden->cases, compare_cases);
  return SB_OK;
}

static bool same_shape(const sb_tensor *a, const sb_tensor *b) {
  return a->rank == b->rank && a->dims[0] == b->dims[0] && a->dims[1] == b->dims[1];
}

/* Splits a case's tensors into what the step takes and what it yields, and checks both. */
static sb_status resolve(sb_golden *golden, sb_golden_case *at) {
  const char *path = sb_safetensors_path(golden->file);
  sb_tensor in[SB_SLOTS], out[SB_SLOTS];
  const sb_tensor *shape = at->expected[SB_X].rank ? &at->expected[SB_X] : &at->expected[SB_CODES];
  if (shape->rank == 0) return broken(golden, "neither x nor codes in case", at->name);
  at->rows = shape->dims[0];
  at->cols = shape->dims[1];
  at->spec = golden->spec;
  if (strcmp(at->spec.recipe->name, "affine") == 0) {
    at->spec.affine.block_size[0] = 1;
    at->spec.affine.block_size[1] = at->spec.group_size ? at->spec.group_size : at->cols;
  }
  sb_status status = sb_spec_tensors(&at->spec, at->rows, at->cols, in, out);
  if (status) return sb_fail_in(SB_FILE, "%s: case %s", path, at->name);
  bool something = false;
  for (int slot = 0; slot < SB_SLOTS; slot++) {
    sb_tensor *given = &at->expected[slot];
    if (in[slot].rank) {
      if (given->rank == 0)
        return sb_fail(SB_FILE, "%s: case %s lacks %s, which the step takes", path, at->name, sb_slot_names[slot]);
      at->in[slot] = *given;
      *given = (sb_tensor){0};
      if (slot == SB_X && at->in[slot].format != golden->spec.dtype)
        return sb_fail(SB_FILE, "%s: case %s: x is %s, the metadata say dtype %s", path, at->name,
                       sb_format_of(at->in[slot].format)->name, sb_format_of(golden->spec.dtype)->name);
      given = &at->in[slot];
    } else if (!out[slot].rank && given->rank) {
      golden->ignored[slot] = true;
      *given = (sb_tensor){0};
    }
    const sb_tensor *wanted = in[slot].rank ? &in[slot] : &out[slot];
    if (given->rank && !same_shape(given, wanted))
      return sb_fail(SB_FILE, "%s: case %s: %s is [%lld, %lld], expected [%lld, %lld]", path, at->name,
                     sb_slot_names[slot], (long long)given->dims[0], (long long)given->dims[1],
                     (long long)wanted->dims[0], (long long)wanted->dims[1]);
    something |= at->expected[slot].rank != 0;
  }
  return something ? SB_OK : broken(golden, "nothing to compare in case", at->name);
}

sb_status sb_golden_adopt(sb_safetensors *file, sb_golden *golden) {
  *golden = (sb_golden){.file = file};
  sb_status status = parse_spec(golden);
  if (!status) status = collect(golden);
  for (int i = 0; !status && i < golden->count; i++) status = resolve(golden, &golden->cases[i]);
  if (status) sb_golden_close(golden);
  return status;
}

sb_status sb_golden_open(const char *path, sb_golden *golden) {
  sb_safetensors *file;
  *golden = (sb_golden){0};
  sb_status status = sb_safetensors_open(path, &file);
  return status ? status : sb_golden_adopt(file, golden);
}

void sb_golden_close(sb_golden *golden) {
  for (int i = 0; i < golden->count; i++) free(golden->cases[i].name);
  free(golden->cases);
  sb_safetensors_close(golden->file);
  *golden = (sb_golden){0};
}
