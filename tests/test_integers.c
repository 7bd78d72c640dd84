/* The integer formats, and tensors of any format: what is stored, what is loaded, and what sizes are refused. */
#include "samebits/tensor.h"
#include "tests/suite.h"

#include <math.h>

static const struct {
  sb_format format;
  int bits;
  bool negative;
} integers[] = {
    {SB_I4, 4, true},    {SB_U4, 4, false},  {SB_I8, 8, true},    {SB_U8, 8, false},  {SB_I16, 16, true},
    {SB_U16, 16, false}, {SB_I32, 32, true}, {SB_U32, 32, false}, {SB_I64, 64, true}, {SB_U64, 64, false},
};
enum { INTEGERS = sizeof integers / sizeof *integers };

/* The nearest integer, ties to even, within [low, high], by floor and what is left over. */
static __int128 nearest(double v, __int128 low, __int128 high) {
  if (v != v) return 0;
  if (v >= (double)high) return high;
  if (v <= (double)low) return low;
  const double down = floor(v), rest = v - down;
  __int128 whole = (__int128)down;
  if (rest > 0.5 || (rest == 0.5 && whole % 2 != 0)) whole++;
  return whole > high ? high : whole;
}

static void check_store(int which, double v) {
  const int bits = integers[which].bits;
  const __int128 one = 1, high = (one << (bits - (integers[which].negative ? 1 : 0))) - 1,
                 low = integers[which].negative ? -high - 1 : 0, want = nearest(v, low, high);
  const sb_format format = integers[which].format;
  for (int64_t index = 0; index < 3; index++) { /* a nibble's neighbours stay */
    uint8_t data[24], before[24];
    memset(data, 0xa5, sizeof data);
    memcpy(before, data, sizeof data);
    sb_store(format, data, index, v);
    const __int128 got =
        format == SB_U64 ? (__int128)sb_load_bits(format, data, index) : (__int128)sb_load_int(format, data, index);
    sb_holds(got == want, "%a to %s: %lld, not %lld", v, sb_format_of(format)->name, (long long)got, (long long)want);
    for (int64_t other = 0; other < 24 * 8 / bits; other++) {
      if (other == index) continue;
      sb_holds(sb_load_bits(format, data, other) == sb_load_bits(format, before, other), "%s: element %d changed",
               sb_format_of(format)->name, (int)other);
    }
    if (bits <= 32) sb_holds(sb_load(format, data, index) == (double)got, "%s: as f64", sb_format_of(format)->name);
  }
}

/* sb_store gives the nearest integer, ties to even, saturating, NaN as 0, and touches no other element: on every
 * integer, every half and one f64 either side of it for 4 and 8 bits, and about every power of two for the others. */
START_TEST(stores_round_and_saturate) {
  for (int which = 0; which < INTEGERS; which++) {
    for (int halves = -600; halves <= 600; halves++) {
      const double v = halves / 2.0;
      check_store(which, v);
      check_store(which, nextafter(v, 1e9));
      check_store(which, nextafter(v, -1e9));
    }
    for (int k = 8; k <= 66; k++) {
      const double parts[] = {-1, -0.5, -0.25, 0, 0.25, 0.5, 1, 1.5};
      for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        check_store(which, ldexp(1.0, k) + parts[i]);
        check_store(which, -ldexp(1.0, k) + parts[i]);
      }
      check_store(which, nextafter(ldexp(1.0, k), 0));
      check_store(which, nextafter(-ldexp(1.0, k), 0));
    }
    check_store(which, (double)NAN);
    check_store(which, (double)INFINITY);
    check_store(which, -(double)INFINITY);
    check_store(which, 0x1p-1074);
    check_store(which, -0.0);
  }
}
END_TEST

/* An integer in range comes back as itself; one out of range loses its high bits, as a C cast does. */
START_TEST(integers_come_back) {
  const int64_t values[] = {0,     1,         -1,        7,          -8,        8,        15,    16,
                            127,   -128,      128,       255,        256,       -129,     32767, -32768,
                            65535, INT32_MAX, INT32_MIN, UINT32_MAX, INT64_MAX, INT64_MIN};
  for (int which = 0; which < INTEGERS; which++) {
    const int bits = integers[which].bits;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
      uint64_t data[4] = {0};
      sb_store_int(integers[which].format, data, 1, values[i]);
      __int128 want = (__int128)values[i] & (((__int128)1 << bits) - 1);
      ck_assert_uint_eq(sb_load_bits(integers[which].format, data, 1), (uint64_t)want);
      if (integers[which].negative && want >> (bits - 1)) want -= (__int128)1 << bits;
      if (bits == 64 && !integers[which].negative) continue; /* does not fit the return type */
      ck_assert_int_eq(sb_load_int(integers[which].format, data, 1), (int64_t)want);
    }
  }
  uint8_t flag = 7;
  sb_store(SB_BOOL, &flag, 0, 0.25);
  ck_assert_int_eq(flag, 1);
  sb_store(SB_BOOL, &flag, 0, -0.0);
  ck_assert_int_eq(flag, 0);
}
END_TEST

