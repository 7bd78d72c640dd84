/* parse_variable.c: module-scope and function-scope variables of the global, const and shared spaces, with
 * initialisers. */
#include "parse.h"

static void put_bytes(Parser *p, Variable *v, u64 at, u64 value, u32 size) {
  if (at + size > v->size) parse_fail(p, "too many initialisers for %s", v->name);
  if (at + size > v->init_bytes) { /* doubled: as long as the text is, not as the variable */
    u64 room = v->init_bytes ? 2 * v->init_bytes : 64;
    if (room < at + size) room = at + size;
    if (room > v->size) room = v->size;
    u8 *grown = arena_alloc(p->module, room);
    if (!grown) parse_fail(p, "out of memory");
    if (v->init_bytes) memcpy(grown, v->init, v->init_bytes);
    v->init = grown, v->init_bytes = room;
  }
  for (u32 k = 0; k < size; k++) v->init[at + k] = (u8)(value >> (8 * k));
}

static void put_symbol(Parser *p, Variable *v, u64 at, bool generic) {
  u32 capacity = v->reloc_count ? 1u : 0u;
  while (capacity < v->reloc_count) capacity *= 2;
  void *grown = v->relocs;
  if (v->reloc_count == capacity) {
    grown = arena_alloc(p->module, (capacity ? capacity * 2 : 1) * sizeof *v->relocs);
    if (!grown) parse_fail(p, "out of memory");
    if (v->reloc_count) memcpy(grown, v->relocs, v->reloc_count * sizeof *v->relocs);
  }
  v->relocs = grown;
  v->relocs[v->reloc_count].at = at;
  v->relocs[v->reloc_count].generic = generic;
  v->relocs[v->reloc_count].symbol = take_word(p);
  if (accept_punct(p, '+')) v->relocs[v->reloc_count].addend = (i64)take_int(p);
  v->reloc_count++;
}

/* One initialiser or a braced list of them; `at` moves on. */
static void parse_initialiser(Parser *p, Variable *v, u32 size, u64 *at, u32 depth) {
  if (depth > 16) parse_fail(p, "initialisers are nested too deeply");
  if (accept_punct(p, '{')) {
    if (accept_punct(p, '}')) return;
    do parse_initialiser(p, v, size, at, depth + 1);
    while (accept_punct(p, ','));
    expect_punct(p, '}');
    return;
  }
  if (*at + size > v->size) parse_fail(p, "too many initialisers for %s", v->name);
  bool negative = accept_punct(p, '-');
  Token t = p->token;
  if (t.kind == TOK_INT || t.kind == TOK_F32 || t.kind == TOK_F64) {
    u64 value = t.value;
    if (t.kind == TOK_F64 && size == 4) {
      double d;
      float f;
      memcpy(&d, &t.value, 8);
      f = (float)d;
      u32 bits;
      memcpy(&bits, &f, 4);
      value = bits;
    }
    next_token(p);
    if (negative) value = t.kind == TOK_INT ? 0u - value : value ^ 1ull << (8 * size - 1);
    put_bytes(p, v, *at, value, size);
  } else if (accept_word(p, "generic")) {
    expect_punct(p, '(');
    put_symbol(p, v, *at, true);
    expect_punct(p, ')');
  } else if (t.kind == TOK_WORD && size == 8)
    put_symbol(p, v, *at, false);
  else
    parse_fail(p, "unsupported initialiser of %s", v->name);
  *at += size;
}

/* After the space: [.align N] [.attribute(.managed)] [.ptr …] .type name[dims] [= init] {, …} ; */
void parse_variable(Parser *p, Space space, bool is_extern) {
  Module *m = p->module;
  Type type = T_none;
  u32 align = 0, lanes = 1;
  while (p->token.kind == TOK_WORD && p->token.text[0] == '.') {
    char *word = take_word(p);
    if (!strcmp(word, ".align"))
      align = (u32)take_int(p);
    else if (!strcmp(word, ".attribute"))
      skip_attribute(p);
    else if (!strcmp(word, ".v2"))
      lanes = 2;
    else if (!strcmp(word, ".v4"))
      lanes = 4;
    else if ((type = type_from_name(word + 1, strlen(word + 1))) == T_none) {
      while (p->token.kind != TOK_END && !at_punct(p, ';')) next_token(p); /* textures and samplers are opaque */
      expect_punct(p, ';');
      return;
    }
  }
  if (type == T_none) parse_fail(p, "a variable needs a type");
  if (align & (align - 1) || align > 65536) parse_fail(p, ".align %u is no power of two up to 65536", align);
  do {
    char *name = take_word(p);
    u64 size = (u64)type_bytes(type) * lanes;
    u32 item = type_bytes(type);
    if (!align) align = (u32)size;
    while (accept_punct(p, '[')) {
      u64 n = 0;
      if (!at_punct(p, ']')) n = take_int(p);
      expect_punct(p, ']');
      if (n > 1ull << 31 || size * n > 1ull << 31) parse_fail(p, "%s is too large", name);
      size *= n;
    }
    bool shared = space == SPACE_SHARED;
    Variable v = {.name = name, .space = space, .align = align, .size = size, .is_extern = is_extern};
    if (shared && is_extern && !size && align > m->dynamic_align) m->dynamic_align = align;
    if (accept_punct(p, '=')) {
      u64 at = 0;
      if (!size) parse_fail(p, "%s has an initialiser and no size", name);
      parse_initialiser(p, &v, item, &at, 0);
    }
    if (m->variable_count == 1u << 20) parse_fail(p, "too many variables");
    Variable *old = m->variables;
    u32 n = m->variable_count, capacity = n < 64 ? (n ? 64 : 0) : 0;
    if (n == 0 || (n >= 64 && !(n & (n - 1)))) {
      capacity = n ? 2 * n : 64;
      m->variables = arena_alloc(m, capacity * sizeof v);
      if (!m->variables) parse_fail(p, "out of memory");
      if (n) memcpy(m->variables, old, n * sizeof v);
    }
    m->variables[n] = v;
    m->variable_count++;
    if (shared && p->fn && !(is_extern && !size)) use_shared(p, n);
    Symbol *s = symbol_add(p, name, SYM_VARIABLE);
    s->index = n, s->type = type;
  } while (accept_punct(p, ','));
  expect_punct(p, ';');
}
