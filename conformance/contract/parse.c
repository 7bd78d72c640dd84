/* Text to tree. The grammar is in docs/contracts.md; every limit and every error names file, line and column. */
#include "conformance/contract/ast.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

const sb_op_info sb_ops[C_OPS] = {
    [C_NUM] = {"number", 0, false, true},
    [C_NAME] = {"name", 0, false, true},
    [C_INPUT] = {"input", 0, false, true},
    [C_META] = {"any", 0, false, true},
    [C_NEG] = {"-", 1, false, true},
    [C_ADD] = {"+", 2, false, false},
    [C_SUB] = {"-", 2, false, false},
    [C_MUL] = {"*", 2, false, false},
    [C_DIV] = {"/", 2, false, false},
    [C_FMA] = {"fma", 3, true, false},
    [C_MIN] = {"min", 2, true, true},
    [C_MAX] = {"max", 2, true, true},
    [C_MINNUM] = {"minnum", 2, true, true},
    [C_MAXNUM] = {"maxnum", 2, true, true},
    [C_CLAMP] = {"clamp", 3, true, true},
    [C_CLAMPNUM] = {"clampnum", 3, true, true},
    [C_ABS] = {"abs", 1, true, true},
    [C_COPYSIGN] = {"copysign", 2, true, true},
    [C_ROUND] = {"round", 1, true, true},
    [C_ROUND_AWAY] = {"round_away", 1, true, true},
    [C_FLOOR] = {"floor", 1, true, true},
    [C_CEIL] = {"ceil", 1, true, true},
    [C_TRUNC] = {"trunc", 1, true, true},
    [C_LT] = {"<", 2, false, true},
    [C_LE] = {"<=", 2, false, true},
    [C_GT] = {">", 2, false, true},
    [C_GE] = {">=", 2, false, true},
    [C_EQ] = {"==", 2, false, true},
    [C_NE] = {"!=", 2, false, true},
    [C_SELECT] = {"select", 3, true, true},
    [C_ISNAN] = {"isnan", 1, true, true},
    [C_ISINF] = {"isinf", 1, true, true},
    [C_AMIN] = {"amin", 1, true, true},
    [C_AMAX] = {"amax", 1, true, true},
    [C_AMINNUM] = {"aminnum", 1, true, true},
    [C_AMAXNUM] = {"amaxnum", 1, true, true},
    [C_AMAXABS] = {"amaxabs", 1, true, true},
    [C_SIGNED_ABSMAX] = {"signed_absmax", 1, true, true},
    [C_POW2_DOWN] = {"pow2_down", 1, true, true},
    [C_POW2_UP] = {"pow2_up", 1, true, true},
    [C_NEXT_UP] = {"next_up", 1, true, true},
    [C_NEXT_DOWN] = {"next_down", 1, true, true},
    [C_FLUSH] = {"flush", 1, true, true},
    [C_POSITIVE_ZERO] = {"positive_zero", 1, true, true},
    [C_CAST] = {"cast", 1, false, false},
    [C_EPS] = {"eps", 1, true, true},
    [C_SMALLEST_NORMAL] = {"smallest_normal", 1, true, true},
    [C_LARGEST] = {"largest", 1, true, true},
    [C_GIVEN] = {"given", 2, true, true},
    [C_PACK_LOW] = {"pack_low_first", 1, true, true},
    [C_PACK_HIGH] = {"pack_high_first", 1, true, true},
};
const char *const sb_rule_names[R_COUNT] = {[R_DEFAULT] = "",
                                            [R_SAT] = "sat",
                                            [R_NAN] = "nan",
                                            [R_INF] = "inf",
                                            [R_X86] = "x86",
                                            [R_WRAP] = "wrap",
                                            [R_AWAY] = "away",
                                            [R_ZERO] = "zero",
                                            [R_UP] = "up",
                                            [R_FLUSH] = "flush",
                                            [R_FLUSH_POSITIVE] = "flush_positive",
                                            [R_BITS] = "bits"};

