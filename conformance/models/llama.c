/* The Llama of transformers 5 (modeling_llama.py), attention `eager`: RMSNorm, rotary embedding, grouped-query
 * attention, SwiGLU. T is f32 or bf16; every value between modules is of T, held in an f32. */
#include "conformance/models/llama.h"
#include "conformance/models/exponential.h"
#include "conformance/models/sine.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- weights ---- */

static sb_status load_plain(const sb_model *m, const char *name, int64_t rows, int64_t cols, sb_format T,
                            float **values) {
  const sb_model_tensor *t = sb_model_find(m, name);
  const sb_tensor *plain = t ? sb_model_plain(t) : NULL;
  const int64_t count = rows * cols;
  if (!plain || sb_tensor_count(plain) != count || plain->dims[0] != rows || !sb_format_of(plain->format)->is_float)
    return sb_fail(SB_FILE, "%s: tensor \"%s\" is missing, or not a float [%" PRId64 "%s%.0" PRId64 "]", m->path, name,
                   rows, cols > 1 ? ", " : "", cols > 1 ? cols : 0);
  *values = malloc(((size_t)count + 1) * sizeof **values);
  if (!*values) return sb_fail(SB_NO_MEMORY, "no memory for \"%s\"", name);
  for (int64_t i = 0; i < count; i++) (*values)[i] = (float)sb_load(plain->format, plain->data, i);
  if (T != SB_F32) sb_narrow(*values, count);
  return SB_OK;
}

typedef struct maker {
  const sb_model *model;
  const sb_model_report *report;
  const sb_linear_how *how;
} maker;

static sb_status make_linear(const maker *k, const char *name, int64_t rows, int64_t cols, sb_linear *linear) {
  const sb_model_layer *l = sb_model_layer_find(k->report, name);
  if (!l || l->rows != rows || l->cols != cols)
    return sb_fail(SB_FILE, "%s: the Linear layer \"%s\" is missing, or not [%" PRId64 ", %" PRId64 "]", k->model->path,
                   name, rows, cols);
  return sb_linear_make(l, k->how, linear);
}

static sb_status make_block(const maker *k, const sb_llama_config *c, int64_t number, sb_llama_block *b) {
  const int64_t q = c->heads * c->head_dim, kv = c->kv_heads * c->head_dim;
  const struct {
    const char *name;
    int64_t rows, cols;
  } linears[SB_BLOCK_LINEARS] = {[SB_Q] = {"self_attn.q_proj", q, c->hidden},
                                 [SB_K] = {"self_attn.k_proj", kv, c->hidden},
                                 [SB_V] = {"self_attn.v_proj", kv, c->hidden},
                                 [SB_O] = {"self_attn.o_proj", c->hidden, q},
                                 [SB_GATE] = {"mlp.gate_proj", c->intermediate, c->hidden},
                                 [SB_UP] = {"mlp.up_proj", c->intermediate, c->hidden},
                                 [SB_DOWN] = {"mlp.down_proj", c->hidden, c->intermediate}};
  char name[128];
  sb_status status = SB_OK;
  for (int i = 0; !status && i < SB_BLOCK_LINEARS; i++) {
    snprintf(name, sizeof name, "model.layers.%" PRId64 ".%s", number, linears[i].name);
    status = make_linear(k, name, linears[i].rows, linears[i].cols, &b->linear[i]);
  }
  snprintf(name, sizeof name, "model.layers.%" PRId64 ".input_layernorm.weight", number);
  if (!status) status = load_plain(k->model, name, c->hidden, 1, k->how->T, &b->input_norm);
  snprintf(name, sizeof name, "model.layers.%" PRId64 ".post_attention_layernorm.weight", number);
  return status ? status : load_plain(k->model, name, c->hidden, 1, k->how->T, &b->post_norm);
}

