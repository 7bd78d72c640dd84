/* N(0, 0.3) with outlier channels: one column in 64 is twenty times larger, as in a transformer's activations. */
#include "samebits/fill.h"

static sb_status make(const sb_spec *spec, uint64_t seed, sb_tensor *x) {
  const double sigma = 0x1.333334p-2, outlier = 20;
  uint32_t words[4];
  for (int64_t i = 0, count = sb_tensor_count(x); i < count; i++) {
    if (i % 4 == 0) sb_random_words(seed, SB_RANDOM_X, (uint64_t)i / 4, words);
    uint32_t channel = sb_random_word(seed, SB_RANDOM_CHANNELS, (uint64_t)(i % x->dims[1]));
    double gain = channel % 64 == 0 ? sigma * outlier : sigma;
    sb_store(spec->dtype, x->data, i, (double)(float)(gain * sb_random_normal(words[i % 4])));
  }
  return SB_OK;
}

const sb_fill sb_fill_activation = {
    .name = "activation", .summary = "N(0, 0.3), one column in 64 twenty times larger", .ordinary = true, .make = make};