const char *sb_cf_name(int format) {
  static const char *const own[] = {"e4m3fnuz", "a Python integer", "a Python float", "T", "S", "Z", "O", "R"};
  if (format < 0) return "none";
  return format < SB_FORMATS ? sb_format_of((sb_format)format)->name : own[format - SB_FORMATS];
}

int sb_cf_parse(const char *word) {
  for (int f = 0; f < CF_COUNT; f++)
    if (f != CF_PYINT && f != CF_PYFLOAT && f != CF_R && strcmp(word, sb_cf_name(f)) == 0) return f;
  return CF_NONE;
}

int sb_line_find(const sb_contract *contract, const char *name) {
  for (int i = 0; i < contract->line_count; i++)
    if (strcmp(contract->lines[i].name, name) == 0) return i;
  return -1;
}

typedef struct parser {
  const char *label, *p, *end, *line_start;
  int line, column, depth, inside, nodes;
  sb_arena *arena;
  bool pattern;
  sb_status status;
} parser;

static bool fail(parser *s, const char *what) {
  if (s->status == SB_OK) s->status = sb_fail(SB_INVALID, "%s:%d:%d: %s", s->label, s->line, s->column, what);
  return false;
}

static void place(parser *s) { s->column = (int)(s->p - s->line_start) + 1; }

/* Skips blanks and comments; a newline too where a parenthesis is open. */
static void blanks(parser *s) {
  while (s->p < s->end) {
    if (*s->p == '#')
      while (s->p < s->end && *s->p != '\n') s->p++;
    else if (*s->p == '\n' && s->inside)
      s->line++, s->line_start = ++s->p;
    else if (*s->p == ' ' || *s->p == '\t' || *s->p == '\r')
      s->p++;
    else
      break;
  }
  place(s);
}

static bool take(parser *s, const char *symbol) {
  size_t n = strlen(symbol);
  blanks(s);
  if ((size_t)(s->end - s->p) < n || memcmp(s->p, symbol, n) != 0) return false;
  s->p += n;
  return true;
}

static bool need(parser *s, const char *symbol) {
  char what[64];
  if (take(s, symbol)) return true;
  snprintf(what, sizeof what, "'%s' is expected here", symbol);
  return fail(s, what);
}

static bool is_word(char c, bool first) {
  return c == '_' || isalpha((unsigned char)c) || (!first && isdigit((unsigned char)c));
}

static bool word(parser *s, char out[SB_MAX_NAME + 1]) {
  size_t n = 0;
  blanks(s);
  while (s->p + n < s->end && is_word(s->p[n], n == 0))
    if (++n > SB_MAX_NAME) return fail(s, "a name is longer than 40 characters");
  if (n == 0) return fail(s, "a name is expected here");
  memcpy(out, s->p, n);
  out[n] = 0;
  s->p += n;
  return true;
}

static sb_node *node(parser *s, sb_cop op) {
  if (s->nodes++ >= SB_MAX_NODES) return fail(s, "the contract has more than 2048 operations"), NULL;
  sb_node *n = sb_arena_get(s->arena, sizeof *n);
  if (!n) {
    s->status = sb_fail(SB_NO_MEMORY, "%s: no memory for a contract", s->label);
    return NULL;
  }
  n->op = (uint8_t)op;
  n->at = CF_NONE;
  n->line = s->line;
  n->column = s->column;
  return n;
}

static sb_node *expression(parser *s);

