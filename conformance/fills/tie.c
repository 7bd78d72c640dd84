/* Ties: elements halfway between two codes, and one ulp beside, built from the recipe's own scale and its own
 * dequantization, so that they are ties for every recipe, code and dtype.
 *
 * 1. A probe finds the amax (or range) that gives the scale 1: 255, 127.5, 7.5, 15, 448, ...
 * 2. Each block gets anchors that make its scale a power of two (f32: every second block any scale), with random zero
 * points.
 * 3. choose_qparams gives the scale; dequantize of random neighbouring codes c and c' gives D(c) and D(c').
 * 4. The element is (D(c) + D(c')) / 2 rounded to the dtype, or the number just below or above it.
 * An element is a tie in the exact sense when it equals (D(c) + D(c')) / 2. */
#include "samebits/apply.h"
#include "samebits/fill.h"

#include <math.h>

/* What a probe finds out about a recipe. */
typedef struct rule {
  double levels;     /* the amax, or the range, of a block whose scale is 1 */
  double row_levels; /* the amax of a row whose row_scale is 1; 0: the recipe has no row_scale */
  bool by_range;     /* the scale comes from max - min */
} rule;

typedef struct builder {
  const sb_spec *spec;
  uint64_t seed;
  sb_tensor *x;
  rule rule;
  int64_t rows, cols, block, blocks; /* elements a block, blocks a row */
} builder;

/* Runs a step of the recipe on slots, with x borrowed. */
static sb_status apply(const sb_spec *spec, sb_step which, const sb_tensor *x, sb_tensor slots[SB_SLOTS]) {
  sb_spec step;
  sb_status status = sb_spec_step(spec, which, true, &step);
  slots[SB_X] = *x;
  if (!status) status = sb_apply(&step, x->dims[0], x->dims[1], slots, NULL);
  slots[SB_X] = (sb_tensor){0};
  return status;
}

/* One row a candidate k / 2, k = 1..: the first whose scale (slot, column `at`) is 1; where blocks of a fixed width
 * share a scale, all in one row, a block a candidate. Where some rows share a scale, the last and largest of them is
 * what it comes from. */
static sb_status probe(const sb_spec *spec, double row_levels, sb_slot slot, bool split, double *levels) {
  enum { CANDIDATES = 1024 };
  const int64_t width = spec->group_size > 0 ? spec->group_size : 32, at = row_levels > 0 ? width : 0;
  const bool in_one_row = spec->recipe->tile[1] > 1 && row_levels == 0;
  const int64_t step = in_one_row ? spec->recipe->tile[1] : 2 * width; /* from candidate to candidate */
  sb_tensor x = sb_tensor_2d(spec->dtype, in_one_row ? 1 : CANDIDATES, in_one_row ? CANDIDATES * step : step);
  sb_tensor slots[SB_SLOTS] = {0};
  sb_status status = sb_tensor_alloc(&x);
  for (int64_t k = 0; !status && k < CANDIDATES; k++) {
    double candidate = (double)(k + 1) * 0.5;
    if (row_levels > 0) sb_store(x.format, x.data, k * step, row_levels);
    sb_store(x.format, x.data, k * step + at, split ? candidate * 0.5 : candidate);
    if (split) sb_store(x.format, x.data, k * step + at + 1, -candidate * 0.5);
  }
  if (!status) status = apply(spec, SB_CHOOSE_QPARAMS, &x, slots);
  *levels = 0;
  const sb_tensor *scale = &slots[slot];
  const int64_t column = row_levels > 0 && !status && scale->dims[1] > 1;
  const int64_t rows = status ? 0 : scale->dims[in_one_row];
  const int64_t shared = rows < 1 ? CANDIDATES : (CANDIDATES + rows - 1) / rows;
  for (int64_t k = shared - 1; !status && k < CANDIDATES && *levels == 0; k += shared) {
    double used = sb_load(x.format, x.data, k * step + at) * (split ? 2 : 1);
    const int64_t index = in_one_row ? k / shared : k / shared * scale->dims[1] + column;
    if (sb_load(scale->format, scale->data, index) == 1) *levels = used;
  }
  if (!status && *levels == 0) status = sb_fail(SB_UNSUPPORTED, "tie: no amax gives this recipe the scale 1");
  sb_tensor_free(&x);
  sb_slots_free(slots);
  return status;
}

