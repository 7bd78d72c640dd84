/* One tiny PTX kernel for each row of the emulator's opcode table, over edges x edges and random operands. */
#include "samebits/selftest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EDGES = 48, ITEMS = EDGES * EDGES + 1792, BLOCK = 256, OPERANDS = 4, TEXT = 8192 };

typedef struct {
  char opcode[128], type[6][16];
  const char *expression;
  int sources;
} Row;
typedef struct {
  sb_driver *driver;
  uint64_t address[OPERANDS + 1];
  const char *suffix; /* of the target: "" or "a" */
} Bench;

static uint64_t random_of(uint64_t x) {
  x = (x + 0x9e3779b97f4a7c15ull) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ x >> 29) * 0x94d049bb133111ebull;
  return x ^ x >> 32;
}
static bool is(const char *type, const char *name) { return !strcmp(type, name); }
static bool has_float(const char *type) { return strchr(type, 'f') != NULL; }

/* The k-th edge of a type, as 64 bits of which the type takes the low ones. */
static uint64_t edge(const char *type, int k) {
  static const uint64_t f64[] = {0,
                                 1,
                                 0x3ff0000000000000,
                                 0x3fe0000000000000,
                                 0x4000000000000000,
                                 0x7ff0000000000000,
                                 0x7ff8000000000000,
                                 0x000fffffffffffff,
                                 0x0010000000000000,
                                 0x7fefffffffffffff,
                                 0x41dfffffffc00000,
                                 0x43e0000000000000,
                                 0x3ff8000000000000,
                                 0x4004000000000000,
                                 0x36a0000000000000,
                                 0x47efffffe0000000};
  static const uint32_t f32[] = {0,          1,          0x007fffff, 0x00800000, 0x3f800000, 0x3f000000,
                                 0x3fc00000, 0x40200000, 0x4b000001, 0x4f000000, 0x4f7fffff, 0x5f000000,
                                 0x7f7fffff, 0x7f800000, 0x7fc00000, 0x43e80000};
  static const uint16_t f16[] = {0,      1,      0x03ff, 0x0400, 0x3c00, 0x3800, 0x3e00, 0x4100,
                                 0x7bff, 0x7c00, 0x7e00, 0x3555, 0x6400, 0x2e66, 0x7800, 0x0200};
  static const uint16_t bf16[] = {0,      1,      0x007f, 0x0080, 0x3f80, 0x3f00, 0x3fc0, 0x4020,
                                  0x7f7f, 0x7f80, 0x7fc0, 0x3eab, 0x4b00, 0x3dcd, 0x7f00, 0x0040};
  if (k >= 32) return random_of((uint64_t)k);
  uint64_t sign = k >= 16;
  int j = k % 16;
  if (is(type, "f64")) return f64[j] | sign << 63;
  if (is(type, "f32")) return f32[j] | sign << 31;
  if (is(type, "f32x2")) return (f32[j] | sign << 31) * 0x100000001ull;
  if (is(type, "f16")) return f16[j] | sign << 15;
  if (is(type, "bf16")) return bf16[j] | sign << 15;
  if (is(type, "f16x2")) return (f16[j] | sign << 15) * 0x10001u;
  if (is(type, "bf16x2")) return (bf16[j] | sign << 15) * 0x10001u;
  const uint64_t one = 1;
  uint64_t v = j < 6 ? (uint64_t)j : j < 12 ? one << (j * 8 - 41) : (one << (j * 16 - 177)) - one;
  return sign ? ~v : v;
}

static sb_status upload_operands(Bench *b, const Row *row) {
  uint64_t *values = malloc(ITEMS * sizeof *values);
  if (!values) return sb_fail(SB_NO_MEMORY, "selftest: out of memory");
  sb_status status = SB_OK;
  for (int s = 0; s < row->sources && status == SB_OK; s++) {
    for (int k = 0; k < ITEMS; k++) {
      int e = s == 0 ? k % EDGES : s == 1 ? k / EDGES : (k * 7 + s) % EDGES;
      values[k] = k < EDGES * EDGES ? edge(row->type[1 + s], e) : random_of((uint64_t)k * 8 + (uint64_t)s);
    }
    status = sb_driver_upload(b->driver, b->address[s], values, ITEMS * sizeof *values);
  }
  free(values);
  return status;
}

static const char *class_of(const char *type) {
  if (is(type, "pred")) return "p";
  if (strstr(type, "64") || is(type, "f32x2")) return "d";
  return strstr(type, "16") && !strstr(type, "x2") ? "h" : strchr(type, '8') ? "h" : "r";
}

