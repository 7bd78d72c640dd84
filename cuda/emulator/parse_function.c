/* parse_function.c: entries and device functions: parameters, declarations, statements, labels. */
#include "approx.h"
#include "parse.h"
#include <stdlib.h>

u32 alloc_slot(Parser *p, bool wide) {
  Function *f = p->fn;
  u32 bytes = LANES * (wide ? 8u : 4u), at = f->reg_bytes;
  if (at > (64u << 20)) parse_fail(p, "%s needs too many registers", f->name);
  if (wide) p->wide_slots[at / (LANES * 4) / 8] |= (u8)(1u << (at / (LANES * 4) % 8));
  f->reg_bytes += bytes;
  return at;
}

Function *function_named(Parser *p, const char *name, bool is_entry) {
  Module *m = p->module;
  Function **bucket = &p->functions[hash_name(name, strlen(name))];
  for (Function *f = *bucket; f; f = f->same_hash)
    if (!strcmp(f->name, name)) return f;
  u32 n = m->function_count;
  if (n == 0 || (n >= 16 && !(n & (n - 1)))) {
    Function **grown = arena_alloc(m, (n ? 2 * n : 16) * sizeof *grown);
    if (!grown) parse_fail(p, "out of memory");
    if (n) memcpy(grown, m->functions, n * sizeof *grown);
    m->functions = grown;
  }
  Function *f = arena_alloc(m, sizeof *f);
  if (!f) parse_fail(p, "out of memory");
  f->name = arena_text(m, name, strlen(name));
  if (!f->name) parse_fail(p, "out of memory");
  f->same_hash = *bucket, *bucket = f;
  f->module = m, f->is_entry = is_entry, f->index = n, f->shared_shift = 2;
  m->functions[m->function_count++] = f;
  return f;
}

/* .param [.align N] .type [.ptr [.space] [.align N]] name[size] */
static Param parse_param(Parser *p) {
  Param r = {.align = 0};
  if (!accept_word(p, ".param") && !accept_word(p, ".reg")) parse_fail(p, "expected .param");
  while (p->token.kind == TOK_WORD && p->token.text[0] == '.') {
    char *word = take_word(p);
    Type t = type_from_name(word + 1, strlen(word + 1));
    if (!strcmp(word, ".align")) {
      u32 align = (u32)take_int(p);
      if (!r.pointer) r.align = align;
    } else if (!strcmp(word, ".ptr"))
      r.pointer = true;
    else if (t != T_none)
      r.type = t;
    else if (strcmp(word, ".global") && strcmp(word, ".const") && strcmp(word, ".shared") && strcmp(word, ".local"))
      parse_fail(p, "unknown parameter attribute %.40s", word);
  }
  if (r.type == T_none) parse_fail(p, "a parameter needs a type");
  r.name = take_word(p);
  u64 size = type_bytes(r.type);
  if (!r.align) r.align = (u32)size;
  while (accept_punct(p, '[')) {
    u64 n = at_punct(p, ']') ? 0 : take_int(p);
    expect_punct(p, ']');
    if (n > 1u << 20 || size * n > 1u << 20) parse_fail(p, "parameter %s is too large", r.name);
    size *= n;
  }
  if (r.align & (r.align - 1) || r.align > 4096 || !r.align)
    parse_fail(p, "alignment %u of parameter %s", r.align, r.name);
  r.size = (u32)size;
  return r;
}

/* A variable of the frame: parameters of device functions, .param and .local variables. */
static Symbol *frame_variable(Parser *p, const Param *v, SymbolKind kind) {
  Function *f = p->fn;
  Symbol *s = symbol_add(p, v->name, kind);
  u32 at = (f->local_bytes + v->align - 1) & ~(v->align - 1);
  if (at > 1u << 24 || v->size > 1u << 24) parse_fail(p, "the frame of %s is too large", f->name);
  s->offset = at, s->size = v->size, s->type = v->type;
  f->local_bytes = at + v->size;
  return s;
}

