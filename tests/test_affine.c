/* The affine primitives against the operation-by-operation model of affine_model.h, and what they refuse. */
#include "ref/affine_lanes.h"
#include "tests/affine_model.h"
#include "tests/suite.h"

#include <stdio.h>

static uint64_t state;

static uint64_t word(void) { /* splitmix64 */
  uint64_t z = state += 0x9e3779b97f4a7c15U;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
  return z ^ (z >> 31);
}
static int below(int limit) { return (int)(word() % (uint64_t)limit); }

/* Shapes of 48 elements with the block sizes that per tensor, row, group and free blocks mean. */
static const struct shape {
  int rank;
  int64_t dims[4], block[4];
} shapes[] = {
    {1, {48}, {48}},
    {1, {48}, {12}},
    {1, {48}, {1}},
    {2, {6, 8}, {6, 8}},
    {2, {6, 8}, {1, 8}},
    {2, {6, 8}, {1, 4}},
    {2, {6, 8}, {6, 1}},
    {2, {6, 8}, {3, 2}},
    {3, {2, 3, 8}, {2, 3, 8}},
    {3, {2, 3, 8}, {1, 1, 8}},
    {3, {2, 3, 8}, {1, 3, 4}},
    {3, {2, 3, 8}, {2, 1, 2}},
    {4, {2, 2, 3, 4}, {1, 2, 3, 2}},
    {4, {2, 2, 3, 4}, {2, 2, 3, 4}},
    {4, {2, 2, 3, 4}, {2, 1, 3, 1}},
    {4, {2, 2, 3, 4}, {1, 1, 1, 1}},
};
enum { SHAPES = sizeof shapes / sizeof *shapes, ELEMENTS = 48 };

/* The block of element i, by its coordinates. */
static int64_t block_of(const struct shape *s, int64_t i) {
  int64_t coordinate[4], block = 0;
  for (int d = s->rank - 1; d >= 0; d--) {
    coordinate[d] = i % s->dims[d];
    i /= s->dims[d];
  }
  for (int d = 0; d < s->rank; d++) block = block * (s->dims[d] / s->block[d]) + coordinate[d] / s->block[d];
  return block;
}

static const sb_format dtypes[] = {SB_F32, SB_BF16, SB_F16};

typedef struct setting {
  sb_affine affine;
  sb_format T;
  const struct shape *shape;
} setting;

/* A random setting that upstream allows: 2 to 8 bits, signed, unsigned and narrow. */
static setting random_setting(void) {
  setting s = {.T = dtypes[below(3)], .shape = &shapes[below(SHAPES)]};
  sb_affine *a = &s.affine;
  a->version = (sb_affine_version)below(2);
  a->mapping = (sb_mapping)below(3);
  a->domain = (sb_zero_point_domain)below(3);
  if (a->mapping != SB_ASYMMETRIC && a->domain == SB_DOMAIN_FLOAT) a->domain = SB_DOMAIN_INT;
  a->preserve_zero = a->mapping != SB_ASYMMETRIC || below(2);
  const int bits = 2 + below(7), kind = below(3);
  a->quant_min = kind == 0 ? 0 : -(1 << (bits - 1)) + (kind == 2);
  a->quant_max = kind == 0 ? (1 << bits) - 1 : (1 << (bits - 1)) - 1;
  static const double eps[] = {(double)NAN, 1e-6, 0.01, 0, 0x1p-24};
  a->eps = eps[below(5)];
  a->scale_format = below(2) ? s.T : dtypes[below(3)];
  static const sb_format integer[] = {SB_I8, SB_I32, SB_I64, SB_F32, SB_BF16, SB_F16};
  a->zero_point_format = a->domain == SB_DOMAIN_FLOAT ? dtypes[below(3)] : integer[below(6)];
  a->output_format = below(2) ? s.T : dtypes[below(3)];
  memcpy(a->block_size, s.shape->block, sizeof s.shape->block);
  return s;
}

static sb_tensor tensor_like(const struct shape *s, sb_format format, bool by_block) {
  sb_tensor t = {.format = format, .rank = s->rank};
  for (int d = 0; d < s->rank; d++) t.dims[d] = by_block ? s->dims[d] / s->block[d] : s->dims[d];
  sb_ok(sb_tensor_alloc(&t));
  return t;
}

