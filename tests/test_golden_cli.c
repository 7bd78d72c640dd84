/* samebits golden verify: every flipped bit is found and named, every broken file is one line. */
#include "samebits/golden.h"
#include "tests/command_line.h"

#include <dirent.h>

/* A golden file of the project, found by a part of its name. */
static const char *golden_file(const char *part) {
  static char path[PATH_MAX];
  DIR *data = opendir(SAMEBITS_SOURCE_DIR "/conformance/golden/data");
  ck_assert_ptr_nonnull(data);
  bool found = false;
  for (struct dirent *entry; !found && (entry = readdir(data));) {
    found = strstr(entry->d_name, part) != NULL;
    if (found) snprintf(path, sizeof path, SAMEBITS_SOURCE_DIR "/conformance/golden/data/%s", entry->d_name);
  }
  closedir(data);
  ck_assert_msg(found, "no golden file %s", part);
  return path;
}

/* A copy of a golden file with one bit of one tensor flipped. */
static void flip(const char *from, const char *tensor_end, int64_t index, int bit, const char *to, char name[256]) {
  sb_safetensors *file;
  sb_safetensors_writer *writer;
  bool flipped = false;
  sb_ok(sb_safetensors_open(from, &file));
  sb_ok(sb_safetensors_writer_new(&writer));
  for (int i = 0; i < sb_safetensors_metadata_count(file); i++) {
    const char *key, *value;
    sb_safetensors_metadata_at(file, i, &key, &value);
    sb_ok(sb_safetensors_put_metadata(writer, key, value));
  }
  for (int i = 0; i < sb_safetensors_count(file); i++) {
    const sb_tensor *tensor = sb_safetensors_at(file, i);
    const char *dot = strrchr(sb_safetensors_name(file, i), '.');
    if (!flipped && strcmp(dot + 1, tensor_end) == 0 && strncmp(sb_safetensors_name(file, i), "normal", 6) == 0) {
      int width = sb_format_of(tensor->format)->bits;
      ck_assert_int_lt(bit, width);
      ((uint8_t *)tensor->data)[index * width / 8 + bit / 8] ^= (uint8_t)(1 << bit % 8);
      snprintf(name, 256, "case %.*s: %s[", (int)(dot - sb_safetensors_name(file, i)), sb_safetensors_name(file, i),
               tensor_end);
      flipped = true;
    }
    sb_ok(sb_safetensors_put(writer, sb_safetensors_name(file, i), tensor));
  }
  ck_assert(flipped);
  sb_ok(sb_safetensors_write(writer, to));
  sb_safetensors_writer_free(writer);
  sb_safetensors_close(file);
}

/* The project's golden data has the reference's bits, and SAMEBITS_GOLDEN's where it is set. */
START_TEST(golden_verifies) {
  expect_answer(run("golden verify conformance/golden/data/*"), 0, " 0 differ", "golden data");
  char *folders = getenv("SAMEBITS_GOLDEN"), *rest = NULL, copy[4096];
  if (!folders) return;
  snprintf(copy, sizeof copy, "%s", folders);
  for (char *one = strtok_r(copy, ":", &rest); one; one = strtok_r(NULL, ":", &rest)) {
    answer *a = run("golden verify '%s'/*.safetensors", one);
    expect_answer(a, 0, " 0 differ", one);
  }
}
END_TEST

