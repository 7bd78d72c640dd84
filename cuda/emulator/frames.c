/* frames.c: the registers and the local memory of one call of a function, for the lanes of a warp that made it. */
#include "handlers.h"
#include <stdlib.h>

enum { FRAME_DEPTH_LIMIT = 1024, FRAME_ALIGN = 16 };

Frame *frame_new(Warp *w, const Function *fn, Frame *parent, const Insn *ret, u32 mask) {
  Frame *f = NULL;
  for (Frame **at = &w->pool; *at; at = &(*at)->next)
    if ((*at)->fn == fn) {
      f = *at;
      *at = f->next;
      break;
    }
  if (!f) {
    f = calloc(1, sizeof *f);
    size_t bytes = ((size_t)fn->reg_bytes + 127) & ~(size_t)63;
    u8 *r = aligned_alloc(64, bytes);
    if (!f || !r) {
      free(f), free(r);
      return NULL;
    }
    memset(r, 0, bytes);
    f->fn = fn, f->r = r;
    for (u32 k = 0; k < fn->const_count; k++)
      for (u32 l = 0; l < LANES; l++) {
        if (fn->consts[k].wide)
          ((u64 *)(void *)(r + fn->consts[k].offset))[l] = fn->consts[k].value;
        else
          ((u32 *)(void *)(r + fn->consts[k].offset))[l] = (u32)fn->consts[k].value;
      }
  }
  f->parent = parent, f->ret = ret, f->live = mask, f->next = NULL;
  f->depth = parent ? parent->depth + 1 : 0;
  f->local_base =
      parent ? (parent->local_base + parent->fn->local_bytes + FRAME_ALIGN - 1) & ~(u32)(FRAME_ALIGN - 1) : 0;
  if (f->depth > FRAME_DEPTH_LIMIT || f->local_base + fn->local_bytes > w->launch->local_size) {
    frame_free(w, f);
    return NULL;
  }
  if (w->local_init && fn->local_bytes)
    for (u32 l = 0; l < LANES; l++)
      if (mask >> l & 1u) memset(w->local_init + (size_t)l * w->launch->local_size + f->local_base, 0, fn->local_bytes);
  return f;
}
void frame_free(Warp *w, Frame *f) {
  f->next = w->pool;
  w->pool = f;
}
