/* Expressions: text to tree. */
#include "conformance/contract/parser.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

bool sb_parse_fail(parser *s, const char *what) {
  if (s->status == SB_OK) s->status = sb_fail(SB_INVALID, "%s:%d:%d: %s", s->label, s->line, s->column, what);
  return false;
}

static void place(parser *s) { s->column = (int)(s->p - s->line_start) + 1; }

/* Skips blanks and comments; a newline too where a parenthesis is open. */
void sb_parse_blanks(parser *s) {
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

bool sb_parse_take(parser *s, const char *symbol) {
  size_t n = strlen(symbol);
  sb_parse_blanks(s);
  if ((size_t)(s->end - s->p) < n || memcmp(s->p, symbol, n) != 0) return false;
  s->p += n;
  return true;
}

bool sb_parse_need(parser *s, const char *symbol) {
  char what[64];
  if (sb_parse_take(s, symbol)) return true;
  snprintf(what, sizeof what, "'%s' is expected here", symbol);
  return sb_parse_fail(s, what);
}

static bool is_word(char c, bool first) {
  return c == '_' || isalpha((unsigned char)c) || (!first && isdigit((unsigned char)c));
}

bool sb_parse_word(parser *s, char out[SB_MAX_NAME + 1]) {
  size_t n = 0;
  sb_parse_blanks(s);
  while (s->p + n < s->end && is_word(s->p[n], n == 0))
    if (++n > SB_MAX_NAME) return sb_parse_fail(s, "a name is longer than 40 characters");
  if (n == 0) return sb_parse_fail(s, "a name is expected here");
  memcpy(out, s->p, n);
  out[n] = 0;
  s->p += n;
  return true;
}

static sb_node *node(parser *s, sb_cop op) {
  if (s->nodes++ >= SB_MAX_NODES) return sb_parse_fail(s, "the contract has more than 2048 operations"), NULL;
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

static sb_node *number(parser *s) {
  char text[SB_MAX_LITERAL + 1], *stop;
  size_t n = 0;
  bool hex = s->end - s->p > 1 && s->p[0] == '0' && (s->p[1] == 'x' || s->p[1] == 'X');
  while (s->p + n < s->end) {
    char c = s->p[n], before = n ? (char)tolower((unsigned char)s->p[n - 1]) : 0;
    bool sign = (c == '+' || c == '-') && ((!hex && before == 'e') || before == 'p');
    if (!isalnum((unsigned char)c) && c != '.' && !sign) break;
    if (++n > SB_MAX_LITERAL) return sb_parse_fail(s, "a number is longer than 40 characters"), NULL;
  }
  memcpy(text, s->p, n);
  text[n] = 0;
  sb_node *num = node(s, C_NUM);
  if (!num) return NULL;
  num->number = strtod(text, &stop);
  if (*stop || !isfinite(num->number)) return sb_parse_fail(s, "this is not a number that f64 can hold"), NULL;
  num->integer = strpbrk(text, hex ? ".pP" : ".eE") == NULL;
  if (num->integer && fabs(num->number) > 0x1p53) return sb_parse_fail(s, "an integer is larger than 2^53"), NULL;
  s->p += n;
  return num;
}

static bool arguments(parser *s, sb_node *call, int count) {
  s->inside++;
  for (int i = 0; i < count; i++) {
    if (i && !sb_parse_need(s, ",")) return false;
    if (!(call->arg[i] = sb_parse_expression(s))) return false;
    call->nargs++;
  }
  if (!sb_parse_need(s, ")")) return false;
  s->inside--;
  return true;
}

/* FORMAT(x), FORMAT.rule(x) */
static sb_node *cast(parser *s, int format) {
  char rule[SB_MAX_NAME + 1] = "";
  sb_node *n = node(s, C_CAST);
  if (!n) return NULL;
  n->at = (int8_t)format;
  if (sb_parse_take(s, ".") && !sb_parse_word(s, rule)) return NULL;
  int r = 0;
  while (r < R_COUNT && strcmp(rule, sb_rule_names[r]) != 0) r++;
  if (r == R_COUNT)
    return sb_parse_fail(
               s, "no such rule of a cast (sat, nan, inf, x86, wrap, away, zero, up, flush, flush_positive, bits)"),
           NULL;
  n->rule = (uint8_t)r;
  if (!sb_parse_need(s, "(")) return NULL;
  return arguments(s, n, 1) ? n : NULL;
}

static sb_node *call_or_name(parser *s) {
  char name[SB_MAX_NAME + 1];
  int line = s->line;
  sb_parse_blanks(s);
  int column = s->column, format;
  if (!sb_parse_word(s, name)) return NULL;
  format = s->pattern && strcmp(name, "R") == 0 ? CF_R : sb_cf_parse(name);
  sb_node *n = NULL;
  if (format != CF_NONE) {
    n = cast(s, format);
  } else if (sb_parse_take(s, "(")) {
    int op = 0;
    while (op < C_OPS && !(sb_ops[op].function && strcmp(sb_ops[op].name, name) == 0)) op++;
    if (op == C_OPS) return sb_parse_fail(s, "no such function"), NULL;
    if (!(n = node(s, (sb_cop)op))) return NULL;
    if (op == C_EPS || op == C_SMALLEST_NORMAL || op == C_LARGEST) {
      if (!sb_parse_word(s, name)) return NULL;
      n->at = (int8_t)sb_cf_parse(name);
      if (n->at == CF_NONE) return sb_parse_fail(s, "the name of a format is expected here"), NULL;
      if (!sb_parse_need(s, ")")) return NULL;
    } else if (!arguments(s, n, sb_ops[op].args)) {
      return NULL;
    }
  } else {
    if (!(n = node(s, C_NAME))) return NULL;
    if (!(n->name = sb_arena_string(s->arena, name, strlen(name)))) return sb_parse_fail(s, "no memory"), NULL;
  }
  if (n) n->line = line, n->column = column;
  return n;
}

static sb_node *primary(parser *s) {
  char name[SB_MAX_NAME + 1];
  sb_parse_blanks(s);
  if (s->p >= s->end) return sb_parse_fail(s, "an expression is expected here, and the text ends"), NULL;
  if (isdigit((unsigned char)*s->p) || *s->p == '.') return number(s);
  if (s->pattern && (*s->p == '$' || *s->p == '?')) {
    bool constant = *s->p++ == '?';
    sb_node *n = sb_parse_word(s, name) ? node(s, C_META) : NULL;
    if (!n) return NULL;
    n->name = sb_arena_string(s->arena, name, strlen(name));
    n->integer = constant;
    return n->name ? n : NULL;
  }
  if (sb_parse_take(s, "(")) {
    s->inside++;
    sb_node *n = sb_parse_expression(s);
    if (!n || !sb_parse_need(s, ")")) return NULL;
    s->inside--;
    return n;
  }
  if (!is_word(*s->p, true)) return sb_parse_fail(s, "a name, a number or '(' is expected here"), NULL;
  return call_or_name(s);
}

static sb_node *postfix(parser *s) {
  char name[SB_MAX_NAME + 1];
  sb_node *n = primary(s);
  while (n && sb_parse_take(s, "@")) {
    if (n->op < C_NEG || n->op == C_CAST || n->op == C_EPS || n->op == C_SMALLEST_NORMAL || n->op == C_LARGEST)
      return sb_parse_fail(s, "@ belongs to an operator; to convert a value write FORMAT(value)"), NULL;
    if (!sb_parse_word(s, name)) return NULL;
    n->at = (int8_t)(s->pattern && strcmp(name, "R") == 0 ? CF_R : sb_cf_parse(name));
    if (n->at == CF_NONE) return sb_parse_fail(s, "the name of a format is expected after @"), NULL;
  }
  return n;
}

static sb_node *unary(parser *s) {
  sb_parse_blanks(s);
  if (!sb_parse_take(s, "-")) return postfix(s);
  if (++s->depth > SB_MAX_DEPTH) return sb_parse_fail(s, "expressions are nested more than 48 deep"), NULL;
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
    sb_parse_blanks(s);
    int line = s->line, column = s->column;
    while (i < sizeof table / sizeof *table && !(table[i].level == level && sb_parse_take(s, table[i].symbol))) i++;
    if (i == sizeof table / sizeof *table) return left;
    if (chain >= SB_MAX_DEPTH) return sb_parse_fail(s, "a chain of operators is longer than 48"), NULL;
    sb_node *right = level == 2 ? unary(s) : infix(s, level + 1), *n = right ? node(s, table[i].op) : NULL;
    if (!n) return NULL;
    n->arg[0] = left, n->arg[1] = right, n->nargs = 2;
    n->line = line, n->column = column;
    left = n;
  }
  return NULL;
}

sb_node *sb_parse_expression(parser *s) {
  if (++s->depth > SB_MAX_DEPTH) return sb_parse_fail(s, "expressions are nested more than 48 deep"), NULL;
  sb_node *n = infix(s, 0);
  s->depth--;
  return n;
}
