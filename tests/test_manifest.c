/* Other people's kernels in the place of ours. */
#include "samebits/check.h"
#include "samebits/manifest.h"
#include "tests/suite.h"

#include <stdio.h>
#include <unistd.h>

static sb_case_status verdict_of(const char *manifest) {
  char path[1024];
  snprintf(path, sizeof path, "%s/docs/examples/kernels/%s", SAMEBITS_SOURCE_DIR, manifest);
  const sb_device_options device_options = {.kernels = path};
  const sb_check_options options = {0};
  sb_case c;
  sb_result result;
  sb_device *device;
  sb_ok(sb_case_parse("int8-dynamic-act-int4-weight/activation/quantize@aligned/f32/13x384:g0/tie:1", &c));
  sb_ok(sb_device_open("emu:sm_90", &device_options, &device));
  sb_ok(sb_check(device, &c, &options, &result));
  const sb_case_status status = result.status;
  sb_result_free(&result);
  sb_device_close(device);
  return status;
}

/* The example's right kernel passes where its wrong one, which adds the zero point before it rounds, fails. */
START_TEST(a_manifest_replaces_our_kernels) {
  ck_assert_int_eq(verdict_of("manifest.json"), SB_PASS);
  ck_assert_int_eq(verdict_of("manifest_wrong.json"), SB_FAIL);
}
END_TEST

/* A broken manifest is one message that names the entry and the key. */
START_TEST(a_broken_manifest_is_named) {
  static const struct {
    const char *text, *says;
  } broken[] = {{"{", "line"},
                {"{\"kernels\": []}", "kernels"},
                {"{\"kernels\": [{\"recipe\": 1.5}]}", "recipe"},
                {"{\"kernels\": [{\"recipe\": \"a\", \"side\": \"weight\", \"step\": \"prepare\", \"flavor\": "
                 "\"aligned\", \"file\": \"no\", "
                 "\"entry\": \"k\", \"grid\": [1], \"block\": [1], \"args\": [\"x\"]}]}",
                 "no"},
                {"{\"kernels\": [{\"recipe\": \"a\", \"side\": \"left\", \"step\": \"prepare\", \"flavor\": "
                 "\"aligned\", \"file\": \"no\", "
                 "\"entry\": \"k\", \"grid\": [1], \"block\": [1], \"args\": [\"x\"]}]}",
                 "left"}};
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
  tcase_add_test(tests, a_broken_manifest_is_named);
  suite_add_tcase(suite, tests);
  return run_suite(suite);
}