/* A per-tensor path has one scale for all rows of the probe: its rows are those of the per-row path of the same flavor.
 */
static sb_status find_rule(const sb_spec *spec, rule *found) {
  sb_spec step;
  sb_tensor out[SB_SLOTS];
  double half;
  sb_spec per_row = *spec;
  sb_status status = sb_spec_step(spec, SB_CHOOSE_QPARAMS, true, &step);
  if (!status) status = sb_spec_tensors(&step, 2, 2 * (spec->group_size > 0 ? spec->group_size : 16), NULL, out);
  if (!status && out[SB_SCALE].dims[0] == 1)
    status = sb_spec_make(spec->recipe->name, spec->path->side, spec->step, spec->path->flavor, "", spec->dtype,
                          spec->group_size, &per_row);
  *found = (rule){0};
  if (!status && out[SB_ROW_SCALE].rank) status = probe(&per_row, 0, SB_ROW_SCALE, false, &found->row_levels);
  if (!status) status = probe(&per_row, found->row_levels, SB_SCALE, false, &found->levels);
  if (!status)
    found->by_range = probe(&per_row, found->row_levels, SB_SCALE, true, &half) == SB_OK && half == found->levels;
  return status;
}

static uint32_t pick(const builder *b, uint32_t what, int64_t index) {
  return sb_random_word(b->seed, what, (uint64_t)index);
}

static void put(const builder *b, int64_t row, int64_t block, int64_t at, double value) {
  int64_t left = b->cols - block * b->block, width = left < b->block ? left : b->block;
  sb_store(b->x->format, b->x->data, row * b->cols + block * b->block + at % width, value);
}

/* The anchors of one block whose scale shall be `scale`. */
static void anchor(const builder *b, int64_t row, int64_t block, double levels, bool by_range, double scale) {
  uint32_t word = pick(b, SB_RANDOM_BLOCKS, row * b->blocks + block);
  int64_t at = word % 7;
  if (by_range) {
    double low = (double)(word / 8 % (uint32_t)(levels + 1));
    put(b, row, block, at, (levels - low) * scale);
    put(b, row, block, at + 1, -low * scale);
  } else
    put(b, row, block, at, (word & 0x100 ? -levels : levels) * scale);
}

static void anchors(const builder *b) {
  memset(b->x->data, 0, (size_t)sb_tensor_bytes(b->x));
  for (int64_t row = 0; row < b->rows; row++) {
    uint32_t word = pick(b, SB_RANDOM_ROWS, row);
    double factor = ldexp(1, (int)(word % 9) - 6); /* 2^-6 to 2^2: above every floor */
    if (b->x->format == SB_F32 && row % 2) factor *= 1 + (double)(word >> 9) * 0x1p-23;
    int64_t whole = (int64_t)(word >> 16) % b->blocks;
    for (int64_t block = 0; block < b->blocks; block++) {
      if (b->rule.row_levels > 0 && block == whole) {
        anchor(b, row, block, b->rule.row_levels, false, factor);
        continue;
      }
      /* within a row that has a scale of its own, a block's scale is a power of two of it */
      double step =
          b->rule.row_levels > 0 ? ldexp(1, (int)(pick(b, SB_RANDOM_STEPS, row * b->blocks + block) % 8) - 3) : 1;
      anchor(b, row, block, b->rule.levels, b->rule.by_range, step * factor);
    }
  }
}

/* Moves `to`'s codes to the neighbour: +1, or the next e4m3 number of the same sign. `by` is 1 or -1; false: there is
 * none. */
