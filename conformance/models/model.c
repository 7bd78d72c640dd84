/* Opening a model: which files a path stands for, and their tensors by name. */
#include "conformance/models/config.h"
#include "conformance/models/parts.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- the list of tensors ---- */

sb_status sb_model_add(sb_model *m, const char *name, const char *type, sb_model_tensor **tensor) {
  if (m->tensor_count == m->tensor_room) {
    const int room = m->tensor_room ? 2 * m->tensor_room : 64;
    sb_model_tensor *tensors = reallocarray(m->tensors, (size_t)room, sizeof *tensors);
    if (!tensors) return sb_fail(SB_NO_MEMORY, "%s: no memory for %d tensors", m->path, room);
    m->tensors = tensors;
    m->tensor_room = room;
  }
  sb_model_tensor *t = &m->tensors[m->tensor_count];
  *t = (sb_model_tensor){.name = strdup(name)};
  if (!t->name) return sb_fail(SB_NO_MEMORY, "%s: no memory", m->path);
  snprintf(t->type, sizeof t->type, "%s", type);
  m->tensor_count++;
  *tensor = t;
  return SB_OK;
}

sb_status sb_model_add_part(sb_model_tensor *tensor, const char *name, const sb_tensor *part) {
  if (tensor->part_count == SB_MODEL_PARTS || strlen(name) >= SB_PART_NAME)
    return sb_fail(SB_FILE, "tensor \"%.200s\" has more than %d parts, or one with too long a name", tensor->name,
                   SB_MODEL_PARTS);
  snprintf(tensor->parts[tensor->part_count].name, SB_PART_NAME, "%s", name);
  tensor->parts[tensor->part_count++].tensor = *part;
  return SB_OK;
}

sb_status sb_model_own(sb_model *m, void *buffer) {
  if (m->buffer_count == m->buffer_room) {
    const int room = m->buffer_room ? 2 * m->buffer_room : 64;
    void **buffers = reallocarray(m->buffers, (size_t)room, sizeof *buffers);
    if (!buffers) {
      free(buffer);
      return sb_fail(SB_NO_MEMORY, "%s: no memory", m->path);
    }
    m->buffers = buffers;
    m->buffer_room = room;
  }
  m->buffers[m->buffer_count++] = buffer;
  return SB_OK;
}

void sb_model_note(sb_model *m, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  if (m->note_count < (int)(sizeof m->notes / sizeof *m->notes)) {
    if (vasprintf(&m->notes[m->note_count], format, arguments) >= 0) m->note_count++;
  }
  va_end(arguments);
}

const sb_tensor *sb_model_part(const sb_model_tensor *tensor, const char *name) {
  for (int i = 0; i < tensor->part_count; i++)
    if (strcmp(tensor->parts[i].name, name) == 0) return &tensor->parts[i].tensor;
  return NULL;
}

static _Thread_local const sb_model_tensor *sorted_tensors;

static int compare_names(const void *a, const void *b) {
  return strcmp(sorted_tensors[*(const int *)a].name, sorted_tensors[*(const int *)b].name);
}

static sb_status sort(sb_model *m) {
  m->by_name = calloc((size_t)m->tensor_count + 1, sizeof *m->by_name);
  if (!m->by_name) return sb_fail(SB_NO_MEMORY, "%s: no memory", m->path);
  for (int i = 0; i < m->tensor_count; i++) m->by_name[i] = i;
  sorted_tensors = m->tensors;
  qsort(m->by_name, (size_t)m->tensor_count, sizeof *m->by_name, compare_names);
  for (int i = 1; i < m->tensor_count; i++)
    if (compare_names(&m->by_name[i - 1], &m->by_name[i]) == 0)
      return sb_fail(SB_FILE, "%s: tensor \"%.200s\" is there twice", m->path, m->tensors[m->by_name[i]].name);
  return SB_OK;
}

/* ---- files ---- */

