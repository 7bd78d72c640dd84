/* Patterns of contract expressions: matching, and building the replacement. */
#ifndef SAMEBITS_MECHANISMS_MATCH_H
#define SAMEBITS_MECHANISMS_MATCH_H

#include "conformance/contract/check.h"

enum { SB_MAX_META = 12 };
typedef struct sb_meta {
  int count;
  bool ignores_nan; /* a floor, max($a, ?eps), was maxnum: so is the replacement's */
  struct {
    const char *name;
    const sb_node *node;
  } bound[SB_MAX_META];
} sb_meta;

/* The parsed form of a pattern (parsed once; the text must stay). Aborts nothing: NULL and a message where it is wrong.
 */
const sb_node *sb_pattern(const char *text);

/* Whether a checked node matches; adds to `meta` on success and leaves it as it was otherwise. */
bool sb_match(const sb_node *pattern, const sb_node *node, sb_meta *meta);
bool sb_node_equal(const sb_node *a, const sb_node *b);
bool sb_meta_bind(sb_meta *meta, const char *name, const sb_node *node);

/* A copy owns everything that it names, so that it outlives the arena of what it was copied from. */
sb_node *sb_node_copy(const sb_node *node, sb_arena *arena);
/* The replacement with what was bound; `format` stands for R. NULL: an unbound name. */
sb_node *sb_build(const sb_node *replacement, const sb_meta *meta, int format, sb_arena *arena);
sb_node *sb_node_make(sb_arena *arena, sb_cop op, const sb_node *like, sb_node *a, sb_node *b);

#endif
