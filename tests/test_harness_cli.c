/* The command line of the harness: check, list; exit codes, one line for each bad input, repro lines. */
#include "samebits/safetensors.h"
#include "tests/command_line.h"

#include <math.h>

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
      {"check --only-failed tests", 3, "cannot read: Is a directory"},
      {"check --only-failed /dev/null", 3, "it is no run: no header"},
      {"check --only-failed README.md", 3, "line 1 is no line of a run"},
      {"check --required /nowhere.txt --shape 1x32", 3, "cannot open"},
      {"check --expect /nowhere.txt --shape 1x32", 3, "cannot open"},
      {"check --recipe int4-weight-only --group 48 --shape 4x100 --json", 3, "nothing passed"},
      {"check --recipe int4-weight-only --shape 4x0 --json", 3, "nothing passed"},
      {"check --recipe int4-weight-only --group 32 --shape 4611686018427387904x32 --step prepare --fill normal --dtype "
       "f32 --flavor aligned --json",
       2, "overflows"},
      {"check 'a/b'", 2, "a/b"},
      {"check --seed 99999999999999999999", 2, "below 2^64"},
      {"check --seed 1..1000000000", 2, "more than"},
      {"check --recipe int4-weight-only --recipe affine", 2, "given twice"},
      {"check --recipe int4-weight-only,", 2, "empty value"},
      {"check --tensor 'w*'", 2, "--input"},
      {"check --input README.md --fill tie", 2, "--fill"},
      {"check --kernels /nowhere.json --recipe int4-weight-only", 2, "--kernels"},
      {"check --name fake_quantize_per_token_vs_convert --dtype f32", 2, "--name"},
      {"check 'int4-weight-only/weight/both@aligned/f32/1x32:g32/tie:1' --dtype bf16", 2, "--dtype"},
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
  expect_answer(run("check --input %s/without.safetensors", folder), 3, "no floating-point tensor", "no tensor fits");
  expect_answer(
      run("check --flavor aligned --recipe int8-dynamic-act-int4-weight --input %s/with.safetensors --json", folder), 0,
      "file:good.weight", "one tensor fits");
  /* on a device, prepare and convert are held to the reference, too */
  expect_answer(run("check --device emu:sm_90 --flavor aligned --recipe int4-weight-only --dtype f32 --group 32 "
                    "--input %s/with.safetensors --json | grep -o "
                    "'weight/[a-z]*@' | sort | uniq | tr -d '\\n'",
                    folder),
                0, "weight/both@weight/convert@weight/prepare@", "the steps on a device");
  expect_answer(run("check --flavor aligned --recipe int8-dynamic-act-int4-weight --input %s/with.safetensors", folder),
                0, "not taken: vector, integers (2 of 3 tensors", "what does not fit is told");
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

/* Options that change a verdict are on the line: with it the verdict is the same, without them it is another. */
START_TEST(repro_lines_carry_what_changes_a_verdict) {
  static const char select[] = "--recipe int4-weight-only --flavor torchao-0.18-cpu --dtype bf16 --step both --shape "
                               "4x256 --fill normal",
                    endless[] = "--recipe int4-weight-only --flavor aligned --dtype bf16 --step both --shape 64x4096 "
                                "--fill normal";
  const struct {
    const char *select, *options, *on_the_line, *verdict;
    int exit_code;
  } rows[] = {{select, "--expect /dev/null --repeat 2", " --expect '/dev/null' --repeat 2", "FAIL int4", 1},
              {select, "--expect \"$D/it's\"", "it'\\''s'", "EXPECTED int4", 0},
              {select, "--repeat 3", " --repeat 3", "EXPECTED int4", 0},
              {select, "--timeout 100", "normal:1'", "EXPECTED int4", 0},
              {endless, "--repeat 1000000 --timeout 1", " --repeat 1000000 --timeout 1", "TIMEOUT int4", 3}};
  setenv("D", folder, 1);
  FILE *expect = fopen(in_folder("it's"), "w");
  fputs("int4-*/both@torchao-0.18-cpu/* scale-stored-narrow https://example.org 2026-01-01\n", expect);
  fclose(expect);
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    char line[1024];
    const answer *a = run("check %s %s", rows[i].select, rows[i].options);
    expect_answer(a, rows[i].exit_code, rows[i].verdict, rows[i].options);
    const char *at = strstr(a->text, "\n  samebits check ");
    ck_assert_ptr_nonnull(at);
    at += strlen("\n  samebits ");
    snprintf(line, sizeof line, "%.*s", (int)strcspn(at, "\n"), at);
    const char *end = line + strlen(line) - strlen(rows[i].on_the_line);
    ck_assert_msg(strcmp(end, rows[i].on_the_line) == 0, "%s: not at the end of %s", rows[i].on_the_line, line);
    expect_answer(run("%s", line), rows[i].exit_code, rows[i].verdict, line);
  }
}
END_TEST

