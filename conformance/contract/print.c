/* Tree to text, as the parser takes it. */
#include "conformance/contract/ast.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

typedef struct out {
  char *buffer;
  size_t size, length;
} out;

static void put(out *o, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(out *o, const char *format, ...) {
  va_list args;
  va_start(args, format);
  size_t room = o->length < o->size ? o->size - o->length : 0;
  int n = vsnprintf(room ? o->buffer + o->length : NULL, room, format, args);
  va_end(args);
  if (n > 0) o->length += (size_t)n;
}

/* The shortest of the decimal forms and the hex form that reads back as the same number. */
static void put_number(out *o, double v, bool integer) {
  char text[64];
  if (integer) {
    put(o, "%.0f", v);
    return;
  }
  for (int digits = 1; digits <= 6; digits++) {
    double back;
    snprintf(text, sizeof text, "%.*g", digits, v);
    if (sscanf(text, "%lf", &back) == 1 && back == v) {
      put(o, "%s%s", text, strpbrk(text, ".e") ? "" : ".0");
      return;
    }
  }
  put(o, "%a", v);
}

static int level_of(const sb_node *n) {
  if (n->op >= C_LT && n->op <= C_NE) return 0;
  if (n->op == C_ADD || n->op == C_SUB) return 1;
  if (n->op == C_MUL || n->op == C_DIV) return 2;
  if (n->op == C_NEG || (n->op == C_NUM && signbit(n->number))) return 3;
  return 4;
}

static void print(out *o, const sb_node *n, int level) {
  bool infix = !sb_ops[n->op].function && n->nargs == 2, at = n->at != CF_NONE && n->op >= C_NEG && n->op != C_CAST;
  if (n->op == C_EPS || n->op == C_SMALLEST_NORMAL || n->op == C_LARGEST) {
    put(o, "%s(%s)", sb_ops[n->op].name, sb_cf_name(n->at));
    return;
  }
  bool parens = level_of(n) < level || (at && infix);
  if (parens) put(o, "(");
  if (n->op == C_NUM)
    put_number(o, n->number, n->integer);
  else if (n->op == C_NAME || n->op == C_INPUT)
    put(o, "%s", n->name);
  else if (n->op == C_META)
    put(o, "%c%s", n->integer ? '?' : '$', n->name);
  else if (n->op == C_NEG)
    put(o, "-"), print(o, n->arg[0], 4);
  else if (infix) {
    print(o, n->arg[0], level_of(n));
    put(o, " %s ", sb_ops[n->op].name);
    print(o, n->arg[1], level_of(n) + 1);
  } else {
    if (n->op == C_CAST)
      put(o, "%s%s%s(", sb_cf_name(n->at), n->rule ? "." : "", sb_rule_names[n->rule]);
    else
      put(o, "%s(", sb_ops[n->op].name);
    for (int i = 0; i < n->nargs; i++) {
      if (i) put(o, ", ");
      print(o, n->arg[i], 0);
    }
    put(o, ")");
  }
  if (parens) put(o, ")");
  if (at) put(o, "@%s", sb_cf_name(n->at));
}

size_t sb_node_print(const sb_node *node, char *buffer, size_t size) {
  out o = {buffer, size, 0};
  print(&o, node, 0);
  return o.length;
}

size_t sb_line_print(const sb_line *line, char *buffer, size_t size) {
  out o = {buffer, size, 0};
  put(&o, "%s : %s = ", line->name, sb_cf_name(line->format));
  print(&o, line->expr, 0);
  return o.length;
}

static bool same_over(sb_over a, sb_over b) { return a.kind == b.kind && a.r == b.r && a.c == b.c; }

static void put_over(out *o, sb_over v) {
  static const char *const kinds[] = {"element", "row", "group", "tensor", "block"};
  put(o, "over    %s", kinds[v.kind]);
  if (v.kind == OVER_BLOCK) put(o, " %lldx%lld", (long long)v.r, (long long)v.c);
  if (v.kind == OVER_GROUP && v.c) put(o, " %lld", (long long)v.c);
  put(o, "\n");
}

size_t sb_contract_print(const sb_contract *contract, char *buffer, size_t size) {
  out o = {buffer, size, 0};
  int width = 0;
  if (contract->source) put(&o, "# %s\n", contract->source);
  for (int i = 0; i < contract->line_count; i++) {
    int n = (int)strlen(contract->lines[i].name);
    if (n > width) width = n;
  }
  for (int i = 0; i < contract->line_count; i++) {
    const sb_line *line = &contract->lines[i];
    if (i == 0 || !same_over(line->over, contract->lines[i - 1].over)) put_over(&o, line->over);
    put(&o, "%-*s : %-4s = ", width, line->name, sb_cf_name(line->format));
    print(&o, line->expr, 0);
    put(&o, "\n");
  }
  for (int s = 0, first = 1; s < SB_SLOTS; s++) {
    if (!contract->operation[s]) continue;
    put(&o, "%s%s = %s", first ? "operations " : ", ", sb_slot_names[s], contract->operation[s]);
    first = 0;
  }
  bool any = false;
  for (int s = 0; s < SB_SLOTS; s++) any = any || contract->operation[s];
  if (any) put(&o, "\n");
  return o.length;
}
