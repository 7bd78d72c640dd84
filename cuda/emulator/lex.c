/* lex.c: tokens of PTX, errors, and the arena that owns what a module keeps. */
#include "parse.h"
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct Chunk {
  struct Chunk *next;
  size_t used, size;
  _Alignas(64) u8 bytes[];
} Chunk;

void parse_fail(Parser *p, const char *format, ...) {
  va_list args;
  va_start(args, format);
  int n = snprintf(p->message, p->message_size, "line %u: ", p->line);
  if (n > 0 && (size_t)n < p->message_size) (void)vsnprintf(p->message + n, p->message_size - (size_t)n, format, args);
  va_end(args);
  longjmp(p->failed, 1);
}

void *arena_alloc(Module *m, size_t size) {
  size = (size + 15) & ~(size_t)15;
  Chunk *c = m->arena;
  if (!c || c->size - c->used < size) {
    size_t room = size > 65536 ? size : 65536;
    c = aligned_alloc(64, (sizeof(Chunk) + room + 63) & ~(size_t)63);
    if (!c) return NULL;
    c->next = m->arena, c->used = 0, c->size = room;
    m->arena = c;
  }
  void *r = c->bytes + c->used;
  c->used += size;
  memset(r, 0, size);
  return r;
}
char *arena_text(Module *m, const char *text, size_t n) {
  char *r = arena_alloc(m, n + 1);
  if (r) memcpy(r, text, n);
  return r;
}
void module_free(Module *m) {
  if (!m) return;
  for (Chunk *c = m->arena, *next; c; c = next) {
    next = c->next;
    free(c);
  }
  free(m->text);
  free(m);
}
/* An array that grows inside the arena: the old copy stays behind, which doubling keeps below the size of the new one.
 */
void *grow(Parser *p, void *array, u32 *capacity, u32 count, size_t size) {
  if (count < *capacity) return array;
  u32 room = *capacity ? *capacity * 2 : 64;
  if (room > 1u << 26) parse_fail(p, "too large");
  void *r = arena_alloc(p->module, room * size);
  if (!r) parse_fail(p, "out of memory");
  if (count) memcpy(r, array, count * size);
  *capacity = room;
  return r;
}

static bool word_char(char c) { return isalnum((unsigned char)c) || c == '_' || c == '$' || c == '.' || c == '%'; }

static void skip_space(Parser *p) {
  for (; p->p < p->end; p->p++) {
    char c = *p->p;
    if (c == '\n') p->line++;
    if (isspace((unsigned char)c)) continue;
    if (c == '/' && p->end - p->p > 1 && p->p[1] == '/') {
      while (p->p < p->end && *p->p != '\n') p->p++;
      if (p->p == p->end) return;
      p->line++;
    } else if (c == '/' && p->end - p->p > 1 && p->p[1] == '*') {
      for (p->p += 2; p->end - p->p > 1 && !(p->p[0] == '*' && p->p[1] == '/'); p->p++) p->line += *p->p == '\n';
      if (p->end - p->p < 2) parse_fail(p, "a comment does not end");
      p->p++;
    } else
      return;
  }
}

static u64 hex_digits(Parser *p, u32 digits) {
  u64 v = 0;
  for (u32 k = 0; k < digits; k++, p->p++) {
    if (p->p >= p->end || !isxdigit((unsigned char)*p->p))
      parse_fail(p, "a float constant needs %u hex digits", digits);
    char c = *p->p;
    v = v << 4 | (u64)(isdigit((unsigned char)c) ? c - '0' : (c | 32) - 'a' + 10);
  }
  return v;
}

