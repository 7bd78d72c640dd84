/* fold.c: a register that one unguarded mov of an immediate defines, and nothing else, is that immediate. Its readers
   take the constant's slot, and those whose last operand it is take the handler for immediates. The mov stays as an
   instruction that does nothing, so that counts and lines are those of the PTX. */
#include "handlers.h"
#include "parse.h"
#include <stdlib.h>

typedef struct {
  u32 *definitions, *constant; /* per slot; constant: 1 + the slot that holds the value */
} Fold;

static void count_definition(void *context, u32 *slot, bool write, bool wide) {
  Fold *f = context;
  (void)wide;
  f->definitions[*slot / SLOT_UNIT] += write;
}
static void take_constant(void *context, u32 *slot, bool write, bool wide) {
  const Fold *f = context;
  (void)wide;
  if (!write && f->constant[*slot / SLOT_UNIT]) *slot = f->constant[*slot / SLOT_UNIT] - 1;
}

static void find_constants(Function *f, Fold *fold, const u8 *is_const) {
  Handler *const movs[] = {row_find("mov.b32")->fn, row_find("mov.b64")->fn};
  for (u32 k = 0; k < f->count; k++) {
    Insn *i = &f->code[k];
    if ((i->fn != movs[0] && i->fn != movs[1]) || !is_const[i->a / SLOT_UNIT] ||
        fold->definitions[i->d / SLOT_UNIT] != 1)
      continue;
    fold->constant[i->d / SLOT_UNIT] = i->a + 1;
    i->fn = i->inner = op_nop;
    f->info[i->info].kind = 0;
  }
}

/* The handler for a last operand that is the same in all lanes. */
static void use_same(const Function *f, Insn *i, const u8 *is_const) {
  const Row *row = row_find(f->info[i->info].opcode);
  const u32 sources[] = {i->a, i->b, i->c, i->e};
  u32 count = 0;
  if (!row || !row->same || i->inner != row->fn) return;
  while (count < 4 && row->types[1 + count] != T_none) count++;
  if (!is_const[sources[count - 1] / SLOT_UNIT]) return;
  if (i->fn == i->inner) i->fn = row->same;
  i->inner = row->same;
}

void fold_constants(Parser *p) {
  Function *f = p->fn;
  const u32 count = f->reg_bytes / SLOT_UNIT + 2;
  Fold fold = {calloc(count, sizeof(u32)), calloc(count, sizeof(u32))};
  u8 *is_const = calloc(count, 1);
  if (fold.definitions && fold.constant && is_const) {
    for (u32 k = 0; k < f->const_count; k++) is_const[f->consts[k].offset / SLOT_UNIT] = 1;
    for (u32 k = 0; k < f->count; k++) visit_registers(f, &f->code[k], count_definition, &fold);
    find_constants(f, &fold, is_const);
    for (u32 k = 0; k < f->count; k++) {
      visit_registers(f, &f->code[k], take_constant, &fold);
      use_same(f, &f->code[k], is_const);
    }
  }
  free(fold.definitions), free(fold.constant), free(is_const);
}
