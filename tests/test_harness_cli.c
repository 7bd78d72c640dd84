/* The command line of the harness: golden verify, check, list; exit codes, one line for each bad input, repro lines. */
#include "samebits/golden.h"
#include "tests/suite.h"

#include <dirent.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[] = "/tmp/samebits-cli-XXXXXX";

static void make_folder(void) { ck_assert_ptr_nonnull(mkdtemp(folder)); }

static void remove_folder(void) {
  char command[128];
  snprintf(command, sizeof command, "rm -rf %s", folder);
  ck_assert_int_eq(system(command), 0);
}

static const char *in_folder(const char *name) {
  static char path[PATH_MAX];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  return path;
}

typedef struct answer {
  int exit_code;
  char text[1 << 16]; /* standard output, then standard error */
  int error_lines;
} answer;

/* Runs `samebits ARGUMENTS` in the project's folder. */
static answer *run(const char *format, ...) __attribute__((format(printf, 1, 2)));
static answer *run(const char *format, ...) {
  static answer a;
  char arguments[2048], command[4096];
  va_list list;
  va_start(list, format);
  vsnprintf(arguments, sizeof arguments, format, list);
  va_end(list);
  snprintf(command, sizeof command, "cd '%s' && '%s/samebits' %s 2>'%s/stderr'", SAMEBITS_SOURCE_DIR,
           SAMEBITS_BINARY_DIR, arguments, folder);
  FILE *pipe = popen(command, "r");
  ck_assert_ptr_nonnull(pipe);
  size_t size = fread(a.text, 1, sizeof a.text - 4096, pipe);
  while (fgetc(pipe) != EOF) continue;
  int status = pclose(pipe);
  a.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  FILE *errors = fopen(in_folder("stderr"), "r");
  size_t more = fread(a.text + size, 1, 4000, errors);
  fclose(errors);
  a.text[size + more] = 0;
  a.error_lines = 0;
  for (char *at = a.text + size; *at; at++) a.error_lines += *at == '\n';
  return &a;
}

static void expect_answer(const answer *a, int exit_code, const char *part, const char *what) {
  ck_assert_msg(a->exit_code == exit_code && strstr(a->text, part), "%s: exit %d, expected %d with '%s':\n%s", what,
                a->exit_code, exit_code, part, a->text);
}

