#include "samebits/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#undef sb_fail /* what the analyzer is told of them */
#undef sb_fail_in

enum { MESSAGE_SIZE = 1024 };
static _Thread_local char message[MESSAGE_SIZE];

sb_status sb_fail(sb_status status, const char *format, ...) {
  va_list args;
  va_start(args, format);
  (void)vsnprintf(message, sizeof message, format, args);
  va_end(args);
  return status;
}

sb_status sb_fail_in(sb_status status, const char *prefix_format, ...) {
  char before[MESSAGE_SIZE];
  memcpy(before, message, sizeof before);
  va_list args;
  va_start(args, prefix_format);
  const int used = vsnprintf(message, sizeof message, prefix_format, args);
  va_end(args);
  if (used >= 0 && used < MESSAGE_SIZE) {
    (void)snprintf(message + used, sizeof message - (size_t)used, ": %.*s", MESSAGE_SIZE - 1 - used, before);
  }
  return status;
}

const char *sb_message(void) { return message; }
