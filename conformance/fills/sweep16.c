/* Every 16-bit value beside every scale: a block (a row, or a group) has one element M that decides its scale, and the
 * others run through the values of the dtype up to M; the blocks of one M hold all of them, and the Ms have every
 * exponent of the dtype. A value above M is folded below it. Of f32 the upper 16 bits run. Seed 1 takes both signs up
 * to M; other seeds cut the sign that M has not at a random magnitude, so that zero points differ. */
#include "samebits/fill.h"

typedef struct sweep {
  int64_t block, per_exponent; /* elements of a block, blocks an exponent */
  uint32_t exponents, significand_bits;
} sweep;

static sweep sweep_of(const sb_spec *spec, int64_t cols) {
  enum { VALUES = 65536 };
  const int64_t block = sb_fill_block(spec, cols), others = block > 1 ? block - 1 : 1;
  const bool half = spec->dtype == SB_F16;
  return (sweep){block, (VALUES + others - 1) / others, half ? 31 : 255, half ? 10 : 7};
}

static void shape(const sb_spec *spec, int64_t *rows, int64_t *cols) {
  enum { COLS = 4096 };
  *cols = spec->group_size > 0 ? (COLS + spec->group_size - 1) / spec->group_size * spec->group_size : COLS;
  const sweep s = sweep_of(spec, *cols);
  const int64_t in_a_row = *cols / s.block, blocks = s.per_exponent * s.exponents;
  *rows = (blocks + in_a_row - 1) / in_a_row;
}

static sb_status make(const sb_spec *spec, uint64_t seed, sb_tensor *x) {
  const int64_t cols = x->dims[1], count = sb_tensor_count(x);
  const sweep s = sweep_of(spec, cols);
  const int64_t in_a_row = (cols + s.block - 1) / s.block;
  uint32_t words[4], held = UINT32_MAX;
  for (int64_t i = 0; i < count; i++) {
    const int64_t b = i / cols * in_a_row + i % cols / s.block, at = i % cols % s.block;
    const uint32_t exponent = (uint32_t)(b / s.per_exponent % s.exponents);
    if (exponent != held) sb_random_words(seed, SB_RANDOM_BLOCKS, held = exponent, words);
    const uint32_t most = exponent << s.significand_bits | (words[0] & ((1u << s.significand_bits) - 1u));
    const uint32_t sign = seed == 1 ? 0 : words[1] & 0x8000u, cut = seed == 1 ? most : words[2] % (most + 1);
    uint32_t bits = sign | most;
    if (at > 0) {
      const uint32_t value = (uint32_t)(b % s.per_exponent * (s.block - 1) + at - 1) & 0xffffu;
      const uint32_t limit = (value & 0x8000u) == sign ? most : cut;
      bits = (value & 0x7fffu) <= limit ? value : (value & 0x8000u) | (value & 0x7fffu) % (limit + 1);
    }
    if (spec->dtype == SB_F16)
      sb_store(SB_F16, x->data, i, sb_load(SB_F16, &(uint16_t){(uint16_t)bits}, 0));
    else
      sb_store(spec->dtype, x->data, i,
               (double)sb_f32_from_bits(bits << 16 | (spec->dtype == SB_F32 && at > 0 ? words[3] & 0xffffu : 0)));
  }
  return SB_OK;
}

const sb_fill sb_fill_sweep16 = {.name = "sweep16",
                                 .summary = "all 16-bit values beside scales of every exponent (tier sweep16)",
                                 .tier = "sweep16",
                                 .shape = shape,
                                 .make = make};