/* Every bad input is one clear line on standard error and its exit code. */
START_TEST(bad_input) {
  static const struct {
    const char *arguments;
    int exit_code;
    const char *part;
  } rows[] = {
      {"", 2, "a command is missing"},
      {"nonsense", 2, "no command 'nonsense'"},
      {"golden", 2, "a command is missing"},
      {"golden verify", 2, "no files"},
      {"golden verify --oracle nobody x", 2, "nobody"},
      {"golden verify /nowhere/at/all", 3, "cannot open"},
      {"golden verify README.md", 3, "README.md"},
      {"check --recipe no-recipe", 2, "no-recipe"},
      {"check --recipe int4-weight-only --side activation", 2, "activation"},
      {"check --flavor torchao-0.10-cpu --recipe int4-weight-only", 2, "int4-weight-only"},
      {"check --dtype f64", 3, "torch.float64"},
      {"check --dtype i8", 2, "i8"},
      {"check --shape 4", 2, "ROWSxCOLS"},
      {"check --shape -4x4", 2, "ROWSxCOLS"},
      {"check --no-such-option", 2, "no-such-option"},
      {"check --seed", 2, "--seed"},
      {"check --threads x", 2, "--threads"},
      {"check --device nothing", 2, "nothing"},
      {"check --input /nowhere.safetensors", 3, "cannot open"},
      {"check --only-failed /nowhere.jsonl", 3, "cannot open"},
      {"check --required /nowhere.txt --shape 1x32", 3, "cannot open"},
      {"check --expect /nowhere.txt --shape 1x32", 3, "cannot open"},
      {"check --recipe int4-weight-only --group 48 --shape 4x100 --json", 3, "nothing passed"},
      {"check --recipe int4-weight-only --shape 4x0 --json", 3, "nothing passed"},
      {"check --recipe int4-weight-only --group 32 --shape 4611686018427387904x32 --step prepare --fill normal --dtype "
       "f32 --flavor aligned --json",
       2, "overflows"},
      {"check 'a/b'", 2, "a/b"},
      {"check 'int4-weight-only/weight/both@aligned/f32/1x32:g32/file:w'", 2, "--input"},
      {"check --recipe int4-weight-only --flavor aligned --step both --shape 2x128 --json --output /dev/full", 3,
       "No space left"},
      {"check --recipe int4-weight-only --flavor aligned --step both --shape 2x128 --json >/dev/full", 3,
       "cannot write"},
      {"list", 2, "a command is missing"},
      {"list nothing", 2, "nothing"},
      {"list recipes >/dev/full", 3, "cannot be written"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    const answer *a = run("%s", rows[i].arguments);
    expect_answer(a, rows[i].exit_code, rows[i].part, rows[i].arguments);
    ck_assert_msg(a->error_lines == 1, "%s: %d lines on standard error:\n%s", rows[i].arguments, a->error_lines,
                  a->text);
  }
}
END_TEST

/* --help prints every option and is exit 0, for the program and for each command. */
START_TEST(help) {
  expect_answer(run("--help"), 0, "golden", "samebits --help");
  expect_answer(run("check --help"), 0, "--save-failures", "check --help");
  expect_answer(run("golden verify --help"), 0, "--oracle", "golden verify --help");
  expect_answer(run("list --help"), 0, "recipes", "list --help");
  expect_answer(run("--version"), 0, "samebits ", "samebits --version");
}
END_TEST

/* Lists name every recipe, flavor, variant, fill and device. */
START_TEST(lists) {
  expect_answer(run("list recipes"), 0, "int8-dynamic-act-int4-weight\n", "recipes");
  expect_answer(run("list flavors"), 0, "torchao-0.18-cuda\n", "flavors");
  expect_answer(run("list variants"), 0, "@torchao-0.18-cpu+mslk\n", "variants");
  expect_answer(run("list fills"), 0, "tie ", "fills");
  expect_answer(run("list devices"), 0, "ref ", "devices");
  expect_answer(run("list cases 'int4-weight-only/*/both@aligned/f32/*'"), 0,
                "int4-weight-only/weight/both@aligned/f32/13x384:g128/tie:1\n", "cases");
}
END_TEST

/* Tensors that no recipe can take: of rank 1, or integers. By name they are an error of usage; in a file of others they
 * are left out; a file of nothing else has no case. */
START_TEST(unsuitable_tensors) {
  float x[64];
  int8_t q[64] = {0};
  for (int i = 0; i < 64; i++) x[i] = (float)(i * 37 % 64) - 31.5f;
  sb_tensor vector = {.format = SB_F32, .rank = 1, .dims = {64}, .data = x}, integers = sb_tensor_2d(SB_I8, 2, 32),
            good = sb_tensor_2d(SB_F32, 2, 32);
  integers.data = q;
  good.data = x;
  for (int with = 0; with < 2; with++) {
    sb_safetensors_writer *writer;
    sb_ok(sb_safetensors_writer_new(&writer));
    sb_ok(sb_safetensors_put(writer, "vector", &vector));
    sb_ok(sb_safetensors_put(writer, "integers", &integers));
    if (with) sb_ok(sb_safetensors_put(writer, "good.weight", &good));
    sb_ok(sb_safetensors_write(writer, in_folder(with ? "with.safetensors" : "without.safetensors")));
    sb_safetensors_writer_free(writer);
  }
  expect_answer(run("check --input %s/without.safetensors", folder), 2, "", "no tensor fits");
  expect_answer(
      run("check --flavor aligned --recipe int8-dynamic-act-int4-weight --input %s/with.safetensors --json", folder), 0,
      "file:good.weight", "one tensor fits");
  expect_answer(
      run("check 'int4-weight-only/weight/both@aligned/f32/2x32:g32/file:integers' --input %s/with.safetensors",
          folder),
      2, "i8 of rank 2", "integers by name");
  expect_answer(
      run("check 'int4-weight-only/weight/both@aligned/f32/1x64:g32/file:vector' --input %s/with.safetensors", folder),
      2, "rank 1", "a vector by name");
  expect_answer(
      run("check 'int4-weight-only/weight/both@aligned/f32/4x32:g32/file:good.weight' --input %s/with.safetensors",
          folder),
      2, "[2, 32]", "another shape");
}
END_TEST

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

/* The digests of a run, cut out of its JSON line. */
static void digests_of(const answer *a, char digests[1024]) {
  const char *from = strstr(a->text, "\"digests\":{");
  ck_assert_msg(from != NULL, "%s", a->text);
  snprintf(digests, 1024, "%.*s", (int)strcspn(from, "}"), from);
}

/* Every non-pass prints a line that a shell runs, and running it gives the same verdict and the same bits. */
START_TEST(repro_lines) {
  char first[1024], again[1024], line[1024];
  const answer *a = run("check --recipe int4-weight-only --flavor torchao-0.18-cpu --dtype bf16 --step both --shape "
                        "4x256 --fill normal --seed 5");
  expect_answer(a, 0, "EXPECTED int4-weight-only", "a known divergence");
  const char *at = strstr(a->text, "\n  samebits check ");
  ck_assert_ptr_nonnull(at);
  snprintf(line, sizeof line, "%.*s", (int)strcspn(at + 3, "\n"), at + 3);
  a = run("check --recipe int4-weight-only --flavor torchao-0.18-cpu --dtype bf16 --step both --shape 4x256 --fill "
          "normal --seed 5 --json");
  digests_of(a, first);
  a = run("%s --json", line + strlen("samebits "));
  expect_answer(a, 0, "\"status\":\"EXPECTED\"", line);
  digests_of(a, again);
  ck_assert_str_eq(first, again);
}
END_TEST

/* A run's file has a header, a line a case and a summary with the exit code; --only-failed runs its failures again; a
 * divergence that no row expects is exit 1, a row that nothing needs is exit 1. */
START_TEST(runs_and_expectations) {
  FILE *none = fopen(in_folder("none.txt"), "w"), *stale = fopen(in_folder("stale.txt"), "w");
  fputs("# nothing\n", none);
  fputs("*/both@aligned/* some-mechanism https://example.org 2026-01-01\n", stale);
  fclose(none);
  fclose(stale);
  static const char select[] =
      "--recipe int4-weight-only --flavor torchao-0.18-cpu,aligned --dtype f16 --step both --shape 4x256 --fill normal";
  const answer *a = run("check %s --expect %s/none.txt --output %s/run.jsonl --save-failures %s/saved", select, folder,
                        folder, folder);
  expect_answer(a, 1, "FAIL int4-weight-only", "unexpected");
  FILE *file = fopen(in_folder("run.jsonl"), "r");
  size_t size = fread(((answer *)a)->text, 1, sizeof a->text - 1, file);
  ((answer *)a)->text[size] = 0;
  fclose(file);
  ck_assert_ptr_nonnull(strstr(a->text, "{\"type\":\"run\""));
  ck_assert_ptr_nonnull(strstr(a->text, "\"status\":\"FAIL\""));
  ck_assert_ptr_nonnull(strstr(a->text, "\"exit\":1"));
  a = run("check --only-failed %s/run.jsonl --json", folder);
  expect_answer(a, 0, "\"cases\":1,", "only the failed one");
  char command[256];
  snprintf(command, sizeof command, "test $(ls %s/saved | wc -l) -eq 1", folder);
  ck_assert_int_eq(system(command), 0);
  snprintf(command, sizeof command, "mv %s/saved/* %s/saved.safetensors", folder, folder);
  ck_assert_int_eq(system(command), 0);
  expect_answer(run("explain %s/saved.safetensors", folder), 1, "scale-stored-narrow", "a saved failure explained");
  a = run("check %s --expect %s/stale.txt", select, folder);
  expect_answer(a, 1, "XPASS */both@aligned/*", "an outdated row");
}
END_TEST

/* A required cell that the run does not fill is exit 1 and named; what the selection does not cover is not asked for.
 */
START_TEST(required_cells) {
  FILE *file = fopen(in_folder("required.txt"), "w");
  fputs("int4-weight-only weight both aligned f16 ref 1024\nint4-weight-only weight both aligned bf16 ref 1025\n",
        file);
  fclose(file);
  static const char select[] = "--recipe int4-weight-only --flavor aligned --step both --shape 4x256 --fill normal";
  expect_answer(run("check %s --dtype f16 --required %s/required.txt", select, folder), 0, "1 PASS", "filled");
  expect_answer(run("check %s --dtype f16,bf16 --required %s/required.txt", select, folder), 1,
                "REQUIRED int4-weight-only/weight/both@aligned/bf16 on ref: 1024 of 1025", "not filled");
  expect_answer(run("check %s --group 48 --dtype f16 --required %s/required.txt", select, folder), 1, "0 of 1024",
                "all unsupported");
}
END_TEST

int main(void) {
  Suite *suite = suite_create("harness_cli");
  TCase *tests = tcase_create("harness_cli");
  tcase_add_unchecked_fixture(tests, make_folder, remove_folder);
  tcase_set_timeout(tests, 300);
  tcase_add_test(tests, bad_input);
  tcase_add_test(tests, help);
  tcase_add_test(tests, lists);
  tcase_add_test(tests, unsuitable_tensors);
  tcase_add_test(tests, golden_verifies);
  tcase_add_test(tests, flipped_bits);
  tcase_add_test(tests, broken_golden);
  tcase_add_test(tests, repro_lines);
  tcase_add_test(tests, runs_and_expectations);
  tcase_add_test(tests, required_cells);
  suite_add_tcase(suite, tests);
  return run_suite(suite);
}