/* The kernel: operand k from its array of 64-bit items, one instruction, the result as 64 bits. */
static void write_kernel(const Row *row, int sm, const char *suffix, char *text) {
  static const char *const from64[] = {"setp.ne.u64 %%p%d, %%x%d, 0;\n", "mov.b64 %%d%d, %%x%d;\n",
                                       "cvt.u16.u64 %%h%d, %%x%d;\n", "cvt.u32.u64 %%r%d, %%x%d;\n"};
  static const char classes[] = "pdhr";
  char *at = text, line[256] = "";
  at += sprintf(at,
                ".version 9.0\n.target sm_%d%s\n.address_size 64\n.visible .entry t(.param .u64 o0, .param .u64 o1, "
                ".param .u64 o2, .param .u64 o3, .param .u64 o4)\n{\n",
                sm, suffix);
  at += sprintf(at, ".reg .pred %%p<9>;\n.reg .b16 %%h<9>;\n.reg .b32 %%r<9>;\n.reg .b64 %%d<9>, %%x<9>, %%a<9>;\n.reg "
                    ".b32 %%i<4>;\n");
  at += sprintf(at,
                "mov.u32 %%i0, %%ctaid.x;\nmov.u32 %%i1, %%tid.x;\nmad.lo.u32 %%i2, %%i0, %d, %%i1;\nsetp.ge.u32 %%p8, "
                "%%i2, %d;\n@%%p8 ret;\nmul.wide.u32 %%a8, %%i2, 8;\n",
                BLOCK, ITEMS);
  for (int s = 0; s < row->sources; s++) {
    const char *c = class_of(row->type[1 + s]);
    at += sprintf(at, "ld.param.u64 %%a%d, [o%d];\nadd.u64 %%a%d, %%a%d, %%a8;\nld.global.u64 %%x%d, [%%a%d];\n", s, s,
                  s, s, s, s);
    if (is(c, "p")) at += sprintf(at, "and.b64 %%x%d, %%x%d, 1;\n", s, s);
    at += sprintf(at, from64[strchr(classes, *c) - classes], s, s);
    size_t used = strlen(line);
    (void)snprintf(line + used, sizeof line - used, ", %%%s%d", c, s);
  }
  const char *c = class_of(row->type[0]);
  char opcode[128];
  (void)snprintf(opcode, sizeof opcode, "%s", row->opcode);
  size_t n = strlen(opcode);
  if (n > 2 && is(opcode + n - 2, ".3")) opcode[n - 2] = 0;
  at += sprintf(at, "%s %%%s7%s;\n", opcode, c, line);
  at += sprintf(at, is(c, "p")   ? "selp.u64 %%x7, 1, 0, %%p7;\n"
                    : is(c, "d") ? "mov.b64 %%x7, %%d7;\n"
                    : is(c, "h") ? "cvt.u64.u16 %%x7, %%h7;\n"
                                 : "cvt.u64.u32 %%x7, %%r7;\n");
  (void)sprintf(at, "ld.param.u64 %%a7, [o4];\nadd.u64 %%a7, %%a7, %%a8;\nst.global.u64 [%%a7], %%x7;\nret;\n}\n");
}

/* NaN is one class; what lies above the type's bits does not count. */
static uint64_t canonical(const char *type, uint64_t v) {
  if (is(type, "f64")) return (v & 0x7fffffffffffffffull) > 0x7ff0000000000000ull ? 0x7fffffffffffffffull : v;
  if (is(type, "f32")) return (v & 0x7fffffff) > 0x7f800000 ? 0x7fffffff : v & 0xffffffff;
  if (is(type, "f32x2")) return canonical("f32", v & 0xffffffff) | canonical("f32", v >> 32) << 32;
  if (is(type, "f16")) return (v & 0x7fff) > 0x7c00 ? 0x7fff : v & 0xffff;
  if (is(type, "bf16")) return (v & 0x7fff) > 0x7f80 ? 0x7fff : v & 0xffff;
  if (is(type, "f16x2") || is(type, "bf16x2")) {
    char half[8];
    (void)snprintf(half, sizeof half, "%.*s", (int)strlen(type) - 2, type);
    return canonical(half, v & 0xffff) | canonical(half, v >> 16 & 0xffff) << 16;
  }
  return strchr(type, '8') && !has_float(type) ? v & 0xff : v;
}

/* SB_UNSUPPORTED: the device's assembler does not know the instruction. */
static sb_status run_row(Bench *b, const Row *row, uint64_t *results) {
  char text[TEXT];
  sb_module *module = NULL;
  sb_function f;
  sb_status status = SB_OK;
  for (int k = 0; k < 2 && !module; k++) {
    write_kernel(row, sb_driver_sm(b->driver), k ? "a" : "", text);
    status = sb_driver_load(b->driver, text, strlen(text), &module);
  }
  if (status) return sb_fail(SB_UNSUPPORTED, "%s is not accepted", row->opcode);
  status = upload_operands(b, row);
  if (status == SB_OK) status = sb_driver_function(module, "t", &f);
  void *params[OPERANDS + 1];
  for (int k = 0; k <= OPERANDS; k++) params[k] = &b->address[k];
  if (status == SB_OK)
    status =
        sb_driver_launch(b->driver, f, &(sb_grid){{(ITEMS + BLOCK - 1) / BLOCK, 1, 1}, {BLOCK, 1, 1}, 0}, params, NULL);
  if (status == SB_OK) status = sb_driver_download(b->driver, results, b->address[OPERANDS], ITEMS * sizeof *results);
  for (int k = 0; k < ITEMS; k++) results[k] = canonical(row->type[0], results[k]);
  sb_driver_unload(module);
  return status;
}

