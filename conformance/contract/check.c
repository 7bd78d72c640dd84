/* Gives every node its format and tile, and folds what is known before any tensor (Python's own arithmetic, f64). */
#include "conformance/contract/check.h"
#include "conformance/contract/values.h"

#include <math.h>
#include <stdio.h>

typedef struct checker {
  sb_contract *contract;
  const sb_env *env;
  int line;
  sb_status status;
} checker;

static bool fail(checker *c, const sb_node *n, const char *what) {
  if (c->status == SB_OK) c->status = sb_fail(SB_INVALID, "%s:%d:%d: %s", c->contract->name, n->line, n->column, what);
  return false;
}

int sb_cf_resolve(const sb_env *env, int format) {
  switch (format) {
  case CF_T:
    return env->T;
  case CF_S:
    return env->S == CF_NONE ? env->T : env->S;
  case CF_Z:
    return env->Z == CF_NONE ? SB_I32 : env->Z;
  case CF_O:
    return env->O == CF_NONE ? env->T : env->O;
  default:
    return format;
  }
}

int64_t sb_tile_rows(sb_tile tile, int64_t rows) { return tile.r == 0 ? 1 : (rows + tile.r - 1) / tile.r; }
int64_t sb_tile_cols(sb_tile tile, int64_t cols) { return tile.c == 0 ? 1 : (cols + tile.c - 1) / tile.c; }

static bool constant_format(int f) { return f == CF_PYINT || f == CF_PYFLOAT; }

/* torch.result_type of two operands; CF_NONE where there is none. */
static int promote(int a, int b) {
  if (a == b) return a;
  if (a == CF_PYINT) return b;
  if (b == CF_PYINT) return a;
  if (a == CF_PYFLOAT) return sb_cf_is_float(b) ? b : SB_F32;
  if (b == CF_PYFLOAT) return sb_cf_is_float(a) ? a : SB_F32;
  bool fa = sb_cf_is_float(a), fb = sb_cf_is_float(b);
  if (fa != fb) return fa ? a : b;
  if (fa) {
    if (sb_cf_is_narrow(a) || sb_cf_is_narrow(b)) return CF_NONE;
    if (a == SB_F64 || b == SB_F64) return SB_F64;
    return SB_F32; /* f32 with 16 bits, and f16 with bf16 */
  }
  int wa = sb_format_of((sb_format)a)->bits, wb = sb_format_of((sb_format)b)->bits;
  if (a == SB_BOOL) return b;
  if (b == SB_BOOL) return a;
  if (wa == wb) return wa == 8 ? SB_I16 : wa == 16 ? SB_I32 : SB_I64;
  return wa > wb ? a : b;
}

/* The common refinement of two partitions; false where they cut through each other. */
static bool join(int64_t a, int64_t b, int64_t *out) {
  if (a == 0 || b == 0) {
    *out = a == 0 ? b : a;
    return true;
  }
  *out = a < b ? a : b;
  return (a > b ? a % b : b % a) == 0;
}

static sb_tile tile_of(const checker *c, sb_over o) {
  int64_t group = o.c ? o.c : c->env->group;
  switch (o.kind) {
  case OVER_ELEMENT:
    return (sb_tile){1, 1};
  case OVER_ROW:
    return (sb_tile){1, 0};
  case OVER_GROUP:
    return (sb_tile){1, group >= c->env->cols ? 0 : group};
  case OVER_BLOCK:
    return (sb_tile){o.r, o.c};
  default:
    return (sb_tile){0, 0};
  }
}

static double fold(const sb_node *n, bool *known) {
  double a = n->nargs > 0 ? n->arg[0]->number : 0, b = n->nargs > 1 ? n->arg[1]->number : 0;
  switch (n->op) {
  case C_NEG:
    return -a;
  case C_ADD:
    return a + b;
  case C_SUB:
    return a - b;
  case C_MUL:
    return a * b;
  case C_DIV:
    return a / b;
  case C_MIN:
    return a < b ? a : b;
  case C_MAX:
    return a > b ? a : b;
  case C_ABS:
    return fabs(a);
  case C_GIVEN:
    return isnan(a) ? b : a;
  default:
    *known = false;
    return 0;
  }
}

