#include "conformance/shares.h"

#include <pthread.h>
#include <stdbool.h>

void sb_shares_run(void *(*work)(void *share), void *shares, size_t size, int count) {
  pthread_t threads[SB_SHARES_MOST];
  bool started[SB_SHARES_MOST] = {false};
  for (int k = 1; k < count; k++)
    started[k] = pthread_create(&threads[k], NULL, work, (char *)shares + size * (size_t)k) == 0;
  for (int k = 0; k < count; k++)
    if (!started[k]) (void)work((char *)shares + size * (size_t)k);
  for (int k = 1; k < count; k++)
    if (started[k]) (void)pthread_join(threads[k], NULL);
}
