/* lower_memory.c: loads, stores, atomics and copies. Modifiers are read one by one; one that is not known refuses the
 * instruction. */
#include "handlers.h"
#include "parse.h"

static bool starts(const char *s, const char *prefix) { return !strncmp(s, prefix, strlen(prefix)); }

static bool space_part(const char *part, Space *space) {
  static const struct {
    const char *name;
    Space space;
  } names[] = {{"global", SPACE_GLOBAL},     {"shared", SPACE_SHARED}, {"shared::cta", SPACE_SHARED},
               {"local", SPACE_LOCAL},       {"param", SPACE_PARAM},   {"param::entry", SPACE_PARAM},
               {"param::func", SPACE_PARAM}, {"const", SPACE_CONST}};
  for (u32 k = 0; k < sizeof names / sizeof names[0]; k++)
    if (!strcmp(part, names[k].name)) {
      *space = names[k].space;
      return true;
    }
  return false;
}
static bool is_scope(const char *part) {
  return !strcmp(part, "cta") || !strcmp(part, "gpu") || !strcmp(part, "sys") || !strcmp(part, "cluster");
}
/* Cache operators, eviction priorities and prefetch sizes change no value. */
static bool is_cache_hint(const char *part) {
  static const char *const exact[] = {"ca",
                                      "cg",
                                      "cs",
                                      "lu",
                                      "cv",
                                      "wb",
                                      "wt",
                                      "evict_first",
                                      "evict_last",
                                      "evict_normal",
                                      "evict_unchanged",
                                      "no_allocate",
                                      "weak",
                                      "mmio"};
  for (u32 k = 0; k < sizeof exact / sizeof exact[0]; k++)
    if (!strcmp(part, exact[k])) return true;
  return starts(part, "L1::") || starts(part, "L2::");
}

/* Fills the address of m: base register and offset, in the space that was decided. */
static void bind_address(Parser *p, const Statement *s, const Operand *o, MemOp *m) {
  if (o->kind != OPER_ADDRESS) parse_fail(p, "'%s' needs an address in brackets", s->opcode);
  m->offset = o->offset, m->address = ~0u;
  if (o->count == OPER_REG) {
    m->address = o->slot, m->narrow_address = !o->wide;
  } else if (o->count == OPER_INT) {
    m->offset = (i64)(o->value + (u64)o->offset);
  } else {
    Symbol *y = o->symbol;
    if (!y) parse_fail(p, "no variable %.80s", o->name);
    if (y->kind == SYM_LOCAL) m->space = m->space == SPACE_GENERIC ? SPACE_LOCAL : m->space;
    if (y->kind == SYM_PARAM || y->kind == SYM_LOCAL) {
      if (y->kind == SYM_LOCAL && m->space == SPACE_PARAM) m->space = SPACE_LOCAL;
      if (y->kind == SYM_LOCAL) { /* relative to the frame */
        Operand name = *o;
        name.kind = OPER_SYMBOL;
        m->address = source_slot(p, s, &name, T_u64), m->offset = 0;
      } else
        m->offset = (i64)((u64)y->offset + (u64)o->offset);
      return;
    }
    Operand name = *o;
    name.kind = OPER_SYMBOL;
    m->address = source_slot(p, s, &name, T_u64), m->offset = 0;
  }
}

MemOp *address_operand(Parser *p, const Statement *s, const Operand *o, Space space) {
  MemOp *m = arena_alloc(p->module, sizeof *m);
  if (!m) parse_fail(p, "out of memory");
  m->space = space;
  bind_address(p, s, o, m);
  return m;
}

static void note_shared(Parser *p, const MemOp *m) {
  if (m->space != SPACE_SHARED && m->space != SPACE_GENERIC) return;
  u32 shift = m->size == 1 ? 0 : m->size == 2 ? 1 : 2;
  if (shift < p->fn->shared_shift) p->fn->shared_shift = shift;
}

static Handler *memory_handler(const MemOp *m) {
  const Isa *isa = isa_current();
  switch (m->space) {
  case SPACE_GLOBAL:
  case SPACE_CONST:
    return m->store ? isa->st_global : isa->ld_global;
  case SPACE_SHARED:
    return m->store ? isa->st_shared : isa->ld_shared;
  case SPACE_LOCAL:
    return m->store ? isa->st_local : isa->ld_local;
  case SPACE_PARAM:
    return isa->ld_param;
  default:
    return m->store ? isa->st_generic : isa->ld_generic;
  }
}

