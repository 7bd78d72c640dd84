/* Runs arranged as a matrix: rows are recipe, side and flavor, columns device and dtype. */
#include "reports/models.h"

#include <stdlib.h>
#include <string.h>

const char *const sb_cell_state_names[SB_CELL_STATES] = {
    [SB_CELL_DIFFERS] = "differs",   [SB_CELL_BROKEN] = "broken", [SB_CELL_OPEN] = "not proven",
    [SB_CELL_EXPECTED] = "expected", [SB_CELL_EXACT] = "exact",   [SB_CELL_UNSUPPORTED] = "unsupported",
    [SB_CELL_UNTESTED] = "untested"};

static const char *cut(const char *at, const char *ends, char *word, size_t room) {
  const size_t length = strcspn(at, ends);
  snprintf(word, room, "%.*s", (int)length, at);
  return at[length] ? at + length + 1 : at + length;
}

/* RECIPE/SIDE/STEP@FLAVOR/DTYPE/SHAPE/FILL */
static void split(const char *key, sb_case_words *w) {
  *w = (sb_case_words){0};
  const char *at = cut(key, "/", w->recipe, sizeof w->recipe);
  at = cut(at, "/", w->side, sizeof w->side);
  at = cut(at, "@/", w->step, sizeof w->step);
  at = cut(at, "/", w->flavor, sizeof w->flavor);
  at = cut(at, "/", w->dtype, sizeof w->dtype);
  at = cut(at, "/", w->shape, sizeof w->shape);
  snprintf(w->fill, sizeof w->fill, "%s", at);
}

static const char *const dtypes[] = {"f32", "bf16", "f16"};
enum { DTYPES = 3 };

/* Where a word stands in a list; an unknown one stands behind. */
static int place(const char *const *names, int count, const char *word) {
  int i = 0;
  while (i < count && strcmp(names[i], word) != 0) i++;
  return i;
}

/* Flavors in their order; a variant behind its flavor. */
static int flavor_place(const char *flavor) {
  char main_flavor[96];
  snprintf(main_flavor, sizeof main_flavor, "%.*s", (int)strcspn(flavor, "+"), flavor);
  return place(sb_flavor_names, SB_FLAVORS, main_flavor);
}

static int by_row(const sb_case_words *a, const sb_case_words *b) {
  int order = strcmp(a->recipe, b->recipe);
  if (!order) order = strcmp(a->side, b->side);
  if (!order) order = flavor_place(a->flavor) - flavor_place(b->flavor);
  return order ? order : strcmp(a->flavor, b->flavor);
}

static int by_cell(const void *a, const void *b) {
  const sb_report_case *x = a, *y = b;
  int order = by_row(&x->words, &y->words);
  if (!order) order = x->device - y->device;
  if (!order) order = place(dtypes, DTYPES, x->words.dtype) - place(dtypes, DTYPES, y->words.dtype);
  if (!order) order = strcmp(x->words.dtype, y->words.dtype);
  if (!order) order = place(sb_step_names, SB_STEPS, x->words.step) - place(sb_step_names, SB_STEPS, y->words.step);
  return order ? order : strcmp(x->entry->key, y->entry->key);
}

int64_t sb_report_different(const sb_run_entry *entry) {
  int64_t most = 0;
  for (int i = 0; i < entry->tensor_count; i++)
    if (entry->tensors[i].different > most) most = entry->tensors[i].different;
  return most;
}

static sb_cell_state state_of(sb_case_status status) {
  static const sb_cell_state states[SB_CASE_STATUSES] = {
      [SB_PASS] = SB_CELL_EXACT,      [SB_FAIL] = SB_CELL_DIFFERS,  [SB_EXPECTED] = SB_CELL_EXPECTED,
      [SB_XPASS] = SB_CELL_DIFFERS,   [SB_ERROR] = SB_CELL_BROKEN,  [SB_CRASH] = SB_CELL_BROKEN,
      [SB_TIMEOUT] = SB_CELL_BROKEN,  [SB_NOTRUN] = SB_CELL_BROKEN, [SB_SKIP] = SB_CELL_UNSUPPORTED,
      [SB_MISTRUSTED] = SB_CELL_OPEN, [SB_UNPROVEN] = SB_CELL_OPEN, [SB_CASE_UNSUPPORTED] = SB_CELL_UNSUPPORTED};
  return states[status];
}