/* Each format is found under both of its names and no other, has the width that its name tells, and two nibbles take a
 * byte. */
START_TEST(names_and_sizes) {
  for (int f = 0; f < SB_FORMATS; f++) {
    const sb_format_info *info = sb_format_of((sb_format)f);
    sb_format found = SB_FORMATS;
    sb_ok(sb_format_parse(info->name, &found));
    ck_assert_int_eq(found, f);
    if (info->safetensors) {
      found = SB_FORMATS;
      sb_ok(sb_format_parse(info->safetensors, &found));
      ck_assert_int_eq(found, f);
    }
    int64_t width = info->bits;
    ck_assert_int_eq(sb_format_bytes((sb_format)f, 0), 0);
    ck_assert_int_eq(sb_format_bytes((sb_format)f, 7), (7 * width + 7) / 8);
    ck_assert_int_eq(sb_format_bytes((sb_format)f, -1), -1);
    ck_assert_int_eq(sb_format_bytes((sb_format)f, INT64_MAX), width > 8 ? -1 : width == 8 ? INT64_MAX : 1LL << 62);
  }
  sb_format found = SB_F32;
  ck_assert_int_eq(sb_format_parse("f31", &found), SB_USAGE);
  ck_assert_ptr_nonnull(strstr(sb_message(), "f31"));
  ck_assert_ptr_nonnull(strstr(sb_message(), "bf16"));
  ck_assert_int_eq(found, SB_F32);
}
END_TEST

/* A tensor whose size is negative or overflows is refused in words; memory that is not there too; nothing is left. */
START_TEST(tensor_sizes) {
  sb_tensor t = {.format = SB_F32, .rank = 3, .dims = {INT64_MAX, 2, 2}};
  ck_assert_int_eq(sb_tensor_count(&t), -1);
  ck_assert_int_eq(sb_tensor_bytes(&t), -1);
  ck_assert_int_eq(sb_tensor_alloc(&t), SB_INVALID);
  ck_assert_ptr_nonnull(strstr(sb_message(), "overflow"));
  t = sb_tensor_2d(SB_F32, -1, 4);
  ck_assert_int_eq(sb_tensor_count(&t), -1);
  ck_assert_int_eq(sb_tensor_alloc(&t), SB_INVALID);
  t = sb_tensor_2d(SB_F32, INT64_MAX / 4, 1);
  ck_assert_int_eq(sb_tensor_bytes(&t), INT64_MAX / 4 * 4);
  ck_assert_int_eq(sb_tensor_alloc(&t), SB_INVALID);
  t = sb_tensor_2d(SB_I4, 3, 3);
  ck_assert_int_eq(sb_tensor_bytes(&t), 5);
  sb_ok(sb_tensor_alloc(&t));
  ck_assert_uint_eq((uintptr_t)t.data % 64, 0);
  for (int i = 0; i < 9; i++) ck_assert_int_eq(sb_load_int(SB_I4, t.data, i), 0);
  sb_tensor_free(&t);
  ck_assert_ptr_null(t.data);
  t = sb_tensor_2d(SB_F32, 0, 4);
  sb_ok(sb_tensor_alloc(&t));
  ck_assert_int_eq(sb_tensor_count(&t), 0);
  sb_tensor_free(&t);
  t = (sb_tensor){.format = SB_F32, .rank = 0};
  ck_assert_int_eq(sb_tensor_count(&t), 1);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("integers");
  TCase *tcase = tcase_create("integers");
  tcase_set_timeout(tcase, 120);
  tcase_add_test(tcase, stores_round_and_saturate);
  tcase_add_test(tcase, integers_come_back);
  tcase_add_test(tcase, names_and_sizes);
  tcase_add_test(tcase, tensor_sizes);
  suite_add_tcase(suite, tcase);
  return run_suite(suite);
}