static void fill(sb_tensor *x, bool special) {
  const double size = ldexp(1.0, below(24) - 18), shift = below(3) ? 0 : below(2) ? 2 : -2;
  for (int64_t i = 0; i < ELEMENTS; i++) {
    double v = ((double)(word() >> 11) * 0x1p-53 * 2 - 1 + shift) * size;
    if (below(6) == 0) v = (below(33) - 16) * size / 16; /* ties */
    static const double odd[] = {0.0,      -0.0,     HUGE_VAL, -HUGE_VAL, (double)NAN,
                                 0x1p-149, -0x1p-24, 0x1p-133, 65504,     1e-7};
    if (special && below(8) == 0) v = odd[below(10)];
    sb_store(x->format, x->data, i, v);
  }
}

static value load(const sb_tensor *t, int64_t i) {
  const sb_format f = sb_format_of(t->format)->is_float ? t->format : SB_I32;
  return (value){sb_load(t->format, t->data, i), f};
}

static bool same(double a, double b) { return (a != a && b != b) || sb_f64_bits(a) == sb_f64_bits(b); }

static const char *describe(const setting *s) {
  static char text[256];
  const sb_affine *a = &s->affine;
  snprintf(
      text, sizeof text,
      "%s version %d mapping %d domain %d preserve_zero %d [%d, %d] eps %g scale %s zero_point %s output %s shape %d",
      sb_format_of(s->T)->name, a->version, a->mapping, a->domain, a->preserve_zero, (int)a->quant_min,
      (int)a->quant_max, a->eps, sb_format_of(a->scale_format)->name, sb_format_of(a->zero_point_format)->name,
      sb_format_of(a->output_format)->name, (int)(s->shape - shapes));
  return text;
}

/* choose_qparams: the stored scale and zero_point of every block. */
static void check_choose(const setting *s, const sb_tensor *x, const sb_tensor *scale, const sb_tensor *zero_point) {
  const int64_t blocks = sb_tensor_count(scale);
  for (int64_t b = 0; b < blocks; b++) {
    double block[ELEMENTS];
    int64_t n = 0;
    for (int64_t i = 0; i < ELEMENTS; i++) {
      if (block_of(s->shape, i) == b) block[n++] = sb_load(x->format, x->data, i);
    }
    ck_assert_int_eq(n, ELEMENTS / blocks);
    value want_scale, want_zero;
    model_choose(&s->affine, s->T, block, n, &want_scale, &want_zero);
    const double stored = model_round(scale->format, want_scale.v), got = sb_load(scale->format, scale->data, b);
    /* eps 0: torch.max of +0 and -0 may be either, so that a scale of 0 has no sign */
    sb_holds(same(stored, got) || (stored == 0 && got == 0), "%s: scale[%d] is %a, not %a", describe(s), (int)b, got,
             stored);
    if (s->affine.domain == SB_DOMAIN_NONE) continue;
    if (sb_format_of(zero_point->format)->is_float) {
      const double z = model_round(zero_point->format, want_zero.v),
                   is = sb_load(zero_point->format, zero_point->data, b);
      sb_holds(same(z, is), "%s: zero_point[%d] is %a, not %a", describe(s), (int)b, is, z);
    } else {
      const int64_t z = model_to_integer(want_zero.v, zero_point->format),
                    is = sb_load_int(zero_point->format, zero_point->data, b);
      sb_holds(z == is, "%s: zero_point[%d] is %lld, not %lld", describe(s), (int)b, (long long)is, (long long)z);
    }
  }
}

