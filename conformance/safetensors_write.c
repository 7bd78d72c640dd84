/* Writing safetensors: one image of the header, then each tensor's bytes, to memory or to a file that appears whole or
 * not at all. */
#include "samebits/safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct item {
  char *name;
  sb_tensor tensor;
} item;

struct sb_safetensors_writer {
  json_t *metadata;
  json_t *names; /* name -> true */
  int count, room;
  item *items;
};

sb_status sb_safetensors_writer_new(sb_safetensors_writer **writer) {
  *writer = calloc(1, sizeof **writer);
  if (*writer) {
    (*writer)->metadata = json_object();
    (*writer)->names = json_object();
    if ((*writer)->metadata && (*writer)->names) return SB_OK;
  }
  sb_safetensors_writer_free(*writer);
  *writer = NULL;
  return sb_fail(SB_NO_MEMORY, "no memory for a safetensors writer");
}

void sb_safetensors_writer_free(sb_safetensors_writer *writer) {
  if (!writer) return;
  for (int i = 0; i < writer->count; i++) free(writer->items[i].name);
  free(writer->items);
  json_decref(writer->metadata);
  json_decref(writer->names);
  free(writer);
}

sb_status sb_safetensors_put_metadata(sb_safetensors_writer *writer, const char *key, const char *value) {
  if (json_object_set_new(writer->metadata, key, json_string(value)) != 0)
    return sb_fail(SB_INVALID, "metadata \"%.200s\" is not UTF-8", key);
  return SB_OK;
}

sb_status sb_safetensors_put(sb_safetensors_writer *writer, const char *name, const sb_tensor *tensor) {
  const sb_format_info *format = sb_format_of(tensor->format);
  int64_t count = sb_tensor_count(tensor);
  if (!format->safetensors)
    return sb_fail(SB_INVALID, "tensor \"%.200s\": safetensors has no dtype for %s", name, format->name);
  if (count < 0 || sb_tensor_bytes(tensor) < 0 || (format->bits < 8 && count % 2))
    return sb_fail(SB_INVALID, "tensor \"%.200s\": its size cannot be stored", name);
  if (json_object_get(writer->names, name)) return sb_fail(SB_INVALID, "tensor \"%.200s\" is there twice", name);
  if (json_object_set_new(writer->names, name, json_true()) != 0)
    return sb_fail(SB_INVALID, "a tensor's name is not UTF-8");
  if (writer->count == writer->room) {
    int room = writer->room ? 2 * writer->room : 16;
    item *items = reallocarray(writer->items, (size_t)room, sizeof *items);
    if (!items) return sb_fail(SB_NO_MEMORY, "no memory for tensor \"%.200s\"", name);
    writer->items = items;
    writer->room = room;
  }
  char *copy = strdup(name);
  if (!copy) return sb_fail(SB_NO_MEMORY, "no memory for tensor \"%.200s\"", name);
  writer->items[writer->count++] = (item){copy, *tensor};
  return SB_OK;
}

static int compare_items(const void *a, const void *b) {
  const item *x = a, *y = b;
  int order = sb_format_of(y->tensor.format)->bits - sb_format_of(x->tensor.format)->bits;
  return order ? order : strcmp(x->name, y->name);
}

/* The header's text, padded with spaces so that the data starts at a multiple of 8; items are sorted on the way. */
static sb_status make_header(const sb_safetensors_writer *writer, item *items, char **text, size_t *size) {
  *text = NULL;
  json_t *header = json_object();
  if (json_object_size(writer->metadata)) {
    /* jansson keeps insertion order: sort by dumping and loading */
    char *sorted = json_dumps(writer->metadata, JSON_SORT_KEYS | JSON_COMPACT);
    json_object_set_new(header, "__metadata__", sorted ? json_loads(sorted, 0, NULL) : NULL);
    free(sorted);
  }
  int64_t at = 0;
  for (int i = 0; i < writer->count; i++) {
    const sb_tensor *tensor = &items[i].tensor;
    int64_t bytes = sb_tensor_bytes(tensor);
    json_t *shape = json_array();
    for (int d = 0; d < tensor->rank; d++) json_array_append_new(shape, json_integer(tensor->dims[d]));
    json_object_set_new(header, items[i].name,
                        json_pack("{s:s,s:o,s:[I,I]}", "dtype", sb_format_of(tensor->format)->safetensors, "shape",
                                  shape, "data_offsets", (json_int_t)at, (json_int_t)at + bytes));
    at += bytes;
  }
  size_t expected = (size_t)writer->count + (json_object_size(writer->metadata) ? 1 : 0);
  char *dumped = json_object_size(header) == expected ? json_dumps(header, JSON_COMPACT) : NULL;
  json_decref(header);
  if (!dumped) return sb_fail(SB_NO_MEMORY, "no memory for the safetensors header");
  size_t length = strlen(dumped), padded = (length + 7) / 8 * 8;
  unsigned char *image = malloc(8 + padded);
  if (image) {
    for (int i = 0; i < 8; i++) image[i] = (unsigned char)((uint64_t)padded >> 8 * i);
    memcpy(image + 8, dumped, length);
    memset(image + 8 + length, ' ', padded - length);
  }
  free(dumped);
  if (!image) return sb_fail(SB_NO_MEMORY, "no memory for the safetensors header");
  *text = (char *)image;
  *size = 8 + padded;
  return SB_OK;
}