static bool check(checker *c, sb_node *n);

static bool check_name(checker *c, sb_node *n) {
  const sb_env *e = c->env;
  const struct {
    const char *name;
    double value;
    bool integer, known;
  } constants[] = {{"quant_min", e->quant_min, true, e->affine},
                   {"quant_max", e->quant_max, true, e->affine},
                   {"eps", e->eps, false, e->affine},
                   {"group_size", (double)(e->group ? e->group : e->cols), true, true},
                   {"nan", SB_NAN, false, true},
                   {"inf", SB_INF, false, true}};
  for (int i = 0; i < e->binding_count; i++) {
    if (strcmp(e->bindings[i].name, n->name) != 0) continue;
    n->op = C_INPUT;
    n->index = (int8_t)i;
    n->fmt = (int8_t)e->bindings[i].fmt;
    n->tile = e->bindings[i].tile;
    int line = sb_line_find(c->contract, n->name);
    if (line >= 0) n->fmt = (int8_t)sb_cf_resolve(e, c->contract->lines[line].format);
    return true;
  }
  for (int i = 0; i < c->line; i++) {
    const sb_line *l = &c->contract->lines[i];
    if (strcmp(l->name, n->name) != 0) continue;
    n->index = (int8_t)i;
    n->fmt = (int8_t)sb_cf_resolve(e, l->format);
    n->tile = l->expr->tile;
    return true;
  }
  for (size_t i = 0; i < sizeof constants / sizeof *constants; i++) {
    if (strcmp(constants[i].name, n->name) != 0) continue;
    if (!constants[i].known) return fail(c, n, "this case does not give quant_min, quant_max and eps");
    n->constant = true;
    n->number = constants[i].value;
    n->fmt = constants[i].integer ? CF_PYINT : CF_PYFLOAT;
    return true;
  }
  return fail(c, n,
              sb_line_find(c->contract, n->name) >= 0 ? "this line is used before it is given"
                                                      : "no line, tensor or constant has this name");
}

static bool check_cast(checker *c, sb_node *n) {
  int to = sb_cf_resolve(c->env, n->at), from = n->arg[0]->fmt;
  bool to_float = sb_cf_is_float(to), from_float = sb_cf_is_float(from) || from == CF_PYFLOAT;
  n->fmt = (int8_t)to;
  if (constant_format(from) && !to_float && !from_float) return true;
  if (n->rule == R_DEFAULT && sb_cf_is_narrow(to) && !(from == to))
    return fail(c, n, "a cast to an 8-bit or 4-bit float needs its rule: FORMAT.sat(x), FORMAT.nan(x) ...");
  if (n->rule == R_DEFAULT && !to_float && from_float)
    return fail(c, n, "a cast of a float to an integer needs its rule: FORMAT.x86(x), FORMAT.sat(x), FORMAT.wrap(x)");
  bool integer_rule = n->rule == R_X86 || n->rule == R_WRAP;
  if (integer_rule && to_float) return fail(c, n, "x86 and wrap are rules of casts to integers");
  if (n->rule == R_BITS && !((from == CF_FNUZ && to == SB_E4M3) || (from == SB_E4M3 && to == CF_FNUZ)))
    return fail(c, n, "bits reads e4m3fnuz as e4m3 or the other way");
  if ((n->rule == R_NAN && to != SB_E4M3) || (n->rule == R_INF && to != SB_E5M2))
    return fail(c, n, "nan is a rule of e4m3, inf one of e5m2");
  return true;
}

