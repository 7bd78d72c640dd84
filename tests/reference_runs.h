/* What the suites of the reference share: inputs, guarded buffers, runs of one specification, and comparison. */
#ifndef SAMEBITS_TESTS_REFERENCE_RUNS_H
#define SAMEBITS_TESTS_REFERENCE_RUNS_H

#include "samebits/recipe.h"
#include "tests/suite.h"

#include <math.h>

static inline uint64_t random_word(uint64_t seed, uint64_t index) { /* splitmix64 */
  uint64_t z = seed * 0x2545f4914f6cdd1dU + (index + 1) * 0x9e3779b97f4a7c15U;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
  return z ^ (z >> 31);
}

typedef enum input_kind { INPUT_FINITE, INPUT_BITS, INPUT_KINDS } input_kind;

/* x [rows, cols]: sums of four uniform numbers, about sigma 0.3, with zeros, ties and one outlier; or random bit
 * patterns, in which each tenth row is kept finite and another holds one infinity or one NaN. */
static inline sb_tensor make_input(sb_format T, int64_t rows, int64_t cols, input_kind kind, uint64_t seed) {
  sb_tensor x = sb_tensor_2d(T, rows, cols);
  sb_ok(sb_tensor_alloc(&x));
  for (int64_t i = 0; i < rows * cols; i++) {
    const uint64_t word = random_word(seed, (uint64_t)i);
    double v = 0;
    for (int k = 0; k < 4; k++) v += ((double)(word >> (16 * k) & 0xffff) / 65536 - 0.5) * 0.5;
    if (word % 17 == 0) v = 0;
    if (word % 41 == 0) v = (double)((int)(word >> 32 & 31) - 16) / 32;
    if (word % 97 == 0) v *= 40;
    /* quiet stretches of a row: group scales that are subnormal in e4m3 (f16: not so quiet that 1 / scale overflows) */
    static const int quiet[] = {0, 0, -7, -12, 0, -14, 0};
    const int factor = quiet[i % cols * 7 / cols];
    v = ldexp(v, T == SB_F16 && factor < -7 ? -7 : factor);
    if (kind == INPUT_BITS && i / cols % 3 != 1) {
      sb_store_int(T == SB_F32 ? SB_U32 : SB_U16, x.data, i, (int64_t)(word >> 20));
      continue;
    }
    if (kind == INPUT_BITS && i == rows * cols / 2) v = word & 64 ? (double)NAN : word & 128 ? HUGE_VAL : -HUGE_VAL;
    sb_store(T, x.data, i, v);
  }
  return x;
}

enum { GUARD = 64, GUARD_BYTE = 0xa5 };

typedef struct run {
  sb_spec spec;
  sb_tensor in[SB_SLOTS], out[SB_SLOTS];
} run;

/* Gives an output tensor poisoned data between two guards. */
static inline void guarded_alloc(sb_tensor *t) {
  const size_t bytes = (size_t)sb_tensor_bytes(t);
  uint8_t *data = malloc(bytes + 2 * GUARD);
  ck_assert_ptr_nonnull(data);
  memset(data, GUARD_BYTE, bytes + 2 * GUARD);
  t->data = data + GUARD;
}

static inline void check_guards(const sb_tensor *t, const char *where) {
  const uint8_t *data = t->data;
  const size_t bytes = (size_t)sb_tensor_bytes(t);
  for (size_t i = 0; i < GUARD; i++) {
    sb_holds(data[-1 - (int)i] == GUARD_BYTE && data[bytes + i] == GUARD_BYTE, "%s: a byte beside the buffer changed",
             where);
  }
}

static inline void run_free(run *r) {
  for (int slot = 0; slot < SB_SLOTS; slot++) {
    if (r->out[slot].rank && r->out[slot].data) free((uint8_t *)r->out[slot].data - GUARD);
    r->out[slot].data = NULL;
  }
}

/* Runs the step on `in` (by slot) into fresh guarded buffers for the slots in `wanted` (a bit each). */
static inline run run_step(const sb_spec *spec, const sb_tensor in[SB_SLOTS], unsigned wanted, sb_isa isa,
                           int threads) {
  run r = {.spec = *spec};
  memcpy(r.in, in, sizeof r.in);
  const sb_tensor *leader = &in[spec->step == SB_DEQUANTIZE ? SB_CODES : SB_X];
  sb_ok(sb_spec_tensors(spec, leader->dims[0], leader->dims[1], NULL, r.out));
  for (int slot = 0; slot < SB_SLOTS; slot++) {
    if (r.out[slot].rank && (wanted >> slot & 1)) guarded_alloc(&r.out[slot]);
  }
  const sb_run_options options = {.threads = threads, .isa = isa};
  sb_ok(sb_run(spec, in, r.out, &options));
  for (int slot = 0; slot < SB_SLOTS; slot++) {
    if (r.out[slot].rank && r.out[slot].data) check_guards(&r.out[slot], sb_slot_names[slot]);
  }
  return r;
}

