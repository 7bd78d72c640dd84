/* Where quantizers go wrong: zeros, subnormals, infinities, NaN, limits, one-sided and constant blocks, an amax on a
 * power of two, an amax in the first or last lane, and blocks far below their row. Row r holds pattern r + seed; a
 * pattern with infinity or NaN stands in one block of its row only, and every other block of such a row is ordinary. */
#include "samebits/fill.h"

typedef enum pattern {
  ZEROS,
  NEGATIVE_ZEROS,
  MIXED_ZEROS,
  EQUAL,
  SINGLE,
  POSITIVE,
  NEGATIVE,
  POWER_OF_TWO,
  ONE_AND_THREE_QUARTERS,
  FIRST_LANE,
  LAST_LANE,
  SUBNORMALS,
  NEAR_EPS,
  NEAR_1E_6,
  NEAR_FLOAT8_FLOOR,
  FLOAT8_EDGE,
  HALF_MAXIMUM,
  MAXIMUM,
  FAR_BLOCKS,
  PLUS_INFINITY,
  MINUS_INFINITY,
  BOTH_INFINITIES,
  ONE_NAN,
  ALL_NAN,
  PATTERNS,
  FIRST_NONFINITE = PLUS_INFINITY
} pattern;

/* What the patterns are made of: a position in a block, the block's size and place, and an ordinary deviate. */
typedef struct place {
  sb_format dtype;
  int64_t at, block, index; /* index: of the block in its row */
  uint64_t salt;            /* of the row */
  double normal, eps, least, greatest;
} place;

static double alternating(const place *p, double value) { return p->at % 2 ? -value : value; }

static double finite_value(pattern which, const place *p) {
  double amax = (double)(1 << p->salt % 7) * 0x1p-4; /* 2^-4 to 2^2 */
  bool first = p->at == 0, last = p->at == p->block - 1;
  double small = p->normal * 0x1p-7; /* below any amax here */
  double magnitude = p->normal < 0 ? -p->normal : p->normal;
  switch (which) {
  case ZEROS:
    return 0.0;
  case NEGATIVE_ZEROS:
    return -0.0;
  case MIXED_ZEROS:
    return alternating(p, 0.0);
  case EQUAL:
    return p->salt % 2 ? amax * 1.1 : -amax * 1.1;
  case SINGLE:
    return p->at == (int64_t)(p->salt % (uint64_t)p->block) ? p->normal : 0.0;
  case POSITIVE:
    return magnitude + 3;
  case NEGATIVE:
    return -magnitude - 3;
  case POWER_OF_TWO:
    return first ? (p->salt & 8 ? -amax : amax) : small;
  case ONE_AND_THREE_QUARTERS:
    return first ? 1.75 * amax : small;
  case FIRST_LANE:
    return first ? -amax * 1.3 : small;
  case LAST_LANE:
    return last ? amax * 1.3 : small;
  case SUBNORMALS:
    return p->least * (double)(float)(p->normal * 0.25); /* below the smallest normal of the dtype */
  case NEAR_EPS:
    return alternating(p, p->eps * (double)(1 + p->at % 5) * 0.5);
  case NEAR_1E_6:
    return alternating(p, 0x1.0c6f7ap-20 * (double)(1 + p->at % 3) * 0.5);
  case NEAR_FLOAT8_FLOOR:
    return alternating(p, 0x1p-9 * (1 + (double)(p->at % 3 - 1) * 0x1p-7));
  case FLOAT8_EDGE:
    return first ? 448 : p->at % 5 == 0 ? 464 - (double)(p->salt % 3) : alternating(p, magnitude * 32);
  case HALF_MAXIMUM:
    return alternating(p, p->greatest * 0.5);
  case MAXIMUM:
    return first ? p->greatest : last ? -p->greatest : p->normal;
  case FAR_BLOCKS: /* far below the row's amax: group scales among e4m3's subnormals */
    return p->index == 0 ? p->normal : p->normal * 0x1p-13;
  default:
    return p->normal;
  }
}

static double nonfinite_value(pattern which, const place *p) {
  bool here = p->at == (int64_t)(p->salt % (uint64_t)p->block);
  const double infinity = (double)__builtin_inff(), nan = (double)__builtin_nanf("");
  switch (which) {
  case PLUS_INFINITY:
    return here ? infinity : p->normal;
  case MINUS_INFINITY:
    return here ? -infinity : p->normal;
  case BOTH_INFINITIES:
    return here ? infinity : p->at == 0 ? -infinity : p->normal;
  case ONE_NAN:
    return here ? nan : p->normal;
  default:
    return nan;
  }
}

static sb_status make(const sb_spec *spec, uint64_t seed, sb_tensor *x) {
  int64_t cols = x->dims[1], size = sb_fill_block(spec, cols), blocks = size ? (cols + size - 1) / size : 0;
  static const double greatest[SB_FORMATS] = {[SB_F32] = 0x1.fffffep127, [SB_F16] = 65504, [SB_BF16] = 0x1.fep127};
  for (int64_t i = 0, count = size ? sb_tensor_count(x) : 0; i < count; i++) {
    int64_t row = i / cols, block = i % cols / size;
    int64_t width = block == blocks - 1 ? cols - block * size : size;
    pattern which = (pattern)(((uint64_t)row + seed) % PATTERNS);
    place p = {.dtype = spec->dtype,
               .at = i % cols - block * size,
               .block = width,
               .index = block,
               .salt = sb_random_word(seed, SB_RANDOM_ROWS, (uint64_t)row),
               .normal = (double)(float)sb_random_normal(sb_random_word(seed, SB_RANDOM_X, (uint64_t)i)),
               .eps = sb_format_eps(spec->dtype),
               .least = sb_format_smallest_normal(spec->dtype),
               .greatest = greatest[spec->dtype]};
    double value = p.normal;
    if (which < FIRST_NONFINITE)
      value = finite_value(which, &p);
    else if (block == (int64_t)(p.salt >> 8) % blocks)
      value = nonfinite_value(which, &p);
    sb_store(spec->dtype, x->data, i, value);
  }
  return SB_OK;
}

const sb_fill sb_fill_special = {.name = "special",
                                 .summary = "zeros, subnormals, infinities, NaN, limits, one-sided and constant blocks",
                                 .make = make};
