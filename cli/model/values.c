/* Values that several subcommands of `samebits model` read and print. */
#include "cli/command.h"
#include "cli/model/model.h"

#include <math.h>
#include <stdlib.h>

error_t sb_take_group(const char *word, int64_t *group) {
  char *end;
  *group = strtoll(word, &end, 10);
  if (*end || *group <= 0) return sb_argp_error(sb_fail(SB_USAGE, "'%.60s' is no group size", word));
  return 0;
}

json_t *sb_json_number(double value) { return isfinite(value) ? json_real(value) : json_null(); }
