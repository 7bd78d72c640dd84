/* The number formats against a list of their values (format_table.h), and the lanes that recipes use against both. */
#include "ref/lanes.h"
#include "samebits/tensor.h"
#include "tests/format_table.h"
#include "tests/suite.h"

static format_table tables[TABLE_FORMATS];
enum { F16, BF16, E4M3, E5M2, E2M1 }; /* places in tables */

static void make_tables(void) {
  for (int i = 0; i < TABLE_FORMATS; i++) ck_assert(format_table_make(i, &tables[i]));
}

static bool same(double a, double b) { return (a != a && b != b) || sb_f64_bits(a) == sb_f64_bits(b); }

/* Every code of every small format widens to the number that the list has for it, through each door there is, and that
 * number is stored as the code again. */
START_TEST(all_codes_widen_and_come_back) {
  for (int i = 0; i < TABLE_FORMATS; i++) {
    const format_table *t = &tables[i];
    const char *name = sb_format_of(t->format)->name;
    for (uint32_t code = 0; code < 2 * t->sign_bit; code++) {
      const double want = format_table_decode(t, code), got = sb_load(t->format, &code, 0);
      sb_holds(same(want, got), "%s 0x%x: %a, not %a", name, code, got, want);
      const float direct[] = {[F16] = sb_f16_to_f32((uint16_t)code),
                              [BF16] = sb_bf16_to_f32((uint16_t)code),
                              [E4M3] = sb_e4m3_to_f32((uint8_t)code),
                              [E5M2] = sb_e5m2_to_f32((uint8_t)code),
                              [E2M1] = sb_e2m1_to_f32((uint8_t)code)};
      sb_holds(same(want, (double)direct[i]), "%s 0x%x: %a", name, code, (double)direct[i]);
      sb_holds(sb_load_bits(t->format, &code, 0) == code, "%s 0x%x: bits", name, code);
      float lane = direct[i];
      if (i == F16 || i == BF16) lane = sb_lane_load(t->format, &code, 0);
      if (i == E4M3) lane = sb_lane_e4m3_widen((uint8_t)code);
      sb_holds(same(want, (double)lane), "%s 0x%x: the lane has %a", name, code, (double)lane);
      if (want != want) continue;
      uint32_t stored = 0, lane_stored = code;
      sb_store(t->format, &stored, 0, want);
      if (i == F16 || i == BF16) {
        lane_stored = 0;
        sb_lane_store(t->format, &lane_stored, 0, lane);
      }
      if (i == E4M3) lane_stored = sb_lane_e4m3_bits(lane);
      sb_holds(stored == code && lane_stored == code, "%s 0x%x: stored as 0x%x, 0x%x", name, code, stored, lane_stored);
    }
  }
}
END_TEST

