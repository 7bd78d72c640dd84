/* lower.c: statements to instructions. An opcode of the table becomes one instruction; what its operands need beyond
   registers (special registers, other widths) becomes moves around it. */
#include "approx.h"
#include "handlers.h"
#include "parse.h"
#include <stdio.h>
#include <stdlib.h>

Insn *emit(Parser *p, const Statement *s, Handler *fn) {
  Function *f = p->fn;
  u32 capacity = f->capacity;
  f->code = grow(p, f->code, &capacity, f->count, sizeof *f->code);
  f->info = grow(p, f->info, &f->capacity, f->count, sizeof *f->info);
  InsnInfo *info = &f->info[f->count];
  Insn *i = &f->code[f->count];
  *info = (InsnInfo){.ptx_line = s->line, .file = p->file, .line = p->loc_line};
  info->opcode = f->count && !strcmp(f->info[f->count - 1].opcode, s->opcode)
                     ? f->info[f->count - 1].opcode
                     : arena_text(p->module, s->opcode, strlen(s->opcode));
  if (!info->opcode) parse_fail(p, "out of memory");
  *i = (Insn){.fn = fn, .inner = fn, .info = f->count, .guard = s->guard, .negate = s->negate};
  if (s->guarded) i->fn = isa_current()->guarded;
  f->count++;
  return i;
}

static u32 const_slot_of(Parser *p, bool wide, u64 value, u32 variable) {
  Function *f = p->fn;
  if (!wide) value &= 0xffffffffu;
  u32 from = f->const_count > 400 ? f->const_count - 400 : 0;
  for (u32 k = from; k < f->const_count; k++) {
    const ConstSlot *c = &f->consts[k];
    if (c->wide == wide && c->value == value && c->variable == variable) return c->offset;
  }
  f->consts = grow(p, f->consts, &f->const_capacity, f->const_count, sizeof *f->consts);
  u32 slot = alloc_slot(p, wide);
  f->consts[f->const_count++] = (ConstSlot){slot, variable, wide, value};
  return slot;
}
u32 const_slot(Parser *p, bool wide, u64 value) { return const_slot_of(p, wide, value, 0); }

bool has_part(const Statement *s, const char *part) {
  for (u32 k = 1; k < s->part_count; k++)
    if (!strcmp(s->part[k], part)) return true;
  return false;
}
Type last_type(const Statement *s) {
  return s->part_count > 1 ? type_from_name(s->part[s->part_count - 1], strlen(s->part[s->part_count - 1])) : T_none;
}
u32 need(Parser *p, const Statement *s, u32 least, u32 most) {
  if (s->count < least || s->count > most)
    parse_fail(p, "'%s' takes %u to %u operands, not %u", s->opcode, least, most, s->count);
  return s->count;
}

/* An instruction that is not executed: launching what contains it is refused by its name. */
void refuse(Parser *p, const Statement *s, const char *why) {
  Insn *i = emit(p, s, op_refused);
  i->fn = op_refused;
  i->flags |= INSN_REFUSED;
  if (p->fn->refused == 0) p->fn->refused = i->info + 1, p->fn->refused_why = why;
}

void set_operands(Parser *p, const Insn *i, u32 fields, u32 extra) {
  p->fn->info[i->info].kind = (u16)(fields | extra << 8);
}

static u32 row_fields(const Row *row) {
  u32 fields = 0;
  for (u32 k = 0; k < 5 && row->types[k] != T_none; k++) fields |= 1u << k;
  return fields;
}

void emit_row(Parser *p, const Statement *s, const char *name, u32 d, u32 a, u32 b, u32 c, u32 e) {
  const Row *row = row_find(name);
  if (!row) parse_fail(p, "internal: no row '%s'", name);
  Insn *i = emit(p, s, row->fn);
  i->d = d, i->a = a, i->b = b, i->c = c, i->e = e;
  set_operands(p, i, row_fields(row), EXTRA_NONE);
}

