/* lower_special.c: opcodes that become several rows of the table, and those with handlers of their own. */
#include "handlers.h"
#include "parse.h"
#include <stdio.h>

/* mov between a vector in braces and a register. */
static void lower_vector_mov(Parser *p, Statement *s) {
  const Operand *d = &s->operand[0], *a = &s->operand[1];
  Type t = last_type(s);
  u32 bytes = type_bytes(t);
  const Operand *v = d->kind == OPER_VECTOR ? d : a;
  u32 n = v->count, slots[4];
  if (d->kind == OPER_VECTOR && a->kind == OPER_VECTOR) parse_fail(p, "mov between two vectors");
  if (bytes > 8 || !((n == 2 && bytes >= 2) || (n == 4 && bytes >= 4))) {
    refuse(p, s, "is not an instruction that this emulator executes");
    return;
  }
  u32 bits = bytes * 8 / n;
  if (d->kind == OPER_VECTOR) {
    u32 from = source_slot(p, s, a, bytes == 8 ? T_b64 : T_b32);
    const char *row = bits == 8 ? "part8" : bits == 16 ? (bytes == 8 ? "part16.b64" : "part16") : "part32.b64";
    for (u32 k = 0; k < n; k++) { /* no element register can be the source: their widths differ */
      const Operand *o = &d->elements[k];
      if (o->kind == OPER_SINK) continue;
      u32 to = dest_slot(p, s, o, T_b32, T_b32);
      emit_row(p, s, row, to, from, const_slot(p, false, k * bits), 0, 0);
      finish_dest(p, s, o, T_b32, to);
    }
    return;
  }
  for (u32 k = 0; k < n; k++) slots[k] = source_slot(p, s, &a->elements[k], T_b32);
  u32 to = dest_slot(p, s, d, bytes == 8 ? T_b64 : T_b32, T_b64);
  if (n == 2)
    emit_row(p, s, bytes == 8 ? "pack.b64" : bytes == 4 ? "pack.b32" : "pack.b16", to, slots[0], slots[1], 0, 0);
  else
    emit_row(p, s, bytes == 8 ? "pack4.b64" : "pack4.b32", to, slots[0], slots[1], slots[2], slots[3]);
  finish_dest(p, s, d, bytes == 8 ? T_b64 : T_b32, to);
}

static bool is_bool_op(const char *part) { return !strcmp(part, "and") || !strcmp(part, "or") || !strcmp(part, "xor"); }

/* The comparison of a setp or set as a row's name, and the Boolean operator that follows it, if any. */
static const char *compare_name(const Statement *s, u32 skip_types, char *name, size_t size, const char *type) {
  const char *boolean = NULL;
  (void)snprintf(name, size, "setp.%s", s->part_count > 1 ? s->part[1] : "");
  for (u32 k = 2; k + skip_types < s->part_count; k++) {
    if (is_bool_op(s->part[k]))
      boolean = s->part[k];
    else
      (void)snprintf(name + strlen(name), size - strlen(name), ".%s", s->part[k]);
  }
  (void)snprintf(name + strlen(name), size - strlen(name), ".%s", type);
  return boolean;
}

/* One comparison into a fresh predicate; for packed types of the given half. */
static bool emit_compare(Parser *p, const Statement *s, const char *name, u32 a, u32 b, u32 *result) {
  if (!row_find(name)) return false;
  *result = alloc_slot(p, false);
  emit_row(p, s, name, *result, a, b, 0, 0);
  return true;
}
static void emit_boolean(Parser *p, const Statement *s, const char *op, u32 d, u32 a, u32 c) {
  char row[16];
  (void)snprintf(row, sizeof row, "%s.pred", op ? op : "mov");
  emit_row(p, s, row, d, a, op ? c : 0, 0, 0);
}
static u32 half_slot(Parser *p, const Statement *s, u32 from, u32 half) {
  u32 t = alloc_slot(p, false);
  emit_row(p, s, "part16", t, from, const_slot(p, false, 16 * half), 0, 0);
  return t;
}

/* setp.cmp{.bool}{.ftz}.type p{|q}, a, b{, {!}c}: p = (a cmp b) bool c, q = !(a cmp b) bool c; packed: p low, q high
 * half. */
