/* The walk: tiles, broadcasts, reductions, and one kernel call an operator. */
#include "conformance/contract/eval.h"
#include "conformance/contract/values.h"

#include <math.h>
#include <stdlib.h>

struct sb_scratch {
  int count, capacity, next;
  size_t used; /* in the current block */
  struct {
    double *data;
    size_t size;
  } * blocks;
};

sb_scratch *sb_scratch_new(void) { return calloc(1, sizeof(sb_scratch)); }
void sb_scratch_free(sb_scratch *s) {
  if (!s) return;
  for (int i = 0; i < s->count; i++) free(s->blocks[i].data);
  free(s->blocks);
  free(s);
}
void sb_scratch_reset(sb_scratch *s) { s->next = 0, s->used = 0; }

double *sb_scratch_get(sb_scratch *s, size_t count) {
  count = (count + 7) & ~(size_t)7;
  while (s->next < s->count && s->blocks[s->next].size - s->used < count) s->next++, s->used = 0;
  if (s->next == s->count) {
    size_t size = count > 65536 ? count : 65536;
    if (s->count == s->capacity) {
      int capacity = s->capacity ? 2 * s->capacity : 16;
      void *grown = realloc(s->blocks, (size_t)capacity * sizeof *s->blocks);
      if (!grown) return NULL;
      s->blocks = grown, s->capacity = capacity;
    }
    double *data = aligned_alloc(64, size * sizeof *data);
    if (!data) return NULL;
    s->blocks[s->count].data = data, s->blocks[s->count].size = size;
    s->count++, s->used = 0;
  }
  double *p = s->blocks[s->next].data + s->used;
  s->used += count;
  return p;
}

int64_t sb_eval_count(const sb_eval *e, sb_tile t) {
  return sb_tile_rows(t, e->env->rows) * sb_tile_cols(t, e->env->cols);
}

/* Copies the values of coarser tiles to the finer ones inside them. */
static const double *spread(sb_eval *e, const double *from, sb_tile a, sb_tile to) {
  if (a.r == to.r && a.c == to.c) return from;
  int64_t rows = sb_tile_rows(to, e->env->rows), cols = sb_tile_cols(to, e->env->cols),
          acols = sb_tile_cols(a, e->env->cols);
  double *out = sb_scratch_get(e->scratch, (size_t)(rows * cols));
  int64_t rstep = a.r == 0 ? rows : to.r == 0 ? 1 : a.r / to.r, cstep = a.c == 0 ? cols : to.c == 0 ? 1 : a.c / to.c;
  if (!out) return NULL;
  if (rstep < 1) rstep = 1;
  if (cstep < 1) cstep = 1;
  for (int64_t i = 0; i < rows; i++) {
    const double *src = from + i / rstep * acols;
    double *dst = out + i * cols;
    for (int64_t j = 0, k = 0; j < cols; k++) {
      int64_t stop = j + cstep < cols ? j + cstep : cols;
      double v = src[k];
      while (j < stop) dst[j++] = v;
    }
  }
  return out;
}

/* NaN wins in amin, amax, amaxabs and signed_absmax; it is ignored in the -num forms. Of equal magnitudes the first
 * counts. */
static double reduce_step(int op, double best, double v) {
  switch (op) {
  case C_AMIN:
    return isnan(best) || isnan(v) ? SB_NAN : v < best ? v : best;
  case C_AMAX:
    return isnan(best) || isnan(v) ? SB_NAN : v > best ? v : best;
  case C_AMINNUM:
    return isnan(best) || v < best ? v : best;
  case C_AMAXNUM:
    return isnan(best) || v > best ? v : best;
  case C_AMAXABS:
    return isnan(best) || isnan(v) ? SB_NAN : fabs(v) > best ? fabs(v) : best;
  default:
    return isnan(best) || isnan(v) ? SB_NAN : fabs(v) > fabs(best) ? v : best;
  }
}

