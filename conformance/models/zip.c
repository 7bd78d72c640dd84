#include "conformance/models/zip.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zip.h>

typedef struct entry {
  const char *name;
  uint64_t size;
  int index;
} entry;

struct sb_zip {
  char *path;
  zip_t *archive;
  int count;
  entry *entries; /* in the archive's order */
  int *by_name;
  uint64_t total;
};

static sb_status bad(const sb_zip *z, zip_error_t *error) {
  const sb_status status = sb_fail(SB_FILE, "%s: not a readable zip archive: %s", z->path, zip_error_strerror(error));
  zip_error_fini(error);
  return status;
}

static _Thread_local const entry *sorted_entries;

static int compare_names(const void *a, const void *b) {
  return strcmp(sorted_entries[*(const int *)a].name, sorted_entries[*(const int *)b].name);
}

static sb_status list(sb_zip *z, uint64_t archive_size) {
  const zip_int64_t count = zip_get_num_entries(z->archive, 0);
  if (count < 0 || count > 1 << 22) return sb_fail(SB_FILE, "%s: %lld zip entries", z->path, (long long)count);
  z->entries = calloc((size_t)count + 1, sizeof *z->entries);
  z->by_name = calloc((size_t)count + 1, sizeof *z->by_name);
  if (!z->entries || !z->by_name)
    return sb_fail(SB_NO_MEMORY, "%s: no memory for %lld entries", z->path, (long long)count);
  uint64_t total = 0;
  for (int i = 0; i < (int)count; i++) {
    zip_stat_t info;
    const zip_uint64_t needed = ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_METHOD | ZIP_STAT_ENCRYPTION_METHOD;
    if (zip_stat_index(z->archive, (zip_uint64_t)i, 0, &info) != 0 || (info.valid & needed) != needed)
      return sb_fail(SB_FILE, "%s: zip entry %d cannot be described", z->path, i);
    if (info.comp_method != ZIP_CM_STORE || info.encryption_method != ZIP_EM_NONE)
      return sb_fail(SB_FILE, "%s: zip entry \"%.200s\" is compressed or encrypted, which torch.save never does",
                     z->path, info.name);
    if (info.size > archive_size - total)
      return sb_fail(SB_FILE, "%s: zip entry \"%.200s\" of %llu bytes: the entries are larger than the file (%llu)",
                     z->path, info.name, (unsigned long long)info.size, (unsigned long long)archive_size);
    total += info.size;
    z->entries[i] = (entry){info.name, info.size, i};
    z->by_name[i] = i;
  }
  z->count = (int)count;
  z->total = total;
  sorted_entries = z->entries;
  qsort(z->by_name, (size_t)count, sizeof *z->by_name, compare_names);
  for (int i = 1; i < z->count; i++)
    if (compare_names(&z->by_name[i - 1], &z->by_name[i]) == 0)
      return sb_fail(SB_FILE, "%s: zip entry \"%.200s\" is there twice", z->path, z->entries[z->by_name[i]].name);
  return SB_OK;
}

/* Takes the source over. */
static sb_status load(const char *path, zip_source_t *source, uint64_t size, sb_zip **zip) {
  zip_error_t error;
  zip_error_init(&error);
  sb_zip *z = calloc(1, sizeof *z);
  if (z) z->path = strdup(path);
  if (!z || !z->path) {
    zip_source_free(source);
    free(z);
    return sb_fail(SB_NO_MEMORY, "%s: no memory", path);
  }
  z->archive = zip_open_from_source(source, ZIP_RDONLY | ZIP_CHECKCONS, &error);
  sb_status status;
  if (!z->archive) {
    status = bad(z, &error);
    zip_source_free(source);
  } else
    status = list(z, size);
  if (status)
    sb_zip_close(z);
  else
    *zip = z;
  return status;
}

sb_status sb_zip_parse(const char *label, const void *data, size_t size, sb_zip **zip) {
  zip_error_t error;
  zip_error_init(&error);
  *zip = NULL;
  zip_source_t *source = zip_source_buffer_create(data, size, 0, &error);
  if (!source) return sb_fail(SB_FILE, "%s: %s", label, zip_error_strerror(&error));
  return load(label, source, size, zip);
}

sb_status sb_zip_open(const char *path, sb_zip **zip) {
  struct stat info;
  zip_error_t error;
  zip_error_init(&error);
  *zip = NULL;
  if (stat(path, &info) != 0 || !S_ISREG(info.st_mode))
    return sb_fail(SB_FILE, "%s: cannot open, or not a regular file", path);
  zip_source_t *source = zip_source_file_create(path, 0, -1, &error);
  if (!source) return sb_fail(SB_FILE, "%s: %s", path, zip_error_strerror(&error));
  return load(path, source, (uint64_t)info.st_size, zip);
}

void sb_zip_close(sb_zip *z) {
  if (!z) return;
  if (z->archive) zip_discard(z->archive);
  free(z->entries);
  free(z->by_name);
  free(z->path);
  free(z);
}

const char *sb_zip_path(const sb_zip *z) { return z->path; }
int sb_zip_count(const sb_zip *z) { return z->count; }
const char *sb_zip_name(const sb_zip *z, int index) { return z->entries[index].name; }
uint64_t sb_zip_total(const sb_zip *z) { return z->total; }
uint64_t sb_zip_size(const sb_zip *z, int index) { return z->entries[index].size; }

int sb_zip_find(const sb_zip *z, const char *name) {
  int low = 0, high = z->count;
  while (low < high) {
    const int middle = low + (high - low) / 2, order = strcmp(name, z->entries[z->by_name[middle]].name);
    if (order == 0) return z->by_name[middle];
    if (order < 0)
      high = middle;
    else
      low = middle + 1;
  }
  return -1;
}

sb_status sb_zip_read(const sb_zip *z, int index, void **data) {
  enum { ALIGNMENT = 64 };
  const entry *e = &z->entries[index];
  const size_t size = (size_t)e->size;
  *data = NULL;
  zip_file_t *file = zip_fopen_index(z->archive, (zip_uint64_t)index, 0);
  if (!file)
    return sb_fail(SB_FILE, "%s: zip entry \"%.200s\": %s", z->path, e->name,
                   zip_error_strerror(zip_get_error(z->archive)));
  char *bytes = aligned_alloc(ALIGNMENT, (size + ALIGNMENT) / ALIGNMENT * ALIGNMENT);
  sb_status status = SB_OK;
  if (!bytes)
    status = sb_fail(SB_NO_MEMORY, "%s: no memory for zip entry \"%.200s\" (%zu bytes)", z->path, e->name, size);
  zip_int64_t got = 0;
  for (size_t done = 0; !status && done < size; done += (size_t)got) {
    got = zip_fread(file, bytes + done, size - done);
    if (got <= 0) break;
  }
  char beyond;
  /* the read at the end is the one that compares the CRC */
  if (!status && (got < 0 || (size && got == 0) || zip_fread(file, &beyond, 1) != 0)) {
    const int code = zip_error_code_zip(zip_file_get_error(file));
    status = sb_fail(SB_FILE, "%s: zip entry \"%.200s\": %s", z->path, e->name,
                     code == ZIP_ER_CRC ? "its CRC is wrong" : zip_file_strerror(file));
  }
  zip_fclose(file);
  if (status)
    free(bytes);
  else
    *data = bytes;
  return status;
}
