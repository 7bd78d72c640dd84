/* Whole checkpoints that upstream wrote, in the folder that SAMEBITS_MODELS names; without it the suite is skipped. */
#include "samebits/safetensors.h"
#include "tests/captured_models.h"
#include "tests/model_rows.h"

#define INT8   "int8-dynamic-act-int4-weight"
#define INT4   "int4-weight-only"
#define FLOAT8 "float8-dynamic-act-float8-weight"
#define MIXED  "float8-dynamic-act-int4-weight"

static const char *models;

static const model_row rows[] = {
    {"baseline", NULL, 0, "none", 29, 0, 1, NULL, "bf16", NULL, {0}},
    {"baseline/model.safetensors", NULL, 0, "none", 29, 0, 1, NULL, "bf16", NULL, {EXPLICIT}},
    {INT8 "/master", NULL, 0, "none", 29, 0, 1, NULL, "f32", NULL, {0}},
    {INT8 "/ptq", INT8, 32, "both", 29, 29, 2, NULL, "i4", "bf16", {0}},
    {INT8 "/ptq/model.safetensors.index.json", INT8, 32, "both", 29, 29, 2, NULL, "i4", "bf16", {EXPLICIT}},
    {INT8 "/ptq/model-00001-of-00002.safetensors",
     INT8,
     32,
     "both",
     16,
     16,
     1,
     NULL,
     "i4",
     "bf16",
     {EXPLICIT, "one shard of several"}},
    {INT8 "/ptq/model-00002-of-00002.safetensors",
     INT8,
     32,
     "both",
     13,
     13,
     1,
     NULL,
     "i4",
     "bf16",
     {EXPLICIT, "one shard of several"}},
    {INT8 "/ptq-transformers", INT8, 32, "both", 29, 28, 1, "lm_head", "i4", "bf16", {SILENT}},
    {INT8 "/qat", INT8, 32, "both", 29, 29, 1, NULL, "i4", "bf16", {0}},
    {INT8 "/qat-f32", INT8, 32, "both", 29, 29, 1, NULL, "i4", "f32", {0}},
    {INT8 "/qat-bin", INT8, 32, "both", 29, 29, 1, NULL, "i4", "bf16", {0}},
    {INT8 "/qat-bin-noconfig", INT8, 32, "tensors", 29, 29, 1, NULL, "i4", "bf16", {0}},
    {INT8 "/qat-bin/pytorch_model.bin", INT8, 32, "both", 29, 29, 1, NULL, "i4", "bf16", {EXPLICIT}},
    {INT4 "/master", NULL, 0, "none", 29, 0, 1, NULL, "bf16", NULL, {0}},
    {INT4 "/ptq", INT4, 128, "both", 29, 29, 1, NULL, "i4", "bf16", {0}},
    {INT4 "/qat", INT4, 128, "both", 29, 29, 1, NULL, "i4", "bf16", {0}},
    {INT4 "/qat-bin-noconfig", INT4, 128, "tensors", 29, 29, 1, NULL, "i4", "bf16", {0}},
    {FLOAT8 "/master", NULL, 0, "none", 29, 0, 1, NULL, "bf16", NULL, {0}},
    {FLOAT8 "/ptq", FLOAT8, 0, "both", 29, 28, 1, "lm_head", "e4m3", "f32", {SILENT}},
    {FLOAT8 "/qat", FLOAT8, 0, "both", 29, 28, 1, "lm_head", "e4m3", "f32", {SILENT}},
    {FLOAT8 "/qat-bin-noconfig", FLOAT8, 0, "tensors", 29, 28, 1, "lm_head", "e4m3", "f32", {SILENT}},
    {MIXED "/master", NULL, 0, "none", 29, 0, 1, NULL, "bf16", NULL, {0}},
    {MIXED "/ptq", MIXED, 128, "both", 29, 29, 1, NULL, "i4", "bf16", {0}},
    {MIXED "/qat", MIXED, 128, "both", 29, 29, 1, NULL, "i4", "bf16", {0}},
    {MIXED "/qat-bin-noconfig", MIXED, 128, "tensors", 29, 29, 1, NULL, "i4", "bf16", {0}},
    {"torchao-0.11/aqt.bin",
     INT8,
     32,
     "tensors",
     29,
     29,
     1,
     NULL,
     "i4",
     "bf16",
     {EXPLICIT, NO_CONFIG, "written by torchao 0.11"}},
    {"torchao-0.11/8da4w.bin",
     INT8,
     32,
     "tensors",
     29,
     29,
     1,
     NULL,
     "i4",
     "bf16",
     {EXPLICIT, NO_CONFIG, "nothing but their names"}},
};

/* inspect says of every checkpoint what it is, with its traps as warnings and no other warning. */
START_TEST(every_checkpoint) { check_row(models, &rows[_i]); }
END_TEST

