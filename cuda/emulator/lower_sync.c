/* lower_sync.c: barriers and what lanes of a warp do together. */
#include "handlers.h"
#include "parse.h"

static u32 mode_of(Parser *p, const Statement *s, u32 part, const char *const *names, u32 count) {
  for (u32 k = 0; part < s->part_count && k < count; k++)
    if (!strcmp(s->part[part], names[k])) return k;
  (void)p;
  return ~0u;
}

/* bar{.cta}.sync a{, b}; .arrive a, b; .red.popc.u32 d, a{, b}, c; .red.{and,or}.pred p, a{, b}, c; bar.warp.sync mask
 */
static void lower_bar(Parser *p, Statement *s) {
  u32 part = 1;
  bool aligned = !strcmp(s->part[0], "bar") || has_part(s, "aligned");
  if (part < s->part_count && !strcmp(s->part[part], "cta")) part++;
  const char *kind = part < s->part_count ? s->part[part] : "";
  if (!strcmp(kind, "warp")) {
    need(p, s, 1, 1);
    u32 mask = source_slot(p, s, &s->operand[0], T_b32);
    Insn *i = emit(p, s, op_bar_warp);
    i->e = mask;
    set_operands(p, i, OPERAND_E, EXTRA_NONE);
    return;
  }
  u32 first = 0, d = ~0u, c = ~0u, mode = BAR_SYNC, count = s->count;
  if (!strcmp(kind, "arrive"))
    mode = BAR_ARRIVE, need(p, s, 2, 2);
  else if (!strcmp(kind, "red")) {
    const char *op = part + 1 < s->part_count ? s->part[part + 1] : "";
    mode = !strcmp(op, "popc") ? BAR_RED_POPC : !strcmp(op, "and") ? BAR_RED_AND : BAR_RED_OR;
    need(p, s, 3, 4);
    d = dest_slot(p, s, &s->operand[0], mode == BAR_RED_POPC ? T_u32 : T_pred, T_u32);
    c = source_slot(p, s, &s->operand[count - 1], T_pred);
    first = 1, count--;
  } else if (!strcmp(kind, "sync"))
    need(p, s, 1, 2);
  else {
    refuse(p, s, "is not an instruction that this emulator executes");
    return;
  }
  u32 id = source_slot(p, s, &s->operand[first], T_u32);
  u32 threads = count > first + 1 ? source_slot(p, s, &s->operand[first + 1], T_u32) : ~0u;
  Insn *i = emit(p, s, op_bar);
  i->a = id, i->b = threads, i->c = c, i->d = d, i->aux = (u8)mode, i->x.imm = aligned;
  set_operands(p, i, OPERAND_A | OPERAND_B | OPERAND_C | OPERAND_D, EXTRA_NONE);
}

