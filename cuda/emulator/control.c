/* control.c: branches, calls, returns, traps. */
#include "handlers.h"
#include "lanes.h"
#include <stdio.h>

/* The lanes whose guard holds. */
static u32 guard_lanes(const Warp *w, const Insn *i) {
  u32 bits = lanes_true(REG(const u32, i->guard));
  return (i->negate ? ~bits : bits) & w->mask;
}

const Insn *op_branch(Warp *w, const Insn *i) { return transfer(w, i, i->x.to); }

/* Lanes part: the lower instruction goes on, the other one becomes a limit. */
static const Insn *split(Warp *w, const Insn *i, u32 taken, const Insn *to) {
  u32 rest = w->mask & ~taken;
  const Insn *fall = i + 1;
  account(w, i + 1);
  if (w->block->counters_on) w->block->divergent++;
  if ((uintptr_t)to < (uintptr_t)fall) {
    warp_push(w, w->frame, fall, rest, GROUP_READY);
    warp_limit(w, fall);
    w->mask = taken, w->segment = to;
    if (to <= i && UNLIKELY(w->slice < 0)) w->limit = NULL;
    return to;
  }
  warp_push(w, w->frame, to, taken, GROUP_READY);
  warp_limit(w, to);
  w->mask = rest, w->segment = fall;
  return fall;
}

const Insn *op_branch_if(Warp *w, const Insn *i) {
  u32 taken = guard_lanes(w, i);
  if (w->block->counters_on) w->block->branches++;
  if (taken == w->mask) return transfer(w, i, i->x.to);
  if (!taken) return i + 1;
  return split(w, i, taken, i->x.to);
}

const Insn *op_branch_table(Warp *w, const Insn *i) {
  const BranchTable *t = i->x.extra;
  const u32 *index = REG(const u32, i->a);
  account(w, i + 1);
  for (u32 m = w->mask; m; m &= m - 1) {
    u32 lane = (u32)__builtin_ctz(m);
    if (index[lane] >= t->count)
      return fault_at(w, i, FAULT_PARAMETER, lane, false, 0, "brx.idx with index %u of %u targets", index[lane],
                      t->count);
    warp_push(w, w->frame, &w->frame->fn->code[t->target[index[lane]]], 1u << lane, GROUP_READY);
  }
  w->mask = 0, w->limit = NULL;
  return i;
}

const Insn *op_exit(Warp *w, const Insn *i) {
  account(w, i + 1);
  w->live &= ~w->mask;
  if (w->work > w->block->exit_work) w->block->exit_work = w->work;
  for (Frame *f = w->frame, *parent; f; f = parent) {
    parent = f->parent;
    f->live &= ~w->mask;
    if (!f->live) frame_free(w, f);
  }
  w->mask = 0, w->limit = NULL;
  return i;
}

const Insn *op_return(Warp *w, const Insn *i) {
  Frame *f = w->frame, *parent = f->parent;
  const Insn *call = f->ret;
  const Call *c = call->x.extra;
  account(w, i + 1);
  u32 bytes = c->ret_size < f->fn->ret_bytes ? c->ret_size : f->fn->ret_bytes;
  for (u32 m = bytes ? w->mask : 0; m; m &= m - 1) {
    size_t lane = (size_t)__builtin_ctz(m) * w->launch->local_size;
    u32 to = parent->local_base + c->ret_to, from = f->local_base + f->fn->ret_offset;
    memcpy(w->local + lane + to, w->local + lane + from, bytes);
    if (w->local_init) memcpy(w->local_init + lane + to, w->local_init + lane + from, bytes);
  }
  f->live &= ~w->mask;
  warp_push(w, parent, call + 1, w->mask, GROUP_READY);
  if (!f->live) frame_free(w, f);
  w->mask = 0, w->limit = NULL;
  return i;
}

/* Enters `callee` with the lanes of `mask`; the arguments are copied into its frame. */
static bool enter(Warp *w, const Insn *i, const Function *callee, u32 mask) {
  const Call *c = i->x.extra;
  if (!callee->defined) {
    (void)fault_at(w, i, FAULT_PARAMETER, (u32)__builtin_ctz(mask), false, 0, "a call of %s, which has no body",
                   callee->name);
    return false;
  }
  Frame *f = frame_new(w, callee, w->frame, i, mask);
  if (!f) {
    (void)fault_at(w, i, FAULT_STACK, (u32)__builtin_ctz(mask), false, 0,
                   "the call of %s needs more than the stack of %u bytes", callee->name, w->launch->local_size);
    return false;
  }
  for (u32 m = mask; m; m &= m - 1) {
    size_t lane = (size_t)__builtin_ctz(m) * w->launch->local_size;
    for (u32 k = 0; k < c->count && k < callee->param_count; k++) {
      u32 to = f->local_base + callee->params[k].offset, from = w->frame->local_base + c->from[k];
      u32 bytes = c->size[k] < callee->params[k].size ? c->size[k] : callee->params[k].size;
      memcpy(w->local + lane + to, w->local + lane + from, bytes);
      if (w->local_init) memcpy(w->local_init + lane + to, w->local_init + lane + from, bytes);
    }
  }
  warp_push(w, f, callee->code, mask, GROUP_READY);
  return true;
}

const Insn *op_call(Warp *w, const Insn *i) {
  const Call *c = i->x.extra;
  account(w, i + 1);
  u32 left = w->mask;
  while (left) {
    const Function *callee = c->callee;
    u32 mask = left;
    if (!callee) {
      const u64 *pointer = REG(const u64, c->pointer);
      u32 lane = (u32)__builtin_ctz(left);
      u64 index = (pointer[lane] - CODE_WINDOW) / 16;
      const Module *m = w->frame->fn->module;
      if (pointer[lane] < CODE_WINDOW || index >= m->function_count || pointer[lane] % 16)
        return fault_at(w, i, FAULT_OUT_OF_BOUNDS, lane, true, pointer[lane],
                        "a call through a pointer that is no function");
      callee = m->functions[index];
      mask = 0;
      for (u32 l = 0; l < LANES; l++) mask |= (u32)(left >> l & 1u && pointer[l] == pointer[lane]) << l;
    }
    if (!enter(w, i, callee, mask)) return i;
    left &= ~mask;
  }
  w->mask = 0, w->limit = NULL;
  return i;
}

const Insn *op_nop(Warp *w, const Insn *i) {
  (void)w;
  return i + 1;
}
const Insn *op_trap(Warp *w, const Insn *i) {
  return fault_at(w, i, FAULT_TRAP, (u32)__builtin_ctz(w->mask), false, 0, "the kernel executed %s",
                  w->frame->fn->info[i->info].opcode);
}
const Insn *op_refused(Warp *w, const Insn *i) {
  return fault_at(w, i, FAULT_REFUSED, (u32)__builtin_ctz(w->mask), false, 0, "%s is refused",
                  w->frame->fn->info[i->info].opcode);
}