static sb_status open_bench(const char *device, Bench *b) {
  sb_status status = sb_driver_open(device, &b->driver);
  for (int k = 0; k <= OPERANDS && status == SB_OK; k++) {
    status = sb_driver_alloc(b->driver, ITEMS * 8, &b->address[k]);
    if (status == SB_OK) status = sb_driver_fill(b->driver, b->address[k], 0, ITEMS * 8);
  }
  return status;
}
static void close_bench(Bench *b) {
  if (!b->driver) return;
  for (int k = 0; k <= OPERANDS; k++)
    if (b->address[k]) (void)sb_driver_free(b->driver, b->address[k]);
  sb_driver_close(b->driver);
}

/* Rows that the parser makes and PTX has not. */
static bool internal_row(const char *opcode) {
  static const char *const prefixes[] = {"carry.", "pack", "part", "narrow", "zero.",
                                         "sign.",  "addc", "subc", "min3",   "max3"};
  for (size_t k = 0; k < sizeof prefixes / sizeof prefixes[0]; k++)
    if (!strncmp(opcode, prefixes[k], strlen(prefixes[k]))) return true;
  return false;
}
static bool parse_row(const char *opcodes, const char *types, const char *expression, Row *row) {
  *row = (Row){.expression = expression};
  int n = 0;
  (void)snprintf(row->opcode, sizeof row->opcode, "%.*s", (int)strcspn(opcodes, " "), opcodes);
  while (n < 6 && *types) {
    (void)snprintf(row->type[n++], sizeof row->type[0], "%.*s", (int)strcspn(types, " "), types);
    types += strcspn(types, " ");
    types += *types == ' ';
  }
  row->sources = n - 1;
  return !internal_row(row->opcode) && n >= 2;
}

static uint64_t digest_of(const uint64_t *results) {
  uint64_t h = 14695981039346656037ull;
  for (int k = 0; k < ITEMS; k++)
    for (int b = 0; b < 8; b++) h = (h ^ (results[k] >> (8 * b) & 255)) * 1099511628211ull;
  return h;
}

sb_status sb_selftest(const char *device, void (*report)(void *context, const sb_selftest_row *row), void *context,
                      int *rows, int *failures) {
  Bench bench = {.driver = NULL}, emulator = {.driver = NULL};
  char name[32];
  *rows = *failures = 0;
  sb_status status = open_bench(device, &bench);
  bool compare = status == SB_OK && !sb_driver_is_emulator(bench.driver);
  if (status == SB_OK) {
    int sm = sb_driver_sm(bench.driver); /* the emulated device nearest to it names the rows, and is compared with */
    (void)snprintf(name, sizeof name, "emu:sm_%d",
                   sm >= 120   ? 120
                   : sm >= 100 ? 100
                   : sm >= 90  ? 90
                   : sm >= 89  ? 89
                   : sm >= 86  ? 86
                   : sm >= 80  ? 80
                               : 75);
    status = open_bench(name, &emulator);
  }
  int (*row_of)(int, const char **, const char **, const char **) = NULL;
  void *p = status == SB_OK ? sb_driver_symbol(emulator.driver, "samebitsEmuRow") : NULL;
  memcpy(&row_of, &p, sizeof p);
  uint64_t *got = malloc(ITEMS * sizeof *got), *expected = malloc(ITEMS * sizeof *expected);
  if (status == SB_OK && (!got || !expected || !row_of))
    status = sb_fail(SB_INTERNAL, "selftest: no memory, or an emulator without a table");
  const char *opcodes, *types, *expression;
  for (int k = 0; status == SB_OK && row_of(k, &opcodes, &types, &expression); k++) {
    Row row;
    if (!parse_row(opcodes, types, expression, &row)) continue;
    sb_selftest_row r = {.opcode = row.opcode, .expression = expression};
    sb_status ran = run_row(&bench, &row, got);
    if (ran == SB_UNSUPPORTED && compare)
      r.different = -1;
    else if (ran)
      status = ran == SB_UNSUPPORTED
                   ? sb_fail(SB_INTERNAL, "selftest: the emulator does not take its own row %s", row.opcode)
                   : ran;
    else
      r.digest = digest_of(got);
    if (status == SB_OK && compare && r.different == 0) {
      status = run_row(&emulator, &row, expected);
      r.expected = digest_of(expected);
      for (int e = 0; e < ITEMS; e++) r.different += got[e] != expected[e];
    }
    if (status) break;
    ++*rows;
    *failures += r.different > 0;
    report(context, &r);
  }
  free(got), free(expected);
  close_bench(&bench), close_bench(&emulator);
  return status;
}