/* What one f32 is in every format and under every policy, from formats.c and from the lanes, is what the list says. */
static void check_f32(float v) {
  const double d = (double)v;
#define SAME(got, table, policy)                                                                                       \
  do {                                                                                                                 \
    const uint32_t g = (got), w = format_table_encode(&tables[table], d, policy);                                      \
    sb_holds(g == w, "%a (0x%08x): %s is 0x%x, not 0x%x", d, sb_f32_bits(v), #got, g, w);                              \
  } while (0)
  SAME(sb_f32_to_f16(v), F16, TABLE_TO_INFINITY);
  SAME(sb_f32_to_bf16(v), BF16, TABLE_TO_INFINITY);
  SAME(sb_f32_to_e4m3_nan(v), E4M3, TABLE_TO_NAN);
  SAME(sb_f32_to_e4m3_sat(v), E4M3, TABLE_TO_MAX);
  SAME(sb_f32_to_e5m2_inf(v), E5M2, TABLE_TO_INFINITY);
  SAME(sb_f32_to_e5m2_sat(v), E5M2, TABLE_TO_MAX);
  SAME(sb_f32_to_e2m1(v), E2M1, TABLE_TO_MAX);
  const float f16 = sb_lane_f16(v), bf16 = sb_lane_bf16(v), e4m3 = sb_lane_e4m3(sb_lane_clamp(v, -448.0F, 448.0F));
  uint16_t stored[2] = {0, 0};
  sb_lane_store(SB_F16, &stored[F16], 0, f16);
  sb_lane_store(SB_BF16, &stored[BF16], 0, bf16);
  if (v == v) {
    SAME(stored[F16], F16, TABLE_TO_INFINITY);
    SAME(stored[BF16], BF16, TABLE_TO_INFINITY);
    SAME(sb_lane_e4m3_bits(e4m3), E4M3, TABLE_TO_MAX);
    const bool values = same((double)f16, format_table_decode(&tables[F16], stored[F16])) &&
                        same((double)bf16, format_table_decode(&tables[BF16], stored[BF16])) &&
                        same((double)e4m3, format_table_decode(&tables[E4M3], sb_lane_e4m3_bits(e4m3)));
    sb_holds(values, "%a: lanes as f32 have %a %a %a", d, (double)f16, (double)bf16, (double)e4m3);
  } else {
    const bool nans = f16 != f16 && bf16 != bf16 && e4m3 != e4m3 && (stored[F16] & 0x7fff) > 0x7c00 &&
                      (stored[BF16] & 0x7fff) > 0x7f80 && (sb_lane_e4m3_bits(e4m3) & 0x7f) == 0x7f;
    sb_holds(nans, "NaN 0x%08x does not stay one in the lanes", sb_f32_bits(v));
  }
  sb_holds(sb_f32_bits(sb_lane_round(SB_F32, v)) == sb_f32_bits(v), "%a: rounded to f32", d);
#undef SAME
}

static void check_f64(double v) {
  static const table_overflow store_policy[] = {[F16] = TABLE_TO_INFINITY,
                                                [BF16] = TABLE_TO_INFINITY,
                                                [E4M3] = TABLE_TO_NAN,
                                                [E5M2] = TABLE_TO_INFINITY,
                                                [E2M1] = TABLE_TO_MAX};
  for (int i = 0; i < TABLE_FORMATS; i++) {
    const uint32_t want = format_table_encode(&tables[i], v, store_policy[i]);
    uint32_t stored = 0, direct = want;
    sb_store(tables[i].format, &stored, 0, v);
    if (i == F16) direct = sb_f64_to_f16(v);
    if (i == BF16) direct = sb_f64_to_bf16(v);
    sb_holds(stored == want && direct == want, "%a to %s: 0x%x, 0x%x, not 0x%x", v,
             sb_format_of(tables[i].format)->name, stored, direct, want);
  }
}

static float f32_step(float v, int step) { return sb_f32_from_bits((uint32_t)((int64_t)sb_f32_bits(v) + step)); }

/* f32 rounds right on every boundary of every format: each value and each middle, as they are and one f32 either side,
 * with both signs; each f32 exponent, 0, infinity and NaN besides. */
START_TEST(f32_boundaries) {
  for (int i = 0; i < TABLE_FORMATS; i++) {
    const format_table *t = &tables[i];
    for (int code = 0; code <= t->finite; code++) {
      const double at[] = {t->value[code], t->middle[code]};
      for (int k = 0; k < 2; k++) {
        const float v = (float)at[k]; /* exact, or infinite: f32 has 13 more bits than f16 and bf16's exponents */
        for (int step = -1; step <= 1; step++) {
          if ((v == 0 && step < 0) || (isinf(v) && step > 0)) continue;
          check_f32(f32_step(v, step));
          check_f32(-f32_step(v, step));
        }
      }
    }
  }
  for (uint32_t exponent = 0; exponent < 256; exponent++) {
    static const uint32_t fractions[] = {0,        1,        0x7fffff, 0x400000, 0x3fffff, 0x400001, 0x7ff000,
                                         0x7fefff, 0x780000, 0x77ffff, 0x7c0000, 0x600000, 0x200000, 0x555555};
    for (size_t i = 0; i < sizeof fractions / sizeof *fractions; i++) {
      check_f32(sb_f32_from_bits(exponent << 23 | fractions[i]));
      check_f32(sb_f32_from_bits(0x80000000U | exponent << 23 | fractions[i]));
    }
  }
}
END_TEST

/* A sample of all f32, each bit pattern as likely as another, rounds right: 2^20 of them with an odd stride. The rest
 * is the long tier: build/sweep-formats. */
START_TEST(f32_sample) {
  for (uint32_t i = 0; i < 1U << 20; i++) check_f32(sb_f32_from_bits(i * 2654435761U));
}
END_TEST

/* f64 is rounded once, not through f32: one f64 either side of each middle, where f32 could not tell. */
START_TEST(f64_boundaries) {
  for (int i = 0; i < TABLE_FORMATS; i++) {
    const format_table *t = &tables[i];
    for (int code = 0; code <= t->finite; code++) {
      const double at[] = {t->value[code], t->middle[code]};
      for (int k = 0; k < 2; k++) {
        for (int side = -1; side <= 1; side++) {
          const double v = side ? nextafter(at[k], side * (double)INFINITY) : at[k];
          check_f64(v);
          check_f64(-v);
        }
      }
    }
  }
  const double special[] = {0x1p-1074,        0x1p-1022,  0x1p-150, 0x1p-24, 0x1p1023, 0x1.fffffffffffffp1023,
                            (double)INFINITY, (double)NAN};
  for (size_t i = 0; i < sizeof special / sizeof *special; i++) {
    check_f64(special[i]);
    check_f64(-special[i]);
  }
}
END_TEST

/* All of f16, bf16, e4m3, e5m2 and e2m1 cast to each of the five and back to f32 as the list says: sb_tensor_cast. */
START_TEST(all_small_casts) {
  for (int from = 0; from < TABLE_FORMATS; from++) {
    const format_table *t = &tables[from];
    const int64_t codes = 2 * (int64_t)t->sign_bit;
    sb_tensor all = {.format = t->format, .rank = 1, .dims = {codes}};
    sb_ok(sb_tensor_alloc(&all));
    for (int64_t i = 0; i < codes; i++) {
      if (from == E2M1)
        sb_store_int(SB_E2M1, all.data, i, i);
      else
        memcpy((char *)all.data + i * (from <= BF16 ? 2 : 1), &i, from <= BF16 ? 2 : 1);
    }
    sb_tensor wide;
    sb_ok(sb_tensor_cast(&all, SB_F32, &wide));
    for (int to = 0; to < TABLE_FORMATS; to++) {
      static const table_overflow policy[] = {TABLE_TO_INFINITY, TABLE_TO_INFINITY, TABLE_TO_NAN, TABLE_TO_INFINITY,
                                              TABLE_TO_MAX};
      sb_tensor cast;
      sb_ok(sb_tensor_cast(&all, tables[to].format, &cast));
      for (int64_t i = 0; i < codes; i++) {
        const double v = format_table_decode(t, (uint32_t)i);
        const uint64_t got = sb_load_bits(cast.format, cast.data, i);
        const uint64_t want = to == from ? (uint64_t)i : format_table_encode(&tables[to], v, policy[to]);
        sb_holds(got == want, "%s 0x%x to %s: 0x%x, not 0x%x", sb_format_of(t->format)->name, (unsigned)i,
                 sb_format_of(cast.format)->name, (unsigned)got, (unsigned)want);
        sb_holds(same((double)((const float *)wide.data)[i], v), "0x%x to f32", (unsigned)i);
      }
      sb_tensor_free(&cast);
    }
    sb_tensor_free(&wide);
    sb_tensor_free(&all);
  }
}
END_TEST

/* e8m0 is the smallest power of two that is not below the number (up) or the largest not above it (down), within
 * 2^-127 .. 2^127; 0 and below give 2^-127, NaN 0xff; on every power, its neighbours and the middle. */
START_TEST(e8m0_powers) {
  double power[256];
  power[127] = 1;
  for (int i = 128; i < 256; i++) power[i] = power[i - 1] * 2;
  for (int i = 126; i >= 0; i--) power[i] = power[i + 1] / 2;
  for (uint32_t bits = 0; bits < 255; bits++) {
    const uint8_t byte = (uint8_t)bits;
    ck_assert(same((double)sb_e8m0_to_f32(byte), power[bits]) && same(sb_load(SB_E8M0, &byte, 0), power[bits]));
    const float near[] = {(float)power[bits], f32_step((float)power[bits], 1), f32_step((float)power[bits], -1),
                          (float)(power[bits] * 1.5)};
    for (size_t i = 0; i < sizeof near / sizeof *near; i++) {
      const double v = (double)near[i];
      int up = 0, down = 0;
      while (up < 254 && power[up] < v) up++;
      while (down < 254 && power[down + 1] <= v) down++;
      uint8_t stored = 0x55;
      sb_store(SB_E8M0, &stored, 0, v);
      ck_assert_int_eq(sb_f32_to_e8m0_up(near[i]), up);
      ck_assert_int_eq(sb_f32_to_e8m0_down(near[i]), down);
      ck_assert_int_eq(stored, up);
      ck_assert_int_eq(sb_f32_to_e8m0_up(-near[i]), 0);
      ck_assert_int_eq(sb_f32_to_e8m0_down(-near[i]), 0);
    }
  }
  const uint8_t nan = 0xff;
  ck_assert(isnan(sb_e8m0_to_f32(nan)) && isnan(sb_load(SB_E8M0, &nan, 0)));
  ck_assert_int_eq(sb_f32_to_e8m0_up(NAN), 0xff);
  ck_assert_int_eq(sb_f32_to_e8m0_down(NAN), 0xff);
  ck_assert_int_eq(sb_f32_to_e8m0_up(INFINITY), 0xfe);
  ck_assert_int_eq(sb_f32_to_e8m0_down(INFINITY), 0xfe);
  ck_assert_int_eq(sb_f32_to_e8m0_up(0), 0);
  ck_assert_int_eq(sb_f32_to_e8m0_down(-INFINITY), 0);
  ck_assert_int_eq(sb_f32_to_e8m0_up(0x1p-149F), 0);
}
END_TEST

/* finfo: eps is the step after 1, smallest_normal the first number at which the step would double. */
START_TEST(finfo) {
  for (int i = 0; i < TABLE_FORMATS; i++) {
    const format_table *t = &tables[i];
    if (i > BF16) continue; /* the model's formats */
    int one = 0;
    while (t->value[one] < 1) one++;
    ck_assert(t->value[one] == 1 && sb_format_eps(t->format) == t->value[one + 1] - 1);
    ck_assert(sb_format_smallest_normal(t->format) == t->value[table_facts[i].mantissa_codes]);
  }
  ck_assert(sb_format_eps(SB_F32) == 0x1p-23 && sb_format_smallest_normal(SB_F32) == 0x1p-126);
  ck_assert(sb_format_eps(SB_F64) == 0x1p-52 && sb_format_smallest_normal(SB_F64) == 0x1p-1022);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("formats");
  TCase *tcase = tcase_create("floating point");
  tcase_set_timeout(tcase, 300);
  tcase_add_checked_fixture(tcase, make_tables, NULL);
  tcase_add_test(tcase, all_codes_widen_and_come_back);
  tcase_add_test(tcase, f32_boundaries);
  tcase_add_test(tcase, f32_sample);
  tcase_add_test(tcase, f64_boundaries);
  tcase_add_test(tcase, all_small_casts);
  tcase_add_test(tcase, e8m0_powers);
  tcase_add_test(tcase, finfo);
  suite_add_tcase(suite, tcase);
  return run_suite(suite);
}
