/* The manifest of other people's kernels. */
#include "samebits/manifest.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

enum { MAX_KERNELS = 4096, MAX_PTX = 1 << 28 };

/* A string of the manifest's own, freed with it. */
typedef struct text {
  struct text *next;
  char bytes[];
} text;

static const char *keep(sb_manifest *m, const char *string) {
  const size_t size = strlen(string) + 1;
  text *t = malloc(sizeof *t + size);
  if (!t) return NULL;
  memcpy(t->bytes, string, size);
  t->next = m->storage;
  m->storage = t;
  return t->bytes;
}

static sb_status read_file(const char *path, char **contents) {
  FILE *file = fopen(path, "rb");
  if (!file) return sb_fail(SB_FILE, "%s: cannot be opened", path);
  long size = fseek(file, 0, SEEK_END) ? -1 : ftell(file);
  sb_status status = SB_OK;
  if (size < 0 || size > MAX_PTX || fseek(file, 0, SEEK_SET))
    status = sb_fail(SB_FILE, "%s: cannot be read, or has more than %d bytes", path, MAX_PTX);
  char *bytes = status ? NULL : malloc((size_t)size + 1);
  if (!status && !bytes) status = sb_fail(SB_NO_MEMORY, "%s: no memory for %ld bytes", path, size);
  if (!status && fread(bytes, 1, (size_t)size, file) != (size_t)size)
    status = sb_fail(SB_FILE, "%s: cannot be read", path);
  fclose(file);
  if (status) {
    free(bytes);
    return status;
  }
  bytes[size] = 0;
  *contents = bytes;
  return SB_OK;
}

/* A string or an integer, as text; `required` unless it may be absent. */
static sb_status get(sb_manifest *m, const json_t *entry, const char *key, bool required, const char **value) {
  const json_t *item = json_object_get(entry, key);
  char number[32];
  const char *string = json_string_value(item);
  if (json_is_integer(item)) {
    snprintf(number, sizeof number, "%lld", (long long)json_integer_value(item));
    string = number;
  }
  if (!item && !required) return SB_OK;
  if (!string) return sb_fail(SB_INVALID, "%s: a string is needed", key);
  *value = keep(m, string);
  return *value ? SB_OK : sb_fail(SB_NO_MEMORY, "no memory");
}

static sb_status get_dims(sb_manifest *m, const json_t *entry, const char *key, const char *dims[3]) {
  const json_t *list = json_object_get(entry, key);
  if (!json_is_array(list) || json_array_size(list) < 1 || json_array_size(list) > 3)
    return sb_fail(SB_INVALID, "%s: a list of one to three expressions is needed", key);
  sb_status status = SB_OK;
  for (size_t i = 0; i < json_array_size(list) && !status; i++) {
    json_t *box = json_pack("{sO}", key, json_array_get(list, i));
    status = box ? get(m, box, key, true, &dims[i]) : sb_fail(SB_NO_MEMORY, "no memory");
    json_decref(box);
  }
  return status;
}

/* The parameters, joined by spaces: expressions lose theirs. */
static sb_status get_args(sb_manifest *m, const json_t *entry, const char **args) {
  const json_t *list = json_object_get(entry, "args");
  if (!json_is_array(list) || json_array_size(list) > SB_KERNEL_MAX_ARGS)
    return sb_fail(SB_INVALID, "args: a list of at most %d parameters is needed", SB_KERNEL_MAX_ARGS);
  char joined[SB_KERNEL_MAX_ARGS * 64];
  size_t used = 0;
  for (size_t i = 0; i < json_array_size(list); i++) {
    const char *arg = json_string_value(json_array_get(list, i));
    if (!arg || !*arg) return sb_fail(SB_INVALID, "args: parameter %zu is no string", i);
    if (used + strlen(arg) + 2 > sizeof joined)
      return sb_fail(SB_INVALID, "args: more than %zu characters", sizeof joined);
    if (used) joined[used++] = ' ';
    for (; *arg; arg++)
      if (*arg != ' ') joined[used++] = *arg;
  }
  joined[used] = 0;
  *args = keep(m, joined);
  return *args ? SB_OK : sb_fail(SB_NO_MEMORY, "no memory");
}

