/* The safetensors reader and writer: what is written is read back, and every broken file is one clear error. */
#include "samebits/safetensors.h"
#include "tests/scratch.h"

#include <stdio.h>
#include <sys/stat.h>

/* Parses a header text followed by `data_size` bytes of data. */
static sb_status parse(const char *header, size_t data_size, sb_safetensors **file) {
  size_t length = strlen(header);
  unsigned char *image = calloc(1, 8 + length + data_size);
  for (int i = 0; i < 8; i++) image[i] = (unsigned char)(length >> 8 * i);
  memcpy(image + 8, header, length);
  for (size_t i = 0; i < data_size; i++) image[8 + length + i] = (unsigned char)(i + 1);
  sb_status status = sb_safetensors_parse("memory", image, 8 + length + data_size, file);
  free(image);
  return status;
}

/* Tensors and metadata that were written come back with the same names, formats, shapes and bytes. */
START_TEST(round_trip) {
  float x[6] = {1, -0.0f, 3.5f, 0x1p-149f, -2, 7};
  int8_t codes[6] = {1, -2, 3, -4, 5, -128};
  uint8_t nibbles[3] = {0x21, 0x43, 0xf8};
  sb_tensor tensors[] = {sb_tensor_2d(SB_I8, 2, 3), sb_tensor_2d(SB_F32, 2, 3), sb_tensor_2d(SB_U8, 1, 3)};
  const char *names[] = {"a.codes", "a.x", "a.packed"};
  tensors[0].data = codes;
  tensors[1].data = x;
  tensors[2].data = nibbles;
  sb_safetensors_writer *writer;
  sb_ok(sb_safetensors_writer_new(&writer));
  for (int i = 0; i < 3; i++) sb_ok(sb_safetensors_put(writer, names[i], &tensors[i]));
  sb_ok(sb_safetensors_put_metadata(writer, "recipe", "some-recipe"));
  sb_ok(sb_safetensors_put_metadata(writer, "group_size", "32"));
  sb_ok(sb_safetensors_write(writer, in_folder("round.safetensors")));
  sb_safetensors *file;
  sb_ok(sb_safetensors_open(in_folder("round.safetensors"), &file));
  ck_assert_int_eq(sb_safetensors_count(file), 3);
  for (int i = 0; i < 3; i++) {
    const sb_tensor *got = sb_safetensors_find(file, names[i]);
    ck_assert_ptr_nonnull(got);
    ck_assert_int_eq(got->format, tensors[i].format);
    ck_assert_int_eq(got->rank, 2);
    ck_assert_int_eq(got->dims[0], tensors[i].dims[0]);
    ck_assert_int_eq(got->dims[1], tensors[i].dims[1]);
    ck_assert_mem_eq(got->data, tensors[i].data, (size_t)sb_tensor_bytes(got));
  }
  ck_assert_ptr_null(sb_safetensors_find(file, "a"));
  ck_assert_str_eq(sb_safetensors_metadata(file, "group_size"), "32");
  ck_assert_ptr_null(sb_safetensors_metadata(file, "none"));
  ck_assert_int_eq(sb_safetensors_metadata_count(file), 2);
  sb_safetensors_close(file);

  void *image;
  size_t size;
  sb_ok(sb_safetensors_encode(writer, &image, &size));
  sb_ok(sb_safetensors_parse("memory", image, size, &file));
  ck_assert_str_eq(sb_safetensors_name(file, 0), "a.x"); /* the widest first */
  sb_safetensors_close(file);
  /* Every prefix of a file is an error, never a crash. */
  for (size_t cut = 0; cut < size; cut++) {
    void *part = malloc(cut + 1); /* its own block, so that a sanitizer sees a read beyond it */
    memcpy(part, image, cut);
    part = realloc(part, cut ? cut : 1);
    ck_assert_int_eq(sb_safetensors_parse("memory", part, cut, &file), SB_FILE);
    ck_assert_ptr_null(file);
    free(part);
  }
  free(image);
  sb_safetensors_writer_free(writer);
}
END_TEST

/* A tensor at an offset that its format cannot be read from is still readable. */
START_TEST(unaligned_data) {
  sb_safetensors *file;
  sb_ok(parse("{\"b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
              "\"w\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[1,9]}}",
              9, &file));
  const sb_tensor *w = sb_safetensors_find(file, "w");
  ck_assert_uint_eq((uintptr_t)w->data % 4, 0);
  ck_assert_mem_eq(w->data, "\2\3\4\5\6\7\10\11", 8);
  sb_safetensors_close(file);
}
END_TEST

