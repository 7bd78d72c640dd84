/* Cases spread over processes. The cases of one input (its steps) are a unit: a process takes the next unit from a
 * counter that all share, and makes the input once. It writes each result into its pipe, and the parent takes them as
 * they come. A pipe is smaller than a result: a process that has one waits with it until the parent takes it, so that a
 * run that is killed loses no more than one case a process. */
#include "samebits/pool.h"

#include "conformance/recall.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xxhash.h>

enum { MAX_JOBS = 64, PIPE = 4096, MESSAGE = 1024, NONE = -1 };

typedef struct reply {
  int index; /* in the list of cases */
  sb_status status;
  char message[MESSAGE];
  sb_result result;
} reply;
static_assert(sizeof(reply) > PIPE, "a result must not fit into a pipe");

/* A case's place in the order of work: cases of one input follow one another. */
typedef struct place {
  uint64_t input;
  int first, index; /* the unit's first case and this one, in the list */
} place;

/* What the processes and the parent see of one another. */
typedef struct shared {
  atomic_int next;         /* the first place of a unit that nobody has taken */
  atomic_int at[MAX_JOBS]; /* the place of each process's case; NONE: it has none */
} shared;

typedef struct pool {
  const char *device;
  sb_device_options device_options;
  sb_check_options options;
  const sb_case *cases;
  place *order;
  reply **held; /* by index in the list: what ended before a case that stands before it */
  bool *ended;
  int count, jobs, left, given; /* left: cases that have not ended; given: those that `on` has seen */
  int pipes[MAX_JOBS];
  pid_t pids[MAX_JOBS];
  shared *shared;
  sb_on_result *first, *on;
  void *context;
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

static bool begins_unit(const pool *p, int at) {
  return at == p->count || at == 0 || p->order[at].first != p->order[at - 1].first;
}

/* Takes the unit that nobody has taken; p->count: there is none. */
static int take_unit(const pool *p) {
  int at = atomic_load(&p->shared->next), end;
  do {
    if (at == p->count) return at;
    for (end = at + 1; !begins_unit(p, end);) end++;
  } while (!atomic_compare_exchange_weak(&p->shared->next, &at, end));
  return at;
}

/* What a process does, the rest of a unit from `at` on first; it never returns. */
static void work(const pool *p, int job, int at, int file) {
  static reply r;
  sb_device *device = NULL;
  setenv("SAMEBITS_EMU_THREADS", "1", 0);
  /* Tensors of every case come from the same pages, which are not given back in between. */
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, 256 << 20);
  const sb_status opened = sb_device_open(p->device, &p->device_options, &device);
  for (at = begins_unit(p, at) ? take_unit(p) : at; at < p->count;) {
    atomic_store(&p->shared->at[job], at);
    memset(&r, 0, sizeof r);
    r.index = p->order[at].index;
    limit(p->device_options.timeout);
    r.status = opened ? opened : sb_check(device, &p->cases[r.index], &p->options, &r.result);
    if (r.status) snprintf(r.message, sizeof r.message, "%s", sb_message());
    alarm(0); /* the parent may be long in taking it */
    if (!put(file, &r, sizeof r)) break;
    if (begins_unit(p, ++at)) at = take_unit(p);
  }
  _exit(0);
}

