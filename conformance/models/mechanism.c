#include "conformance/models/mechanism.h"
#include "conformance/contract/library.h"
#include "conformance/mechanisms/mechanism.h"

#include <stdio.h>
#include <stdlib.h>

struct sb_rewritten {
  sb_contract_case at;
  sb_arena *arena;
  sb_contract *contract;
  char says[512];
};

typedef struct picked {
  const sb_env *env;
  sb_arena *arena;
  sb_contract *contract;
  const char *what;
} picked;

/* The first form that makes a contract in order. */
static bool pick(void *context, const sb_candidate *c) {
  picked *p = context;
  if (sb_contract_check(c->contract, p->env)) return true;
  p->contract = sb_contract_copy(c->contract, p->arena);
  p->what = c->alternative->what;
  return false;
}

static sb_status apply(sb_rewritten *r, const sb_env *env, const sb_mechanism *m) {
  sb_arena *passing = sb_arena_new();
  picked p = {.env = env, .arena = r->arena};
  if (!passing) return sb_fail(SB_NO_MEMORY, "no memory for a contract");
  sb_status status = sb_contract_check(r->contract, env);
  if (!status) status = sb_rewrite_each(r->contract, env, NULL, m, passing, pick, &p);
  if (!status && p.contract) {
    r->contract = p.contract;
    const size_t at = strlen(r->says);
    snprintf(r->says + at, sizeof r->says - at, "%s%s: %s", at ? "; " : "", m->id, p.what ? p.what : m->says);
  }
  sb_arena_free(passing);
  return status;
}

static sb_status apply_all(sb_rewritten *r, const sb_env *env, sb_side side, const char *mechanisms) {
  char list[512], *rest = NULL;
  snprintf(list, sizeof list, "%s", mechanisms);
  sb_status status = SB_OK;
  for (char *id = strtok_r(list, ",", &rest); !status && id; id = strtok_r(NULL, ",", &rest)) {
    char *where = strchr(id, '@');
    if (where) *where++ = 0;
    const sb_mechanism *m = sb_mechanism_find(id);
    if (!m) return sb_fail(SB_USAGE, "no mechanism '%.60s' (samebits list mechanisms)", id);
    if (where && strcmp(where, "activation") != 0 && strcmp(where, "weight") != 0)
      return sb_fail(SB_USAGE, "'%.60s' is no side: activation or weight", where);
    if (!where || strcmp(where, sb_side_names[side]) == 0) status = apply(r, env, m);
  }
  return status;
}

sb_status sb_rewritten_make(const sb_spec *spec, int64_t cols, const char *mechanisms, sb_rewritten **result) {
  sb_rewritten *r = calloc(1, sizeof *r);
  sb_contract *base = NULL;
  sb_env env;
  sb_inputs inputs = {{NULL}};
  sb_tensor in[SB_SLOTS] = {[SB_X] = sb_tensor_2d(spec->dtype, 1, cols)};
  *result = NULL;
  if (!r || !(r->arena = sb_arena_new())) return free(r), sb_fail(SB_NO_MEMORY, "no memory for a contract");
  sb_contract_case_of(spec, &r->at);
  sb_status status = sb_tensor_alloc(&in[SB_X]);
  if (!status) status = sb_contract_load(&r->at, &base);
  if (!status) status = sb_inputs_load(base, &r->at, in, &env, &inputs);
  env.lenient = true;
  if (!status && !(r->contract = sb_contract_copy(base, r->arena))) status = sb_fail(SB_NO_MEMORY, "no memory");
  if (!status) status = apply_all(r, &env, spec->path->side, mechanisms);
  sb_inputs_free(&inputs);
  sb_tensor_free(&in[SB_X]);
  sb_contract_free(base);
  if (status || !*r->says)
    sb_rewritten_free(r);
  else
    *result = r;
  return status;
}

void sb_rewritten_free(sb_rewritten *r) {
  if (!r) return;
  sb_arena_free(r->arena);
  free(r);
}

const char *sb_rewritten_says(const sb_rewritten *r) { return r->says; }

sb_status sb_rewritten_run(const sb_rewritten *r, const sb_tensor *x, const sb_slot slots[2], float *const out[2]) {
  sb_arena *arena = sb_arena_new();
  sb_scratch *scratch = sb_scratch_new();
  sb_env env;
  sb_inputs inputs = {{NULL}};
  const sb_tensor in[SB_SLOTS] = {[SB_X] = *x};
  sb_contract *k = arena ? sb_contract_copy(r->contract, arena) : NULL; /* checking writes to it */
  sb_status status = k && scratch ? sb_inputs_load(k, &r->at, in, &env, &inputs) : sb_fail(SB_NO_MEMORY, "no memory");
  env.lenient = true;
  if (!status) status = sb_contract_check(k, &env);
  sb_eval eval = {.contract = k, .env = &env, .kernel = sb_kernel_fast, .scratch = scratch};
  for (int i = 0; !status && i < 2 && out[i]; i++) {
    const int line = sb_contract_slot_line(k, &r->at, slots[i]);
    if (line < 0) {
      status = sb_fail(SB_INVALID, "%s: it gives no %s", k->name, sb_slot_names[slots[i]]);
      break;
    }
    const sb_tensor shape = sb_line_tensor(k, &env, line);
    const int64_t count = sb_tensor_count(&shape);
    const double *values = sb_eval_line(&eval, line);
    double *stored = values ? sb_scratch_get(scratch, (size_t)count) : NULL;
    if (!stored) {
      status = sb_fail(SB_NO_MEMORY, "%s: no memory", k->name);
      break;
    }
    sb_line_stored(k, &env, line, values, count, stored);
    for (int64_t n = 0; n < count; n++) out[i][n] = (float)stored[n];
  }
  sb_inputs_free(&inputs);
  sb_scratch_free(scratch);
  sb_arena_free(arena);
  return status;
}