static bool path_in(const sb_model *m, const char *name, char path[PATH_MAX]) {
  return snprintf(path, PATH_MAX, "%s%s%s", m->folder, *m->folder ? "/" : "", name) < PATH_MAX;
}

static bool is_there(const sb_model *m, const char *name) {
  char path[PATH_MAX];
  struct stat info;
  return path_in(m, name, path) && stat(path, &info) == 0;
}

static bool ends_with(const char *text, const char *end) {
  const size_t length = strlen(text), tail = strlen(end);
  return length >= tail && strcmp(text + length - tail, end) == 0;
}

static sb_status read_zip(sb_model *m, const char *path) {
  sb_zip *zip;
  sb_status status = sb_zip_open(path, &zip);
  if (!status) status = sb_torch_read(zip, m);
  sb_zip_close(zip);
  m->is_pickle = true;
  return status;
}

/* The distinct file names of an index's weight_map, in its order. */
static sb_status shard_names(const char *path, const json_t *map, const char ***names, int *count) {
  *names = calloc(json_object_size(map) + 1, sizeof **names);
  if (!*names) return sb_fail(SB_NO_MEMORY, "%s: no memory", path);
  *count = 0;
  const char *key;
  json_t *value;
  json_object_foreach((json_t *)(uintptr_t)map, key, value) {
    const char *name = json_string_value(value);
    if (!name || !*name || strchr(name, '/') || strcmp(name, "..") == 0)
      return sb_fail(SB_FILE, "%s: weight_map of \"%.200s\" is not the name of a file beside it", path, key);
    int known = *count;
    while (known > 0 && strcmp((*names)[known - 1], name) != 0) known--;
    if (known) continue;
    if (*count == 4096) return sb_fail(SB_FILE, "%s: more than 4096 shards", path);
    (*names)[(*count)++] = name;
  }
  if (*count == 0) return sb_fail(SB_FILE, "%s: its weight_map names no file", path);
  return SB_OK;
}

static sb_status open_shards(sb_model *m, const char *index_path, const char **names, int count) {
  m->files = calloc((size_t)count, sizeof(sb_safetensors *));
  if (!m->files) return sb_fail(SB_NO_MEMORY, "%s: no memory", m->path);
  bool pickles = false;
  for (int i = 0; i < count; i++) {
    char path[PATH_MAX];
    if (!path_in(m, names[i], path)) return sb_fail(SB_FILE, "%s: the path is too long", names[i]);
    if (!is_there(m, names[i]))
      return sb_fail(SB_FILE, "%s: shard %d of %d, \"%.200s\", is missing", index_path, i + 1, count, names[i]);
    pickles = ends_with(names[i], ".bin");
    const sb_status status = pickles ? read_zip(m, path) : sb_safetensors_open(path, &m->files[i]);
    if (status) return status;
    m->shard_count++;
  }
  return pickles ? SB_OK : sb_flattened_read(m->files, count, m);
}

/* Every name of the weight_map lies in the shard that it says. */
static sb_status check_map(const sb_model *m, const char *index_path, const char **names, const json_t *map) {
  const char *key;
  json_t *value;
  if (m->is_pickle) return SB_OK;
  json_object_foreach((json_t *)(uintptr_t)map, key, value) {
    int shard = 0;
    /* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): shard_names took them from these very values */
    while (strcmp(names[shard], json_string_value(value)) != 0) shard++;
    if (!sb_safetensors_find(m->files[shard], key))
      return sb_fail(SB_FILE, "%s: tensor \"%.200s\" is not in %.200s, where the weight_map has it", index_path, key,
                     names[shard]);
  }
  return SB_OK;
}

