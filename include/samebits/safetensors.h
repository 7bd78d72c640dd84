/* Safetensors: the one file format for tensors, on disk and on a worker's pipe.
 *
 * A file is an 8-byte little-endian header length, a JSON header {name: {dtype, shape, data_offsets}, "__metadata__":
 * {string: string}}, and the tensors' little-endian bytes without gaps or overlaps (the format of
 * huggingface/safetensors). Everything read is checked before use; a file that breaks a rule is SB_FILE with one line
 * that says which. */
#ifndef SAMEBITS_SAFETENSORS_H
#define SAMEBITS_SAFETENSORS_H

#include "samebits/tensor.h"
#include <stddef.h>

typedef struct sb_safetensors sb_safetensors;

/* Reads a whole regular file. `*file` is NULL on failure and is freed by sb_safetensors_close otherwise. */
sb_status sb_safetensors_open(const char *path, sb_safetensors **file);

/* The same from memory, which is copied; `label` stands for the path in messages. */
sb_status sb_safetensors_parse(const char *label, const void *data, size_t size, sb_safetensors **file);

void sb_safetensors_close(sb_safetensors *file); /* NULL is allowed */

/* The path or label that it was read from. */
const char *sb_safetensors_path(const sb_safetensors *file);

/* Tensors in the order of their bytes. Name and tensor (data aligned for its format) belong to the file. */
int sb_safetensors_count(const sb_safetensors *file);
const char *sb_safetensors_name(const sb_safetensors *file, int index);
const sb_tensor *sb_safetensors_at(const sb_safetensors *file, int index);
const sb_tensor *sb_safetensors_find(const sb_safetensors *file, const char *name); /* NULL: there is none */

/* The metadata: the value of `key` or NULL, and iteration in the header's order. */
const char *sb_safetensors_metadata(const sb_safetensors *file, const char *key);
int sb_safetensors_metadata_count(const sb_safetensors *file);
void sb_safetensors_metadata_at(const sb_safetensors *file, int index, const char **key, const char **value);

/* Writing: collect, then write once. Tensors are borrowed until the write; names and metadata are copied. The bytes
 * depend on nothing but what was put in: metadata by key, tensors by width (widest first, so that all are aligned),
 * then name. */
typedef struct sb_safetensors_writer sb_safetensors_writer;

sb_status sb_safetensors_writer_new(sb_safetensors_writer **writer);
void sb_safetensors_writer_free(sb_safetensors_writer *writer); /* NULL is allowed */

/* SB_INVALID: a duplicate name, a format that safetensors does not have, an odd number of 4-bit elements, or text that
 * is not UTF-8. */
sb_status sb_safetensors_put(sb_safetensors_writer *writer, const char *name, const sb_tensor *tensor);
sb_status sb_safetensors_put_metadata(sb_safetensors_writer *writer, const char *key, const char *value);

/* Writes beside `path` and renames, so that a reader never sees half a file; a path that is no regular file (a pipe,
 * /dev/full) is written directly. SB_FILE when it cannot be written in full; then `path` is as it was. */
sb_status sb_safetensors_write(const sb_safetensors_writer *writer, const char *path);

/* The same bytes in memory, to be freed by free(). */
sb_status sb_safetensors_encode(const sb_safetensors_writer *writer, void **data, size_t *size);

#endif
