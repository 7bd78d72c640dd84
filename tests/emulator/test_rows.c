/* Every row of the opcode table against its second statement (model.h): all inputs of rows that take 8 or 16 bits,
   edges with edges and random operands of the others; under partial masks; and its handler for immediates. */
#include "cuda/emulator/emu.h"
#include "model.h"
#include "tests/suite.h"
#include <mpfr.h>
#include <stdio.h>
#include <stdlib.h>

enum { SLOT = 256, EDGES = 22, RANDOM_STEPS = 24 };
/* Rows that the parser makes (moves between widths, vectors of registers) and PTX does not have. */
static const char *const internal[] = {"pack.", "pack4", "part", "narrow", "zero.extend", "sign.extend"};
static bool starts_with_any(const char *name, const char *const *list, size_t count) {
  for (size_t k = 0; k < count; k++)
    if (list[k] && !strncmp(name, list[k], strlen(list[k]))) return true;
  return false;
}

static u64 state = 0x9e3779b97f4a7c15ull;
static u64 random_bits(void) {
  state ^= state << 13, state ^= state >> 7, state ^= state << 17;
  return state * 0x2545f4914f6cdd1dull;
}
static u64 edge(Type t, u32 k) {
  static const u32 f32[] = {0,          1,          0x7fffff,   0x800000,   0x3f800000, 0x3f000000,
                            0x40200000, 0x4b000001, 0x4f000000, 0x7f7fffff, 0x7f800000};
  static const u16 f16[] = {0, 1, 0x3ff, 0x400, 0x3c00, 0x3800, 0x4100, 0x7bff, 0x7c00, 0x7e00, 0x5800};
  static const u16 b16[] = {0, 1, 0x7f, 0x80, 0x3f80, 0x3f00, 0x4020, 0x7f7f, 0x7f80, 0x7fc0, 0x4f00};
  static const u64 f64[] = {0,
                            1,
                            0xfffffffffffff,
                            0x10000000000000,
                            0x3ff0000000000000,
                            0x3fe0000000000000,
                            0x4004000000000000,
                            0x7fefffffffffffff,
                            0x7ff0000000000000,
                            0x7ff8000000000000,
                            0x43e0000000000000};
  const u64 sign = k >= EDGES / 2;
  const u32 j = k % (EDGES / 2);
  switch (t) {
  case T_f32:
    return f32[j] | sign << 31;
  case T_f64:
    return f64[j] | sign << 63;
  case T_f16:
    return f16[j] | sign << 15;
  case T_bf16:
    return b16[j] | sign << 15;
  case T_f16x2:
    return (f16[j] | sign << 15) | (u64)f16[(j + 3) % (EDGES / 2)] << 16;
  case T_bf16x2:
    return (b16[j] | sign << 15) | (u64)b16[(j + 3) % (EDGES / 2)] << 16;
  case T_f32x2:
    return (f32[j] | sign << 31) | (u64)f32[(j + 3) % (EDGES / 2)] << 32;
  default: {
    const u64 v = j < 3 ? j : j < 7 ? 1ull << (8 * j - 17) : (1ull << (16 * (j - 6) - 1)) - 1;
    return sign ? ~v : v;
  }
  }
}
/* A random operand: mostly of ordinary size where the type is a float, small where it may be a shift. */
static u64 random_operand(Type t) {
  const u64 r = random_bits(), s = random_bits();
  if (t == T_f32 && s % 3) return (r & 0x807fffffu) | (u64)(100 + s / 3 % 56) << 23;
  if (t == T_f64 && s % 3) return (r & 0x800fffffffffffffull) | (u64)(980 + s / 3 % 90) << 52;
  if ((t == T_b32 || t == T_u32 || t == T_s32) && s % 4 == 0) return r % 70;
  return r;
}
static u32 bits_of(Type t) { return t == T_pred ? 1 : type_bytes(t) * 8; }

typedef struct {
  Warp *w;
  Insn insn;
  const Row *row;
  u32 sources, wrong; /* wrong: lanes of this row that differ */
  u8 *r;
} Bench;
static u64 get(const Bench *b, u32 slot, Type t, u32 lane) {
  return type_is_wide(t) ? ((const u64 *)(const void *)(b->r + slot))[lane]
                         : ((const u32 *)(const void *)(b->r + slot))[lane];
}
static void put(const Bench *b, u32 slot, Type t, u32 lane, u64 v) {
  if (type_is_wide(t))
    ((u64 *)(void *)(b->r + slot))[lane] = v;
  else
    ((u32 *)(void *)(b->r + slot))[lane] = (u32)v;
}