/* A row that can match no case would never run, and nobody would know. */
static sb_status check_entry(const json_t *entry, const sb_kernel *k) {
  static const char *const keys[] = {"recipe", "side",   "step", "flavor", "variant", "dtype", "file",
                                     "entry",  "shared", "when", "grid",   "block",   "args"};
  const char *key;
  json_t *value;
  json_object_foreach((json_t *)entry, key, value) {
    bool known = false;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) known |= strcmp(key, keys[i]) == 0;
    if (!known) return sb_fail(SB_INVALID, "unknown key \"%.60s\"", key);
  }
  if (!sb_recipe_find(k->recipe))
    return sb_fail(SB_INVALID, "recipe: there is no '%.60s' (samebits list recipes)", k->recipe);
  if (k->step == SB_BOTH) return sb_fail(SB_INVALID, "step: both is a comparison, which no kernel computes");
  for (int r = 0; r < sb_recipe_count(); r++) {
    const sb_recipe *recipe = sb_recipe_at(r);
    for (int i = 0; i < recipe->path_count && strcmp(recipe->name, k->recipe) == 0; i++) {
      const sb_path *path = &recipe->paths[i];
      const bool has = k->step == SB_PREPARE ? path->prepare : k->step == SB_CONVERT ? path->convert : true;
      if (has && path->side == k->side && path->flavor == k->flavor &&
          (!k->variant || strcmp(path->variant, k->variant) == 0))
        return SB_OK;
    }
  }
  return sb_fail(SB_INVALID, "upstream defines no %s/%s/%s@%s%s%s", k->recipe, sb_side_names[k->side],
                 sb_step_names[k->step], sb_flavor_names[k->flavor], k->variant ? "+" : "",
                 k->variant ? k->variant : "");
}

static sb_status read_entry(sb_manifest *m, const json_t *entry, const char *folder, sb_kernel *k, char **ptx) {
  if (!json_is_object(entry)) return sb_fail(SB_INVALID, "an object is needed");
  const char *side = NULL, *step = NULL, *flavor = NULL, *file = NULL, *dtype = NULL;
  *k = (sb_kernel){0};
  sb_status status = get(m, entry, "recipe", true, &k->recipe);
  if (!status) status = get(m, entry, "side", true, &side);
  if (!status) status = get(m, entry, "step", true, &step);
  if (!status) status = get(m, entry, "flavor", true, &flavor);
  if (!status) status = get(m, entry, "variant", false, &k->variant);
  if (!status) status = get(m, entry, "dtype", false, &dtype);
  if (!status) status = get(m, entry, "file", true, &file);
  if (!status) status = get(m, entry, "entry", true, &k->entry);
  if (!status) status = get(m, entry, "shared", false, &k->shared);
  if (!status) status = get(m, entry, "when", false, &k->when);
  if (!status) status = get_dims(m, entry, "grid", k->grid);
  if (!status) status = get_dims(m, entry, "block", k->block);
  if (!status) status = get_args(m, entry, &k->args);
  if (!status) status = sb_side_parse(side, &k->side);
  if (!status) status = sb_step_parse(step, &k->step);
  if (!status) status = sb_flavor_parse(flavor, &k->flavor);
  if (!status && dtype) {
    sb_format format;
    status = sb_format_parse(dtype, &format);
    k->dtype = dtype;
  }
  if (!status) status = check_entry(entry, k);
  if (status) return status;
  char path[4096];
  const int length = snprintf(path, sizeof path, "%s%s", *file == '/' ? "" : folder, file);
  if (length < 0 || (size_t)length >= sizeof path)
    return sb_fail(SB_INVALID, "file: a path of at most 4095 characters is needed");
  k->file = keep(m, path);
  if (!k->file) return sb_fail(SB_NO_MEMORY, "no memory");
  return read_file(path, ptx);
}

sb_status sb_manifest_load(const char *path, sb_manifest *manifest) {
  *manifest = (sb_manifest){0};
  json_error_t error;
  json_t *root = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
  if (!root) return sb_fail(SB_FILE, "%s: line %d: %s", path, error.line, error.text);
  const json_t *list = json_object_get(root, "kernels");
  const size_t count = json_array_size(list);
  sb_status status = SB_OK;
  if (!json_is_array(list) || count == 0 || count > MAX_KERNELS)
    status = sb_fail(SB_INVALID, "%s: \"kernels\" must be a list of 1 to %d objects", path, MAX_KERNELS);
  if (!status) {
    manifest->kernels = calloc(count, sizeof *manifest->kernels);
    manifest->texts = calloc(count, sizeof *manifest->texts);
    if (!manifest->kernels || !manifest->texts) status = sb_fail(SB_NO_MEMORY, "%s: no memory", path);
  }
  char folder[4096];
  const char *slash = strrchr(path, '/');
  snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path + 1) : 0, path);
  for (size_t i = 0; i < count && !status; i++) {
    status = read_entry(manifest, json_array_get(list, i), folder, &manifest->kernels[i], &manifest->texts[i]);
    if (status)
      sb_fail_in(status, "%s: kernels[%zu]", path, i);
    else
      manifest->count++;
  }
  json_decref(root);
  if (status) sb_manifest_free(manifest);
  return status;
}

void sb_manifest_free(sb_manifest *manifest) {
  for (int i = 0; i < manifest->count; i++) free(manifest->texts[i]);
  free(manifest->texts);
  free(manifest->kernels);
  for (text *t = manifest->storage, *next; t; t = next) {
    next = t->next;
    free(t);
  }
  *manifest = (sb_manifest){0};
}
