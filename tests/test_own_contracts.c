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
      ck_assert_msg(strstr(output, line), "%s does not print '%s':\n%.6000s", command, line, output);
      lines++;
    }
  }
  fclose(page);
  ck_assert_int_ge(commands, 7);
  ck_assert_int_ge(lines, 10);
}
END_TEST

/* README's explanation of PR #1964 is what the program prints, to the letter. */
START_TEST(the_readme_shows_what_is_printed) {
  static const char start[] = "$ build/samebits explain '";
  static char shown[1 << 15];
  FILE *page = fopen(SAMEBITS_SOURCE_DIR "/README.md", "r");
  char line[1024], command[1024] = "";
  ck_assert_ptr_nonnull(page);
  while (fgets(line, sizeof line, page) && !*command)
    if (strncmp(line, start, strlen(start)) == 0) snprintf(command, sizeof command, "%s", line + strlen("$ build/"));
  for (bool more = true; more; more = fgets(line, sizeof line, page) && strncmp(line, "```", 3) != 0)
    strncat(shown, line, sizeof shown - strlen(shown) - 1);
  fclose(page);
  ck_assert_int_ne(*command, 0);
  command[strcspn(command, "\n")] = 0;
  ck_assert_int_eq(shell("%s", command), 1);
  ck_assert_str_eq(output, shown);
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

/* A kernel of an own recipe may read the packed codes where the contract packs them: it gets them, not a null pointer.
 */
START_TEST(a_dequantize_kernel_gets_packed_codes) {
  write_file("int4/my-int4/weight-prepare@mine.contract", "over    row\n"
                                                          "scale  : f32 = max(amax(abs(f32(x))), 1e-6) / 7\n"
                                                          "codes  : i8  = i8.sat(clamp(round(f32(x) / scale), -8, 7))\n"
                                                          "packed : u8  = pack_low_first(codes)\n"
                                                          "output : T   = T(f32(codes) * scale)\n");
  /* output[r, j] = nibble j of packed[r, :] * scale[r], a thread an element. */
  write_file("unpack.ptx",
             ".version 7.0\n.target sm_75\n.address_size 64\n"
             ".visible .entry unpack(.param .u64 p, .param .u64 s, .param .u64 o, .param .u32 c) {\n"
             ".reg .pred %q; .reg .b32 %r<9>; .reg .b64 %d<9>; .reg .f32 %f<3>;\n"
             "ld.param.u64 %d0, [p]; ld.param.u64 %d1, [s]; ld.param.u64 %d2, [o]; ld.param.u32 %r0, [c];\n"
             "mov.u32 %r1, %tid.x; mov.u32 %r2, %ctaid.x;\n"
             "setp.ge.u32 %q, %r1, %r0; @%q bra END;\n"
             "mad.lo.u32 %r3, %r2, %r0, %r1; shr.u32 %r4, %r3, 1;\n"
             "cvt.u64.u32 %d3, %r4; add.s64 %d3, %d3, %d0; ld.global.u8 %r5, [%d3];\n"
             "and.b32 %r6, %r3, 1; xor.b32 %r6, %r6, 7; shl.b32 %r6, %r6, 2;\n"
             "shl.b32 %r5, %r5, %r6; shr.s32 %r5, %r5, 28; cvt.rn.f32.s32 %f0, %r5;\n"
             "mul.wide.u32 %d4, %r2, 4; add.s64 %d4, %d4, %d1; ld.global.f32 %f1, [%d4];\n"
             "mul.rn.f32 %f0, %f0, %f1; mul.wide.u32 %d5, %r3, 4; add.s64 %d5, %d5, %d2; st.global.f32 [%d5], %f0;\n"
             "END: ret; }\n");
  write_file("unpack.json",
             "{\"kernels\": [{\"recipe\": \"my-int4\", \"side\": \"weight\", \"step\": \"dequantize\", \"flavor\": "
             "\"mine\", \"dtype\": \"f32\", \"file\": \"unpack.ptx\", \"entry\": \"unpack\", \"grid\": [\"rows\"], "
             "\"block\": [512], \"args\": [\"packed\", \"scale\", \"output\", \"i32:cols\"], \"when\": \"cols % 2 == "
             "0\"}]}");
  expect(shell("samebits check --contracts int4 --kernels unpack.json --device emu:sm_90 "
               "'my-int4/weight/dequantize@mine/f32/13x384/normal:1?device=emu:sm_90'"),
         0, "1 PASS");
  expect(shell("samebits check --contracts int4 --recipe my-int4 --dtype f32 --step prepare,dequantize --fill tie"), 0,
         "PASS");
}
END_TEST

/* A block of 64 rows whose scale is 1 at an amax that the largest of 64 candidates in a row is not: ties are found. */
START_TEST(ties_of_blocks_are_found) {
  write_file("blocks/my-blocks/weight-prepare@mine.contract",
             "over    block 64x64\n"
             "amax   : f32 = amax(abs(f32(x)))\n"
             "scale  : f32 = max(amax, 1e-12) / 127\n"
             "codes  : i8  = i8.sat(clamp(round(f32(x) / scale), -127, 127))\n"
             "output : T   = T(f32(codes) * scale)\n");
  expect(shell("samebits check --contracts blocks --recipe my-blocks --dtype bf16 --step prepare --fill tie --shape "
               "129x129"),
         0, "1 PASS");
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

/* The input that tells an answer from an alternative is a file that a kernel can run on, and its result explained. */
START_TEST(a_distinguishing_input_is_written) {
#define CAPTURE  "8da4w-activation-prepare-torchao-0.18-cpu-bf16-div"
#define CONTRACT "int8-dynamic-act-int4-weight/activation/prepare@torchao-0.18-cpu"
  expect(shell("samebits explain --write-input in.safetensors \"$R/tests/captures/" CAPTURE ".safetensors\""), 1,
         "an x that tells it from the first");
  expect(shell("samebits contract run " CONTRACT " --input in.safetensors --output out.safetensors"), 0, "1 cases");
  expect(shell("samebits explain out.safetensors"), 0, "same");
}
END_TEST

/* Contracts that ask for the impossible end in an error or an answer, within a bounded time. */
START_TEST(hostile_contracts_end) {
  static const struct {
    const char *text, *says;
    int code;
  } all[] = {
      {"over block 1073741824x1073741824\nscale : f32 = amax(f32(x))\n", "1 PASS", 0},
      {"over block 99999999999x1\nscale : f32 = amax(f32(x))\n", "a size is larger than 2^30", 2},
      {"over group 1073741824\nscale : f32 = amax(f32(x))\n", "no whole number of groups", 3},
      {"use weight/prepare@m\nscale : f32 = amax(f32(x))\n", "`use` goes more than 4 contracts deep", 2},
      {"scale : f32 = amax(f32(x)) * 9e999\n", "not a number that f64 can hold", 2},
      {"scale : f32 = amax(f32(x)) * 99999999999999999999\n", "an integer is larger than 2^53", 2},
      {"scale : f32 = amax(amax(amax(f32(x))))\n", "1 PASS", 0},
  };
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    write_file("hostile/r/weight-prepare@m.contract", all[i].text);
    expect(shell("timeout 300 samebits check --contracts hostile --step prepare --dtype f32 --fill normal --shape 3x7"),
           all[i].code, all[i].says);
  }
  /* as many operations as there may be, explained where nothing fits */
  FILE *f = create("long/r/weight-prepare@m.contract");
  fputs("over element\na0 : f32 = f32(x)\n", f);
  for (int i = 1; i < 40; i++) {
    fprintf(f, "a%d : f32 = a%d * 0.08", i, i - 1);
    for (int k = 1; k < 12; k++) fprintf(f, " + a%d * 0.08%d", i - 1, k);
    fputc('\n', f);
  }
  fputs("output : f32 = a39 * 0 + f32(x)\n", f);
  ck_assert_int_eq(fclose(f), 0);
  expect(shell("timeout 300 samebits check --contracts long --step prepare --dtype f32 --fill normal --shape 3x7"), 0,
         "1 PASS");
  expect(shell("timeout 300 samebits check --contracts long --step prepare --dtype f32 --fill normal "
               "--shape 1x999999999999"),
         3, "memory");
  /* what is no file */
  expect(shell("mkdir -p pipe/r; mkfifo pipe/r/weight-prepare@m.contract; timeout 60 samebits check --contracts pipe"),
         2, "a contract is a file of at most 65536 bytes");
  expect(
      shell("mkdir -p huge/r; ln -s /dev/zero huge/r/weight-prepare@m.contract; timeout 60 samebits check --contracts "
            "huge"),
      2, "a contract is a file of at most 65536 bytes");
}
END_TEST

/* A contract that makes its codes from the input alone has no quantize; its dequantize takes prepare's codes. */
START_TEST(dequantize_without_quantize) {
  write_file("back/r/activation-prepare@m.contract",
             "over   row\namax   : f32  = max(amax(abs(f32(x))), 1e-12)\n"
             "s      : f32  = 448 / amax\ncodes  : e4m3 = e4m3.sat(f32(x) * s)\n"
             "scale  : f32  = 1 / s\noutput : T    = T(f32(codes) * scale)\n");
  expect(shell("samebits check --contracts back --step dequantize --dtype bf16 --fill normal,special --shape 3x70"), 0,
         "2 PASS");
  expect(shell("samebits check --contracts back --step quantize --dtype bf16 --fill normal --shape 3x70"), 3,
         "from the input alone");
}
END_TEST

int main(void) {
  Suite *suite = suite_create("own_contracts");
  TCase *tests = tcase_create("own_contracts");
  tcase_set_timeout(tests, 0);
  tcase_add_unchecked_fixture(tests, make_folder, remove_folder);
  tcase_add_test(tests, the_walk_through_runs);
  tcase_add_test(tests, the_readme_shows_what_is_printed);
  tcase_add_test(tests, a_manifest_serves_an_own_recipe);
  tcase_add_test(tests, a_dequantize_kernel_gets_packed_codes);
  tcase_add_test(tests, ties_of_blocks_are_found);
  tcase_add_test(tests, mistakes_are_told);
  tcase_add_test(tests, dequantize_without_quantize);
  tcase_add_test(tests, both_and_replacement);
  tcase_add_test(tests, a_distinguishing_input_is_written);
  tcase_add_test(tests, hostile_contracts_end);
  suite_add_tcase(suite, tests);
  return run_suite(suite);
}
