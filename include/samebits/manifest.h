/* Other people's kernels: a JSON manifest (docs/kernels.md) read into the records of samebits/kernels.h.
 *
 * {"kernels": [{"recipe", "side", "step", "flavor", "dtype", "file", "entry", "grid", "block", "shared", "args",
 * "when"}, ...]} `file` is relative to the manifest; `dtype` and `variant` may be left out (every one), `grid`, `block`
 * have up to three expressions or numbers, `shared` one (default 0), `args` is the list of parameters, `when` an
 * optional condition. */
#ifndef SAMEBITS_MANIFEST_H
#define SAMEBITS_MANIFEST_H

#include "samebits/kernels.h"

typedef struct sb_manifest {
  int count;
  sb_kernel *kernels;
  char **texts;  /* the PTX of each */
  void *storage; /* what the strings live in */
} sb_manifest;

/* SB_FILE: the manifest or a kernel's file cannot be read; SB_INVALID: names the entry and the key that is wrong. */
sb_status sb_manifest_load(const char *path, sb_manifest *manifest);
void sb_manifest_free(sb_manifest *manifest);

#endif
