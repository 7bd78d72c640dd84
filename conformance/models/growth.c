/* Two models of one shape run block by block; what every Linear and every block gives is compared at once. */
#include "conformance/models/eval_parts.h"
#include "samebits/model_growth.h"

#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { AT_ONCE = 4, MAX_THREADS = 64, PER_BLOCK = SB_BLOCK_LINEARS + 1 };

/* Of one point and one batch of sequences, so that sums do not depend on which thread took which batch. */
typedef struct tally {
  int64_t elements, different;
  double max_abs, total, squares, of_base;
} tally;

typedef struct shared {
  sb_ready *base, *other;
  int64_t length;
  int points;
  tally *tallies; /* [batches, points] */
  int64_t *flips; /* [batches] */
  _Atomic int64_t next;
} shared;

typedef struct worker {
  shared *s;
  sb_status status;
  char message[512];
} worker;

static void add(tally *t, const float *a, const float *b, int64_t count) {
  t->elements += count;
  for (int64_t i = 0; i < count; i++) {
    const double far = (double)b[i] - (double)a[i];
    t->different += sb_f32_bits(a[i]) != sb_f32_bits(b[i]);
    if (fabs(far) > t->max_abs || isnan(far)) t->max_abs = fabs(far);
    t->total += fabs(far);
    t->squares += far * far;
    t->of_base += (double)a[i] * (double)a[i];
  }
}

static void add_losses(const shared *s, sb_ready *r, int64_t first, int64_t count, const float *logits) {
  const int64_t vocabulary = r->llama.config.vocabulary;
  for (int64_t row = 0; row < count; row++) {
    double sum = 0;
    for (int64_t t = 0; t + 1 < s->length; t++)
      sum += (double)sb_negative_log_likelihood(logits + (row * s->length + t) * vocabulary, vocabulary,
                                                r->ids[(first + row) * s->length + t + 1]);
    r->evaluation.row_loss[first + row] = sum;
  }
}

static sb_status run_batch(shared *s, int64_t first, int64_t count, float *logits[2]) {
  sb_ready *r[2] = {s->base, s->other};
  const sb_llama *l = &s->base->llama;
  const int64_t tokens = count * s->length, vocabulary = l->config.vocabulary;
  tally *t = s->tallies + first / AT_ONCE * s->points;
  sb_llama_pass *pass[2] = {NULL};
  sb_status status = SB_OK;
  for (int i = 0; !status && i < 2; i++)
    status = sb_llama_begin(&r[i]->llama, r[i]->ids + first * s->length, count, s->length, &pass[i]);
  for (int64_t b = 0; !status && b < l->config.layers; b++) {
    for (int i = 0; !status && i < 2; i++) status = sb_llama_block_run(pass[i], b);
    for (int k = 0; !status && k < PER_BLOCK; k++)
      add(&t[b * PER_BLOCK + k], sb_llama_kept(pass[0], k), sb_llama_kept(pass[1], k),
          tokens * (k == SB_BLOCK_LINEARS ? l->config.hidden : l->blocks[b].linear[k].n));
  }
  for (int i = 0; !status && i < 2; i++) status = sb_llama_end(pass[i], logits[i]);
  for (int i = 0; !status && i < 2; i++) add_losses(s, r[i], first, count, logits[i]);
  if (!status) add(&t[s->points - 1], logits[0], logits[1], tokens * vocabulary);
  for (int64_t i = 0; !status && i < tokens; i++)
    if (i % s->length + 1 < s->length) /* what the loss looks at */
      s->flips[first / AT_ONCE] += sb_llama_prediction(logits[0] + i * vocabulary, vocabulary) !=
                                   sb_llama_prediction(logits[1] + i * vocabulary, vocabulary);
  for (int i = 0; i < 2; i++) sb_llama_pass_free(pass[i]);
  return status;
}

static void *run(void *argument) {
  worker *w = argument;
  shared *s = w->s;
  const int64_t rows = s->base->evaluation.rows;
  const size_t size = (size_t)(AT_ONCE * s->length * s->base->llama.config.vocabulary);
  float *logits[2] = {malloc(size * sizeof(float)), malloc(size * sizeof(float))};
  if (!logits[0] || !logits[1]) w->status = sb_fail(SB_NO_MEMORY, "no memory for logits");
  while (!w->status) {
    const int64_t first = atomic_fetch_add_explicit(&s->next, AT_ONCE, memory_order_relaxed);
    if (first >= rows) break;
    w->status = run_batch(s, first, rows - first < AT_ONCE ? rows - first : AT_ONCE, logits);
  }
  free(logits[0]);
  free(logits[1]);
  if (w->status) snprintf(w->message, sizeof w->message, "%s", sb_message());
  return NULL;
}