/* quantize, dequantize of its codes, and fake_quantize, with the stored qparams. */
static void check_elements(const setting *s, const sb_tensor *x, const sb_tensor *scale, const sb_tensor *zero_point) {
  const sb_affine *a = &s->affine;
  sb_tensor codes = tensor_like(s->shape, a->quant_max > 127 ? SB_U8 : SB_I8, false),
            output = tensor_like(s->shape, a->output_format, false), fake = tensor_like(s->shape, s->T, false),
            fake_codes = tensor_like(s->shape, s->T, false);
  const sb_tensor *z = a->domain == SB_DOMAIN_NONE ? NULL : zero_point;
  sb_affine in_T = *a; /* upstream's fake_quantize dequantizes to the input's dtype */
  in_T.output_format = s->T;
  sb_ok(sb_quantize_affine(a, x, scale, z, &codes));
  sb_ok(sb_dequantize_affine(a, &codes, scale, z, &output));
  sb_ok(sb_fake_quantize_affine(&in_T, x, scale, z, &fake_codes, &fake));
  for (int64_t i = 0; i < ELEMENTS; i++) {
    const int64_t b = block_of(s->shape, i);
    const value zero = z ? load(z, b) : (value){0, SB_I32},
                number = model_quantize(a, load(x, i), load(scale, b), zero);
    const int64_t code = model_to_integer(number.v, codes.format), got = sb_load_int(codes.format, codes.data, i);
    sb_holds(code == got, "%s: code[%d] of %a is %lld, not %lld", describe(s), (int)i, sb_load(x->format, x->data, i),
             (long long)got, (long long)code);
    const double y = model_dequantize(a, (value){(double)code, SB_I32}, load(scale, b), zero),
                 fake_y = model_dequantize(&in_T, number, load(scale, b), zero);
    const double got_y = sb_load(output.format, output.data, i), got_fake = sb_load(fake.format, fake.data, i);
    sb_holds(same(y, got_y), "%s: output[%d] of code %d is %a, not %a", describe(s), (int)i, (int)code, got_y, y);
    sb_holds(same(fake_y, got_fake), "%s: fake[%d] of %a is %a, not %a", describe(s), (int)i,
             sb_load(x->format, x->data, i), got_fake, fake_y);
    const double got_code = sb_load(fake_codes.format, fake_codes.data, i);
    sb_holds(same(number.v, got_code), "%s: fake code[%d] is %a, not %a", describe(s), (int)i, got_code, number.v);
  }
  sb_tensor_free(&codes);
  sb_tensor_free(&output);
  sb_tensor_free(&fake);
  sb_tensor_free(&fake_codes);
}

static void settings(uint64_t seed, int count, bool special) {
  state = seed;
  for (int n = 0; n < count; n++) {
    const setting s = random_setting();
    sb_tensor x = tensor_like(s.shape, s.T, false), scale = tensor_like(s.shape, s.affine.scale_format, true),
              zero_point = tensor_like(s.shape, s.affine.zero_point_format, true);
    fill(&x, special);
    sb_ok(sb_choose_qparams_affine(&s.affine, &x, &scale, &zero_point));
    check_choose(&s, &x, &scale, &zero_point);
    check_elements(&s, &x, &scale, &zero_point);
    sb_tensor_free(&x);
    sb_tensor_free(&scale);
    sb_tensor_free(&zero_point);
  }
}

/* For finite input the primitives are the model bit for bit: mapping, range, eps, domain, preserve_zero, formats of
 * scale, zero_point and output, and block size drawn at random, 4,000 settings. */
START_TEST(finite_settings) { settings(1, 4000, false); }
END_TEST

/* The same with zeros of both signs, infinities, NaN and subnormal numbers among the elements. */
START_TEST(special_settings) { settings(2, 3000, true); }
END_TEST

/* Dequantizing by an int32 subtraction (0.11) or in the output format (0.18) is the same for every one of the 65,536
 * pairs of 8-bit code and zero_point, signed or not, each output format, and scales from subnormal to large. */
START_TEST(int32_subtraction_changes_no_bit) {
  static const double scales[] = {0x1p-149, 0x1p-24, 0x1.99999ap-4, 0x1.555556p-1, 1, 0x1.8p7, 0x1.fffffep127};
  for (int d = 0; d < 3; d++) {
    for (int width = 0; width < 2; width++) { /* i8, u8 */
      const sb_format format = width ? SB_U8 : SB_I8;
      sb_tensor codes = sb_tensor_2d(format, 256, 256), scale = sb_tensor_2d(SB_F32, 256, 1),
                zero_point = sb_tensor_2d(width ? SB_I32 : SB_I8, 256, 1), old = sb_tensor_2d(dtypes[d], 256, 256),
                new = old;
      sb_tensor *all[] = {&codes, &scale, &zero_point, &old, &new};
      for (int t = 0; t < 5; t++) sb_ok(sb_tensor_alloc(all[t]));
      for (int i = 0; i < 65536; i++) sb_store_int(format, codes.data, i, i % 256 - (width ? 0 : 128));
      for (int i = 0; i < 256; i++) sb_store_int(zero_point.format, zero_point.data, i, i - (width ? 0 : 128));
      for (size_t k = 0; k < sizeof scales / sizeof *scales; k++) {
        for (int i = 0; i < 256; i++) sb_store(SB_F32, scale.data, i, scales[k]);
        sb_affine a = sb_affine_default(SB_AFFINE_0_11, dtypes[d], 2, codes.dims);
        sb_ok(sb_dequantize_affine(&a, &codes, &scale, &zero_point, &old));
        a.version = SB_AFFINE_0_18;
        sb_ok(sb_dequantize_affine(&a, &codes, &scale, &zero_point, &new));
        sb_holds(memcmp(old.data, new.data, (size_t)sb_tensor_bytes(&old)) == 0, "%s differs at scale %a",
                 sb_format_of(dtypes[d])->name, scales[k]);
        for (int i = 0; i < 65536; i += 77) { /* and it is what arithmetic says */
          const double steps = i % 256 - i / 256;
          const double want = model_round(dtypes[d], model_round(SB_F32, steps * scales[k]));
          sb_holds(same(sb_load(new.format, new.data, i), want), "pair %d: %a, not %a", i,
                   sb_load(new.format, new.data, i), want);
        }
      }
      for (int t = 0; t < 5; t++) sb_tensor_free(all[t]);
    }
  }
}
END_TEST