/* Runs 32 lanes and compares. */
static void compare_lanes(Bench *b, const Opcode *o, bool is_float) {
  const Type d = (Type)b->row->types[0];
  u64 before[LANES];
  for (u32 l = 0; l < LANES; l++) before[l] = random_bits(), put(b, 0, d, l, before[l]);
  (void)b->row->fn(b->w, &b->insn);
  for (u32 l = 0; l < LANES; l++) {
    u64 in[4] = {0}, want, mask = 0, got = get(b, 0, d, l);
    for (u32 s = 0; s < b->sources; s++) in[s] = get(b, (s + 1) * SLOT, (Type)b->row->types[1 + s], l);
    if (!(b->w->mask >> l & 1u)) {
      ck_assert_msg(got == (type_is_wide(d) ? before[l] : (u32)before[l]), "%s wrote to a lane that does not run",
                    b->row->names);
      continue;
    }
    const bool known = is_float ? model_float(o, in, &want, &mask) : model_int(o, in, &want, &mask);
    if (known && (got & mask) == (want & mask)) continue;
    if (!b->wrong++)
      fprintf(stderr, "%s of %llx %llx %llx %llx is %llx, the model gives %llx\n", b->row->names,
              (unsigned long long)in[0], (unsigned long long)in[1], (unsigned long long)in[2],
              (unsigned long long)in[3], (unsigned long long)(got & mask), (unsigned long long)(want & mask));
  }
}
/* The handler for a last operand that is the same in all lanes gives what the general one gives. */
static void compare_same(const Bench *b) {
  const Type d = (Type)b->row->types[0], last = (Type)b->row->types[b->sources];
  u64 plain[LANES];
  if (!b->row->same) return;
  for (u32 l = 0; l < LANES; l++) put(b, b->sources * SLOT, last, l, get(b, b->sources * SLOT, last, 0));
  (void)b->row->fn(b->w, &b->insn);
  for (u32 l = 0; l < LANES; l++) plain[l] = get(b, 0, d, l);
  (void)b->row->same(b->w, &b->insn);
  for (u32 l = 0; l < LANES; l++) ck_assert_msg(get(b, 0, d, l) == plain[l], "%s with an immediate", b->row->names);
}

static void test_row(Bench *b, const Opcode *o, bool is_float) {
  const u32 width = bits_of((Type)b->row->types[1]);
  b->w->mask = ALL_LANES;
  if (b->sources == 1 && width <= 16) {
    for (u32 v = 0; v < 1u << width; v += LANES) {
      for (u32 l = 0; l < LANES; l++) put(b, SLOT, (Type)b->row->types[1], l, (v + l) & ((1u << width) - 1));
      compare_lanes(b, o, is_float);
    }
    return;
  }
  const u32 pairs = b->sources == 1 ? EDGES : EDGES * EDGES;
  for (u32 step = 0; step < pairs / LANES + 1 + RANDOM_STEPS; step++) {
    b->w->mask = step % 8 == 7 ? (u32)random_bits() : ALL_LANES;
    for (u32 l = 0; l < LANES; l++)
      for (u32 s = 0; s < b->sources; s++) {
        const Type t = (Type)b->row->types[1 + s];
        const u32 k = step * LANES + l;
        u64 v = k < pairs ? edge(t, s == 0   ? k % EDGES
                                    : s == 1 ? k / EDGES % EDGES
                                             : (k * 7 + s) % EDGES)
                          : random_operand(t);
        put(b, (s + 1) * SLOT, t, l, t == T_pred ? v & 1 : v);
      }
    compare_lanes(b, o, is_float);
    if (b->w->mask == ALL_LANES) compare_same(b);
  }
}

/* Property: every row of the table that PTX has gives, on all inputs tried, what its second statement gives. */
START_TEST(rows_have_a_second_statement) {
  static Warp warp;
  static _Alignas(64) u8 registers[5 * SLOT];
  Bench b = {.w = &warp, .insn = {.d = 0, .a = SLOT, .b = 2 * SLOT, .c = 3 * SLOT, .e = 4 * SLOT}, .r = registers};
  u32 rows = 0, stated = 0, parser_rows = 0, wrong = 0;
  warp.r = registers;
  for (const RowTable *const *t = isa_current()->tables; *t; t++)
    for (u32 k = 0; k < (*t)->count; k++) {
      const Row *row = &(*t)->rows[k];
      char name[160];
      (void)snprintf(name, sizeof name, "%.*s", (int)strcspn(row->names, " "), row->names);
      if (starts_with_any(name, internal, sizeof internal / sizeof *internal)) {
        parser_rows++;
        continue;
      }
      rows++;
      Opcode o;
      opcode_split(!strncmp(name, "min3.f32", 8)   ? "min.f32.3"
                   : !strncmp(name, "max3.f32", 8) ? "max.f32.3"
                                                   : name,
                   &o);
      b.row = row, b.sources = b.wrong = 0;
      while (b.sources < 4 && row->types[1 + b.sources] != T_none) b.sources++;
      u64 in[4] = {0}, out, mask;
      const bool is_float = model_float(&o, in, &out, &mask), is_int = !is_float && model_int(&o, in, &out, &mask);
      if (!is_float && !is_int) {
        fprintf(stderr, "%s has no second statement\n", name);
        wrong++;
        continue;
      }
      stated++;
      test_row(&b, &o, is_float);
      wrong += b.wrong != 0;
    }
  printf("%u of %u rows have a second statement (and %u rows are the parser's own)\n", stated, rows, parser_rows);
  ck_assert_msg(wrong == 0, "%u rows differ from their second statements", wrong);
  ck_assert_uint_ge(rows, 1200);
  mpfr_free_cache();
}
END_TEST

int main(void) {
  Suite *suite = suite_create("emulator rows");
  TCase *tcase = tcase_create("rows");
  tcase_set_timeout(tcase, 300);
  tcase_add_test(tcase, rows_have_a_second_statement);
  suite_add_tcase(suite, tcase);
  return run_suite(suite);
}