static void parse_params(Parser *p, Function *f) {
  u32 capacity = 0;
  expect_punct(p, '(');
  if (accept_punct(p, ')')) return;
  do {
    Param v = parse_param(p);
    f->params = grow(p, f->params, &capacity, f->param_count, sizeof *f->params);
    if (f->is_entry) {
      Symbol *s = symbol_add(p, v.name, SYM_PARAM);
      v.offset = (f->param_bytes + v.align - 1) & ~(v.align - 1);
      s->offset = v.offset, s->size = v.size, s->type = v.type;
      f->param_bytes = v.offset + v.size;
      if (f->param_bytes > 32764) parse_fail(p, "the parameters of %s need more than 32764 bytes", f->name);
    } else
      v.offset = frame_variable(p, &v, SYM_LOCAL)->offset;
    f->params[f->param_count++] = v;
  } while (accept_punct(p, ','));
  expect_punct(p, ')');
}

static void parse_limits(Parser *p, Function *f) {
  while (!at_punct(p, '{') && !at_punct(p, ';')) {
    if (p->token.kind == TOK_END) parse_fail(p, "%s has no body", f->name);
    if (p->token.kind != TOK_WORD) {
      next_token(p);
      continue;
    }
    char *word = take_word(p);
    bool max = !strcmp(word, ".maxntid"), req = !strcmp(word, ".reqntid");
    if (!max && !req) continue;
    u64 n[3] = {1, 1, 1};
    for (u32 k = 0; k < 3; k++) {
      n[k] = take_int(p);
      if (n[k] > MAX_THREADS) parse_fail(p, "%s: %s is above %d", f->name, word, MAX_THREADS);
      if (!accept_punct(p, ',')) break;
    }
    f->max_threads = (u32)(n[0] * n[1] * n[2]);
    if (req)
      for (u32 k = 0; k < 3; k++) f->req_threads[k] = (u32)n[k];
  }
}

/* .reg .type name, name<n>, … ; */
static void parse_registers(Parser *p) {
  Type type = T_none;
  u32 lanes = 1;
  while (p->token.kind == TOK_WORD && p->token.text[0] == '.') {
    char *word = take_word(p);
    if (!strcmp(word, ".v2"))
      lanes = 2;
    else if (!strcmp(word, ".v4"))
      lanes = 4;
    else
      type = type_from_name(word + 1, strlen(word + 1));
  }
  if (type == T_none) parse_fail(p, "a register needs a type");
  if (lanes != 1) parse_fail(p, "vector registers are not supported");
  bool wide = type_is_wide(type);
  do {
    char *name = take_word(p);
    u64 n = 1;
    bool range = accept_punct(p, '<');
    if (range) {
      n = take_int(p);
      expect_punct(p, '>');
    }
    if (type == T_b128) n *= 2;
    p->total_slots += n;
    if (n > 1u << 18 || p->total_slots > 1u << 19) parse_fail(p, "too many registers");
    if (symbol_again(p, name, range)) parse_fail(p, "%s is declared twice", name);
    Symbol *s = symbol_add(p, name, SYM_REG);
    s->type = type, s->count = range ? (u32)n : 0, s->slot = p->fn->reg_bytes;
    p->fn->reg_count[wide] += (u32)n;
    for (u64 k = 0; k < n; k++) (void)alloc_slot(p, wide);
  } while (accept_punct(p, ','));
  expect_punct(p, ';');
}

static void parse_frame_variables(Parser *p) {
  Param v = {.align = 0};
  while (p->token.kind == TOK_WORD && p->token.text[0] == '.') {
    char *word = take_word(p);
    if (!strcmp(word, ".align"))
      v.align = (u32)take_int(p);
    else if ((v.type = type_from_name(word + 1, strlen(word + 1))) == T_none)
      parse_fail(p, "unknown type %.40s", word);
  }
  if (v.type == T_none) parse_fail(p, "a variable needs a type");
  do {
    v.name = take_word(p);
    u64 size = type_bytes(v.type);
    u32 align = v.align;
    while (accept_punct(p, '[')) {
      u64 n = at_punct(p, ']') ? 0 : take_int(p);
      expect_punct(p, ']');
      if (n > 1u << 24 || size * n > 1u << 24) parse_fail(p, "%s is too large", v.name);
      size *= n;
    }
    if (!v.align) v.align = type_bytes(v.type);
    if (v.align & (v.align - 1) || v.align > 65536) parse_fail(p, "alignment %u of %s", v.align, v.name);
    v.size = (u32)size;
    (void)frame_variable(p, &v, SYM_LOCAL);
    v.align = align;
  } while (accept_punct(p, ','));
  expect_punct(p, ';');
}