static sb_node *number(parser *s) {
  char text[SB_MAX_LITERAL + 1], *stop;
  size_t n = 0;
  bool hex = s->end - s->p > 1 && s->p[0] == '0' && (s->p[1] == 'x' || s->p[1] == 'X');
  while (s->p + n < s->end) {
    char c = s->p[n], before = n ? (char)tolower((unsigned char)s->p[n - 1]) : 0;
    bool sign = (c == '+' || c == '-') && ((!hex && before == 'e') || before == 'p');
    if (!isalnum((unsigned char)c) && c != '.' && !sign) break;
    if (++n > SB_MAX_LITERAL) return fail(s, "a number is longer than 40 characters"), NULL;
  }
  memcpy(text, s->p, n);
  text[n] = 0;
  sb_node *num = node(s, C_NUM);
  if (!num) return NULL;
  num->number = strtod(text, &stop);
  if (*stop || !isfinite(num->number)) return fail(s, "this is not a number that f64 can hold"), NULL;
  num->integer = strpbrk(text, hex ? ".pP" : ".eE") == NULL;
  if (num->integer && fabs(num->number) > 0x1p53) return fail(s, "an integer is larger than 2^53"), NULL;
  s->p += n;
  return num;
}

static bool arguments(parser *s, sb_node *call, int count) {
  s->inside++;
  for (int i = 0; i < count; i++) {
    if (i && !need(s, ",")) return false;
    if (!(call->arg[i] = expression(s))) return false;
    call->nargs++;
  }
  if (!need(s, ")")) return false;
  s->inside--;
  return true;
}

/* FORMAT(x), FORMAT.rule(x) */
static sb_node *cast(parser *s, int format) {
  char rule[SB_MAX_NAME + 1] = "";
  sb_node *n = node(s, C_CAST);
  if (!n) return NULL;
  n->at = (int8_t)format;
  if (take(s, ".") && !word(s, rule)) return NULL;
  int r = 0;
  while (r < R_COUNT && strcmp(rule, sb_rule_names[r]) != 0) r++;
  if (r == R_COUNT)
    return fail(s, "no such rule of a cast (sat, nan, inf, x86, wrap, away, zero, up, flush, flush_positive, bits)"),
           NULL;
  n->rule = (uint8_t)r;
  if (!need(s, "(")) return NULL;
  return arguments(s, n, 1) ? n : NULL;
}

static sb_node *call_or_name(parser *s) {
  char name[SB_MAX_NAME + 1];
  int line = s->line;
  blanks(s);
  int column = s->column, format;
  if (!word(s, name)) return NULL;
  format = s->pattern && strcmp(name, "R") == 0 ? CF_R : sb_cf_parse(name);
  sb_node *n = NULL;
  if (format != CF_NONE) {
    n = cast(s, format);
  } else if (take(s, "(")) {
    int op = 0;
    while (op < C_OPS && !(sb_ops[op].function && strcmp(sb_ops[op].name, name) == 0)) op++;
    if (op == C_OPS) return fail(s, "no such function"), NULL;
    if (!(n = node(s, (sb_cop)op))) return NULL;
    if (op == C_EPS || op == C_SMALLEST_NORMAL || op == C_LARGEST) {
      if (!word(s, name)) return NULL;
      n->at = (int8_t)sb_cf_parse(name);
      if (n->at == CF_NONE) return fail(s, "the name of a format is expected here"), NULL;
      if (!need(s, ")")) return NULL;
    } else if (!arguments(s, n, sb_ops[op].args)) {
      return NULL;
    }
  } else {
    if (!(n = node(s, C_NAME))) return NULL;
    if (!(n->name = sb_arena_string(s->arena, name, strlen(name)))) return fail(s, "no memory"), NULL;
  }
  if (n) n->line = line, n->column = column;
  return n;
}

