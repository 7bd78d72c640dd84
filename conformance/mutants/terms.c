/* From the nodes of a checked contract to terms: names are followed to their lines, and each rounding that the
 * evaluator does becomes one. */
#include "conformance/contract/eval.h"
#include "conformance/contract/values.h"
#include "conformance/mutants/prove.h"

#include <math.h>
#include <string.h>

static bool is_reduction(const sb_node *n) { return n->op >= C_AMIN && n->op <= C_SIGNED_ABSMAX; }
static bool rounds(const sb_node *n) { return n->op >= C_ADD && n->op <= C_FMA; }

/* A Python number takes the format in which the operator computes, as in the evaluator. */
static int number(sb_terms *t, const sb_node *n, double v) {
  if (sb_cf_is_float(n->via) && n->via != SB_F64) v = sb_value_cast(v, SB_F32, R_DEFAULT);
  if (sb_ops[n->op].exact && sb_cf_is_float(n->fmt) && n->op != C_CAST) v = sb_value_cast(v, n->fmt, R_DEFAULT);
  return sb_term_number(t, v);
}

/* The roundings after an operator. */
static int rounded(sb_terms *t, const sb_node *n, int i) {
  if (n->op == C_CAST || !sb_cf_is_float(n->fmt) || (!rounds(n) && n->at == CF_NONE)) return i;
  if (n->via == SB_F32 && n->fmt != SB_F32) i = sb_term_cast(t, SB_F32, R_DEFAULT, i);
  return sb_term_cast(t, n->fmt, R_DEFAULT, i);
}

static int term_of(sb_term_map *map, const sb_node *n);

static int operation(sb_term_map *map, const sb_node *n) {
  sb_terms *t = map->terms;
  int arg[3] = {-1, -1, -1};
  bool known = n->nargs > 0;
  for (int i = 0; i < n->nargs; i++) {
    arg[i] = n->arg[i]->constant ? number(t, n, n->arg[i]->number) : term_of(map, n->arg[i]);
    if (arg[i] < 0) return -2;
    known = known && t->term[arg[i]].op == C_NUM;
  }
  if (is_reduction(n)) return sb_term_reduce(t, (sb_cop)n->op, n->over, arg[0]);
  if (n->op == C_PACK_LOW || n->op == C_PACK_HIGH)
    return sb_term_add(t, &(sb_term){.op = n->op, .fmt = CF_NONE, .arg = {arg[0], -1, -1}});
  if (known) {
    double v = 0, in[3];
    for (int i = 0; i < n->nargs; i++) in[i] = t->term[arg[i]].number;
    sb_kernel_exact(n, 1, &v, (const double *const[3]){&in[0], &in[1], &in[2]});
    return sb_term_number(t, v);
  }
  if (n->op == C_CAST) {
    const int from = n->arg[0]->fmt, to = n->fmt;
    if (from == to && n->rule != R_FLUSH && n->rule != R_FLUSH_POSITIVE) return arg[0];
    if ((to == SB_F16 || to == SB_BF16) && !sb_cf_is_float(from)) arg[0] = sb_term_cast(t, SB_F32, R_DEFAULT, arg[0]);
    const bool between = !sb_cf_is_float(to) && !sb_cf_is_float(from) && from != CF_PYFLOAT && n->rule != R_SAT;
    return sb_term_cast(t, to, between ? R_WRAP : (sb_rule)n->rule, arg[0]);
  }
  if (rounds(n) && !sb_cf_is_float(n->fmt))
    return n->op == C_FMA ? -2 : sb_term_integer(t, (sb_cop)n->op, n->fmt, arg[0], arg[1]);
  if (n->op == C_NEG && !sb_cf_is_float(n->fmt)) return sb_term_integer(t, C_SUB, n->fmt, sb_term_number(t, 0), arg[0]);
  if (n->op == C_NEXT_UP || n->op == C_NEXT_DOWN) /* of a format */
    return sb_term_add(t, &(sb_term){.op = n->op, .fmt = n->fmt, .arg = {arg[0], -1, -1}});
  return sb_term_make(t, (sb_cop)n->op, arg[0], arg[1], arg[2]);
}

static int term_of(sb_term_map *map, const sb_node *n) {
  if (n->constant) return sb_term_number(map->terms, n->number);
  if (n->op == C_INPUT) return sb_term_input(map->terms, n->name, n->fmt);
  for (int i = 0; i < map->count; i++)
    if (map->of[i].node == n) return map->of[i].term;
  int i =
      n->op == C_NAME ? term_of(map, map->contract->lines[n->index].expr) : rounded(map->terms, n, operation(map, n));
  if (i >= 0 && map->count < (int)(sizeof map->of / sizeof *map->of)) {
    map->of[map->count].node = n;
    map->of[map->count++].term = i;
  }
  return i;
}

int sb_term_of(sb_term_map *map, const sb_node *n) { return term_of(map, n); }

void sb_term_take(sb_term_map *map, const sb_node *n, int term) {
  for (int i = 0; i < map->count; i++)
    if (map->of[i].node == n) {
      map->of[i].term = term;
      return;
    }
  if (map->count == (int)(sizeof map->of / sizeof *map->of)) return;
  map->of[map->count].node = n;
  map->of[map->count++].term = term;
}
