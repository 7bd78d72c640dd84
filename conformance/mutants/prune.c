/* Fewer directed rows: what the smoke tier's shapes have room for. */
#include "conformance/explain/distinguish.h"
#include "conformance/mutants/mutants.h"

#include <stdlib.h>

typedef struct walk {
  const sb_contract_case *at;
  sb_contract *base;
  const sb_directed_pool *pool;
  sb_env env;
  sb_scratch *scratch;
  sb_arena *arena;
  int count, capacity;
  uint64_t *masks; /* of each rewrite: the rows that tell it */
} walk;

static bool each_rewrite(void *context, const sb_candidate *c) {
  walk *w = context;
  uint64_t mask = 0;
  sb_distinction d;
  int64_t row;
  for (int i = 0; i < w->pool->count; i++) {
    w->env.bindings[0].data = w->pool->x + i * w->pool->cols;
    if (sb_contracts_differ(w->at, w->base, c->contract, &w->env, false, w->scratch, &d, &row))
      mask |= (uint64_t)1 << i;
  }
  sb_arena_reset(w->arena);
  if (!mask) return true;
  if (w->count == w->capacity) {
    int capacity = w->capacity ? 2 * w->capacity : 1024;
    uint64_t *grown = realloc(w->masks, (size_t)capacity * sizeof *grown);
    if (!grown) return false;
    w->masks = grown, w->capacity = capacity;
  }
  w->masks[w->count++] = mask;
  return true;
}

static sb_status masks_of(walk *w, const sb_contract_case *at) {
  w->at = at;
  w->env = (sb_env){.T = (int)at->dtype,
                    .S = (int)at->scale_dtype,
                    .Z = (int)at->zero_point_dtype,
                    .O = (int)at->output_dtype,
                    .rows = 1,
                    .cols = w->pool->cols,
                    .group = at->group_size,
                    .lenient = true,
                    .binding_count = 1,
                    .bindings = {{"x", (int)at->dtype, {1, 1}, w->pool->x}}};
  sb_status status = sb_contract_load(at, &w->base);
  if (status == SB_OK) status = sb_contract_check(w->base, &w->env);
  if (status == SB_OK) status = sb_rewrite_each(w->base, &w->env, NULL, NULL, w->arena, each_rewrite, w);
  sb_contract_free(w->base);
  w->base = NULL;
  return status;
}

sb_status sb_directed_prune(const sb_contract_case *at, int contracts, int most, sb_directed_pool *pool) {
  walk w = {.pool = pool, .scratch = sb_scratch_new(), .arena = sb_arena_new()};
  sb_status status = w.scratch && w.arena ? SB_OK : sb_fail(SB_NO_MEMORY, "no memory for rows");
  if (pool->count > 64) status = sb_fail(SB_INVALID, "more than 64 directed rows");
  for (int i = 0; i < contracts && status == SB_OK; i++) status = masks_of(&w, &at[i]);
  uint64_t kept = pool->count == 64 ? UINT64_MAX : ((uint64_t)1 << pool->count) - 1;
  int left = pool->count;
  for (int i = 0; i < pool->count && left > most && status == SB_OK; i++) {
    uint64_t without = kept & ~((uint64_t)1 << i);
    bool needed = false;
    for (int m = 0; m < w.count && !needed; m++) needed = (w.masks[m] & without) == 0;
    if (!needed) kept = without, left--;
  }
  int to = 0;
  for (int i = 0; i < pool->count && status == SB_OK; i++) {
    if (!(kept >> i & 1)) continue;
    memmove(pool->x + to * pool->cols, pool->x + i * pool->cols, sizeof *pool->x * (size_t)pool->cols);
    to++;
  }
  if (status == SB_OK) pool->count = to;
  free(w.masks);
  sb_scratch_free(w.scratch);
  sb_arena_free(w.arena);
  return status;
}