void lower_setp(Parser *p, Statement *s) {
  char name[96];
  const char *type = s->part[s->part_count - 1];
  bool packed = !strcmp(type, "f16x2") || !strcmp(type, "bf16x2");
  const char *boolean = compare_name(s, 1, name, sizeof name, packed ? (type[0] == 'b' ? "bf16" : "f16") : type);
  need(p, s, boolean ? 4 : 3, boolean ? 4 : 3);
  const Row *row = row_find(name);
  if (!row) {
    refuse(p, s, "is not an instruction that this emulator executes");
    return;
  }
  Type t = packed ? T_b32 : (Type)row->types[1];
  u32 a = source_slot(p, s, &s->operand[1], t), b = source_slot(p, s, &s->operand[2], t);
  u32 c = boolean ? source_slot(p, s, &s->operand[3], T_pred) : 0;
  u32 d = dest_slot(p, s, &s->operand[0], T_pred, T_pred),
      q = s->has_second ? dest_slot(p, s, &s->second, T_pred, T_pred) : 0;
  u32 first, second;
  if (!boolean && !s->has_second) {
    emit_row(p, s, name, d, a, b, 0, 0);
    return;
  }
  if (packed) {
    if (!emit_compare(p, s, name, half_slot(p, s, a, 0), half_slot(p, s, b, 0), &first)) return;
    if (!emit_compare(p, s, name, half_slot(p, s, a, 1), half_slot(p, s, b, 1), &second)) return;
  } else {
    if (!emit_compare(p, s, name, a, b, &first)) return;
    second = alloc_slot(p, false);
    emit_row(p, s, "not.pred", second, first, 0, 0, 0);
  }
  if (boolean && s->has_second) { /* c may be p itself */
    u32 copy = alloc_slot(p, false);
    emit_row(p, s, "mov.pred", copy, c, 0, 0, 0);
    c = copy;
  }
  emit_boolean(p, s, boolean, d, first, c);
  if (s->has_second) emit_boolean(p, s, boolean, q, second, c);
}

/* set.cmp{.bool}{.ftz}.dtype.stype d, a, b{, c}: all ones or 1.0 where the comparison holds. */
void lower_set(Parser *p, Statement *s) {
  char name[96];
  if (s->part_count < 4) parse_fail(p, "'%s' needs two types", s->opcode);
  const char *to = s->part[s->part_count - 2], *from = s->part[s->part_count - 1];
  bool packed = !strcmp(from, "f16x2") || !strcmp(from, "bf16x2");
  const char *boolean = compare_name(s, 2, name, sizeof name, packed ? (from[0] == 'b' ? "bf16" : "f16") : from);
  need(p, s, boolean ? 4 : 3, boolean ? 4 : 3);
  Type t = type_from_name(to, strlen(to));
  const Row *row = row_find(name);
  if (!row || t == T_none || type_is_wide(t)) {
    refuse(p, s, "is not an instruction that this emulator executes");
    return;
  }
  u32 one = t == T_f32                     ? 0x3f800000u
            : t == T_f16 || t == T_f16x2   ? 0x3c00u
            : t == T_bf16 || t == T_bf16x2 ? 0x3f80u
                                           : 0xffffffffu;
  Type source = packed ? T_b32 : (Type)row->types[1];
  u32 a = source_slot(p, s, &s->operand[1], source), b = source_slot(p, s, &s->operand[2], source);
  u32 c = boolean ? source_slot(p, s, &s->operand[3], T_pred) : 0, part[2] = {0, 0};
  for (u32 k = 0; k < (packed ? 2u : 1u); k++) {
    u32 x = packed ? half_slot(p, s, a, k) : a, y = packed ? half_slot(p, s, b, k) : b, r;
    if (!emit_compare(p, s, name, x, y, &r)) return;
    if (boolean) emit_boolean(p, s, boolean, r, r, c);
    part[k] = alloc_slot(p, false);
    emit_row(p, s, "selp.b32", part[k], const_slot(p, false, one), const_slot(p, false, 0), r, 0);
  }
  u32 d = dest_slot(p, s, &s->operand[0], t, t);
  if (packed)
    emit_row(p, s, "pack.b32", d, part[0], part[1], 0, 0);
  else
    emit_row(p, s, "mov.b32", d, part[0], 0, 0, 0);
  finish_dest(p, s, &s->operand[0], t, d);
}

/* add.cc, addc, sub.cc, subc, mad.cc, madc: the carry lives in a register of its own. */
void lower_carry(Parser *p, Statement *s) {
  Type t = last_type(s);
  bool wide = type_is_wide(t), sets = has_part(s, "cc"), uses = s->part[0][strlen(s->part[0]) - 1] == 'c',
       sub = !strncmp(s->part[0], "sub", 3), mad = !strncmp(s->part[0], "mad", 3);
  if (t == T_none || type_bytes(t) < 4) parse_fail(p, "'%s' needs a type of 32 or 64 bits", s->opcode);
  need(p, s, mad ? 4 : 3, mad ? 4 : 3);
  if (p->carry == ~0u) p->carry = alloc_slot(p, false);
  u32 in = uses ? p->carry : const_slot(p, false, 0), a = source_slot(p, s, &s->operand[1], t),
      b = source_slot(p, s, &s->operand[2], t), out = 0;
  if (mad) {
    char row[32];
    u32 product = alloc_slot(p, wide);
    (void)snprintf(row, sizeof row, "mul.%s.%s", has_part(s, "hi") ? "hi" : "lo", type_name(t));
    emit_row(p, s, row, product, a, b, 0, 0);
    a = product, b = source_slot(p, s, &s->operand[3], t);
  }
  if (sets) {
    out = alloc_slot(p, false);
    emit_row(p, s, sub ? (wide ? "carry.sub.u64" : "carry.sub.u32") : (wide ? "carry.add.u64" : "carry.add.u32"), out,
             a, b, in, 0);
  }
  u32 d = dest_slot(p, s, &s->operand[0], t, t);
  emit_row(p, s, sub ? (wide ? "subc.u64" : "subc.u32") : (wide ? "addc.u64" : "addc.u32"), d, a, b, in, 0);
  if (sets) emit_row(p, s, "mov.pred", p->carry, out, 0, 0, 0);
}

