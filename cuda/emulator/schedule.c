/* schedule.c: blocks whose accesses to global memory take place in a given order, so that a test can try every order.
   Steps are digits: block '0' makes its next access, and goes on until the one after. Digits of blocks that have ended
   are skipped; behind the last digit all run as they come. */
#include "race.h"

void schedule_begin(Schedule *s, const char *steps) {
  s->steps = steps, s->running = ~0ull, s->ended = 0;
  pthread_mutex_init(&s->lock, NULL);
  pthread_cond_init(&s->moved, NULL);
}
static bool may_go(Schedule *s, u64 block) {
  while (*s->steps && s->ended >> (*s->steps - '0') & 1u) s->steps++;
  if (!*s->steps) return true;
  if (s->running != ~0ull || (u64)(*s->steps - '0') != block) return false;
  s->steps++, s->running = block;
  return true;
}
void schedule_step(Schedule *s, u64 block) {
  pthread_mutex_lock(&s->lock);
  if (s->running == block) s->running = ~0ull;
  pthread_cond_broadcast(&s->moved);
  while (!may_go(s, block)) pthread_cond_wait(&s->moved, &s->lock);
  pthread_cond_broadcast(&s->moved);
  pthread_mutex_unlock(&s->lock);
}
void schedule_leave(Schedule *s, u64 block) {
  pthread_mutex_lock(&s->lock);
  if (s->running == block) s->running = ~0ull;
  s->ended |= 1ull << block;
  pthread_cond_broadcast(&s->moved);
  pthread_mutex_unlock(&s->lock);
}
