/* Blobs on a pipe. */
#include "samebits/worker.h"

#include <endian.h>
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

double sb_now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* Waits until the file can be read or written. */
static sb_status wait_for(int file, short events, double deadline, bool *timeout) {
  for (;;) {
    const double left = deadline - sb_now();
    struct pollfd at = {.fd = file, .events = events};
    const int ready = poll(&at, 1, !isfinite(deadline) ? -1 : left <= 0 ? 0 : (int)fmin(left * 1000 + 1, 1e9));
    if (ready > 0) return SB_OK;
    if (ready < 0 && errno != EINTR) return sb_fail(SB_DEVICE, "poll: %s", strerror(errno));
    if (ready == 0 && left <= 0) {
      *timeout = true;
      return sb_fail(SB_DEVICE, "it was not done in time");
    }
  }
}

static sb_status put_bytes(int file, const char *data, size_t size, double deadline, bool *timeout) {
  while (size > 0) {
    sb_status status = wait_for(file, POLLOUT, deadline, timeout);
    if (status) return status;
    /* a pipe that is ready takes PIPE_BUF bytes without blocking */
    const ssize_t n = write(file, data, size < 4096 ? size : 4096);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (n <= 0) return sb_fail(SB_DEVICE, "it does not read: %s", strerror(errno));
    data += n;
    size -= (size_t)n;
  }
  return SB_OK;
}

/* Fills as much as there is; *got tells where the input ends. */
static sb_status get_bytes(int file, char *data, size_t size, double deadline, size_t *got, bool *timeout) {
  for (*got = 0; *got < size;) {
    sb_status status = wait_for(file, POLLIN, deadline, timeout);
    if (status) return status;
    const ssize_t n = read(file, data + *got, size - *got);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (n < 0) return sb_fail(SB_DEVICE, "it cannot be read: %s", strerror(errno));
    if (n == 0) return SB_OK;
    *got += (size_t)n;
  }
  return SB_OK;
}

sb_status sb_blob_put(int file, const sb_safetensors_writer *blob, double deadline, bool *timeout) {
  void *data;
  size_t size;
  *timeout = false;
  sb_status status = sb_safetensors_encode(blob, &data, &size);
  if (status) return status;
  const uint64_t length = htole64(size);
  status = put_bytes(file, (const char *)&length, sizeof length, deadline, timeout);
  if (!status) status = put_bytes(file, data, size, deadline, timeout);
  free(data);
  return status;
}

sb_status sb_blob_get(int file, const char *label, size_t limit, double deadline, sb_safetensors **blob,
                      bool *timeout) {
  uint64_t length = 0;
  size_t got;
  *blob = NULL;
  *timeout = false;
  sb_status status = get_bytes(file, (char *)&length, sizeof length, deadline, &got, timeout);
  if (status || got == 0) return status;
  length = le64toh(length);
  if (got < sizeof length) return sb_fail(SB_FILE, "%s: it ended in the middle of a length", label);
  if (length > limit)
    return sb_fail(SB_FILE, "%s: it announces %llu bytes, at most %zu make sense", label, (unsigned long long)length,
                   limit);
  char *data = malloc(length ? length : 1);
  if (!data) return sb_fail(SB_NO_MEMORY, "%s: no memory for %llu bytes", label, (unsigned long long)length);
  status = get_bytes(file, data, length, deadline, &got, timeout);
  if (!status && got < length)
    status =
        sb_fail(SB_FILE, "%s: it announced %llu bytes and ended after %zu", label, (unsigned long long)length, got);
  if (!status) status = sb_safetensors_parse(label, data, length, blob);
  free(data);
  return status;
}