/* The repro line of a case that ran somebody's kernels runs those kernels again. */
START_TEST(repro_lines_name_the_kernels) {
  const answer *a = run("check --kernels docs/examples/kernels/manifest_wrong.json --device emu:sm_90 --recipe "
                        "int8-dynamic-act-int4-weight --side activation --step quantize --flavor aligned --dtype f32 "
                        "--fill tie --shape 2x64");
  expect_answer(a, 1, "\n  samebits check ", "a wrong kernel");
  char line[1024];
  const char *at = strstr(a->text, "\n  samebits check ") + strlen("\n  samebits ");
  snprintf(line, sizeof line, "%.*s", (int)strcspn(at, "\n"), at);
  expect_answer(run("%s", line), 1, "FAIL int8-dynamic-act-int4-weight", line);
  expect_answer(run("explain %s", line + strlen("check ")), 1, "add-before-round", "the same kernels explained");
}
END_TEST

/* A tensor's name with a glob's characters, or with what looks like a device, is that tensor's and no other's. */
START_TEST(awkward_tensor_names) {
  static const char *const names[] = {"a*[b]", "ab", "x?device=ref", "it's\ttwo"};
  float values[4][64];
  sb_safetensors_writer *writer;
  sb_ok(sb_safetensors_writer_new(&writer));
  for (int t = 0; t < 4; t++) {
    sb_tensor tensor = sb_tensor_2d(SB_F32, 2, 32);
    for (int i = 0; i < 64; i++) values[t][i] = (float)((i * 29 + 7 * t) % 64) - 31.5f;
    tensor.data = values[t];
    sb_ok(sb_safetensors_put(writer, names[t], &tensor));
  }
  sb_ok(sb_safetensors_write(writer, in_folder("names.safetensors")));
  sb_safetensors_writer_free(writer);
  static const char select[] = "--recipe float8-dynamic-act-int4-weight --side activation --flavor torchao-0.18-cpu "
                               "--dtype bf16 --json";
  const answer *a = run("check %s --input %s/names.safetensors", select, folder);
  ck_assert_int_eq(a->exit_code, 0);
  char digests[4][1024], repro[4][1024], all[sizeof a->text];
  memcpy(all, a->text, sizeof all);
  const char *at = all;
  for (int t = 0; t < 4; t++) {
    const char *end = strstr(at, "\"digests\":{"), *line = strstr(at, "\"repro\":\"samebits ");
    ck_assert_msg(end && line, "%s", at);
    snprintf(digests[t], sizeof digests[t], "%.*s", (int)strcspn(end, "}"), end);
    size_t n = 0;
    for (line += strlen("\"repro\":\"samebits "); *line != '"'; line++) { /* JSON's backslashes */
      if (*line == '\\') line++;
      repro[t][n++] = *line;
    }
    repro[t][n] = 0;
    at = line;
  }
  for (int t = 0; t < 4; t++) {
    char again[1024];
    a = run("%s --json", repro[t]);
    expect_answer(a, 0, "\"cases\":1,", repro[t]);
    digests_of(a, again);
    ck_assert_str_eq(digests[t], again);
  }
}
END_TEST

/* A row of zeros, an infinity and a NaN in the user's own tensors part upstream's two sides by known mechanisms, which
 * are verified there too. */
START_TEST(zeros_and_specials_of_the_user) {
  static const float odd[] = {0.0F, INFINITY, NAN};
  for (int k = 0; k < 3; k++) {
    float values[8 * 128];
    for (int i = 0; i < 8 * 128; i++) values[i] = (float)(i * 37 % 255) / 64.0F - 2.0F;
    for (int i = 0; i < (k ? 1 : 128); i++) values[3 * 128 + i] = odd[k];
    sb_safetensors_writer *writer;
    sb_tensor tensor = sb_tensor_2d(SB_F32, 8, 128);
    tensor.data = values;
    sb_ok(sb_safetensors_writer_new(&writer));
    sb_ok(sb_safetensors_put(writer, "layer", &tensor));
    sb_ok(sb_safetensors_put(writer, "layer.weight", &tensor));
    sb_ok(sb_safetensors_write(writer, in_folder("odd.safetensors")));
    sb_safetensors_writer_free(writer);
    expect_answer(run("check --dtype bf16 --input %s/odd.safetensors", folder), 0, "EXPECTED", "odd values");
  }
}
END_TEST