sb_status sb_llama_make(const sb_model *model, const sb_model_report *report, const sb_linear_how *how, sb_llama *l) {
  const sb_format T = how->T;
  *l = (sb_llama){.T = T};
  const maker k = {model, report, how};
  sb_status status = sb_llama_config_read(model->config, model->path, &l->config);
  if (status) return status;
  const sb_llama_config *c = &l->config;
  if (c->layers > report->layer_count) /* before any memory is asked for */
    return sb_fail(SB_FILE, "%s: config.json has %" PRId64 " blocks, the tensors have fewer", model->path, c->layers);
  l->blocks = calloc((size_t)c->layers, sizeof *l->blocks);
  if (!l->blocks) status = sb_fail(SB_NO_MEMORY, "no memory for %" PRId64 " blocks", c->layers);
  if (!status) status = load_plain(model, "model.embed_tokens.weight", c->vocabulary, c->hidden, T, &l->embedding);
  if (!status) status = load_plain(model, "model.norm.weight", c->hidden, 1, T, &l->norm);
  for (int64_t i = 0; !status && i < c->layers; i++) status = make_block(&k, c, i, &l->blocks[i]);
  if (!status) status = make_linear(&k, "lm_head", c->vocabulary, c->hidden, &l->head);
  if (status) sb_llama_free(l);
  return status;
}

void sb_llama_free(sb_llama *l) {
  for (int64_t i = 0; l->blocks && i < l->config.layers; i++) {
    for (int k = 0; k < SB_BLOCK_LINEARS; k++) sb_linear_free(&l->blocks[i].linear[k]);
    free(l->blocks[i].input_norm);
    free(l->blocks[i].post_norm);
  }
  sb_linear_free(&l->head);
  free(l->blocks);
  free(l->embedding);
  free(l->norm);
  *l = (sb_llama){0};
}

/* ---- one pass ---- */

typedef struct sb_llama_pass {
  const sb_llama *llama;
  bool narrow; /* T is bf16 */
  int64_t count, length, tokens;
  float *x, *h, *q, *k, *v, *gate, *up, *cosines, *sines, *scratch;
  sb_linear_input in;
  void *memory[24];
  int held;
  const sb_llama_block *block; /* that runs, where its outputs are kept */
  float *kept[SB_BLOCK_LINEARS];
} pass;

static void *hold(pass *p, int64_t elements, size_t width) {
  void *memory = calloc((size_t)elements + 64, width);
  if (memory) p->memory[p->held++] = memory;
  return memory;
}

static sb_status make_room(pass *p) {
  const sb_llama_config *c = &p->llama->config;
  const int64_t n = p->tokens, q = c->heads * c->head_dim, kv = c->kv_heads * c->head_dim;
  int64_t widest = c->hidden > c->intermediate ? c->hidden : c->intermediate;
  if (q > widest) widest = q;
  const bool room = (p->x = hold(p, n * c->hidden, sizeof(float))) && (p->h = hold(p, n * widest, sizeof(float))) &&
                    (p->q = hold(p, n * q, sizeof(float))) && (p->k = hold(p, n * kv, sizeof(float))) &&
                    (p->v = hold(p, n * kv, sizeof(float))) && (p->gate = hold(p, n * widest, sizeof(float))) &&
                    (p->up = hold(p, n * c->intermediate, sizeof(float))) &&
                    (p->cosines = hold(p, p->length * c->head_dim, sizeof(float))) &&
                    (p->sines = hold(p, p->length * c->head_dim, sizeof(float))) &&
                    (p->scratch = hold(p, sb_attention_scratch(p->length, c->head_dim), sizeof(float))) &&
                    (p->in.values = hold(p, n * widest, sizeof(float))) && (p->in.scale = hold(p, n, sizeof(float))) &&
                    (p->in.narrow[0] = hold(p, n * widest, sizeof(uint16_t))) &&
                    (p->in.narrow[1] = hold(p, n * widest, sizeof(uint16_t))) && (p->in.codes = hold(p, n * widest, 1));
  return room ? SB_OK : sb_fail(SB_NO_MEMORY, "no memory for %" PRId64 " tokens", n);
}

