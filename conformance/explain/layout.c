/* The hypotheses, and their inverses. */
#include "conformance/explain/layout.h"

#include <stdio.h>
#include <stdlib.h>

static const sb_layout_info infos[] = {
    {"nibble-order", "even element in the low half | in the high half",
     "MSLK pack_int4, XPU, MX | torchao tinygemm on CUDA; pytorch #129940", "put the even column in the low half"},
    {"nibble-encoding", "two's complement | offset 8 | CUTLASS's unified encoding",
     "CUTLASS mixed_dtype_utils.hpp; vLLM w4a8_utils", "store two's complement"},
    {"element-interleave", "adjacent pairs | halves of a block | every second element",
     "llama.cpp (j, j + 16); CUTLASS 0 2 4 6 1 3 5 7; tinygemm", "store adjacent columns in one byte"},
    {"scale-layout", "[rows, groups] | transposed | 128x4 blocks | interleaved with zero points",
     "MSLK and Int4Tensor transpose; mx and nvfp4 swizzle; tinygemm interleaves",
     "store the qparams row-major, [rows, groups]"},
};
const sb_layout_info *sb_layout_of(const char *id) {
  for (size_t i = 0; i < sizeof infos / sizeof *infos; i++)
    if (strcmp(infos[i].id, id) == 0) return &infos[i];
  return NULL;
}

static const char *const orders[] = {"", "even element in the high half"};
static const char *const encodings[] = {"", "offset 8", "CUTLASS's unified encoding"};
enum { ENCODINGS = 3 };
/* Where element k of a block lies: interleaves by block size and pattern; block 0 is the whole row. */
static const struct {
  const char *what;
  int block; /* elements; 0: the row */
  int kind;  /* 1: halves (j, j + block / 2); 2: 0 2 4 6 1 3 5 7; 3: 0 4 1 5 2 6 3 7; 4: reversed */
} interleaves[] = {{"", 0, 0},
                   {"halves of 32: (j, j + 16)", 32, 1},
                   {"0 2 4 6 1 3 5 7", 8, 2},
                   {"0 4 1 5 2 6 3 7", 8, 3},
                   {"halves of the row", 0, 1},
                   {"halves of 64", 64, 1},
                   {"halves of 128", 128, 1},
                   {"halves of 16", 16, 1},
                   {"reversed by eights", 8, 4},
                   {"halves of 256", 256, 1}};
enum { INTERLEAVES = sizeof interleaves / sizeof *interleaves };
static const char *const scales[] = {"",
                                     "transposed, [groups, rows]",
                                     "128x4 blocks",
                                     "interleaved with the zero points, [groups, rows, 2]",
                                     "interleaved with the zero points, [rows, groups, 2]",
                                     "transposed, in the shape [rows, groups]"};
enum { SCALES = sizeof scales / sizeof *scales };

/* Index -> (order, encoding, interleave, scale, codes), by number of ids. */
typedef struct quintuple {
  int v[5];
} quintuple;

static int ids_of(const quintuple *q) {
  return (q->v[0] != 0) + (q->v[1] != 0) + (q->v[2] != 0 || q->v[4] != 0) + (q->v[3] != 0);
}

static int build(quintuple *list) {
  int n = 0;
  for (int ids = 1; ids <= 3; ids++)
    for (int o = 0; o < 2; o++)
      for (int e = 0; e < ENCODINGS; e++)
        for (int i = 0; i < INTERLEAVES; i++)
          for (int s = 0; s < SCALES; s++)
            for (int c = 0; c < INTERLEAVES; c++) {
              quintuple q = {{o, e, i, s, c}};
              if (c != 0 && (o || e || i || s)) continue;
              if (ids_of(&q) != ids || (s && ids_of(&q) > 2)) continue;
              if (list) list[n] = q;
              n++;
            }
  return n;
}

int sb_layout_count(void) { return build(NULL); }