/* A case that takes longer than --timeout is TIMEOUT, which is exit 3; the cases after it run. */
START_TEST(endless_cases_time_out) {
  const answer *a = run("check 'int4-weight-only/weight/both@aligned/bf16/64x4096:g128/normal:1' --repeat 1000000 "
                        "--timeout 1");
  expect_answer(a, 3, "TIMEOUT int4-weight-only", "an endless case");
}
END_TEST

/* A run's file has a header, a line a case and a summary with the exit code; --only-failed runs its failures again; a
 * divergence that no row expects is exit 1, a row that nothing needs is exit 1. */
START_TEST(runs_and_expectations) {
  FILE *none = fopen(in_folder("none.txt"), "w"), *stale = fopen(in_folder("stale.txt"), "w");
  fputs("# nothing\n", none);
  fputs("*/both@aligned/* round-half-away https://example.org 2026-01-01\n", stale);
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
  char command[512];
  snprintf(command, sizeof command,
           "cd %s && { head -n -1 run.jsonl; tail -n 1 run.jsonl | head -c 30; } >cut.jsonl && { head -n -1 run.jsonl; "
           "sed -n 's/\"FAIL\"/\"PASS\"/p' run.jsonl | head -n 1; } >again.jsonl",
           folder);
  ck_assert_int_eq(system(command), 0);
  expect_answer(run("check --only-failed %s/cut.jsonl --json", folder), 0, "\"cases\":1,", "a last line that was cut");
  expect_answer(run("check --only-failed %s/again.jsonl", folder), 3, "nothing to run", "failed, and passed since");
  snprintf(command, sizeof command, "test $(ls %s/saved | wc -l) -eq 1", folder);
  ck_assert_int_eq(system(command), 0);
  snprintf(command, sizeof command, "mv %s/saved/* %s/saved.safetensors", folder, folder);
  ck_assert_int_eq(system(command), 0);
  expect_answer(run("explain %s/saved.safetensors", folder), 1, "scale-stored-narrow", "a saved failure explained");
  FILE *unknown = fopen(in_folder("unknown.txt"), "w");
  fputs("# one\n*/both@aligned/* scale-stored-narow https://example.org 2026-01-01\n", unknown);
  fclose(unknown);
  a = run("check %s --expect %s/unknown.txt", select, folder);
  expect_answer(a, 3, "unknown.txt: line 2: no mechanism 'scale-stored-narow'", "a row of an unknown mechanism");
  a = run("check %s --expect %s/stale.txt", select, folder);
  expect_answer(a, 1, "XPASS */both@aligned/*", "an outdated row");
  /* a part of the cases does not show that a row of the project is out of date */
  a = run("check --recipe int8-dynamic-act-int4-weight --flavor torchao-0.10-cpu --dtype f32 --step both --shape 4x64 "
          "--fill normal");
  expect_answer(a, 0, "1 PASS", "a part");
}
END_TEST

/* A divergence is expected whatever other group sizes are in the run: what was derived for one says nothing of another.
 */
START_TEST(expected_at_every_group_size) {
  static const char line[] = "check --recipe %s --side weight --step both --flavor torchao-0.18-cpu --dtype bf16 "
                             "--fill normal --group %s --shape 5x1152";
  expect_answer(run(line, "int4-weight-only", "32,9,64"), 0, "3 EXPECTED", "int4");
  expect_answer(run(line, "float8-dynamic-act-int4-weight", "32,128"), 0, "2 EXPECTED", "float8");
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
  expect_answer(run("check %s --dtype f16 --required ci/required-real.txt", select), 1,
                "REQUIRED no row of ci/required-real.txt is of a device of this run", "rows of other devices");
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
  tcase_add_test(tests, repro_lines);
  tcase_add_test(tests, repro_lines_carry_what_changes_a_verdict);
  tcase_add_test(tests, repro_lines_name_the_kernels);
  tcase_add_test(tests, awkward_tensor_names);
  tcase_add_test(tests, zeros_and_specials_of_the_user);
  tcase_add_test(tests, endless_cases_time_out);
  tcase_add_test(tests, runs_and_expectations);
  tcase_add_test(tests, expected_at_every_group_size);
  tcase_add_test(tests, required_cells);
  suite_add_tcase(suite, tests);
  return run_suite(suite);
}