/* One flipped bit in any tensor gives exit 1 and names case, tensor and index, with both values. */
START_TEST(flipped_bits) {
  static const struct {
    const char *file, *tensor;
    int64_t index;
    int bit;
  } rows[] = {{"int8-dynamic-act-int4-weight__activation-prepare__torchao-0.18", "scale", 0, 0},
              {"int8-dynamic-act-int4-weight__activation-convert__torchao-0.18", "zero_point", 0, 0},
              {"int8-dynamic-act-int4-weight__activation-convert__torchao-0.18", "codes", 17, 7},
              {"int8-dynamic-act-int4-weight__weight-convert__torchao-0.18", "output", 3, 15},
              {"int4-weight-only__weight-convert__torchao-0.18", "packed", 5, 4},
              {"float8-dynamic-act-int4-weight__weight-convert__torchao-0.18", "row_scale", 0, 31},
              {"float8-dynamic-act-float8-weight__weight-prepare__torchao-0.18", "codes", 2, 0}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    char place[256];
    const char *to = in_folder("flipped.safetensors");
    flip(golden_file(rows[i].file), rows[i].tensor, rows[i].index, rows[i].bit, to, place);
    const answer *a = run("golden verify %s/flipped.safetensors", folder);
    expect_answer(a, 1, place, rows[i].file);
    expect_answer(a, 1, " 1 differ\n", rows[i].file);
    ck_assert_ptr_nonnull(strstr(a->text, "expected 0x"));
    ck_assert_ptr_nonnull(strstr(a->text, "got 0x"));
    a = run("golden verify --json %s/flipped.safetensors", folder);
    expect_answer(a, 1, "\"different\":1}", rows[i].file);
    expect_answer(a, 1, "\"tensor\":\"", rows[i].file);
  }
}
END_TEST

/* Rewrites a golden file's metadata entry, or drops its tensors. */
static void spoil(const char *key, const char *value, bool drop) {
  sb_safetensors *file;
  sb_safetensors_writer *writer;
  sb_ok(sb_safetensors_open(golden_file("int8-dynamic-act-int4-weight__activation-prepare__torchao-0.18"), &file));
  sb_ok(sb_safetensors_writer_new(&writer));
  for (int i = 0; i < sb_safetensors_metadata_count(file); i++) {
    const char *k, *v;
    sb_safetensors_metadata_at(file, i, &k, &v);
    if (strcmp(k, key) != 0) sb_ok(sb_safetensors_put_metadata(writer, k, v));
  }
  if (value) sb_ok(sb_safetensors_put_metadata(writer, key, value));
  for (int i = 0; i < sb_safetensors_count(file) && !drop; i++)
    sb_ok(sb_safetensors_put(writer, sb_safetensors_name(file, i), sb_safetensors_at(file, i)));
  sb_ok(sb_safetensors_write(writer, in_folder("spoiled.safetensors")));
  sb_safetensors_writer_free(writer);
  sb_safetensors_close(file);
}

/* A golden file that is no such file, names what is not known, or holds no case is exit 3; so are an empty and a
 * truncated one, also beside a good one. */
START_TEST(broken_golden) {
  static const char *const rows[][2] = {{"samebits.golden", NULL}, {"samebits.golden", "2"}, {"recipe", "none"},
                                        {"flavor", "none"},        {"variant", "none"},      {"dtype", "f31"},
                                        {"dtype", "bf16x"},        {"group_size", "x"},      {"group_size", "-1"},
                                        {"step", "both"},          {"step", "none"},         {"side", "none"}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    spoil(rows[i][0], rows[i][1], false);
    const answer *a = run("golden verify %s/spoiled.safetensors", folder);
    expect_answer(a, 3, "spoiled.safetensors", rows[i][0]);
    ck_assert_int_eq(a->error_lines, 1);
  }
  static const char *const needed[] = {"recipe", "flavor", "dtype", "group_size", "side", "step"};
  for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
    char lacks[64];
    spoil(needed[i], NULL, false);
    snprintf(lacks, sizeof lacks, "spoiled.safetensors: its metadata lacks %s\n", needed[i]);
    const answer *a = run("golden verify %s/spoiled.safetensors", folder);
    expect_answer(a, 3, lacks, needed[i]);
    ck_assert_int_eq(a->error_lines, 1);
  }
  spoil("seed", "1", true);
  expect_answer(run("golden verify %s/spoiled.safetensors", folder), 3, "no case", "no tensors");
  FILE *empty = fopen(in_folder("empty"), "w");
  fclose(empty);
  expect_answer(run("golden verify %s/empty", folder), 3, "too few", "empty");
  char command[PATH_MAX * 2 + 64];
  snprintf(command, sizeof command, "head -c 5000 '%s' > '%s/cut'",
           golden_file("int4-weight-only__weight-convert__torchao-0.18"), folder);
  ck_assert_int_eq(system(command), 0);
  expect_answer(run("golden verify %s/cut conformance/golden/data/*", folder), 3, " 0 differ",
                "truncated beside good ones");
}
END_TEST