/* The forms that recipes use for 8 bits, which leave roundings out, give the bits of the full forms: all 16-bit x (and
 * as many f32) at zero points and scales of every size, for each range that a recipe has. */
START_TEST(short_forms_for_8_bits) {
  static const float ranges[][2] = {{-128, 127}, {-8, 7}, {0, 15}, {0, 255}, {-127, 127}};
  static const int zero_points[] = {0, 1, 2, 3, 7, 8, 63, 64, 127, 128, 200, 255};
  state = 3;
  for (int d = 0; d < 3; d++) {
    for (int wide = 0; wide < 2; wide++) {
      const sb_format T = dtypes[d], P = wide ? SB_F32 : T;
      for (size_t r = 0; r < sizeof ranges / sizeof *ranges; r++) {
        const float low = ranges[r][0], high = ranges[r][1];
        for (size_t k = 0; k < 2 * sizeof zero_points / sizeof *zero_points; k++) {
          const float zero = (float)(k % 2 ? -zero_points[k / 2] : zero_points[k / 2]);
          if (zero < low || zero > high) continue;
          const float scale = sb_lane_round(T, ldexpf(1 + (float)below(1024) / 1024, below(20) - 14));
          const float inverse = sb_lane_round(P, 1 / scale);
          for (uint32_t i = 0; i < 65536; i += d == 0 || wide ? 3 : 1) {
            uint32_t bits = T == SB_F32 ? i << 16 | (i * 40503U & 0xffff) : i;
            const float x = sb_lane_load(T, &bits, 0);
            const float full = sb_affine_quantize(P, x, inverse, zero, low, high),
                        brief = sb_affine_quantize_8bit(P, x, inverse, zero, low, high);
            sb_holds(same((double)full, (double)brief) || full == brief, "x %a scale %a zero_point %g: %g, not %g",
                     (double)x, (double)scale, (double)zero, (double)brief, (double)full);
            const float y = sb_affine_dequantize(P, T, full, zero, scale),
                        brief_y = sb_affine_dequantize_8bit(P, T, brief, zero, scale);
            sb_holds(same((double)y, (double)brief_y), "code %g zero_point %g: %a, not %a", (double)full, (double)zero,
                     (double)brief_y, (double)y);
          }
        }
      }
    }
  }
}
END_TEST

static void refused(sb_status got, sb_status wanted, const char *first, const char *second) {
  ck_assert_int_eq(got, wanted);
  const char *words[] = {first, second};
  for (int i = 0; i < 2 && words[i]; i++) {
    sb_holds(strstr(sb_message(), words[i]), "the message \"%s\" does not name %s", sb_message(), words[i]);
  }
}