static bool check_reduction(checker *c, sb_node *n) {
  sb_tile over = tile_of(c, c->contract->lines[c->line].over), arg = n->arg[0]->tile;
  sb_tile joined;
  n->fmt = n->arg[0]->fmt;
  if (n->arg[0]->constant) return fail(c, n, "a reduction needs a tensor");
  if (!join(over.r, arg.r, &joined.r) || !join(over.c, arg.c, &joined.c) || joined.r != arg.r || joined.c != arg.c)
    return fail(c, n, "the operand of this reduction is not given for each element of the tile that `over` names");
  n->tile = n->over = over;
  return true;
}

static bool check(checker *c, sb_node *n) {
  const sb_op_info *op = &sb_ops[n->op];
  bool all_constant = n->nargs > 0;
  n->constant = false;
  n->tile = (sb_tile){0, 0};
  n->via = CF_NONE;
  for (int i = 0; i < n->nargs; i++) {
    if (!check(c, n->arg[i])) return false;
    all_constant = all_constant && n->arg[i]->constant;
    if (!join(n->tile.r, n->arg[i]->tile.r, &n->tile.r) || !join(n->tile.c, n->arg[i]->tile.c, &n->tile.c))
      return fail(c, n, "the operands belong to tiles that cut through each other");
  }
  switch (n->op) {
  case C_NUM:
    n->constant = true, n->fmt = n->integer ? CF_PYINT : CF_PYFLOAT;
    return true;
  case C_NAME:
  case C_INPUT:
    return check_name(c, n);
  case C_META:
    return fail(c, n, "a pattern variable outside of a pattern");
  case C_EPS:
  case C_SMALLEST_NORMAL:
  case C_LARGEST: {
    int f = sb_cf_resolve(c->env, n->at);
    if (!sb_cf_is_float(f)) return fail(c, n, "this needs a floating-point format");
    n->constant = true;
    n->fmt = CF_PYFLOAT;
    n->number = n->op == C_EPS ? sb_cf_eps(f) : n->op == C_LARGEST ? sb_cf_largest(f) : sb_cf_smallest_normal(f);
    return true;
  }
  case C_CAST:
    return check_cast(c, n);
  case C_AMIN:
  case C_AMAX:
  case C_AMINNUM:
  case C_AMAXNUM:
  case C_AMAXABS:
  case C_SIGNED_ABSMAX:
    return check_reduction(c, n);
  case C_PACK_LOW:
  case C_PACK_HIGH:
    n->fmt = SB_U8;
    if (n->tile.r != 1 || n->tile.c != 1) return fail(c, n, "only a tensor of one value an element can be packed");
    return true;
  default:
    break;
  }
  int f = n->arg[0]->fmt;
  if (n->op == C_SELECT)
    f = promote(n->arg[1]->fmt, n->arg[2]->fmt);
  else
    for (int i = 1; i < n->nargs && f != CF_NONE; i++) f = promote(f, n->arg[i]->fmt);
  if (n->op == C_SELECT && n->arg[0]->fmt != SB_BOOL) return fail(c, n, "the first operand of select is a comparison");
  if (f == CF_NONE) return fail(c, n, "PyTorch promotes no 8-bit float: convert the operands first");
  if (sb_cf_is_narrow(f) && !op->exact)
    return fail(c, n, "there is no arithmetic in this format: convert the operand first");
  if (n->op == C_DIV && !sb_cf_is_float(f) && f != CF_PYFLOAT) f = f == CF_PYINT ? CF_PYFLOAT : SB_F32;
  if (f == SB_BOOL && n->op != C_EQ && n->op != C_NE) return fail(c, n, "a comparison cannot be used as a number");
  n->via = (int8_t)f;
  if (all_constant) {
    bool known = true;
    double v = fold(n, &known);
    if (known && n->at == CF_NONE) {
      n->constant = true, n->number = v, n->fmt = (int8_t)f;
      return true;
    }
    if (constant_format(f)) return fail(c, n, "this cannot be computed from numbers alone");
  }
  if ((n->op >= C_LT && n->op <= C_NE) || n->op == C_ISNAN || n->op == C_ISINF) {
    n->fmt = SB_BOOL;
    return n->at == CF_NONE ? true : fail(c, n, "a comparison has no format");
  }
  n->fmt = (int8_t)(n->at == CF_NONE ? f : sb_cf_resolve(c->env, n->at));
  if (n->at != CF_NONE && (sb_cf_is_narrow(n->fmt) || !sb_cf_is_float(n->fmt)))
    return fail(c, n, "after @ comes f64, f32, bf16 or f16; for others write a cast");
  /* Operands of f64 round straight to the result; all others compute in f32 first where the result has 16 bits. */
  if (n->at != CF_NONE || n->fmt == SB_F16 || n->fmt == SB_BF16)
    n->via = f == SB_F64 ? n->fmt : n->fmt == SB_F64 ? SB_F64 : SB_F32;
  return true;
}

