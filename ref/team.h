/* Threads that stay between calls, so that a call of some milliseconds does not pay for starting them. */
#ifndef REF_TEAM_H
#define REF_TEAM_H

enum { SB_TEAM_MOST = 256 }; /* members, the caller included */

typedef void sb_team_work(void *shared, int member);

/* Calls work(shared, 0) here and work(shared, 1 .. members - 1) on threads that stay, and returns when all have
 * returned. A member whose thread cannot be started, or every other member where another call has the team, is not
 * called: the work must be one that any number of members completes, such as a queue. members: 1 to SB_TEAM_MOST. */
void sb_team_run(sb_team_work *work, void *shared, int members);

#endif
