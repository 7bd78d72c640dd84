/* The instructions of a PTX text that ask for an fma, an approximation or a flush, and the text with them replaced. */
#include "samebits/audit.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is replaced. Where ptxas expands an instruction into fmas, approximations and flushes of its own, whatever asks
 * for it in the PTX has to go for the rest to be told apart; `operands` counts the destination. */
typedef struct family {
  const char *name;
  int operands;
  bool floating; /* only of a floating type: mad.lo.s32 is integer */
  bool fma;
} family;
static const family families[] = {
    {"div", 3, false, false},  {"rem", 3, false, false}, {"rcp", 2, true, false}, {"sqrt", 2, true, false},
    {"rsqrt", 2, true, false}, {"fma", 4, true, true},   {"mad", 4, true, true},  {"ex2", 2, true, false},
    {"lg2", 2, true, false},   {"sin", 2, true, false},  {"cos", 2, true, false}, {"tanh", 2, true, false},
};

/* An instruction of the text: [@guard] opcode operands; */
typedef struct instruction {
  const char *start, *guard, *opcode, *operands, *end; /* end: its semicolon */
  size_t guard_size, opcode_size;
} instruction;

typedef struct sink {
  char *text;
  size_t size, room;
  bool failed;
} sink;

static void put(sink *s, const char *text, size_t size) {
  if (!s->text || s->size + size + 1 > s->room) {
    const size_t room = (s->size + size + 1) * 2;
    char *grown = s->failed ? NULL : realloc(s->text, room);
    if (!grown) {
      s->failed = true;
      return;
    }
    s->text = grown, s->room = room;
  }
  if (size) memcpy(s->text + s->size, text, size);
  s->size += size;
  s->text[s->size] = 0;
}
static void puts_to(sink *s, const char *text) { put(s, text, strlen(text)); }

/* Behind white space, comments and the preprocessor's lines. */
static const char *skip(const char *at, const char *end) {
  for (;;) {
    while (at < end && isspace((unsigned char)*at)) at++;
    if (end - at > 1 && at[0] == '/' && at[1] == '/')
      while (at < end && *at != '\n') at++;
    else if (end - at > 1 && at[0] == '/' && at[1] == '*') {
      for (at += 2; end - at > 1 && !(at[0] == '*' && at[1] == '/');) at++;
      at = end - at > 1 ? at + 2 : end;
    } else
      return at;
  }
}

static bool is_word(char c) { return isalnum((unsigned char)c) || c == '_' || c == '$' || c == '%' || c == '.'; }

/* The semicolon that ends a statement, or the brace that opens or closes a block before it. */
static const char *statement_end(const char *at, const char *end) {
  int braces = 0;
  for (; at < end; at++) {
    if (*at == '"')
      for (at++; at < end && *at != '"';) at++;
    else if (end - at > 1 && at[0] == '/' && (at[1] == '/' || at[1] == '*'))
      at = skip(at, end) - 1;
    else if (*at == '{')
      braces++;
    else if (*at == '}' && braces-- == 0)
      return at;
    else if (*at == ';' && braces == 0)
      return at;
  }
  return end;
}

/* The next instruction from `at` on; false at the end. Labels, directives and braces are passed. */
static bool next_instruction(const char *at, const char *end, instruction *found) {
  while ((at = skip(at, end)) < end) {
    const char *start = at;
    found->guard = NULL, found->guard_size = 0;
    if (*at == '@') {
      while (at < end && !isspace((unsigned char)*at)) at++;
      found->guard = start, found->guard_size = (size_t)(at - start);
      at = skip(at, end);
    }
    const char *word = at;
    while (at < end && (is_word(*at) || *at == ':')) {
      if (*at == ':' && !(end - at > 1 && at[1] == ':')) break;
      at += *at == ':' ? 2 : 1;
    }
    if (at == word) { /* a brace, or a sign that no instruction starts with */
      at++;
      continue;
    }
    if (*word == '.') { /* a directive: to the end of its line, or to the brace of a function's body */
      while (at < end && *at != '\n' && *at != ';' && *at != '{') at++;
      continue;
    }
    const char *after = skip(at, end);
    if (after < end && *after == ':') {
      at = after + 1;
      continue;
    }
    *found =
        (instruction){start, found->guard, word, at, statement_end(at, end), found->guard_size, (size_t)(at - word)};
    return true;
  }
  return false;
}

