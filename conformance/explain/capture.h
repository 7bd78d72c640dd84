/* What was captured from a kernel: inputs and tensors of one computation, several cases. */
#ifndef SAMEBITS_EXPLAIN_CAPTURE_H
#define SAMEBITS_EXPLAIN_CAPTURE_H

#include "conformance/contract/library.h"
#include "samebits/safetensors.h"

typedef struct sb_captured {
  int rank;
  int64_t dims[SB_MAX_RANK];
  int format;
  int64_t count;
  double *values; /* NULL: the capture has not this tensor */
} sb_captured;

typedef struct sb_capture_case {
  char *name;
  int64_t rows, cols;
  sb_env env;       /* with x and the step's inputs bound, all rows */
  sb_inputs inputs; /* what the bindings point to */
  sb_captured slot[SB_SLOTS];
} sb_capture_case;

typedef struct sb_capture {
  sb_contract_case at;
  int count;
  sb_capture_case *cases;
} sb_capture;

/* From a golden-format file. Shapes of what was captured are free (layouts are looked at later); x is not. SB_FILE when
 * it holds no case, or nothing but x. `base` overrides the computation that the metadata name (its contract), may be
 * NULL. */
sb_status sb_capture_open(const char *path, sb_capture *capture);
sb_status sb_capture_read(const sb_safetensors *file, sb_capture *capture);
/* From tensors in memory: one case. */
sb_status sb_capture_make(const sb_contract_case *at, const char *name, const sb_tensor in[SB_SLOTS],
                          const sb_tensor out[SB_SLOTS], sb_capture *capture);
/* One more case of the same computation. */
sb_status sb_capture_add(sb_capture *capture, const char *name, const sb_tensor in[SB_SLOTS],
                         const sb_tensor out[SB_SLOTS]);
void sb_capture_close(sb_capture *capture);

/* Whether the step yields slot `s` (so that it can be explained) rather than takes it. */
bool sb_step_yields(const sb_contract_case *c, sb_slot s);

#endif
