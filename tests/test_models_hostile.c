/* Hostile checkpoints: each is one line and an exit code, and nothing of it is done. */
#include "samebits/model.h"
#include "tests/model_files.h"

#include <unistd.h>
#include <zip.h>

#define CUTS SAMEBITS_SOURCE_DIR "/tests/models"
#define INT8 "int8-dynamic-act-int4-weight"

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
  expect_refusal(3, "not a readable zip archive", "x.bin");
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

int main(void) {
  Suite *suite = suite_create("models_hostile");
  TCase *tests = tcase_create("models_hostile");
  tcase_add_unchecked_fixture(tests, make_folder, remove_folder);
  tcase_set_timeout(tests, 300);
  tcase_add_test(tests, pickled_sizes);
  tcase_add_test(tests, hostile_pickles);
  tcase_add_test(tests, deep_files);
  tcase_add_test(tests, damaged_zip);
  tcase_add_test(tests, shards);
  suite_add_tcase(suite, tests);
  return run_suite(suite);
}
