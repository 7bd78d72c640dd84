#include "bench/copy.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

typedef struct part {
  const uint8_t *from;
  uint8_t *to;
  size_t bytes;
  pthread_t thread;
} part;

struct sb_copy {
  uint8_t *from, *to;
  int threads; /* the caller is one of them */
  part *parts;
};

sb_status sb_copy_make(int64_t bytes, int threads, sb_copy **made) {
  const long cores = sysconf(_SC_NPROCESSORS_ONLN); /* -1: not known */
  if (threads <= 0) threads = cores > 0 ? (int)cores : 1;
  const size_t size = (size_t)bytes, share = size / (size_t)threads;
  sb_copy *copy = calloc(1, sizeof *copy);
  *made = copy;
  if (!copy) return sb_fail(SB_NO_MEMORY, "bench: no memory");
  copy->threads = threads;
  copy->from = malloc(size);
  copy->to = malloc(size);
  copy->parts = calloc((size_t)threads, sizeof *copy->parts);
  if (!copy->from || !copy->to || !copy->parts) {
    sb_copy_free(copy);
    *made = NULL;
    return sb_fail(SB_NO_MEMORY, "bench: no memory for copies of %" PRId64 " bytes", bytes);
  }
  memset(copy->from, 0x5A, size);
  memset(copy->to, 0xA5, size);
  for (int i = 0; i < threads; i++) {
    const size_t begin = share * (size_t)i;
    copy->parts[i] =
        (part){.from = copy->from + begin, .to = copy->to + begin, .bytes = i + 1 < threads ? share : size - begin};
  }
  return SB_OK;
}

static void *copy_part(void *argument) {
  const part *mine = argument;
  memcpy(mine->to, mine->from, mine->bytes);
  return NULL;
}

/* A part whose thread cannot be started is copied by the caller. */
void sb_copy_once(sb_copy *copy) {
  for (int i = 1; i < copy->threads; i++)
    if (pthread_create(&copy->parts[i].thread, NULL, copy_part, &copy->parts[i]) != 0) {
      copy->parts[i].thread = pthread_self();
      copy_part(&copy->parts[i]);
    }
  copy_part(&copy->parts[0]);
  for (int i = 1; i < copy->threads; i++)
    if (!pthread_equal(copy->parts[i].thread, pthread_self())) pthread_join(copy->parts[i].thread, NULL);
}

void sb_copy_free(sb_copy *copy) {
  if (!copy) return;
  free(copy->parts);
  free(copy->from);
  free(copy->to);
  free(copy);
}

static double now(clockid_t clock) {
  struct timespec time;
  clock_gettime(clock, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static int by_value(const void *left, const void *right) {
  const double a = *(const double *)left, b = *(const double *)right;
  return (a > b) - (a < b);
}

sb_status sb_copy_bandwidth(int64_t bytes, int threads, double *bytes_per_second) {
  enum { COPIES = 7 };
  sb_copy *copy = NULL;
  const sb_status status = sb_copy_make(bytes, threads, &copy);
  if (status != SB_OK) return status;
  const clockid_t clock = threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC;
  double seconds[COPIES];
  sb_copy_once(copy);
  for (int i = 0; i < COPIES; i++) {
    const double begin = now(clock);
    sb_copy_once(copy);
    seconds[i] = now(clock) - begin;
  }
  sb_copy_free(copy);
  qsort(seconds, COPIES, sizeof *seconds, by_value);
  *bytes_per_second = 2.0 * (double)bytes / seconds[COPIES / 2];
  return SB_OK;
}
