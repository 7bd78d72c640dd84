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

/* 32 lanes side by side: lane l has its `count` elements of type T at p + l * count. */
#define ROW_LOAD(T, S, D, count)                                                                                       \
  for (u32 k = 0; k < (count); k++) {                                                                                  \
    if (m->reg[k] == ~0u) continue;                                                                                    \
    D *d = REG(D, m->reg[k]);                                                                                          \
    const T *s = (const T *)(const void *)p + k;                                                                       \
    LANE_LOOP { d[l] = (D)(S)s[l * (count)]; }                                                                         \
  }
#define ROW_STORE(T, D, count)                                                                                         \
  for (u32 k = 0; k < (count); k++) {                                                                                  \
    const D *s = REG(const D, m->reg[k]);                                                                              \
    T *d = (T *)(void *)p + k;                                                                                         \
    LANE_LOOP { d[l * (count)] = (T)s[l]; }                                                                            \
  }
static inline void load_row(Warp *w, const MemOp *m, const u8 *p) {
  bool wide = m->wide[0];
  for (u32 k = 1; k < m->count; k++)
    if (m->wide[k] != wide) goto slow;
  switch (m->size | m->count << 4 | wide << 8 | m->sign << 9) {
  case 0x014:
    ROW_LOAD(u32, u32, u32, 1) return;
  case 0x214:
    ROW_LOAD(u32, u32, u32, 1) return;
  case 0x024:
    ROW_LOAD(u32, u32, u32, 2) return;
  case 0x044:
    ROW_LOAD(u32, u32, u32, 4) return;
  case 0x084:
    ROW_LOAD(u32, u32, u32, 8) return;
  case 0x012:
    ROW_LOAD(u16, u16, u32, 1) return;
  case 0x212:
    ROW_LOAD(i16, i32, u32, 1) return;
  case 0x022:
    ROW_LOAD(u16, u16, u32, 2) return;
  case 0x042:
    ROW_LOAD(u16, u16, u32, 4) return;
  case 0x011:
    ROW_LOAD(u8, u8, u32, 1) return;
  case 0x211:
    ROW_LOAD(i8, i32, u32, 1) return;
  case 0x021:
    ROW_LOAD(u8, u8, u32, 2) return;
  case 0x041:
    ROW_LOAD(u8, u8, u32, 4) return;
  case 0x118:
    ROW_LOAD(u64, u64, u64, 1) return;
  case 0x318:
    ROW_LOAD(u64, u64, u64, 1) return;
  case 0x128:
    ROW_LOAD(u64, u64, u64, 2) return;
  case 0x148:
    ROW_LOAD(u64, u64, u64, 4) return;
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
    ROW_STORE(u32, u32, 1) return;
  case 0x024:
    ROW_STORE(u32, u32, 2) return;
  case 0x044:
    ROW_STORE(u32, u32, 4) return;
  case 0x084:
    ROW_STORE(u32, u32, 8) return;
  case 0x012:
    ROW_STORE(u16, u32, 1) return;
  case 0x022:
    ROW_STORE(u16, u32, 2) return;
  case 0x042:
    ROW_STORE(u16, u32, 4) return;
  case 0x011:
    ROW_STORE(u8, u32, 1) return;
  case 0x021:
    ROW_STORE(u8, u32, 2) return;
  case 0x041:
    ROW_STORE(u8, u32, 4) return;
  case 0x118:
    ROW_STORE(u64, u64, 1) return;
  case 0x128:
    ROW_STORE(u64, u64, 2) return;
  case 0x148:
    ROW_STORE(u64, u64, 4) return;
  default:
    break;
  }
slow:
  for (u32 l = 0; l < LANES; l++) store_lane(w, m, l, p + (size_t)l * m->size * m->count);
}
/* Effective addresses of the 32 lanes. True: they lie side by side, `bytes` apart. */
static inline bool lane_addresses(const Warp *w, const MemOp *m, u32 bytes, u64 *a) {
  if (m->address == ~0u) {
    LANE_LOOP { a[l] = (u64)m->offset; }
  } else if (m->narrow_address) {
    const u32 *p = REG(const u32, m->address);
    LANE_LOOP { a[l] = (u64)p[l] + (u64)m->offset; }
  } else {
    const u64 *p = REG(const u64, m->address);
    LANE_LOOP { a[l] = p[l] + (u64)m->offset; }
  }
  u64 apart = 0, first = a[0];
  LANE_LOOP { apart |= a[l] ^ (first + (u64)l * bytes); }
  return apart == 0;
}
#endif
