/* move.h: bytes between memory and registers, for one lane or for 32 lanes side by side. */
#ifndef EMU_MOVE_H
#define EMU_MOVE_H
#include "handlers.h"
#include "lane.h"

static inline u64 read_element(const u8 *p, u32 size, bool sign) {
  u8 b;
  u16 h;
  u32 v;
  u64 x;
  switch (size) {
  case 1:
    memcpy(&b, p, 1);
    return sign ? (u64)(i64)(i8)b : b;
  case 2:
    memcpy(&h, p, 2);
    return sign ? (u64)(i64)(i16)h : h;
  case 4:
    memcpy(&v, p, 4);
    return sign ? (u64)(i64)(i32)v : v;
  default:
    memcpy(&x, p, 8);
    return x;
  }
}
static inline void load_lane(Warp *w, const MemOp *m, u32 lane, const u8 *p) {
  for (u32 k = 0; k < m->count; k++) {
    if (m->reg[k] == ~0u) continue;
    u64 v = read_element(p + k * m->size, m->size, m->sign);
    if (m->wide[k])
      REG(u64, m->reg[k])[lane] = v;
    else
      REG(u32, m->reg[k])[lane] = (u32)v;
  }
}
static inline u64 source_value(const Warp *w, const MemOp *m, u32 k, u32 lane) {
  return m->wide[k] ? REG(const u64, m->reg[k])[lane] : REG(const u32, m->reg[k])[lane];
}
static inline void store_lane(const Warp *w, const MemOp *m, u32 lane, u8 *p) {
  for (u32 k = 0; k < m->count; k++) {
    u64 v = source_value(w, m, k, lane);
    memcpy(p + k * m->size, &v, m->size);
  }
}

/* 32 lanes side by side: lane l has its `count` elements of type T at p + l * count. Pairs and fours are moved in one
   pass, which becomes permutations of whole vectors. */
#define ROW_LOAD1(T, S, D)                                                                                             \
  {                                                                                                                    \
    D *d = REG(D, m->reg[0]);                                                                                          \
    const T *s = (const T *)(const void *)p;                                                                           \
    LANE_LOOP { d[l] = (D)(S)s[l]; }                                                                                   \
    return;                                                                                                            \
  }
#define ROW_LOAD2(T, D)                                                                                                \
  {                                                                                                                    \
    D *restrict d0 = REG(D, m->reg[0]), *restrict d1 = REG(D, m->reg[1]);                                              \
    const T *restrict s = (const T *)(const void *)p;                                                                  \
    LANE_LOOP { d0[l] = s[2 * l], d1[l] = s[2 * l + 1]; }                                                              \
    return;                                                                                                            \
  }
#define ROW_LOAD4(T, D)                                                                                                \
  {                                                                                                                    \
    D *restrict d0 = REG(D, m->reg[0]), *restrict d1 = REG(D, m->reg[1]), *restrict d2 = REG(D, m->reg[2]),            \
                *restrict d3 = REG(D, m->reg[3]);                                                                      \
    const T *restrict s = (const T *)(const void *)p;                                                                  \
    LANE_LOOP { d0[l] = s[4 * l], d1[l] = s[4 * l + 1], d2[l] = s[4 * l + 2], d3[l] = s[4 * l + 3]; }                  \
    return;                                                                                                            \
  }
#define ROW_STORE1(T, D)                                                                                               \
  {                                                                                                                    \
    const D *s = REG(const D, m->reg[0]);                                                                              \
    T *d = (T *)(void *)p;                                                                                             \
    LANE_LOOP { d[l] = (T)s[l]; }                                                                                      \
    return;                                                                                                            \
  }
#define ROW_STORE2(T, D)                                                                                               \
  {                                                                                                                    \
    const D *s0 = REG(const D, m->reg[0]), *s1 = REG(const D, m->reg[1]);                                              \
    T *restrict d = (T *)(void *)p;                                                                                    \
    LANE_LOOP { d[2 * l] = (T)s0[l], d[2 * l + 1] = (T)s1[l]; }                                                        \
    return;                                                                                                            \
  }
#define ROW_STORE4(T, D)                                                                                               \
  {                                                                                                                    \
    const D *s0 = REG(const D, m->reg[0]), *s1 = REG(const D, m->reg[1]), *s2 = REG(const D, m->reg[2]),               \
            *s3 = REG(const D, m->reg[3]);                                                                             \
    T *restrict d = (T *)(void *)p;                                                                                    \
    LANE_LOOP { d[4 * l] = (T)s0[l], d[4 * l + 1] = (T)s1[l], d[4 * l + 2] = (T)s2[l], d[4 * l + 3] = (T)s3[l]; }      \
    return;                                                                                                            \
  }