static sb_node *primary(parser *s) {
  char name[SB_MAX_NAME + 1];
  blanks(s);
  if (s->p >= s->end) return fail(s, "an expression is expected here, and the text ends"), NULL;
  if (isdigit((unsigned char)*s->p) || *s->p == '.') return number(s);
  if (s->pattern && (*s->p == '$' || *s->p == '?')) {
    bool constant = *s->p++ == '?';
    sb_node *n = word(s, name) ? node(s, C_META) : NULL;
    if (!n) return NULL;
    n->name = sb_arena_string(s->arena, name, strlen(name));
    n->integer = constant;
    return n->name ? n : NULL;
  }
  if (take(s, "(")) {
    s->inside++;
    sb_node *n = expression(s);
    if (!n || !need(s, ")")) return NULL;
    s->inside--;
    return n;
  }
  if (!is_word(*s->p, true)) return fail(s, "a name, a number or '(' is expected here"), NULL;
  return call_or_name(s);
}

static sb_node *postfix(parser *s) {
  char name[SB_MAX_NAME + 1];
  sb_node *n = primary(s);
  while (n && take(s, "@")) {
    if (n->op < C_NEG || n->op == C_CAST || n->op == C_EPS || n->op == C_SMALLEST_NORMAL || n->op == C_LARGEST)
      return fail(s, "@ belongs to an operator; to convert a value write FORMAT(value)"), NULL;
    if (!word(s, name)) return NULL;
    n->at = (int8_t)(s->pattern && strcmp(name, "R") == 0 ? CF_R : sb_cf_parse(name));
    if (n->at == CF_NONE) return fail(s, "the name of a format is expected after @"), NULL;
  }
  return n;
}

static sb_node *unary(parser *s) {
  blanks(s);
  if (!take(s, "-")) return postfix(s);
  if (++s->depth > SB_MAX_DEPTH) return fail(s, "expressions are nested more than 48 deep"), NULL;
  sb_node *arg = unary(s);
  s->depth--;
  if (!arg) return NULL;
  if (arg->op == C_NUM && !signbit(arg->number)) {
    arg->number = -arg->number;
    return arg;
  }
  sb_node *n = node(s, C_NEG);
  if (n) n->arg[0] = arg, n->nargs = 1;
  return n;
}

/* One level of left-associative infix operators. */
static sb_node *infix(parser *s, int level) {
  static const struct {
    int level;
    const char *symbol;
    sb_cop op;
  } table[] = {{0, "<=", C_LE}, {0, ">=", C_GE}, {0, "==", C_EQ}, {0, "!=", C_NE}, {0, "<", C_LT},
               {0, ">", C_GT},  {1, "+", C_ADD}, {1, "-", C_SUB}, {2, "*", C_MUL}, {2, "/", C_DIV}};
  sb_node *left = level == 2 ? unary(s) : infix(s, level + 1);
  for (int chain = 0; left; chain++) {
    size_t i = 0;
    blanks(s);
    int line = s->line, column = s->column;
    while (i < sizeof table / sizeof *table && !(table[i].level == level && take(s, table[i].symbol))) i++;
    if (i == sizeof table / sizeof *table) return left;
    if (chain >= SB_MAX_DEPTH) return fail(s, "a chain of operators is longer than 48"), NULL;
    sb_node *right = level == 2 ? unary(s) : infix(s, level + 1), *n = right ? node(s, table[i].op) : NULL;
    if (!n) return NULL;
    n->arg[0] = left, n->arg[1] = right, n->nargs = 2;
    n->line = line, n->column = column;
    left = n;
  }
  return NULL;
}

static sb_node *expression(parser *s) {
  if (++s->depth > SB_MAX_DEPTH) return fail(s, "expressions are nested more than 48 deep"), NULL;
  sb_node *n = infix(s, 0);
  s->depth--;
  return n;
}

/* Depth as the later passes recurse: chains count, too. */
static int depth_of(const sb_node *n) {
  int deepest = 0;
  for (int i = 0; i < n->nargs; i++) {
    int d = depth_of(n->arg[i]);
    if (d > deepest) deepest = d;
  }
  return deepest + 1;
}

static bool end_of_line(parser *s) {
  blanks(s);
  if (s->p < s->end && *s->p != '\n') return fail(s, "the line should end here");
  return true;
}

