/* Expected divergences: a case counts as one only if its row's mechanisms give every bit of it. */
#include "samebits/apply.h"
#include "samebits/explain.h"
#include "samebits/fill.h"
#include "tests/suite.h"

#include <stdio.h>
#include <string.h>

static sb_expectations rows;
static sb_verifier *verifier;

static void load(void) {
  sb_ok(sb_expectations_load(SAMEBITS_SOURCE_DIR "/ci/expect/ref.txt", "ref", &rows));
  sb_ok(sb_verifier_new(&rows, &verifier));
}

static void unload(void) {
  sb_verifier_free(verifier);
  sb_expectations_free(&rows);
}

/* x and both steps of a case, by the reference. */
typedef struct sides {
  sb_case c;
  sb_tensor in[SB_SLOTS], prepare[SB_SLOTS], convert[SB_SLOTS];
} sides;

static void compute(const char *text, sides *s) {
  sb_spec step;
  *s = (sides){0};
  sb_ok(sb_case_parse(text, &s->c));
  s->in[SB_X] = sb_tensor_2d(s->c.spec.dtype, s->c.rows, s->c.cols);
  sb_ok(sb_tensor_alloc(&s->in[SB_X]));
  sb_ok(s->c.fill->make(&s->c.spec, s->c.seed, &s->in[SB_X]));
  for (int side = 0; side < 2; side++) {
    sb_tensor all[SB_SLOTS] = {[SB_X] = s->in[SB_X]};
    sb_ok(sb_spec_step(&s->c.spec, side ? SB_CONVERT : SB_PREPARE, false, &step));
    sb_ok(sb_apply(&step, s->c.rows, s->c.cols, all, NULL));
    all[SB_X] = (sb_tensor){0};
    memcpy(side ? s->convert : s->prepare, all, sizeof all);
  }
}

static void release(sides *s) {
  sb_slots_free(s->in);
  sb_slots_free(s->prepare);
  sb_slots_free(s->convert);
}

static sb_verified verdict(const sides *s) {
  sb_result result = {.status = SB_FAIL};
  sb_ok(sb_verify_case(verifier, &s->c, s->in, s->prepare, s->convert, &result));
  return result.verified;
}

/* One bit of the last element that is not 0 or NaN becomes its opposite, and the verdict with it. */
static void flip_one(const sides *s, sb_tensor *t, const char *text, const char *what) {
  int64_t bytes = sb_format_bytes(t->format, 1);
  for (int64_t i = sb_tensor_count(t) - 1; i >= 0; i--) {
    double v = sb_load(t->format, t->data, i);
    if (v != v || v - v != 0 || v == 0) continue;
    unsigned char *p = (unsigned char *)t->data + i * bytes;
    p[0] ^= 1;
    ck_assert_msg(verdict(s) == SB_VERIFIED_NOT, "%s: a flipped bit of %s is taken for the row's mechanisms", text,
                  what);
    p[0] ^= 1;
    return;
  }
}

static const char *const cases[] = {
    "int8-dynamic-act-int4-weight/activation/both@torchao-0.10-cpu/f32/33x256:g0/tie:3",
    "int8-dynamic-act-int4-weight/activation/both@torchao-0.10-cpu/bf16/33x256:g0/special:2",
    "int8-dynamic-act-int4-weight/activation/both@torchao-0.11-cpu/f16/33x256:g0/special:2",
    "int8-dynamic-act-int4-weight/activation/both@torchao-0.18-cpu/bf16/33x256:g0/directed:2",
    "int8-dynamic-act-int4-weight/activation/both@torchao-0.18-cuda/f32/33x256:g0/special:2",
    "int8-dynamic-act-int4-weight/weight/both@torchao-0.11-cpu/bf16/33x256:g32/special:2",
    "int4-weight-only/weight/both@torchao-0.18-cpu/bf16/33x256:g64/weight:3",
    "int4-weight-only/weight/both@torchao-0.18-cuda/f16/33x256:g128/special:3",
    "float8-dynamic-act-float8-weight/weight/both@torchao-0.18-cuda/bf16/33x256:g0/normal:3",
    "float8-dynamic-act-float8-weight/activation/both@torchao-0.18-cuda/f32/33x256:g0/special:3",
    "float8-dynamic-act-int4-weight/activation/both@torchao-0.18-cpu/f16/33x256:g0/bits:3",
    "float8-dynamic-act-int4-weight/activation/both@torchao-0.18-cpu/f32/33x256:g0/special:3",
    "float8-dynamic-act-int4-weight/weight/both@torchao-0.18-cpu/bf16/33x256:g128/weight:3",
    "float8-dynamic-act-int4-weight/weight/both@torchao-0.18-cuda/f16/33x256:g128/special:3"};

