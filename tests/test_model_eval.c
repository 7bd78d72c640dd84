/* The forward pass of a small Llama against the formulas in f64, and what does not change its bits. */
#include "samebits/model_eval.h"
#include "tests/small_llama.h"

#include <jansson.h>
#include <math.h>

#define INT8   "int8-dynamic-act-int4-weight"
#define FLOAT8 "float8-dynamic-act-float8-weight"

/* ---- the formulas, in f64 ---- */

static void norm64(const double *x, const float *w, double *out) {
  double sum = 0;
  for (int i = 0; i < HIDDEN; i++) sum += x[i] * x[i];
  for (int i = 0; i < HIDDEN; i++) out[i] = (double)w[i] * x[i] / sqrt(sum / HIDDEN + 1e-5);
}

static void linear64(const double *x, const float *w, int rows, int cols, double *out) {
  for (int r = 0; r < rows; r++) {
    out[r] = 0;
    for (int c = 0; c < cols; c++) out[r] += x[c] * (double)w[r * cols + c];
  }
}

static void rotate64(double *x, int position) {
  double copy[DIM];
  memcpy(copy, x, sizeof copy);
  for (int i = 0; i < DIM / 2; i++) {
    const double angle = position * pow(10000.0, -2.0 * i / DIM);
    x[i] = copy[i] * cos(angle) - copy[DIM / 2 + i] * sin(angle);
    x[DIM / 2 + i] = copy[DIM / 2 + i] * cos(angle) + copy[i] * sin(angle);
  }
}

static void block64(double x[LENGTH][HIDDEN], int l) {
  double h[HIDDEN], q[LENGTH][HEADS * DIM], k[LENGTH][DIM], v[LENGTH][DIM], out[HIDDEN], gate[INNER], up[INNER];
  for (int t = 0; t < LENGTH; t++) {
    norm64(x[t], find_weight("model.layers.%d.input_layernorm.weight", l), h);
    linear64(h, find_weight("model.layers.%d.self_attn.q_proj.weight", l), HEADS * DIM, HIDDEN, q[t]);
    linear64(h, find_weight("model.layers.%d.self_attn.k_proj.weight", l), DIM, HIDDEN, k[t]);
    linear64(h, find_weight("model.layers.%d.self_attn.v_proj.weight", l), DIM, HIDDEN, v[t]);
    for (int head = 0; head < HEADS; head++) rotate64(q[t] + head * DIM, t);
    rotate64(k[t], t);
  }
  for (int t = 0; t < LENGTH; t++) {
    double mixed[HEADS * DIM] = {0};
    for (int head = 0; head < HEADS; head++) {
      double p[LENGTH], total = 0;
      for (int j = 0; j <= t; j++) {
        double dot = 0;
        for (int d = 0; d < DIM; d++) dot += q[t][head * DIM + d] * k[j][d];
        total += p[j] = exp(dot / sqrt((double)DIM));
      }
      for (int j = 0; j <= t; j++)
        for (int d = 0; d < DIM; d++) mixed[head * DIM + d] += p[j] / total * v[j][d];
    }
    linear64(mixed, find_weight("model.layers.%d.self_attn.o_proj.weight", l), HIDDEN, HEADS * DIM, out);
    for (int i = 0; i < HIDDEN; i++) x[t][i] += out[i];
    norm64(x[t], find_weight("model.layers.%d.post_attention_layernorm.weight", l), h);
    linear64(h, find_weight("model.layers.%d.mlp.gate_proj.weight", l), INNER, HIDDEN, gate);
    linear64(h, find_weight("model.layers.%d.mlp.up_proj.weight", l), INNER, HIDDEN, up);
    for (int i = 0; i < INNER; i++) gate[i] = gate[i] / (1 + exp(-gate[i])) * up[i];
    linear64(gate, find_weight("model.layers.%d.mlp.down_proj.weight", l), HIDDEN, INNER, out);
    for (int i = 0; i < HIDDEN; i++) x[t][i] += out[i];
  }
}

static double row_loss64(const int32_t *ids) {
  double x[LENGTH][HIDDEN], h[HIDDEN], logits[VOCABULARY], loss = 0;
  for (int t = 0; t < LENGTH; t++)
    for (int i = 0; i < HIDDEN; i++) x[t][i] = (double)find_weight("model.embed_tokens.weight", 0)[ids[t] * HIDDEN + i];
  for (int l = 0; l < LAYERS; l++) block64(x, l);
  for (int t = 0; t + 1 < LENGTH; t++) {
    norm64(x[t], find_weight("model.norm.weight", 0), h);
    linear64(h, find_weight("lm_head.weight", 0), VOCABULARY, HIDDEN, logits);
    double total = 0;
    for (int i = 0; i < VOCABULARY; i++) total += exp(logits[i]);
    loss += log(total) - logits[ids[t + 1]];
  }
  return loss;
}