/* Whether the dotted name has this part. */
static bool has_part(const char *opcode, size_t size, const char *part) {
  const size_t n = strlen(part);
  for (size_t at = 0; at < size;) {
    size_t stop = at;
    while (stop < size && opcode[stop] != '.') stop++;
    if (stop - at == n && !memcmp(opcode + at, part, n)) return true;
    at = stop + 1;
  }
  return false;
}

static const family *family_of(const instruction *i) {
  for (size_t k = 0; k < sizeof families / sizeof *families; k++) {
    const size_t n = strlen(families[k].name);
    if (i->opcode_size <= n || memcmp(i->opcode, families[k].name, n) != 0 || i->opcode[n] != '.') continue;
    const char *end = i->opcode + i->opcode_size, *type = end;
    while (type[-1] != '.') type--;
    return !families[k].floating || (type < end && (*type == 'f' || *type == 'b')) ? &families[k] : NULL;
  }
  return NULL;
}

/* The bits of the type that the opcode ends with; 0 where it is mixed or unknown. */
static int width_of(const instruction *i) {
  static const struct {
    const char *name;
    int width;
  } types[] = {{"f16", 16}, {"bf16", 16}, {"f16x2", 32}, {"bf16x2", 32}, {"f32", 32}, {"f32x2", 64}, {"f64", 64},
               {"s16", 16}, {"u16", 16},  {"s32", 32},   {"u32", 32},    {"s64", 64}, {"u64", 64}};
  int width = 0;
  for (size_t k = 0; k < sizeof types / sizeof *types; k++)
    if (has_part(i->opcode, i->opcode_size, types[k].name)) {
      if (width) return 0;
      width = types[k].width;
    }
  return width;
}

static int count_asked(const instruction *i, int ptx[SB_AUDIT_CLASSES]) {
  const family *f = family_of(i);
  ptx[SB_AUDIT_FMA] += f && f->fma;
  ptx[SB_AUDIT_APPROX] += has_part(i->opcode, i->opcode_size, "approx") || has_part(i->opcode, i->opcode_size, "full");
  ptx[SB_AUDIT_FLUSH] += has_part(i->opcode, i->opcode_size, "ftz");
  return 0;
}

/* An operand; a floating-point literal as the bits that it stands for. */
static void put_operand(sink *s, const char *text, size_t size) {
  while (size && isspace((unsigned char)*text)) text++, size--;
  while (size && isspace((unsigned char)text[size - 1])) size--;
  if (size > 2 && text[0] == '0' && strchr("fFdD", text[1])) {
    puts_to(s, "0x");
    text += 2, size -= 2;
  }
  put(s, text, size);
}

