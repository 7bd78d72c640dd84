/* lower_control.c: branches, calls and the end of a thread. A guarded transfer that is no branch becomes a branch
 * around it. */
#include "handlers.h"
#include "parse.h"

static void branch_to(Parser *p, Insn *i, const Operand *target) {
  if (target->kind != OPER_SYMBOL || (target->symbol && target->symbol->kind != SYM_LABEL))
    parse_fail(p, "a branch needs a label");
  i->aux = 0xB0; /* parse_function turns the index into an address */
  add_fixup(p, i->info, target->name, NULL);
}

/* Emits a branch over what follows for the lanes whose guard is false; returns its index for close_guard. */
static u32 open_guard(Parser *p, Statement *s) {
  if (!s->guarded) return ~0u;
  Statement inverted = *s;
  inverted.guarded = false;
  Insn *i = emit(p, &inverted, op_branch_if);
  i->guard = s->guard, i->negate = !s->negate, i->aux = 0xB0;
  s->guarded = false;
  return i->info;
}
static void close_guard(Parser *p, u32 branch) {
  if (branch != ~0u) p->fn->code[branch].x.imm = p->fn->count;
}

static void lower_brx(Parser *p, Statement *s) {
  need(p, s, 2, 2);
  Symbol *table = s->operand[1].symbol;
  if (s->operand[1].kind != OPER_SYMBOL || !table || table->kind != SYM_TABLE)
    parse_fail(p, "brx.idx needs a list of targets");
  u32 slot = source_slot(p, s, &s->operand[0], T_u32), guard = open_guard(p, s);
  Insn *i = emit(p, s, op_branch_table);
  i->a = slot, i->x.extra = table->table;
  set_operands(p, i, OPERAND_A, EXTRA_NONE);
  close_guard(p, guard);
}

void lower_branch(Parser *p, Statement *s) {
  const char *op = s->part_count ? s->part[0] : s->opcode;
  if (!strcmp(op, "bra")) {
    need(p, s, 1, 1);
    Statement plain = *s;
    plain.guarded = false;
    Insn *i = emit(p, &plain, s->guarded ? op_branch_if : op_branch);
    i->guard = s->guard, i->negate = s->negate, i->flags |= INSN_TRIVIAL;
    branch_to(p, i, &s->operand[0]);
    return;
  }
  if (!strcmp(op, "brx")) {
    lower_brx(p, s);
    return;
  }
  u32 guard = open_guard(p, s);
  bool is_trap = !strcmp(op, "trap") || !strcmp(op, "brkpt"), leaves = !strcmp(op, "exit") || p->fn->is_entry;
  Insn *i = emit(p, s, is_trap ? op_trap : leaves ? op_exit : op_return);
  if (!is_trap) i->flags |= INSN_TRIVIAL;
  close_guard(p, guard);
}

static void call_arguments(Parser *p, const Statement *s, const Operand *list, Call *c) {
  if (list->count > 32) parse_fail(p, "a call with more than 32 arguments");
  for (u32 k = 0; k < list->count; k++) {
    const Operand *o = &list->elements[k];
    if (o->kind != OPER_SYMBOL || !o->symbol || o->symbol->kind != SYM_LOCAL)
      parse_fail(p, "'%s': an argument must be a .param variable", s->opcode);
    c->from[k] = o->symbol->offset, c->size[k] = o->symbol->size;
  }
  c->count = list->count;
}

static Handler *system_call(const char *name) {
  return !strcmp(name, "vprintf") ? op_printf : !strcmp(name, "__assertfail") ? op_assertfail : NULL;
}

static void add_callee(Parser *p, Function *f, Function *callee) {
  for (u32 k = 0; k < f->callee_count; k++)
    if (f->callees[k] == callee) return;
  f->callees = grow(p, f->callees, &f->callee_capacity, f->callee_count, sizeof *f->callees);
  f->callees[f->callee_count++] = callee;
}

/* call{.uni} [(result),] function | register [, (arguments) [, prototype]] */
void lower_call(Parser *p, Statement *s) {
  Call *c = arena_alloc(p->module, sizeof *c);
  u32 at = 0;
  if (!c) parse_fail(p, "out of memory");
  if (s->count && s->operand[0].kind == OPER_LIST) {
    Call ret = {.count = 0};
    call_arguments(p, s, &s->operand[0], &ret);
    if (ret.count > 1) parse_fail(p, "a call has one result");
    if (ret.count) c->ret_to = ret.from[0], c->ret_size = ret.size[0];
    at = 1;
  }
  if (at >= s->count) parse_fail(p, "a call needs a function");
  const Operand *target = &s->operand[at++];
  if (at < s->count && s->operand[at].kind == OPER_LIST) call_arguments(p, s, &s->operand[at], c);
  Handler *handler = op_call;
  if (target->kind == OPER_REG) {
    c->pointer = source_slot(p, s, target, T_u64);
    p->fn->calls_pointers = true;
  } else if (target->kind == OPER_SYMBOL && !(target->symbol && target->symbol->kind != SYM_FUNCTION)) {
    Function *f = function_named(p, target->name, false);
    c->callee = f;
    Handler *system = f->defined ? NULL : system_call(f->name);
    if (system)
      handler = system;
    else
      add_callee(p, p->fn, f);
  } else
    parse_fail(p, "a call needs a function");
  u32 guard = open_guard(p, s);
  Insn *i = emit(p, s, handler);
  i->x.extra = c;
  set_operands(p, i, 0, EXTRA_CALL);
  if (handler == op_call) p->fn->atomics_end = i->info + 1;
  close_guard(p, guard);
}