void lower_sync(Parser *p, Statement *s) {
  static const char *const shfl_modes[] = {"up", "down", "bfly", "idx"}, *const votes[] = {"all", "any", "uni",
                                                                                           "ballot"};
  const char *op = s->part[0];
  if (!strcmp(op, "bar") || !strcmp(op, "barrier")) {
    lower_bar(p, s);
    return;
  }
  u32 d, a, e;
  if (!strcmp(op, "activemask")) {
    need(p, s, 1, 1);
    d = dest_slot(p, s, &s->operand[0], T_b32, T_b32);
    Insn *i = emit(p, s, op_activemask);
    i->d = d;
    set_operands(p, i, OPERAND_D, EXTRA_NONE);
    return;
  }
  if (!strcmp(op, "shfl") && has_part(s, "sync")) {
    u32 mode = mode_of(p, s, 2, shfl_modes, 4);
    need(p, s, 5, 5);
    if (mode == ~0u) parse_fail(p, "'%s': unknown mode", s->opcode);
    a = source_slot(p, s, &s->operand[1], T_b32);
    u32 b = source_slot(p, s, &s->operand[2], T_b32), c = source_slot(p, s, &s->operand[3], T_b32);
    e = source_slot(p, s, &s->operand[4], T_b32), d = dest_slot(p, s, &s->operand[0], T_b32, T_b32);
    i64 q = s->has_second && s->second.kind != OPER_SINK ? (i64)dest_slot(p, s, &s->second, T_pred, T_pred) : -1;
    Insn *i = emit(p, s, op_shfl);
    i->d = d, i->a = a, i->b = b, i->c = c, i->e = e, i->aux = (u8)mode, i->x.imm = q;
    set_operands(p, i, OPERAND_D | OPERAND_A | OPERAND_B | OPERAND_C | OPERAND_E | OPERAND_IMM, EXTRA_NONE);
    return;
  }
  if (!strcmp(op, "vote") && has_part(s, "sync")) {
    u32 mode = mode_of(p, s, 2, votes, 4);
    need(p, s, 3, 3);
    if (mode == ~0u) parse_fail(p, "'%s': unknown mode", s->opcode);
    a = source_slot(p, s, &s->operand[1], T_pred), e = source_slot(p, s, &s->operand[2], T_b32);
    d = dest_slot(p, s, &s->operand[0], mode == VOTE_BALLOT ? T_b32 : T_pred, T_b32);
    Insn *i = emit(p, s, op_vote);
    i->d = d, i->a = a, i->e = e, i->aux = (u8)mode;
    set_operands(p, i, OPERAND_D | OPERAND_A | OPERAND_E, EXTRA_NONE);
    return;
  }
  if (!strcmp(op, "match")) {
    bool all = has_part(s, "all"), wide = has_part(s, "b64");
    need(p, s, 3, 3);
    a = source_slot(p, s, &s->operand[1], wide ? T_b64 : T_b32), e = source_slot(p, s, &s->operand[2], T_b32);
    d = dest_slot(p, s, &s->operand[0], T_b32, T_b32);
    i64 q = s->has_second && s->second.kind != OPER_SINK ? (i64)dest_slot(p, s, &s->second, T_pred, T_pred) : -1;
    Insn *i = emit(p, s, op_match);
    i->d = d, i->a = a, i->e = e, i->aux = (u8)(all | wide << 1), i->x.imm = q;
    set_operands(p, i, OPERAND_D | OPERAND_A | OPERAND_E | OPERAND_IMM, EXTRA_NONE);
    return;
  }
  if (!strcmp(op, "redux")) {
    Type t = last_type(s);
    bool nan = has_part(s, "NaN"), abs = has_part(s, "abs");
    u32 mode = has_part(s, "add")   ? REDUX_ADD
               : has_part(s, "min") ? (t == T_f32   ? (nan ? REDUX_MIN_F_NAN : REDUX_MIN_F)
                                       : t == T_s32 ? REDUX_MIN_S
                                                    : REDUX_MIN_U)
               : has_part(s, "max") ? (t == T_f32   ? (nan ? REDUX_MAX_F_NAN : REDUX_MAX_F)
                                       : t == T_s32 ? REDUX_MAX_S
                                                    : REDUX_MAX_U)
               : has_part(s, "and") ? REDUX_AND
               : has_part(s, "or")  ? REDUX_OR
                                    : REDUX_XOR;
    need(p, s, 3, 3);
    a = source_slot(p, s, &s->operand[1], T_b32), e = source_slot(p, s, &s->operand[2], T_b32);
    d = dest_slot(p, s, &s->operand[0], T_b32, T_b32);
    Insn *i = emit(p, s, op_redux);
    i->d = d, i->a = a, i->e = e, i->aux = (u8)(mode | (abs ? REDUX_ABS : 0));
    set_operands(p, i, OPERAND_D | OPERAND_A | OPERAND_E, EXTRA_NONE);
    return;
  }
  if (!strcmp(op, "elect") && s->has_second) {
    need(p, s, 2, 2);
    e = source_slot(p, s, &s->operand[1], T_b32), d = dest_slot(p, s, &s->operand[0], T_b32, T_b32);
    u32 q = dest_slot(p, s, &s->second, T_pred, T_pred);
    Insn *i = emit(p, s, op_elect);
    i->d = d, i->e = e, i->x.imm = (i64)q;
    set_operands(p, i, OPERAND_D | OPERAND_E | OPERAND_IMM, EXTRA_NONE);
    return;
  }
  refuse(p, s, "is not an instruction that this emulator executes");
}
