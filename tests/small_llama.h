/* A Llama of two blocks with random weights, made in the suite's folder: "m", "tied" (lm_head is the embedding),
 * "scaled" (a rotary embedding that is not implemented), and "tokens". */
#ifndef SAMEBITS_TESTS_SMALL_LLAMA_H
#define SAMEBITS_TESTS_SMALL_LLAMA_H

#include "samebits/safetensors.h"
#include "tests/command_line.h"
#include "tests/random_float.h"

#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

enum { HIDDEN = 32, INNER = 64, HEADS = 2, KV = 1, DIM = 16, LAYERS = 2, VOCABULARY = 48, ROWS = 3, LENGTH = 10 };

typedef struct weight {
  char name[96];
  int rows, cols;
  float *values;
} weight;

static weight weights[64];
static int weight_count;
static int32_t tokens[ROWS][LENGTH];

static inline void add_weight(const char *name, int rows, int cols, float scale, float mean) {
  weight *w = &weights[weight_count++];
  snprintf(w->name, sizeof w->name, "%s", name);
  w->rows = rows;
  w->cols = cols;
  w->values = malloc(sizeof(float) * (size_t)(rows * cols));
  for (int i = 0; i < rows * cols; i++) w->values[i] = mean + scale * random_float();
}

static inline const float *find_weight(const char *format, int layer) {
  char name[96];
  snprintf(name, sizeof name, format, layer);
  for (int i = 0; i < weight_count; i++)
    if (strcmp(weights[i].name, name) == 0) return weights[i].values;
  ck_abort_msg("no %s", name);
}

static const char config[] =
    "{\"model_type\":\"llama\",\"hidden_size\":32,\"intermediate_size\":64,\"num_attention_heads\":2,"
    "\"num_key_value_heads\":1,\"head_dim\":16,\"num_hidden_layers\":2,\"vocab_size\":48,"
    "\"rms_norm_eps\":1e-05,\"rope_theta\":10000.0,\"tie_word_embeddings\":%s%s}";

static inline void write_model(const char *name, bool tied, const char *more) {
  char path[64];
  sb_safetensors_writer *writer;
  sb_ok(sb_safetensors_writer_new(&writer));
  for (int i = 0; i < weight_count; i++) {
    sb_tensor t = sb_tensor_2d(SB_F32, weights[i].rows, weights[i].cols);
    if (weights[i].cols == 1) t.rank = 1;
    t.data = weights[i].values;
    if (!tied || strcmp(weights[i].name, "lm_head.weight") != 0) sb_ok(sb_safetensors_put(writer, weights[i].name, &t));
  }
  mkdir(in_folder(name), 0777);
  snprintf(path, sizeof path, "%s/model.safetensors", name);
  sb_ok(sb_safetensors_write(writer, in_folder(path)));
  sb_safetensors_writer_free(writer);
  snprintf(path, sizeof path, "%s/config.json", name);
  FILE *file = fopen(in_folder(path), "w");
  fprintf(file, config, tied ? "true" : "false", more);
  fclose(file);
}

static inline void make_model(void) {
  make_folder();
  char name[96];
  static const struct {
    const char *name;
    int rows, cols;
  } linears[] = {{"self_attn.q_proj", HEADS * DIM, HIDDEN}, {"self_attn.k_proj", KV * DIM, HIDDEN},
                 {"self_attn.v_proj", KV * DIM, HIDDEN},    {"self_attn.o_proj", HIDDEN, HEADS * DIM},
                 {"mlp.gate_proj", INNER, HIDDEN},          {"mlp.up_proj", INNER, HIDDEN},
                 {"mlp.down_proj", HIDDEN, INNER}};
  add_weight("model.embed_tokens.weight", VOCABULARY, HIDDEN, 1.0F, 0);
  for (int l = 0; l < LAYERS; l++) {
    for (int i = 0; i < 7; i++) {
      snprintf(name, sizeof name, "model.layers.%d.%s.weight", l, linears[i].name);
      add_weight(name, linears[i].rows, linears[i].cols, 0.4F, 0);
    }
    snprintf(name, sizeof name, "model.layers.%d.input_layernorm.weight", l);
    add_weight(name, HIDDEN, 1, 0.3F, 1);
    snprintf(name, sizeof name, "model.layers.%d.post_attention_layernorm.weight", l);
    add_weight(name, HIDDEN, 1, 0.3F, 1);
  }
  add_weight("model.norm.weight", HIDDEN, 1, 0.3F, 1);
  add_weight("lm_head.weight", VOCABULARY, HIDDEN, 0.4F, 0);
  for (int i = 0; i < ROWS * LENGTH; i++)
    tokens[i / LENGTH][i % LENGTH] = (int)((random_float() + 1) * 0.5F * VOCABULARY);
  write_model("m", false, "");
  write_model("tied", true, "");
  write_model("scaled", false, ",\"rope_scaling\":{\"type\":\"linear\"}");
  sb_safetensors_writer *writer;
  sb_tensor t = sb_tensor_2d(SB_I32, ROWS, LENGTH);
  t.data = tokens;
  sb_ok(sb_safetensors_writer_new(&writer));
  sb_ok(sb_safetensors_put(writer, "tokens", &t));
  sb_ok(sb_safetensors_write(writer, in_folder("tokens")));
  sb_safetensors_writer_free(writer);
}

#endif