static bool is_cu_file(const Parser *p, u32 file) {
  const char *name = file < p->module->file_count ? p->module->files[file] : NULL;
  size_t n = name ? strlen(name) : 0;
  return n == 0 || (n > 3 && !strcmp(name + n - 3, ".cu"));
}
/* .loc file line column [, function_name label [+ n], inlined_at file line column] */
static void parse_loc(Parser *p) {
  u32 at[3], caller[3];
  bool inlined = false;
  for (u32 k = 0; k < 3; k++) at[k] = (u32)take_int(p);
  while (accept_punct(p, ',')) {
    char *word = take_word(p);
    if (!strcmp(word, "function_name")) {
      (void)take_word(p);
      if (accept_punct(p, '+')) (void)take_int(p);
    } else {
      for (u32 k = 0; k < 3; k++) caller[k] = (u32)take_int(p);
      inlined = true;
    }
  }
  if (inlined) {
    u32 slot = p->inlined_count++ % 64;
    memcpy(p->inlined[slot].at, at, sizeof at), memcpy(p->inlined[slot].caller, caller, sizeof caller);
  }
  /* A line of a header is of no use: report the line of the .cu file that called it. */
  for (u32 steps = 0; steps < 16 && !is_cu_file(p, at[0]); steps++) {
    u32 k = p->inlined_count < 64 ? p->inlined_count : 64;
    while (k > 0 && memcmp(p->inlined[k - 1].at, at, sizeof at)) k--;
    if (!k) break;
    memcpy(at, p->inlined[k - 1].caller, sizeof at);
  }
  p->file = at[0], p->loc_line = at[1];
}

u32 label_index(Parser *p, const char *name) {
  if (symbol_again(p, name, false)) parse_fail(p, "%s is defined twice", name);
  Symbol *s = symbol_add(p, name, SYM_LABEL);
  s->index = p->fn->count;
  return s->index;
}

void add_fixup(Parser *p, u32 insn, const char *label, u32 *table_entry) {
  p->fixups = grow(p, p->fixups, &p->fixup_capacity, p->fixup_count, sizeof *p->fixups);
  p->fixups[p->fixup_count++] =
      (Fixup){insn, arena_text(p->module, label, strlen(label)), p->scope, p->line, table_entry};
}

/* Resolves the branches whose label the closing scope defines; the others wait for the scope around it. Those of the
 * closing scope are the last ones: what is inside of it has been closed, and nothing was added around it since. */
static void resolve_labels(Parser *p, bool last) {
  u32 kept = p->fixup_count;
  while (kept > 0 && p->fixups[kept - 1].scope == p->scope) kept--;
  for (u32 k = kept; k < p->fixup_count; k++) {
    Fixup *x = &p->fixups[k];
    u32 number;
    Symbol *s = symbol_find(p, x->label, &number);
    if (s && s->kind == SYM_LABEL && s->scope == p->scope) {
      if (x->table_entry)
        *x->table_entry = s->index;
      else
        p->fn->code[x->insn].x.imm = s->index;
      continue;
    }
    if (last) {
      p->line = x->line;
      parse_fail(p, "no label %.80s", x->label);
    }
    x->scope--;
    p->fixups[kept++] = *x;
  }
  p->fixup_count = kept;
}

void parse_table(Parser *p, const char *name, const char *directive) {
  if (!strcmp(directive, ".branchtargets")) {
    BranchTable *t = arena_alloc(p->module, sizeof *t);
    if (!t) parse_fail(p, "out of memory");
    Symbol *s = symbol_add(p, name, SYM_TABLE);
    u32 names_capacity = 0;
    char **names = NULL;
    do {
      names = grow(p, names, &names_capacity, t->count, sizeof *names);
      names[t->count++] = take_word(p);
    } while (accept_punct(p, ','));
    t->target = arena_alloc(p->module, t->count * sizeof *t->target);
    if (!t->target) parse_fail(p, "out of memory");
    for (u32 k = 0; k < t->count; k++) add_fixup(p, 0, names[k], &t->target[k]);
    s->table = t;
  }
  while (p->token.kind != TOK_END && !at_punct(p, ';')) next_token(p);
  expect_punct(p, ';');
}

