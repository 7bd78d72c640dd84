/* parse_module.c: the directives of a module. */
#include "parse.h"
#include <stdio.h>
#include <stdlib.h>

static void skip_statement(Parser *p) {
  while (p->token.kind != TOK_END && !at_punct(p, ';')) next_token(p);
  if (p->token.kind == TOK_END) parse_fail(p, "a directive does not end");
  next_token(p);
}
/* .section { … }: debug information. Its braces hold no others. */
static void skip_section(Parser *p) {
  while (p->token.kind != TOK_END && !at_punct(p, '{')) next_token(p);
  while (p->token.kind != TOK_END && !at_punct(p, '}')) next_token(p);
  if (p->token.kind == TOK_END) parse_fail(p, "a section does not end");
  next_token(p);
}

static void parse_version(Parser *p) {
  Token *t = &p->token;
  if (t->kind == TOK_F64) {
    double v;
    memcpy(&v, &t->value, 8);
    if (!(v >= 1.0 && v < 100.0)) parse_fail(p, ".version is out of range");
    u32 tenths = (u32)(v * 10.0 + 0.5);
    p->module->version_major = tenths / 10, p->module->version_minor = tenths % 10;
  } else if (t->kind == TOK_INT) {
    p->module->version_major = (u32)t->value;
  } else
    parse_fail(p, ".version needs a number");
  next_token(p);
  if (p->module->version_major < 6 || p->module->version_major > 9)
    parse_fail(p, "PTX %u.%u: versions 6 to 9 are supported", p->module->version_major, p->module->version_minor);
}

static void parse_target(Parser *p) {
  do {
    char *name = take_word(p);
    if (!strncmp(name, "sm_", 3)) {
      p->module->target_sm = (u32)strtoul(name + 3, NULL, 10);
      (void)snprintf(p->module->target, sizeof p->module->target, "%s", name);
    }
  } while (accept_punct(p, ','));
}

/* .file N "path" [, time, size] */
static void parse_file(Parser *p) {
  Module *m = p->module;
  u64 index = take_int(p);
  if (p->token.kind != TOK_STRING || index > 65535) parse_fail(p, ".file needs a number up to 65535 and a path");
  if (index >= p->file_room) { /* doubled: a text may number its files one by one */
    u32 room = p->file_room ? p->file_room : 16;
    while (room <= index) room *= 2;
    char **files = arena_alloc(m, room * sizeof *files);
    if (!files) parse_fail(p, "out of memory");
    if (m->file_count) memcpy(files, m->files, m->file_count * sizeof *files);
    m->files = files, p->file_room = room;
  }
  if (index >= m->file_count) m->file_count = (u32)index + 1;
  m->files[index] = arena_text(m, p->token.text, p->token.length);
  next_token(p);
  while (accept_punct(p, ',')) (void)take_int(p);
}

/* nvcc puts its .file lines last, but a line of a header is only known as such by its name: they are read first. */
static void scan_files(Parser *p) {
  const char *start = p->p;
  u32 line = p->line;
  for (const char *at = start; (at = memmem(at, (size_t)(p->end - at), ".file", 5)); at += 5) {
    const char *number = at + 5, *quote;
    if (at > start && at[-1] != '\n' && at[-1] != '\t') continue;
    while (number < p->end && (*number == ' ' || *number == '\t')) number++;
    for (quote = number; quote < p->end && *quote >= '0' && *quote <= '9';) quote++;
    if (quote == number) continue;
    while (quote < p->end && (*quote == ' ' || *quote == '\t')) quote++;
    if (quote == p->end || *quote != '"') continue;
    p->p = number;
    next_token(p);
    if (p->token.kind == TOK_INT) parse_file(p);
  }
  p->p = start, p->line = line;
}

static Space space_of(const char *word) {
  return !strcmp(word, ".global")   ? SPACE_GLOBAL
         : !strcmp(word, ".const")  ? SPACE_CONST
         : !strcmp(word, ".shared") ? SPACE_SHARED
                                    : SPACE_GENERIC;
}

