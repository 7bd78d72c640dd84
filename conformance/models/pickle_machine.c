#include "conformance/models/pickle_machine.h"

#include <stdio.h>
#include <stdlib.h>

void sb_pickle_fail(sb_pickle *p, const char *what) {
  if (!p->status) p->status = sb_fail(SB_FILE, "%s: %s (byte %td of the pickle)", p->label, what, p->at - p->begin);
}

void sb_pickle_no_memory(sb_pickle *p) {
  if (!p->status) p->status = sb_fail(SB_NO_MEMORY, "%s: no memory for the pickle", p->label);
}

/* ---- bytes ---- */

const unsigned char *sb_pickle_take(sb_pickle *p, size_t count) {
  if (p->status) return NULL;
  if ((size_t)(p->end - p->at) < count) {
    sb_pickle_fail(p, "the pickle ends in the middle of an opcode");
    return NULL;
  }
  const unsigned char *from = p->at;
  p->at += count;
  return from;
}

uint64_t sb_pickle_little(sb_pickle *p, size_t width) {
  const unsigned char *from = sb_pickle_take(p, width);
  uint64_t value = 0;
  for (size_t i = width; from && i-- > 0;) value = value << 8 | from[i];
  return value;
}

/* A line of a GLOBAL: printable ASCII, so that it can be told in a message. */
void sb_pickle_line(sb_pickle *p, char text[MAX_NAME]) {
  size_t length = 0;
  for (;;) {
    const unsigned char *c = sb_pickle_take(p, 1);
    text[length] = 0;
    if (!c || *c == '\n') return;
    if (*c < 0x20 || *c > 0x7e || length + 1 == MAX_NAME) {
      sb_pickle_fail(p, "a global's name is too long or not printable");
      return;
    }
    text[length++] = (char)*c;
  }
}

/* ---- nodes ---- */

sb_pickle_node *sb_pickle_make(sb_pickle *p, sb_pickle_kind kind) {
  if (p->status) return NULL;
  if (!p->blocks || p->blocks->used == 256) {
    block *b = calloc(1, sizeof *b);
    if (!b) {
      sb_pickle_no_memory(p);
      return NULL;
    }
    b->next = p->blocks;
    p->blocks = b;
  }
  sb_pickle_node *n = &p->blocks->nodes[p->blocks->used++];
  n->kind = kind;
  n->depth = 1;
  n->weight = 1;
  return n;
}

void sb_pickle_push(sb_pickle *p, sb_pickle_node *n) {
  if (p->status || !n) return;
  if (p->height == p->stack_room) {
    const size_t room = p->stack_room ? 2 * p->stack_room : 64;
    sb_pickle_node **stack = reallocarray(p->stack, room, sizeof(sb_pickle_node *));
    if (!stack) {
      sb_pickle_no_memory(p);
      return;
    }
    p->stack = stack;
    p->stack_room = room;
  }
  p->stack[p->height++] = n;
}

/* The lowest height that may be popped: what lies under the last mark belongs to an outer construction. */
size_t sb_pickle_floor_of(const sb_pickle *p) { return p->mark_count ? p->marks[p->mark_count - 1] : 0; }

sb_pickle_node *sb_pickle_pop(sb_pickle *p) {
  if (p->status) return NULL;
  if (p->height == sb_pickle_floor_of(p)) {
    sb_pickle_fail(p, "the pickle takes from an empty stack");
    return NULL;
  }
  return p->stack[--p->height];
}

sb_pickle_node *sb_pickle_top(sb_pickle *p) {
  sb_pickle_node *n = sb_pickle_pop(p);
  if (n) p->height++;
  return n;
}

size_t sb_pickle_pop_mark(sb_pickle *p) {
  if (p->status) return p->height;
  if (p->mark_count == 0) {
    sb_pickle_fail(p, "the pickle has no mark where one is needed");
    return p->height;
  }
  return p->marks[--p->mark_count];
}

/* Puts `child` into `parent`, which nothing holds yet: so no cycle can come about. */
void sb_pickle_append(sb_pickle *p, sb_pickle_node *parent, sb_pickle_node *child) {
  if (p->status || !parent || !child) return;
  if (parent == child || parent->used) {
    sb_pickle_fail(p, "the pickle changes an object that it has already used");
    return;
  }
  child->used = true;
  if (child->depth + 1 > parent->depth) parent->depth = child->depth + 1;
  parent->weight += child->weight;
  const int64_t most = 1024 + 16 * (int64_t)(p->end - p->begin); /* honest pickles have less than one a byte */
  if (parent->depth > MAX_DEPTH || parent->weight > most) {
    sb_pickle_fail(p, parent->depth > MAX_DEPTH ? "the pickle is nested deeper than 64"
                                                : "the pickle describes too many objects");
    return;
  }
  if (parent->count == parent->room) {
    const int room = parent->room ? 2 * parent->room : 4;
    sb_pickle_node **items = reallocarray(parent->items, (size_t)room, sizeof(sb_pickle_node *));
    if (!items) {
      sb_pickle_no_memory(p);
      return;
    }
    parent->items = items;
    parent->room = room;
  }
  parent->items[parent->count++] = child;
}

void sb_pickle_gather(sb_pickle *p, sb_pickle_node *into, size_t from) {
  for (size_t i = from; i < p->height && !p->status; i++) sb_pickle_append(p, into, p->stack[i]);
  if (!p->status) p->height = from;
}

void sb_pickle_remember(sb_pickle *p, uint64_t index) {
  sb_pickle_node *n = sb_pickle_top(p);
  if (!n) return;
  if (index >= (uint64_t)(p->end - p->begin)) {
    sb_pickle_fail(p, "a memo index is larger than the pickle");
    return;
  }
  if (index >= p->memo_room) {
    const size_t room = ((size_t)index + 1) * 2;
    sb_pickle_node **memo = reallocarray(p->memo, room, sizeof(sb_pickle_node *));
    if (!memo) {
      sb_pickle_no_memory(p);
      return;
    }
    memset(memo + p->memo_room, 0, (room - p->memo_room) * sizeof(sb_pickle_node *));
    p->memo = memo;
    p->memo_room = room;
  }
  p->memo[index] = n;
}

void sb_pickle_recall(sb_pickle *p, uint64_t index) {
  if (p->status) return;
  if (index >= p->memo_room || !p->memo[index])
    sb_pickle_fail(p, "the pickle names a memo entry that is not there");
  else
    sb_pickle_push(p, p->memo[index]);
}
