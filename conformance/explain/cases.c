/* The first difference of every case: where, what, and from which operands. */
#include "conformance/contract/values.h"
#include "conformance/explain/explain_parts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static int64_t ulps(double a, double b, int format) {
  if (!sb_cf_is_float(format) || isnan(a) || isnan(b)) return -1;
  uint64_t x = sb_value_encode(fabs(a), format), y = sb_value_encode(fabs(b), format);
  return signbit(a) == signbit(b) ? (int64_t)(x > y ? x - y : y - x) : (int64_t)(x + y);
}

static void value_text(double v, int format, char *text, size_t size) {
  if (sb_cf_is_float(format))
    snprintf(text, size, "0x%llx (%a)", (unsigned long long)sb_value_encode(v, format), v);
  else
    snprintf(text, size, "%.0f", v);
}

/* Whether a value is a code or a zero point that reads as an integer, in whichever format it lies. */
static bool is_whole(sb_slot s, double v, int format) {
  if (!sb_cf_is_float(format)) return true;
  return (s == SB_CODES || s == SB_ZERO_POINT) && !sb_cf_is_narrow(format) && v == trunc(v) && fabs(v) < 0x1p53;
}

/* Values of the names that the line uses, at row i and column j of the elements. */
static void operands(sb_eval *e, const sb_node *n, int64_t i, int64_t j, char *text, size_t size) {
  if ((n->op == C_NAME || n->op == C_INPUT) && !n->constant) {
    const double *v = n->op == C_INPUT ? e->env->bindings[n->index].data : sb_eval_line(e, n->index);
    sb_tile t = n->tile;
    char key[64], item[160], value[64];
    snprintf(key, sizeof key, "%s = ", n->name);
    if (!v || strstr(text, key)) return;
    int64_t at = (t.r ? i / t.r : 0) * sb_tile_cols(t, e->env->cols) + (t.c ? j / t.c : 0);
    value_text(v[at], n->fmt, value, sizeof value);
    snprintf(item, sizeof item, "%s%s%s", *text ? ", " : "", key, value);
    if (strlen(text) + strlen(item) + 1 < size) strcat(text, item);
    return;
  }
  if (n->op >= C_AMIN && n->op <= C_SIGNED_ABSMAX) return; /* of a whole tile */
  for (int k = 0; k < n->nargs; k++) operands(e, n->arg[k], i, j, text, size);
}

static sb_status one(const sb_capture *cap, const sb_capture_case *c, sb_contract *base, sb_scratch *scratch,
                     sb_explained_case *out) {
  sb_view v;
  sb_eval eval, whole;
  sb_status status = sb_view_all(c, &v);
  if (status == SB_OK) status = sb_contract_check(base, &v.env);
  if (status != SB_OK) return status;
  sb_scratch_reset(scratch);
  sb_view_eval(&v, base, true, scratch, &eval, &whole);
  for (int k = 0; k < SB_SLOTS - 1; k++) {
    sb_slot s = sb_slot_order[k];
    sb_difference d;
    status = sb_view_compare(&v, base, &cap->at, s, &eval, 0, &d);
    if (status != SB_OK) return status;
    out->elements += d.elements;
    if (!d.different) continue;
    out->different += d.different;
    if (*out->tensor) continue;
    int line = sb_contract_slot_line(base, &cap->at, s), format = base->lines[line].expr->fmt;
    snprintf(out->tensor, sizeof out->tensor, "%s", sb_slot_names[s]);
    out->index = d.first, out->shape_differs = d.shape;
    sb_line_print(&base->lines[line], out->line, sizeof out->line);
    if (d.shape) continue;
    int other = c->slot[s].format;
    if (is_whole(s, d.expected, format) && is_whole(s, d.got, other)) format = other = SB_I64;
    value_text(d.expected, format, out->expected, sizeof out->expected);
    value_text(d.got, other, out->got, sizeof out->got);
    out->ulps = format == other ? ulps(d.expected, d.got, format) : -1;
    sb_tile t = base->lines[line].expr->tile;
    int64_t cols = c->slot[s].dims[1], i = d.first / cols * (t.r ? t.r : 1), j = d.first % cols * (t.c ? t.c : 1);
    if (s != SB_PACKED && i < c->rows && j < c->cols)
      operands(&eval, base->lines[line].expr, i, j, out->operands, sizeof out->operands);
  }
  out->verdict = out->different ? SB_UNEXPLAINED : SB_SAME;
  return SB_OK;
}

sb_status sb_explain_cases(const sb_capture *cap, sb_contract *base, bool same, sb_explanation *e) {
  sb_scratch *scratch = sb_scratch_new();
  e->cases = calloc((size_t)cap->count, sizeof *e->cases);
  if (!e->cases || !scratch) return sb_scratch_free(scratch), sb_fail(SB_NO_MEMORY, "no memory for an explanation");
  e->case_count = cap->count;
  sb_status status = SB_OK;
  for (int i = 0; i < cap->count && status == SB_OK; i++) {
    snprintf(e->cases[i].name, sizeof e->cases[i].name, "%s", cap->cases[i].name);
    e->cases[i].index = -1, e->cases[i].ulps = -1;
    if (!same) status = one(cap, &cap->cases[i], base, scratch, &e->cases[i]);
  }
  sb_scratch_free(scratch);
  return status;
}

bool sb_layout_plausible(const sb_capture *cap, const sb_capture *plain, const sb_layout *l) {
  if (!(l->order || l->encoding || l->interleave)) return true;
  for (int i = 0; i < cap->count; i++) {
    const sb_captured *codes = &cap->cases[i].slot[SB_CODES], *packed = &plain->cases[i].slot[SB_PACKED];
    if (!codes->values || codes->count != 2 * packed->count) continue;
    for (int64_t j = 0; j < packed->count; j++) {
      unsigned a = (unsigned)(int)codes->values[2 * j] & 15, b = (unsigned)(int)codes->values[2 * j + 1] & 15;
      if ((unsigned)packed->values[j] != (a | b << 4)) return false;
    }
  }
  return true;
}