/* ---- */

static json_t *evaluate(const char *arguments) {
  const answer *a = run("model eval --json --tokens %s/tokens %s/%s", folder, folder, arguments);
  ck_assert_msg(a->exit_code == 0, "%s: %s", arguments, a->text);
  json_t *object = json_loads(a->text, JSON_DISABLE_EOF_CHECK, NULL);
  ck_assert(json_is_object(object));
  ck_assert_int_eq((int)json_integer_value(json_object_get(object, "rows")), ROWS);
  ck_assert_int_eq((int)json_integer_value(json_object_get(object, "predictions")), ROWS * (LENGTH - 1));
  return object;
}

static double loss_of(const char *arguments) {
  json_t *object = evaluate(arguments);
  const double loss = json_real_value(json_object_get(object, "eval_loss"));
  ck_assert_double_eq_tol(json_real_value(json_object_get(object, "perplexity")), exp(loss), 1e-9);
  json_decref(object);
  return loss;
}

/* Every row's loss is that of the formulas: in f32 to f32's accuracy, in bf16 to bf16's and not better. */
START_TEST(formulas) {
  json_t *f32 = evaluate("m --dtype f32"), *bf16 = evaluate("m --dtype bf16");
  bool coarse = false;
  for (int r = 0; r < ROWS; r++) {
    const double expected = row_loss64(tokens[r]);
    ck_assert_double_eq_tol(json_real_value(json_array_get(json_object_get(f32, "row_loss"), (size_t)r)), expected,
                            1e-4);
    const double got = json_real_value(json_array_get(json_object_get(bf16, "row_loss"), (size_t)r));
    ck_assert_double_eq_tol(got, expected, 1.5);
    coarse |= fabs(got - expected) > 1e-3;
  }
  ck_assert(coarse);
  json_decref(f32);
  json_decref(bf16);
}
END_TEST

/* The loss has the same bits for any number of threads; for int8-dynamic-act-int4-weight as trained and as deployed,
 * computed from the master and from its artifact; quantizing changes it. */
START_TEST(same_bits) {
  const double plain = loss_of("m --dtype f32"), prepare = loss_of("m --dtype f32 --recipe " INT8 " --linear prepare");
  ck_assert(loss_of("m --dtype f32 --threads 1") == plain);
  ck_assert(loss_of("m --dtype f32 --threads 3") == plain);
  ck_assert(loss_of("m --dtype f32 --recipe " INT8 " --linear float") == plain);
  ck_assert(loss_of("m --dtype f32 --recipe " INT8 " --linear convert") == prepare);
  ck_assert(prepare != plain);
  expect_answer(run("model convert %s/m --recipe " INT8 " --output %s/q", folder, folder), 0, "15 of 15", "convert");
  ck_assert(loss_of("q") == prepare);
  ck_assert(loss_of("m --dtype bf16 --recipe " INT8 " --linear convert") ==
            loss_of("m --dtype bf16 --recipe " INT8 " --linear prepare"));
  ck_assert(loss_of("m --dtype bf16 --recipe " FLOAT8 " --linear convert") !=
            loss_of("m --dtype bf16 --recipe " FLOAT8 " --linear prepare"));
}
END_TEST

/* Three models in one table, each with its difference from the first; a tied lm_head is the embedding. */
START_TEST(three_ways) {
  expect_answer(run("model convert %s/m --recipe " INT8 " --output %s/p", folder, folder), 0, "15 of 15", "convert");
  const answer *a = run("model eval --three-way %s/m %s/p %s/tied --tokens %s/tokens", folder, folder, folder, folder);
  expect_answer(a, 0, "\nbaseline ", "table");
  expect_answer(a, 0, "\nPTQ        " INT8, "table");
  expect_answer(a, 0, "   +0.000000", "table");
  expect_answer(run("model eval --three-way %s/m %s/p --tokens %s/tokens", folder, folder, folder), 2,
                "BASELINE PTQ QAT", "two");
}
END_TEST

/* What an artifact has in float stays so: an lm_head of its own with the embedding's values gives the bits of the tied
 * model, and is counted. A recipe that no layer takes is refused, not evaluated in float. */