/* ld and st: {.weak .relaxed .acquire .release .volatile} {.scope} {.space} {.nc} {.hints} {.vec} .type */
void lower_load_store(Parser *p, Statement *s, bool store) {
  MemOp *m = arena_alloc(p->module, sizeof *m);
  if (!m) parse_fail(p, "out of memory");
  u32 vector = 1;
  m->store = store;
  for (u32 k = 1; k < s->part_count; k++) {
    const char *part = s->part[k];
    Type t = type_from_name(part, strlen(part));
    if (space_part(part, &m->space) || is_scope(part) || is_cache_hint(part)) continue;
    if (!strcmp(part, "nc"))
      m->nc = true;
    else if (!strcmp(part, "volatile") || !strcmp(part, "relaxed"))
      m->volatile_ = true;
    else if (!strcmp(part, "acquire"))
      m->acquire = m->volatile_ = true;
    else if (!strcmp(part, "release"))
      m->release = m->volatile_ = true;
    else if (!strcmp(part, "v2"))
      vector = 2;
    else if (!strcmp(part, "v4"))
      vector = 4;
    else if (!strcmp(part, "v8"))
      vector = 8;
    else if (t != T_none && t != T_pred && k == s->part_count - 1)
      m->type = t;
    else {
      refuse(p, s, "has a modifier that this emulator does not know");
      return;
    }
  }
  if (m->type == T_none) parse_fail(p, "'%s' needs a type", s->opcode);
  u32 lanes128 = m->type == T_b128 ? 2 : 1;
  m->size = (u8)(type_bytes(m->type) / lanes128), m->count = (u8)(vector * lanes128), m->sign = type_is_signed(m->type);
  if (m->size * m->count > 32) parse_fail(p, "'%s' moves more than 32 bytes", s->opcode);
  need(p, s, 2, 4); /* a cache policy may follow */
  const Operand *value = &s->operand[store ? 1 : 0], *at = &s->operand[store ? 0 : 1];
  bind_address(p, s, at, m);
  u32 n = value->kind == OPER_VECTOR ? value->count : 1;
  if (n != vector || lanes128 == 2) parse_fail(p, "'%s' has %u elements", s->opcode, n);
  u32 finish[MAX_VECTOR] = {0};
  for (u32 k = 0; k < n; k++) {
    const Operand *o = value->kind == OPER_VECTOR ? &value->elements[k] : value;
    if (store) {
      m->wide[k] = o->kind == OPER_REG ? o->wide : m->size == 8;
      Type as = m->wide[k] ? T_b64 : m->size == 8 ? m->type : T_b32;
      if (m->size == 8) as = T_b64, m->wide[k] = true;
      if (o->kind == OPER_F64 && m->type == T_f32) as = T_f32;
      m->reg[k] = source_slot(p, s, o, as);
    } else if (o->kind == OPER_SINK)
      m->reg[k] = ~0u;
    else {
      if (o->kind != OPER_REG || o->is_pred) parse_fail(p, "'%s': the destination is no register", s->opcode);
      if (m->size == 8 && !o->wide) parse_fail(p, "'%s': the register is too narrow", s->opcode);
      m->wide[k] = o->wide, m->reg[k] = o->slot;
    }
  }
  (void)finish;
  if (m->space == SPACE_PARAM && store) parse_fail(p, "a store to the parameters of an entry");
  if (store && m->space == SPACE_CONST) parse_fail(p, "a store to constant memory");
  const u32 all = (u32)((1ull << (m->size * m->count)) - 1), used = p->used_bytes & all;
  const bool part = !store && used && used != all;
  if (part && (m->space == SPACE_SHARED || m->space == SPACE_GENERIC)) p->fn->shared_shift = 0;
  note_shared(p, m);
  Insn *i = emit(p, s, part ? op_load_used : memory_handler(m));
  i->x.mem = m;
  if (part) i->e = used;
  set_operands(p, i, 0, EXTRA_MEMORY);
  if (!m->store && m->count == 1) i->d = m->reg[0];
  i->a = m->address;
}

