/* Reading safetensors. The JSON is jansson's work (duplicate keys, NUL, invalid UTF-8 and deep nesting are its errors);
 * sizes and offsets are checked here, before anything is read through them. */
#include "samebits/safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LENGTH_BYTES = 8, ALIGNMENT = 64 };
static const uint64_t header_limit = 100000000; /* as upstream: safetensors' MAX_HEADER_SIZE */

typedef struct entry {
  const char *name; /* owned by the JSON header */
  int64_t begin, end;
  sb_tensor tensor;
  bool copied; /* the data was copied out because its offset is not aligned */
} entry;

struct sb_safetensors {
  char *path;
  json_t *header;
  json_t *metadata; /* borrowed from header; NULL: none */
  unsigned char *data;
  int count;
  entry *entries; /* by offset */
  int *by_name;   /* indices into entries */
};

static sb_status parse_dtype(const char *path, const char *name, const char *dtype, sb_format *format) {
  for (int f = 0; f < SB_FORMATS; f++) {
    const char *known = sb_format_of((sb_format)f)->safetensors;
    if (known && strcmp(known, dtype) == 0) {
      *format = (sb_format)f;
      return SB_OK;
    }
  }
  return sb_fail(SB_FILE, "%s: tensor \"%.200s\": unknown dtype \"%.40s\"", path, name, dtype);
}

/* A non-negative integer of the header. */
static bool parse_size(const json_t *value, int64_t *size) {
  if (!json_is_integer(value) || json_integer_value(value) < 0) return false;
  *size = json_integer_value(value);
  return true;
}

static sb_status parse_entry(const char *path, const char *name, const json_t *value, uint64_t data_size, entry *e) {
  const json_t *dtype = json_object_get(value, "dtype"), *shape = json_object_get(value, "shape");
  const json_t *offsets = json_object_get(value, "data_offsets");
  if (!json_is_string(dtype) || !json_is_array(shape) || !json_is_array(offsets) || json_array_size(offsets) != 2)
    return sb_fail(SB_FILE, "%s: tensor \"%.200s\" lacks dtype, shape or a pair of data_offsets", path, name);
  *e = (entry){.name = name};
  sb_status status = parse_dtype(path, name, json_string_value(dtype), &e->tensor.format);
  if (status) return status;
  if (json_array_size(shape) > SB_MAX_RANK)
    return sb_fail(SB_FILE, "%s: tensor \"%.200s\" has rank %zu, at most %d is supported", path, name,
                   json_array_size(shape), SB_MAX_RANK);
  e->tensor.rank = (int)json_array_size(shape);
  for (int i = 0; i < e->tensor.rank; i++)
    if (!parse_size(json_array_get(shape, (size_t)i), &e->tensor.dims[i]))
      return sb_fail(SB_FILE, "%s: tensor \"%.200s\": dimension %d is not a size", path, name, i);
  if (!parse_size(json_array_get(offsets, 0), &e->begin) || !parse_size(json_array_get(offsets, 1), &e->end) ||
      e->begin > e->end || (uint64_t)e->end > data_size)
    return sb_fail(SB_FILE, "%s: tensor \"%.200s\": data_offsets are not within the file's %llu bytes of data", path,
                   name, (unsigned long long)data_size);
  int64_t count = sb_tensor_count(&e->tensor), bytes = sb_tensor_bytes(&e->tensor);
  if (count < 0 || bytes < 0) return sb_fail(SB_FILE, "%s: tensor \"%.200s\": the size overflows", path, name);
  if (sb_format_of(e->tensor.format)->bits < 8 && count % 2)
    return sb_fail(SB_FILE, "%s: tensor \"%.200s\": %lld elements of 4 bits do not fill whole bytes", path, name,
                   (long long)count);
  if (bytes != e->end - e->begin)
    return sb_fail(SB_FILE, "%s: tensor \"%.200s\": data_offsets span %lld bytes, the shape takes %lld", path, name,
                   (long long)(e->end - e->begin), (long long)bytes);
  return SB_OK;
}

static int compare_offsets(const void *a, const void *b) {
  const entry *x = a, *y = b;
  if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
  if (x->end != y->end) return x->end < y->end ? -1 : 1;
  return strcmp(x->name, y->name);
}

static int compare_names(const void *a, const void *b, void *entries) {
  const entry *e = entries;
  return strcmp(e[*(const int *)a].name, e[*(const int *)b].name);
}

