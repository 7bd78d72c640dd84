/* Whether an expected divergence is the one that its row names: every bit is that of the contract rewritten by the
 * row's mechanisms.
 *
 * For a case of the step `both` the rewritten contract is derived from contracts alone: prepare's, rewritten so that it
 * gives what convert's gives; what the device computes has no say in it. Elsewhere, and where the row is about
 * something else than the two contracts, it is searched on the case itself. */
#include "conformance/explain/expected.h"
#include "samebits/apply.h"
#include "samebits/expect.h"
#include "samebits/explain.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { MAX_ENTRIES = 512, MAX_FOUND = 8, BAND_ELEMENTS = 1 << 15, EXACT_COLUMNS = 4096, MAX_LESSONS = 16 };

/* What is known about a row's mechanisms on one contract, dtype and group size. */
typedef struct entry {
  char key[640];
  sb_contract_case from, to;
  sb_capture training; /* `both`: what prepare's contract has to be rewritten to */
  bool from_contracts; /* found[0] was derived from contracts, and nothing else is let in */
  int lessons, count;
  sb_contract *found[MAX_FOUND];
} entry;

struct sb_verifier {
  const sb_expectations *rows;
  sb_id_list *ids; /* of each row */
  sb_arena *arena;
  int count;
  entry *entries[MAX_ENTRIES];
};

sb_status sb_verifier_rows(sb_verifier *v, const sb_expectations *rows) {
  sb_id_list *ids = calloc((size_t)rows->count + 1, sizeof *ids);
  if (!ids) return sb_fail(SB_NO_MEMORY, "no memory for expectations");
  free(v->ids);
  v->ids = ids;
  v->rows = rows;
  for (int i = 0; i < rows->count; i++)
    if (sb_id_list_parse(rows->rows[i].mechanisms, &v->ids[i])) {
      char why[512];
      snprintf(why, sizeof why, "%s", sb_message());
      return sb_fail(SB_FILE, "%s: line %d: %s", rows->path, rows->rows[i].line, why);
    }
  return SB_OK;
}

sb_status sb_verifier_new(const sb_expectations *rows, sb_verifier **verifier) {
  sb_verifier *v = calloc(1, sizeof *v);
  *verifier = NULL;
  sb_status status = SB_OK;
  if (v) v->arena = sb_arena_new();
  if (!v || !v->arena) status = sb_fail(SB_NO_MEMORY, "no memory for expectations");
  if (!status) status = sb_verifier_rows(v, rows);
  if (status)
    sb_verifier_free(v);
  else
    *verifier = v;
  return status;
}

void sb_verifier_free(sb_verifier *v) {
  if (!v) return;
  for (int i = 0; i < v->count; i++) {
    sb_capture_close(&v->entries[i]->training);
    free(v->entries[i]);
  }
  sb_arena_free(v->arena);
  free(v->ids);
  free(v);
}

static int row_of(const sb_verifier *v, const sb_case *c) {
  char text[SB_CASE_TEXT];
  sb_case_print(c, text);
  for (int i = 0; i < v->rows->count; i++)
    if (sb_case_matches(v->rows->rows[i].glob, text)) return i;
  return -1;
}

static sb_status derive(sb_verifier *v, entry *e, const sb_capture *capture, const sb_id_list *ids, int *rewrites) {
  sb_contract *found;
  sb_status status = sb_expected_derive(capture, ids, v->arena, &found, rewrites);
  if (!status && found && e->count < MAX_FOUND) e->found[e->count++] = found;
  return status;
}

