/* slots.c: virtual registers whose lives do not meet share a slot, so that a warp's registers stay in the first-level
   cache. A life reaches from the first to the last instruction that names the register; a backward branch stretches it
   over the loop when the register is alive where the loop begins, or is read in it before it is written. Lanes of a
   warp may be at different instructions: each lane has its own element of a slot, and only ever sees its own lives. */
#include "approx.h"
#include "handlers.h"
#include "mma.h"
#include "parse.h"
#include <stdlib.h>

enum { UNIT = SLOT_UNIT, NOBODY = ~0u };
typedef struct {
  u32 first, last, slot;
  bool wide, fixed, read_first;
} Life;
typedef VisitSlot Visit;

static void visit_memory(MemOp *m, bool loads, Visit *visit, void *context) {
  if (m->address != NOBODY) visit(context, &m->address, false, !m->narrow_address);
  for (u32 k = 0; k < m->count; k++)
    if (m->reg[k] != NOBODY) visit(context, &m->reg[k], loads, m->wide[k]);
}

void visit_registers(const Function *f, Insn *i, Visit *visit, void *context) {
  u32 fields = f->info[i->info].kind & 0xffu, extra = f->info[i->info].kind >> 8;
  u32 *const at[] = {&i->d, &i->a, &i->b, &i->c, &i->e};
  if (i->fn == isa_current()->guarded || i->fn == op_branch_if) visit(context, &i->guard, false, false);
  for (u32 k = 1; k < 5; k++)
    if (fields >> k & 1u && *at[k] != NOBODY) visit(context, at[k], false, false);
  if (extra == EXTRA_MEMORY)
    visit_memory(i->x.mem, !i->x.mem->store, visit, context);
  else if (extra == EXTRA_ATOMIC) {
    AtomicRegs *a = i->x.extra;
    for (u32 k = 0; k < a->mem.count; k++) visit(context, &a->source[k], false, false);
    if (a->op == ATOM_CAS) visit(context, &a->compare, false, false);
    visit_memory(&a->mem, true, visit, context);
  } else if (extra == EXTRA_COPY) {
    AsyncCopy *c = i->x.extra;
    if (c->to.address != NOBODY) visit(context, &c->to.address, false, false);
    if (c->from.address != NOBODY) visit(context, &c->from.address, false, false);
    if (c->source_size != NOBODY) visit(context, &c->source_size, false, false);
  } else if (extra == EXTRA_MMA) {
    Mma *m = i->x.extra;
    for (u32 k = 0; k < m->a_regs; k++) visit(context, &m->a[k], false, false);
    for (u32 k = 0; k < m->b_regs; k++) visit(context, &m->b[k], false, false);
    for (u32 k = 0; k < m->c_regs; k++) visit(context, &m->c[k], false, false);
    for (u32 k = 0; k < m->c_regs; k++) visit(context, &m->d[k], true, false);
  } else if (extra == EXTRA_LDMATRIX) {
    LoadMatrix *m = i->x.extra;
    if (m->mem.address != NOBODY) visit(context, &m->mem.address, false, false);
    for (u32 k = 0; k < m->count; k++) visit(context, &m->d[k], true, false);
  } else if (extra == EXTRA_CALL) {
    Call *c = i->x.extra;
    if (!c->callee) visit(context, &c->pointer, false, false);
  }
  if (fields & OPERAND_D && i->d != NOBODY) visit(context, &i->d, true, false);
  if (fields & OPERAND_IMM && i->x.imm >= 0) {
    u32 slot = (u32)i->x.imm;
    visit(context, &slot, true, false);
    i->x.imm = slot;
  }
}

typedef struct {
  Life *lives;
  u32 at;
} Walk;
static void note(void *context, u32 *slot, bool write, bool wide) {
  Walk *w = context;
  Life *x = &w->lives[*slot / UNIT];
  (void)wide;
  if (x->first == NOBODY) x->first = w->at, x->read_first = !write;
  x->last = w->at;
}
static void rename_slot(void *context, u32 *slot, bool write, bool wide) {
  Walk *w = context;
  (void)write, (void)wide;
  *slot = w->lives[*slot / UNIT].slot;
}

typedef struct {
  u32 from, to; /* a loop: instructions from .. to */
} Loop;
static u32 find_loops(const Function *f, Loop *loops, u32 most) {
  u32 n = 0;
  for (u32 k = 0; k < f->count; k++) {
    const Insn *i = &f->code[k];
    if (i->aux == 0xB0 && i->x.imm <= (i64)k) {
      if (n < most) loops[n] = (Loop){(u32)i->x.imm, k};
      n++;
    }
    if (i->inner != op_branch_table) continue;
    const BranchTable *t = i->x.extra;
    for (u32 e = 0; e < t->count; e++)
      if (t->target[e] <= k) {
        if (n < most) loops[n] = (Loop){t->target[e], k};
        n++;
      }
  }
  return n;
}
static void stretch(Life *lives, u32 count, const Loop *loops, u32 loop_count) {
  for (bool changed = true; changed;) {
    changed = false;
    for (u32 l = 0; l < loop_count; l++)
      for (u32 k = 0; k < count; k++) {
        Life *x = &lives[k];
        if (x->first == NOBODY || x->first > loops[l].to || x->last < loops[l].from) continue;
        bool enters = x->first < loops[l].from || x->read_first;
        if (enters && x->last < loops[l].to) x->last = loops[l].to, changed = true;
        bool leaves = x->last > loops[l].to; /* written in the loop, read behind it: alive on the way back too */
        if ((x->read_first || leaves) && x->first > loops[l].from) x->first = loops[l].from, changed = true;
      }
  }
}

