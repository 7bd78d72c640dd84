/* Search by batches of rows, then a greedy simplification. */
#include "conformance/explain/distinguish.h"
#include "conformance/contract/values.h"
#include "conformance/explain/view.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { BATCH = 32 };

uint64_t sb_distinguish_random(uint64_t *state) {
  uint64_t z = (*state += 0x9e3779b97f4a7c15u);
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}
static double uniform(uint64_t *s) { return (double)(sb_distinguish_random(s) >> 11) * 0x1p-53; }

/* Row `kind` of the repertoire. */
static void make_row(const void *nothing, uint64_t *s, int kind, const sb_env *env, double *x) {
  const int T = env->T;
  const int64_t cols = env->cols;
  (void)nothing;
  double size = ldexp(1, (int)(sb_distinguish_random(s) % 24) - 16),
         step = ldexp(1 + (kind & 8 ? uniform(s) : 0), (int)(sb_distinguish_random(s) % 10) - 8);
  for (int64_t j = 0; j < cols; j++) {
    double u = (uniform(s) + uniform(s) + uniform(s) - 1.5) * 2, v = u * size;
    int k = (int)(sb_distinguish_random(s) % 256) - 128;
    switch (kind % 8) {
    case 0:
      v = u;
      break;
    case 1:
      break;
    case 2:
      v = (k + 0.5) * step;
      break;
    case 3:
      v = (k + 0.5) * step * (1 + ((int)(sb_distinguish_random(s) % 3) - 1) * 0x1p-23);
      break;
    case 4:
      v = fabs(u) * size + size;
      break;
    case 5:
      v = ldexp(u, -(int)(sb_distinguish_random(s) % 40) - 100);
      break;
    case 6:
      v = sb_distinguish_random(s) % 4 ? u * 1e-7 : 0;
      break;
    default:
      v = ldexp(u, (int)(sb_distinguish_random(s) % 30) - 15);
      break;
    }
    x[j] = sb_value_cast(sb_value_cast(v, SB_F32, R_DEFAULT), T, R_DEFAULT);
  }
  if (kind % 16 == 2) x[0] = 127.5 * step, x[cols > 1] = -127.5 * step;
  if (kind % 16 == 10) x[0] = 8 * step, x[cols > 1] = -7.5 * step;
  if (kind % 32 == 31)
    x[sb_distinguish_random(s) % (uint64_t)cols] = kind % 64 == 31 ? SB_NAN : kind % 128 == 63 ? SB_INF : -SB_INF;
  if (kind % 64 == 30)
    for (int64_t j = 0; j < cols; j++) x[j] = 0;
  if (kind % 64 == 46)
    for (int64_t j = 0; j < cols; j++) x[j] = copysign(fabs(x[0]), x[j]);
  for (int64_t j = 0; j < cols; j++) x[j] = sb_value_cast(sb_value_cast(x[j], SB_F32, R_DEFAULT), T, R_DEFAULT);
}

bool sb_contracts_differ(const sb_contract_case *at, sb_contract *a, sb_contract *b, sb_env *env, bool exact,
                         sb_scratch *scratch, sb_distinction *d, int64_t *row) {
  sb_kernel *kernel = exact ? sb_kernel_exact : sb_kernel_fast;
  if (sb_contract_check(a, env) != SB_OK || sb_contract_check(b, env) != SB_OK) return false;
  sb_scratch_reset(scratch);
  sb_eval x = {.contract = a, .env = env, .kernel = kernel, .scratch = scratch};
  sb_eval y = {.contract = b, .env = env, .kernel = kernel, .scratch = scratch};
  for (int n = 0; n < SB_SLOTS - 1; n++) {
    sb_slot s = sb_slot_order[n];
    int la = sb_contract_slot_line(a, at, s), lb = sb_contract_slot_line(b, at, s);
    if (la < 0 || lb < 0) continue;
    sb_tensor ta = sb_line_tensor(a, env, la), tb = sb_line_tensor(b, env, lb);
    int64_t count = sb_tensor_count(&ta);
    const double *va = sb_eval_line(&x, la), *vb = sb_eval_line(&y, lb);
    double *sa = sb_scratch_get(scratch, (size_t)count), *sb = sb_scratch_get(scratch, (size_t)count);
    if (!va || !vb || !sa || !sb) return false;
    if (count != sb_tensor_count(&tb)) {
      *row = 0, d->slot = s, d->index = 0, d->first = va[0], d->second = vb[0], d->first_format = (int)ta.format,
      d->second_format = (int)tb.format;
      return true;
    }
    sb_line_stored(a, env, la, va, count, sa);
    sb_line_stored(b, env, lb, vb, count, sb);
    bool floating = sb_cf_is_float((int)ta.format) && sb_cf_is_float((int)tb.format);
    for (int64_t i = 0; i < count; i++) {
      if (sb_same_value(sa[i], sb[i], floating)) continue;
      *row = i / ta.dims[1];
      d->slot = s, d->index = i % ta.dims[1], d->first = sa[i], d->second = sb[i];
      d->first_format = (int)ta.format, d->second_format = (int)tb.format;
      return true;
    }
  }
  return false;
}