START_TEST(left_in_float) {
  static const char untie[] =
      "cd %s && python3 -c \"import json, struct\n"
      "data = open('s/model.safetensors', 'rb').read()\nsize = struct.unpack('<Q', data[:8])[0]\n"
      "header = json.loads(data[8:8 + size])\nbody = data[8 + size:]\n"
      "from_, to, meta = 'model.embed_tokens.weight', 'lm_head.weight', header['__metadata__']\n"
      "begin, end = header[from_]['data_offsets']\n"
      "header[to] = {**header[from_], 'data_offsets': [len(body), len(body) + end - begin]}\n"
      "meta[to] = meta[from_]\nmeta['tensor_names'] = json.dumps(json.loads(meta['tensor_names']) + [to])\n"
      "text = json.dumps(header).encode()\n"
      "open('u/model.safetensors', 'wb').write(struct.pack('<Q', len(text)) + text + body + body[begin:end])\"";
  expect_answer(run("model convert %s/tied --recipe " INT8 " --output %s/s", folder, folder), 0, "14 of 15", "convert");
  char command[2048];
  snprintf(command, sizeof command,
           "mkdir %s/u && sed 's/\"tie_word_embeddings\": *true/\"tie_word_embeddings\":false/' "
           "%s/s/config.json >%s/u/config.json",
           folder, folder, folder);
  ck_assert_int_eq(system(command), 0);
  snprintf(command, sizeof command, untie, folder);
  ck_assert_int_eq(system(command), 0);
  json_t *object = evaluate("u");
  ck_assert(json_real_value(json_object_get(object, "eval_loss")) == loss_of("s"));
  ck_assert_int_eq((int)json_integer_value(json_object_get(object, "linear_layers")), 15);
  ck_assert_int_eq((int)json_integer_value(json_object_get(object, "quantized_layers")), 14);
  json_decref(object);
  expect_answer(run("model eval %s/u --tokens %s/tokens", folder, folder), 0, ", 1 of 15 Linear layers left in float;",
                "u");
  expect_answer(run("model eval %s/m --tokens %s/tokens --recipe int4-weight-only --linear convert", folder, folder), 3,
                "0 of 15 Linear layers take int4-weight-only with groups of 128", "no layer");
}
END_TEST

/* What cannot be evaluated is one line: a token out of the vocabulary, another architecture, a recipe beside that of a
 * quantized model, a file without tokens. */
START_TEST(refusals) {
  expect_answer(run("model eval %s/m", folder), 2, "--tokens", "no tokens");
  expect_answer(run("model eval %s/m --tokens %s/m/model.safetensors", folder, folder), 3, "no tensor \"tokens\"",
                "no tokens");
  expect_answer(run("model eval %s/m --tokens %s/tokens --linear prepare", folder, folder), 2, "needs --recipe",
                "step");
  expect_answer(run("model eval %s/m --tokens %s/tokens --linear none", folder, folder), 2, "'none'", "step");
  expect_answer(run("model eval %s/scaled --tokens %s/tokens", folder, folder), 3, "scaled", "rope");
  expect_answer(run("model eval tests/models/" INT8 "/master --tokens %s/tokens", folder), 3,
                "config.json has 4 blocks", "a cut");
  expect_answer(run("model convert %s/m --recipe " INT8 " --output %s/r", folder, folder), 0, "15 of 15", "convert");
  expect_answer(run("model eval %s/r --tokens %s/tokens --recipe " FLOAT8, folder, folder), 2, "one run has one",
                "two recipes");
  tokens[1][2] = VOCABULARY;
  sb_model *model;
  sb_evaluation e;
  sb_tensor t = sb_tensor_2d(SB_I32, ROWS, LENGTH);
  t.data = tokens;
  sb_ok(sb_model_open(in_folder("m"), &model));
  ck_assert_int_eq(sb_model_eval(model, &(sb_eval_options){.dtype = SB_F32}, &t, &e), SB_INVALID);
  ck_assert_ptr_nonnull(strstr(sb_message(), "token 48 at index 12"));
  sb_model_close(model);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("model_eval");
  TCase *tests = tcase_create("model_eval");
  tcase_add_unchecked_fixture(tests, make_model, remove_folder);
  tcase_set_timeout(tests, 300);
  tcase_add_test(tests, formulas);
  tcase_add_test(tests, same_bits);
  tcase_add_test(tests, three_ways);
  tcase_add_test(tests, left_in_float);
  tcase_add_test(tests, refusals);
  suite_add_tcase(suite, tests);
  return run_suite(suite);
}