static bool integer(parser *s, int64_t *value) {
  blanks(s);
  *value = 0;
  if (s->p >= s->end || !isdigit((unsigned char)*s->p)) return fail(s, "a whole number is expected here");
  while (s->p < s->end && isdigit((unsigned char)*s->p)) {
    *value = *value * 10 + (*s->p++ - '0');
    if (*value > 1 << 30) return fail(s, "a size is larger than 2^30");
  }
  return *value > 0 ? true : fail(s, "a size must be at least 1");
}

static bool over(parser *s, sb_over *o) {
  char name[SB_MAX_NAME + 1];
  static const char *const kinds[] = {"element", "row", "group", "tensor", "block"};
  if (!word(s, name)) return false;
  for (int k = 0; k < 5; k++) {
    if (strcmp(name, kinds[k]) != 0) continue;
    *o = (sb_over){.kind = (sb_over_kind)k};
    if (k == OVER_BLOCK) return integer(s, &o->r) && need(s, "x") && integer(s, &o->c) && end_of_line(s);
    blanks(s);
    if (k == OVER_GROUP && s->p < s->end && isdigit((unsigned char)*s->p)) return integer(s, &o->c) && end_of_line(s);
    return end_of_line(s);
  }
  return fail(s, "over what: element, row, group, tensor or block ROWSxCOLS");
}

static bool operations(parser *s, sb_contract *c) {
  char slot[SB_MAX_NAME + 1], name[SB_MAX_NAME + 1];
  do {
    int k = 0;
    if (!word(s, slot)) return false;
    while (k < SB_SLOTS && strcmp(slot, sb_slot_names[k]) != 0) k++;
    if (k == SB_SLOTS) return fail(s, "the name of a tensor is expected here");
    if (!need(s, "=") || !word(s, name)) return false;
    c->operation[k] = sb_arena_string(s->arena, name, strlen(name));
  } while (take(s, ","));
  return end_of_line(s);
}

static bool contract_line(parser *s, sb_contract *c, const char *name, sb_over o, bool said, bool replaces) {
  char format[SB_MAX_NAME + 1];
  int at = sb_line_find(c, name), number = s->line;
  if (sb_cf_parse(name) != CF_NONE) return fail(s, "a line cannot have the name of a format");
  if (strcmp(name, "x") == 0) return fail(s, "x is the input; a line cannot have this name");
  if (at >= 0 && !replaces) return fail(s, "there is a line of this name already");
  if (at < 0 && c->line_count == SB_MAX_LINES) return fail(s, "a contract has at most 48 lines");
  if (!word(s, format)) return false;
  int f = sb_cf_parse(format);
  if (f == CF_NONE) return fail(s, "the name of a format is expected here (f32, bf16, i8, T ...)");
  if (!need(s, "=")) return false;
  sb_node *e = expression(s);
  if (!e || !end_of_line(s)) return false;
  if (depth_of(e) > 2 * SB_MAX_DEPTH) return fail(s, "expressions are nested too deep");
  if (at < 0)
    at = c->line_count++;
  else if (!said)
    o = c->lines[at].over;
  c->lines[at] = (sb_line){.name = sb_arena_string(s->arena, name, strlen(name)),
                           .format = (int8_t)f,
                           .stored = CF_NONE,
                           .over = o,
                           .expr = e,
                           .number = number};
  return c->lines[at].name != NULL;
}

static sb_status parse_into(sb_contract *c, const char *label, const char *text, size_t size,
                            sb_contract_loader *loader, void *context, int uses);

