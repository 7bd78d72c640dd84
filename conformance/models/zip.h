/* A zip archive as torch.save writes it: stored entries, each read whole with its CRC checked. */
#ifndef SAMEBITS_MODELS_ZIP_H
#define SAMEBITS_MODELS_ZIP_H

#include "samebits/status.h"
#include <stddef.h>
#include <stdint.h>

typedef struct sb_zip sb_zip;

/* SB_FILE: no zip archive, truncated, inconsistent, an entry twice, an entry that is compressed or encrypted. The bytes
 * of sb_zip_parse must outlive the archive. */
sb_status sb_zip_open(const char *path, sb_zip **zip);
sb_status sb_zip_parse(const char *label, const void *data, size_t size, sb_zip **zip);
void sb_zip_close(sb_zip *zip); /* NULL is allowed */

const char *sb_zip_path(const sb_zip *zip);
int sb_zip_count(const sb_zip *zip);
const char *sb_zip_name(const sb_zip *zip, int index);
int sb_zip_find(const sb_zip *zip, const char *name); /* -1: none */
uint64_t sb_zip_size(const sb_zip *zip, int index);
uint64_t sb_zip_total(const sb_zip *zip); /* bytes of all entries; at most the file's */

/* Reads an entry into newly allocated memory (64-byte aligned, free()). SB_FILE: it is truncated, or its CRC is not
 * right. */
sb_status sb_zip_read(const sb_zip *zip, int index, void **data);

#endif
