/* Rows that tell wrong implementations from each other: rewrites of different mechanisms that give the same bits on all
 * rows of the pool are searched apart. */
#include "conformance/contract/values.h"
#include "conformance/explain/distinguish.h"
#include "conformance/explain/view.h"
#include "conformance/mutants/mutants.h"

#include <stdlib.h>

typedef struct mutant {
  const sb_mechanism *mechanism;
  sb_contract *contract;
  uint64_t hash;     /* of what it gives on the rows so far */
  int number, tried; /* tried: the mutant from which no input tells it */
} mutant;

typedef struct walk {
  const sb_contract_case *at;
  sb_arena *arena, *passing;
  sb_scratch *scratch;
  const sb_directed_pool *pool;
  mutant *mutants;
  int count, capacity;
} walk;

static uint64_t mix(uint64_t h, double v) {
  h = (h ^ (v != v ? 1 : sb_f64_bits(v))) * 1099511628211u;
  return h ^ h >> 29;
}

/* What a contract gives on one row. */
static uint64_t hash_row(walk *w, sb_contract *k, uint64_t h, int row) {
  sb_env env = sb_mutant_env(w->at, 1, w->pool->cols, w->pool->x + row * w->pool->cols);
  if (sb_contract_check(k, &env) != SB_OK) return 0;
  sb_scratch_reset(w->scratch);
  sb_eval eval = {.contract = k, .env = &env, .kernel = sb_kernel_fast, .scratch = w->scratch};
  for (int n = 0; n < SB_SLOTS - 1; n++) {
    const int line = sb_contract_slot_line(k, w->at, sb_slot_order[n]);
    if (line < 0) continue;
    const sb_tensor t = sb_line_tensor(k, &env, line);
    const int64_t count = sb_tensor_count(&t);
    const double *values = sb_eval_line(&eval, line);
    double *stored = values ? sb_scratch_get(w->scratch, (size_t)count) : NULL;
    if (!stored) return 0;
    sb_line_stored(k, &env, line, values, count, stored);
    for (int64_t i = 0; i < count; i++) h = mix(h, stored[i]);
  }
  return h;
}

static uint64_t hash_all(walk *w, sb_contract *k) {
  uint64_t h = 1469598103934665603u;
  for (int row = 0; row < w->pool->count; row++) h = hash_row(w, k, h, row);
  return h;
}

static bool add(void *context, const sb_candidate *c) {
  walk *w = context;
  sb_env env = sb_mutant_env(w->at, 1, w->pool->cols, w->pool->x);
  if (sb_contract_check(c->contract, &env) == SB_OK) {
    if (w->count == w->capacity) {
      const int capacity = w->capacity ? 2 * w->capacity : 1024;
      mutant *grown = realloc(w->mutants, sizeof *grown * (size_t)capacity);
      if (!grown) return false;
      w->mutants = grown, w->capacity = capacity;
    }
    mutant *m = &w->mutants[w->count];
    *m = (mutant){c->mechanism, sb_contract_copy(c->contract, w->arena), 0, w->count, -1};
    if (!m->contract) return false;
    m->hash = hash_all(w, m->contract);
    w->count++;
  }
  sb_arena_reset(w->passing);
  return true;
}

static int by_hash(const void *a, const void *b) {
  const mutant *x = a, *y = b;
  return x->hash != y->hash ? (x->hash > y->hash) - (x->hash < y->hash) : x->number - y->number;
}

/* A row that tells some two apart that no row tells, added to the pool; false where none was found. */
static bool tell_two(walk *w, uint64_t plain, int tries, sb_directed_pool *pool) {
  qsort(w->mutants, (size_t)w->count, sizeof *w->mutants, by_hash);
  for (int from = 0, to; from < w->count; from = to) {
    mutant *one = &w->mutants[from];
    for (to = from; to < w->count && w->mutants[to].hash == one->hash; to++) {
      mutant *other = &w->mutants[to];
      if (other->mechanism == one->mechanism || other->tried == one->number || one->hash == plain) continue;
      sb_env env = sb_mutant_env(w->at, 1, pool->cols, pool->x);
      sb_distinction d;
      other->tried = one->number;
      if (sb_contract_check(one->contract, &env) || sb_contract_check(other->contract, &env)) continue;
      sb_distinguish(w->at, one->contract, other->contract, &env, tries, &d);
      if (d.found && pool->cols % d.cols == 0 && sb_directed_add_row(pool, &d)) return true;
    }
  }
  return false;
}

static void count_pairs(const walk *w, uint64_t plain, sb_directed_pairs_told *told) {
  for (int i = 0; i < w->count; i++)
    for (int j = 0; j < i; j++) {
      const mutant *a = &w->mutants[i], *b = &w->mutants[j];
      if (a->mechanism == b->mechanism || a->hash == plain || b->hash == plain) continue;
      told->pairs++;
      told->told += a->hash != b->hash;
    }
}

sb_status sb_directed_pairs(const sb_contract_case *at, int tries, int most, sb_directed_pool *pool,
                            sb_directed_pairs_told *told) {
  walk w = {.at = at, .arena = sb_arena_new(), .passing = sb_arena_new(), .scratch = sb_scratch_new(), .pool = pool};
  sb_contract *base = NULL;
  sb_env env = sb_mutant_env(at, 1, pool->cols, pool->x);
  sb_status status = w.arena && w.passing && w.scratch && pool->count ? sb_contract_load(at, &base)
                     : pool->count                                    ? sb_fail(SB_NO_MEMORY, "no memory for rows")
                                                                      : SB_OK;
  if (!status && base) status = sb_contract_check(base, &env);
  if (!status && base) status = sb_rewrite_each(base, &env, NULL, NULL, w.passing, add, &w);
  uint64_t plain = !status && base ? hash_all(&w, base) : 0;
  while (!status && base && pool->count < most && tell_two(&w, plain, tries, pool)) {
    const int row = pool->count - 1;
    plain = hash_row(&w, base, plain, row);
    for (int i = 0; i < w.count; i++) w.mutants[i].hash = hash_row(&w, w.mutants[i].contract, w.mutants[i].hash, row);
  }
  count_pairs(&w, plain, told);
  free(w.mutants);
  sb_contract_free(base);
  sb_arena_free(w.arena);
  sb_arena_free(w.passing);
  sb_scratch_free(w.scratch);
  return status;
}