/* What upstream refuses, and what is no tensor of the right kind, gets the status of its kind and a line naming it. */
START_TEST(refusals) {
  sb_tensor x = sb_tensor_2d(SB_F32, 6, 8), scale = sb_tensor_2d(SB_F32, 6, 1), zero_point = sb_tensor_2d(SB_I32, 6, 1),
            codes = sb_tensor_2d(SB_I8, 6, 8), wide = sb_tensor_2d(SB_F64, 6, 8);
  sb_tensor *all[] = {&x, &scale, &zero_point, &codes, &wide};
  for (int t = 0; t < 5; t++) sb_ok(sb_tensor_alloc(all[t]));
  const sb_affine good = sb_affine_default(SB_AFFINE_0_18, SB_F32, 2, x.dims);
  sb_ok(sb_choose_qparams_affine(&good, &x, &scale, &zero_point));
  sb_affine a = good;
  a.block_size[1] = 3;
  refused(sb_choose_qparams_affine(&a, &x, &scale, &zero_point), SB_INVALID, "block_size 3", "8");
  refused(sb_quantize_affine(&a, &x, &scale, &zero_point, &codes), SB_INVALID, "block_size 3", "8");
  refused(sb_dequantize_affine(&a, &codes, &scale, &zero_point, &x), SB_INVALID, "block_size 3", "8");
  a.block_size[1] = 0;
  refused(sb_choose_qparams_affine(&a, &x, &scale, &zero_point), SB_INVALID, "block_size 0", NULL);
  a.block_size[1] = -8;
  refused(sb_choose_qparams_affine(&a, &x, &scale, &zero_point), SB_INVALID, "block_size -8", NULL);
  a = good;
  a.quant_min = a.quant_max = 5;
  refused(sb_choose_qparams_affine(&a, &x, &scale, &zero_point), SB_INVALID, "5", NULL);
  a = good;
  refused(sb_choose_qparams_affine(&a, &wide, &scale, &zero_point), SB_UNSUPPORTED, "f64", NULL);
  refused(sb_quantize_affine(&a, &wide, &scale, &zero_point, &codes), SB_UNSUPPORTED, "f64", NULL);
  refused(sb_dequantize_affine(&a, &codes, &wide, &zero_point, &x), SB_INVALID, "scale", "48");
  a.scale_format = SB_BF16;
  refused(sb_choose_qparams_affine(&a, &x, &scale, &zero_point), SB_INVALID, "scale has format f32", "bf16");
  a = good;
  refused(sb_choose_qparams_affine(&a, &x, &scale, NULL), SB_INVALID, "zero_point", NULL);
  refused(sb_quantize_affine(&a, &x, &scale, NULL, &codes), SB_INVALID, "zero_point", NULL);
  refused(sb_choose_qparams_affine(&a, &x, &codes, &zero_point), SB_INVALID, "scale", "48");
  sb_tensor other = sb_tensor_2d(SB_F64, 6, 1);
  sb_ok(sb_tensor_alloc(&other));
  refused(sb_quantize_affine(&a, &x, &other, &zero_point, &codes), SB_UNSUPPORTED, "scale", "f64");
  refused(sb_dequantize_affine(&a, &codes, &other, &zero_point, &x), SB_UNSUPPORTED, "scale", "f64");
  sb_tensor_free(&other);
  a.output_format = SB_I8;
  refused(sb_dequantize_affine(&a, &codes, &scale, &zero_point, &x), SB_UNSUPPORTED, "i8", NULL);
  a = good;
  a.mapping = SB_SYMMETRIC;
  a.preserve_zero = false;
  refused(sb_choose_qparams_affine(&a, &x, &scale, &zero_point), SB_UNSUPPORTED, "preserve_zero", NULL);
  a.preserve_zero = true;
  a.domain = SB_DOMAIN_FLOAT;
  refused(sb_choose_qparams_affine(&a, &x, &scale, &zero_point), SB_UNSUPPORTED, "FLOAT", NULL);
  sb_tensor bad = x;
  bad.rank = 9;
  refused(sb_choose_qparams_affine(&good, &bad, &scale, &zero_point), SB_INVALID, "rank 9", "8");
  bad.rank = 2;
  bad.dims[0] = 0;
  refused(sb_choose_qparams_affine(&good, &bad, &scale, &zero_point), SB_UNSUPPORTED, "size 0", NULL);
  for (int t = 0; t < 5; t++) sb_tensor_free(all[t]);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("affine");
  TCase *tcase = tcase_create("affine");
  tcase_set_timeout(tcase, 300);
  tcase_add_test(tcase, finite_settings);
  tcase_add_test(tcase, special_settings);
  tcase_add_test(tcase, int32_subtraction_changes_no_bit);
  tcase_add_test(tcase, short_forms_for_8_bits);
  tcase_add_test(tcase, refusals);
  suite_add_tcase(suite, tcase);
  return run_suite(suite);
}