static sb_status read_index(sb_model *m, const char *name) {
  char path[PATH_MAX];
  json_t *index;
  if (!path_in(m, name, path)) return sb_fail(SB_FILE, "%s: the path is too long", name);
  sb_status status = sb_json_read(path, &index);
  if (status) return status;
  const json_t *map = json_object_get(index, "weight_map");
  const char **names = NULL;
  int count = 0;
  if (!json_is_object(map))
    status = sb_fail(SB_FILE, "%s: it has no weight_map", path);
  else
    status = shard_names(path, map, &names, &count);
  if (!status) status = open_shards(m, path, names, count);
  if (!status) status = check_map(m, path, names, map);
  free(names);
  json_decref(index);
  return status;
}

/* By its first bytes: a zip archive, or safetensors. */
static sb_status read_one(sb_model *m, const char *path) {
  char magic[4] = "";
  const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return sb_fail(SB_FILE, "%s: cannot open: %s", path, strerror(errno));
  const ssize_t got = read(fd, magic, sizeof magic);
  close(fd);
  m->files = calloc(1, sizeof(sb_safetensors *));
  if (!m->files) return sb_fail(SB_NO_MEMORY, "%s: no memory", m->path);
  m->shard_count = 1;
  if (got == 4 && memcmp(magic, "PK\3\4", 4) == 0) return read_zip(m, path);
  if (ends_with(path, ".bin") || ends_with(path, ".pt") || ends_with(path, ".pth"))
    return sb_fail(SB_FILE, "%s: not a zip archive of torch.save (its legacy form, a bare pickle, is not read)", path);
  const sb_status status = sb_safetensors_open(path, &m->files[0]);
  return status ? status : sb_flattened_read(m->files, 1, m);
}

/* What a loader looks for in a folder, in its order. */
static const char *const weight_files[] = {"model.safetensors", "model.safetensors.index.json", "pytorch_model.bin",
                                           "pytorch_model.bin.index.json"};

static sb_status read_weights(sb_model *m) {
  const char *found = NULL;
  for (size_t i = 0; i < sizeof weight_files / sizeof *weight_files; i++) {
    if (!is_there(m, weight_files[i])) continue;
    if (found)
      sb_model_note(m, "%s is there, too, and is not read: %s comes first", weight_files[i], found);
    else
      found = weight_files[i];
  }
  if (!found)
    return sb_fail(SB_FILE, "%s: no weights: neither model.safetensors, pytorch_model.bin nor an index of shards",
                   m->path);
  m->weights_name = strdup(found);
  char path[PATH_MAX];
  if (!m->weights_name || !path_in(m, found, path)) return sb_fail(SB_FILE, "%s: the path is too long", m->path);
  return ends_with(found, ".json") ? read_index(m, found) : read_one(m, path);
}

static sb_status read_config(sb_model *m) {
  char path[PATH_MAX];
  if (!is_there(m, "config.json")) return SB_OK;
  if (!path_in(m, "config.json", path)) return sb_fail(SB_FILE, "%s: the path is too long", m->path);
  const sb_status status = sb_json_read(path, &m->config);
  if (!status && !json_is_object(m->config)) return sb_fail(SB_FILE, "%s: it is not a JSON object", path);
  return status;
}

/* An explicit file: what its folder would have been taken for is told. */
static sb_status read_explicit(sb_model *m) {
  const char *name = strrchr(m->path, '/');
  m->explicit_file = true;
  m->weights_name = strdup(name ? name + 1 : m->path);
  m->folder = strndup(m->path, name ? (size_t)(name - m->path) : 0);
  if (!m->weights_name || !m->folder) return sb_fail(SB_NO_MEMORY, "%s: no memory", m->path);
  if (name == m->path || !name) { /* in the root, or here: a folder's name is needed to look beside the file */
    free(m->folder);
    m->folder = strdup(name ? "/." : ".");
    if (!m->folder) return sb_fail(SB_NO_MEMORY, "%s: no memory", m->path);
  }
  sb_status status = read_config(m);
  if (status) return status;
  if (ends_with(m->path, ".index.json")) return read_index(m, m->weights_name);
  return read_one(m, m->path);
}

