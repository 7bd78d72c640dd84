/* Two contracts, tensor by tensor: one term, or a sweep. */
#include "conformance/mutants/prove.h"
#include "conformance/contract/library.h"
#include "conformance/contract/values.h"
#include "conformance/explain/view.h"
#include "conformance/mutants/mutants.h"

#include <stdlib.h>

/* What a tensor is where its line is of another format: as sb_line_stored. */
static sb_node stored_as(const sb_line *l, const sb_env *env) {
  const int from = sb_cf_resolve(env, l->format), to = l->stored == CF_NONE ? from : sb_cf_resolve(env, l->stored);
  return (sb_node){.op = C_CAST,
                   .nargs = 1,
                   .rule = (uint8_t)(sb_cf_is_narrow(to) ? R_SAT : R_DEFAULT),
                   .at = (int8_t)to,
                   .fmt = (int8_t)to,
                   .via = CF_NONE,
                   .arg = {l->expr},
                   .tile = l->expr->tile};
}

/* A tensor of 16 bits is rounded through f32 but for an f64 line, as sb_line_stored does. */
static bool plain_store(int from, int to) {
  if (from == to) return true;
  if (!sb_cf_is_float(from) || !sb_cf_is_float(to) || from == CF_FNUZ || to == CF_FNUZ) return false;
  return to == SB_F32 || from == SB_F32 || from == SB_BF16 || from == SB_F16 || from == SB_F64;
}

typedef struct prover {
  sb_term_map *ma, *mb;
  int64_t most, values;
  bool swept;
} prover;

/* Whether two nodes have the same value: operand by operand, then by their terms, then by a sweep. The second then has
 * the first one's term for all that uses it. */
static bool same(prover *p, const sb_node *a, const sb_node *b, bool floating, int depth) {
  if (depth > SB_MAX_DEPTH) return false;
  if (!a->constant && !b->constant && a->op == b->op && a->nargs == b->nargs && a->op != C_NAME)
    for (int i = 0; i < a->nargs; i++)
      if (!a->arg[i]->constant && !b->arg[i]->constant && a->arg[i]->op != C_INPUT)
        same(p, a->arg[i], b->arg[i], true, depth + 1);
  const int i = sb_term_of(p->ma, a), j = sb_term_of(p->mb, b);
  if (i < 0 || j < 0) return false;
  if (i == j) return true;
  int64_t values = 0;
  if (!sb_sweep(p->ma, a, p->mb, b, floating, p->most, &values)) return false;
  p->values += values, p->swept = true;
  if (floating) sb_term_take(p->mb, b, i);
  return true;
}

static bool same_tensors(prover *p, const sb_contract_case *at, const sb_env *env) {
  const sb_contract *a = p->ma->contract, *b = p->mb->contract;
  for (int k = 0; k < b->line_count; k++) { /* in their order, so that later lines know of them */
    const int l = sb_line_find(a, b->lines[k].name);
    if (l >= 0) same(p, a->lines[l].expr, b->lines[k].expr, true, 0);
  }
  for (int n = 0; n < SB_SLOTS - 1; n++) {
    const int la = sb_contract_slot_line(a, at, sb_slot_order[n]), lb = sb_contract_slot_line(b, at, sb_slot_order[n]);
    if (la < 0 && lb < 0) continue;
    if (la < 0 || lb < 0) return false;
    const sb_node x = stored_as(&a->lines[la], env), y = stored_as(&b->lines[lb], env);
    const int fa = sb_cf_resolve(env, a->lines[la].format), fb = sb_cf_resolve(env, b->lines[lb].format);
    if (!plain_store(fa, x.fmt) || !plain_store(fb, y.fmt)) return false;
    if (sb_tile_rows(x.tile, env->rows) != sb_tile_rows(y.tile, env->rows) ||
        sb_tile_cols(x.tile, env->cols) != sb_tile_cols(y.tile, env->cols))
      return false;
    const bool floating = sb_cf_is_float(x.fmt) && sb_cf_is_float(y.fmt);
    if (!same(p, fa == x.fmt ? x.arg[0] : &x, fb == y.fmt ? y.arg[0] : &y, floating, 0)) return false;
    p->ma->count -= fa != x.fmt, p->mb->count -= fb != y.fmt; /* the nodes of this loop end here */
  }
  return true;
}

sb_proof sb_prove(const sb_contract_case *at, const sb_contract *a, const sb_contract *b, const sb_env *env,
                  int64_t most, int64_t *values) {
  *values = 0;
  if (sb_same_operations(a, b, env)) return SB_PROVEN_SAME_TREES;
  sb_terms *t = calloc(1, sizeof *t);
  sb_term_map *ma = calloc(1, sizeof *ma), *mb = calloc(1, sizeof *mb);
  sb_proof proof = SB_NOT_PROVEN;
  if (t && ma && mb) {
    prover p = {ma, mb, most, 0, false};
    ma->terms = mb->terms = t, ma->contract = a, mb->contract = b;
    if (same_tensors(&p, at, env)) proof = p.swept ? SB_PROVEN_BY_SWEEP : SB_PROVEN_BY_RULES;
    if (proof) *values = p.values;
  }
  free(t);
  free(ma);
  free(mb);
  return proof;
}
