/* Reading checkpoints: what upstream wrote, and what upstream could have written. */
#include "samebits/compare.h"
#include "samebits/model.h"
#include "tests/model_files.h"
#include "tests/model_rows.h"

#define CUTS   SAMEBITS_SOURCE_DIR "/tests/models"
#define INT8   "int8-dynamic-act-int4-weight"
#define INT4   "int4-weight-only"
#define FLOAT8 "float8-dynamic-act-float8-weight"
#define MIXED  "float8-dynamic-act-int4-weight"

static const model_row rows[] = {
    {INT8 "/master", NULL, 0, "none", 2, 0, 1, NULL, "f32", NULL, {0}},
    {INT8 "/qat", INT8, 32, "both", 2, 2, 1, NULL, "i4", "bf16", {0}},
    {INT8 "/qat-f32", INT8, 32, "both", 2, 2, 1, NULL, "i4", "f32", {0}},
    {INT8 "/qat-bin-noconfig", INT8, 32, "tensors", 1, 1, 1, NULL, "i4", "bf16", {NO_CONFIG}},
    {INT4 "/master", NULL, 0, "none", 2, 0, 1, NULL, "bf16", NULL, {0}},
    {INT4 "/qat", INT4, 128, "both", 2, 2, 1, NULL, "i4", "bf16", {0}},
    {FLOAT8 "/qat", FLOAT8, 0, "both", 2, 1, 1, "lm_head", "e4m3", "f32", {SILENT}},
    {FLOAT8 "/qat/model.safetensors", FLOAT8, 0, "both", 2, 1, 1, "lm_head", "e4m3", "f32", {SILENT, EXPLICIT}},
    {FLOAT8 "/qat-bin-noconfig", FLOAT8, 0, "tensors", 1, 1, 1, NULL, "e4m3", "f32", {NO_CONFIG}},
    {MIXED "/qat", MIXED, 128, "both", 2, 2, 1, NULL, "i4", "bf16", {0}},
    {"torchao-0.11/aqt.bin",
     INT8,
     32,
     "tensors",
     1,
     1,
     1,
     NULL,
     "i4",
     "bf16",
     {EXPLICIT, NO_CONFIG, "written by torchao 0.11"}},
};

/* inspect says of every cut of a real checkpoint what it is, with its traps as warnings and no other warning. */
START_TEST(real_cuts) { check_row(CUTS, &rows[_i]); }
END_TEST

#define DTYPE(name) "{\"_type\":\"torch.dtype\",\"_data\":\"" name "\"}"
#define INTX                                                                                                           \
  "{\"_type\":\"IntxUnpackedToInt8Tensor\",\"_data\":{\"target_dtype\":" DTYPE(                                        \
      "int4") ",\"block_size\":[1,32],"                                                                                \
              "\"dtype\":" DTYPE("bfloat16") ",\"activation_quantization\":\"int8_asym_per_token\"},"                  \
                                             "\"_tensor_data_names\":[\"qdata\",\"scale\",\"zero_point\"]}"
#define CONFIG(type, data)                                                                                             \
  "{\"quantization_config\":{\"quant_method\":\"torchao\",\"quant_type\":{\"default\":{\"_type\":\"" type              \
  "\",\"_version\":2,\"_data\":" data "}}}}"

static void put_intx(sb_safetensors_writer *writer, const char *description) {
  sb_ok(sb_safetensors_put_metadata(writer, "tensor_names", "[\"a.up_proj.weight\"]"));
  sb_ok(sb_safetensors_put_metadata(writer, "a.up_proj.weight", description));
  put(writer, "a.up_proj._weight_qdata", SB_I8, 8, 64);
  put(writer, "a.up_proj._weight_scale", SB_BF16, 8, 2);
  put(writer, "a.up_proj._weight_zero_point", SB_I8, 8, 2);
}

/* Flattened safetensors without a configuration, tiers that disagree, a float layer that the configuration does name,
 * and tied embeddings are each told. */