sb_status sb_distinguish(const sb_contract_case *at, sb_contract *a, sb_contract *b, const sb_env *like, int tries,
                         sb_distinction *d) {
  return sb_distinguish_by(make_row, NULL, 1, at, a, b, like, tries, d);
}

sb_status sb_distinguish_by(sb_make_row *make, const void *context, int groups, const sb_contract_case *at,
                            sb_contract *a, sb_contract *b, const sb_env *like, int tries, sb_distinction *d) {
  int64_t group = like->group > 0 ? like->group : 16, cols = group * groups <= 256 ? group * groups : 256, row = 0;
  *d = (sb_distinction){.cols = cols};
  if (sb_contract_is_operation(at) || group > 256) return SB_OK;
  sb_scratch *scratch = sb_scratch_new();
  double *x = malloc(sizeof *x * (size_t)(BATCH * cols));
  sb_env env = *like;
  uint64_t state = 20260801;
  bool alone = false; /* rows that share a tile are looked at one by one */
  for (int i = 0; i < a->line_count; i++)
    alone = alone || a->lines[i].over.kind == OVER_TENSOR || a->lines[i].over.kind == OVER_BLOCK;
  int64_t rows = alone ? 1 : BATCH;
  env.cols = cols, env.rows = rows, env.binding_count = 1;
  env.bindings[0] = (sb_binding){"x", env.T, {1, 1}, x};
  for (int t = 0; scratch && x && t < tries * (int)(BATCH / rows) && !d->found; t++) {
    for (int64_t i = 0; i < rows; i++) make(context, &state, (int)(t * rows + i), &env, x + i * cols);
    d->found = sb_contracts_differ(at, a, b, &env, false, scratch, d, &row);
  }
  if (x && d->found) {
    /* Simpler: zeros where they do not matter, and no other rows. The exact evaluation has the last word. */
    memcpy(d->x, x + row * cols, sizeof(double) * (size_t)cols);
    memcpy(x, d->x, sizeof(double) * (size_t)cols);
    env.rows = 1;
    for (int64_t j = 0; j < cols; j++) {
      double old = x[j];
      sb_distinction t = *d;
      x[j] = 0;
      if (!sb_contracts_differ(at, a, b, &env, false, scratch, &t, &row)) x[j] = old;
    }
    d->found = sb_contracts_differ(at, a, b, &env, true, scratch, d, &row);
    memcpy(d->x, x, sizeof(double) * (size_t)cols);
  }
  free(x);
  bool memory = scratch != NULL;
  sb_scratch_free(scratch);
  return memory ? SB_OK : sb_fail(SB_NO_MEMORY, "no memory for a search of inputs");
}

static const char *number(double v, char text[40]) {
  if (isnan(v)) return "nan";
  if (isinf(v)) return v > 0 ? "inf" : "-inf";
  snprintf(text, 40, "%a", v);
  return text;
}

void sb_distinction_print(const sb_distinction *d, int dtype, char *text, size_t size) {
  char value[40], other[40];
  size_t n = 0;
  *text = 0;
  if (!d->found) return;
  n += (size_t)snprintf(text, size, "{\"dtype\":\"%s\",\"rows\":1,\"cols\":%lld,\"x\":[", sb_cf_name(dtype),
                        (long long)d->cols);
  for (int64_t j = 0; j < d->cols && n < size; j++)
    n += (size_t)snprintf(text + n, size - n, "%s\"%s\"", j ? "," : "", d->x[j] == 0 ? "0" : number(d->x[j], value));
  if (n < size)
    n += (size_t)snprintf(text + n, size - n, "],\"tensor\":\"%s\",\"index\":%lld,\"first\":\"%s\",\"second\":\"%s\"}",
                          sb_slot_names[d->slot], (long long)d->index, number(d->first, value),
                          number(d->second, other));
  if (n >= size) *text = 0;
}
