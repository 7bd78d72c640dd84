/* Comparison, ulps, digests: what counts as the same bits. */
#include "samebits/compare.h"
#include "tests/suite.h"

#include <string.h>

static sb_tensor of(sb_format format, int64_t count, void *data) {
  sb_tensor tensor = sb_tensor_2d(format, 1, count);
  tensor.data = data;
  return tensor;
}

static int64_t differing(sb_tensor a, sb_tensor b) {
  sb_comparison result;
  sb_ok(sb_compare(&a, &b, &result, NULL, NULL));
  ck_assert_int_eq(result.first >= 0, result.different > 0);
  return result.different;
}

/* Floating-point tensors of one format: every bit counts, except that all NaN are one. */
START_TEST(floats_by_bits) {
  uint32_t a[] = {0x7fc00000, 0x00000000, 0x3f800000, 0x7f800000, 0x00000001};
  uint32_t b[] = {0xffffffff, 0x80000000, 0x3f800001, 0x7f800000, 0x00000000};
  sb_comparison result;
  sb_tensor x = of(SB_F32, 5, a), y = of(SB_F32, 5, b);
  sb_ok(sb_compare(&x, &y, &result, NULL, NULL));
  ck_assert_int_eq(result.elements, 5);
  ck_assert_int_eq(result.different, 3);
  ck_assert_int_eq(result.first, 1);
  uint8_t c[] = {0x7f, 0x00, 0x7e}, d[] = {0xff, 0x80, 0x7e};
  ck_assert_int_eq(differing(of(SB_E4M3, 3, c), of(SB_E4M3, 3, d)), 1);
  uint16_t e[] = {0x7fc0, 0x7f80}, f[] = {0xff81, 0x7f80};
  ck_assert_int_eq(differing(of(SB_BF16, 2, e), of(SB_BF16, 2, f)), 0);
}
END_TEST

/* Two floating-point formats are compared after exact widening; -0 is still not +0. */
START_TEST(floats_of_two_formats) {
  float wide[] = {1.5f, -0.0f, 0x1.0001p0f, __builtin_nanf("")};
  uint16_t narrow[] = {0x3fc0, 0x0000, 0x3f80, 0x7fc1};
  ck_assert_int_eq(differing(of(SB_F32, 4, wide), of(SB_BF16, 4, narrow)), 2);
}
END_TEST

/* Integers are compared by value whatever their width, and with floating-point numbers by value, where -0 is 0 and NaN
 * is nothing. */
START_TEST(integers_by_value) {
  int8_t narrow[] = {-128, 0, 127, -1};
  int32_t wide[] = {-128, 0, 127, -1};
  int64_t widest[] = {-128, 0, 127, 255};
  float reals[] = {-128, -0.0f, 127.5f, __builtin_nanf("")};
  ck_assert_int_eq(differing(of(SB_I8, 4, narrow), of(SB_I32, 4, wide)), 0);
  ck_assert_int_eq(differing(of(SB_I8, 4, narrow), of(SB_I64, 4, widest)), 1);
  ck_assert_int_eq(differing(of(SB_I8, 4, narrow), of(SB_F32, 4, reals)), 2);
  ck_assert_int_eq(differing(of(SB_F32, 4, reals), of(SB_I8, 4, narrow)), 2);
  uint64_t huge = UINT64_MAX;
  int64_t minus = -1;
  ck_assert_int_eq(differing(of(SB_U64, 1, &huge), of(SB_I64, 1, &minus)), 1);
  double two_to_63 = 0x1p63;
  int64_t greatest = INT64_MAX;
  ck_assert_int_eq(differing(of(SB_F64, 1, &two_to_63), of(SB_I64, 1, &greatest)), 1);
}
END_TEST

/* Shapes that differ are an error, not a comparison. */
START_TEST(shapes_must_agree) {
  float data[6] = {0};
  sb_tensor a = sb_tensor_2d(SB_F32, 2, 3), b = sb_tensor_2d(SB_F32, 3, 2);
  sb_comparison result;
  a.data = b.data = data;
  ck_assert_int_eq(sb_compare(&a, &b, &result, NULL, NULL), SB_INVALID);
}
END_TEST

