/* Views and comparison. */
#include "conformance/explain/view.h"
#include "conformance/contract/values.h"

#include <stdlib.h>

const sb_slot sb_slot_order[SB_SLOTS - 1] = {SB_ROW_SCALE, SB_SCALE, SB_ZERO_POINT, SB_CODES, SB_PACKED, SB_OUTPUT};

bool sb_same_value(double a, double b, bool floating) {
  if (a != a || b != b) return a != a && b != b;
  return floating ? sb_f64_bits(a) == sb_f64_bits(b) : a == b;
}

double sb_as_captured(double value, int captured_format) {
  if (value == value || sb_cf_is_float(captured_format)) return value;
  return sb_value_cast(value, captured_format, R_X86);
}

sb_status sb_view_all(const sb_capture_case *c, sb_view *v) {
  *v = (sb_view){.of = c, .env = c->env, .row_count = c->rows};
  return SB_OK;
}

sb_status sb_view_rows(const sb_capture_case *c, const int64_t *rows, int64_t count, bool tensor_level, sb_view *v) {
  *v = (sb_view){.of = c, .env = c->env, .row_count = count, .whole_too = tensor_level};
  v->env.rows = count;
  v->rows = malloc(sizeof(int64_t) * (size_t)count);
  if (!v->rows) return sb_fail(SB_NO_MEMORY, "no memory for a view");
  memcpy(v->rows, rows, sizeof(int64_t) * (size_t)count);
  for (int b = 0; b < c->env.binding_count; b++) {
    sb_tile t = c->env.bindings[b].tile;
    int64_t cols = sb_tile_cols(t, c->cols);
    if (t.r == 0) continue;
    v->data[b] = malloc(sizeof(double) * (size_t)(count * cols));
    if (!v->data[b]) return sb_fail(SB_NO_MEMORY, "no memory for a view");
    for (int64_t i = 0; i < count; i++) {
      if (i > 0 && t.r > 1 && rows[i] / t.r == rows[i - 1] / t.r) continue;
      int64_t to = t.r == 1 ? i : i / t.r;
      memcpy(v->data[b] + to * cols, c->env.bindings[b].data + rows[i] / t.r * cols, sizeof(double) * (size_t)cols);
    }
    v->env.bindings[b].data = v->data[b];
  }
  return SB_OK;
}

void sb_view_free(sb_view *v) {
  for (int b = 0; b < SB_MAX_BINDINGS; b++) free(v->data[b]);
  free(v->rows);
  *v = (sb_view){0};
}

void sb_view_eval(const sb_view *v, const sb_contract *k, bool exact, sb_scratch *scratch, sb_eval *eval,
                  sb_eval *whole) {
  sb_kernel *kernel = exact ? sb_kernel_exact : sb_kernel_fast;
  *eval = (sb_eval){.contract = k, .env = &v->env, .kernel = kernel, .scratch = scratch};
  if (!v->whole_too) return;
  *whole = (sb_eval){.contract = k, .env = &v->of->env, .kernel = kernel, .scratch = scratch};
  eval->whole = whole;
}

/* Index of the captured element that belongs to the evaluated one, and the row of tiles in the case. */
static int64_t tile_row(const sb_view *v, sb_tile t, int64_t i) {
  if (t.r == 0 || !v->rows) return i;
  return v->rows[i * t.r] / t.r;
}

sb_status sb_view_compare(const sb_view *v, const sb_contract *k, const sb_contract_case *at, sb_slot s, sb_eval *eval,
                          int64_t limit, sb_difference *d) {
  const sb_captured *cap = &v->of->slot[s];
  int line = sb_contract_slot_line(k, at, s);
  *d = (sb_difference){.first = -1};
  if (!cap->values || line < 0) return SB_OK;
  sb_tensor t = sb_line_tensor(k, &v->env, line);
  sb_tile tile = k->lines[line].expr->tile;
  bool packed = s == SB_PACKED;
  int64_t rows = t.dims[0], cols = t.dims[1], whole_rows = sb_tile_rows(tile, v->of->rows),
          ccols = cap->rank == 2 ? cap->dims[1] : 0;
  if (cap->rank != 2 || cap->dims[0] != whole_rows || ccols < 1 ||
      (packed ? ccols != cols : ccols % cols && cols % ccols)) {
    *d = (sb_difference){.elements = cap->count, .different = cap->count, .first = 0, .shape = true};
    return SB_OK;
  }
  const double *values = sb_eval_line(eval, line);
  double *stored = values ? sb_scratch_get(eval->scratch, (size_t)(rows * cols)) : NULL;
  if (!stored) return sb_fail(SB_NO_MEMORY, "no memory for an evaluation");
  sb_line_stored(k, &v->env, line, values, rows * cols, stored);
  bool floating = sb_cf_is_float(cap->format) && sb_cf_is_float((int)t.format);
  int64_t fine = ccols > cols ? ccols : cols;
  const int64_t a_width = fine / ccols, b_width = fine / cols;
  for (int64_t i = 0; i < rows; i++) {
    int64_t base = tile_row(v, tile, i) * ccols;
    if (ccols == cols && memcmp(cap->values + base, stored + i * cols, (size_t)cols * sizeof *stored) == 0) continue;
    for (int64_t j = 0; j < fine; j++) {
      int64_t a = base + (a_width == 1 ? j : j / a_width), b = i * cols + (b_width == 1 ? j : j / b_width);
      if (stored[b] == cap->values[a] && stored[b] != 0) continue; /* the same bits; zeros may differ in their sign */
      double got = cap->values[a], want = sb_as_captured(stored[b], cap->format);
      if (sb_same_value(want, got, floating)) continue;
      if (d->different++ == 0) d->first = a, d->expected = want, d->got = got;
      if (limit && d->different >= limit) return d->elements = rows * fine, SB_OK;
    }
  }
  d->elements = rows * fine;
  return SB_OK;
}
