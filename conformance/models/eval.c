/* The evaluation loss of a model: sequences over threads, each with the same weights. */
#include "conformance/models/eval_parts.h"
#include "conformance/models/sums.h"

#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

const char *const sb_linear_step_names[3] = {"float", "prepare", "convert"};

enum { AT_ONCE = 4, MAX_THREADS = 64 }; /* sequences of one pass: their activations stay in the cache */

typedef struct work {
  const sb_llama *llama;
  const int32_t *tokens;
  int64_t rows, length;
  double *row_loss;
  float *logits; /* NULL: not wanted */
  _Atomic int64_t *next;
  sb_status status;
  char message[512];
} work;

/* -log softmax(logits)[target], in f32, as ATen's log_softmax. */
float sb_negative_log_likelihood(const float *logits, int64_t vocabulary, int32_t target) {
  float most;
  const float sum = sb_sum_exponentials(logits, vocabulary, &most, NULL);
  return sb_logarithm(sum) - (logits[target] - most);
}

static void *run(void *argument) {
  work *w = argument;
  const int64_t vocabulary = w->llama->config.vocabulary, row_size = w->length * vocabulary;
  float *logits = malloc((size_t)(AT_ONCE * row_size) * sizeof *logits);
  if (!logits) w->status = sb_fail(SB_NO_MEMORY, "no memory for logits");
  while (!w->status) {
    const int64_t first = atomic_fetch_add_explicit(w->next, AT_ONCE, memory_order_relaxed);
    if (first >= w->rows) break;
    const int64_t count = w->rows - first < AT_ONCE ? w->rows - first : AT_ONCE;
    const int32_t *tokens = w->tokens + first * w->length;
    w->status = sb_llama_forward(w->llama, tokens, count, w->length, logits);
    for (int64_t r = 0; !w->status && r < count; r++) {
      double sum = 0;
      for (int64_t t = 0; t + 1 < w->length; t++)
        sum += (double)sb_negative_log_likelihood(logits + r * row_size + t * vocabulary, vocabulary,
                                                  tokens[r * w->length + t + 1]);
      w->row_loss[first + r] = sum;
    }
    if (!w->status && w->logits)
      memcpy(w->logits + first * row_size, logits, (size_t)(count * row_size) * sizeof *logits);
  }
  free(logits);
  if (w->status) snprintf(w->message, sizeof w->message, "%s", sb_message());
  return NULL;
}

static sb_status run_all(work *template, int threads) {
  pthread_t handles[MAX_THREADS];
  bool started[MAX_THREADS] = {false};
  _Atomic int64_t next = 0;
  if (threads <= 0) threads = (int)sysconf(_SC_NPROCESSORS_ONLN);
  if (threads < 1) threads = 1;
  if (threads > MAX_THREADS) threads = MAX_THREADS;
  work *w = calloc((size_t)threads, sizeof *w);
  if (!w) return sb_fail(SB_NO_MEMORY, "no memory");
  for (int i = 0; i < threads; i++) {
    w[i] = *template;
    w[i].next = &next;
    if (i > 0) started[i] = pthread_create(&handles[i], NULL, run, &w[i]) == 0;
  }
  run(&w[0]);
  sb_status status = SB_OK;
  for (int i = 0; i < threads; i++) {
    if (started[i]) pthread_join(handles[i], NULL);
    if (w[i].status && !status) status = sb_fail(w[i].status, "%s", w[i].message);
  }
  free(w);
  return status;
}

static sb_status read_tokens(const sb_tensor *tokens, int64_t vocabulary, int32_t **ids) {
  if (tokens->rank != 2 || sb_format_of(tokens->format)->is_float || tokens->dims[0] < 1 || tokens->dims[1] < 2)
    return sb_fail(SB_INVALID, "the tokens are not integers [rows, length] with a length of at least 2");
  if (tokens->dims[1] > 1 << 16)
    return sb_fail(SB_INVALID, "rows of %" PRId64 " tokens exceed the limit 65536", tokens->dims[1]);
  const int64_t count = sb_tensor_count(tokens);
  *ids = malloc((size_t)count * sizeof **ids);
  if (!*ids) return sb_fail(SB_NO_MEMORY, "no memory for %" PRId64 " tokens", count);
  for (int64_t i = 0; i < count; i++) {
    const int64_t id = sb_load_int(tokens->format, tokens->data, i);
    if (id < 0 || id >= vocabulary)
      return sb_fail(SB_INVALID, "token %" PRId64 " at index %" PRId64 " is not in the vocabulary of %" PRId64, id, i,
                     vocabulary);
    (*ids)[i] = (int32_t)id;
  }
  return SB_OK;
}

/* The model's own dtype: that of its norm. */
static sb_format own_dtype(const sb_model *m) {
  const sb_model_tensor *t = sb_model_find(m, "model.norm.weight");
  const sb_tensor *plain = t ? sb_model_plain(t) : NULL;
  return plain && plain->format == SB_BF16 ? SB_BF16 : SB_F32;
}