void sb_layout_at(int index, sb_layout *l) {
  static _Thread_local quintuple list[2048];
  static _Thread_local int count;
  if (!count) count = build(list);
  const int *v = list[index].v;
  *l = (sb_layout){.order = v[0], .encoding = v[1], .interleave = v[2], .scale = v[3], .codes = v[4]};
  if (v[0]) l->ids[l->id_count++] = "nibble-order";
  if (v[1]) l->ids[l->id_count++] = "nibble-encoding";
  if (v[2] || v[4]) l->ids[l->id_count++] = "element-interleave";
  if (v[3]) l->ids[l->id_count++] = "scale-layout";
  const char *parts[] = {orders[v[0]], encodings[v[1]], interleaves[v[2]].what, scales[v[3]], interleaves[v[4]].what};
  for (int i = 0; i < 5; i++) {
    size_t n = strlen(l->what);
    if (*parts[i]) snprintf(l->what + n, sizeof l->what - n, "%s%s", n ? "; " : "", parts[i]);
  }
}

/* The column whose element lies at position p of a row of n. */
static int64_t column_at(int interleave, int64_t p, int64_t n) {
  int64_t block = interleaves[interleave].block ? interleaves[interleave].block : n, base = p / block * block,
          k = p % block;
  switch (interleaves[interleave].kind) {
  case 1:
    return base + k / 2 + (k & 1) * (block / 2);
  case 2:
    return base + (k < 4 ? 2 * k : 2 * (k - 4) + 1);
  case 3:
    return base + (k & 1 ? 4 + k / 2 : k / 2);
  case 4:
    return base + (block - 1 - k);
  default:
    return p;
  }
}

static bool fits(int interleave, int64_t n) {
  int64_t block = interleaves[interleave].block ? interleaves[interleave].block : n;
  return interleaves[interleave].kind == 0 || (block <= n && n % block == 0 && block % 2 == 0);
}

/* Nibble of the hypothesis -> two's complement. CUTLASS stores 1 as 0111 and 7 as 0001, negative numbers as they are.
 */
static unsigned decode(int encoding, unsigned v) {
  if (encoding == 1) return (v + 8) & 15;
  if (encoding == 2) return v >= 1 && v <= 7 ? 8 - v : v;
  return v;
}

static bool undo_packed(const sb_captured *from, const sb_layout *l, int64_t rows, int64_t cols, sb_captured *to) {
  int64_t half = cols / 2;
  if (!from->values || from->count != rows * half || cols % 2 || !fits(l->interleave, cols)) return false;
  *to = *from;
  to->rank = 2, to->dims[0] = rows, to->dims[1] = half;
  to->values = calloc((size_t)(from->count + 1), sizeof(double));
  unsigned char *codes = calloc((size_t)cols, 1);
  if (!to->values || !codes) return free(codes), false;
  for (int64_t i = 0; i < rows; i++) {
    for (int64_t p = 0; p < cols; p++) {
      unsigned byte = (unsigned)from->values[i * half + p / 2];
      unsigned v = ((p & 1) != (l->order != 0) ? byte >> 4 : byte) & 15;
      codes[column_at(l->interleave, p, cols)] = (unsigned char)decode(l->encoding, v);
    }
    for (int64_t j = 0; j < half; j++) to->values[i * half + j] = (double)(codes[2 * j] | codes[2 * j + 1] << 4);
  }
  free(codes);
  return true;
}

static bool undo_codes(const sb_captured *from, const sb_layout *l, int64_t rows, int64_t cols, sb_captured *to) {
  if (!from->values || from->count != rows * cols || !fits(l->codes, cols)) return false;
  *to = *from;
  to->values = calloc((size_t)(from->count + 1), sizeof(double));
  if (!to->values) return false;
  for (int64_t i = 0; i < rows; i++)
    for (int64_t p = 0; p < cols; p++) to->values[i * cols + column_at(l->codes, p, cols)] = from->values[i * cols + p];
  return true;
}

