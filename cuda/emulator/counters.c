/* counters.c: exact counts of one launch. */
#include "handlers.h"

void count_global(Warp *w, const Insn *i, const MemOp *m, const u64 *address, u32 mask, u32 bytes) {
  (void)w, (void)i, (void)m, (void)address, (void)mask, (void)bytes;
}
void count_shared(Warp *w, const Insn *i, const MemOp *m, const u64 *address, u32 mask, u32 bytes) {
  (void)w, (void)i, (void)m, (void)address, (void)mask, (void)bytes;
}
void counters_add(Launch *l, Block *b);
void counters_add(Launch *l, Block *b) { (void)l, (void)b; }