/* Sorted copies of the items and the header's image; both to be freed. */
static sb_status prepare(const sb_safetensors_writer *writer, item **items, char **header, size_t *size) {
  *header = NULL;
  *items = malloc(((size_t)writer->count + 1) * sizeof **items);
  if (!*items) return sb_fail(SB_NO_MEMORY, "no memory for the safetensors header");
  if (writer->count) memcpy(*items, writer->items, (size_t)writer->count * sizeof **items);
  qsort(*items, (size_t)writer->count, sizeof **items, compare_items);
  return make_header(writer, *items, header, size);
}

static bool write_all(int fd, const void *data, size_t size) {
  for (size_t done = 0; done < size;) {
    ssize_t put = write(fd, (const char *)data + done, size - done);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return false;
    done += (size_t)put;
  }
  return true;
}

sb_status sb_safetensors_write(const sb_safetensors_writer *writer, const char *path) {
  item *items;
  char *header, temporary[PATH_MAX];
  size_t header_size = 0;
  struct stat info;
  sb_status status = prepare(writer, &items, &header, &header_size);
  bool direct = stat(path, &info) == 0 && !S_ISREG(info.st_mode);
  int length = snprintf(temporary, sizeof temporary, direct ? "%s" : "%s.%ld.tmp", path, (long)getpid());
  if (!status && (length < 0 || (size_t)length >= sizeof temporary))
    status = sb_fail(SB_FILE, "%.200s...: the path is too long", path);
  int fd = -1;
  if (!status) {
    fd = open(temporary, direct ? O_WRONLY | O_CLOEXEC : O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) status = sb_fail(SB_FILE, "%s: cannot write: %s", path, strerror(errno));
  }
  if (fd >= 0) {
    bool ok = write_all(fd, header, header_size);
    for (int i = 0; ok && i < writer->count; i++)
      ok = write_all(fd, items[i].tensor.data, (size_t)sb_tensor_bytes(&items[i].tensor));
    int error = errno;
    if (close(fd) != 0 && ok) {
      ok = false;
      error = errno;
    }
    if (ok && !direct && rename(temporary, path) != 0) {
      ok = false;
      error = errno;
    }
    if (!ok) status = sb_fail(SB_FILE, "%s: cannot write: %s", path, strerror(error));
    if (!ok && !direct) unlink(temporary);
  }
  free(header);
  free(items);
  return status;
}

sb_status sb_safetensors_encode(const sb_safetensors_writer *writer, void **data, size_t *size) {
  item *items;
  char *header;
  size_t header_size = 0, at = 0;
  *data = NULL;
  sb_status status = prepare(writer, &items, &header, &header_size);
  if (!status) {
    size_t total = header_size;
    for (int i = 0; i < writer->count; i++) total += (size_t)sb_tensor_bytes(&items[i].tensor);
    char *image = realloc(header, total);
    if (image) {
      header = image;
      at = header_size;
      for (int i = 0; i < writer->count; i++) {
        size_t bytes = (size_t)sb_tensor_bytes(&items[i].tensor);
        if (bytes) memcpy(image + at, items[i].tensor.data, bytes);
        at += bytes;
      }
      *data = image;
      *size = total;
      header = NULL;
    } else
      status = sb_fail(SB_NO_MEMORY, "no memory for %zu bytes", total);
  }
  free(header);
  free(items);
  return status;
}