/* The address of a name, as the space of the variable has it. */
static u32 symbol_slot(Parser *p, const Statement *s, const Operand *o, bool wide) {
  Symbol *y = o->symbol;
  if (!y) {
    Function *f = function_named(p, o->name, false);
    return const_slot(p, wide, CODE_WINDOW + 16ull * f->index);
  }
  if (y->kind == SYM_FUNCTION) return const_slot(p, wide, CODE_WINDOW + 16ull * y->index);
  if (y->kind == SYM_PARAM) return const_slot(p, wide, (u64)y->offset + (u64)o->offset);
  if (y->kind == SYM_LOCAL) {
    u32 temp = alloc_slot(p, true);
    Insn *i = emit(p, s, op_local_address);
    i->d = temp, i->x.imm = (i64)((u64)y->offset + (u64)o->offset);
    set_operands(p, i, OPERAND_D, EXTRA_NONE);
    if (wide) return temp;
    u32 narrow = alloc_slot(p, false);
    emit_row(p, s, "narrow", narrow, temp, 0, 0, 0);
    return narrow;
  }
  if (y->kind != SYM_VARIABLE) parse_fail(p, "%s is no operand", y->name);
  const Variable *v = &p->module->variables[y->index];
  if (v->space == SPACE_SHARED) {
    if (v->is_extern && !v->size) {
      u32 temp = alloc_slot(p, wide);
      Insn *i = emit(p, s, op_dynamic_shared);
      i->d = temp, i->x.imm = o->offset, i->aux = wide;
      set_operands(p, i, OPERAND_D, EXTRA_NONE);
      return temp;
    }
    use_shared(p, y->index);
  }
  return const_slot_of(p, wide, (u64)o->offset, y->index + 1);
}

u32 source_slot(Parser *p, const Statement *s, const Operand *o, Type t) {
  bool wide = type_is_wide(t);
  switch (o->kind) {
  case OPER_REG:
    if (o->not ) {
      u32 temp = alloc_slot(p, false);
      emit_row(p, s, "not.pred", temp, o->slot, 0, 0, 0);
      return temp;
    }
    if (o->negate) parse_fail(p, "'-' before a register");
    if (o->is_pred != (t == T_pred)) parse_fail(p, "'%s': a predicate and a number are mixed up", s->opcode);
    if (o->wide != wide) {
      u32 temp = alloc_slot(p, wide);
      emit_row(p, s, wide ? (type_is_signed(t) ? "sign.extend" : "zero.extend") : "narrow", temp, o->slot, 0, 0, 0);
      return temp;
    }
    return o->slot;
  case OPER_INT:
    return const_slot(p, wide, t == T_pred ? o->value != 0 : o->value);
  case OPER_F32:
    return const_slot(p, wide, o->value);
  case OPER_F64:
    if (t == T_f32 || t == T_b32) {
      double d;
      memcpy(&d, &o->value, 8);
      float f = (float)d;
      u32 bits;
      memcpy(&bits, &f, 4);
      return const_slot(p, false, bits);
    }
    return const_slot(p, wide, o->value);
  case OPER_SREG: {
    u32 temp = alloc_slot(p, o->wide);
    Insn *i = emit(p, s, op_sreg);
    i->d = temp, i->aux = (u8)o->sreg;
    set_operands(p, i, OPERAND_D, EXTRA_NONE);
    if (o->wide == wide) return temp;
    u32 other = alloc_slot(p, wide);
    emit_row(p, s, wide ? "zero.extend" : "narrow", other, temp, 0, 0, 0);
    return other;
  }
  case OPER_SYMBOL:
    return symbol_slot(p, s, o, wide);
  default:
    parse_fail(p, "'%s': an operand of another kind is needed", s->opcode);
  }
}

