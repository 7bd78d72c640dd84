/* Random bit patterns: every significand, both signs, and magnitudes from 2^-12 to 2^7, so that no row overflows or
 * vanishes. */
#include "samebits/fill.h"

static sb_status make(const sb_spec *spec, uint64_t seed, sb_tensor *x) {
  enum { LEAST = -12, EXPONENTS = 19 };
  uint32_t words[4];
  for (int64_t i = 0, count = sb_tensor_count(x); i < count; i++) {
    if (i % 2 == 0) sb_random_words(seed, SB_RANDOM_X, (uint64_t)i / 2, words);
    uint32_t exponent = (uint32_t)(127 + LEAST) + (uint32_t)((uint64_t)words[i % 2 * 2] * EXPONENTS >> 32);
    uint32_t bits = words[i % 2 * 2 + 1];
    /* the significand is cut to the dtype's, so that rounding does not favour even ones */
    uint32_t kept = spec->dtype == SB_BF16 ? 0xffff0000 : spec->dtype == SB_F16 ? 0xffffe000 : 0xffffffff;
    float value = sb_f32_from_bits(((bits & 0x807fffff) | exponent << 23) & kept);
    sb_store(spec->dtype, x->data, i, (double)value);
  }
  return SB_OK;
}

const sb_fill sb_fill_bits = {
    .name = "bits", .summary = "random bit patterns, magnitudes 2^-12 to 2^7", .ordinary = true, .make = make};
