/* Other people's kernels in the place of ours. */
#include "samebits/check.h"
#include "samebits/manifest.h"
#include "tests/shell.h"

#include <stdio.h>
#include <unistd.h>

/* A case of the int8 activation on the emulator, with the kernels of a manifest. */
static sb_result run_with(const char *manifest, const char *step_and_shape) {
  const sb_device_options device_options = {.kernels = manifest};
  const sb_check_options options = {0};
  char text[SB_CASE_TEXT];
  sb_case c;
  sb_result result;
  sb_device *device;
  snprintf(text, sizeof text, "int8-dynamic-act-int4-weight/activation/%s:g0/tie:1", step_and_shape);
  sb_ok(sb_case_parse(text, &c));
  sb_ok(sb_device_open("emu:sm_90", &device_options, &device));
  sb_ok(sb_check(device, &c, &options, &result));
  sb_result_free(&result); /* status and reason stay */
  sb_device_close(device);
  return result;
}

#define EXAMPLES SAMEBITS_SOURCE_DIR "/docs/examples/kernels/"

/* The example's right kernel passes where its wrong one, which adds the zero point before it rounds, fails. */
START_TEST(a_manifest_replaces_our_kernels) {
  ck_assert_int_eq(run_with(EXAMPLES "manifest.json", "quantize@aligned/f32/13x384").status, SB_PASS);
  ck_assert_int_eq(run_with(EXAMPLES "manifest_wrong.json", "quantize@aligned/f32/13x384").status, SB_FAIL);
}
END_TEST

/* With a manifest, what none of its rows computes is UNSUPPORTED: our kernels do not pass for somebody else's. */
START_TEST(our_kernels_do_not_stand_in) {
  const sb_result result = run_with(EXAMPLES "manifest.json", "convert@aligned/f32/13x384");
  ck_assert_int_eq(result.status, SB_CASE_UNSUPPORTED);
  ck_assert_msg(strstr(result.reason, "no kernel of the manifest") != NULL, "%s", result.reason);
}
END_TEST

/* A kernel that gives nothing of what is compared is an ERROR, not a PASS. */
START_TEST(nothing_compared_is_no_pass) {
  char place[] = "/tmp/samebits-manifest-XXXXXX", path[64], file[64];
  ck_assert_ptr_nonnull(mkdtemp(place));
  snprintf(path, sizeof path, "%s/m.json", place);
  snprintf(file, sizeof file, "%s/k.ptx", place);
  FILE *out = fopen(path, "w");
  fputs(
      "{\"kernels\": [{\"recipe\": \"int8-dynamic-act-int4-weight\", \"side\": \"activation\", \"step\": \"quantize\", "
      "\"flavor\": \"aligned\", \"dtype\": \"f32\", \"file\": \"k.ptx\", \"entry\": \"idle\", \"grid\": [1], "
      "\"block\": [32], "
      "\"args\": [\"x\", \"scale\", \"zero_point\"]}]}",
      out);
  fclose(out);
  out = fopen(file, "w");
  fputs(".version 8.0\n.target sm_80\n.address_size 64\n.visible .entry idle(.param .u64 x, .param .u64 s, .param .u64 "
        "z)\n"
        "{\n ret;\n}\n",
        out);
  fclose(out);
  const sb_result result = run_with(path, "quantize@aligned/f32/4x64");
  ck_assert_msg(result.status == SB_ERROR && strstr(result.reason, "nothing was compared"), "%s: %s",
                sb_case_status_names[result.status], result.reason);
  unlink(path);
  unlink(file);
  rmdir(place);
}
END_TEST

/* A Triton kernel compiled offline passes on the smoke tier; its version that rounds by floor(y + 0.5) fails, and
 * explain names that. */
START_TEST(a_triton_kernel) {
#define THEIRS                                                                                                         \
  "--device emu:sm_90 --recipe int8-dynamic-act-int4-weight --side activation --step quantize --flavor aligned "       \
  "--dtype f32"
  expect(shell("$S check --kernels docs/examples/kernels/triton_rows.json " THEIRS), 0, " PASS");
  ck_assert_msg(strstr(output, "FAIL") == NULL, "%s", output);
  expect(shell("$S check --kernels docs/examples/kernels/triton_rows_wrong.json " THEIRS " --fill tie,special"), 1,
         "FAIL");
  expect(
      shell(
          "$S explain 'int8-dynamic-act-int4-weight/activation/quantize@aligned/f32/13x384:g0/tie:1?device=emu:sm_90' "
          "--kernels docs/examples/kernels/triton_rows_wrong.json"),
      1, "floor-plus-half");
}
END_TEST

