/* race.h: what the check of global memory between blocks keeps. Each 4-byte word has a cell of two tags: who wrote it
   in this launch, and who read it. A tag is the block + 1 and flags beside the bytes of the word that it holds for;
   where the bytes of a word have different tags the word has a RaceBytes of its own. Whoever looks at the cells of a
   range holds it: check, mark and the store itself are one step for the other blocks. */
#ifndef EMU_RACE_H
#define EMU_RACE_H
#include "emu.h"

enum {
  RACE_BYTES = 15,        /* bytes of the word; 0 in a writer that is not 0: the word has a RaceBytes */
  RACE_SEVERAL = 1 << 4,  /* more blocks than the one named */
  RACE_VARIED = 1 << 5,   /* writer: a store changed what an earlier one of this launch had stored */
  RACE_VOLATILE = 1 << 6, /* writer: volatile or relaxed stores only */
  RACE_SYNCED = 1 << 7,   /* writer: each storing block had done an atomic before */
  RACE_NC = 1 << 5,       /* reader: one load was non-coherent */
  RACE_ATOMIC = 1 << 6,   /* reader: one access was an atomic */
  RACE_FINAL = 1 << 7,    /* reader: one was a plain load behind which the code has no atomic */
  RACE_PLAIN = 1 << 8,    /* reader: one was a load that is no atomic */
  RACE_BLOCK = 9,
  RACE_BLOCK_MAX = (1 << 23) - 2
};
typedef struct {
  u32 writer[4], reader[4]; /* tags without bytes; 0: nobody */
} RaceBytes;
/* Why races were not looked for everywhere: more blocks than tags, no memory for cells, more barriers than times. */
enum { RACE_GAP_BLOCKS = 1, RACE_GAP_MEMORY = 2, RACE_GAP_TIMES = 4 };
typedef struct RaceTable RaceTable; /* of one launch */

RaceTable *race_table_new(void);
/* An atomic access of a lane, before it is made. The caller holds the bytes. */
bool check_global_atomic(Warp *w, const Insn *i, const MemOp *m, u32 lane, u64 address, u32 bytes);
void race_table_free(RaceTable *t);
/* The word of a spilled cell; a cell's first RaceBytes (NULL: no room). The caller holds the word. */
RaceBytes *race_bytes(RaceTable *t, u32 writer);
RaceBytes *race_spill(RaceTable *t, u32 *writer, u32 *reader);
/* Blocks that stored a byte that several stored. Once the table is full everybody counts as one of them. */
void race_wrote(RaceTable *t, u64 address, u64 block);
bool race_has_written(RaceTable *t, u64 address, u64 block);

/* At most 1024 bytes from `address` on belong to the caller until race_release. */
typedef struct {
  u32 first, second;
} RaceHold;
#define RACE_NOTHING_HELD ((RaceHold){~0u, ~0u})
RaceHold race_hold(u64 address, u32 bytes);
void race_release(RaceHold h);

/* The cells of an allocation in this launch: all writers, behind them all readers. NULL: no memory for them. */
u32 *race_cells(Launch *l, Alloc *al);
void race_cells_free(Alloc *al);
static inline u64 race_words(const Alloc *al) { return al->size / 4 + 2; }

/* A given order of the accesses of blocks (samebitsEmuSetSchedule). */
struct Schedule {
  const char *steps;
  u64 running, ended;
  pthread_mutex_t lock;
  pthread_cond_t moved;
};
void schedule_begin(Schedule *s, const char *steps);
void schedule_step(Schedule *s, u64 block);
void schedule_leave(Schedule *s, u64 block);
#endif
