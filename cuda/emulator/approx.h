/* approx.h: approximate instructions and fusable pairs. */
#ifndef EMU_APPROX_H
#define EMU_APPROX_H
#include "emu.h"
const Row *approx_find(const char *opcode);
void fusable_pairs(Function *f, void *(*allocate)(void *, size_t), void *arg);
void fuse(const Function *f, bool on, i64 site);
#endif