static bool neighbour(const sb_tensor *codes, int64_t index, int by, sb_tensor *to) {
  if (codes->format == SB_E4M3) {
    int bits = (int)sb_load_bits(SB_E4M3, codes->data, index), magnitude = (bits & 0x7f) + by;
    if (magnitude < 0 || magnitude > 0x7e) return false;
    ((uint8_t *)to->data)[index] = (uint8_t)((bits & 0x80) | magnitude);
    return true;
  }
  double value = sb_load(codes->format, codes->data, index) + by;
  sb_store(to->format, to->data, index, value);
  return sb_load(to->format, to->data, index) == value;
}

/* Random codes between those of the block's extremes (of the anchors). */
static void random_codes(const builder *b, sb_tensor *codes) {
  for (int64_t row = 0; row < b->rows; row++)
    for (int64_t from = 0; from < b->cols; from += b->block) {
      int64_t at = row * b->cols + from, width = b->cols - from < b->block ? b->cols - from : b->block;
      double low = 0, high = 0;
      for (int64_t i = 0; i < width; i++) {
        double code = sb_load(codes->format, codes->data, at + i);
        low = code < low ? code : low;
        high = code > high ? code : high;
      }
      for (int64_t i = 0; i < width; i++) {
        uint32_t word = pick(b, SB_RANDOM_CODES, at + i);
        if (codes->format == SB_E4M3)
          ((uint8_t *)codes->data)[at + i] = (uint8_t)((word & 0x80) | (word >> 8) % 0x7e);
        else if (high > low)
          sb_store(codes->format, codes->data, at + i, low + (double)(word % (uint32_t)(high - low)));
      }
    }
}

/* The next number of the dtype, away from zero (by > 0) or towards it. */
static void nudge(sb_format format, void *data, int64_t index, int by) {
  uint64_t bits = sb_load_bits(format, data, index), sign = format == SB_F32 ? 0x80000000 : 0x8000;
  if ((bits & ~sign) == 0) return;
  bits += (uint64_t)(int64_t)by;
  if (format == SB_F32)
    ((uint32_t *)data)[index] = (uint32_t)bits;
  else
    ((uint16_t *)data)[index] = (uint16_t)bits;
}

/* Puts midpoints where no anchor is, as long as they stay within the block's anchors (and so leave the scale alone). */
static void midpoints(const builder *b, const sb_tensor *one, const sb_tensor *other, const sb_tensor *row_scale) {
  sb_format T = b->x->format;
  for (int64_t row = 0; row < b->rows; row++)
    for (int64_t from = 0; from < b->cols; from += b->block) {
      int64_t at = row * b->cols + from, width = b->cols - from < b->block ? b->cols - from : b->block;
      double low = 0, high = 0;
      for (int64_t i = 0; i < width; i++) {
        double value = sb_load(T, b->x->data, at + i);
        low = value < low ? value : low;
        high = value > high ? value : high;
      }
      if (!b->rule.by_range) high = fmax(high, -low), low = -high;
      for (int64_t i = 0; i < width; i++) {
        if (sb_load(T, b->x->data, at + i) != 0) continue;
        uint32_t word = pick(b, SB_RANDOM_X, at + i);
        double middle = (sb_load(T, one->data, at + i) + sb_load(T, other->data, at + i)) * 0.5;
        if (row_scale->rank && word % 4 == 0) { /* halfway between two e4m3 codes of the row */
          uint8_t code = (uint8_t)((word >> 8) % 0x7e);
          double scale = sb_load(row_scale->format, row_scale->data, row);
          middle = scale * 0.5 * ((double)sb_e4m3_to_f32(code) + (double)sb_e4m3_to_f32((uint8_t)(code + 1)));
          if (word & 0x10) middle = -middle;
        }
        if (!(middle > low && middle < high)) continue;
        sb_store(T, b->x->data, at + i, middle);
        int by = (int)(word >> 20) % 4 - 1; /* -1, 0, 1, 2: half of them stay ties */
        if (by == 1 || by == -1) nudge(T, b->x->data, at + i, by);
        double value = sb_load(T, b->x->data, at + i);
        if (value < low || value > high) sb_store(T, b->x->data, at + i, 0); /* it would change the scale */
      }
    }
}

