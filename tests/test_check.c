/* Running cases: what the reference must give, and that a device which is wrong is found out. */
#include "samebits/check.h"
#include "samebits/select.h"
#include "tests/suite.h"

#include <stdio.h>
#include <string.h>

static sb_device *ref;
static const char ordinary_fills[] = "normal,weight,activation,tie,special,bits"; /* those that every recipe has */

static void open_ref(void) {
  sb_device_options options = {.threads = 2};
  sb_ok(sb_device_open("ref", &options, &ref));
}

static void close_ref(void) { sb_device_close(ref); }

static void run_on(sb_device *device, const char *text, sb_result *result) {
  sb_case c;
  sb_check_options options = {.digests = true};
  sb_ok(sb_case_parse(text, &c));
  sb_ok(sb_check(device, &c, &options, result));
}

static void expect_all_pass(const sb_selection *selection, int least) {
  sb_case_list list;
  sb_check_options options = {0};
  sb_ok(sb_select(selection, ref, &list));
  ck_assert_int_ge(list.count, least);
  for (int i = 0; i < list.count; i++) {
    char text[SB_CASE_TEXT];
    sb_result result;
    sb_ok(sb_check(ref, &list.cases[i], &options, &result));
    ck_assert_msg(result.status == SB_PASS, "%s %s: %s", sb_case_status_names[result.status],
                  sb_case_print(&list.cases[i], text), result.reason);
    sb_result_free(&result);
  }
  sb_case_list_free(&list);
}

/* Upstream's test of this name (torchao test_qat.py): over 1,000 seeds, in f32, bf16 and f16, fake quantization per
 * token gives the bits of convert, in torchao 0.11, 0.18 and aligned. */
START_TEST(fake_quantize_per_token_vs_convert) {
  expect_all_pass(&(sb_selection){.name = "fake_quantize_per_token_vs_convert"}, 9000);
}
END_TEST

/* Its twin for the weights, per group. */
START_TEST(fake_quantize_per_group_vs_convert) {
  expect_all_pass(&(sb_selection){.name = "fake_quantize_per_group_vs_convert"}, 9000);
}
END_TEST

/* `aligned` is exact for every recipe, side and dtype, on every fill. */
START_TEST(aligned_is_exact) {
  expect_all_pass(
      &(sb_selection){
          .flavors = "aligned", .steps = "both", .shapes = "37x512,1x256", .seeds = "1..4", .fills = ordinary_fills},
      18 * 6 * 2);
}
END_TEST

/* Every step gives the same bits by every instruction set, number of threads, and for a row alone; and the single
 * operations compose to prepare. */
START_TEST(reference_is_deterministic) {
  expect_all_pass(&(sb_selection){.steps = "prepare,convert,choose_qparams,quantize,dequantize",
                                  .shapes = "7x256",
                                  .fills = ordinary_fills},
                  500);
}
END_TEST

/* What upstream refuses is UNSUPPORTED with a reason: a group that does not divide, no columns, no rows. */
START_TEST(refusals) {
  static const char *const texts[] = {"int4-weight-only/weight/both@aligned/f32/4x100:g48/normal:1",
                                      "int8-dynamic-act-int4-weight/activation/both@aligned/f32/4x0:g0/normal:1",
                                      "int8-dynamic-act-int4-weight/activation/prepare@aligned/f32/0x4:g0/normal:1"};
  for (int i = 0; i < 3; i++) {
    sb_result result;
    run_on(ref, texts[i], &result);
    ck_assert_int_eq(result.status, SB_CASE_UNSUPPORTED);
    ck_assert_uint_gt(strlen(result.reason), 10);
    sb_result_free(&result);
  }
}
END_TEST

/* The same case gives the same digests again; another seed gives others. */
START_TEST(digests_repeat) {
  sb_result a, b, c;
  run_on(ref, "int4-weight-only/weight/both@torchao-0.18-cpu/bf16/16x256:g128/normal:1", &a);
  run_on(ref, "int4-weight-only/weight/both@torchao-0.18-cpu/bf16/16x256:g128/normal:1", &b);
  run_on(ref, "int4-weight-only/weight/both@torchao-0.18-cpu/bf16/16x256:g128/normal:2", &c);
  ck_assert_int_eq(a.status, SB_FAIL); /* the known divergence, before expectations */
  ck_assert_int_gt(a.different[SB_OUTPUT], 0);
  ck_assert_int_eq(a.different[SB_CODES], 0);
  for (int slot = 0; slot < SB_SLOTS; slot++) ck_assert_str_eq(a.digests[slot], b.digests[slot]);
  ck_assert_str_ne(a.digests[SB_CODES], c.digests[SB_CODES]);
  ck_assert_str_ne(a.digests[SB_OUTPUT], a.prepare_digests[SB_OUTPUT]);
  ck_assert_ptr_nonnull(strstr(a.not_compared, "packed (convert only)"));
}
END_TEST

/* A device that computes by the reference and then does one thing wrong. */
typedef enum wrong {
  RIGHT,
  ONE_BIT,
  SIGN_OF_ZERO,
  BEYOND_THE_END,
  BEFORE_THE_START,
  CHANGES_INPUT,
  LEAVES_OUT,
  CHANGES_ITS_MIND
} wrong;