static inline run run_x(const sb_spec *spec, const sb_tensor *x, sb_isa isa, int threads) {
  sb_tensor in[SB_SLOTS] = {[SB_X] = *x};
  return run_step(spec, in, ~0U, isa, threads);
}

/* Bits, NaN being one class. */
static inline bool same_element(const sb_tensor *a, int64_t i, const sb_tensor *b, int64_t j) {
  if (sb_load_bits(a->format, a->data, i) == sb_load_bits(b->format, b->data, j) && a->format == b->format) return true;
  if (!sb_format_of(a->format)->is_float && !sb_format_of(b->format)->is_float)
    return sb_load_int(a->format, a->data, i) == sb_load_int(b->format, b->data, j);
  const double u = sb_load(a->format, a->data, i), v = sb_load(b->format, b->data, j);
  return (isnan(u) && isnan(v)) || (a->format != b->format && u == v && signbit(u) == signbit(v));
}

/* `b` holds the elements of `a` from `from` on. */
static inline void same_tensor(const run *r, const char *what, int slot, const sb_tensor *a, int64_t from,
                               const sb_tensor *b) {
  const int64_t count = sb_tensor_count(b);
  if (a->format == b->format && sb_format_of(a->format)->bits >= 8) {
    const size_t width = (size_t)sb_format_of(a->format)->bits / 8;
    if (memcmp((const char *)a->data + (size_t)from * width, b->data, (size_t)count * width) == 0) return;
  }
  for (int64_t i = 0; i < count; i++) {
    sb_holds(same_element(a, from + i, b, i), "%s: %s/%s/%s@%s+%s %s g%d, %dx%d: %s[%d] is %a and %a", what,
             r->spec.recipe->name, sb_side_names[r->spec.path->side], sb_step_names[r->spec.step],
             sb_flavor_names[r->spec.path->flavor], r->spec.path->variant, sb_format_of(r->spec.dtype)->name,
             (int)r->spec.group_size, (int)r->in[SB_X].dims[0], (int)r->in[SB_X].dims[1], sb_slot_names[slot], (int)i,
             sb_load(a->format, a->data, from + i), sb_load(b->format, b->data, i));
  }
}

/* Every slot that both have. */
static inline void same_run(const char *what, const run *a, const run *b) {
  int compared = 0;
  for (int slot = 0; slot < SB_SLOTS; slot++) {
    if (!a->out[slot].rank || !b->out[slot].rank || !a->out[slot].data || !b->out[slot].data) continue;
    ck_assert_int_eq(sb_tensor_count(&a->out[slot]), sb_tensor_count(&b->out[slot]));
    same_tensor(a, what, slot, &a->out[slot], 0, &b->out[slot]);
    compared++;
  }
  ck_assert_int_gt(compared, 0);
}

typedef void (*spec_check)(const sb_spec *spec, int64_t rows, int64_t cols);

/* Calls `check` for every recipe, side, flavor and variant, each dtype and shape, and the steps prepare and convert
 * (both unset: once a path, as prepare where there is one). */
static inline void for_all_specs(bool steps, spec_check check) {
  static const struct {
    int64_t rows, group, groups;
  } by_group[] = {{3, 1, 7},  {1, 1, 1},   {3, 2, 5},   {4, 3, 11},   {3, 5, 3},    {3, 24, 4},   {1, 31, 2},
                  {5, 32, 3}, {3, 33, 66}, {2, 96, 43}, {2, 2048, 5}, {2, 4096, 2}, {1, 4128, 2}, {2, 9001, 1}};
  static const struct {
    int64_t rows, cols;
  } by_row[] = {{1, 1}, {7, 1}, {3, 2}, {5, 31}, {4, 32}, {7, 33}, {3, 97}, {1, 130}, {2, 4099}, {1, 20011}};
  enum { BY_GROUP = sizeof by_group / sizeof *by_group, BY_ROW = sizeof by_row / sizeof *by_row };
  static const sb_format dtypes[] = {SB_F32, SB_BF16, SB_F16};
  int checked = 0;
  for (int i = 0; i < sb_recipe_count(); i++) {
    const sb_recipe *recipe = sb_recipe_at(i);
    for (int p = 0; p < recipe->path_count; p++) {
      const sb_path *path = &recipe->paths[p];
      for (int d = 0; d < 3; d++) {
        for (int step = 0; step < 2; step++) {
          if (!(step ? path->convert : path->prepare) || (!steps && step && path->prepare)) continue;
          const bool grouped = recipe->default_group[path->side] > 0;
          for (int s = 0; s < (grouped ? BY_GROUP : BY_ROW); s++) {
            sb_spec spec;
            sb_ok(sb_spec_make(recipe->name, path->side, step ? SB_CONVERT : SB_PREPARE, path->flavor, path->variant,
                               dtypes[d], grouped ? by_group[s].group : 0, &spec));
            if (grouped)
              check(&spec, by_group[s].rows, by_group[s].group * by_group[s].groups);
            else
              check(&spec, by_row[s].rows, by_row[s].cols);
            checked++;
          }
        }
      }
    }
  }
  ck_assert_int_gt(checked, 500);
}

#endif