/* inv_freq stays f32 whatever T; cos and sin are rounded to T. */
static void make_rotary(pass *p) {
  const int64_t dim = p->llama->config.head_dim, half = dim / 2;
  for (int64_t i = 0; i < half; i++) {
    const float inverse = 1.0F / sb_power((float)p->llama->config.rope_theta, (float)(2 * i) / (float)dim);
    for (int64_t t = 0; t < p->length; t++) {
      const float angle = (float)t * inverse;
      p->cosines[t * dim + i] = p->cosines[t * dim + half + i] = sb_cosine(angle);
      p->sines[t * dim + i] = p->sines[t * dim + half + i] = sb_sine(angle);
    }
  }
  if (!p->narrow) return;
  sb_narrow(p->cosines, p->length * dim);
  sb_narrow(p->sines, p->length * dim);
}

/* The sum of squares in the order of ATen's sum over a contiguous row (cascade_sum with vectors of 8, which the build
 * for AVX-512 uses too): four accumulators of 8 lanes take the vectors in turn, over four levels so that none takes
 * more than 2^power in a row; then the four, what is left of the vectors, the rest of the row and the lanes. */
static float sum_of_squares(const float *x, int64_t n) {
  enum { LANES = 8, TURNS = 4, LEVELS = 4 };
  float sums[LEVELS][TURNS][LANES] = {0}, total = 0.0F;
  const int64_t vectors = n / LANES, rounds = vectors / TURNS;
  int power = 0;
  while ((int64_t)1 << power < rounds) power++;
  power = power / LEVELS > 4 ? power / LEVELS : 4;
  for (int64_t i = 0; i < rounds;) {
    for (int k = 0; k < TURNS * LANES; k++)
      sums[0][k / LANES][k % LANES] += x[i * TURNS * LANES + k] * x[i * TURNS * LANES + k];
    i++;
    for (int level = 1; level < LEVELS && (i & (((int64_t)1 << (level * power)) - 1)) == 0; level++)
      for (int k = 0; k < TURNS * LANES; k++) {
        sums[level][k / LANES][k % LANES] += sums[level - 1][k / LANES][k % LANES];
        sums[level - 1][k / LANES][k % LANES] = 0.0F;
      }
  }
  for (int k = 0; k < TURNS * LANES; k++)
    for (int level = 1; level < LEVELS; level++) sums[0][k / LANES][k % LANES] += sums[level][k / LANES][k % LANES];
  for (int64_t i = rounds * TURNS * LANES; i < vectors * LANES; i++) sums[0][0][i % LANES] += x[i] * x[i];
  for (int64_t i = vectors * LANES; i < n; i++) total += x[i] * x[i];
  for (int k = 0; k < LANES; k++) total += ((sums[0][0][k] + sums[0][1][k]) + sums[0][2][k]) + sums[0][3][k];
  return total;
}

/* w * r(x * rsqrt(mean(x^2) + eps)), inside in f32. */
static void normalize(const pass *p, const float *x, const float *w, float *out) {
  const int64_t n = p->llama->config.hidden;
  for (int64_t t = 0; t < p->tokens; t++) {
    const float *row = x + t * n;
    float *to = out + t * n;
    const float inverse = 1.0F / sqrtf(sum_of_squares(row, n) / (float)n + p->llama->config.norm_eps);
    for (int64_t i = 0; i < n; i++) to[i] = row[i] * inverse;
    if (p->narrow) sb_narrow(to, n); /* 1 */
    for (int64_t i = 0; i < n; i++) to[i] = w[i] * to[i];
    if (p->narrow) sb_narrow(to, n); /* 2 */
  }
}

/* r(r(q * cos) + r(rotate_half(q) * sin)). */
static void rotate(const pass *p, float *q, int64_t heads) {
  const int64_t dim = p->llama->config.head_dim, half = dim / 2;
  float a[2], turned[2];
  for (int64_t t = 0; t < p->tokens; t++) {
    const float *c = p->cosines + t % p->length * dim, *s = p->sines + t % p->length * dim;
    for (int64_t h = 0; h < heads; h++) {
      float *x = q + (t * heads + h) * dim;
      for (int64_t i = 0; i < half; i++) {
        a[0] = x[i] * c[i];
        a[1] = x[half + i] * c[half + i];
        turned[0] = -x[half + i] * s[i];
        turned[1] = x[i] * s[half + i];
        if (p->narrow) sb_narrow(a, 2), sb_narrow(turned, 2); /* 1, 2 */
        x[i] = a[0] + turned[0];
        x[half + i] = a[1] + turned[1];
      }
      if (p->narrow) sb_narrow(x, dim); /* 3 */
    }
  }
}