/* d = a ^ b ^ c, or ~a: of as many bits, by no floating-point unit. */
static sb_status put_replaced(sink *s, const instruction *i, const family *f) {
  const char *operand[4] = {0};
  size_t size[4] = {0};
  int count = 0;
  for (const char *at = i->operands; at < i->end && count < 4; count++) {
    const char *stop = memchr(at, ',', (size_t)(i->end - at));
    operand[count] = at;
    size[count] = (size_t)((stop ? stop : i->end) - at);
    at = stop ? stop + 1 : i->end;
  }
  const int width = width_of(i);
  if (count != f->operands || !width)
    return sb_fail(SB_REFUSED, "%.*s: cannot be told apart in the machine code", (int)i->opcode_size, i->opcode);
  char text[96];
  const char *guard = i->guard ? i->guard : "";
  const int guard_size = (int)i->guard_size;
  if (count == 4) { /* the destination may be one of the operands */
    snprintf(text, sizeof text, "{ .reg .b%d %%audit; ", width);
    puts_to(s, text);
    put(s, guard, (size_t)guard_size);
    snprintf(text, sizeof text, " xor.b%d %%audit, ", width);
  } else {
    put(s, guard, (size_t)guard_size);
    snprintf(text, sizeof text, " %s.b%d ", count == 2 ? "not" : "xor", width);
  }
  puts_to(s, text);
  if (count < 4) {
    put_operand(s, operand[0], size[0]);
    puts_to(s, ", ");
  }
  put_operand(s, operand[1], size[1]);
  if (count > 2) {
    puts_to(s, ", ");
    put_operand(s, operand[2], size[2]);
  }
  if (count == 4) {
    puts_to(s, "; ");
    put(s, guard, (size_t)guard_size);
    snprintf(text, sizeof text, " xor.b%d ", width);
    puts_to(s, text);
    put_operand(s, operand[0], size[0]);
    puts_to(s, ", %audit, ");
    put_operand(s, operand[3], size[3]);
    puts_to(s, "; }");
  } else
    puts_to(s, ";");
  return SB_OK;
}

sb_status sb_audit_replace(const char *text, size_t size, char **replaced) {
  sink s = {0};
  sb_status status = SB_OK;
  const char *end = text + size, *copied = text;
  instruction i;
  *replaced = NULL;
  for (const char *at = text; status == SB_OK && next_instruction(at, end, &i); at = i.end < end ? i.end + 1 : end) {
    const family *f = family_of(&i);
    const bool ftz = memmem(i.opcode, i.opcode_size, ".ftz", 4) && has_part(i.opcode, i.opcode_size, "ftz");
    if (!f && !ftz) continue;
    put(&s, copied, (size_t)(i.start - copied));
    if (f) {
      status = put_replaced(&s, &i, f);
      copied = i.end < end ? i.end + 1 : end;
      continue;
    }
    const char *flush = memmem(i.opcode, i.opcode_size, ".ftz", 4); /* the opcode goes on without it */
    put(&s, i.start, (size_t)(flush - i.start));
    copied = flush + 4;
  }
  put(&s, copied, (size_t)(end - copied));
  if (status == SB_OK && s.failed) status = sb_fail(SB_NO_MEMORY, "out of memory");
  if (status)
    free(s.text);
  else
    *replaced = s.text;
  return status;
}

/* The text of the function `name`: from its name behind .entry or .func to the brace that closes it. */
static bool function_of(const char *text, const char *end, const char *name, const char **from, const char **to) {
  const size_t n = strlen(name);
  for (const char *at = text; (at = memmem(at, (size_t)(end - at), name, n)); at += n) {
    if ((at > text && is_word(at[-1])) || (at + n < end && is_word(at[n]))) continue;
    const char *line = at;
    while (line > text && line[-1] != '\n' && line[-1] != '}' && line[-1] != ';') line--;
    if (!memmem(line, (size_t)(at - line), ".entry", 6) && !memmem(line, (size_t)(at - line), ".func", 5)) continue;
    const char *open = at;
    while (open < end && *open != '{' && *open != ';') open++;
    if (open == end || *open == ';') continue; /* a declaration */
    int depth = 0;
    for (const char *p = open; p < end; p++) {
      if (*p == '{')
        depth++;
      else if (*p == '}' && --depth == 0) {
        *from = open + 1, *to = p;
        return true;
      }
    }
    return false;
  }
  return false;
}

sb_status sb_audit_asked(const char *text, size_t size, const char *name, int ptx[SB_AUDIT_CLASSES]) {
  const char *from = text, *to = text + size;
  memset(ptx, 0, SB_AUDIT_CLASSES * sizeof *ptx);
  if (name && !function_of(text, text + size, name, &from, &to)) return sb_fail(SB_FILE, "%s: not in the PTX", name);
  instruction i;
  for (const char *at = from; next_instruction(at, to, &i); at = i.end < to ? i.end + 1 : to) count_asked(&i, ptx);
  return SB_OK;
}
