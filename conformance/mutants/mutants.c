/* The kill matrix of one contract, and the search for directed inputs. */
#include "conformance/mutants/mutants.h"
#include "conformance/explain/distinguish.h"
#include "conformance/mutants/prove.h"

#include <stdio.h>
#include <stdlib.h>

enum { MOST_VALUES = 1 << 24, /* of a sweep */ FEW_VALUES = 1 << 18, AIMED = 8 };

typedef struct job {
  const sb_contract_case *at;
  sb_contract *base;
  const sb_mutant_input *inputs;
  double **values;
  int count, tries;
  bool check_proofs;
  sb_mutant_row *rows;
  sb_scratch *scratch;
  sb_arena *arena;
  sb_env env;
  sb_directed_pool *pool;
} job;

sb_env sb_mutant_env(const sb_contract_case *at, int64_t rows, int64_t cols, const double *x) {
  sb_env e = {.T = (int)at->dtype,
              .S = (int)at->scale_dtype,
              .Z = (int)at->zero_point_dtype,
              .O = (int)at->output_dtype,
              .rows = rows,
              .cols = cols,
              .group = at->group_size,
              .affine = strcmp(at->recipe, "affine") == 0,
              .quant_min = at->quant_min,
              .quant_max = at->quant_max,
              .eps = at->eps,
              .lenient = true,
              .binding_count = 1};
  e.bindings[0] = (sb_binding){"x", (int)at->dtype, {1, 1}, x};
  return e;
}

static bool kills(job *j, sb_contract *mutant, int64_t rows, int64_t cols, const double *x) {
  sb_env e = sb_mutant_env(j->at, rows, cols, x);
  sb_distinction d;
  int64_t row;
  return sb_contracts_differ(j->at, j->base, mutant, &e, false, j->scratch, &d, &row);
}

/* Counts a form to its argument; false where there is none. */
static bool argue(sb_mutant_row *row, const char *argument) {
  for (int i = 0; i < SB_MUTANT_ARGUMENTS && argument; i++) {
    if (row->argued[i] && strcmp(row->arguments[i], argument) != 0) continue;
    row->arguments[i] = argument;
    row->argued[i]++;
    return true;
  }
  return false;
}

static bool each_mutant(void *context, const sb_candidate *c) {
  job *j = context;
  sb_mutant_row *row = NULL;
  for (int i = 0; i < sb_mechanism_count(); i++)
    if (sb_mechanism_at(i) == c->mechanism) row = &j->rows[i];
  sb_env e = j->env;
  if (!row || sb_contract_check(c->contract, &e) != SB_OK) goto done; /* the rewrite does not fit this contract */
  row->mechanism = c->mechanism;
  row->forms++;
  bool killed = false;
  for (int f = 0; f < j->count; f++) {
    const sb_tensor *x = j->inputs[f].x;
    if (!kills(j, c->contract, x->dims[0], x->dims[1], j->values[f])) continue;
    killed = true;
    row->killed |= 1u << f;
  }
  int64_t values = 0;
  sb_proof proof = SB_NOT_PROVEN;
  if ((!killed || j->check_proofs) && sb_contract_check(j->base, &e) == SB_OK &&
      sb_contract_check(c->contract, &e) == SB_OK)
    proof = sb_prove(j->at, j->base, c->contract, &e, MOST_VALUES, &values);
  if (killed) {
    row->contradicted += proof != SB_NOT_PROVEN;
    goto done;
  }
  sb_distinction d = {.found = false};
  if (!proof) sb_distinguish(j->at, j->base, c->contract, &e, j->tries, &d);
  if (!proof && !d.found) sb_aim(j->at, j->base, c->contract, &e, AIMED * j->tries, &d);
  if (d.found) {
    if (row->survivors++ == 0)
      snprintf(row->survivor, sizeof row->survivor, "%s %s", c->alternative->what, c->parameter);
    goto done;
  }
  row->equivalent++;
  row->proven[proof]++;
  row->swept += values;
  const bool argued = !proof && argue(row, sb_equivalence(j->at, c->mechanism->id, c->alternative->what));
  if (!proof && !argued && !*row->unproved)
    snprintf(row->unproved, sizeof row->unproved, "%s%s%s", c->alternative->what, *c->parameter ? ", " : "",
             c->parameter);
done:
  sb_arena_reset(j->arena);
  return true;
}

