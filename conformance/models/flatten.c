/* torchao's flattened subclasses (flatten_tensor_state_dict): a subclass weight M.weight lies in the files as plain
 * tensors M._weight_<data name>; the metadata of every shard tells of all logical tensors, its own and the others'. */
#include "conformance/models/parts.h"

#include <stdio.h>
#include <stdlib.h>

enum { MAX_LOGICAL = 1 << 20, NAME_ROOM = 1024 };

/* A tensor of any shard, and whether a logical tensor has taken it. */
typedef struct flat {
  const char *name;
  const sb_tensor *tensor;
  bool taken;
} flat;

typedef struct joined {
  sb_model *model;
  flat *flats;
  int count;
  bool partial; /* one shard of several, given by itself */
  int elsewhere;
} joined;

static int compare_flats(const void *a, const void *b) {
  return strcmp(((const flat *)a)->name, ((const flat *)b)->name);
}

static flat *find(const joined *j, const char *name) {
  const flat key = {.name = name};
  return j->count ? bsearch(&key, j->flats, (size_t)j->count, sizeof *j->flats, compare_flats) : NULL;
}

static sb_status list(sb_safetensors *const *files, int count, joined *j) {
  int total = 0;
  for (int i = 0; i < count; i++) total += sb_safetensors_count(files[i]);
  j->flats = calloc((size_t)total + 1, sizeof *j->flats);
  if (!j->flats) return sb_fail(SB_NO_MEMORY, "%s: no memory for %d tensors", j->model->path, total);
  for (int i = 0; i < count; i++)
    for (int t = 0; t < sb_safetensors_count(files[i]); t++)
      j->flats[j->count++] = (flat){sb_safetensors_name(files[i], t), sb_safetensors_at(files[i], t), false};
  qsort(j->flats, (size_t)j->count, sizeof *j->flats, compare_flats);
  for (int i = 1; i < j->count; i++)
    if (compare_flats(&j->flats[i - 1], &j->flats[i]) == 0)
      return sb_fail(SB_FILE, "%s: tensor \"%.200s\" is in two shards", j->model->path, j->flats[i].name);
  return SB_OK;
}

/* "M.weight" and "qdata" -> "M._weight_qdata". */
static bool flat_name(const char *logical, const char *part, char name[NAME_ROOM]) {
  const char *dot = strrchr(logical, '.');
  const int stem = dot ? (int)(dot - logical) + 1 : 0;
  return snprintf(name, NAME_ROOM, "%.*s_%s_%s", stem, logical, logical + stem, part) < NAME_ROOM;
}

/* A tensor of which a lone shard lacks a part. */
static void drop(joined *j, sb_model_tensor *tensor) {
  free(tensor->name);
  json_decref(tensor->attributes);
  j->model->tensor_count--;
  j->elsewhere++;
}

static sb_status read_subclass(joined *j, const char *label, const char *name, const char *type, json_t *description) {
  json_t *parts = json_object_get(description, "_tensor_data_names"), *data = json_object_get(description, "_data");
  if (!json_is_array(parts) || json_array_size(parts) == 0 || json_array_size(parts) > SB_MODEL_PARTS ||
      !json_is_object(data))
    return sb_fail(SB_FILE, "%s: metadata of \"%.200s\": _data is no object, or _tensor_data_names no short list",
                   label, name);
  sb_model_tensor *tensor;
  sb_status status = sb_model_add(j->model, name, type, &tensor);
  if (status) return status;
  tensor->attributes = json_incref(data);
  for (size_t i = 0; i < json_array_size(parts); i++) {
    const char *part = json_string_value(json_array_get(parts, i));
    char wanted[NAME_ROOM];
    if (!part || !flat_name(name, part, wanted))
      return sb_fail(SB_FILE, "%s: metadata of \"%.200s\": a data name is no string, or too long", label, name);
    flat *f = find(j, wanted);
    if (!f && j->partial) {
      drop(j, tensor);
      return SB_OK;
    }
    if (!f || f->taken)
      return sb_fail(SB_FILE, "%s: \"%.200s\" is a %.60s, but tensor \"%.200s\" is in no shard%s", label, name, type,
                     wanted, f ? " a second time" : "");
    f->taken = true;
    status = sb_model_add_part(tensor, part, f->tensor);
    if (status) return status;
  }
  return SB_OK;
}