START_TEST(traps) {
  sb_safetensors_writer *writer = begin_model("{}");
  put_intx(writer, INTX);
  end_model(writer);
  check_row(folder,
            &(model_row){"m", INT8, 32, "tensors", 1, 1, 1, NULL, "i4", "bf16", {"freshly initialised weights"}});
  writer = begin_model(CONFIG("Int4WeightOnlyConfig", "{\"group_size\":128}"));
  put_intx(writer, INTX);
  end_model(writer);
  check_row(folder, &(model_row){"m", INT8, 32, "both", 1, 1, 1, NULL, "i4", "bf16", {"the tiers disagree"}});
  writer = begin_model(CONFIG("Int8DynamicActivationIntxWeightConfig",
                              "{\"weight_granularity\":{\"_type\":\"PerGroup\",\"_data\":{\"group_size\":64}}}"));
  put_intx(writer, INTX);
  end_model(writer);
  check_row(folder, &(model_row){"m", INT8, 32, "both", 1, 1, 1, NULL, "i4", "bf16", {"the tiers disagree"}});
  writer = begin_model(CONFIG("Int4WeightOnlyConfig", "{}"));
  put(writer, "a.up_proj.weight", SB_BF16, 8, 64);
  end_model(writer);
  check_row(
      folder,
      &(model_row){"m", INT4, 128, "config", 1, 0, 1, "a.up_proj", "bf16", NULL, {"no Linear layer is quantized"}});
}
END_TEST

/* The quantizer of torchao 0.11 leaves plain tensors, told by their names; a tied lm_head is a layer without a tensor.
 */
START_TEST(plain_forms) {
  sb_safetensors_writer *writer = begin_model("{\"tie_word_embeddings\":true}");
  put(writer, "a.up_proj.weight", SB_I8, 8, 64);
  put(writer, "a.up_proj.scales", SB_BF16, 8, 2);
  put(writer, "a.up_proj.zeros", SB_BF16, 8, 2);
  put(writer, "model.embed_tokens.weight", SB_BF16, 8, 64);
  end_model(writer);
  const answer *a = run("model inspect --json %s/m", folder);
  expect_answer(a, 0, "\"unquantized\":[\"lm_head\"]", "8da4w, tied");
  ck_assert_ptr_nonnull(strstr(a->text, "\"linear_layers\":2,\"quantized_layers\":1"));
  ck_assert_ptr_nonnull(strstr(a->text, "nothing but their names"));
  ck_assert_ptr_nonnull(strstr(a->text, "tied to model.embed_tokens"));
}
END_TEST

/* An unknown subclass, attributes of no recipe, parts that are missing or do not fit, and two recipes are errors that
 * name them. */
START_TEST(wrong_tensors) {
  static const struct {
    const char *description, *part;
  } bad[] = {
      {"{\"_type\":\"NVFP4Tensor\",\"_data\":{},\"_tensor_data_names\":[\"qdata\"]}", "unknown subclass NVFP4Tensor"},
      {"{\"_type\":\"IntxUnpackedToInt8Tensor\",\"_data\":{\"block_size\":[1,32],\"activation_quantization\":null},"
       "\"_tensor_data_names\":[\"qdata\",\"scale\",\"zero_point\"]}",
       "no known recipe"},
      {"{\"_type\":\"IntxUnpackedToInt8Tensor\",\"_data\":{\"block_size\":[1,64],\"activation_quantization\":"
       "\"int8_asym_per_token\"},\"_tensor_data_names\":[\"qdata\",\"scale\",\"zero_point\"]}",
       "[N, K/g]"},
      {"{\"_type\":\"IntxUnpackedToInt8Tensor\",\"_data\":{\"block_size\":[1,0],\"activation_quantization\":"
       "\"int8_asym_per_token\"},\"_tensor_data_names\":[\"qdata\",\"scale\",\"zero_point\"]}",
       "block_size"},
      {"{\"_type\":\"Int4Tensor\",\"_data\":{},\"_tensor_data_names\":[\"qdata\",\"scale\",\"zeros\"]}",
       "_weight_zeros"},
      {"{\"_type\":\"Int4Tensor\",\"_data\":{},\"_tensor_data_names\":[\"qdata\",\"qdata\"]}", "second time"},
      {"{\"_type\":\"Int4Tensor\",\"_data\":{}}", "_tensor_data_names"},
      {"[", "is not {"},
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    sb_safetensors_writer *writer = begin_model("{}");
    put_intx(writer, bad[i].description);
    end_model(writer);
    expect_refusal(3, bad[i].part, "m");
  }
  sb_safetensors_writer *writer = begin_model(
      "{\"quantization_config\":{\"quant_method\":\"torchao\",\"quant_type\":{\"default\":{\"_type\":"
      "\"Int4WeightOnlyConfig\",\"_data\":{}},\"lm_head\":{\"_type\":\"Float8DynamicActivationFloat8WeightConfig\","
      "\"_data\":{}}}}}");
  put(writer, "a.up_proj.weight", SB_BF16, 8, 64);
  end_model(writer);
  expect_refusal(2, "two recipes, int4-weight-only and float8-dynamic-act-float8-weight", "m");
  writer = begin_model("{\"quantization_config\":{\"quant_method\":\"gptq\"}}");
  put(writer, "a.up_proj.weight", SB_BF16, 8, 64);
  end_model(writer);
  expect_refusal(3, "gptq", "m");
}
END_TEST