sb_status sb_model_parse(const char *label, const void *data, size_t size, json_t *config, sb_model **model) {
  *model = NULL;
  sb_model *m = calloc(1, sizeof *m);
  if (!m) return sb_fail(SB_NO_MEMORY, "%s: no memory", label);
  m->path = strdup(label);
  m->folder = strdup("");
  m->weights_name = strdup(label);
  m->files = calloc(1, sizeof(sb_safetensors *));
  m->config = json_incref(config);
  m->shard_count = 1;
  sb_status status = SB_OK;
  sb_zip *zip = NULL;
  if (!m->path || !m->folder || !m->weights_name || !m->files)
    status = sb_fail(SB_NO_MEMORY, "%s: no memory", label);
  else if (size >= 4 && memcmp(data, "PK\3\4", 4) == 0) {
    status = sb_zip_parse(label, data, size, &zip);
    if (!status) status = sb_torch_read(zip, m);
    sb_zip_close(zip);
  } else {
    status = sb_safetensors_parse(label, data, size, &m->files[0]);
    if (!status) status = sb_flattened_read(m->files, 1, m);
  }
  if (!status) status = sort(m);
  if (status)
    sb_model_close(m);
  else
    *model = m;
  return status;
}

sb_status sb_model_open(const char *path, sb_model **model) {
  struct stat info;
  *model = NULL;
  if (stat(path, &info) != 0) return sb_fail(SB_FILE, "%s: cannot open: %s", path, strerror(errno));
  sb_model *m = calloc(1, sizeof *m);
  if (m) m->path = strdup(path);
  if (!m || !m->path) {
    free(m);
    return sb_fail(SB_NO_MEMORY, "%s: no memory", path);
  }
  sb_status status;
  if (S_ISDIR(info.st_mode)) {
    m->folder = strdup(path);
    status = m->folder ? read_config(m) : sb_fail(SB_NO_MEMORY, "%s: no memory", path);
    if (!status) status = read_weights(m);
  } else if (S_ISREG(info.st_mode))
    status = read_explicit(m);
  else
    status = sb_fail(SB_FILE, "%s: neither a folder nor a regular file", path);
  if (!status) status = sort(m);
  if (status)
    sb_model_close(m);
  else
    *model = m;
  return status;
}

void sb_model_close(sb_model *m) {
  if (!m) return;
  for (int i = 0; i < m->tensor_count; i++) {
    free(m->tensors[i].name);
    json_decref(m->tensors[i].attributes);
  }
  for (int i = 0; i < m->shard_count && m->files; i++) sb_safetensors_close(m->files[i]);
  for (int i = 0; i < m->buffer_count; i++) free(m->buffers[i]);
  for (int i = 0; i < m->note_count; i++) free(m->notes[i]);
  json_decref(m->config);
  free(m->tensors);
  free(m->by_name);
  free(m->files);
  free(m->buffers);
  free(m->weights_name);
  free(m->folder);
  free(m->path);
  free(m);
}

const char *sb_model_path(const sb_model *m) { return m->path; }
int sb_model_count(const sb_model *m) { return m->tensor_count; }
const sb_model_tensor *sb_model_at(const sb_model *m, int index) { return &m->tensors[m->by_name[index]]; }
const char *sb_model_tensor_name(const sb_model_tensor *t) { return t->name; }
const char *sb_model_tensor_type(const sb_model_tensor *t) { return t->type; }
const sb_tensor *sb_model_plain(const sb_model_tensor *t) { return t->attributes ? NULL : &t->parts[0].tensor; }

const sb_model_tensor *sb_model_find(const sb_model *m, const char *name) {
  int low = 0, high = m->tensor_count;
  while (low < high) {
    const int middle = low + (high - low) / 2, order = strcmp(name, sb_model_at(m, middle)->name);
    if (order == 0) return sb_model_at(m, middle);
    if (order < 0)
      high = middle;
    else
      low = middle + 1;
  }
  return NULL;
}