/* A difference in any single bit of any element of a long tensor is found, with its index. */
START_TEST(every_bit_counts) {
  enum { COUNT = 5000 };
  static uint16_t a[COUNT], b[COUNT];
  for (int i = 0; i < COUNT; i++) a[i] = b[i] = (uint16_t)(0x3c00 + i % 64);
  for (int i = 0; i < COUNT; i += 37) {
    b[i] = (uint16_t)(b[i] ^ (1 << i % 16));
    sb_tensor x = of(SB_F16, COUNT, a), y = of(SB_F16, COUNT, b);
    sb_comparison result;
    sb_ok(sb_compare(&x, &y, &result, NULL, NULL));
    ck_assert_int_eq(result.different, 1);
    ck_assert_int_eq(result.first, i);
    b[i] = a[i];
  }
}
END_TEST

/* ulps count representable numbers, across zero too; NaN has no distance. */
START_TEST(ulps) {
  ck_assert_int_eq(sb_ulps(SB_F32, 0x3f800000, 0x3f800003), 3);
  ck_assert_int_eq(sb_ulps(SB_F32, 0x00000001, 0x80000001), 2);
  ck_assert_int_eq(sb_ulps(SB_BF16, 0x8000, 0x0000), 0);
  ck_assert_int_eq(sb_ulps(SB_E4M3, 0x7e, 0xfe), 252);
  ck_assert_int_eq(sb_ulps(SB_F16, 0x7e01, 0), -1);
}
END_TEST

/* A mismatch is shown in hex and as a number. */
START_TEST(element_text) {
  float x[] = {-0.1f};
  int8_t q[] = {-8};
  char text[SB_ELEMENT_TEXT];
  sb_tensor a = of(SB_F32, 1, x), b = of(SB_I8, 1, q);
  ck_assert_str_eq(sb_element_text(&a, 0, text), "0xbdcccccd (-0.100000001)");
  ck_assert_str_eq(sb_element_text(&b, 0, text), "0xf8 (-8)");
}
END_TEST

static const char *digest(sb_tensor tensor) {
  static char text[4][SB_DIGEST_TEXT];
  static int next;
  char *to = text[next++ % 4];
  sb_ok(sb_digest(&tensor, to));
  return to;
}

/* Digests: known values of XXH3-128; NaN is one value, -0 is not 0, integers of any width with equal values agree. */
START_TEST(digests) {
  uint32_t a[] = {0x7fc00000, 1}, b[] = {0xff800001, 1}, c[] = {0x7fc00000, 0x80000001};
  ck_assert_str_eq(digest(of(SB_F32, 0, a)), "99aa06d3014798d86001c324468d497f"); /* of no bytes at all */
  ck_assert_str_eq(digest(of(SB_F32, 2, a)), digest(of(SB_F32, 2, b)));
  ck_assert_str_ne(digest(of(SB_F32, 2, a)), digest(of(SB_F32, 2, c)));
  int8_t narrow[] = {-1, 5};
  int64_t wide[] = {-1, 5};
  ck_assert_str_eq(digest(of(SB_I8, 2, narrow)), digest(of(SB_I64, 2, wide)));
  uint8_t e4m3[] = {0xff, 0x80}, same[] = {0x7f, 0x80}, other[] = {0x7f, 0x00};
  ck_assert_str_eq(digest(of(SB_E4M3, 2, e4m3)), digest(of(SB_E4M3, 2, same)));
  ck_assert_str_ne(digest(of(SB_E4M3, 2, e4m3)), digest(of(SB_E4M3, 2, other)));
}
END_TEST

int main(void) {
  Suite *suite = suite_create("compare");
  TCase *tests = tcase_create("compare");
  tcase_add_test(tests, floats_by_bits);
  tcase_add_test(tests, floats_of_two_formats);
  tcase_add_test(tests, integers_by_value);
  tcase_add_test(tests, shapes_must_agree);
  tcase_add_test(tests, every_bit_counts);
  tcase_add_test(tests, ulps);
  tcase_add_test(tests, element_text);
  tcase_add_test(tests, digests);
  suite_add_tcase(suite, tests);
  return run_suite(suite);
}
