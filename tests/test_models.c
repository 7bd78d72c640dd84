/* Reading checkpoints: what upstream wrote, what upstream could have written, and what nobody should. */
#include "samebits/compare.h"
#include "samebits/model.h"
#include "samebits/safetensors.h"
#include "tests/model_rows.h"

#include <sys/stat.h>
#include <zip.h>

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

/* ---- checkpoints of our own ---- */

static void write_text(const char *name, const char *text) {
  FILE *file = fopen(in_folder(name), "w");
  ck_assert_ptr_nonnull(file);
  fputs(text, file);
  fclose(file);
}

/* FOLDER/m with model.safetensors and, where `config` is given, config.json. */
static sb_safetensors_writer *begin_model(const char *config) {
  ck_assert_int_eq(system("true"), 0);
  char command[128];
  snprintf(command, sizeof command, "rm -rf %s/m", folder);
  ck_assert_int_eq(system(command), 0);
  ck_assert_int_eq(mkdir(in_folder("m"), 0777), 0);
  if (config) write_text("m/config.json", config);
  sb_safetensors_writer *writer;
  sb_ok(sb_safetensors_writer_new(&writer));
  return writer;
}

static void put(sb_safetensors_writer *writer, const char *name, sb_format format, int64_t rows_, int64_t cols) {
  static char zeros[1 << 16];
  sb_tensor tensor = sb_tensor_2d(format, rows_, cols);
  tensor.data = zeros;
  sb_ok(sb_safetensors_put(writer, name, &tensor));
}

static void end_model(sb_safetensors_writer *writer) {
  sb_ok(sb_safetensors_write(writer, in_folder("m/model.safetensors")));
  sb_safetensors_writer_free(writer);
}

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

static void expect_refusal(int exit_code, const char *part, const char *path) {
  const answer *a = run("model inspect %s/%s", folder, path);
  expect_answer(a, exit_code, part, path);
  ck_assert_msg(a->error_lines == 1, "%s: %d lines of error: %s", path, a->error_lines, a->text);
}

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

/* ---- hostile files ---- */

static char pickle[1 << 21];
static size_t pickle_size;

static void pickled(const void *bytes, size_t size) {
  ck_assert_uint_le(pickle_size + size, sizeof pickle);
  memcpy(pickle + pickle_size, bytes, size);
  pickle_size += size;
}

#define PICKLED(text) pickled(text, sizeof(text) - 1)

/* FOLDER/x.bin: torch.save's archive around the pickle, with one storage of 8 bytes, and empties the pickle. */
static void write_bin(void) {
  static const char storage[8] = {1, 2, 3, 4, 5, 6, 7, 8};
  const struct {
    const char *name;
    const void *data;
    size_t size;
  } entries[] = {{"x/data.pkl", pickle, pickle_size}, {"x/byteorder", "little", 6}, {"x/data/0", storage, 8}};
  unlink(in_folder("x.bin"));
  zip_t *zip = zip_open(in_folder("x.bin"), ZIP_CREATE, NULL);
  ck_assert_ptr_nonnull(zip);
  for (int i = 0; i < 3; i++) {
    zip_source_t *source = zip_source_buffer(zip, entries[i].data, entries[i].size, 0);
    const zip_int64_t at = zip_file_add(zip, entries[i].name, source, 0);
    ck_assert_int_ge(at, 0);
    zip_set_file_compression(zip, (zip_uint64_t)at, ZIP_CM_STORE, 0);
  }
  ck_assert_int_eq(zip_close(zip), 0);
  pickle_size = 0;
}

/* A state dict {"a.weight": _rebuild_tensor_v2(storage of `elements` f32, offset, (4-byte size, 1), stride (s, 1)...)}.
 */
static void pickle_tensor(uint32_t elements, uint32_t offset, uint32_t rows_, uint32_t stride) {
  const uint32_t numbers[] = {elements, offset, rows_, stride};
  PICKLED("\x80\x02}X\x08\0\0\0a.weightctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\n"
          "X\x01\0\0\0"
          "0X\x03\0\0\0cpuJ");
  pickled(&numbers[0], 4);
  PICKLED("tQJ");
  pickled(&numbers[1], 4);
  PICKLED("J");
  pickled(&numbers[2], 4);
  PICKLED("K\x01\x86J");
  pickled(&numbers[3], 4);
  PICKLED("K\x01\x86\x89)tRs.");
}

/* A plain tensor is read; one whose size, stride, offset or storage do not agree is refused, overflow included. */
START_TEST(pickled_sizes) {
  pickle_tensor(2, 0, 2, 1);
  write_bin();
  expect_answer(run("model inspect --json %s/x.bin", folder), 0, "\"shape\":[2,1]", "a good one");
  static const uint32_t bad[][4] = {{3, 0, 2, 1},          {2, 1, 2, 1},          {2, 0, 3, 1},
                                    {2, 0, 2, 2},          {2, 0x7fffffff, 2, 1}, {2, 0, 0x7fffffff, 0x7fffffff},
                                    {0x7fffffff, 0, 2, 1}, {2, 0xffffffff, 2, 1}, {2, 0, 0xffffffff, 1},
                                    {2, 0, 0x7fffffff, 0}};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    pickle_tensor(bad[i][0], bad[i][1], bad[i][2], bad[i][3]);
    write_bin();
    expect_refusal(3, "tensor \"a.weight\"", "x.bin");
  }
}
END_TEST

