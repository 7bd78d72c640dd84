/* N(0, 0.02), as a linear layer's weights, rounded once to the dtype. */
#include "samebits/fill.h"

static sb_status make(const sb_spec *spec, uint64_t seed, sb_tensor *x) {
  const double sigma = 0x1.47ae14p-6;
  int64_t count = sb_tensor_count(x);
  uint32_t words[4];
  for (int64_t i = 0; i < count; i++) {
    if (i % 4 == 0) sb_random_words(seed, SB_RANDOM_X, (uint64_t)i / 4, words);
    sb_store(spec->dtype, x->data, i, (double)(float)(sigma * sb_random_normal(words[i % 4])));
  }
  return SB_OK;
}

const sb_fill sb_fill_weight = {
    .name = "weight", .summary = "N(0, 0.02), as a linear layer's weights", .ordinary = true, .make = make};