static const char *const no_models[] = {"",
                                        INT8,
                                        "torchao-0.11",
                                        "README.md",
                                        "results.json",
                                        "baseline/config.json",
                                        "eval.safetensors",
                                        "eval-rows.safetensors",
                                        FLOAT8 "/logits.safetensors",
                                        FLOAT8 "/activations-convert.safetensors",
                                        "torchao-0.11/aqt-tensors.safetensors"};

/* What is no checkpoint is exit 3 with one line. */
START_TEST(no_checkpoint) {
  const answer *a = run("model inspect '%s/%s'", models, no_models[_i]);
  expect_answer(a, 3, "samebits model inspect: ", no_models[_i]);
  ck_assert_int_eq(a->error_lines, 1);
}
END_TEST

static const struct {
  const char *a, *b;
  int exit_code;
  const char *parts[3];
} comparisons[] = {
    {INT8 "/master", INT8 "/qat", 0, {"weights: 0 of 819584", "\nexact"}},
    {INT8 "/master", INT8 "/qat-f32", 0, {"weights: 0 of 819584", "\nexact"}},
    {INT8 "/qat", INT8 "/qat-bin", 0, {"\nexact"}},
    {INT4 "/master",
     INT4 "/qat",
     1,
     {"weights: 268573 of 819584 elements differ in 29 of 29", "scale-stored-narrow\n"}},
    {FLOAT8 "/master", FLOAT8 "/qat", 1, {"elements differ in 1 of 29", "left in float"}},
    {"torchao-0.11/aqt.bin", INT8 "/qat", 1, {"; 145 of 25612 scales, 1459 codes", "eps-value"}},
    {MIXED "/master",
     MIXED "/qat",
     1,
     {"weights: 158153 of 819584", "fp8-first-weight+recip-mul-vs-div+per-op-vs-upcast"}},
};

/* Masters against artifacts, and two versions' artifacts: exact, or as many differences as upstream's own tensors have.
 */
START_TEST(compared) {
  const answer *a = run("model compare '%s/%s' '%s/%s'", models, comparisons[_i].a, models, comparisons[_i].b);
  for (int i = 0; i < 3 && comparisons[_i].parts[i]; i++)
    expect_answer(a, comparisons[_i].exit_code, comparisons[_i].parts[i], comparisons[_i].a);
}
END_TEST

/* Of the captured float8 runs, the first difference is a sum: its operands are equal. */
START_TEST(captured_runs) {
  const char *f = FLOAT8;
  const answer *a =
      run("model compare --json %s/%s/master %s/%s/qat --activations %s/%s/activations-prepare.safetensors "
          "%s/%s/activations-convert.safetensors --logits %s/%s/logits.safetensors#prepare.bf16 "
          "%s/%s/logits.safetensors#convert.bf16",
          models, f, models, f, models, f, models, f, models, f, models, f);
  expect_answer(a, 1,
                "\"first_difference\":{\"tensor\":\"model.layers.0.self_attn.q_proj.output\",\"different\":5071,"
                "\"elements\":16384,\"operands_equal\":true}",
                "float8");
  expect_answer(a, 1, "\"modules\":29,\"different\":29", "float8");
  expect_answer(a, 1, "\"max_abs\":0.875,\"mean_abs\":0.13197", "float8");
  expect_answer(a, 1, "\"predictions\":128,\"predictions_differ\":2", "float8");
}
END_TEST

/* Evaluations that upstream ran: its loss is in results.json (nine digits), and that of each row, in f64, but for the
 * one made of stored weights. `all` rows of three of them, the first of the others: each row is exact, or the test
 * fails.
 */
static const struct {
  const char *path, *options, *entry[2];
  bool all;
} losses[] = {
    {"baseline", "--dtype f32", {"float", "baseline"}, true},
    {"baseline", "--dtype bf16", {"float", "baseline"}, false},
    {"baseline", "--dtype f32 --recipe " INT8 " --linear convert", {INT8, "ptq"}, false},
    {INT8 "/ptq", "--dtype bf16", {INT8, "ptq"}, false},
    {INT8 "/qat-f32", "--dtype f32", {INT8, "qat-convert"}, false},
    {INT8 "/qat", "--dtype bf16", {INT8, "qat-convert"}, false},
    {INT8 "/master", "--dtype bf16 --recipe " INT8 " --linear prepare", {INT8, "qat-prepare"}, false},
    {INT4 "/master", "--dtype f32 --recipe " INT4 " --linear prepare", {INT4, "qat-prepare"}, false},
    {INT4 "/master", "--dtype bf16 --recipe " INT4 " --linear prepare", {INT4, "qat-prepare"}, false},
    {INT4 "/qat", "--dtype bf16", {INT4, "qat-stored-weights-dequantized"}, true},
    {FLOAT8 "/master", "--dtype f32 --recipe " FLOAT8 " --linear prepare", {FLOAT8, "qat-prepare"}, false},
    {FLOAT8 "/ptq", "--dtype bf16", {FLOAT8, "ptq"}, false},
    {FLOAT8 "/qat", "--dtype bf16", {FLOAT8, "qat-convert"}, false},
    {MIXED "/master", "--dtype bf16 --recipe " MIXED " --linear prepare", {MIXED, "qat-prepare"}, false},
    {MIXED "/master", "--dtype f32 --recipe " MIXED " --linear prepare", {MIXED, "qat-prepare"}, false},
    {"baseline", "--dtype f32 --recipe " FLOAT8 " --linear prepare", {FLOAT8, "baseline-prepare"}, false},
    {"baseline", "--dtype f32 --recipe " MIXED " --linear prepare", {MIXED, "baseline-prepare"}, true},
};