/* atom and red: {.sem} {.scope} {.space} .op {.noftz} {.hint} {.vec} .type */
void lower_atomic(Parser *p, Statement *s, bool returns) {
  static const char *const ops[] = {"add", "min", "max", "inc", "dec", "and", "or", "xor", "exch", "cas"};
  MemOp *m = arena_alloc(p->module, sizeof *m);
  if (!m) parse_fail(p, "out of memory");
  m->atomic = true, m->store = true;
  i32 op = -1;
  u32 vector = 1;
  for (u32 k = 1; k < s->part_count; k++) {
    const char *part = s->part[k];
    Type t = type_from_name(part, strlen(part));
    if (space_part(part, &m->space) || is_scope(part) || is_cache_hint(part)) continue;
    if (!strcmp(part, "relaxed") || !strcmp(part, "noftz")) continue;
    i32 found = -1;
    for (i32 o = 0; o < 10; o++)
      if (!strcmp(part, ops[o])) found = o;
    if (found >= 0)
      op = found;
    else if (!strcmp(part, "acquire"))
      m->acquire = true;
    else if (!strcmp(part, "release"))
      m->release = true;
    else if (!strcmp(part, "acq_rel"))
      m->acquire = m->release = true;
    else if (!strcmp(part, "v2"))
      vector = 2;
    else if (!strcmp(part, "v4"))
      vector = 4;
    else if (!strcmp(part, "v8"))
      vector = 8;
    else if (t != T_none && t != T_pred && t != T_b128 && k == s->part_count - 1)
      m->type = t;
    else {
      refuse(p, s, "has a modifier that this emulator does not know");
      return;
    }
  }
  if (op < 0 || m->type == T_none) parse_fail(p, "'%s' needs an operation and a type", s->opcode);
  m->size = (u8)type_bytes(m->type), m->count = (u8)vector;
  if (m->size * m->count > 32) parse_fail(p, "'%s' moves more than 32 bytes", s->opcode);
  u32 first = returns ? 1 : 0, sources = op == ATOM_CAS ? 2 : 1;
  need(p, s, first + 1 + sources, first + 2 + sources);
  bind_address(p, s, &s->operand[first], m);
  if (vector > 1 && op == ATOM_CAS) parse_fail(p, "'%s' of a vector", s->opcode);
  AtomicRegs *regs = arena_alloc(p->module, sizeof *regs);
  if (!regs) parse_fail(p, "out of memory");
  for (u32 k = 0; k < vector; k++) {
    const Operand *v = &s->operand[first + 1], *d = returns ? &s->operand[0] : NULL;
    if (vector > 1) {
      if (v->kind != OPER_VECTOR || v->count != vector || (d && (d->kind != OPER_VECTOR || d->count != vector)))
        parse_fail(p, "'%s' needs %u elements", s->opcode, vector);
      v = &v->elements[k], d = d ? &d->elements[k] : NULL;
    }
    regs->source[k] = source_slot(p, s, v, m->type);
    m->wide[k] = type_is_wide(m->type);
    m->reg[k] = !d || d->kind == OPER_SINK ? ~0u : dest_slot(p, s, d, m->type, m->type);
  }
  if (sources == 2)
    regs->compare = regs->source[0], regs->source[0] = source_slot(p, s, &s->operand[first + 2], m->type);
  bool is_float = m->type == T_f32 || m->type == T_f64 || m->type == T_f16 || m->type == T_bf16 || m->type == T_f16x2 ||
                  m->type == T_bf16x2;
  if (m->space != SPACE_SHARED && (returns || (is_float && op == ATOM_ADD))) p->fn->ordered_atomics = true;
  note_shared(p, m);
  regs->mem = *m;
  regs->op = (AtomicOp)op;
  Insn *i = emit(p, s, op_atomic);
  i->x.extra = regs, i->aux = has_part(s, "noftz");
  if (m->space != SPACE_SHARED) p->fn->atomics_end = i->info + 1;
  set_operands(p, i, 0, EXTRA_ATOMIC);
  if (returns && vector == 1 && m->reg[0] != ~0u) finish_dest(p, s, &s->operand[0], m->type, m->reg[0]);
}

/* cp.async.{ca,cg}.shared.global [dst], [src], size {, source size | ignore}; commit_group; wait_group n; wait_all */
void lower_cp_async(Parser *p, Statement *s) {
  static const char *const waits[] = {"commit_group", "wait_group", "wait_all"};
  for (u32 k = 0; s->part_count == 3 && k < 3; k++) {
    if (strcmp(s->part[2], waits[k])) continue;
    const u32 operands = k == ASYNC_WAIT_GROUP;
    need(p, s, operands, operands);
    if (operands && (s->operand[0].kind != OPER_INT || s->operand[0].value > 1u << 30))
      parse_fail(p, "'%s' needs a constant up to 2^30", s->opcode);
    Insn *i = emit(p, s, op_cp_async_wait);
    i->aux = (u8)k, i->x.imm = operands ? (i64)s->operand[0].value : 0;
    return;
  }
  if (s->part_count < 5 || strcmp(s->part[1], "async") || (strcmp(s->part[2], "ca") && strcmp(s->part[2], "cg"))) {
    refuse(p, s, "is not an instruction that this emulator executes");
    return;
  }
  need(p, s, 3, 5);
  AsyncCopy *c = arena_alloc(p->module, sizeof *c);
  if (!c) parse_fail(p, "out of memory");
  c->to.space = SPACE_SHARED, c->from.space = SPACE_GLOBAL;
  bind_address(p, s, &s->operand[0], &c->to);
  bind_address(p, s, &s->operand[1], &c->from);
  if (s->operand[2].kind != OPER_INT ||
      (s->operand[2].value != 4 && s->operand[2].value != 8 && s->operand[2].value != 16))
    parse_fail(p, "'%s' copies 4, 8 or 16 bytes", s->opcode);
  c->to.store = true, c->to.size = c->from.size = (u8)s->operand[2].value, c->to.count = c->from.count = 1;
  c->source_size = ~0u;
  if (s->count >= 4 && !has_part(s, "cache_hint")) {
    const Operand *o = &s->operand[3];
    c->ignore = (o->kind == OPER_REG && o->is_pred) || o->not ;
    c->source_size = source_slot(p, s, o, c->ignore ? T_pred : T_u32);
  }
  Insn *i = emit(p, s, op_cp_async);
  i->x.extra = c;
  set_operands(p, i, 0, EXTRA_COPY);
}