static sb_status parse_metadata(sb_safetensors *file) {
  const char *key;
  json_t *value;
  file->metadata = json_object_get(file->header, "__metadata__");
  if (!file->metadata) return SB_OK;
  if (!json_is_object(file->metadata)) return sb_fail(SB_FILE, "%s: __metadata__ is not an object", file->path);
  json_object_foreach(file->metadata, key, value) if (!json_is_string(value)) return sb_fail(
      SB_FILE, "%s: metadata \"%.200s\" is not a string", file->path, key);
  return SB_OK;
}

/* Fills entries and by_name from the header and checks that the tensors tile the data. */
static sb_status parse_entries(sb_safetensors *file, uint64_t data_size) {
  const char *name;
  json_t *value;
  size_t room = json_object_size(file->header);
  if (room > INT32_MAX) return sb_fail(SB_FILE, "%s: %zu tensors are too many", file->path, room);
  file->entries = calloc(room + 1, sizeof *file->entries);
  file->by_name = calloc(room + 1, sizeof *file->by_name);
  if (!file->entries || !file->by_name) return sb_fail(SB_NO_MEMORY, "%s: no memory for the header", file->path);
  json_object_foreach(file->header, name, value) {
    if (strcmp(name, "__metadata__") == 0) continue;
    sb_status status = parse_entry(file->path, name, value, data_size, &file->entries[file->count]);
    if (status) return status;
    file->count++;
  }
  qsort(file->entries, (size_t)file->count, sizeof *file->entries, compare_offsets);
  int64_t at = 0;
  for (int i = 0; i < file->count; i++) {
    const entry *e = &file->entries[i];
    if (e->begin != at)
      return sb_fail(SB_FILE, "%s: tensor \"%.200s\" begins at byte %lld where %lld is due: data %s", file->path,
                     e->name, (long long)e->begin, (long long)at, e->begin < at ? "overlaps" : "has a gap");
    at = e->end;
    file->by_name[i] = i;
  }
  if ((uint64_t)at != data_size)
    return sb_fail(SB_FILE, "%s: the tensors take %lld bytes, the file has %llu", file->path, (long long)at,
                   (unsigned long long)data_size);
  qsort_r(file->by_name, (size_t)file->count, sizeof *file->by_name, compare_names, file->entries);
  return SB_OK;
}

static sb_status parse_header(sb_safetensors *file, const char *text, size_t size, uint64_t data_size) {
  json_error_t error;
  if (size == 0 || text[0] != '{') return sb_fail(SB_FILE, "%s: the header is not a JSON object", file->path);
  file->header = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
  if (!file->header)
    return sb_fail(SB_FILE, "%s: the header is not valid JSON: %s (byte %d)", file->path, error.text, error.position);
  sb_status status = parse_metadata(file);
  return status ? status : parse_entries(file, data_size);
}

/* Points each tensor at its bytes; bytes at an offset that their format cannot be read from are copied. */
static sb_status attach_data(sb_safetensors *file) {
  for (int i = 0; i < file->count; i++) {
    entry *e = &file->entries[i];
    int64_t width = sb_format_of(e->tensor.format)->bits / 8;
    if (width <= 1 || e->begin % width == 0) {
      e->tensor.data = file->data + e->begin;
      continue;
    }
    sb_status status = sb_tensor_alloc(&e->tensor);
    if (status) return sb_fail_in(status, "%s: tensor \"%.200s\"", file->path, e->name);
    e->copied = true;
    memcpy(e->tensor.data, file->data + e->begin, (size_t)(e->end - e->begin));
  }
  return SB_OK;
}

/* Where the bytes come from: memory, or a file descriptor. */
typedef struct source {
  const unsigned char *memory; /* NULL: fd */
  int fd;
  uint64_t size;
} source;