bool sb_report_is_bad(sb_case_status status) { return state_of(status) <= SB_CELL_OPEN; }

static int device_of(const sb_run_report *r, const sb_run_entry *entry) {
  for (int i = 0; i < r->merged->header_count; i++)
    if (strcmp(r->merged->headers[i].device, entry->device) == 0) return i;
  return 0;
}

static sb_status arrange(sb_run_report *r) {
  const sb_run_file *run = r->merged;
  /* NOLINTBEGIN(bugprone-sizeof-expression): arrays of pointers */
  r->cases = calloc((size_t)run->entry_count + 1, sizeof *r->cases);
  r->benches = calloc((size_t)run->entry_count + 1, sizeof *r->benches);
  /* NOLINTEND(bugprone-sizeof-expression) */
  if (!r->cases || !r->benches) return sb_fail(SB_NO_MEMORY, "no memory for a report of %d cases", run->entry_count);
  for (int i = 0; i < run->entry_count; i++) {
    const sb_run_entry *entry = &run->entries[i];
    if (entry->bench) {
      r->benches[r->bench_count++] = entry;
      continue;
    }
    sb_report_case *c = &r->cases[r->case_count++];
    *c = (sb_report_case){.entry = entry, .device = device_of(r, entry)};
    split(entry->key, &c->words);
    r->statuses[entry->status]++;
    if (entry->status == SB_PASS || entry->status == SB_EXPECTED || entry->status == SB_FAIL)
      r->elements += entry->elements;
  }
  qsort(r->cases, (size_t)r->case_count, sizeof *r->cases, by_cell);
  return SB_OK;
}

static int by_column(const void *a, const void *b) {
  const sb_report_column *x = a, *y = b;
  if (x->device != y->device) return x->device - y->device;
  const int order = place(dtypes, DTYPES, x->dtype) - place(dtypes, DTYPES, y->dtype);
  return order ? order : strcmp(x->dtype, y->dtype);
}

/* Every dtype of any device is a column of each: what one device tested and another did not is untested there. */
static sb_status make_columns(sb_run_report *r) {
  const char *seen[64];
  int count = 0;
  for (int i = 0; i < r->case_count; i++) {
    int known = 0;
    while (known < count && strcmp(seen[known], r->cases[i].words.dtype) != 0) known++;
    if (known == count && count < 64) seen[count++] = r->cases[i].words.dtype;
  }
  r->columns = calloc((size_t)(count * r->merged->header_count) + 1, sizeof *r->columns);
  if (!r->columns) return sb_fail(SB_NO_MEMORY, "no memory for a report");
  for (int d = 0; d < r->merged->header_count; d++)
    for (int i = 0; i < count; i++) r->columns[r->column_count++] = (sb_report_column){d, seen[i]};
  qsort(r->columns, (size_t)r->column_count, sizeof *r->columns, by_column);
  return SB_OK;
}

static int column_of(const sb_run_report *r, int device, const char *dtype) {
  for (int i = 0; i < r->column_count; i++)
    if (r->columns[i].device == device && strcmp(r->columns[i].dtype, dtype) == 0) return i;
  return 0;
}

