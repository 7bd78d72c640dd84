/* Running a case: input, computation, comparison, verdict. */
#ifndef SAMEBITS_CHECK_H
#define SAMEBITS_CHECK_H

#include "samebits/compare.h"
#include "samebits/device.h"
#include "samebits/safetensors.h"

struct sb_result;

/* Looks at a case whose bits differ: whether the difference is a known one (sb_verify_case). `expected` and `got` are
 * the two sides: prepare and convert of `both`, the reference and the device of any other step. */
typedef sb_status sb_verify(void *context, const sb_case *c, const sb_tensor in[SB_SLOTS],
                            const sb_tensor expected[SB_SLOTS], const sb_tensor got[SB_SLOTS],
                            struct sb_result *result);

/* UNVERIFIED: no row of the expectations speaks of it. */
typedef enum sb_verified { SB_UNVERIFIED, SB_VERIFIED, SB_VERIFIED_NOT } sb_verified;

typedef struct sb_check_options {
  int repeat;                  /* run each case so often; the bits must be the same every time (0 and 1: once) */
  int threads;                 /* of the reference; 0: one a core */
  const sb_safetensors *input; /* for the fill `file`; NULL: none */
  bool keep;                   /* keep x, expected and got in the result */
  bool digests;
  sb_verify *verify; /* called where bits differ; NULL: nothing is expected */
  void *verify_context;
} sb_check_options;

typedef struct sb_result {
  sb_case_status status; /* before expectations: FAIL where bits differ */
  char reason[512];
  char mechanisms[256]; /* comma list, filled in by the expectations */
  sb_verified verified;
  char verification[320]; /* why not */
  int64_t elements;       /* of x */
  bool compared[SB_SLOTS];
  int64_t different[SB_SLOTS];
  char not_compared[64];                          /* what only one side has: "packed (convert only)" */
  char digests[SB_SLOTS][SB_DIGEST_TEXT];         /* "" where absent; of `both`: convert's */
  char prepare_digests[SB_SLOTS][SB_DIGEST_TEXT]; /* of `both` */
  double seconds;
  bool kept;
  sb_tensor x, in[SB_SLOTS], expected[SB_SLOTS], got[SB_SLOTS]; /* where `keep`; allocated by sb_tensor_alloc */
} sb_result;

/* Makes the input of a case: its fill, or the tensor of the file cast to the dtype. SB_INVALID: a tensor of a wrong
 * format, rank or shape; SB_USAGE: no such tensor, or no file. */
sb_status sb_case_input(const sb_case *c, const sb_safetensors *file, sb_tensor *x);

/* Runs a case on a device.
 *   both: the device's convert against its own prepare, every tensor that both have.
 *   any other step on another device: its tensors against the reference's.
 *   any other step on `ref`: the fastest instruction set and all threads against portable C and one thread, each row
 * alone against its batch, and for prepare the composition of the single operations. The verdict is in *result; only
 * what prevents a verdict (no memory, a broken input file) is a status. */
sb_status sb_check(sb_device *device, const sb_case *c, const sb_check_options *options, sb_result *result);
void sb_result_free(sb_result *result);

/* The folder that failures are saved to, made where it is not; and one that was. how: W_OK to write, else 0. SB_FILE.
 */
sb_status sb_failures_make(const char *folder);
sb_status sb_failures_open(const char *folder, int how);

/* Writes a golden file of what was got (case.x, case.<tensor>; of `both`: convert's, under the step prepare), with
 * expected.<tensor> beside and the device record in its metadata. A single operation's other inputs are kept too. */
sb_status sb_save_failure(const char *folder, const sb_case *c, const sb_result *result, const sb_device *device);

/* Turns a case's text, in place, into the name that its file has there (without .safetensors). */
void sb_failure_name(char *text);

#endif