/* What the reference gives is what the rows say, on seeds and shapes that no row was made from; one bit more that is
 * wrong, in any tensor of either side, is not. */
START_TEST(a_second_bug_is_seen) {
  sides s;
  compute(cases[_i], &s);
  ck_assert_msg(verdict(&s) == SB_VERIFIED, "%s: not what its row says", cases[_i]);
  for (int slot = SB_X + 1; slot < SB_SLOTS; slot++) {
    if (slot == SB_PACKED || !s.prepare[slot].data || !s.convert[slot].data) continue;
    flip_one(&s, &s.convert[slot], cases[_i], sb_slot_names[slot]);
    flip_one(&s, &s.prepare[slot], cases[_i], sb_slot_names[slot]);
  }
  release(&s);
}
END_TEST

/* The int8 recipe of 0.11 and 0.18 is exact on finite input: its rows excuse no bit there. */
START_TEST(finite_input) {
  static const char *const finite[] = {
      "int8-dynamic-act-int4-weight/activation/both@torchao-0.11-cpu/f32/33x256:g0/tie:3",
      "int8-dynamic-act-int4-weight/activation/both@torchao-0.18-cpu/bf16/33x256:g0/normal:3",
      "int8-dynamic-act-int4-weight/activation/both@torchao-0.18-cuda/f16/33x256:g0/activation:3",
      "int8-dynamic-act-int4-weight/weight/both@torchao-0.11-cpu/f16/33x256:g32/weight:3"};
  sides s;
  compute(finite[_i], &s);
  flip_one(&s, &s.convert[SB_CODES], finite[_i], "codes");
  flip_one(&s, &s.convert[SB_SCALE], finite[_i], "scale");
  flip_one(&s, &s.convert[SB_OUTPUT], finite[_i], "output");
  release(&s);
}
END_TEST

/* Another form of the row's own mechanism is another bug: int4-weight-only's convert with narrow qparams stored, but
 * the output of the wide ones. */
START_TEST(another_form_is_another_bug) {
  sides s;
  compute("int4-weight-only/weight/both@torchao-0.18-cpu/bf16/33x256:g32/weight:3", &s);
  ck_assert_int_eq(verdict(&s), SB_VERIFIED);
  memcpy(s.convert[SB_OUTPUT].data, s.prepare[SB_OUTPUT].data, (size_t)sb_tensor_bytes(&s.prepare[SB_OUTPUT]));
  ck_assert_int_eq(verdict(&s), SB_VERIFIED_NOT);
  release(&s);
}
END_TEST

