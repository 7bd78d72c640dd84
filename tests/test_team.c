/* The threads that stay: every piece of a queue is done once, whoever takes it. */
#include "ref/team.h"

#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PIECES = 200 };

typedef struct work {
  atomic_int next;
  atomic_int done[PIECES];
  atomic_int members[SB_TEAM_MOST];
} work;

static void take(void *shared, int member) {
  work *w = shared;
  atomic_fetch_add(&w->members[member], 1);
  for (int i; (i = atomic_fetch_add(&w->next, 1)) < PIECES;) atomic_fetch_add(&w->done[i], 1);
}

/* One call on that many members; the number of members that were called. */
static int call(int members) {
  work *w = calloc(1, sizeof *w);
  ck_assert_ptr_nonnull(w);
  sb_team_run(take, w, members);
  int once = 0;
  for (int i = 0; i < PIECES; i++) once += atomic_load(&w->done[i]) == 1;
  ck_assert_int_eq(once, PIECES);
  int called = 0;
  for (int i = 0; i < SB_TEAM_MOST; i++) {
    const int times = atomic_load(&w->members[i]);
    if (times > (i < members ? 1 : 0)) ck_abort_msg("member %d of %d was called %d times", i, members, times);
    called += times;
  }
  ck_assert_int_eq(atomic_load(&w->members[0]), 1);
  free(w);
  return called;
}

/* Every piece is done once at any number of members, growing and shrinking, and every member is called. */
START_TEST(every_piece_is_done_once) {
  static const int members[] = {1, 2, 3, 8, 2, 1, 5, SB_TEAM_MOST, 2};
  for (int turn = 0; turn < 10; turn++)
    for (size_t k = 0; k < sizeof members / sizeof *members; k++) {
      if (members[k] == SB_TEAM_MOST && turn > 0) continue;
      ck_assert_int_eq(call(members[k]), members[k]);
    }
}
END_TEST

static void *call_often(void *argument) {
  (void)argument;
  for (int i = 0; i < 200; i++) ck_assert_int_ge(call(1 + i % 4), 1);
  return NULL;
}

/* Callers at the same time do not mix their work: who does not get the threads does all of it alone. */
START_TEST(callers_at_the_same_time) {
  pthread_t callers[4];
  for (int i = 0; i < 4; i++) ck_assert_int_eq(pthread_create(&callers[i], NULL, call_often, NULL), 0);
  for (int i = 0; i < 4; i++) ck_assert_int_eq(pthread_join(callers[i], NULL), 0);
}
END_TEST

#ifndef __SANITIZE_THREAD__ /* which does not bear threads in the child of a process that had some */
/* A child process, which has none of its parent's threads, starts its own and ends. */
START_TEST(a_child_has_a_team_of_its_own) {
  ck_assert_int_eq(call(3), 3);
  for (int i = 0; i < 20; i++) {
    const pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) _exit(call(3) == 3 && call(2) == 2 ? 0 : 1);
    int how = 0;
    ck_assert_int_eq(waitpid(pid, &how, 0), pid);
    ck_assert_msg(WIFEXITED(how) && WEXITSTATUS(how) == 0, "the child ended with %d", how);
    ck_assert_int_eq(call(3), 3);
  }
}
END_TEST
#endif

int main(void) {
  Suite *suite = suite_create("team");
  TCase *tests = tcase_create("team");
  tcase_add_test(tests, every_piece_is_done_once);
  tcase_add_test(tests, callers_at_the_same_time);
#ifndef __SANITIZE_THREAD__
  tcase_add_test(tests, a_child_has_a_team_of_its_own);
#endif
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  const int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