typedef struct wrong_device {
  sb_device device;
  wrong wrong;
  int runs;
} wrong_device;

static sb_status run_wrong(sb_device *device, const sb_spec *spec, const sb_tensor in[SB_SLOTS],
                           sb_tensor out[SB_SLOTS], sb_device_reply *reply) {
  wrong_device *w = (wrong_device *)device;
  (void)reply;
  sb_tensor *output = &out[SB_OUTPUT];
  sb_tensor kept = *output;
  if (w->wrong == LEAVES_OUT) output->data = NULL;
  sb_status status = sb_run(spec, in, out, NULL);
  *output = kept;
  uint16_t *y = output->data;
  int64_t n = sb_tensor_count(output);
  w->runs++;
  switch (w->wrong) {
  case ONE_BIT:
    y[n - 1] ^= 1;
    break;
  case SIGN_OF_ZERO:
    for (int64_t i = 0; i < n; i++)
      if ((y[i] & 0x7fff) == 0) y[i] ^= 0x8000;
    break;
  case BEYOND_THE_END:
    y[n] = 0;
    break;
  case BEFORE_THE_START:
    y[-1] = 0;
    break;
  case CHANGES_INPUT:
    ((uint16_t *)in[SB_X].data)[0] ^= 1;
    break;
  case CHANGES_ITS_MIND:
    y[0] ^= w->runs > 1;
    break;
  default:
    break;
  }
  return status;
}

static void describe_wrong(const sb_device *device, void (*say)(void *, const char *, const char *), void *context) {
  (void)device;
  say(context, "kind", "wrong");
}

/* A right device passes; each wrong one gets the verdict that it deserves. */
START_TEST(wrong_devices) {
  static const sb_device_family family = {.scheme = "wrong", .run = run_wrong, .describe = describe_wrong};
  static const struct {
    wrong wrong;
    sb_case_status status;
    const char *reason;
  } rows[] = {{RIGHT, SB_PASS, ""},
              {ONE_BIT, SB_FAIL, "output[15, 127]"},
              {SIGN_OF_ZERO, SB_FAIL, "output["},
              {BEYOND_THE_END, SB_ERROR, "wrote beside its output output"},
              {BEFORE_THE_START, SB_ERROR, "wrote beside its output output"},
              {CHANGES_INPUT, SB_ERROR, "changed its input x"},
              {LEAVES_OUT, SB_FAIL, "output[0, 0]"},
              {CHANGES_ITS_MIND, SB_FAIL, "other bits"}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    wrong_device device = {.device = {.family = &family, .name = "wrong"}, .wrong = rows[i].wrong};
    sb_check_options options = {.repeat = rows[i].wrong == CHANGES_ITS_MIND ? 2 : 1};
    sb_case c;
    sb_result result;
    sb_ok(sb_case_parse("int8-dynamic-act-int4-weight/activation/prepare@aligned/bf16/16x128:g0/normal:1?device=wrong",
                        &c));
    sb_ok(sb_check(&device.device, &c, &options, &result));
    ck_assert_msg(result.status == rows[i].status && strstr(result.reason, rows[i].reason), "row %zu: %s: %s", i,
                  sb_case_status_names[result.status], result.reason);
    sb_result_free(&result);
  }
}
END_TEST

/* Input that serves no purpose is MISTRUSTED, not passed: a fill of the test that makes all codes equal, and one
 * without ties. */
static sb_status make_zeros(const sb_spec *spec, uint64_t seed, sb_tensor *x) {
  (void)spec, (void)seed;
  memset(x->data, 0, (size_t)sb_tensor_bytes(x));
  return SB_OK;
}

START_TEST(purposeless_input) {
  const sb_fill *tie;
  sb_ok(sb_fill_parse("tie", &tie));
  const sb_fill fills[] = {{.name = "normal", .ordinary = true, .make = make_zeros},
                           {.name = "tie", .make = make_zeros, .serves = tie->serves}};
  for (int i = 0; i < 2; i++) {
    sb_case c;
    sb_check_options options = {0};
    sb_result result;
    sb_ok(sb_case_parse("int8-dynamic-act-int4-weight/activation/both@aligned/bf16/16x128:g0/normal:1", &c));
    c.fill = &fills[i];
    sb_ok(sb_check(ref, &c, &options, &result));
    ck_assert_int_eq(result.status, SB_MISTRUSTED);
    sb_result_free(&result);
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("check");
  TCase *tests = tcase_create("check");
  tcase_add_checked_fixture(tests, open_ref, close_ref);
  tcase_set_timeout(tests, 600);
  tcase_add_test(tests, fake_quantize_per_token_vs_convert);
  tcase_add_test(tests, fake_quantize_per_group_vs_convert);
  tcase_add_test(tests, aligned_is_exact);
  tcase_add_test(tests, reference_is_deterministic);
  tcase_add_test(tests, refusals);
  tcase_add_test(tests, digests_repeat);
  tcase_add_test(tests, wrong_devices);
  tcase_add_test(tests, purposeless_input);
  suite_add_tcase(suite, tests);
  return run_suite(suite);
}