static inline void load_row(Warp *w, const MemOp *m, const u8 *p) {
  bool wide = m->wide[0];
  for (u32 k = 0; k < m->count; k++)
    if (m->wide[k] != wide || m->reg[k] == ~0u) goto slow;
  switch (m->size | m->count << 4 | wide << 8 | m->sign << 9) {
  case 0x014:
  case 0x214:
    ROW_LOAD1(u32, u32, u32)
  case 0x024:
    ROW_LOAD2(u32, u32)
  case 0x044:
    ROW_LOAD4(u32, u32)
  case 0x012:
    ROW_LOAD1(u16, u16, u32)
  case 0x212:
    ROW_LOAD1(i16, i32, u32)
  case 0x022:
    ROW_LOAD2(u16, u32)
  case 0x042:
    ROW_LOAD4(u16, u32)
  case 0x011:
    ROW_LOAD1(u8, u8, u32)
  case 0x211:
    ROW_LOAD1(i8, i32, u32)
  case 0x021:
    ROW_LOAD2(u8, u32)
  case 0x041:
    ROW_LOAD4(u8, u32)
  case 0x118:
  case 0x318:
    ROW_LOAD1(u64, u64, u64)
  case 0x128:
    ROW_LOAD2(u64, u64)
  case 0x148:
    ROW_LOAD4(u64, u64)
  default:
    break;
  }
slow:
  for (u32 l = 0; l < LANES; l++) load_lane(w, m, l, p + (size_t)l * m->size * m->count);
}
static inline void store_row(const Warp *w, const MemOp *m, u8 *p) {
  bool wide = m->wide[0];
  for (u32 k = 1; k < m->count; k++)
    if (m->wide[k] != wide) goto slow;
  switch (m->size | m->count << 4 | wide << 8) {
  case 0x014:
    ROW_STORE1(u32, u32)
  case 0x024:
    ROW_STORE2(u32, u32)
  case 0x044:
    ROW_STORE4(u32, u32)
  case 0x012:
    ROW_STORE1(u16, u32)
  case 0x022:
    ROW_STORE2(u16, u32)
  case 0x042:
    ROW_STORE4(u16, u32)
  case 0x011:
    ROW_STORE1(u8, u32)
  case 0x021:
    ROW_STORE2(u8, u32)
  case 0x041:
    ROW_STORE4(u8, u32)
  case 0x118:
    ROW_STORE1(u64, u64)
  case 0x128:
    ROW_STORE2(u64, u64)
  case 0x148:
    ROW_STORE4(u64, u64)
  default:
    break;
  }
slow:
  for (u32 l = 0; l < LANES; l++) store_lane(w, m, l, p + (size_t)l * m->size * m->count);
}
/* The effective address of one lane. */
static inline u64 lane_address(const Warp *w, const MemOp *m, u32 lane) {
  if (m->address == ~0u) return (u64)m->offset;
  const u64 base = m->narrow_address ? REG(const u32, m->address)[lane] : REG(const u64, m->address)[lane];
  return m->space == SPACE_SHARED ? (u32)(base + (u64)m->offset) : base + (u64)m->offset;
}
/* Effective addresses of the 32 lanes. */
static inline void lane_addresses(const Warp *w, const MemOp *m, u64 *a) {
  if (m->address == ~0u) {
    LANE_LOOP { a[l] = (u64)m->offset; }
  } else if (m->narrow_address) {
    const u32 *p = REG(const u32, m->address);
    LANE_LOOP { a[l] = (u64)p[l] + (u64)m->offset; }
  } else {
    const u64 *p = REG(const u64, m->address);
    LANE_LOOP { a[l] = p[l] + (u64)m->offset; }
  }
}
/* Do all 32 lanes run, with addresses side by side, `bytes` apart? *first: lane 0's. */
static inline bool lanes_side_by_side(const Warp *w, const MemOp *m, u32 bytes, u64 *first) {
  if (w->mask != ALL_LANES || m->address == ~0u) return false;
  if (m->narrow_address) {
    const u32 *p = REG(const u32, m->address), base = p[0];
    u32 apart = 0;
    LANE_LOOP { apart |= p[l] ^ (base + l * bytes); }
    *first = (u64)base + (u64)m->offset;
    return apart == 0;
  }
  const u64 *p = REG(const u64, m->address), base = p[0];
  u64 apart = 0;
  LANE_LOOP { apart |= p[l] ^ (base + (u64)(l * bytes)); }
  *first = base + (u64)m->offset;
  return apart == 0;
}
#endif