/* The first rows of the captured tokens, in the suite's folder. */
static void write_first_rows(int64_t count) {
  sb_safetensors *file = open_captured(models, "eval.safetensors");
  sb_safetensors_writer *writer;
  char path[PATH_MAX];
  sb_tensor tokens = *sb_safetensors_find(file, "tokens");
  ck_assert_int_gt(tokens.dims[0], count);
  tokens.dims[0] = count;
  sb_ok(sb_safetensors_writer_new(&writer));
  sb_ok(sb_safetensors_put(writer, "tokens", &tokens));
  snprintf(path, sizeof path, "%s/tokens", folder);
  sb_ok(sb_safetensors_write(writer, path));
  sb_safetensors_writer_free(writer);
  sb_safetensors_close(file);
}

/* The evaluation loss is upstream's, for every model and dtype that upstream could run: the mean, and that of each row
 * to the last bit. */
START_TEST(evaluated) {
  enum { FIRST_ROWS = 48, ALL_ROWS = 384 };
  const int64_t count = losses[_i].all ? ALL_ROWS : FIRST_ROWS;
  const char *T = strstr(losses[_i].options, "bf16") ? "bf16" : "f32";
  char path[PATH_MAX], name[256];
  if (!losses[_i].all) write_first_rows(FIRST_ROWS);
  const answer *a = run("model eval --json %s/%s %s --tokens %s/%s", models, losses[_i].path, losses[_i].options,
                        losses[_i].all ? models : folder, losses[_i].all ? "eval.safetensors" : "tokens");
  snprintf(name, sizeof name, "\"predictions\":%d", (int)count * 127);
  expect_answer(a, 0, name, losses[_i].path);
  json_t *object = json_loads(a->text, JSON_DISABLE_EOF_CHECK, NULL);
  if (losses[_i].all) {
    snprintf(path, sizeof path, "%s/results.json", models);
    json_t *results = json_load_file(path, 0, NULL);
    const json_t *entry = json_object_get(json_object_get(results, "eval_loss"), losses[_i].entry[0]);
    const double expected = json_real_value(json_object_get(json_object_get(entry, losses[_i].entry[1]), T));
    ck_assert_double_gt(expected, 1.0);
    ck_assert_double_eq_tol(json_real_value(json_object_get(object, "eval_loss")), expected, 1e-9);
    json_decref(results);
  }
  sb_safetensors *file = open_captured(models, "eval-rows.safetensors");
  snprintf(name, sizeof name, "%s.%s.%s", losses[_i].entry[0], losses[_i].entry[1], T);
  const sb_tensor *theirs = sb_safetensors_find(file, name);
  const json_t *row_loss = json_object_get(object, "row_loss");
  ck_assert_msg(theirs ? sb_tensor_count(theirs) >= count : losses[_i].all, "no %s", name);
  ck_assert_int_eq((int)json_array_size(row_loss), (int)count);
  for (int64_t i = 0; theirs && i < count; i++)
    ck_assert_msg(json_number_value(json_array_get(row_loss, (size_t)i)) == sb_load(theirs->format, theirs->data, i),
                  "%s: row %d", name, (int)i);
  sb_safetensors_close(file);
  json_decref(object);
}
END_TEST

int main(void) {
  models = captured_models();
  if (!models) return SKIPPED;
  Suite *suite = suite_create("models_captured");
  TCase *tests = tcase_create("models_captured");
  tcase_add_unchecked_fixture(tests, make_folder, remove_folder);
  tcase_set_timeout(tests, 300);
  tcase_add_loop_test(tests, every_checkpoint, 0, sizeof rows / sizeof *rows);
  tcase_add_loop_test(tests, no_checkpoint, 0, sizeof no_models / sizeof *no_models);
  tcase_add_loop_test(tests, compared, 0, sizeof comparisons / sizeof *comparisons);
  tcase_add_test(tests, captured_runs);
  tcase_add_loop_test(tests, evaluated, 0, sizeof losses / sizeof *losses);
  suite_add_tcase(suite, tests);
  return run_suite(suite);
}