/* What a pickle may not do is refused by name and never done. */
START_TEST(hostile_pickles) {
  static const struct {
    const char *bytes;
    size_t size;
    const char *part;
  } bad[] = {
#define BAD(text, part) {text, sizeof(text) - 1, part}
      BAD("\x80\x02"
          "cos\nsystem\nX\x04\0\0\0"
          "true\x85R.",
          "os.system"),
      BAD("\x80\x02"
          "cbuiltins\neval\n)R.",
          "builtins.eval"),
      BAD("\x80\x02"
          "cposix\nsystem\nX\x04\0\0\0"
          "true\x85R.",
          "posix.system"),
      BAD("\x80\x04\x8c\x02os\x8c\x06system\x93.", "protocol"),
      BAD("\x80\x02"
          "(ios\nsystem\n.",
          "opcode 0x69"),
      BAD("\x80\x02}", "ends in the middle"),
      BAD("\x80\x02.", "one object"),
      BAD("\x80\x02}}.", "one object"),
      BAD("\x80\x02K\x01.", "not a state dict"),
      BAD("\x80\x02h\x01.", "memo entry"),
      BAD("\x80\x02}r\xff\xff\xff\x7f.", "memo index"),
      BAD("\x80\x02X\xff\xff\xff\xff"
          "a.",
          "ends in the middle"),
      BAD("\x80\x02}q\x00h\x00h\x00s.", "already used"),
      BAD("\x80\x02]q\x00h\x00"
          "a.",
          "already used"),
      BAD("\x80\x02}K\x01K\x01s.", "no string"),
      BAD("\x80\x02}X\x01\0\0\0"
          "aK\x01s.",
          "not a tensor"),
      BAD("\x80\x02K\x01)R.", "not a global"),
#undef BAD
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    pickled(bad[i].bytes, bad[i].size);
    write_bin();
    expect_refusal(3, bad[i].part, "x.bin");
  }
}
END_TEST

/* Nesting of a million marks or tuples, a memo that doubles itself, and a JSON of a million brackets end at their
 * limits. */
START_TEST(deep_files) {
  PICKLED("\x80\x02");
  for (int i = 0; i < 1000000; i++) PICKLED("(");
  PICKLED(".");
  write_bin();
  expect_refusal(3, "nested too deep", "x.bin");
  PICKLED("\x80\x02)");
  for (int i = 0; i < 1000000; i++) PICKLED("\x85");
  PICKLED(".");
  write_bin();
  expect_refusal(3, "nested deeper than 64", "x.bin");
  PICKLED("\x80\x02)q\x00");
  for (int i = 0; i < 60; i++) PICKLED("h\x00h\x00\x86q\x00");
  PICKLED(".");
  write_bin();
  expect_refusal(3, "too many objects", "x.bin");
  sb_safetensors_writer *writer = begin_model("{}");
  put(writer, "a.up_proj.weight", SB_BF16, 8, 64);
  end_model(writer);
  memset(pickle, '[', 1000000);
  pickle[1000000] = 0;
  write_text("m/config.json", pickle);
  expect_refusal(3, "not valid JSON", "m");
}
END_TEST

/* A real archive that is cut, or has one bit of a tensor flipped, is refused. */
START_TEST(damaged_zip) {
  static char bytes[1 << 17];
  FILE *file = fopen(CUTS "/" INT8 "/qat-bin-noconfig/pytorch_model.bin", "rb");
  const size_t size = fread(bytes, 1, sizeof bytes, file);
  fclose(file);
  ck_assert_uint_lt(size, sizeof bytes);
  for (size_t keep = 0; keep < size; keep += keep < 64 ? 1 : 7919) {
    file = fopen(in_folder("x.bin"), "wb");
    fwrite(bytes, 1, keep, file);
    fclose(file);
    sb_model *model;
    ck_assert_int_eq(sb_model_open(in_folder("x.bin"), &model), SB_FILE);
  }
  bytes[size / 2] = (char)(bytes[size / 2] ^ 1);
  file = fopen(in_folder("x.bin"), "wb");
  fwrite(bytes, 1, size, file);
  fclose(file);
  expect_refusal(3, "CRC", "x.bin");
}
END_TEST

/* An index whose shard is missing, lies elsewhere, or lacks a tensor is refused by the shard's name. */
START_TEST(shards) {
  static const struct {
    const char *index, *part;
  } bad[] = {
      {"{\"weight_map\":{\"a.up_proj.weight\":\"one.safetensors\",\"b\":\"two.safetensors\"}}",
       "\"two.safetensors\", is missing"},
      {"{\"weight_map\":{\"a\":\"../m/one.safetensors\"}}", "beside it"},
      {"{\"weight_map\":{\"a.down_proj.weight\":\"one.safetensors\"}}", "a.down_proj.weight"},
      {"{\"weight_map\":{}}", "names no file"},
      {"{\"weight_map\":{\"a\":1}}", "beside it"},
      {"{}", "no weight_map"},
      {"[", "not valid JSON"},
  };
  sb_safetensors_writer *writer = begin_model("{}");
  put(writer, "a.up_proj.weight", SB_BF16, 8, 64);
  sb_ok(sb_safetensors_write(writer, in_folder("m/one.safetensors")));
  sb_safetensors_writer_free(writer);
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    write_text("m/model.safetensors.index.json", bad[i].index);
    expect_refusal(3, bad[i].part, "m");
  }
  write_text("m/model.safetensors.index.json", "{\"weight_map\":{\"a.up_proj.weight\":\"one.safetensors\"}}");
  expect_answer(run("model inspect --json %s/m", folder), 0, "\"shards\":1", "a good index");
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
  tcase_add_test(tests, pickled_sizes);
  tcase_add_test(tests, hostile_pickles);
  tcase_add_test(tests, deep_files);
  tcase_add_test(tests, damaged_zip);
  tcase_add_test(tests, shards);
  tcase_add_loop_test(tests, artifact_is_what_convert_makes, 0, 5);
  suite_add_tcase(suite, tests);
  return run_suite(suite);
}