static int by_first(const void *a, const void *b) {
  const Life *x = *(Life *const *)a, *y = *(Life *const *)b;
  return x->first != y->first ? (x->first < y->first ? -1 : 1) : (x < y ? -1 : x > y);
}
/* Numbers, the smallest first. */
typedef struct {
  u64 *at;
  u32 count;
} Heap;
static void heap_put(Heap *h, u64 value) {
  u32 k = h->count++;
  for (; k && h->at[(k - 1) / 2] > value; k = (k - 1) / 2) h->at[k] = h->at[(k - 1) / 2];
  h->at[k] = value;
}
static u64 heap_take(Heap *h) {
  const u64 least = h->at[0], value = h->at[--h->count];
  u32 k = 0;
  for (u32 child = 1; child < h->count; child = 2 * k + 1) {
    if (child + 1 < h->count && h->at[child + 1] < h->at[child]) child++;
    if (h->at[child] >= value) break;
    h->at[k] = h->at[child], k = child;
  }
  h->at[k] = value;
  return least;
}
/* Gives each life the lowest slot of its width that is free when it begins. Returns the bytes of the file. */
static u32 assign(Life **order, u32 count, u32 bytes) {
  Heap busy[2], idle[2]; /* of each width: end of the life << 32 | slot; slots */
  bool ok = true;
  for (int w = 0; w < 2; w++) {
    busy[w] = (Heap){calloc(count + 1, sizeof(u64)), 0}, idle[w] = (Heap){calloc(count + 1, sizeof(u64)), 0};
    ok &= busy[w].at && idle[w].at;
  }
  for (u32 k = 0; k < count && ok; k++) {
    Life *x = order[k];
    Heap *b = &busy[x->wide], *i = &idle[x->wide];
    while (b->count && b->at[0] >> 32 < x->first) heap_put(i, heap_take(b) & 0xffffffffu);
    if (!i->count) {
      heap_put(i, bytes);
      bytes += x->wide ? 2 * UNIT : UNIT;
    }
    x->slot = (u32)heap_take(i);
    heap_put(b, (u64)x->last << 32 | x->slot);
  }
  for (int w = 0; w < 2; w++) free(busy[w].at), free(idle[w].at);
  return ok ? bytes : 0;
}

void allocate_slots(Parser *p) {
  enum { MOST_LOOPS = 4096 };
  Function *f = p->fn;
  u32 count = f->reg_bytes / UNIT + 2, n = 0, bytes = 0;
  Life *lives = calloc(count, sizeof *lives), **order = calloc(count, sizeof *order);
  Loop *loops = calloc(MOST_LOOPS, sizeof *loops);
  u32 loop_count = loops ? find_loops(f, loops, MOST_LOOPS) : MOST_LOOPS + 1;
  if (!lives || !order || loop_count > MOST_LOOPS || (u64)loop_count * count > 20000000) goto done;
  for (u32 k = 0; k < count; k++) lives[k].first = NOBODY;
  Walk walk = {lives, 0};
  for (u32 k = 0; k < f->count; k++) {
    walk.at = k;
    visit_registers(f, &f->code[k], note, &walk);
  }
  for (u32 k = 0; k < f->fusable_count; k++) { /* a fused addition reads the operands of its multiplication */
    const Insn *mul = &f->code[f->fusable[k].mul];
    u32 a = mul->a, b = mul->b;
    walk.at = f->fusable[k].add;
    if (lives[a / UNIT].last < walk.at) note(&walk, &a, false, false);
    if (lives[b / UNIT].last < walk.at) note(&walk, &b, false, false);
  }
  stretch(lives, count, loops, loop_count);
  for (u32 k = 0; k < f->const_count; k++) {
    Life *x = &lives[f->consts[k].offset / UNIT];
    x->fixed = true, x->slot = bytes;
    bytes += f->consts[k].wide ? 2 * UNIT : UNIT;
  }
  for (u32 k = 0; k < count; k++)
    if (lives[k].first != NOBODY && !lives[k].fixed) {
      lives[k].wide = (unsigned)p->wide_slots[k / 8] >> (k % 8) & 1u;
      order[n++] = &lives[k];
    }
  qsort(order, n, sizeof *order, by_first);
  bytes = assign(order, n, bytes);
  if (!bytes && (n || f->const_count)) goto done;
  for (u32 k = 0; k < f->count; k++) visit_registers(f, &f->code[k], rename_slot, &walk);
  for (u32 k = 0; k < f->const_count; k++) f->consts[k].offset = lives[f->consts[k].offset / UNIT].slot;
  f->reg_bytes = bytes;
done:
  free(lives), free(order), free(loops);
}