/* The output takes the place of q. */
static void attend(const pass *p) {
  const sb_llama_config *c = &p->llama->config;
  const int64_t share = c->heads / c->kv_heads, width = c->heads * c->head_dim, kv = c->kv_heads * c->head_dim;
  for (int64_t s = 0; s < p->count; s++)
    for (int64_t h = 0; h < c->heads; h++) {
      const sb_attention a = {.q = p->q + s * p->length * width + h * c->head_dim,
                              .k = p->k + s * p->length * kv + h / share * c->head_dim,
                              .v = p->v + s * p->length * kv + h / share * c->head_dim,
                              .out = p->h + s * p->length * width + h * c->head_dim,
                              .scratch = p->scratch,
                              .length = p->length,
                              .dim = c->head_dim,
                              .q_stride = width,
                              .kv_stride = kv,
                              .scaling = (float)(1.0 / sqrt((double)c->head_dim)),
                              .narrow = p->narrow};
      sb_attend(&a);
    }
}

static void add_residual(const pass *p, const float *h) {
  const int64_t count = p->tokens * p->llama->config.hidden;
  for (int64_t i = 0; i < count; i++) p->x[i] = p->x[i] + h[i];
  if (p->narrow) sb_narrow(p->x, count);
}

/* r(r(silu(gate)) * up), into gate. */
static void swiglu(const pass *p) {
  const int64_t count = p->tokens * p->llama->config.intermediate;
  for (int64_t i = 0; i < count; i++) p->gate[i] = p->gate[i] / (1.0F + sb_exponential(-p->gate[i]));
  if (p->narrow) sb_narrow(p->gate, count); /* 1 */
  for (int64_t i = 0; i < count; i++) p->gate[i] = p->gate[i] * p->up[i];
  if (p->narrow) sb_narrow(p->gate, count); /* 2 */
}

/* Linears of one input, which is quantized once: they quantize it alike, or some are left in float. */
static sb_status run_linears(pass *p, const float *x, const sb_linear *const *linears, float *const *out, int count) {
  const sb_format T = p->llama->T;
  for (int i = 0; i < count; i++) {
    const bool again =
        i == 0 || linears[i]->quantized != linears[i - 1]->quantized || linears[i]->scaled != linears[i - 1]->scaled;
    const sb_status status = again ? sb_linear_quantize(linears[i], T, x, p->tokens, &p->in) : SB_OK;
    if (status) return status;
    sb_linear_run(linears[i], T, &p->in, p->tokens, out[i]);
    const sb_status beside = linears[i]->adapter ? sb_lora_beside(linears[i]->adapter, T, x, p->tokens, out[i]) : SB_OK;
    if (beside) return beside;
    if (p->block)
      memcpy(p->kept[linears[i] - p->block->linear], out[i], (size_t)(p->tokens * linears[i]->n) * sizeof(float));
  }
  return SB_OK;
}

static sb_status run_one(pass *p, const float *x, const sb_linear *linear, float *out) {
  return run_linears(p, x, &linear, &out, 1);
}

