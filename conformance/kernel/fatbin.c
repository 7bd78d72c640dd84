/* Fat binaries: the container in which nvcc puts PTX and machine code into a library. The format is not published by
 * NVIDIA; it is known from cuobjdump's output and from public tools that read it (cuda-fatbin-decompression, cricket).
 */
#include "samebits/fatbin.h"
#include "samebits/kernel.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
  KIND_PTX = 1,
  FLAG_LZ4 = 0x2000,
  FLAG_ZSTD = 0x8000,
};
static const uint32_t magic = 0xba55ed50u;
static const uint64_t largest = 256u << 20; /* of one text, uncompressed */

/* In the file as here: little-endian. */
typedef struct fat_header {
  uint32_t magic;
  uint16_t version, header_size;
  uint64_t size; /* of what follows the header */
} fat_header;
typedef struct entry_header {
  uint16_t kind, version;
  uint32_t header_size;
  uint64_t size; /* of what follows the header, padding included */
  uint32_t compressed_size, options;
  uint16_t minor, major;
  uint32_t sm, name_offset, name_size;
  uint64_t flags, zero, raw_size;
} entry_header;
typedef struct elf_header {
  unsigned char ident[16];
  uint16_t type, machine;
  uint32_t version;
  uint64_t entry, program_offset, section_offset;
  uint32_t flags;
  uint16_t header_size, program_size, program_count, section_size, section_count, names;
} elf_header;
typedef struct elf_section {
  uint32_t name, type;
  uint64_t flags, address, offset, size;
  uint32_t link, info;
  uint64_t align, entry_size;
} elf_section;
_Static_assert(sizeof(fat_header) == 16 && sizeof(entry_header) == 64, "layout of the file");
_Static_assert(sizeof(elf_header) == 64 && sizeof(elf_section) == 64, "layout of the file");

/* A length that goes on in bytes of 255. */
static bool more(const unsigned char **at, const unsigned char *end, size_t *length) {
  unsigned byte = 255;
  while (byte == 255) {
    if (*at == end) return false;
    byte = *(*at)++;
    *length += byte;
  }
  return true;
}

sb_status sb_lz4_block(const unsigned char *from, size_t size, unsigned char *to, size_t room) {
  const unsigned char *at = from, *end = from + size;
  size_t done = 0;
  while (at < end) {
    const unsigned token = *at++;
    size_t literals = token >> 4, match = (token & 15) + 4;
    if (literals == 15 && !more(&at, end, &literals)) break;
    if (literals > (size_t)(end - at) || literals > room - done) break;
    if (literals) memcpy(to + done, at, literals);
    at += literals, done += literals;
    if (at == end && done == room) return SB_OK;
    if (end - at < 2) break;
    const size_t back = (size_t)at[0] | (size_t)at[1] << 8;
    at += 2;
    if (match == 19 && !more(&at, end, &match)) break;
    if (back == 0 || back > done || match > room - done) break;
    for (; match; match--, done++) to[done] = to[done - back];
    if (at == end && done == room) return SB_OK;
  }
  return sb_fail(SB_FILE, "the LZ4 block of %zu bytes is damaged: %zu of %zu bytes are there", size, done, room);
}

static sb_status zstd_block(const unsigned char *from, size_t size, unsigned char *to, size_t room) {
  typedef size_t decompress_fn(void *, size_t, const void *, size_t);
  void *library = dlopen("libzstd.so.1", RTLD_NOW | RTLD_LOCAL);
  void *symbol = library ? dlsym(library, "ZSTD_decompress") : NULL;
  if (!symbol) {
    if (library) dlclose(library);
    return sb_fail(SB_FILE, "compressed by zstd, and libzstd.so.1 cannot be opened");
  }
  decompress_fn *decompress;
  memcpy(&decompress, &symbol, sizeof decompress);
  const size_t done = decompress(to, room, from, size);
  dlclose(library);
  return done == room ? SB_OK : sb_fail(SB_FILE, "the zstd block of %zu bytes is damaged", size);
}

static sb_status take_ptx(const unsigned char *payload, const entry_header *e, sb_fatbin *fatbin) {
  const bool packed = (e->flags & (FLAG_LZ4 | FLAG_ZSTD)) != 0;
  const uint64_t stored = packed && e->compressed_size ? e->compressed_size : e->size;
  const uint64_t raw = packed ? e->raw_size : e->size;
  if (stored > e->size || raw > largest || raw == 0)
    return sb_fail(SB_FILE, "an entry of %llu bytes in %llu", (unsigned long long)raw, (unsigned long long)e->size);
  unsigned char *text = malloc((size_t)raw + 1);
  if (!text) return sb_fail(SB_NO_MEMORY, "out of memory");
  sb_status status = SB_OK;
  if (e->flags & FLAG_ZSTD)
    status = zstd_block(payload, (size_t)stored, text, (size_t)raw);
  else if (e->flags & FLAG_LZ4)
    status = sb_lz4_block(payload, (size_t)stored, text, (size_t)raw);
  else
    memcpy(text, payload, (size_t)raw);
  size_t size = (size_t)raw;
  while (size && status == SB_OK && text[size - 1] == 0) size--; /* padding */
  sb_fatbin_ptx *grown = status == SB_OK ? realloc(fatbin->ptx, ((size_t)fatbin->count + 1) * sizeof *grown) : NULL;
  if (!grown) {
    free(text);
    return status ? status : sb_fail(SB_NO_MEMORY, "out of memory");
  }
  text[size] = 0;
  fatbin->ptx = grown;
  grown[fatbin->count++] = (sb_fatbin_ptx){(int)(e->sm & 0xffff), (char *)text, size};
  return SB_OK;
}

