/* The verdict of a case: what weighs more stays. */
#include "conformance/check.h"

#include <stdarg.h>
#include <stdio.h>

void sb_verdict(sb_result *result, sb_case_status status, const char *format, ...) {
  static const int weight[SB_CASE_STATUSES] = {
      [SB_FAIL] = 1, [SB_MISTRUSTED] = 2, [SB_UNPROVEN] = 3, [SB_CASE_UNSUPPORTED] = 4,
      [SB_SKIP] = 5, [SB_ERROR] = 6,      [SB_TIMEOUT] = 7,  [SB_CRASH] = 8};
  if (weight[status] <= weight[result->status]) return;
  result->status = status;
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(result->reason, sizeof result->reason, format, arguments);
  va_end(arguments);
}
