/* operands.c: one statement: guard, opcode, operands. */
#include "parse.h"
#include <stdio.h>

static void parse_name(Parser *p, Operand *o) {
  char *name = take_word(p);
  if (!strcmp(name, "_")) {
    o->kind = OPER_SINK;
    return;
  }
  if (!strcmp(name, "WARP_SZ")) {
    o->kind = OPER_INT, o->value = LANES;
    return;
  }
  u32 number;
  Symbol *s = symbol_find(p, name, &number);
  if (s && s->kind == SYM_REG) {
    o->kind = OPER_REG, o->wide = type_is_wide(s->type), o->is_pred = s->type == T_pred;
    o->slot = s->slot + number * LANES * (o->wide ? 8u : 4u);
    o->symbol = s;
    return;
  }
  i32 sreg = name[0] == '%' ? sreg_from_name(name) : -1;
  if (!s && sreg >= 0) {
    o->kind = OPER_SREG, o->sreg = (u32)sreg, o->wide = sreg_is_wide((u32)sreg);
    return;
  }
  o->kind = OPER_SYMBOL, o->symbol = s, o->name = name, o->unresolved = !s;
}

static i64 parse_offset(Parser *p) {
  i64 offset = 0;
  while (at_punct(p, '+') || at_punct(p, '-')) {
    bool minus = p->token.punct == '-';
    next_token(p);
    i64 v = (i64)take_int(p);
    offset = (i64)(minus ? (u64)offset - (u64)v : (u64)offset + (u64)v);
  }
  return offset;
}

static void parse_list(Parser *p, Operand *o, OperandKind kind, char close, u32 most) {
  o->kind = kind;
  o->elements = arena_alloc(p->module, most * sizeof *o->elements);
  if (!o->elements) parse_fail(p, "out of memory");
  if (accept_punct(p, close)) return;
  do {
    if (o->count == most) parse_fail(p, "more than %u elements", most);
    parse_operand(p, &o->elements[o->count++]);
  } while (accept_punct(p, ','));
  expect_punct(p, close);
}

void parse_operand(Parser *p, Operand *o) {
  *o = (Operand){.kind = OPER_INT};
  if (++p->depth > 200) parse_fail(p, "operands are nested too deeply");
  if (accept_punct(p, '!')) o->not = true;
  if (accept_punct(p, '-')) o->negate = true;
  if (accept_punct(p, '{'))
    parse_list(p, o, OPER_VECTOR, '}', 64);
  else if (accept_punct(p, '('))
    parse_list(p, o, OPER_LIST, ')', 64);
  else if (accept_punct(p, '[')) {
    Operand base;
    parse_operand(p, &base);
    *o = base;
    if (base.kind != OPER_REG && base.kind != OPER_SYMBOL && base.kind != OPER_INT)
      parse_fail(p, "an address needs a register, a name or a number");
    i64 offset = parse_offset(p);
    o->offset = (i64)((u64)o->offset + (u64)offset);
    o->elements = NULL, o->count = (u32)base.kind; /* what the base is */
    o->kind = OPER_ADDRESS;
    expect_punct(p, ']');
  } else if (p->token.kind == TOK_WORD) {
    parse_name(p, o);
    if (o->kind == OPER_SYMBOL) o->offset = parse_offset(p);
  } else if (p->token.kind == TOK_INT || p->token.kind == TOK_F32 || p->token.kind == TOK_F64) {
    o->kind = p->token.kind == TOK_INT ? OPER_INT : p->token.kind == TOK_F32 ? OPER_F32 : OPER_F64;
    o->value = p->token.value;
    if (o->negate)
      o->value = o->kind == OPER_INT ? 0u - o->value : o->value ^ (o->kind == OPER_F32 ? 1ull << 31 : 1ull << 63);
    next_token(p);
  } else
    parse_fail(p, "expected an operand");
  p->depth--;
}

static void split_opcode(Parser *p, Statement *s, const char *word) {
  size_t n = strlen(word);
  if (n >= sizeof s->opcode) parse_fail(p, "an opcode of %zu characters", n);
  memcpy(s->opcode, word, n + 1);
  char *copy = arena_text(p->module, word, n);
  if (!copy) parse_fail(p, "out of memory");
  for (char *at = copy; at && s->part_count < sizeof s->part / sizeof s->part[0];) {
    s->part[s->part_count++] = at;
    at = strchr(at, '.');
    if (at) *at++ = 0;
  }
}

/* A label, a table, or an instruction up to its semicolon. */
void parse_statement(Parser *p, Statement *s) {
  if (accept_punct(p, '@')) {
    Operand guard = {.kind = OPER_INT};
    s->negate = accept_punct(p, '!');
    parse_operand(p, &guard);
    if (guard.kind != OPER_REG || !guard.is_pred) parse_fail(p, "a guard needs a predicate register");
    s->guarded = true, s->guard = guard.slot;
  }
  char *word = take_word(p);
  if (!s->guarded && accept_punct(p, ':')) {
    if (p->token.kind == TOK_WORD && p->token.text[0] == '.') {
      if (at_word(p, ".branchtargets") || at_word(p, ".calltargets") || at_word(p, ".callprototype")) {
        char *directive = take_word(p);
        parse_table(p, word, directive);
        return;
      }
    }
    (void)label_index(p, word);
    return;
  }
  split_opcode(p, s, word);
  while (!at_punct(p, ';')) {
    if (p->token.kind == TOK_END) parse_fail(p, "'%.40s' does not end", s->opcode);
    if (s->count == MAX_OPERANDS) parse_fail(p, "'%.40s' has more than %d operands", s->opcode, MAX_OPERANDS);
    parse_operand(p, &s->operand[s->count++]);
    if (s->count == 1 && accept_punct(p, '|')) {
      parse_operand(p, &s->second);
      s->has_second = true;
    }
    if (!at_punct(p, ';') && s->operand[s->count - 1].kind != OPER_LIST)
      expect_punct(p, ',');
    else
      (void)accept_punct(p, ',');
  }
  next_token(p);
  lower_statement(p, s);
}