/* A row that names too little verifies nothing, and one of an unknown mechanism is refused with its line. */
START_TEST(rows_must_be_right) {
  static const char little[] = "*/both@torchao-0.10-cpu/* fp64-qparams-widened https://l 2026-01-31\n",
                    unknown[] = "# one\n*/both@torchao-0.10-cpu/* add-before-round,no-such https://l 2026-01-31\n";
  sb_expectations e;
  sb_verifier *v;
  sides s;
  sb_result result = {.status = SB_FAIL};
  compute(cases[0], &s);
  sb_ok(sb_expectations_parse("mine.txt", little, &e));
  sb_ok(sb_verifier_new(&e, &v));
  sb_ok(sb_verify_case(v, &s.c, s.in, s.prepare, s.convert, &result));
  ck_assert_int_eq(result.verified, SB_VERIFIED_NOT);
  sb_verifier_free(v);
  sb_expectations_free(&e);
  sb_ok(sb_expectations_parse("mine.txt", unknown, &e));
  ck_assert_int_eq(sb_verifier_new(&e, &v), SB_FILE);
  ck_assert_msg(strstr(sb_message(), "mine.txt: line 2: no mechanism 'no-such'"), "%s", sb_message());
  sb_expectations_free(&e);
  release(&s);
}
END_TEST

/* A device that is known to be wrong: what it gives for one step is searched on its own bits, by the row's mechanisms
 * alone. */
START_TEST(known_bugs_of_a_device) {
  static const char text[] = "*/prepare@aligned/* recip-mul-vs-div https://l 2026-01-31\n"
                             "*/prepare@*/* round-half-away https://l 2026-01-31\n";
  sb_expectations e;
  sb_verifier *v;
  sides s;
  compute("int8-dynamic-act-int4-weight/activation/both@torchao-0.18-cpu/bf16/33x256:g0/normal:3", &s);
  sb_ok(sb_expectations_parse("mine.txt", text, &e));
  sb_ok(sb_verifier_new(&e, &v));
  /* The device divides: every code by the quotient rounded to bf16 first. */
  for (int64_t i = 0; i < 33 * 256; i++) {
    int64_t r = i / 256;
    float x = (float)sb_load(SB_BF16, s.in[SB_X].data, i), scale = (float)sb_load(SB_BF16, s.prepare[SB_SCALE].data, r);
    float q = (float)__builtin_rint((double)sb_bf16_to_f32(sb_f32_to_bf16(x / scale)));
    float zero = (float)sb_load_int(s.prepare[SB_ZERO_POINT].format, s.prepare[SB_ZERO_POINT].data, r);
    float code = sb_bf16_to_f32(sb_f32_to_bf16(q + zero));
    code = code < -128 ? -128 : code > 127 ? 127 : code;
    sb_store_int(s.prepare[SB_CODES].format, s.prepare[SB_CODES].data, i, (int64_t)code);
    float y = sb_bf16_to_f32(sb_f32_to_bf16((code - zero) * scale));
    sb_store(SB_BF16, s.prepare[SB_OUTPUT].data, i, (double)y);
  }
  static const sb_flavor flavors[] = {SB_ALIGNED, SB_TORCHAO_0_18_CPU};
  static const sb_verified verdicts[] = {SB_VERIFIED, SB_VERIFIED_NOT};
  for (int k = 0; k < 2; k++) {
    sb_result result = {.status = SB_FAIL};
    s.c.spec.step = SB_PREPARE;
    sb_ok(
        sb_spec_make("int8-dynamic-act-int4-weight", SB_ACTIVATION, SB_PREPARE, flavors[k], "", SB_BF16, 0, &s.c.spec));
    sb_ok(sb_verify_case(v, &s.c, s.in, s.convert, s.prepare, &result));
    ck_assert_msg(result.verified == verdicts[k], "%d: %s", k, result.verification);
  }
  sb_verifier_free(v);
  sb_expectations_free(&e);
  release(&s);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("expected");
  TCase *tests = tcase_create("expected");
  tcase_add_checked_fixture(tests, load, unload);
  tcase_set_timeout(tests, 0);
  tcase_add_loop_test(tests, a_second_bug_is_seen, 0, sizeof cases / sizeof *cases);
  tcase_add_loop_test(tests, finite_input, 0, 4);
  tcase_add_test(tests, another_form_is_another_bug);
  tcase_add_test(tests, rows_must_be_right);
  tcase_add_test(tests, known_bugs_of_a_device);
  suite_add_tcase(suite, tests);
  return run_suite(suite);
}
