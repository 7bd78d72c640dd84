/* Whole checkpoints that upstream wrote, in the folder that SAMEBITS_MODELS names; without it the suite is skipped. */
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

int main(void) {
  enum { SKIPPED = 77 };
  models = getenv("SAMEBITS_MODELS");
  if (!models || !*models) {
    puts("skipped: SAMEBITS_MODELS names no folder of captured checkpoints");
    return SKIPPED;
  }
  Suite *suite = suite_create("models_captured");
  TCase *tests = tcase_create("models_captured");
  tcase_add_unchecked_fixture(tests, make_folder, remove_folder);
  tcase_set_timeout(tests, 300);
  tcase_add_loop_test(tests, every_checkpoint, 0, sizeof rows / sizeof *rows);
  tcase_add_loop_test(tests, no_checkpoint, 0, sizeof no_models / sizeof *no_models);
  suite_add_tcase(suite, tests);
  return run_suite(suite);
}
