/* Seeds as words of a selection. */
#include "samebits/select.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_SEEDS = 10000000 };

/* A seed: digits that fit in 64 bits. */
static bool seed_number(const char **text, uint64_t *seed) {
  char *end;
  if (**text < '0' || **text > '9') return false;
  errno = 0;
  *seed = strtoull(*text, &end, 10);
  *text = end;
  return errno == 0;
}

sb_status sb_seeds_parse(const char *text, uint64_t *first, uint64_t *last) {
  const char *at = text;
  bool valid = seed_number(&at, first);
  *last = *first;
  if (valid && strncmp(at, "..", 2) == 0) {
    at += 2;
    valid = seed_number(&at, last) && *first <= *last;
  }
  if (!valid || *at) return sb_fail(SB_USAGE, "seed '%.60s' is neither a number below 2^64 nor FIRST..LAST", text);
  if (*last - *first >= MOST_SEEDS) return sb_fail(SB_USAGE, "seeds '%.60s' are more than %d", text, MOST_SEEDS);
  return SB_OK;
}