/* The fat binaries of one section, one after the other, each aligned to 8 bytes. */
static sb_status read_section(const unsigned char *data, size_t size, sb_fatbin *fatbin) {
  for (size_t at = 0; size - at >= sizeof(fat_header);) {
    fat_header head;
    memcpy(&head, data + at, sizeof head);
    if (head.magic == 0) { /* padding between them */
      at += 8;
      if (at > size) break;
      continue;
    }
    if (head.magic != magic || head.header_size < sizeof head || head.header_size > size - at ||
        head.size > size - at - head.header_size)
      return sb_fail(SB_FILE, "damaged: no fat binary at byte %zu of %zu", at, size);
    size_t entry = at + head.header_size;
    const size_t end = entry + (size_t)head.size;
    while (end - entry >= sizeof(entry_header)) {
      entry_header e;
      memcpy(&e, data + entry, sizeof e);
      if (e.header_size < sizeof e || e.header_size > end - entry || e.size > end - entry - e.header_size)
        return sb_fail(SB_FILE, "damaged: an entry at byte %zu reaches beyond its fat binary", entry);
      sb_status status = SB_OK;
      if (e.kind == KIND_PTX)
        status = take_ptx(data + entry + e.header_size, &e, fatbin);
      else
        fatbin->machine++;
      if (status) return status;
      entry += e.header_size + (size_t)e.size;
    }
    at = (end + 7) / 8 * 8;
    if (at > size) break;
  }
  return SB_OK;
}

static sb_status read_elf(const unsigned char *data, size_t size, sb_fatbin *fatbin) {
  elf_header head;
  memcpy(&head, data, sizeof head);
  if (head.ident[4] != 2 || head.ident[5] != 1) return sb_fail(SB_FILE, "not a 64-bit little-endian ELF file");
  if (head.section_size != sizeof(elf_section) || head.section_offset > size ||
      head.section_count > (size - head.section_offset) / sizeof(elf_section) || head.names >= head.section_count)
    return sb_fail(SB_FILE, "damaged: its sections reach beyond its end");
  const unsigned char *sections = data + head.section_offset;
  elf_section names, s;
  memcpy(&names, sections + head.names * sizeof names, sizeof names);
  if (names.offset > size || names.size > size - names.offset)
    return sb_fail(SB_FILE, "damaged: its names reach beyond its end");
  for (unsigned k = 0; k < head.section_count; k++) {
    static const char *const wanted[] = {".nv_fatbin", "__nv_relfatbin"};
    memcpy(&s, sections + k * sizeof s, sizeof s);
    bool match = false;
    for (int w = 0; w < 2; w++) {
      const size_t n = strlen(wanted[w]) + 1;
      match |= s.name < names.size && names.size - s.name >= n && !memcmp(data + names.offset + s.name, wanted[w], n);
    }
    if (!match || s.type == 8) continue; /* a section without content */
    if (s.offset > size || s.size > size - s.offset)
      return sb_fail(SB_FILE, "damaged: section %u reaches beyond its end", k);
    sb_status status = read_section(data + s.offset, (size_t)s.size, fatbin);
    if (status) return status;
  }
  return SB_OK;
}

sb_status sb_fatbin_read(const char *path, sb_fatbin *fatbin) {
  char *text = NULL;
  size_t size = 0;
  *fatbin = (sb_fatbin){0};
  sb_status status = sb_kernel_read(path, 0, &text, &size);
  if (status) return status;
  const unsigned char *data = (const unsigned char *)text;
  if (size >= sizeof(elf_header) && !memcmp(data, "\177ELF", 4))
    status = read_elf(data, size, fatbin);
  else if (size >= sizeof(fat_header) && !memcmp(data, &magic, 4))
    status = read_section(data, size, fatbin);
  else
    status = sb_fail(SB_FILE, "neither an ELF file nor a fat binary");
  free(text);
  if (status == SB_OK && fatbin->count == 0)
    status = sb_fail(SB_FILE, "no PTX in it (%d entries of machine code)", fatbin->machine);
  if (status) {
    sb_fatbin_free(fatbin);
    sb_fail_in(status, "%s", path);
  }
  return status;
}

void sb_fatbin_free(sb_fatbin *fatbin) {
  for (int k = 0; k < fatbin->count; k++) free(fatbin->ptx[k].text);
  free(fatbin->ptx);
  *fatbin = (sb_fatbin){0};
}