static int64_t index_of(int layout, int64_t i, int64_t j, int64_t rows, int64_t groups) {
  int64_t across = (groups + 3) / 4;
  switch (layout) {
  case 1:
  case 5:
    return j * rows + i;
  case 2:
    return ((i / 128) * across + j / 4) * 512 + i % 32 * 16 + i % 128 / 32 * 4 + j % 4;
  case 3:
    return 2 * (j * rows + i);
  default:
    return 2 * (i * groups + j);
  }
}

static bool undo_scale(const sb_captured *from, int layout, int64_t rows, int64_t groups, int offset, sb_captured *to) {
  int64_t padded = (rows + 127) / 128 * 128 * ((groups + 3) / 4 * 4);
  int64_t need = layout == 2 ? padded : layout >= 3 && layout != 5 ? 2 * rows * groups : rows * groups;
  bool same_shape = from->rank == 2 && from->dims[0] == rows && from->dims[1] == groups;
  if (!from->values || from->count != need) return false;
  if (layout == 1 && (same_shape || (from->rank == 2 && from->dims[0] != groups))) return false;
  if (layout == 5 && !same_shape) return false;
  *to = *from;
  to->rank = 2, to->dims[0] = rows, to->dims[1] = groups, to->count = rows * groups;
  to->values = calloc((size_t)(rows * groups + 1), sizeof(double));
  if (!to->values) return false;
  for (int64_t i = 0; i < rows; i++)
    for (int64_t j = 0; j < groups; j++)
      to->values[i * groups + j] = from->values[index_of(layout, i, j, rows, groups) + offset];
  return true;
}

static bool undo_case(const sb_capture_case *from, const sb_layout *l, sb_capture_case *to) {
  const sb_env *e = &from->env;
  int64_t groups = e->group > 0 && e->group < from->cols ? from->cols / e->group : 1;
  bool did = false;
  *to = *from;
  if (l->order || l->encoding || l->interleave) {
    if (!undo_packed(&from->slot[SB_PACKED], l, from->rows, from->cols, &to->slot[SB_PACKED])) return false;
    did = true;
  }
  if (l->codes) {
    if (!undo_codes(&from->slot[SB_CODES], l, from->rows, from->cols, &to->slot[SB_CODES])) return false;
    did = true;
  }
  if (!l->scale) return did;
  bool interleaved = l->scale == 3 || l->scale == 4;
  if (!undo_scale(&from->slot[SB_SCALE], l->scale, from->rows, groups, 0, &to->slot[SB_SCALE])) return false;
  if (interleaved) {
    if (to->slot[SB_ZERO_POINT].values == from->slot[SB_ZERO_POINT].values && !from->slot[SB_ZERO_POINT].values)
      undo_scale(&from->slot[SB_SCALE], l->scale, from->rows, groups, 1, &to->slot[SB_ZERO_POINT]);
  } else if (from->slot[SB_ZERO_POINT].values) {
    undo_scale(&from->slot[SB_ZERO_POINT], l->scale, from->rows, groups, 0, &to->slot[SB_ZERO_POINT]);
  }
  return true;
}

void sb_layout_free(const sb_capture *capture, sb_capture *plain) {
  for (int i = 0; i < plain->count; i++)
    for (int s = 0; s < SB_SLOTS; s++)
      if (plain->cases[i].slot[s].values != capture->cases[i].slot[s].values) free(plain->cases[i].slot[s].values);
  free(plain->cases);
  *plain = (sb_capture){0};
}

bool sb_layout_undo(const sb_capture *capture, const sb_layout *l, sb_capture *plain) {
  *plain = *capture;
  plain->count = 0;
  plain->cases = calloc((size_t)capture->count, sizeof *plain->cases);
  for (int i = 0; plain->cases && i < capture->count; i++) {
    bool did = undo_case(&capture->cases[i], l, &plain->cases[i]);
    plain->count++;
    if (did) continue;
    sb_layout_free(capture, plain);
    return false;
  }
  return plain->cases != NULL;
}