static sb_status start(pool *p, int job, int at) {
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
    work(p, job, at, ends[1]);
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

/* Gives a result to its caller: at once, and once more where every case before it has been given. */
static sb_status give(pool *p, const reply *r, const bool *stop) {
  sb_status status = SB_OK;
  reply *mine = malloc(sizeof *mine);
  if (!mine) return sb_fail(SB_NO_MEMORY, "no memory for a result");
  *mine = *r;
  p->held[r->index] = mine;
  p->ended[r->index] = true;
  p->left--;
  if (p->first && !r->status) status = p->first(p->context, &p->cases[r->index], SB_OK, &mine->result);
  while (p->given < p->count && p->ended[p->given] && !status && !*stop) {
    reply *next = p->held[p->given];
    if (next->status) sb_fail(next->status, "%s", next->message);
    status = p->on(p->context, &p->cases[p->given], next->status, &next->result);
    free(next);
    p->held[p->given++] = NULL;
  }
  return status;
}

/* A process has ended: the case that it was in, if any, is a CRASH or a TIMEOUT, and another process goes on. */
static sb_status ended(pool *p, int job, const bool *stop) {
  static reply r;
  const int how = finish(p, job, false), at = atomic_load(&p->shared->at[job]);
  if (at == NONE || p->ended[p->order[at].index]) /* between two cases */
    return WIFEXITED(how) && WEXITSTATUS(how) == 0 ? SB_OK : start(p, job, at == NONE ? 0 : at + 1);
  memset(&r, 0, sizeof r);
  r.index = p->order[at].index;
  r.result.status = SB_CRASH;
  if (WIFSIGNALED(how) && WTERMSIG(how) == SIGALRM) {
    r.result.status = SB_TIMEOUT;
    snprintf(r.result.reason, sizeof r.result.reason, "it was not done in %g s", p->device_options.timeout);
  } else if (WIFSIGNALED(how))
    snprintf(r.result.reason, sizeof r.result.reason, "the process ended by %s", strsignal(WTERMSIG(how)));
  else
    snprintf(r.result.reason, sizeof r.result.reason, "the process ended with status %d", WEXITSTATUS(how));
  const sb_status status = give(p, &r, stop);
  return status || p->left == 0 ? status : start(p, job, at + 1);
}

/* Every process has ended: one was killed between taking a unit and beginning it. */
static sb_status give_up(pool *p, const bool *stop) {
  static reply r;
  sb_status status = SB_OK;
  for (int i = 0; i < p->count && !status && !*stop; i++) {
    if (p->ended[i]) continue;
    memset(&r, 0, sizeof r);
    r.index = i;
    r.result.status = SB_CRASH;
    snprintf(r.result.reason, sizeof r.result.reason, "its process was ended before it began");
    status = give(p, &r, stop);
  }
  return status;
}

static sb_status take_results(pool *p, const bool *stop) {
  static reply r;
  sb_status status = SB_OK;
  while (p->left > 0 && !status && !*stop) {
    struct pollfd files[MAX_JOBS];
    int open = 0;
    for (int job = 0; job < p->jobs; job++) {
      files[job] = (struct pollfd){.fd = p->pipes[job], .events = POLLIN};
      open += p->pipes[job] >= 0;
    }
    if (open == 0) {
      status = give_up(p, stop);
      continue;
    }
    if (poll(files, (nfds_t)p->jobs, -1) < 0) {
      if (errno != EINTR) status = sb_fail(SB_NO_MEMORY, "poll: %s", strerror(errno));
      continue;
    }
    for (int job = 0; job < p->jobs && !status && !*stop; job++) {
      if (!files[job].revents) continue;
      status = get(p->pipes[job], &r, sizeof r) ? give(p, &r, stop) : ended(p, job, stop);
    }
  }
  return status;
}

static int by_input(const void *a, const void *b) {
  const place *x = a, *y = b;
  if (x->input != y->input) return x->input < y->input ? -1 : 1;
  return x->index < y->index ? -1 : 1;
}

static int by_first(const void *a, const void *b) {
  const place *x = a, *y = b;
  return x->first != y->first ? (x->first < y->first ? -1 : 1) : (x->index < y->index ? -1 : 1);
}

/* Units in the order of their first cases. */
static void find_order(pool *p) {
  char text[SB_CASE_TEXT];
  for (int i = 0; i < p->count; i++) {
    sb_input_key(&p->cases[i], text);
    p->order[i] = (place){XXH3_64bits(text, strlen(text)), i, i};
  }
  if (p->jobs < 2) return; /* one process: in the order of the list */
  qsort(p->order, (size_t)p->count, sizeof *p->order, by_input);
  for (int i = 1; i < p->count; i++)
    if (p->order[i].input == p->order[i - 1].input) p->order[i].first = p->order[i - 1].first;
  qsort(p->order, (size_t)p->count, sizeof *p->order, by_first);
}

static sb_status run_pool(pool *p, const bool *stop) {
  p->order = calloc((size_t)p->count, sizeof *p->order);
  /* NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers */
  p->held = calloc((size_t)p->count, sizeof *p->held);
  p->ended = calloc((size_t)p->count, sizeof *p->ended);
  void *const memory = mmap(NULL, sizeof *p->shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  p->shared = memory == MAP_FAILED ? NULL : memory;
  sb_status status = SB_OK;
  if (!p->order || !p->held || !p->ended || !p->shared)
    status = sb_fail(SB_NO_MEMORY, "no memory for %d results", p->count);
  else
    find_order(p);
  for (int job = 0; job < p->jobs; job++) {
    p->pipes[job] = -1;
    if (p->shared) atomic_store(&p->shared->at[job], NONE);
  }
  for (int job = 0; job < p->jobs && !status; job++) status = start(p, job, 0);
  if (!status) status = take_results(p, stop);
  for (int job = 0; job < p->jobs; job++) finish(p, job, true);
  for (int i = 0; p->held && i < p->count; i++) free(p->held[i]);
  if (p->shared) munmap(p->shared, sizeof *p->shared);
  free(p->order);
  free(p->held);
  free(p->ended);
  return status;
}

static sb_status run_here(sb_device *device, const sb_check_options *options, const sb_case *cases, int count,
                          sb_on_result *first, sb_on_result *on, void *context, const bool *stop) {
  sb_status status = SB_OK;
  for (int i = 0; i < count && !status && !*stop; i++) {
    sb_result result;
    const sb_status checked = sb_check(device, &cases[i], options, &result);
    if (first && !checked) status = first(context, &cases[i], SB_OK, &result);
    if (!status) status = on(context, &cases[i], checked, &result);
    if (!checked) sb_result_free(&result);
  }
  return status;
}

sb_status sb_check_all(sb_device *device, const sb_device_options *device_options, const sb_check_options *options,
                       const sb_case *cases, int count, int jobs, sb_on_result *first, sb_on_result *on, void *context,
                       const bool *stop) {
  if (jobs > count) jobs = count;
  if (jobs > MAX_JOBS) jobs = MAX_JOBS;
  const bool bounded = device->family->forks && device_options->timeout > 0; /* only a process can be ended */
  if (!device->family->forks || (jobs < 2 && !bounded))
    return run_here(device, options, cases, count, first, on, context, stop);
  pool p = {.device = device->name,
            .device_options = *device_options,
            .options = *options,
            .cases = cases,
            .count = count,
            .left = count,
            .jobs = jobs,
            .first = first,
            .on = on,
            .context = context};
  if (jobs > 1) p.device_options.threads = p.options.threads = 1;
  p.options.keep = false;
  return run_pool(&p, stop);
}
