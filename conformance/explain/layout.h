/* Packings and layouts: all-or-nothing hypotheses about how tensors lie in memory.  Catalogue A6 (68 to 71).
 *
 * A hypothesis is undone on the capture, so that what follows compares plain tensors. */
#ifndef SAMEBITS_EXPLAIN_LAYOUT_H
#define SAMEBITS_EXPLAIN_LAYOUT_H

#include "conformance/explain/capture.h"

typedef struct sb_layout {
  int id_count;
  const char *ids[3];
  char what[160];
  int order, encoding, interleave, scale, codes; /* 0: as the specification has it */
} sb_layout;

int sb_layout_count(void);
void sb_layout_at(int index, sb_layout *layout); /* fewest ids first; none is the identity */

/* The capture with the layout undone; false where it does not apply (shapes, or no such tensor). Borrows everything but
 * the slots it rearranges; free with sb_layout_free. */
bool sb_layout_undo(const sb_capture *capture, const sb_layout *layout, sb_capture *plain);
void sb_layout_free(const sb_capture *capture, sb_capture *plain);

typedef struct sb_layout_info {
  const char *id, *says, *evidence, *fix;
} sb_layout_info;
const sb_layout_info *sb_layout_of(const char *id);

#endif
