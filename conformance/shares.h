/* Work in fixed shares, each on a thread. */
#ifndef CONFORMANCE_SHARES_H
#define CONFORMANCE_SHARES_H

#include <stddef.h>

enum { SB_SHARES_MOST = 64 };

/* Calls work on each of `count` shares of `size` bytes, the first one and those whose thread cannot be started by the
 * caller itself, and returns when all have returned. count: at most SB_SHARES_MOST. */
void sb_shares_run(void *(*work)(void *share), void *shares, size_t size, int count);

#endif