/* ---- the reader's values against upstream's numerics ---- */

static void expect_same(const char *what, const sb_tensor *a, const sb_tensor *b) {
  sb_comparison c;
  sb_ok(sb_compare(a, b, &c, NULL, NULL));
  ck_assert_msg(c.different == 0 && c.elements > 0, "%s: %lld of %lld differ", what, (long long)c.different,
                (long long)c.elements);
}

/* Codes, scale, zero point and weight as read from upstream's artifact are what the reference converts from the master.
 */
START_TEST(artifact_is_what_convert_makes) {
  static const struct {
    const char *recipe, *artifact, *variant;
    sb_format T;
  } table[] = {{INT8, "qat", "", SB_BF16},
               {INT8, "qat-f32", "", SB_F32},
               {INT4, "qat", "", SB_BF16},
               {FLOAT8, "qat", "", SB_BF16},
               {MIXED, "qat", "plain", SB_BF16}};
  int compared = 0;
  char path[PATH_MAX];
  sb_model *master, *artifact;
  sb_model_report a, b;
  snprintf(path, sizeof path, CUTS "/%s/master", table[_i].recipe);
  sb_ok(sb_model_open(path, &master));
  snprintf(path, sizeof path, CUTS "/%s/%s", table[_i].recipe, table[_i].artifact);
  sb_ok(sb_model_open(path, &artifact));
  sb_ok(sb_model_inspect(master, &a));
  sb_ok(sb_model_inspect(artifact, &b));
  sb_spec spec;
  sb_ok(sb_spec_make(table[_i].recipe, SB_WEIGHT, SB_CONVERT, SB_TORCHAO_0_18_CPU, table[_i].variant, table[_i].T, -1,
                     &spec));
  for (int i = 0; i < a.layer_count; i++) {
    if (!b.layers[i].quantized) continue;
    sb_tensor in[SB_SLOTS] = {0}, out[SB_SLOTS], got[3], weight;
    sb_ok(sb_model_layer_weight(&a.layers[i], table[_i].T, &in[SB_X]));
    sb_ok(sb_spec_tensors(&spec, a.layers[i].rows, a.layers[i].cols, NULL, out));
    for (int s = 0; s < SB_SLOTS; s++)
      if (out[s].rank) sb_ok(sb_tensor_alloc(&out[s]));
    sb_ok(sb_run(&spec, in, out, NULL));
    sb_ok(sb_model_layer_load(&b.layers[i], &got[0], &got[1], &got[2]));
    sb_ok(sb_model_layer_weight(&b.layers[i], table[_i].T, &weight));
    expect_same("codes", &out[SB_CODES], &got[0]);
    expect_same("scale", &out[SB_SCALE], &got[1]);
    if (got[2].data) expect_same("zero_point", &out[SB_ZERO_POINT], &got[2]);
    expect_same("weight", &out[SB_OUTPUT], &weight);
    for (int s = 0; s < SB_SLOTS; s++) sb_tensor_free(&out[s]);
    for (int s = 0; s < 3; s++) sb_tensor_free(&got[s]);
    sb_tensor_free(&in[SB_X]);
    sb_tensor_free(&weight);
    compared++;
  }
  ck_assert_int_gt(compared, 0);
  sb_model_report_free(&a);
  sb_model_report_free(&b);
  sb_model_close(master);
  sb_model_close(artifact);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("models");
  TCase *tests = tcase_create("models");
  tcase_add_unchecked_fixture(tests, make_folder, remove_folder);
  tcase_set_timeout(tests, 300);
  tcase_add_loop_test(tests, real_cuts, 0, sizeof rows / sizeof *rows);
  tcase_add_test(tests, traps);
  tcase_add_test(tests, plain_forms);
  tcase_add_test(tests, wrong_tensors);
  tcase_add_loop_test(tests, artifact_is_what_convert_makes, 0, 5);
  suite_add_tcase(suite, tests);
  return run_suite(suite);
}