static sb_status begin(job *j, const sb_contract_case *at, int64_t cols, const double *x) {
  *j = (job){.at = at, .scratch = sb_scratch_new(), .arena = sb_arena_new()};
  sb_status status =
      j->scratch && j->arena ? sb_contract_load(at, &j->base) : sb_fail(SB_NO_MEMORY, "no memory for mutants");
  j->env = sb_mutant_env(at, 1, cols, x);
  return status == SB_OK ? sb_contract_check(j->base, &j->env) : status;
}

static void end(job *j) {
  sb_contract_free(j->base);
  sb_scratch_free(j->scratch);
  sb_arena_free(j->arena);
}

sb_status sb_mutants_run(const sb_contract_case *at, const sb_mutant_input *inputs, int count, int tries,
                         bool check_proofs, sb_mutant_row *rows) {
  job j = {0};
  double *values[SB_MUTANT_FILLS] = {NULL};
  memset(rows, 0, sizeof *rows * (size_t)sb_mechanism_count());
  if (count < 1 || count > SB_MUTANT_FILLS) return sb_fail(SB_INVALID, "mutants need 1 to 16 inputs, not %d", count);
  sb_status status = SB_OK;
  for (int f = 0; f < count && status == SB_OK; f++) {
    values[f] = malloc(sizeof(double) * (size_t)(sb_tensor_count(inputs[f].x) + 1));
    if (!values[f])
      status = sb_fail(SB_NO_MEMORY, "no memory for mutants");
    else
      for (int64_t i = 0; i < sb_tensor_count(inputs[f].x); i++)
        values[f][i] = sb_load(inputs[f].x->format, inputs[f].x->data, i);
  }
  if (status == SB_OK) status = begin(&j, at, inputs[0].x->dims[1], values[0]);
  if (status == SB_OK) {
    j.inputs = inputs, j.values = values, j.count = count, j.tries = tries, j.rows = rows,
    j.check_proofs = check_proofs;
    status = sb_rewrite_each(j.base, &j.env, NULL, NULL, j.arena, each_mutant, &j);
  }
  if (values[0]) end(&j);
  for (int f = 0; f < count; f++) free(values[f]);
  return status;
}

bool sb_directed_add_row(sb_directed_pool *p, const sb_distinction *d) {
  double *grown = realloc(p->x, sizeof *grown * (size_t)((p->count + 1) * p->cols));
  if (!grown) return false;
  p->x = grown;
  for (int64_t i = 0; i < p->cols; i++) p->x[p->count * p->cols + i] = d->x[i % d->cols];
  p->count++;
  return true;
}

/* A row of the pool's width that tells the mutant, looked for harder where one of another width is known to. */
static void search_row(job *j, sb_contract *mutant, const sb_env *like, sb_distinction *d) {
  enum { HARDER = 24 };
  sb_env wide = *like;
  sb_distinguish(j->at, j->base, mutant, like, j->tries, d);
  if (d->found) return;
  wide.group = like->group * 4;
  sb_distinguish(j->at, j->base, mutant, &wide, j->tries, d);
  if (!d->found) {
    wide.group = 0;
    sb_distinguish(j->at, j->base, mutant, &wide, j->tries, d);
  }
  if (d->found) sb_distinguish(j->at, j->base, mutant, like, HARDER * j->tries, d);
  if (!d->found) sb_aim(j->at, j->base, mutant, like, AIMED * j->tries, d);
}

static bool each_direct(void *context, const sb_candidate *c) {
  job *j = context;
  sb_env e = j->env;
  bool killed = false;
  if (sb_contract_check(c->contract, &e) != SB_OK) goto done;
  for (int i = 0; i < j->pool->count && !killed; i++)
    killed = kills(j, c->contract, 1, j->pool->cols, j->pool->x + i * j->pool->cols);
  int64_t values;
  if (!killed && !sb_prove(j->at, j->base, c->contract, &e, FEW_VALUES, &values)) {
    sb_distinction d;
    search_row(j, c->contract, &e, &d);
    if (d.found && j->pool->cols % d.cols == 0) sb_directed_add_row(j->pool, &d);
  }
done:
  sb_arena_reset(j->arena);
  return true;
}

sb_status sb_directed_search(const sb_contract_case *at, int tries, const sb_mechanism *only, sb_directed_pool *pool) {
  job j;
  double zero[256] = {0};
  sb_status status = begin(&j, at, pool->cols, zero);
  if (status == SB_OK) {
    j.pool = pool, j.tries = tries;
    status = sb_rewrite_each(j.base, &j.env, NULL, only, j.arena, each_direct, &j);
  }
  end(&j);
  return status;
}