/* Cells that --required lists, the primitives of `affine` among them, are filled by files without a difference, or
 * missed; a list that asks nothing of captured files is a failure. */
START_TEST(required_cells) {
  static const struct {
    const char *cell, *files, *says;
    int exit_code;
  } rows[] = {
      {"affine - - torchao-0.18-cpu f32 ref 100", "affine*0.18*f32*", " 0 differ", 0},
      {"affine - - torchao-0.18-cpu f32 ref 100", "int4*", "affine/-/-@torchao-0.18-cpu/f32 on ref: 0 of 100", 1},
      {"affine - - torchao-0.18-cpu bf16 ref 100", "affine*0.18*f32*", "bf16 on ref: 0 of 100", 1},
      {"int4-weight-only weight convert torchao-0.18-cpu f32 ref 9", "int4*0.18*", " 0 differ", 0},
      {"affine weight convert torchao-0.18-cpu f32 ref 1", "affine*", "has no side and no step", 3},
      {"int4-weight-only - - torchao-0.18-cpu f32 ref 1", "int4*", "side '-'", 3},
      {"affine - - torchao-0.18-cpu f32 emu:sm_90 1", "affine*", "no row of", 1}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    FILE *cells = fopen(in_folder("cells"), "w");
    fprintf(cells, "%s\n", rows[i].cell);
    fclose(cells);
    expect_answer(run("golden verify -r %s/cells conformance/golden/data/%s", folder, rows[i].files), rows[i].exit_code,
                  rows[i].says, rows[i].cell);
  }
}
END_TEST

/* Tensors that the file's step does not compute are not compared, and the result says so. */
START_TEST(ignored_tensors_are_named) {
  spoil("step", "choose_qparams", false);
  expect_answer(run("golden verify %s/spoiled.safetensors", folder), 0, "not compared: codes, output", "a single step");
}
END_TEST

/* A tensor whose name is misspelt is refused by golden verify and by explain: left out, it would seem to be the same.
 */
START_TEST(misspelt_tensors_are_refused) {
  sb_safetensors *file;
  sb_safetensors_writer *writer;
  sb_ok(sb_safetensors_open(golden_file("int8-dynamic-act-int4-weight__activation-convert__torchao-0.18"), &file));
  sb_ok(sb_safetensors_writer_new(&writer));
  for (int i = 0; i < sb_safetensors_metadata_count(file); i++) {
    const char *key, *value;
    sb_safetensors_metadata_at(file, i, &key, &value);
    sb_ok(sb_safetensors_put_metadata(writer, key, value));
  }
  for (int i = 0; i < sb_safetensors_count(file); i++) {
    char name[256];
    snprintf(name, sizeof name, "%s", sb_safetensors_name(file, i));
    char *dot = strrchr(name, '.');
    if (strcmp(dot, ".codes") == 0) strcpy(dot, ".code");
    sb_ok(sb_safetensors_put(writer, name, sb_safetensors_at(file, i)));
  }
  sb_ok(sb_safetensors_write(writer, in_folder("misspelt.safetensors")));
  sb_safetensors_writer_free(writer);
  sb_safetensors_close(file);
  expect_answer(run("golden verify %s/misspelt.safetensors", folder), 3, ".code", "golden verify");
  expect_answer(run("explain %s/misspelt.safetensors", folder), 3, ".code'", "explain");
}
END_TEST

int main(void) {
  Suite *suite = suite_create("golden_cli");
  TCase *tests = tcase_create("golden_cli");
  tcase_add_unchecked_fixture(tests, make_folder, remove_folder);
  tcase_set_timeout(tests, 300);
  tcase_add_test(tests, golden_verifies);
  tcase_add_test(tests, flipped_bits);
  tcase_add_test(tests, broken_golden);
  tcase_add_test(tests, required_cells);
  tcase_add_test(tests, misspelt_tensors_are_refused);
  tcase_add_test(tests, ignored_tensors_are_named);
  suite_add_tcase(suite, tests);
  return run_suite(suite);
}