static sb_status run_block(pass *p, const sb_llama_block *b) {
  const sb_linear *l = b->linear;
  normalize(p, p->x, b->input_norm, p->h);
  sb_status status =
      run_linears(p, p->h, (const sb_linear *[]){&l[SB_Q], &l[SB_K], &l[SB_V]}, (float *[]){p->q, p->k, p->v}, 3);
  if (status) return status;
  rotate(p, p->q, p->llama->config.heads);
  rotate(p, p->k, p->llama->config.kv_heads);
  attend(p);
  status = run_one(p, p->h, &l[SB_O], p->gate); /* gate has no use yet */
  if (status) return status;
  add_residual(p, p->gate);
  normalize(p, p->x, b->post_norm, p->h);
  status = run_linears(p, p->h, (const sb_linear *[]){&l[SB_GATE], &l[SB_UP]}, (float *[]){p->gate, p->up}, 2);
  if (status) return status;
  swiglu(p);
  status = run_one(p, p->gate, &l[SB_DOWN], p->h);
  if (!status) add_residual(p, p->h);
  return status;
}

int sb_llama_linears(const sb_llama *l, int *quantized) {
  const int count = (int)l->config.layers * SB_BLOCK_LINEARS + 1;
  *quantized = l->head.recipe;
  for (int i = 0; i < count - 1; i++) *quantized += l->blocks[i / SB_BLOCK_LINEARS].linear[i % SB_BLOCK_LINEARS].recipe;
  return count;
}

const char *sb_llama_says(const sb_llama *l) {
  for (int64_t i = 0; i < l->config.layers; i++)
    for (int k = 0; k < SB_BLOCK_LINEARS; k++)
      if (*l->blocks[i].linear[k].says) return l->blocks[i].linear[k].says;
  return *l->head.says ? l->head.says : NULL;
}

static sb_status begin(pass *p, const int32_t *tokens) {
  const int64_t hidden = p->llama->config.hidden;
  const sb_status status = make_room(p);
  if (status) return status;
  make_rotary(p);
  for (int64_t t = 0; t < p->tokens; t++)
    memcpy(p->x + t * hidden, p->llama->embedding + tokens[t] * hidden, (size_t)hidden * sizeof(float));
  return SB_OK;
}

sb_status sb_llama_end(pass *p, float *logits) {
  p->block = NULL;
  normalize(p, p->x, p->llama->norm, p->h);
  return run_one(p, p->h, &p->llama->head, logits);
}

static void release(pass *p) {
  for (int i = 0; i < p->held; i++) free(p->memory[i]);
}

int64_t sb_llama_prediction(const float *logits, int64_t vocabulary) {
  int64_t best = 0;
  for (int64_t i = 1; i < vocabulary; i++) best = logits[i] > logits[best] ? i : best;
  return best;
}

sb_status sb_llama_forward(const sb_llama *llama, const int32_t *tokens, int64_t count, int64_t length, float *logits) {
  pass p = {.llama = llama, .narrow = llama->T != SB_F32, .count = count, .length = length, .tokens = count * length};
  sb_status status = begin(&p, tokens);
  for (int64_t i = 0; !status && i < llama->config.layers; i++) status = run_block(&p, &llama->blocks[i]);
  if (!status) status = sb_llama_end(&p, logits);
  release(&p);
  return status;
}

sb_status sb_llama_begin(const sb_llama *llama, const int32_t *tokens, int64_t count, int64_t length, pass **result) {
  pass *p = *result = malloc(sizeof *p);
  if (!p) return sb_fail(SB_NO_MEMORY, "no memory for a pass");
  *p = (pass){.llama = llama, .narrow = llama->T != SB_F32, .count = count, .length = length, .tokens = count * length};
  sb_status status = begin(p, tokens);
  for (int i = 0; !status && i < SB_BLOCK_LINEARS; i++) {
    p->kept[i] = hold(p, p->tokens * llama->blocks[0].linear[i].n, sizeof(float));
    if (!p->kept[i]) status = sb_fail(SB_NO_MEMORY, "no memory for %" PRId64 " tokens", p->tokens);
  }
  return status;
}

sb_status sb_llama_block_run(pass *p, int64_t number) {
  p->block = &p->llama->blocks[number];
  return run_block(p, p->block);
}

const float *sb_llama_kept(const pass *p, int linear) { return linear == SB_BLOCK_LINEARS ? p->x : p->kept[linear]; }

void sb_llama_pass_free(pass *p) {
  if (p) release(p);
  free(p);
}
