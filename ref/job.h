/* What a recipe's row functions see, and how a recipe states its paths. Private to ref/. */
#ifndef SAMEBITS_REF_JOB_H
#define SAMEBITS_REF_JOB_H

#include "ref/lanes.h"
#include "samebits/recipe.h"

/* One call of sb_run on a range of rows. A per-tensor path sees the tensor as one row. */
typedef struct sb_job {
  const sb_spec *spec;
  const struct sb_path_impl *impl;
  sb_step step;                /* not BOTH */
  int64_t cols, group, groups; /* elements a row, elements a group, groups a row */
  const sb_tensor *in;
  sb_tensor *out;
} sb_job;

/* Computes rows [begin, end). `codes_row` has room for one row of codes, for what needs them and was not asked for
 * them. */
typedef void (*sb_rows_fn)(const sb_job *job, int64_t begin, int64_t end, int8_t *codes_row);

/* The format of a slot: absent, the model's dtype, or SB_AS(format). */
typedef unsigned char sb_slot_format;
enum { SB_ABSENT = 0, SB_AS_T = 1 };
#define SB_AS(format) (sb_slot_format)(2 + (format))

typedef struct sb_path_impl {
  sb_rows_fn rows;
  int rules; /* the recipe's own numbering of its numerics */
  bool per_tensor;
  /* what each step yields; choose_qparams yields scale, zero_point and row_scale only */
  sb_slot_format prepare[SB_SLOTS], convert[SB_SLOTS], choose[SB_SLOTS];
} sb_path_impl;

typedef struct sb_recipe_impl {
  sb_recipe recipe;
  const sb_path_impl *impls; /* one a path */
} sb_recipe_impl;

/* Recipes and their row functions are compiled once an instruction set; this gives each object its own names. */
#define SB_PASTE2(a, b) a##_##b
#define SB_PASTE(a, b)  SB_PASTE2(a, b)
#define SB_RECIPE(name) const sb_recipe_impl SB_PASTE(sb_recipe_##name, SB_ISA_NAME)

/* A row function over all dtypes from one inline body that takes T as a constant. */
#define SB_FOR_DTYPE(body, job, ...)                                                                                   \
  do {                                                                                                                 \
    if ((job)->spec->dtype == SB_F32)                                                                                  \
      body(SB_F32, job, __VA_ARGS__);                                                                                  \
    else if ((job)->spec->dtype == SB_BF16)                                                                            \
      body(SB_BF16, job, __VA_ARGS__);                                                                                 \
    else                                                                                                               \
      body(SB_F16, job, __VA_ARGS__);                                                                                  \
  } while (0)

/* Groups whose qparams are handled together, so that their arithmetic is vector code. */
enum { SB_CHUNK = 64, SB_BLOCK = 32 };

/* SB_BLOCK elements at a time, always: block functions are loops of constant length, which become vector code without a
 * remainder. Where fewer elements are left, or nobody wants a result, the window is a buffer of its own. */
typedef struct sb_window {
  const void *x;
  void *codes, *output;
  union sb_block_of {
    float f32[SB_BLOCK];
    uint16_t f16[SB_BLOCK];
  } own_x, own_output;
  uint8_t own_codes[SB_BLOCK];
} sb_window;

SB_INLINE size_t sb_width(sb_format T) { return T == SB_F32 ? 4 : 2; }

/* codes and output are at the window's first element; left: elements from there to the end, at least 1. */
SB_INLINE void sb_window_results(sb_window *w, void *codes, void *output, int64_t left) {
  w->codes = left >= SB_BLOCK && codes ? codes : w->own_codes;
  w->output = left >= SB_BLOCK && output ? output : &w->own_output;
}

SB_INLINE void sb_window_open(sb_format T, sb_window *w, const void *x, void *codes, void *output, int64_t left) {
  w->x = x;
  if (left < SB_BLOCK) {
    memset(&w->own_x, 0, sizeof w->own_x);
    memcpy(&w->own_x, x, (size_t)left * sb_width(T));
    w->x = &w->own_x;
  }
  sb_window_results(w, codes, output, left);
}

SB_INLINE void sb_window_close(sb_format T, const sb_window *w, void *codes, void *output, int64_t left) {
  if (left >= SB_BLOCK) return;
  if (codes) memcpy(codes, w->own_codes, (size_t)left);
  if (output) memcpy(output, &w->own_output, (size_t)left * sb_width(T));
}

/* The address of element `index`, NULL staying NULL. */
SB_INLINE void *sb_element(sb_format T, void *data, int64_t index) {
  return data ? (char *)data + index * (int64_t)sb_width(T) : NULL;
}
SB_INLINE const void *sb_const_element(sb_format T, const void *data, int64_t index) {
  return (const char *)data + index * (int64_t)sb_width(T);
}

SB_INLINE bool sb_wanted(const sb_job *job, sb_slot slot) { return job->out[slot].rank != 0 && job->out[slot].data; }

/* Stores qparams as the slot's format has them: one rounding for floating-point formats; integers are in range. */
static inline void sb_put_params(sb_tensor *to, int64_t begin, int64_t n, const float *values) {
  if (to->rank == 0 || !to->data) return;
  switch (to->format) {
  case SB_F32:
    memcpy((float *)to->data + begin, values, (size_t)n * sizeof(float));
    break;
  case SB_BF16:
    for (int64_t i = 0; i < n; i++) sb_lane_store(SB_BF16, to->data, begin + i, sb_lane_bf16(values[i]));
    break;
  case SB_F16:
    for (int64_t i = 0; i < n; i++) sb_lane_store(SB_F16, to->data, begin + i, sb_lane_f16(values[i]));
    break;
  case SB_I8:
    for (int64_t i = 0; i < n; i++) ((int8_t *)to->data)[begin + i] = (int8_t)(int32_t)values[i];
    break;
  case SB_I32:
    for (int64_t i = 0; i < n; i++) ((int32_t *)to->data)[begin + i] = (int32_t)values[i];
    break;
  case SB_E4M3: /* group scales: at most 448 / 8 */
    for (int64_t i = 0; i < n; i++) ((uint8_t *)to->data)[begin + i] = sb_lane_e4m3_bits(sb_lane_e4m3(values[i]));
    break;
  default:
    for (int64_t i = 0; i < n; i++) sb_store(to->format, to->data, begin + i, (double)values[i]);
    break;
  }
}

static inline void sb_get_params(const sb_tensor *from, int64_t begin, int64_t n, float *values) {
  if (from->format == SB_F32) {
    memcpy(values, (const float *)from->data + begin, (size_t)n * sizeof(float));
    return;
  }
  for (int64_t i = 0; i < n; i++) values[i] = (float)sb_load(from->format, from->data, begin + i);
}

/* Element 2j in the low nibble, two's complement: MSLK's pack_int4, and `packed` of the golden files. */
SB_INLINE void sb_pack_nibbles(const int8_t *restrict codes, int64_t n, uint8_t *restrict packed) {
  for (int64_t i = 0; i < n / 2; i++) packed[i] = (uint8_t)((codes[2 * i] & 0xf) | (codes[2 * i + 1] & 0xf) << 4);
}

#endif