static void lex_number(Parser *p, Token *t) {
  const char *s = p->p;
  bool prefixed = *s == '0' && p->end - s > 1;
  t->kind = TOK_INT;
  if (prefixed && (s[1] | 32) == 'f') {
    p->p += 2;
    t->kind = TOK_F32, t->value = hex_digits(p, 8);
    return;
  }
  if (prefixed && (s[1] | 32) == 'd') {
    p->p += 2;
    t->kind = TOK_F64, t->value = hex_digits(p, 16);
    return;
  }
  u32 base = 10;
  if (prefixed && (s[1] | 32) == 'x')
    base = 16, p->p += 2;
  else if (prefixed && (s[1] | 32) == 'b')
    base = 2, p->p += 2;
  else if (prefixed && isdigit((unsigned char)s[1]))
    base = 8, p->p += 1;
  u64 v = 0;
  for (; p->p < p->end && isxdigit((unsigned char)*p->p); p->p++) {
    char c = *p->p;
    u32 digit = (u32)(isdigit((unsigned char)c) ? c - '0' : (c | 32) - 'a' + 10);
    if (digit >= base) break;
    v = v * base + digit;
  }
  if (base != 16 && p->p < p->end && (*p->p == '.' || (*p->p | 32) == 'e')) {
    char copy[64];
    size_t n = (size_t)(p->end - s) < sizeof copy - 1 ? (size_t)(p->end - s) : sizeof copy - 1;
    memcpy(copy, s, n);
    copy[n] = 0;
    char *stop;
    double d = strtod(copy, &stop);
    t->kind = TOK_F64;
    memcpy(&t->value, &d, 8);
    p->p = s + (stop - copy);
    return;
  }
  if (p->p < p->end && (*p->p | 32) == 'u') p->p++;
  t->value = v;
}

void next_token(Parser *p) {
  skip_space(p);
  Token *t = &p->token;
  *t = (Token){.line = p->line};
  if (p->p >= p->end) return;
  char c = *p->p;
  const char *start = p->p;
  if (isdigit((unsigned char)c)) {
    lex_number(p, t);
  } else if (c == '"') {
    for (p->p++; p->p < p->end && *p->p != '"'; p->p++) {
      if (*p->p == '\\' && p->p + 1 < p->end) p->p++;
      if (*p->p == '\n') p->line++;
    }
    if (p->p >= p->end) parse_fail(p, "a string does not end");
    t->kind = TOK_STRING, t->text = start + 1, t->length = (size_t)(p->p - start - 1);
    p->p++;
    return;
  } else if (word_char(c)) {
    while (p->p < p->end) {
      if (word_char(*p->p))
        p->p++;
      else if (*p->p == ':' && p->end - p->p > 2 && p->p[1] == ':' && word_char(p->p[2]))
        p->p += 2;
      else
        break;
    }
    t->kind = TOK_WORD;
  } else {
    t->kind = TOK_PUNCT, t->punct = c;
    p->p++;
  }
  t->text = start, t->length = (size_t)(p->p - start);
}

bool at_punct(const Parser *p, char c) { return p->token.kind == TOK_PUNCT && p->token.punct == c; }
bool accept_punct(Parser *p, char c) {
  if (!at_punct(p, c)) return false;
  next_token(p);
  return true;
}
void expect_punct(Parser *p, char c) {
  if (!accept_punct(p, c))
    parse_fail(p, "expected '%c', found '%.*s'", c, (int)(p->token.length > 40 ? 40 : p->token.length),
               p->token.text ? p->token.text : "");
}

void skip_attribute(Parser *p) {
  for (expect_punct(p, '('); !accept_punct(p, ')'); next_token(p))
    if (p->token.kind == TOK_END) parse_fail(p, "an attribute does not end");
}
bool at_word(const Parser *p, const char *word) {
  return p->token.kind == TOK_WORD && p->token.length == strlen(word) && !memcmp(p->token.text, word, p->token.length);
}
bool accept_word(Parser *p, const char *word) {
  if (!at_word(p, word)) return false;
  next_token(p);
  return true;
}
char *take_word(Parser *p) {
  if (p->token.kind != TOK_WORD) parse_fail(p, "expected a name");
  char *r = arena_text(p->module, p->token.text, p->token.length);
  if (!r) parse_fail(p, "out of memory");
  next_token(p);
  return r;
}
u64 take_int(Parser *p) {
  bool negative = accept_punct(p, '-');
  if (p->token.kind != TOK_INT) parse_fail(p, "expected a number");
  u64 v = p->token.value;
  next_token(p);
  return negative ? 0u - v : v;
}
