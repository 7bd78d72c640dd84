/* Exact counts and predictions of the emulator's bench. */
#include "samebits/predict.h"
#include "tests/shell.h"

#include <math.h>

/* The counts are those that are pinned for the same kernel and row length, they repeat exactly, and the time is the
 * roofline's: the greater of bytes over bandwidth and warp instructions over the issue rate. */
START_TEST(counts_are_exact) {
  sb_case c;
  sb_prediction a, b;
  char pinned[256], line[256];
  sb_ok(sb_case_parse("int8-dynamic-act-int4-weight/activation/prepare@aligned/bf16/16x4096:g0/normal:1", &c));
  sb_ok(sb_predict("emu:sm_90", NULL, &c, &a));
  sb_ok(sb_predict("emu:sm_90", NULL, &c, &b));
  ck_assert_int_eq(memcmp(a.counters, b.counters, sizeof a.counters), 0);
  snprintf(pinned, sizeof pinned, "prepare_token_bf16_i8_aligned %22.2f ", (double)a.counters[0] / (16 * 4096));
  FILE *file = fopen(SAMEBITS_SOURCE_DIR "/bench/counters/sm_90.txt", "r");
  ck_assert_ptr_nonnull(file);
  bool found = false;
  for (double per; fgets(line, sizeof line, file);)
    found |= sscanf(line, "prepare_token_bf16_i8_aligned %lf", &per) == 1 &&
             fabs(per - (double)a.counters[0] / (16 * 4096)) < 0.005;
  fclose(file);
  ck_assert_msg(found, "no such line: %s", pinned);
  const double memory = (double)a.bytes / a.product->bytes_per_second;
  const double issue = (double)a.counters[1] / (4 * a.product->hertz * a.product->processors);
  ck_assert(a.seconds == (memory >= issue ? memory : issue) && a.memory_bound == (memory >= issue));
  ck_assert_int_gt(a.bytes, 2 * 16 * 4096 * 2 - 1); /* x and the output, each once */
  ck_assert_int_eq((int)strlen(a.digests[SB_OUTPUT]), 32);
}
END_TEST

/* What cannot be counted as one launch on the emulator is refused, never guessed. */
START_TEST(refusals) {
  static const struct {
    const char *device, *text;
    sb_status status;
  } rows[] = {{"ref", "int4-weight-only/weight/prepare@aligned/bf16/4x256:g128/normal:1", SB_USAGE},
              {"cuda:0", "int4-weight-only/weight/prepare@aligned/bf16/4x256:g128/normal:1", SB_USAGE},
              {"emu:sm_90", "int4-weight-only/weight/both@aligned/bf16/4x256:g128/normal:1", SB_USAGE},
              {"emu:sm_90", "int4-weight-only/weight/prepare@aligned/bf16/4x200:g128/normal:1", SB_UNSUPPORTED},
              {"emu:sm_80", "float8-dynamic-act-int4-weight/weight/prepare@torchao-0.18-cuda/bf16/4x256:g128/normal:1",
               SB_UNSUPPORTED},
              {"emu:sm_1", "int4-weight-only/weight/prepare@aligned/bf16/4x256:g128/normal:1", SB_DEVICE}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    sb_case c;
    sb_prediction p;
    sb_ok(sb_case_parse(rows[i].text, &c));
    const sb_status status = sb_predict(rows[i].device, NULL, &c, &p);
    ck_assert_msg(status == rows[i].status || (status == SB_USAGE && rows[i].status == SB_DEVICE), "row %zu: %d: %s", i,
                  (int)status, sb_message());
  }
}
END_TEST

/* What a product's row says of its memory agrees with itself, to a thousandth. */
START_TEST(products_are_consistent) {
  static const int sms[] = {75, 80, 86, 89, 90, 100, 120};
  for (size_t i = 0; i < sizeof sms / sizeof *sms; i++) {
    const sb_product *p = sb_product_of(sms[i]);
    ck_assert_ptr_nonnull(p);
    const double computed = p->bits_per_pin * p->bus_width / 8;
    ck_assert_msg(fabs(computed / p->bytes_per_second - 1) < 1e-3, "%s: %g against %g", p->name, computed,
                  p->bytes_per_second);
    ck_assert(p->processors > 0 && p->hertz > 1e9 && p->hertz < 4e9);
  }
  ck_assert_ptr_null(sb_product_of(70));
}
END_TEST

/* The command writes a run that says it is a prediction, for each device of a list; two runs are the same, and counters
 * that differ between architectures are shown. */
START_TEST(the_command) {
#define BENCH "$S bench --recipe int8-dynamic-act-int4-weight --side activation --dtype f32 --shape 8x512 --device "
  ck_assert_int_eq(
      shell(BENCH "emu:sm_80,emu:sm_90 --output $D/a && " BENCH "emu:sm_80,emu:sm_90 --output $D/b >/dev/null && "
                  "$S compare $D/a $D/b && grep -c '\"predicted\":true' $D/a && $S report $D/a --html $D/h && grep -c "
                  "'class=\"predicted\"' $D/h"),
      0);
  ck_assert_msg(strstr(output, "PREDICTION") && strstr(output, "no GPU was involved") && strstr(output, "\n4\n4\n") &&
                    strstr(output, "4 SAME, 0 FASTER"),
                "%s", output);
  const int code =
      shell(BENCH "emu:sm_90 --output $D/a >/dev/null && " BENCH "emu:sm_100 --output $D/b >/dev/null && $S compare "
                  "$D/a $D/b");
  ck_assert_msg((code == 0 || code == 1) && strstr(output, "predicted") &&
                    strstr(output, "counters: thread_instructions "),
                "%d: %s", code, output);
  ck_assert_int_eq(shell(BENCH "emu:sm_90 --json"), 2);
  ck_assert_int_eq(shell(BENCH "emu:nothing"), 2);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("predict");
  TCase *tests = tcase_create("predict");
  tcase_add_unchecked_fixture(tests, make_folder, remove_folder);
  tcase_set_timeout(tests, 120);
  tcase_add_test(tests, counts_are_exact);
  tcase_add_test(tests, refusals);
  tcase_add_test(tests, products_are_consistent);
  tcase_add_test(tests, the_command);
  suite_add_tcase(suite, tests);
  return run_suite(suite);
}