static const double *reduce(sb_eval *e, const sb_node *n, const double *in) {
  sb_tile from = n->arg[0]->tile, to = n->over;
  int64_t rows = sb_tile_rows(from, e->env->rows), cols = sb_tile_cols(from, e->env->cols),
          ocols = sb_tile_cols(to, e->env->cols), count = sb_eval_count(e, to);
  int64_t rstep = to.r == 0 ? rows : to.r / (from.r ? from.r : 1),
          cstep = to.c == 0 ? cols : to.c / (from.c ? from.c : 1);
  double *out = sb_scratch_get(e->scratch, (size_t)count);
  if (!out) return NULL;
  for (int64_t i = 0; i < rows; i++) {
    for (int64_t j = 0, k = 0; j < cols; k++) {
      int64_t stop = j + cstep < cols ? j + cstep : cols, at = i / rstep * ocols + k;
      double best = i % rstep == 0 ? (n->op == C_AMAXABS ? fabs(in[i * cols + j]) : in[i * cols + j]) : out[at];
      const double *row = in + i * cols;
      if (i % rstep == 0) j++;
      /* The two common ones without a branch: a comparison with NaN is false, so NaN is looked for apart. */
      if (n->op == C_AMAX || n->op == C_AMIN) {
        bool nan = isnan(best);
        if (n->op == C_AMAX)
          for (; j < stop; j++) best = row[j] > best ? row[j] : best, nan |= row[j] != row[j];
        else
          for (; j < stop; j++) best = row[j] < best ? row[j] : best, nan |= row[j] != row[j];
        if (nan) best = SB_NAN;
      } else {
        for (; j < stop; j++) best = reduce_step(n->op, best, row[j]);
      }
      out[at] = best;
    }
  }
  return out;
}

static const double *pack(sb_eval *e, const sb_node *n, const double *in) {
  int64_t rows = e->env->rows, cols = e->env->cols, half = cols / 2;
  double *out = sb_scratch_get(e->scratch, (size_t)(rows * cols));
  if (!out) return NULL;
  for (int64_t i = 0; i < rows; i++)
    for (int64_t j = 0; j < half; j++) {
      unsigned a = (unsigned)(int)in[i * cols + 2 * j] & 15, b = (unsigned)(int)in[i * cols + 2 * j + 1] & 15;
      out[i * half + j] = (double)(n->op == C_PACK_LOW ? a | b << 4 : b | a << 4);
    }
  return out;
}

static const double *eval(sb_eval *e, const sb_node *n) {
  const double *in[3] = {NULL, NULL, NULL};
  if (n->op == C_INPUT) return e->env->bindings[n->index].data;
  if (n->op == C_NAME && !n->constant) return sb_eval_line(e, n->index);
  if (n->constant) {
    double *v = sb_scratch_get(e->scratch, 1);
    if (v) *v = n->number;
    return v;
  }
  if (e->whole && n->op >= C_AMIN && n->op <= C_SIGNED_ABSMAX && n->over.r == 0) return eval(e->whole, n);
  for (int i = 0; i < n->nargs; i++) {
    if (!(in[i] = eval(e, n->arg[i]))) return NULL;
    bool reduction = n->op >= C_AMIN && n->op <= C_SIGNED_ABSMAX;
    if (n->arg[i]->constant) {
      /* A Python number takes the format in which the operator computes. */
      double *v = sb_scratch_get(e->scratch, 1);
      if (!v) return NULL;
      *v = *in[i];
      if (sb_cf_is_float(n->via) && n->via != SB_F64) *v = sb_value_cast(*v, SB_F32, R_DEFAULT);
      if (sb_ops[n->op].exact && sb_cf_is_float(n->fmt) && n->op != C_CAST) *v = sb_value_cast(*v, n->fmt, R_DEFAULT);
      in[i] = v;
    }
    if (!reduction && !(in[i] = spread(e, in[i], n->arg[i]->tile, n->tile))) return NULL;
  }
  if (!in[0]) return NULL; /* every operator has an operand */
  if (n->op >= C_AMIN && n->op <= C_SIGNED_ABSMAX) return reduce(e, n, in[0]);
  if (n->op == C_PACK_LOW || n->op == C_PACK_HIGH) return pack(e, n, in[0]);
  size_t count = (size_t)sb_eval_count(e, n->tile);
  double *out = sb_scratch_get(e->scratch, count);
  if (out) e->kernel(n, count, out, in);
  return out;
}

const double *sb_eval_line(sb_eval *e, int index) {
  if (e->values[index]) return e->values[index];
  if (index < e->prefix_lines) return e->values[index] = (double *)sb_eval_line(e->prefix, index);
  const sb_line *l = &e->contract->lines[index];
  for (int i = 0; i < e->env->binding_count; i++)
    if (strcmp(e->env->bindings[i].name, l->name) == 0) return e->env->bindings[i].data;
  e->values[index] = (double *)eval(e, l->expr);
  return e->values[index];
}
