#include "ref/team.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>

/* `turn` counts the calls; a thread that sees a new one and is wanted works once and counts itself done. */
static struct {
  pthread_mutex_t busy; /* held by the call that has the team */
  pthread_mutex_t lock; /* guards the rest */
  pthread_cond_t begin, end;
  sb_team_work *work;
  void *shared;
  atomic_ulong turn;
  atomic_int left;     /* members of this turn, the caller aside, that are not done */
  int wanted, threads; /* members of this turn; threads there are */
  int looks;
  bool leaving;
  cpu_set_t places; /* of the threads: the caller's but for the one it is on, as some schedulers put all on that */
  pthread_t handles[SB_TEAM_MOST];
} team = {.busy = PTHREAD_MUTEX_INITIALIZER,
          .lock = PTHREAD_MUTEX_INITIALIZER,
          .begin = PTHREAD_COND_INITIALIZER,
          .end = PTHREAD_COND_INITIALIZER};

typedef struct seat {
  int member;
  unsigned long turn; /* the last one that was not this thread's */
  cpu_set_t places;
} seat;

static seat seats[SB_TEAM_MOST];

/* How often a waiting thread looks before it sleeps, some 0.1 ms: to sleep and be woken costs more than what most waits
 * last. Where there are more threads than cores they sleep at once. It does not yield: on a loaded machine that is
 * long. */
enum { LOOKS = 3000 };

static void look_again(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

static void *stay(void *argument) {
  seat *own = argument;
  for (int looks = 0;;) {
    for (int i = 0; i < looks && atomic_load(&team.turn) == own->turn; i++) look_again();
    pthread_mutex_lock(&team.lock);
    while (!team.leaving && (atomic_load(&team.turn) == own->turn || own->member >= team.wanted)) {
      own->turn = atomic_load(&team.turn);
      pthread_cond_wait(&team.begin, &team.lock);
    }
    if (team.leaving) break;
    own->turn = atomic_load(&team.turn);
    sb_team_work *work = team.work;
    void *shared = team.shared;
    looks = team.looks;
    const bool move = !CPU_EQUAL(&own->places, &team.places);
    own->places = team.places;
    pthread_mutex_unlock(&team.lock);
    if (move) sched_setaffinity(0, sizeof own->places, &own->places); /* a wish: it works anywhere */
    work(shared, own->member);
    if (atomic_fetch_sub(&team.left, 1) == 1) {
      pthread_mutex_lock(&team.lock);
      pthread_cond_signal(&team.end);
      pthread_mutex_unlock(&team.lock);
    }
  }
  pthread_mutex_unlock(&team.lock);
  return NULL;
}

/* A child process has none of the threads, whatever the parent's were doing. */
static void child_begins(void) {
  team.threads = 0;
  atomic_store(&team.turn, 0);
  pthread_mutex_init(&team.busy, NULL);
  pthread_mutex_init(&team.lock, NULL);
  pthread_cond_init(&team.begin, NULL);
  pthread_cond_init(&team.end, NULL);
}

static void watch_for_children(void) { pthread_atfork(NULL, NULL, child_begins); }

/* Where the library is unloaded, or the process ends, no thread is left in its code. */
__attribute__((destructor)) static void dismiss(void) {
  if (pthread_mutex_trylock(&team.busy)) return; /* exit in the middle of a call: the threads end with the process */
  pthread_mutex_lock(&team.lock);
  team.leaving = true;
  pthread_cond_broadcast(&team.begin);
  pthread_mutex_unlock(&team.lock);
  for (int i = 1; i <= team.threads; i++) pthread_join(team.handles[i], NULL);
  team.threads = 0;
  team.leaving = false;
  pthread_mutex_unlock(&team.busy);
}

/* Threads 1 to members - 1, as far as they can be started. */
static void gather(int members) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, watch_for_children);
  while (team.threads < members - 1) {
    const int i = team.threads + 1;
    seats[i] = (seat){.member = i, .turn = atomic_load(&team.turn)};
    if (pthread_create(&team.handles[i], NULL, stay, &seats[i]) != 0) return;
    team.threads = i;
  }
}

/* Where the threads may be. More cores than a cpu_set_t holds: anywhere. */
static void find_places(void) {
  CPU_ZERO(&team.places);
  if (sched_getaffinity(0, sizeof team.places, &team.places)) return;
  const int here = sched_getcpu();
  if (here >= 0 && here < CPU_SETSIZE && CPU_COUNT(&team.places) > 1) CPU_CLR((size_t)here, &team.places);
}

void sb_team_run(sb_team_work *work, void *shared, int members) {
  if (members < 2 || pthread_mutex_trylock(&team.busy)) {
    work(shared, 0);
    return;
  }
  pthread_mutex_lock(&team.lock);
  gather(members);
  find_places();
  if (members > team.threads + 1) members = team.threads + 1;
  const int looks = members - 1 <= CPU_COUNT(&team.places) ? LOOKS : 0;
  team.looks = looks;
  team.work = work;
  team.shared = shared;
  team.wanted = members;
  atomic_store(&team.left, members - 1);
  atomic_fetch_add(&team.turn, 1);
  pthread_cond_broadcast(&team.begin);
  pthread_mutex_unlock(&team.lock);
  work(shared, 0);
  for (int i = 0; i < looks && atomic_load(&team.left) > 0; i++) look_again();
  pthread_mutex_lock(&team.lock);
  while (atomic_load(&team.left) > 0) pthread_cond_wait(&team.end, &team.lock);
  pthread_mutex_unlock(&team.lock);
  pthread_mutex_unlock(&team.busy);
}