/* The format of the line's value is the declared one: equal, or made so by a conversion that cannot surprise. */
static bool settle(checker *c, sb_line *l) {
  sb_node *e = l->expr;
  int declared = sb_cf_resolve(c->env, l->format);
  if (e->fmt == declared && !e->constant) return true;
  bool convertible =
      e->constant ? (sb_cf_is_float(declared) ? !sb_cf_is_narrow(declared) || e->number == 0 : e->fmt == CF_PYINT)
                  : c->env->lenient && sb_cf_is_float(e->fmt) && sb_cf_is_float(declared) && !sb_cf_is_narrow(declared);
  if (!convertible && c->env->lenient && !sb_cf_is_float(declared) && !sb_cf_is_float(e->fmt) && !e->constant)
    convertible = true;
  if (!convertible) {
    char what[160];
    snprintf(what, sizeof what, "line %s is declared %s, but the expression gives %s: write a cast", l->name,
             sb_cf_name(l->format), sb_cf_name(e->fmt));
    return fail(c, e, what);
  }
  sb_node *cast = sb_arena_get(c->contract->arena, sizeof *cast);
  if (!cast) {
    c->status = sb_fail(SB_NO_MEMORY, "%s: no memory", c->contract->name);
    return false;
  }
  *cast = (sb_node){.op = C_CAST,
                    .nargs = 1,
                    .at = (int8_t)declared,
                    .arg = {e},
                    .fmt = (int8_t)declared,
                    .via = CF_NONE,
                    .line = e->line,
                    .column = e->column,
                    .tile = e->tile};
  l->expr = cast;
  return true;
}

sb_status sb_contract_check(sb_contract *contract, const sb_env *env) {
  checker c = {.contract = contract, .env = env};
  for (c.line = 0; c.line < contract->line_count; c.line++) {
    sb_line *l = &contract->lines[c.line];
    if (l->over.kind == OVER_GROUP) {
      int64_t group = l->over.c ? l->over.c : env->group;
      if (group > 0 && env->cols % group != 0)
        return sb_fail(SB_UNSUPPORTED, "%s:%d:1: a row of %lld columns has no whole number of groups of %lld",
                       contract->name, l->number, (long long)env->cols, (long long)group);
    }
    const sb_binding *given = NULL;
    for (int i = 0; i < env->binding_count; i++)
      if (strcmp(env->bindings[i].name, l->name) == 0) given = &env->bindings[i];
    if (given) {
      sb_node *n = sb_arena_get(contract->arena, sizeof *n);
      if (!n) return sb_fail(SB_NO_MEMORY, "%s: no memory", contract->name);
      *n = (sb_node){.op = C_INPUT,
                     .at = CF_NONE,
                     .name = l->name,
                     .line = l->number,
                     .column = 1,
                     .via = CF_NONE,
                     .tile = given->tile,
                     .index = (int8_t)(given - env->bindings),
                     .fmt = (int8_t)sb_cf_resolve(env, l->format)};
      l->expr = n;
      continue;
    }
    if (!check(&c, l->expr) || !settle(&c, l)) return c.status;
    /* A line of constants has a value for each tile of its section. */
    if (l->expr->op == C_CAST && l->expr->arg[0]->constant) l->expr->tile = tile_of(&c, l->over);
  }
  return SB_OK;
}