static bool use(parser *s, sb_contract *c, sb_contract_loader *loader, void *context, int uses) {
  char name[200];
  size_t n = 0;
  blanks(s);
  while (s->p < s->end && !isspace((unsigned char)*s->p) && n + 1 < sizeof name) name[n++] = *s->p++;
  name[n] = 0;
  if (uses >= 4) return fail(s, "`use` goes more than 4 contracts deep");
  const char *text = loader ? loader(context, name, s->arena) : NULL;
  if (!text) return fail(s, "`use` names a contract that does not exist");
  if (!end_of_line(s)) return false;
  s->status = parse_into(c, sb_arena_string(s->arena, name, n), text, strlen(text), loader, context, uses + 1);
  return s->status == SB_OK;
}

static sb_status parse_into(sb_contract *c, const char *label, const char *text, size_t size,
                            sb_contract_loader *loader, void *context, int uses) {
  parser s = {.label = label,
              .p = text,
              .end = text + size,
              .line_start = text,
              .line = 1,
              .arena = c->arena,
              .nodes = c->node_count};
  char name[SB_MAX_NAME + 1];
  sb_over o = {OVER_ROW, 0, 0};
  int before = 0;
  bool said = false;
  if (size > SB_MAX_TEXT) return sb_fail(SB_INVALID, "%s:1:1: a contract is at most 65536 bytes", label);
  if (memchr(text, 0, size))
    return sb_fail(SB_INVALID, "%s:1:1: a contract is text, and this holds a zero byte", label);
  while (s.p < s.end && s.status == SB_OK) {
    blanks(&s);
    if (s.p >= s.end) break;
    if (*s.p == '\n') {
      s.line++;
      s.line_start = ++s.p;
      continue;
    }
    s.inside = 0;
    if (!word(&s, name)) break;
    if (strcmp(name, "over") == 0 && !(s.p < s.end && *s.p == ':'))
      over(&s, &o), said = true;
    else if (strcmp(name, "operations") == 0)
      operations(&s, c);
    else if (strcmp(name, "use") == 0) {
      /* Lines that follow replace those of their name, in their place and section; new ones are in the last section. */
      if (use(&s, c, loader, context, uses) && c->line_count) o = c->lines[c->line_count - 1].over;
      before = c->line_count, said = false;
    } else if (need(&s, ":"))
      contract_line(&s, c, name, o, said, before > 0 && sb_line_find(c, name) < before);
  }
  c->node_count = s.nodes;
  return s.status;
}

sb_status sb_contract_parse(const char *name, const char *text, size_t size, sb_contract_loader *loader, void *context,
                            sb_contract **contract) {
  sb_arena *arena = sb_arena_new();
  sb_contract *c = arena ? sb_arena_get(arena, sizeof *c) : NULL;
  *contract = NULL;
  if (!c) {
    sb_arena_free(arena);
    return sb_fail(SB_NO_MEMORY, "%s: no memory for a contract", name);
  }
  c->arena = arena;
  c->name = sb_arena_string(arena, name, strlen(name));
  sb_status status = parse_into(c, c->name, text, size, loader, context, 0);
  if (status == SB_OK && c->line_count == 0)
    status = sb_fail(SB_INVALID, "%s:1:1: a contract needs at least one line", name);
  /* The first comment tells the source. */
  const char *hash = memchr(text, '#', size), *stop = hash ? memchr(hash, '\n', (size_t)(text + size - hash)) : NULL;
  if (hash && stop) {
    hash++;
    while (hash < stop && *hash == ' ') hash++;
    c->source = sb_arena_string(arena, hash, (size_t)(stop - hash));
  }
  if (status != SB_OK) {
    sb_arena_free(arena);
    return status;
  }
  *contract = c;
  return SB_OK;
}

void sb_contract_free(sb_contract *contract) {
  if (contract) sb_arena_free(contract->arena);
}

sb_status sb_expression_parse(const char *label, const char *text, sb_arena *arena, sb_node **out) {
  parser s = {.label = label,
              .p = text,
              .end = text + strlen(text),
              .line_start = text,
              .line = 1,
              .arena = arena,
              .pattern = true};
  *out = expression(&s);
  if (*out) end_of_line(&s);
  return s.status;
}
