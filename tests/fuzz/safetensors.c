/* Any bytes: the reader returns a file or an error; what it returns is readable to the last byte, and is written and
 * read back with the same tensors. */
#include "samebits/safetensors.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  sb_safetensors *file, *again;
  if (sb_safetensors_parse("fuzz", data, size, &file)) return 0;
  sb_safetensors_writer *writer;
  void *image;
  size_t image_size;
  if (sb_safetensors_writer_new(&writer)) abort();
  for (int i = 0; i < sb_safetensors_metadata_count(file); i++) {
    const char *key, *value;
    sb_safetensors_metadata_at(file, i, &key, &value);
    if (sb_safetensors_metadata(file, key) != value) abort();
    if (sb_safetensors_put_metadata(writer, key, value)) abort();
  }
  for (int i = 0; i < sb_safetensors_count(file); i++)
    if (sb_safetensors_put(writer, sb_safetensors_name(file, i), sb_safetensors_at(file, i))) abort();
  if (sb_safetensors_encode(writer, &image, &image_size)) abort();
  if (sb_safetensors_parse("again", image, image_size, &again)) abort();
  if (sb_safetensors_count(again) != sb_safetensors_count(file)) abort();
  for (int i = 0; i < sb_safetensors_count(file); i++) {
    const sb_tensor *one = sb_safetensors_at(file, i), *two = sb_safetensors_find(again, sb_safetensors_name(file, i));
    if (!two || one->format != two->format || one->rank != two->rank) abort();
    int64_t bytes = sb_tensor_bytes(one);
    if (bytes != sb_tensor_bytes(two) || (bytes && memcmp(one->data, two->data, (size_t)bytes) != 0)) abort();
  }
  sb_safetensors_close(again);
  sb_safetensors_close(file);
  sb_safetensors_writer_free(writer);
  free(image);
  return 0;
}