/* A header that breaks any rule is SB_FILE with a message that says which. */
START_TEST(hostile_headers) {
  static const struct {
    const char *header;
    size_t data;
    const char *message;
  } bad[] = {
      {"", 0, "not a JSON object"},
      {"[]", 0, "not a JSON object"},
      {"{", 0, "not valid JSON"},
      {"{}x", 0, "not valid JSON"},
      {"{\"a\":1}", 0, "lacks dtype"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "lacks dtype"},
      {"{\"a\":{\"dtype\":\"F31\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "unknown dtype"},
      {"{\"a\":{\"dtype\":\"bf16\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4, "unknown dtype"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", 4, "not a size"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1.0],\"data_offsets\":[0,4]}}", 4, "not a size"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,8]}}", 4, "not within"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}", 4, "not within"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[-4,0]}}", 4, "not within"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4, "the shape takes 8"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,4]}}", 4, "overflows"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904],\"data_offsets\":[0,4]}}", 4, "overflows"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,4]}}", 4, "rank 9"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[99999999999999999999],\"data_offsets\":[0,4]}}", 4, "not valid JSON"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 5, "the tensors take 4 bytes"},
      {"{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},"
       "\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[1,3]}}",
       3, "overlaps"},
      {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
       "\"b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[2,3]}}",
       3, "has a gap"},
      {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
       "\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}",
       2, "duplicate"},
      {"{\"__metadata__\":[]}", 0, "not an object"},
      {"{\"__metadata__\":{\"k\":1}}", 0, "not a string"},
      {"{\"a\\u0000b\":{}}", 0, "not valid JSON"},
      {"{\"\xff\":{}}", 0, "not valid JSON"},
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    sb_safetensors *file;
    ck_assert_msg(parse(bad[i].header, bad[i].data, &file) == SB_FILE, "accepted: %s", bad[i].header);
    ck_assert_ptr_null(file);
    ck_assert_msg(strstr(sb_message(), bad[i].message), "%s: %s", bad[i].header, sb_message());
    ck_assert_ptr_null(strchr(sb_message(), '\n'));
  }
}
END_TEST

/* Nesting without end, a header length beyond the file or beyond the limit, are errors and cost no stack or memory. */
START_TEST(hostile_sizes) {
  enum { DEPTH = 200000 };
  char *deep = malloc(DEPTH + 16);
  strcpy(deep, "{\"a\":");
  memset(deep + 5, '[', DEPTH);
  deep[5 + DEPTH] = 0;
  sb_safetensors *file;
  ck_assert_int_eq(parse(deep, 0, &file), SB_FILE);
  free(deep);
  unsigned char huge[16] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, '{', '}'};
  ck_assert_int_eq(sb_safetensors_parse("memory", huge, sizeof huge, &file), SB_FILE);
  ck_assert_ptr_nonnull(strstr(sb_message(), "18446744073709551615"));
  ck_assert_int_eq(sb_safetensors_parse("memory", NULL, 0, &file), SB_FILE);
}
END_TEST

/* A file that is missing, empty, a folder, or no regular file is SB_FILE. */
START_TEST(unreadable_files) {
  sb_safetensors *file;
  ck_assert_int_eq(sb_safetensors_open(in_folder("missing"), &file), SB_FILE);
  ck_assert_ptr_nonnull(strstr(sb_message(), "No such file"));
  ck_assert_int_eq(sb_safetensors_open(folder, &file), SB_FILE);
  ck_assert_int_eq(sb_safetensors_open("/dev/zero", &file), SB_FILE);
  FILE *empty = fopen(in_folder("empty"), "w");
  fclose(empty);
  ck_assert_int_eq(sb_safetensors_open(in_folder("empty"), &file), SB_FILE);
}
END_TEST

/* A full disk or a missing folder is SB_FILE; nothing is left behind and what was there stays. */
START_TEST(unwritable_files) {
  sb_safetensors_writer *writer;
  sb_ok(sb_safetensors_writer_new(&writer));
  ck_assert_int_eq(sb_safetensors_write(writer, "/dev/full"), SB_FILE);
  ck_assert_ptr_nonnull(strstr(sb_message(), "No space left"));
  ck_assert_int_eq(sb_safetensors_write(writer, in_folder("none/x")), SB_FILE);
  /* a folder in the way makes the rename fail: the temporary file is gone again */
  ck_assert_int_eq(mkdir(in_folder("way"), 0777), 0);
  ck_assert_int_eq(sb_safetensors_write(writer, in_folder("way")), SB_FILE);
  char command[256];
  snprintf(command, sizeof command, "ls %s/*.tmp 2>/dev/null | grep -q .", folder);
  ck_assert_int_ne(system(command), 0);
  sb_safetensors_writer_free(writer);
}
END_TEST

/* The writer refuses a name twice, text that is not UTF-8, and formats that the file format lacks. */
START_TEST(writer_refuses) {
  float one = 1;
  sb_tensor tensor = sb_tensor_2d(SB_F32, 1, 1), nibbles = sb_tensor_2d(SB_I4, 1, 2);
  tensor.data = nibbles.data = &one;
  sb_safetensors_writer *writer;
  sb_ok(sb_safetensors_writer_new(&writer));
  sb_ok(sb_safetensors_put(writer, "x", &tensor));
  ck_assert_int_eq(sb_safetensors_put(writer, "x", &tensor), SB_INVALID);
  ck_assert_int_eq(sb_safetensors_put(writer, "\xff", &tensor), SB_INVALID);
  ck_assert_int_eq(sb_safetensors_put_metadata(writer, "k", "\xff"), SB_INVALID);
  ck_assert_int_eq(sb_safetensors_put(writer, "n", &nibbles), SB_INVALID);
  sb_safetensors_writer_free(writer);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("safetensors");
  TCase *tests = tcase_create("safetensors");
  tcase_add_unchecked_fixture(tests, make_folder, remove_folder);
  tcase_add_test(tests, round_trip);
  tcase_add_test(tests, unaligned_data);
  tcase_add_test(tests, hostile_headers);
  tcase_add_test(tests, hostile_sizes);
  tcase_add_test(tests, unreadable_files);
  tcase_add_test(tests, unwritable_files);
  tcase_add_test(tests, writer_refuses);
  suite_add_tcase(suite, tests);
  return run_suite(suite);
}
