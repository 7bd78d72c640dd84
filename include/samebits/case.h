/* Cases: one computation on one input, with a canonical text that re-creates its bits.
 *
 *   RECIPE/SIDE/STEP@FLAVOR[+VARIANT]/DTYPE/ROWSxCOLS:gGROUP/FILL:SEED[?device=DEVICE]
 * GROUP is 0 per token, row or tensor; ":gGROUP" may be left out (the recipe's default). For the fill `file`, SEED is
 * the name of a tensor of the input file. */
#ifndef SAMEBITS_CASE_H
#define SAMEBITS_CASE_H

#include "samebits/fill.h"
#include <stddef.h>

enum { SB_CASE_TEXT = 1024, SB_CASE_NAME = 256, SB_DEVICE_NAME = 256 };

typedef struct sb_case {
  sb_spec spec; /* step BOTH included */
  int64_t rows, cols;
  const sb_fill *fill; /* NULL: the fill `file` */
  uint64_t seed;
  char tensor[SB_CASE_NAME];   /* fill `file`: its name */
  char device[SB_DEVICE_NAME]; /* "" is `ref` */
} sb_case;

/* The canonical text; returns `text`. */
const char *sb_case_print(const sb_case *c, char text[SB_CASE_TEXT]);

/* SB_USAGE names the part that is malformed or unknown. */
sb_status sb_case_parse(const char *text, sb_case *c);

/* "128x4096" -> rows, cols. */
sb_status sb_shape_parse(const char *text, int64_t *rows, int64_t *cols);

/* Whether `pattern` (*, ?, [...]; * also matches /) matches the canonical text. */
bool sb_case_matches(const char *pattern, const char *text);

typedef enum sb_case_status {
  SB_PASS,
  SB_FAIL,
  SB_EXPECTED,
  SB_XPASS,
  SB_ERROR,
  SB_CRASH,
  SB_TIMEOUT,
  SB_SKIP,
  SB_CASE_UNSUPPORTED,
  SB_MISTRUSTED,
  SB_UNPROVEN,
  SB_NOTRUN,
  SB_CASE_STATUSES
} sb_case_status;

extern const char *const sb_case_status_names[SB_CASE_STATUSES]; /* "PASS", ... */
sb_status sb_case_status_parse(const char *name, sb_case_status *status);

#endif