/* .pragma "used_bytes_mask N" is of the next load; the others change nothing. */
static void parse_pragma(Parser *p) {
  static const char used[] = "used_bytes_mask ";
  char number[16] = "";
  const Token *t = &p->token;
  if (t->kind == TOK_STRING && t->length > sizeof used - 1 && t->length < sizeof used + sizeof number - 2 &&
      !memcmp(t->text, used, sizeof used - 1)) {
    memcpy(number, t->text + sizeof used - 1, t->length - (sizeof used - 1));
    p->used_bytes = (u32)strtoul(number, NULL, 0);
  }
  parse_table(p, "", "");
}

static void parse_body_item(Parser *p) {
  if (at_punct(p, '{')) {
    next_token(p);
    scope_open(p);
    while (!at_punct(p, '}')) {
      if (p->token.kind == TOK_END) parse_fail(p, "a block does not end");
      parse_body_item(p);
    }
    resolve_labels(p, false);
    scope_close(p);
    next_token(p);
    return;
  }
  if (accept_punct(p, ';')) return;
  p->line = p->token.line;
  if (p->token.kind == TOK_WORD && p->token.text[0] == '.') {
    char *word = take_word(p);
    if (!strcmp(word, ".reg"))
      parse_registers(p);
    else if (!strcmp(word, ".local") || !strcmp(word, ".param"))
      parse_frame_variables(p);
    else if (!strcmp(word, ".shared"))
      parse_variable(p, SPACE_SHARED, false);
    else if (!strcmp(word, ".global"))
      parse_variable(p, SPACE_GLOBAL, false);
    else if (!strcmp(word, ".const"))
      parse_variable(p, SPACE_CONST, false);
    else if (!strcmp(word, ".loc"))
      parse_loc(p);
    else if (!strcmp(word, ".pragma"))
      parse_pragma(p);
    else
      parse_fail(p, "unknown directive '%.60s'", word);
    return;
  }
  Statement *s = &(Statement){.line = p->token.line};
  parse_statement(p, s);
  p->used_bytes = 0;
}

static void *allocate(void *module, size_t size) { return arena_alloc(module, size); }

/* After .entry or .func: [(result)] name (parameters) limits { body } or ; */
void parse_function(Parser *p, bool is_entry) {
  Param ret = {.align = 0};
  bool has_ret = false;
  if (accept_word(p, ".attribute")) skip_attribute(p);
  scope_open(p);
  if (!is_entry && accept_punct(p, '(')) {
    has_ret = !at_punct(p, ')');
    if (has_ret) ret = parse_param(p);
    expect_punct(p, ')');
  }
  char *name = take_word(p);
  Function *f = function_named(p, name, is_entry);
  if (f->defined) parse_fail(p, "%s is defined twice", name);
  f->is_entry = is_entry;
  f->param_count = 0, f->param_bytes = 0, f->local_bytes = 0, f->params = NULL;
  p->fn = f;
  memset(p->wide_slots, 0, sizeof p->wide_slots);
  p->fixup_count = 0, p->inlined_count = 0, p->file = 0, p->loc_line = 0, p->carry = ~0u, p->total_slots = 0;
  u32 function_scope = p->scope;
  if (at_punct(p, '(')) parse_params(p, f);
  if (has_ret) {
    f->ret_offset = frame_variable(p, &ret, SYM_LOCAL)->offset;
    f->ret_bytes = ret.size;
  }
  parse_limits(p, f);
  if (accept_punct(p, ';')) {
    p->fn = NULL;
    scope_close(p);
    return;
  }
  f->defined = true;
  expect_punct(p, '{');
  while (!at_punct(p, '}')) {
    if (p->token.kind == TOK_END) parse_fail(p, "%s does not end", name);
    parse_body_item(p);
  }
  Statement end = {.line = p->line};
  memcpy(end.opcode, "ret", 4);
  lower_branch(p, &end);
  resolve_labels(p, true);
  if (p->scope != function_scope) parse_fail(p, "unbalanced scopes");
  next_token(p);
  fold_constants(p);
  fusable_pairs(f, allocate, p->module);
  allocate_slots(p);
  for (u32 k = 0; k < f->count; k++)
    if (f->code[k].aux == 0xB0) { /* a branch: index to address, now that the code stands still */
      f->code[k].aux = 0;
      f->code[k].x.to = &f->code[f->code[k].x.imm];
    }
  p->fn = NULL;
  scope_close(p);
}