static sb_status make(const sb_spec *spec, uint64_t seed, sb_tensor *x) {
  sb_tensor slots[SB_SLOTS] = {0}, one = {0};
  builder b = {.spec = spec, .seed = seed, .x = x, .rows = x->dims[0], .cols = x->dims[1]};
  b.block = sb_fill_block(spec, b.cols);
  if (sb_tensor_count(x) == 0) return SB_OK;
  b.blocks = (b.cols + b.block - 1) / b.block;
  sb_status status = find_rule(spec, &b.rule);
  if (status) return status;
  anchors(&b);
  status = apply(spec, SB_CHOOSE_QPARAMS, x, slots);
  if (!status) status = apply(spec, SB_QUANTIZE, x, slots);
  if (!status) {
    random_codes(&b, &slots[SB_CODES]);
    status = apply(spec, SB_DEQUANTIZE, x, slots);
  }
  if (!status) {
    one = slots[SB_OUTPUT];
    slots[SB_OUTPUT] = (sb_tensor){0};
    for (int64_t i = 0, count = sb_tensor_count(x); i < count; i++) neighbour(&slots[SB_CODES], i, 1, &slots[SB_CODES]);
    status = apply(spec, SB_DEQUANTIZE, x, slots);
  }
  if (!status) midpoints(&b, &one, &slots[SB_OUTPUT], &slots[SB_ROW_SCALE]);
  sb_tensor_free(&one);
  sb_slots_free(slots);
  return status;
}

/* Counts the exact ties of x towards the neighbour `by`. */
static sb_status count_ties(const sb_spec *spec, const sb_tensor *x, sb_tensor slots[SB_SLOTS], int by, int64_t *ties) {
  sb_tensor here = {0}, codes = {0};
  sb_status status = apply(spec, SB_DEQUANTIZE, x, slots);
  if (status) return status;
  here = slots[SB_OUTPUT];
  slots[SB_OUTPUT] = (sb_tensor){0};
  codes = slots[SB_CODES];
  slots[SB_CODES].data = NULL;
  status = sb_tensor_cast(&codes, codes.format, &slots[SB_CODES]);
  for (int64_t i = 0, count = sb_tensor_count(x); !status && i < count; i++) neighbour(&codes, i, by, &slots[SB_CODES]);
  if (!status) status = apply(spec, SB_DEQUANTIZE, x, slots);
  for (int64_t i = 0, count = sb_tensor_count(x); !status && i < count; i++) {
    double a = sb_load(here.format, here.data, i), b = sb_load(here.format, slots[SB_OUTPUT].data, i);
    *ties += a != b && sb_load(x->format, x->data, i) == (a + b) * 0.5;
  }
  sb_tensor_free(&slots[SB_CODES]);
  sb_tensor_free(&here);
  slots[SB_CODES] = codes;
  return status;
}

static sb_status serves(const sb_spec *spec, const sb_tensor *x) {
  sb_tensor slots[SB_SLOTS] = {0};
  int64_t ties = 0;
  sb_status status = apply(spec, SB_CHOOSE_QPARAMS, x, slots);
  if (!status) status = apply(spec, SB_QUANTIZE, x, slots);
  if (!status) status = count_ties(spec, x, slots, 1, &ties);
  if (!status && ties == 0) status = count_ties(spec, x, slots, -1, &ties);
  sb_slots_free(slots);
  if (!status && ties == 0) return sb_fail(SB_INVALID, "no element is halfway between two codes");
  return status;
}

const sb_fill sb_fill_tie = {.name = "tie",
                             .summary = "halfway between two codes of the recipe's own scale, and one ulp beside",
                             .make = make,
                             .serves = serves};