static u64 window_of(const Statement *s) {
  return has_part(s, "shared") || has_part(s, "shared::cta")   ? SHARED_WINDOW
         : has_part(s, "local")                                ? LOCAL_WINDOW
         : has_part(s, "param") || has_part(s, "param::entry") ? PARAM_WINDOW
                                                               : 0;
}

/* cvta{.to}.space.u64 d, a; isspacep.space p, a */
static void lower_space(Parser *p, Statement *s) {
  bool test = s->part[0][0] == 'i', to = has_part(s, "to");
  need(p, s, 2, 2);
  u32 a = source_slot(p, s, &s->operand[1], T_u64);
  Type t = test ? T_pred : T_u64;
  u32 d = dest_slot(p, s, &s->operand[0], t, t);
  Insn *i = emit(p, s, test ? op_isspacep : op_cvta);
  i->d = d, i->a = a;
  set_operands(p, i, OPERAND_D | OPERAND_A, EXTRA_NONE);
  i->x.imm = (i64)(test ? window_of(s) : to ? 0u - window_of(s) : window_of(s));
}

static bool is_nothing(const char *op) {
  static const char *const names[] = {"prefetch",       "prefetchu",     "nanosleep", "pmevent",
                                      "griddepcontrol", "applypriority", "discard",   "setmaxnreg"};
  for (u32 k = 0; k < sizeof names / sizeof names[0]; k++)
    if (!strcmp(op, names[k])) return true;
  return false;
}

bool lower_special(Parser *p, Statement *s) {
  const char *op = s->part[0];
  bool vector = s->count == 2 && (s->operand[0].kind == OPER_VECTOR || s->operand[1].kind == OPER_VECTOR);
  if (!strcmp(op, "ld") || !strcmp(op, "ldu"))
    lower_load_store(p, s, false);
  else if (!strcmp(op, "st"))
    lower_load_store(p, s, true);
  else if (!strcmp(op, "mov") && vector)
    lower_vector_mov(p, s);
  else if (!strcmp(op, "setp"))
    lower_setp(p, s);
  else if (!strcmp(op, "set"))
    lower_set(p, s);
  else if (!strcmp(op, "bra") || !strcmp(op, "brx") || !strcmp(op, "ret") || !strcmp(op, "exit") ||
           !strcmp(op, "trap") || !strcmp(op, "brkpt"))
    lower_branch(p, s);
  else if (!strcmp(op, "call"))
    lower_call(p, s);
  else if (!strcmp(op, "bar") || !strcmp(op, "barrier") || !strcmp(op, "shfl") || !strcmp(op, "vote") ||
           !strcmp(op, "match") || !strcmp(op, "redux") || !strcmp(op, "activemask") || !strcmp(op, "elect"))
    lower_sync(p, s);
  else if (!strcmp(op, "atom") || !strcmp(op, "red"))
    lower_atomic(p, s, op[0] == 'a');
  else if (!strcmp(op, "mma") || !strcmp(op, "ldmatrix"))
    lower_matrix(p, s);
  else if (!strcmp(op, "cp"))
    lower_cp_async(p, s);
  else if (!strcmp(op, "cvta") || !strcmp(op, "isspacep"))
    lower_space(p, s);
  else if (!strcmp(op, "membar") || !strcmp(op, "fence"))
    (void)emit(p, s, op_fence);
  else if (is_nothing(op))
    (void)emit(p, s, op_nop);
  else if (!strcmp(op, "createpolicy") && s->count)
    emit_row(p, s, "mov.b64", dest_slot(p, s, &s->operand[0], T_b64, T_b64), const_slot(p, true, 0), 0, 0, 0);
  else if (has_part(s, "cc") || !strcmp(op, "addc") || !strcmp(op, "subc") || !strcmp(op, "madc"))
    lower_carry(p, s);
  else
    return false;
  return true;
}