static sb_status run_all(shared *s, int threads) {
  pthread_t handles[MAX_THREADS];
  bool started[MAX_THREADS] = {false};
  worker w[MAX_THREADS];
  if (threads <= 0) threads = (int)sysconf(_SC_NPROCESSORS_ONLN);
  threads = threads < 1 ? 1 : threads > MAX_THREADS ? MAX_THREADS : threads;
  for (int i = 0; i < threads; i++) w[i] = (worker){.s = s};
  for (int i = 1; i < threads; i++) started[i] = pthread_create(&handles[i], NULL, run, &w[i]) == 0;
  run(&w[0]);
  sb_status status = w[0].status ? sb_fail(w[0].status, "%s", w[0].message) : SB_OK;
  for (int i = 1; i < threads; i++) {
    if (!started[i]) continue;
    pthread_join(handles[i], NULL);
    if (w[i].status && !status) status = sb_fail(w[i].status, "%s", w[i].message);
  }
  return status;
}

static void finish(const shared *s, int64_t batches, sb_growth *g) {
  static const char *const names[SB_BLOCK_LINEARS] = {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj",
                                                      "self_attn.o_proj", "mlp.gate_proj",    "mlp.up_proj",
                                                      "mlp.down_proj"};
  for (int p = 0; p < s->points; p++) {
    sb_growth_point *to = &g->points[p];
    const int block = p / PER_BLOCK, linear = p % PER_BLOCK;
    tally all = {0};
    for (int64_t b = 0; b < batches; b++) {
      const tally *t = &s->tallies[b * s->points + p];
      all.elements += t->elements;
      all.different += t->different;
      if (t->max_abs > all.max_abs || isnan(t->max_abs)) all.max_abs = t->max_abs;
      all.total += t->total;
      all.squares += t->squares;
      all.of_base += t->of_base;
    }
    to->is_layer = p == s->points - 1 || linear == SB_BLOCK_LINEARS;
    if (p == s->points - 1)
      snprintf(to->name, sizeof to->name, "lm_head");
    else
      snprintf(to->name, sizeof to->name, "model.layers.%d%s%s", block, to->is_layer ? "" : ".",
               to->is_layer ? "" : names[linear]);
    to->elements = all.elements;
    to->different = all.different;
    to->max_abs = all.max_abs;
    to->mean_abs = all.total / (double)all.elements;
    to->relative = all.of_base > 0 ? sqrt(all.squares / all.of_base) : 0;
  }
  for (int64_t b = 0; b < batches; b++) g->flips += s->flips[b];
}

sb_status sb_model_growth(const sb_model *model, const sb_eval_options *base, const sb_eval_options *other,
                          const sb_tensor *tokens, sb_growth *g) {
  sb_ready a, b = {0};
  *g = (sb_growth){0};
  sb_status status = sb_ready_make(model, base, tokens, &a);
  if (status) return status;
  status = sb_ready_make(model, other, tokens, &b);
  const int64_t batches = (a.evaluation.rows + AT_ONCE - 1) / AT_ONCE;
  shared s = {.base = &a, .other = &b, .length = tokens->dims[1]};
  if (!status) {
    s.points = (int)a.llama.config.layers * PER_BLOCK + 1;
    s.tallies = calloc((size_t)(batches * s.points), sizeof *s.tallies);
    s.flips = calloc((size_t)batches, sizeof *s.flips);
    g->points = calloc((size_t)s.points, sizeof *g->points);
    if (!s.tallies || !s.flips || !g->points) status = sb_fail(SB_NO_MEMORY, "no memory for %d points", s.points);
  }
  if (!status) status = run_all(&s, base->threads);
  if (!status) {
    g->point_count = s.points;
    finish(&s, batches, g);
    sb_evaluation_sum(&a.evaluation);
    sb_evaluation_sum(&b.evaluation);
    g->base = a.evaluation;
    g->other = b.evaluation;
    a.evaluation.row_loss = b.evaluation.row_loss = NULL;
    if (sb_llama_says(&b.llama)) snprintf(g->says, sizeof g->says, "%s", sb_llama_says(&b.llama));
  }
  free(s.tallies);
  free(s.flips);
  sb_ready_free(&a);
  sb_ready_free(&b);
  if (status) sb_growth_free(g);
  return status;
}

void sb_growth_free(sb_growth *g) {
  sb_evaluation_free(&g->base);
  sb_evaluation_free(&g->other);
  free(g->points);
  *g = (sb_growth){0};
}