static void parse_directives(Parser *p) {
  bool is_extern = false;
  while (p->token.kind != TOK_END) {
    if (at_punct(p, ';')) {
      next_token(p);
      continue;
    }
    char *word = take_word(p);
    if (!strcmp(word, ".version"))
      parse_version(p);
    else if (!strcmp(word, ".target"))
      parse_target(p);
    else if (!strcmp(word, ".address_size")) {
      if (take_int(p) != 64) parse_fail(p, "only 64-bit addresses are supported");
    } else if (!strcmp(word, ".file"))
      parse_file(p);
    else if (!strcmp(word, ".section"))
      skip_section(p);
    else if (!strcmp(word, ".pragma") || !strcmp(word, ".alias"))
      skip_statement(p);
    else if (!strcmp(word, ".loc")) {
      for (int k = 0; k < 3; k++) (void)take_int(p);
    } else if (!strcmp(word, ".extern"))
      is_extern = true;
    else if (!strcmp(word, ".visible") || !strcmp(word, ".weak") || !strcmp(word, ".common"))
      continue;
    else if (!strcmp(word, ".entry") || !strcmp(word, ".func")) {
      parse_function(p, word[1] == 'e');
      is_extern = false;
    } else if (space_of(word) != SPACE_GENERIC) {
      parse_variable(p, space_of(word), is_extern);
      is_extern = false;
    } else if (!strcmp(word, ".tex"))
      skip_statement(p);
    else
      parse_fail(p, "unknown directive '%.60s'", word);
  }
}

/* What a function needs includes what the functions it calls need: each need goes from callee to callers, once. */
typedef struct {
  u32 *first, *caller; /* callers of function k: caller[first[k]] up to caller[first[k + 1]] */
  u32 *todo, count;
} Callers;
static bool take_over(Function *f, const Function *g) {
  const bool more =
      g->shared_shift < f->shared_shift || g->ordered_atomics > f->ordered_atomics || g->has_ftz > f->has_ftz;
  if (g->shared_shift < f->shared_shift) f->shared_shift = g->shared_shift;
  f->ordered_atomics |= g->ordered_atomics, f->has_ftz |= g->has_ftz;
  return more;
}
static void gather_callees(Parser *p) {
  Module *m = p->module;
  const u32 n = m->function_count;
  u64 calls = 0;
  for (u32 k = 0; k < n; k++) {
    m->functions[k]->code_base = m->code_total;
    m->code_total += m->functions[k]->count + 1;
    calls += m->functions[k]->callee_count;
  }
  if (!calls) return;
  Callers c = {.first = arena_alloc(m, (n + 2) * sizeof(u32)),
               .caller = arena_alloc(m, calls * sizeof(u32)),
               .todo = arena_alloc(m, n * sizeof(u32))};
  u8 *waits = arena_alloc(m, n);
  if (!c.first || !c.caller || !c.todo || !waits) parse_fail(p, "out of memory");
  for (u32 k = 0; k < n; k++)
    for (u32 e = 0; e < m->functions[k]->callee_count; e++) c.first[m->functions[k]->callees[e]->index + 2]++;
  for (u32 k = 2; k < n + 2; k++) c.first[k] += c.first[k - 1];
  for (u32 k = 0; k < n; k++)
    for (u32 e = 0; e < m->functions[k]->callee_count; e++)
      c.caller[c.first[m->functions[k]->callees[e]->index + 1]++] = k;
  for (u32 k = 0; k < n; k++) c.todo[c.count++] = k, waits[k] = 1;
  while (c.count) { /* a function waits once, and again only when it has got something new: five times at most */
    const u32 g = c.todo[--c.count];
    waits[g] = 0;
    for (u32 e = c.first[g]; e < c.first[g + 1]; e++) {
      const u32 k = c.caller[e];
      if (take_over(m->functions[k], m->functions[g]) && !waits[k]) c.todo[c.count++] = k, waits[k] = 1;
    }
  }
}

/* Parses `size` bytes of PTX. On an error: NULL, with one line in `message`. */
Module *module_parse(const char *text, size_t size, char *message, size_t message_size) {
  Module *volatile m = calloc(1, sizeof *m);
  Parser *p = calloc(1, sizeof *p);
  if (message_size) message[0] = 0;
  if (!m || !p) {
    free(m), free(p);
    return NULL;
  }
  p->p = text, p->end = text + size, p->line = 1;
  p->module = m, p->message = message, p->message_size = message_size;
  if (setjmp(p->failed)) {
    free(p);
    module_free(m);
    return NULL;
  }
  scan_files(p);
  next_token(p);
  parse_directives(p);
  if (!p->module->version_major) parse_fail(p, "not PTX: there is no .version");
  gather_callees(p);
  place_shared(p);
  free(p);
  return m;
}
