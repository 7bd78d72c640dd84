/* Any bytes as torch.save's archive, or, where they do not begin as one, as the pickle in an archive with two storages.
 */
#include "tests/fuzz/model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { STORAGE = 256 };
static uint8_t archive[1 << 17];
static size_t used;

static void put(const void *bytes, size_t size) {
  memcpy(archive + used, bytes, size);
  used += size;
}

static void put_number(uint32_t value, int width) {
  for (int i = 0; i < width; i++) archive[used++] = (uint8_t)(value >> 8 * i);
}

static uint32_t crc(const uint8_t *bytes, size_t size) {
  uint32_t c = 0xffffffff;
  for (size_t i = 0; i < size; i++) {
    c ^= bytes[i];
    for (int bit = 0; bit < 8; bit++) c = c >> 1 ^ (c & 1 ? 0xedb88320 : 0);
  }
  return ~c;
}

/* What the local and the central header have in common. */
static void put_entry(const char *name, const uint8_t *bytes, size_t size) {
  put_number(10, 2);
  put_number(0, 4); /* no flags, stored */
  put_number(0x00210000, 4);
  put_number(crc(bytes, size), 4);
  put_number((uint32_t)size, 4);
  put_number((uint32_t)size, 4);
  put_number((uint32_t)strlen(name), 2);
  put_number(0, 2);
}

static void wrap(const uint8_t *pickle, size_t size) {
  static const uint8_t storage[STORAGE] = {1, 2, 3};
  const struct {
    const char *name;
    const uint8_t *bytes;
    size_t size;
  } entries[] = {{"x/data.pkl", pickle, size}, {"x/data/0", storage, STORAGE}, {"x/data/1", storage, 8}};
  uint32_t offsets[3];
  used = 0;
  for (int i = 0; i < 3; i++) {
    offsets[i] = (uint32_t)used;
    put("PK\3\4", 4);
    put_entry(entries[i].name, entries[i].bytes, entries[i].size);
    put(entries[i].name, strlen(entries[i].name));
    put(entries[i].bytes, entries[i].size);
  }
  const uint32_t directory = (uint32_t)used;
  for (int i = 0; i < 3; i++) {
    put("PK\1\2", 4);
    put_number(20, 2);
    put_entry(entries[i].name, entries[i].bytes, entries[i].size);
    put_number(0, 4);
    put_number(0, 2);
    put_number(0, 4);
    put_number(offsets[i], 4);
    put(entries[i].name, strlen(entries[i].name));
  }
  const uint32_t end = (uint32_t)used;
  put("PK\5\6", 4);
  put_number(0, 4);
  put_number(3, 2);
  put_number(3, 2);
  put_number(end - directory, 4);
  put_number(directory, 4);
  put_number(0, 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  sb_model *model;
  if (size > sizeof archive - 4096) return 0;
  if (size < 2 || data[0] != 'P' || data[1] != 'K') {
    wrap(data, size);
    data = archive;
    size = used;
  }
  if (sb_model_parse("fuzz", data, size, NULL, &model) == SB_OK) look_at(model);
  return 0;
}
