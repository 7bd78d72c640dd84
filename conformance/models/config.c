#include "conformance/models/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_JSON = 1 << 26 };

sb_status sb_json_parse(const char *label, const char *text, size_t size, json_t **value) {
  json_error_t error;
  *value = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
  if (*value) return SB_OK;
  return sb_fail(SB_FILE, "%s: not valid JSON: %s (line %d, column %d)", label, error.text, error.line, error.column);
}

sb_status sb_json_read(const char *path, json_t **value) {
  struct stat info;
  *value = NULL;
  const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return sb_fail(SB_FILE, "%s: cannot open: %s", path, strerror(errno));
  sb_status status = SB_OK;
  char *text = NULL;
  size_t done = 0;
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode))
    status = sb_fail(SB_FILE, "%s: not a regular file", path);
  else if (info.st_size > MAX_JSON)
    status = sb_fail(SB_FILE, "%s: %lld bytes exceed the limit %d", path, (long long)info.st_size, MAX_JSON);
  else if (!(text = malloc((size_t)info.st_size + 1)))
    status = sb_fail(SB_NO_MEMORY, "%s: no memory", path);
  while (!status && done < (size_t)info.st_size) {
    const ssize_t got = read(fd, text + done, (size_t)info.st_size - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) status = sb_fail(SB_FILE, "%s: cannot read: %s", path, strerror(errno));
    if (got <= 0) break;
    done += (size_t)got;
  }
  close(fd);
  if (!status) status = sb_json_parse(path, text, done, value);
  free(text);
  return status;
}