static sb_status entry_of(sb_verifier *v, const sb_case *c, int row, entry **result) {
  entry *e = calloc(1, sizeof *e);
  char name[320];
  sb_spec prepare = c->spec, convert = c->spec;
  sb_status status = e ? SB_OK : sb_fail(SB_NO_MEMORY, "no memory for expectations");
  bool both = c->spec.step == SB_BOTH;
  if (!status && both) status = sb_spec_step(&c->spec, SB_PREPARE, false, &prepare);
  if (!status && both) status = sb_spec_step(&c->spec, SB_CONVERT, false, &convert);
  if (status) return free(e), status;
  sb_contract_case_of(&prepare, &e->from);
  sb_contract_case_of(&convert, &e->to);
  sb_contract_case_name(&e->from, name, sizeof name);
  snprintf(e->key, sizeof e->key, "%s %d %s g%" PRId64 " %s", name, (int)both, sb_format_of(c->spec.dtype)->name,
           c->spec.group_size, v->rows->rows[row].mechanisms);
  for (int i = 0; i < v->count; i++)
    if (strcmp(v->entries[i]->key, e->key) == 0) {
      free(e);
      *result = v->entries[i];
      return SB_OK;
    }
  if (v->count == MAX_ENTRIES) return free(e), sb_fail(SB_INVALID, "more than %d expected contracts", MAX_ENTRIES);
  *result = v->entries[v->count++] = e;
  int rewrites = 0;
  if (both) status = sb_expected_train(&prepare, &e->from, &e->to, &e->training);
  if (!status && both) status = derive(v, e, &e->training, &v->ids[row], &rewrites);
  e->from_contracts = rewrites > 0;
  if (!e->from_contracts) e->count = 0;
  if (status) {
    sb_capture_close(&e->training);
    free(v->entries[--v->count]);
  }
  return status;
}

sb_status sb_verifier_prepare(sb_verifier *v, const sb_case *c) {
  entry *e;
  int row = row_of(v, c);
  return row < 0 || c->spec.step != SB_BOTH ? SB_OK : entry_of(v, c, row, &e);
}

/* Rows of the tensors of a case that are looked at together. */
typedef struct band {
  int64_t first, rows;
  sb_tensor in[SB_SLOTS], expected[SB_SLOTS], got[SB_SLOTS];
} band;

static void slice(const sb_tensor *from, int64_t all, int64_t first, int64_t rows, sb_tensor *to) {
  *to = *from;
  if (!from->data || from->rank != 2 || from->dims[0] != all || rows == all) return;
  to->dims[0] = rows;
  to->data = (char *)from->data + first * sb_format_bytes(from->format, from->dims[1]);
}

typedef struct mismatch {
  sb_slot slot;
  sb_difference difference;
  int64_t row; /* of x */
} mismatch;

/* Whether the contract gives every bit of the capture; else the first difference. `row` < 0: all rows, by the fast
 * kernels; else this row, exactly. */
static sb_status gives(const sb_capture *capture, sb_contract *k, int64_t row, bool *all, mismatch *first) {
  const sb_capture_case *c = &capture->cases[0];
  sb_scratch *scratch = sb_scratch_new();
  sb_view view;
  sb_eval eval, whole;
  *all = true;
  sb_status status = scratch ? SB_OK : sb_fail(SB_NO_MEMORY, "no memory for an evaluation");
  if (!status) status = row < 0 ? sb_view_all(c, &view) : sb_view_rows(c, &row, 1, false, &view);
  if (status) return sb_scratch_free(scratch), status;
  status = sb_contract_check(k, &view.env);
  if (!status) sb_view_eval(&view, k, row >= 0, scratch, &eval, &whole);
  for (int n = 0; n < SB_SLOTS - 1 && !status && *all; n++) {
    *first = (mismatch){.slot = sb_slot_order[n]};
    status = sb_view_compare(&view, k, &capture->at, sb_slot_order[n], &eval, 1, &first->difference);
    *all = !status && first->difference.different == 0;
    int line = sb_contract_slot_line(k, &capture->at, sb_slot_order[n]);
    if (!*all && !status) {
      int64_t cols = c->slot[sb_slot_order[n]].dims[1], r = k->lines[line].expr->tile.r;
      first->row = cols > 0 ? first->difference.first / cols * (r ? r : 1) : 0;
    }
  }
  sb_view_free(&view);
  sb_scratch_free(scratch);
  return status;
}

static void say(sb_result *result, const char *what, const band *b, const mismatch *m) {
  result->verified = SB_VERIFIED_NOT;
  snprintf(result->verification, sizeof result->verification,
           "%s: %s[%" PRId64 "] of the rows from %" PRId64 " on would be %a, is %a", what, sb_slot_names[m->slot],
           m->difference.first, b->first, m->difference.expected, m->difference.got);
}

/* The row on which the derived contract fails becomes part of what it is derived from, if convert's own contract gives
 * it: the training had not shown that case. What convert's contract does not give is a difference of its own. */