/* One name of `tensor_names`, whose description is the metadata of that name. */
static sb_status read_logical(joined *j, const sb_safetensors *file, const char *name) {
  const char *label = sb_safetensors_path(file), *text = name ? sb_safetensors_metadata(file, name) : NULL;
  if (!name) return sb_fail(SB_FILE, "%s: the metadata \"tensor_names\" holds what is not a string", label);
  if (!text) return sb_fail(SB_FILE, "%s: the metadata names the tensor \"%.200s\" without describing it", label, name);
  json_error_t error;
  json_t *description = json_loads(text, JSON_REJECT_DUPLICATES, &error);
  const char *type = json_string_value(json_object_get(description, "_type"));
  sb_status status = SB_OK;
  if (!type || strlen(type) > 100)
    status = sb_fail(SB_FILE, "%s: metadata of \"%.200s\" is not {\"_type\": ...}", label, name);
  else if (strcmp(type, "Tensor") != 0)
    status = read_subclass(j, label, name, type, description);
  else if (!find(j, name) && j->partial)
    j->elsewhere++;
  else if (!find(j, name))
    status = sb_fail(SB_FILE, "%s: the metadata names the tensor \"%.200s\", which is in no shard", label, name);
  json_decref(description);
  return status;
}

static sb_status read_names(joined *j, const sb_safetensors *file, const char *text) {
  json_error_t error;
  json_t *names = json_loads(text, 0, &error);
  sb_status status = SB_OK;
  if (!json_is_array(names) || json_array_size(names) > MAX_LOGICAL)
    status = sb_fail(SB_FILE, "%s: the metadata \"tensor_names\" is not a list of names", sb_safetensors_path(file));
  for (size_t i = 0; !status && i < json_array_size(names); i++)
    status = read_logical(j, file, json_string_value(json_array_get(names, i)));
  json_decref(names);
  return status;
}

/* Shards repeat each other's metadata: they must agree. */
static sb_status first_with_names(sb_safetensors *const *files, int count, const sb_safetensors **file,
                                  const char **text) {
  *text = NULL;
  for (int i = 0; i < count; i++) {
    const char *names = sb_safetensors_metadata(files[i], "tensor_names");
    if (names && *text && strcmp(names, *text) != 0)
      return sb_fail(SB_FILE, "%s: its metadata \"tensor_names\" is not that of the other shards",
                     sb_safetensors_path(files[i]));
    if (!names || *text) continue;
    *text = names;
    *file = files[i];
  }
  return SB_OK;
}

sb_status sb_flattened_read(sb_safetensors *const *files, int count, sb_model *model) {
  int shard, shards;
  joined j = {.model = model};
  j.partial = model->explicit_file && count == 1 &&
              sscanf(model->weights_name, "%*[^-]-%d-of-%d.", &shard, &shards) == 2 && shards > 1;
  const sb_safetensors *file = NULL;
  const char *names;
  sb_status status = list(files, count, &j);
  if (!status) status = first_with_names(files, count, &file, &names);
  if (!status && names) status = read_names(&j, file, names);
  for (int i = 0; !status && i < j.count; i++) {
    if (j.flats[i].taken) continue;
    sb_model_tensor *tensor;
    status = sb_model_add(model, j.flats[i].name, "Tensor", &tensor);
    if (!status) status = sb_model_add_part(tensor, "", j.flats[i].tensor);
  }
  if (j.elsewhere)
    sb_model_note(model,
                  "one shard of several by itself: %d of its model's tensors are, whole or in part, in other files",
                  j.elsewhere);
  free(j.flats);
  for (int i = 0; i < model->tensor_count; i++)
    if (model->tensors[i].attributes) model->flattened = true;
  return status;
}