static sb_status read_at(const sb_safetensors *file, const source *from, uint64_t offset, void *to, uint64_t size) {
  if (from->memory) {
    if (size) memcpy(to, from->memory + offset, (size_t)size);
    return SB_OK;
  }
  for (uint64_t done = 0; done < size;) {
    ssize_t got = pread(from->fd, (char *)to + done, (size_t)(size - done), (off_t)(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return sb_fail(SB_FILE, "%s: cannot read: %s", file->path, strerror(errno));
    if (got == 0) return sb_fail(SB_FILE, "%s: truncated at byte %llu", file->path, (unsigned long long)offset + done);
    done += (uint64_t)got;
  }
  return SB_OK;
}

static sb_status read_all(sb_safetensors *file, const source *from) {
  unsigned char length[LENGTH_BYTES];
  if (from->size < LENGTH_BYTES)
    return sb_fail(SB_FILE, "%s: %llu bytes are too few for a safetensors file", file->path,
                   (unsigned long long)from->size);
  sb_status status = read_at(file, from, 0, length, LENGTH_BYTES);
  if (status) return status;
  uint64_t header_size = 0;
  for (int i = LENGTH_BYTES - 1; i >= 0; i--) header_size = header_size << 8 | length[i];
  if (header_size > from->size - LENGTH_BYTES)
    return sb_fail(SB_FILE, "%s: the header's length %llu exceeds the file's %llu bytes (truncated, or no safetensors)",
                   file->path, (unsigned long long)header_size, (unsigned long long)from->size);
  if (header_size > header_limit)
    return sb_fail(SB_FILE, "%s: the header's length %llu exceeds the limit %llu", file->path,
                   (unsigned long long)header_size, (unsigned long long)header_limit);
  char *text = malloc((size_t)header_size + 1);
  if (!text)
    return sb_fail(SB_NO_MEMORY, "%s: no memory for a header of %llu bytes", file->path,
                   (unsigned long long)header_size);
  uint64_t data_size = from->size - LENGTH_BYTES - header_size;
  status = read_at(file, from, LENGTH_BYTES, text, header_size);
  if (!status) status = parse_header(file, text, (size_t)header_size, data_size);
  free(text);
  if (status) return status;
  size_t room = ((size_t)data_size + ALIGNMENT) / ALIGNMENT * ALIGNMENT;
  file->data = aligned_alloc(ALIGNMENT, room);
  if (!file->data)
    return sb_fail(SB_NO_MEMORY, "%s: no memory for %llu bytes", file->path, (unsigned long long)data_size);
  status = read_at(file, from, LENGTH_BYTES + header_size, file->data, data_size);
  return status ? status : attach_data(file);
}

static sb_status load(const char *path, const source *from, sb_safetensors **out) {
  *out = NULL;
  sb_safetensors *file = calloc(1, sizeof *file);
  if (file) file->path = strdup(path);
  if (!file || !file->path) {
    free(file);
    return sb_fail(SB_NO_MEMORY, "%s: no memory", path);
  }
  sb_status status = read_all(file, from);
  if (status)
    sb_safetensors_close(file);
  else
    *out = file;
  return status;
}

sb_status sb_safetensors_parse(const char *label, const void *data, size_t size, sb_safetensors **file) {
  static const unsigned char nothing;
  return load(label, &(source){.memory = size ? data : &nothing, .size = size}, file);
}

sb_status sb_safetensors_open(const char *path, sb_safetensors **file) {
  struct stat info;
  *file = NULL;
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return sb_fail(SB_FILE, "%s: cannot open: %s", path, strerror(errno));
  sb_status status = SB_OK;
  if (fstat(fd, &info) != 0)
    status = sb_fail(SB_FILE, "%s: cannot read: %s", path, strerror(errno));
  else if (!S_ISREG(info.st_mode))
    status = sb_fail(SB_FILE, "%s: not a regular file", path);
  else
    status = load(path, &(source){.fd = fd, .size = (uint64_t)info.st_size}, file);
  close(fd);
  return status;
}

void sb_safetensors_close(sb_safetensors *file) {
  if (!file) return;
  for (int i = 0; i < file->count; i++)
    if (file->entries[i].copied) sb_tensor_free(&file->entries[i].tensor);
  json_decref(file->header);
  free(file->data);
  free(file->entries);
  free(file->by_name);
  free(file->path);
  free(file);
}

const char *sb_safetensors_path(const sb_safetensors *file) { return file->path; }

int sb_safetensors_count(const sb_safetensors *file) { return file->count; }

const char *sb_safetensors_name(const sb_safetensors *file, int index) { return file->entries[index].name; }

const sb_tensor *sb_safetensors_at(const sb_safetensors *file, int index) { return &file->entries[index].tensor; }

const sb_tensor *sb_safetensors_find(const sb_safetensors *file, const char *name) {
  int low = 0, high = file->count;
  while (low < high) {
    int middle = low + (high - low) / 2;
    entry *e = &file->entries[file->by_name[middle]];
    int order = strcmp(name, e->name);
    if (order == 0) return &e->tensor;
    if (order < 0)
      high = middle;
    else
      low = middle + 1;
  }
  return NULL;
}

const char *sb_safetensors_metadata(const sb_safetensors *file, const char *key) {
  return json_string_value(json_object_get(file->metadata, key));
}

int sb_safetensors_metadata_count(const sb_safetensors *file) { return (int)json_object_size(file->metadata); }

void sb_safetensors_metadata_at(const sb_safetensors *file, int index, const char **key, const char **value) {
  void *at = json_object_iter(file->metadata);
  while (index-- > 0) at = json_object_iter_next(file->metadata, at);
  *key = json_object_iter_key(at);
  *value = json_string_value(json_object_iter_value(at));
}
