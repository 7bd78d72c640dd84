/* Contracts in a folder of the user's: check, directed fills, mutants, explain, workers and manifests, with no built-in
 * recipe. */
#define SHELL_SETUP "PATH='" SAMEBITS_BINARY_DIR "':$PATH; R=$PWD; cd \"$D\"; "
#include "tests/shell.h"

#include <stdbool.h>
#include <string.h>

/* A file in the suite's folder, its folders made. */
static FILE *create(const char *name) {
  char command[1024];
  snprintf(command, sizeof command, "mkdir -p \"$(dirname '%s/%s')\"", folder, name);
  ck_assert_int_eq(system(command), 0);
  FILE *f = fopen(in_folder(name), "w");
  ck_assert_ptr_nonnull(f);
  return f;
}

static void write_file(const char *name, const char *text) {
  FILE *f = create(name);
  fputs(text, f);
  ck_assert_int_eq(fclose(f), 0);
}

/* The page: its contracts become files, its lines with `$` run in their order, and what it shows of each is printed. */
START_TEST(the_walk_through_runs) {
  FILE *page = fopen(SAMEBITS_SOURCE_DIR "/docs/own-contracts.md", "r"), *to = NULL;
  char line[1024], command[1024] = "";
  bool shown = false, inside = false;
  int commands = 0, lines = 0, contract_lines = 0;
  ck_assert_ptr_nonnull(page);
  while (fgets(line, sizeof line, page)) {
    line[strcspn(line, "\n")] = 0;
    if (strncmp(line, "```", 3) == 0) {
      if (to) ck_assert_int_eq(fclose(to), 0);
      to = strncmp(line, "```contract ", 12) == 0 ? create(line + 12) : NULL;
      shown = !inside && !to;
      inside = !inside;
      contract_lines = to ? 0 : contract_lines;
    } else if (to) {
      fprintf(to, "%s\n", line);
      ck_assert_int_le(++contract_lines, 20);
    } else if (shown && strncmp(line, "$ ", 2) == 0) {
      snprintf(command, sizeof command, "%s", line + 2);
      const int code = shell("%s", command);
      ck_assert_msg(code < 2, "%s: exit %d\n%s", command, code, output);
      commands++;
    } else if (shown) {
      ck_assert_msg(strstr(output, line), "%s does not print '%s':\n%s", command, line, output);
      lines++;
    }
  }
  fclose(page);
  ck_assert_int_ge(commands, 7);
  ck_assert_int_ge(lines, 10);
}
END_TEST

#define INT8 "int8-dynamic-act-int4-weight/activation/prepare@aligned"

/* A manifest's kernel for a recipe that only a contract knows: right and wrong PTX are told apart on the emulator, and
 * explain names the wrong one's mistake. */
START_TEST(a_manifest_serves_an_own_recipe) {
  static const char row[] =
      "{\"kernels\": [{\"recipe\": \"my-int8\", \"side\": \"activation\", \"step\": \"quantize\", \"flavor\": "
      "\"mine\", "
      "\"dtype\": \"f32\", \"file\": \"%s/docs/examples/kernels/quantize_rows%s.ptx\", \"entry\": \"quantize_rows\", "
      "\"grid\": [\"ceil(cols/256)\", \"rows\"], \"block\": [256], "
      "\"args\": [\"x\", \"scale\", \"zero_point\", \"codes\", \"i64:cols\"]}]}";
  char text[2048];
  write_file("int8/my-int8/activation-prepare@mine.contract", "use " INT8 "\n");
  snprintf(text, sizeof text, row, SAMEBITS_SOURCE_DIR, "");
  write_file("right.json", text);
  snprintf(text, sizeof text, row, SAMEBITS_SOURCE_DIR, "_wrong");
  write_file("wrong.json", text);
#define CASE "'my-int8/activation/quantize@mine/f32/13x384/tie:1?device=emu:sm_90'"
  expect(shell("samebits check --contracts int8 --kernels right.json --device emu:sm_90 " CASE), 0, "1 PASS");
  expect(shell("samebits check --contracts int8 --kernels wrong.json --device emu:sm_90 " CASE), 1,
         "--contracts 'int8'");
  expect(shell("samebits explain --contracts int8 --kernels wrong.json " CASE), 1, "add-before-round");
  expect(shell("samebits check --contracts int8 --device emu:sm_90 " CASE), 3, "no kernel");
}
END_TEST

