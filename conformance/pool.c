/* Cases spread over processes. Process p of n runs cases p, p + n, p + 2n ... and writes each result into its pipe; the
 * parent reads the pipes in the order of the cases. A pipe is smaller than a result: a process that has one waits with
 * it until the parent takes it, so that a run that is killed loses no more than one case a process. */
#include "samebits/pool.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_JOBS = 64, PIPE = 4096 };

typedef struct reply {
  sb_status status;
  char message[PIPE];
  sb_result result;
} reply;
static_assert(sizeof(reply) > PIPE, "a result must not fit into a pipe");

typedef struct pool {
  const char *device;
  sb_device_options device_options;
  sb_check_options options;
  const sb_case *cases;
  int count, jobs;
  int pipes[MAX_JOBS];
  pid_t pids[MAX_JOBS];
} pool;

static bool put(int file, const void *data, size_t size) {
  for (const char *at = data; size > 0;) {
    const ssize_t n = write(file, at, size);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    at += n;
    size -= (size_t)n;
  }
  return true;
}

static bool get(int file, void *data, size_t size) {
  for (char *at = data; size > 0;) {
    const ssize_t n = read(file, at, size);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    at += n;
    size -= (size_t)n;
  }
  return true;
}

/* Ends this process by SIGALRM if the case that begins now is not done in time. A device that stops itself is given a
 * second more, to say where it was. */
static void limit(double seconds) {
  if (seconds <= 0) return;
  signal(SIGALRM, SIG_DFL);
  alarm((unsigned)seconds + 1);
}

/* What a process does from case `first` on; it never returns. */
static void work(const pool *p, int first, int file) {
  static reply r;
  sb_device *device = NULL;
  setenv("SAMEBITS_EMU_THREADS", "1", 0);
  const sb_status opened = sb_device_open(p->device, &p->device_options, &device);
  for (int i = first; i < p->count; i += p->jobs) {
    memset(&r, 0, sizeof r);
    limit(p->device_options.timeout);
    r.status = opened ? opened : sb_check(device, &p->cases[i], &p->options, &r.result);
    if (r.status) snprintf(r.message, sizeof r.message, "%s", sb_message());
    alarm(0); /* the parent may be long in taking it */
    if (!put(file, &r, sizeof r)) break;
  }
  _exit(0);
}

static sb_status start(pool *p, int job, int first) {
  int ends[2];
  if (pipe(ends)) return sb_fail(SB_NO_MEMORY, "no pipe for a process: %s", strerror(errno));
  fflush(NULL);
  const pid_t parent = getpid(), pid = fork();
  if (pid < 0) {
    close(ends[0]);
    close(ends[1]);
    return sb_fail(SB_NO_MEMORY, "no process for cases: %s", strerror(errno));
  }
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(0);
    close(ends[0]);
    for (int i = 0; i < p->jobs; i++)
      if (p->pipes[i] >= 0) close(p->pipes[i]);
    work(p, first, ends[1]);
  }
  close(ends[1]);
  fcntl(ends[0], F_SETPIPE_SZ, PIPE);
  p->pipes[job] = ends[0];
  p->pids[job] = pid;
  return SB_OK;
}

/* Ends a process that may still run, and says how it ended. */
static int finish(pool *p, int job, bool end) {
  int how = 0;
  if (p->pids[job] <= 0) return 0;
  if (end) kill(p->pids[job], SIGKILL);
  close(p->pipes[job]);
  while (waitpid(p->pids[job], &how, 0) < 0 && errno == EINTR) continue;
  p->pids[job] = 0;
  p->pipes[job] = -1;
  return how;
}

static sb_status next(pool *p, int i, reply *r) {
  const int job = i % p->jobs;
  if (get(p->pipes[job], r, sizeof *r)) return SB_OK;
  const int how = finish(p, job, false);
  memset(r, 0, sizeof *r);
  r->result.status = SB_CRASH;
  if (WIFSIGNALED(how) && WTERMSIG(how) == SIGALRM) {
    r->result.status = SB_TIMEOUT;
    snprintf(r->result.reason, sizeof r->result.reason, "it was not done in %g s", p->device_options.timeout);
  } else if (WIFSIGNALED(how))
    snprintf(r->result.reason, sizeof r->result.reason, "the process ended by %s", strsignal(WTERMSIG(how)));
  else
    snprintf(r->result.reason, sizeof r->result.reason, "the process ended with status %d", WEXITSTATUS(how));
  return i + p->jobs < p->count ? start(p, job, i + p->jobs) : SB_OK;
}

static sb_status run_here(sb_device *device, const sb_check_options *options, const sb_case *cases, int count,
                          sb_on_result *on, void *context, const bool *stop) {
  sb_status status = SB_OK;
  for (int i = 0; i < count && !status && !*stop; i++) {
    sb_result result;
    const sb_status checked = sb_check(device, &cases[i], options, &result);
    status = on(context, &cases[i], checked, &result);
    if (!checked) sb_result_free(&result);
  }
  return status;
}

sb_status sb_check_all(sb_device *device, const sb_device_options *device_options, const sb_check_options *options,
                       const sb_case *cases, int count, int jobs, sb_on_result *on, void *context, const bool *stop) {
  if (jobs > count) jobs = count;
  if (jobs > MAX_JOBS) jobs = MAX_JOBS;
  const bool bounded = device->family->forks && device_options->timeout > 0; /* only a process can be ended */
  if (!device->family->forks || (jobs < 2 && !bounded))
    return run_here(device, options, cases, count, on, context, stop);
  pool p = {.device = device->name,
            .device_options = *device_options,
            .options = *options,
            .cases = cases,
            .count = count,
            .jobs = jobs};
  if (jobs > 1) p.device_options.threads = p.options.threads = 1;
  p.options.keep = false;
  for (int job = 0; job < jobs; job++) p.pipes[job] = -1;
  sb_status status = SB_OK;
  for (int job = 0; job < jobs && !status; job++) status = start(&p, job, job);
  reply *r = malloc(sizeof *r);
  if (!r && !status) status = sb_fail(SB_NO_MEMORY, "no memory for a result");
  for (int i = 0; i < count && !status && !*stop; i++) {
    status = next(&p, i, r);
    if (!status && r->status) sb_fail(r->status, "%s", r->message);
    if (!status) status = on(context, &cases[i], r->status, &r->result);
  }
  free(r);
  for (int job = 0; job < jobs; job++) finish(&p, job, true);
  return status;
}
