/* The pickle machine's memory: bytes to come, stack, marks, memo, and nodes. Every function does nothing once p->status
 * is set, and sets it where the pickle is at fault. */
#ifndef SAMEBITS_MODELS_PICKLE_MACHINE_H
#define SAMEBITS_MODELS_PICKLE_MACHINE_H

#include "conformance/models/pickle.h"

enum { MAX_DEPTH = 64, MAX_MARKS = 256, MAX_NAME = 200 };

/* Nodes are kept in blocks so that a failed read frees them all. */
typedef struct block {
  struct block *next;
  int used;
  sb_pickle_node nodes[256];
} block;

struct sb_pickle {
  const char *label;
  const unsigned char *at, *begin, *end;
  block *blocks;
  sb_pickle_node **stack, **memo;
  size_t height, stack_room, memo_room;
  size_t marks[MAX_MARKS];
  int mark_count;
  sb_status status;
  bool stopped;
};

void sb_pickle_fail(sb_pickle *p, const char *what);
void sb_pickle_no_memory(sb_pickle *p);
const unsigned char *sb_pickle_take(sb_pickle *p, size_t count);
uint64_t sb_pickle_little(sb_pickle *p, size_t width);
void sb_pickle_line(sb_pickle *p, char text[MAX_NAME]);
sb_pickle_node *sb_pickle_make(sb_pickle *p, sb_pickle_kind kind);
void sb_pickle_push(sb_pickle *p, sb_pickle_node *n);
size_t sb_pickle_floor_of(const sb_pickle *p);
sb_pickle_node *sb_pickle_pop(sb_pickle *p);
sb_pickle_node *sb_pickle_top(sb_pickle *p);
size_t sb_pickle_pop_mark(sb_pickle *p);
void sb_pickle_append(sb_pickle *p, sb_pickle_node *parent, sb_pickle_node *child);
void sb_pickle_gather(sb_pickle *p, sb_pickle_node *into, size_t from);
void sb_pickle_remember(sb_pickle *p, uint64_t index);
void sb_pickle_recall(sb_pickle *p, uint64_t index);

#endif