/* Mistakes in the folder are one line that names the file, and nothing runs. */
START_TEST(mistakes_are_told) {
  write_file("bad1/r/weight-prepare@m.contract", "scale : f32 = amax(\n");
  expect(shell("samebits check --contracts bad1"), 2,
         "bad1/r/weight-prepare@m.contract:2:1: an expression is expected");
  write_file("bad2/r/weight@m.contract", "scale : f32 = amax(x)\n");
  expect(shell("samebits check --contracts bad2"), 2, "the file's name should be SIDE-STEP@FLAVOR");
  write_file("bad3/r x/weight-prepare@m.contract", "scale : T = amax(x)\n");
  expect(shell("samebits check --contracts bad3"), 2, "names of recipes");
  write_file("bad4/r/weight-quantize@m.contract", "codes : T = x\n");
  expect(shell("samebits check --contracts bad4"), 2, "the step is prepare or convert");
  write_file("bad5/r/weight-prepare@m.contract", "scale : T = amax(x)\n");
  write_file("bad5/directed.txt", "r weight f32 1 2 3\n");
  expect(shell("samebits check --contracts bad5"), 2, "directed.txt:1: RECIPE SIDE DTYPE and 32 numbers");
  expect(shell("samebits check --contracts none"), 2, "cannot be opened");
  write_file("bad6/r/weight-prepare@m.contract", "over group\nscale : T = nonsense + amax(x)\n");
  expect(shell("samebits check --contracts bad6 --fill normal --dtype f32"), 2,
         "bad6/r/weight-prepare@m.contract:2:13: no line, tensor or constant has this name");
}
END_TEST

/* prepare and convert of one's own are compared with each other, and a contract in the folder comes before the built-in
 * one of its name. */
START_TEST(both_and_replacement) {
  write_file("two/r/weight-prepare@m.contract",
             "over group\nscale : T = amax(abs(x)) / 7\noutput : T = round(x / scale)\n");
  write_file("two/r/weight-convert@m.contract",
             "over group\nscale : T = amax(abs(x)) / 8\noutput : T = round(x / scale)\n");
  expect(shell("samebits check --contracts two --step both --fill normal --dtype f32 --shape 4x64"), 1, "1 FAIL");
  expect(shell("samebits check --contracts two --step convert --fill normal --dtype f32 --shape 4x64"), 0, "1 PASS");
  write_file("own8/int8-dynamic-act-int4-weight/weight-prepare@aligned.contract",
             "use weight/prepare@torchao-0.18-cpu\nscale : T = max(amax(abs(x)) / 7, smallest_normal(T))\n");
  expect(shell("samebits contract show --contracts own8 int8-dynamic-act-int4-weight/weight/prepare@aligned"), 0,
         "/ 7");
  expect(shell("samebits check --contracts own8 --device 'worker:samebits worker' "
               "int8-dynamic-act-int4-weight/weight/prepare@aligned/f32/4x64/normal:1"),
         1, "scale");
}
END_TEST

int main(void) {
  Suite *suite = suite_create("own_contracts");
  TCase *tests = tcase_create("own_contracts");
  tcase_set_timeout(tests, 0);
  tcase_add_unchecked_fixture(tests, make_folder, remove_folder);
  tcase_add_test(tests, the_walk_through_runs);
  tcase_add_test(tests, a_manifest_serves_an_own_recipe);
  tcase_add_test(tests, mistakes_are_told);
  tcase_add_test(tests, both_and_replacement);
  suite_add_tcase(suite, tests);
  return run_suite(suite);
}
