/* The PTX inside libraries: `samebits kernel extract`. */
#ifndef SAMEBITS_FATBIN_H
#define SAMEBITS_FATBIN_H

#include "samebits/status.h"

#include <stddef.h>

/* One PTX text of a library. */
typedef struct sb_fatbin_ptx {
  int sm; /* 120: made for sm_120 */
  char *text;
  size_t size; /* without the zero byte that follows it */
} sb_fatbin_ptx;

typedef struct sb_fatbin {
  sb_fatbin_ptx *ptx;
  int count;
  int machine; /* how many entries are machine code, which is left where it is */
} sb_fatbin;

/* Reads the fat binaries of a 64-bit ELF file (sections .nv_fatbin and __nv_relfatbin), or of a bare .fatbin file:
 * entries of PTX, stored, or compressed by LZ4 or by zstd (libzstd.so.1, opened when it is needed).
 * SB_FILE: not such a file, damaged, or libzstd is not there. */
sb_status sb_fatbin_read(const char *path, sb_fatbin *fatbin);
void sb_fatbin_free(sb_fatbin *fatbin);

/* Of a PTX text the entry of this name, word for word, with the functions, globals and constants of the text and the
 * shared variables that any of them names: what can be loaded without the other entries. Freed by free(). SB_USAGE: no
 * such entry. */
sb_status sb_kernel_single(const char *text, size_t size, const char *entry, char **single);

/* One LZ4 block of `size` bytes into exactly `room` bytes. SB_FILE: damaged. */
sb_status sb_lz4_block(const unsigned char *from, size_t size, unsigned char *to, size_t room);

#endif