static sb_status learn(sb_verifier *v, entry *e, int row, const band *b, const mismatch *m, bool *learnt) {
  sb_tensor in[SB_SLOTS] = {{0}}, out[SB_SLOTS];
  sb_capture one = {.at = e->to};
  sb_contract *own = NULL;
  mismatch other;
  bool all = false;
  int rewrites;
  *learnt = false;
  if (e->lessons == MAX_LESSONS) return SB_OK;
  sb_status status = sb_contract_load(&e->to, &own);
  if (!status) status = sb_capture_add(&one, "band", b->in, b->got);
  if (!status) status = gives(&one, own, -1, &all, &other);
  if (!status && all) {
    slice(&b->in[SB_X], b->rows, m->row, 1, &in[SB_X]);
    status = sb_contract_run(&e->to, in, out);
    if (!status) status = sb_capture_add(&e->training, "lesson", in, out);
    for (int s = 0; s < SB_SLOTS && !status; s++) sb_tensor_free(&out[s]);
    e->lessons++, e->count = 0;
    if (!status) status = derive(v, e, &e->training, &v->ids[row], &rewrites);
    *learnt = !status && e->count > 0;
  }
  sb_contract_free(own);
  sb_capture_close(&one);
  return status;
}

/* One band: prepare is its contract's, and what was got is that of a rewritten one. */
static sb_status verify_band(sb_verifier *v, entry *e, int row, bool both, const band *b, sb_result *result) {
  sb_capture got = {.at = e->from}, prepared = {.at = e->from};
  sb_contract *base = NULL;
  mismatch first = {0}, differs = {0};
  bool all = true, same = true;
  sb_status status = sb_contract_load(&e->from, &base);
  if (!status) status = sb_capture_add(&got, "case", b->in, b->got);
  if (!status && both) status = sb_capture_add(&prepared, "case", b->in, b->expected);
  if (!status && both) status = gives(&prepared, base, -1, &all, &first);
  if (!status && !all) say(result, "prepare is not its contract's", b, &first);
  if (!status && all) status = gives(&got, base, -1, &same, &differs);
  bool holds = same;
  if (all) first = differs; /* where there is no rewritten contract at all */
  for (bool again = true; !status && all && !same && again;) {
    for (int i = 0; i < e->count && !status && !holds; i++) status = gives(&got, e->found[i], -1, &holds, &first);
    again = false;
    if (!status && !holds && e->from_contracts) status = learn(v, e, row, b, &first, &again);
  }
  if (!status && all && !holds && !e->from_contracts) {
    int rewrites, before = e->count;
    status = derive(v, e, &got, &v->ids[row], &rewrites);
    holds = e->count > before;
    first = differs;
  }
  if (!status && all && !holds) say(result, "the mechanisms of the row do not give it", b, &first);
  if (!status && all && holds && !same && b->in[SB_X].data && b->in[SB_X].dims[1] <= EXACT_COLUMNS) {
    bool exact = false;
    for (int i = 0; i < e->count && !status && !exact; i++)
      status = gives(&got, e->found[i], differs.row, &exact, &first);
    if (!status && !exact) say(result, "exactly evaluated, the mechanisms of the row do not give it", b, &first);
  }
  sb_contract_free(base);
  sb_capture_close(&got);
  sb_capture_close(&prepared);
  return status;
}

sb_status sb_verify_case(void *context, const sb_case *c, const sb_tensor in[SB_SLOTS],
                         const sb_tensor expected[SB_SLOTS], const sb_tensor got[SB_SLOTS], sb_result *result) {
  sb_verifier *v = context;
  entry *e = NULL;
  int row = row_of(v, c);
  if (row < 0) return SB_OK;
  sb_status status = entry_of(v, c, row, &e);
  result->verified = SB_VERIFIED;
  /* Rows are independent of one another but for reductions over the tensor, which no row of a band can see. */
  bool whole = got[SB_SCALE].data && got[SB_SCALE].dims[0] != c->rows;
  int64_t step = whole || c->cols < 1 ? c->rows : (BAND_ELEMENTS + c->cols - 1) / c->cols;
  for (int64_t first = 0; first < c->rows && !status && result->verified == SB_VERIFIED; first += step) {
    band b = {.first = first, .rows = c->rows - first < step ? c->rows - first : step};
    for (int s = 0; s < SB_SLOTS; s++) {
      slice(&in[s], c->rows, first, b.rows, &b.in[s]);
      slice(&expected[s], c->rows, first, b.rows, &b.expected[s]);
      slice(&got[s], c->rows, first, b.rows, &b.got[s]);
    }
    status = verify_band(v, e, row, c->spec.step == SB_BOTH, &b, result);
  }
  return status;
}