static sb_status make_rows(sb_run_report *r) {
  r->rows = calloc((size_t)r->case_count + 1, sizeof *r->rows);
  if (!r->rows) return sb_fail(SB_NO_MEMORY, "no memory for a report");
  for (int i = 0; i < r->case_count; i++)
    if (i == 0 || by_row(&r->cases[i].words, &r->cases[i - 1].words))
      r->rows[r->row_count++].words = &r->cases[i].words;
  r->cells = calloc((size_t)r->row_count * (size_t)r->column_count + 1, sizeof *r->cells);
  if (!r->cells) return sb_fail(SB_NO_MEMORY, "no memory for a report");
  for (int row = 0; row < r->row_count; row++)
    for (int c = 0; c < r->column_count; c++)
      r->cells[row * r->column_count + c] = (sb_report_cell){.words = r->rows[row].words,
                                                             .dtype = r->columns[c].dtype,
                                                             .device = r->columns[c].device,
                                                             .state = SB_CELL_UNTESTED};
  for (int i = 0, row = -1; i < r->case_count; i++) {
    const sb_report_case *c = &r->cases[i];
    row += i == 0 || by_row(&c->words, &r->cases[i - 1].words);
    sb_report_cell *cell = &r->cells[row * r->column_count + column_of(r, c->device, c->words.dtype)];
    if (cell->to == 0) cell->from = i;
    cell->to = i + 1;
    const sb_cell_state state = state_of(c->entry->status);
    if (state < cell->state) cell->state = state;
    cell->statuses[c->entry->status]++;
    cell->elements += c->entry->elements;
    cell->different += sb_report_different(c->entry);
  }
  return SB_OK;
}

/* Problems of the runs' summaries, each once; of shards, which judge only themselves, what the merge found. */
static sb_status take_problems(sb_run_report *r, sb_run_file *const *files, int count) {
  int room = 1;
  for (int i = 0; i < count; i++) room += files[i]->problem_count;
  r->problems = calloc((size_t)room, sizeof *r->problems);
  if (!r->problems) return sb_fail(SB_NO_MEMORY, "no memory for a report");
  r->passed = !r->merge.conflicts && !r->merge.unfinished;
  if (*r->merge.text) r->problems[r->problem_count++] = r->merge.text;
  for (int i = 0; i < count; i++) {
    r->passed = r->passed && (!files[i]->complete || files[i]->exit_code == 0);
    for (int p = 0; p < files[i]->problem_count; p++) {
      int known = 0;
      /* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): below the count none is NULL */
      while (known < r->problem_count && strcmp(r->problems[known], files[i]->problems[p]) != 0) known++;
      if (known == r->problem_count) r->problems[r->problem_count++] = files[i]->problems[p];
    }
  }
  for (int s = 0; s < SB_CASE_STATUSES; s++)
    if (r->statuses[s] && sb_report_is_bad((sb_case_status)s)) r->passed = false;
  if (r->statuses[SB_PASS] + r->statuses[SB_EXPECTED] + r->bench_count == 0) r->passed = false;
  return SB_OK;
}

sb_status sb_report_make(sb_run_file *const *files, int count, const sb_report_options *options,
                         sb_run_report **report) {
  sb_run_report *r = *report = calloc(1, sizeof *r);
  if (!r) return sb_fail(SB_NO_MEMORY, "no memory for a report");
  r->title = options->title ? options->title : "samebits";
  r->failures = options->failures;
  sb_status status = sb_runs_merge(files, count, &r->merged, &r->merge);
  if (!status) status = arrange(r);
  if (!status) status = make_columns(r);
  if (!status) status = make_rows(r);
  if (!status) status = take_problems(r, files, count);
  r->models = json_array();
  for (int i = 0; i < options->model_count && !status; i++) status = sb_models_read(options->models[i], r->models);
  if (!status && r->models && count == 0) r->passed = sb_models_exact(r->models) != 0;
  if (status) {
    sb_report_free(r);
    *report = NULL;
  }
  return status;
}

void sb_report_free(sb_run_report *r) {
  if (!r) return;
  sb_run_file_close(r->merged);
  free(r->cases);
  free(r->benches);
  free(r->rows);
  free(r->columns);
  free(r->cells);
  free(r->problems);
  json_decref(r->models);
  free(r);
}

int sb_report_cells(const sb_run_report *r, sb_cell_state state) {
  int count = 0;
  for (int i = 0; i < r->row_count * r->column_count; i++) count += r->cells[i].state == state;
  return count;
}