/* Parameters that the entry has not, lacks, or has of another size are one clear error before anything is launched. */
START_TEST(args_fit_the_parameters) {
  static const struct {
    const char *args, *says;
  } rows[] = {
      {"\"x\", \"scale\", \"zero_point\", \"codes\"", "quantize_rows has 5 parameters, the manifest gives 4 args"},
      {"\"x\", \"scale\", \"zero_point\", \"codes\", \"i64:cols\", \"u64:0\"",
       "quantize_rows has 5 parameters, the manifest gives 6 args"},
      {"\"x\", \"scale\", \"zero_point\", \"codes\", \"i32:cols\"",
       "parameter 4 has 8 bytes, args[4] of the manifest has 4"}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    FILE *out = fopen(in_folder("m.json"), "w");
    ck_assert_ptr_nonnull(out);
    fprintf(out,
            "{\"kernels\": [{\"recipe\": \"int8-dynamic-act-int4-weight\", \"side\": \"activation\", \"step\": "
            "\"quantize\", \"flavor\": \"aligned\", \"dtype\": \"f32\", \"file\": \"%squantize_rows.ptx\", \"entry\": "
            "\"quantize_rows\", \"grid\": [1, \"rows\"], \"block\": [256], \"args\": [%s]}]}",
            EXAMPLES, rows[i].args);
    fclose(out);
    expect(
        shell("$S check --kernels $D/m.json --device emu:sm_90 --recipe int8-dynamic-act-int4-weight --side activation "
              "--step quantize --flavor aligned --dtype f32 --shape 4x64 --fill normal"),
        2, rows[i].says);
  }
}
END_TEST

/* A broken manifest is one message that names the entry and the key. */
START_TEST(a_broken_manifest_is_named) {
  static const struct {
    const char *text, *says;
  } broken[] = {
      {"{", "line"},
      {"{\"kernels\": []}", "kernels"},
      {"{\"kernels\": [{\"recipe\": 1.5}]}", "recipe"},
      {"{\"kernels\": [{\"recipe\": \"int4-weight-only\", \"side\": \"weight\", \"step\": \"prepare\", \"flavor\": "
       "\"aligned\", \"file\": \"no\", "
       "\"entry\": \"k\", \"grid\": [1], \"block\": [1], \"args\": [\"x\"]}]}",
       "no"},
      {"{\"kernels\": [{\"recipe\": \"a\", \"side\": \"left\", \"step\": \"prepare\", \"flavor\": "
       "\"aligned\", \"file\": \"no\", "
       "\"entry\": \"k\", \"grid\": [1], \"block\": [1], \"args\": [\"x\"]}]}",
       "left"},
      {"{\"kernels\": [{\"recipe\": \"int8-dynamic\", \"side\": \"weight\", \"step\": \"prepare\", \"flavor\": "
       "\"aligned\", \"file\": \"no\", \"entry\": \"k\", \"grid\": [1], \"block\": [1], \"args\": [\"x\"]}]}",
       "int8-dynamic"},
      {"{\"kernels\": [{\"recipe\": \"int4-weight-only\", \"side\": \"weight\", \"step\": \"both\", \"flavor\": "
       "\"aligned\", \"file\": \"no\", \"entry\": \"k\", \"grid\": [1], \"block\": [1], \"args\": [\"x\"]}]}",
       "both"},
      {"{\"kernels\": [{\"recipe\": \"int4-weight-only\", \"side\": \"activation\", \"step\": \"prepare\", "
       "\"flavor\": \"aligned\", \"file\": \"no\", \"entry\": \"k\", \"grid\": [1], \"block\": [1], \"args\": "
       "[\"x\"]}]}",
       "upstream defines no"},
      {"{\"kernels\": [{\"recipe\": \"int4-weight-only\", \"side\": \"weight\", \"step\": \"prepare\", \"flavor\": "
       "\"aligned\", \"file\": \"no\", \"entry\": \"k\", \"grid\": [1], \"block\": [1], \"args\": [\"x\"], "
       "\"whne\": \"1\"}]}",
       "whne"}};
  for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
    char path[] = "/tmp/samebits-manifest-XXXXXX";
    const int file = mkstemp(path);
    ck_assert_int_ge(file, 0);
    ck_assert_int_eq(write(file, broken[i].text, strlen(broken[i].text)), (int)strlen(broken[i].text));
    close(file);
    sb_manifest manifest;
    ck_assert_int_ne(sb_manifest_load(path, &manifest), SB_OK);
    ck_assert_msg(strstr(sb_message(), broken[i].says) != NULL, "%s", sb_message());
    unlink(path);
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("manifest");
  TCase *tests = tcase_create("manifest");
  tcase_set_timeout(tests, 60);
  tcase_add_test(tests, a_manifest_replaces_our_kernels);
  tcase_add_test(tests, our_kernels_do_not_stand_in);
  tcase_add_test(tests, nothing_compared_is_no_pass);
  tcase_add_unchecked_fixture(tests, make_folder, remove_folder);
  tcase_add_test(tests, a_triton_kernel);
  tcase_add_test(tests, args_fit_the_parameters);
  tcase_add_test(tests, a_broken_manifest_is_named);
  suite_add_tcase(suite, tests);
  return run_suite(suite);
}