static sb_status choose(const sb_model *m, const sb_eval_options *o, const sb_model_report *report,
                        const sb_stored **row, sb_evaluation *e) {
  *row = NULL;
  e->dtype = o->dtype == SB_FORMATS ? own_dtype(m) : o->dtype;
  if (e->dtype != SB_F32 && e->dtype != SB_BF16)
    return sb_fail(SB_UNSUPPORTED, "evaluation in %s (f32 or bf16)", sb_format_of(e->dtype)->name);
  sb_status status = SB_OK;
  if (report->quantized) {
    for (int i = 0; !*row && !status && i < report->layer_count; i++) status = sb_layer_row(&report->layers[i], row);
    if (!status && *row && o->recipe && strcmp(o->recipe, (*row)->recipe) != 0)
      return sb_fail(SB_USAGE, "%s is of the recipe %s, not %s; one run has one", m->path, (*row)->recipe, o->recipe);
    if (!status && o->recipe && o->step != SB_LINEAR_CONVERT)
      return sb_fail(SB_USAGE, "%s is quantized: its Linear layers are convert, not %s", m->path,
                     sb_linear_step_names[o->step]);
    e->step = SB_LINEAR_CONVERT;
  } else if (o->recipe && o->step != SB_LINEAR_FLOAT) {
    status = sb_stored_find(o->recipe, row);
    e->step = o->step;
  }
  if (status || !*row) return status;
  e->recipe = (*row)->recipe;
  e->ours = e->step == SB_LINEAR_CONVERT &&
            (strcmp((*row)->type, "Int4Tensor") == 0 || ((*row)->bf16_only && e->dtype != SB_BF16));
  return SB_OK;
}

sb_status sb_ready_make(const sb_model *model, const sb_eval_options *options, const sb_tensor *tokens, sb_ready *r) {
  sb_evaluation *e = &r->evaluation;
  *r = (sb_ready){0};
  sb_status status = sb_model_inspect(model, &r->report);
  if (status) return status;
  const sb_stored *row;
  status = choose(model, options, &r->report, &row, e);
  const sb_linear_how how = {.T = e->dtype,
                             .row = row,
                             .group = r->report.quantized ? r->report.group_size
                                      : !row              ? 0
                                      : options->group    ? options->group
                                                          : row->group_size,
                             .step = e->step,
                             .stored = r->report.quantized,
                             .adapter = options->adapter,
                             .place = options->place,
                             .mechanisms = options->mechanisms};
  if (!status) status = sb_llama_make(model, &r->report, &how, &r->llama);
  if (!status && options->mechanisms && !sb_llama_says(&r->llama))
    status = sb_fail(SB_USAGE, "'%.200s' changes no Linear layer of %s%s", options->mechanisms,
                     row ? row->recipe : "a model in float", row ? "" : ": --recipe R");
  if (!status) e->linears = sb_llama_linears(&r->llama, &e->quantized);
  if (!status && row && e->step != SB_LINEAR_FLOAT && e->quantized == 0)
    status = sb_fail(SB_UNSUPPORTED, "%s: 0 of %d Linear layers take %s with groups of %lld: all would stay in float",
                     model->path, e->linears, row->recipe, (long long)how.group);
  if (!status) status = read_tokens(tokens, r->llama.config.vocabulary, &r->ids);
  if (!status) {
    e->rows = tokens->dims[0];
    e->predictions = e->rows * (tokens->dims[1] - 1);
    e->row_loss = calloc((size_t)e->rows, sizeof *e->row_loss);
    if (!e->row_loss) status = sb_fail(SB_NO_MEMORY, "no memory");
  }
  if (status) sb_ready_free(r);
  return status;
}

void sb_ready_free(sb_ready *r) {
  free(r->ids);
  r->ids = NULL;
  sb_llama_free(&r->llama);
  sb_model_report_free(&r->report);
  sb_evaluation_free(&r->evaluation);
}

void sb_evaluation_sum(sb_evaluation *e) {
  double total = 0;
  for (int64_t r = 0; r < e->rows; r++) total += e->row_loss[r];
  e->loss = total / (double)e->predictions;
  e->perplexity = exp(e->loss);
}

sb_status sb_model_eval(const sb_model *model, const sb_eval_options *options, const sb_tensor *tokens,
                        sb_evaluation *e) {
  sb_ready r;
  *e = (sb_evaluation){0};
  sb_status status = sb_ready_make(model, options, tokens, &r);
  if (status) return status;
  work w = {.llama = &r.llama,
            .tokens = r.ids,
            .rows = r.evaluation.rows,
            .length = tokens->dims[1],
            .row_loss = r.evaluation.row_loss,
            .logits = options->logits};
  status = run_all(&w, options->threads);
  if (!status) {
    *e = r.evaluation;
    r.evaluation.row_loss = NULL;
    sb_evaluation_sum(e);
  }
  sb_ready_free(&r);
  return status;
}

void sb_evaluation_free(sb_evaluation *e) {
  free(e->row_loss);
  *e = (sb_evaluation){0};
}