/* Where a result of type t goes; `as`: how finish_dest widens it when the register is wider. */
u32 dest_slot(Parser *p, const Statement *s, const Operand *o, Type t, Type as) {
  (void)as;
  if (o->kind == OPER_SINK) return alloc_slot(p, type_is_wide(t));
  if (o->kind != OPER_REG || o->not || o->negate) parse_fail(p, "'%s': the destination is no register", s->opcode);
  if (o->is_pred != (t == T_pred)) parse_fail(p, "'%s': a predicate and a number are mixed up", s->opcode);
  return o->wide == type_is_wide(t) ? o->slot : alloc_slot(p, type_is_wide(t));
}
void finish_dest(Parser *p, const Statement *s, const Operand *o, Type t, u32 slot) {
  if (o->kind != OPER_REG || slot == o->slot) return;
  emit_row(p, s, o->wide ? (type_is_signed(t) ? "sign.extend" : "zero.extend") : "narrow", o->slot, slot, 0, 0, 0);
}

static void lower_row(Parser *p, Statement *s, const Row *row) {
  u32 sources = 0, slot[4] = {0};
  while (sources < 4 && row->types[1 + sources] != T_none) sources++;
  need(p, s, 1 + sources, 1 + sources);
  if (s->has_second) parse_fail(p, "'%s' has one destination", s->opcode);
  for (u32 k = 0; k < sources; k++) slot[k] = source_slot(p, s, &s->operand[1 + k], (Type)row->types[1 + k]);
  Type t = (Type)row->types[0];
  u32 d = dest_slot(p, s, &s->operand[0], t, t);
  const OperandKind last = s->operand[sources].kind;
  const bool same = row->same && (last == OPER_INT || last == OPER_F32 || last == OPER_F64);
  Insn *i = emit(p, s, same ? row->same : row->fn);
  i->d = d, i->a = slot[0], i->b = slot[1], i->c = slot[2], i->e = slot[3];
  set_operands(p, i, row_fields(row), EXTRA_NONE);
  if (has_part(s, "ftz")) i->flags |= INSN_FTZ, p->fn->has_ftz = true;
  bool is_float = strstr(s->opcode, "f32") || strstr(s->opcode, "f64") || strstr(s->opcode, "f16");
  if (is_float && !strcmp(s->part[0], "mul") && !has_part(s, "rn") && !has_part(s, "rz") && !has_part(s, "rm") &&
      !has_part(s, "rp"))
    i->flags |= INSN_FUSABLE_MUL;
  if (is_float && (!strcmp(s->part[0], "add") || !strcmp(s->part[0], "sub")) && !has_part(s, "rn") &&
      !has_part(s, "rz") && !has_part(s, "rm") && !has_part(s, "rp"))
    i->flags |= INSN_FUSABLE_ADD;
  finish_dest(p, s, &s->operand[0], t, d);
}

/* Runs only where the user allows it (approx.c). */
static void lower_approximate(Parser *p, Statement *s, const Row *row) {
  Function *f = p->fn;
  u32 first = f->count;
  lower_row(p, s, row);
  for (u32 k = first; k < f->count; k++) {
    if (f->code[k].inner != row->fn) continue;
    f->code[k].flags |= INSN_APPROX;
    if (!f->approx) f->approx = k + 1;
  }
}

void lower_statement(Parser *p, Statement *s) {
  if (lower_special(p, s)) return;
  char name[sizeof s->opcode + 4];
  (void)snprintf(name, sizeof name, "%s%s", s->opcode,
                 (!strcmp(s->part[0], "min") || !strcmp(s->part[0], "max")) && s->count == 4 ? ".3" : "");
  const Row *row = row_find(name), *approximate = row ? NULL : approx_find(name);
  if (approximate)
    lower_approximate(p, s, approximate);
  else if (row)
    lower_row(p, s, row);
  else if (has_part(s, "approx") || has_part(s, "full") || !strcmp(s->part[0], "sin") || !strcmp(s->part[0], "cos") ||
           !strcmp(s->part[0], "ex2") || !strcmp(s->part[0], "lg2") || !strcmp(s->part[0], "tanh"))
    refuse(p, s, "is approximate: the PTX ISA gives an error bound, not the bits");
  else
    refuse(p, s, "is not an instruction that this emulator executes");
}
