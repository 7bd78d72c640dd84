/* bits.h: integer and bit-field formulas of PTX on one lane. */
#ifndef EMU_BITS_H
#define EMU_BITS_H
#include "num.h"

NUM u64 mul_high_u64(u64 a, u64 b) { return (u64)(((unsigned __int128)a * b) >> 64); }
NUM i64 mul_high_s64(i64 a, i64 b) { return (i64)(((__int128)a * b) >> 64); }
NUM i64 low24s(i32 a) { return (i64)((i32)((u32)a << 8) >> 8); }
NUM u64 low24u(u32 a) { return a & 0xffffffu; }
/* Bit i of the result is table[4 * a_i + 2 * b_i + c_i]. */
NUM u32 lop3(u32 a, u32 b, u32 c, u32 table) {
  u32 r = 0;
  r |= table & 1u ? ~a & ~b & ~c : 0;
  r |= table & 2u ? ~a & ~b & c : 0;
  r |= table & 4u ? ~a & b & ~c : 0;
  r |= table & 8u ? ~a & b & c : 0;
  r |= table & 16u ? a & ~b & ~c : 0;
  r |= table & 32u ? a & ~b & c : 0;
  r |= table & 64u ? a & b & ~c : 0;
  r |= table & 128u ? a & b & c : 0;
  return r;
}
NUM u32 popcount32(u32 a) {
  a -= a >> 1 & 0x55555555u;
  a = (a & 0x33333333u) + (a >> 2 & 0x33333333u);
  return ((a + (a >> 4)) & 0x0f0f0f0fu) * 0x01010101u >> 24;
}
NUM u32 reverse32(u32 a) {
  a = (a >> 1 & 0x55555555u) | (a & 0x55555555u) << 1;
  a = (a >> 2 & 0x33333333u) | (a & 0x33333333u) << 2;
  a = (a >> 4 & 0x0f0f0f0fu) | (a & 0x0f0f0f0fu) << 4;
  return __builtin_bswap32(a);
}
/* The most significant bit that differs from the sign. */
NUM u32 find_s32(u32 a) {
  u32 m = a >> 31 ? ~a : a;
  return m ? 31u - (u32)__builtin_clz(m | !m) : ~0u;
}
NUM u32 find_s64(u64 a) {
  u64 m = a >> 63 ? ~a : a;
  return m ? 63u - (u32)__builtin_clzll(m | !m) : ~0u;
}
/* The position of the n-th set bit from `base`: upwards for n > 0, downwards for n < 0, base itself for n = 0. */
NUM u32 find_nth_set(u32 mask, u32 base, i32 n) {
  base &= 31u;
  if (n == 0) return mask >> base & 1u ? base : ~0u;
  i32 step = n > 0 ? 1 : -1, left = n > 0 ? n : n < -32 ? 33 : -n; /* beyond 32 none is found */
  for (i32 p = (i32)base; p >= 0 && p < 32; p += step)
    if (mask >> p & 1u && --left == 0) return (u32)p;
  return ~0u;
}
/* bfe: `width` bits from `at`; positions and widths use their low 8 bits. Beyond the value lie zeros, or copies of the
 * sign. */
NUM u64 extract_u64(u64 a, u32 at, u32 width, u32 bits) {
  at &= 255u, width &= 255u;
  u64 v = at < bits ? a >> (at & 63u) : 0;
  return width >= 64 ? v : v & ((1ull << width) - 1);
}
NUM u64 extract_s64(u64 a, u32 at, u32 width, u32 bits) {
  at &= 255u, width &= 255u;
  if (width == 0) return 0;
  u32 top = at + width - 1 < bits - 1 ? at + width - 1 : bits - 1;
  u64 sign = a >> top & 1u ? ~0ull : 0ull, v = at < bits ? a >> (at & 63u) : sign,
      keep = top + 1 > at ? top + 1 - at : 0;
  return keep >= 64 ? v : (v & ((1ull << keep) - 1)) | (sign & ~((1ull << keep) - 1));
}
NUM u64 insert_bits(u64 from, u64 into, u32 at, u32 width, u32 bits) {
  at &= 255u, width &= 255u;
  if (at >= bits) return into;
  u64 mask = (width >= 64 ? ~0ull : (1ull << width) - 1) << at;
  return (into & ~mask) | (from << at & mask);
}
NUM u32 bit_mask(u32 at, u32 width) {
  if (at >= 32) return 0;
  u64 m = width >= 32 ? 0xffffffffull : (1ull << width) - 1;
  return (u32)(m << at);
}
NUM u32 sign_from(u32 a, u32 width) {
  if (width > 31) return a;
  if (width == 0) return 0;
  u32 shift = 32u - width;
  return (u32)((i32)(a << shift) >> shift);
}
/* prmt: each nibble of c picks a byte of b:a, or (bit 3) eight copies of its sign. */
NUM u32 permute_byte(u32 a, u32 b, u32 nibble) {
  u32 byte = (nibble & 4u ? b : a) >> (8 * (nibble & 3u)) & 0xffu, sign = (0u - (byte >> 7)) & 0xffu;
  return nibble & 8u ? sign : byte;
}
NUM u32 permute(u32 a, u32 b, u32 c) {
  return permute_byte(a, b, c) | permute_byte(a, b, c >> 4) << 8 | permute_byte(a, b, c >> 8) << 16 |
         permute_byte(a, b, c >> 12) << 24;
}
/* The special modes of prmt, by the low two bits s of c: 1 f4e, 2 b4e, 3 rc8, 4 ecl, 5 ecr, 6 rc16. */
NUM u32 permute_mode(u32 a, u32 b, u32 c, u32 unused, u32 mode) {
  (void)unused;
  u32 s = c & 3u, r = 0;
  for (u32 k = 0; k < 4; k++) {
    u32 from = mode == 1   ? k + s
               : mode == 2 ? (s + 8u - k) & 7u
               : mode == 3 ? s
               : mode == 4 ? (k > s ? k : s)
               : mode == 5 ? (k < s ? k : s)
                           : (s & 1u) * 2u + (k & 1u);
    r |= permute_byte(a, b, from & 7u) << (8 * k);
  }
  return r;
}
NUM i32 byte_of(u32 v, u32 k, u32 is_signed) { return is_signed ? (i32)(i8)(v >> (8 * k)) : (i32)(u8)(v >> (8 * k)); }
NUM i32 half_of(u32 v, u32 k, u32 is_signed) {
  return is_signed ? (i32)(i16)(v >> (16 * k)) : (i32)(u16)(v >> (16 * k));
}
NUM i32 dot4(u32 a, u32 b, u32 sa, u32 sb) {
  i32 r = 0;
  for (u32 k = 0; k < 4; k++) r += byte_of(a, k, sa) * byte_of(b, k, sb);
  return r;
}
NUM i64 dot2(u32 a, u32 b, u32 sa, u32 sb) {
  return (i64)half_of(a, 0, sa) * byte_of(b, 0, sb) + (i64)half_of(a, 1, sa) * byte_of(b, 1, sb);
}
NUM u32 abs_diff4(u32 a, u32 b, u32 sa, u32 sb) {
  u32 r = 0;
  for (u32 k = 0; k < 4; k++) {
    i32 d = byte_of(a, k, sa) - byte_of(b, k, sb);
    r |= ((u32)(d < 0 ? -d : d) & 0xffu) << (8 * k);
  }
  return r;
}
NUM u32 sum_abs_diff4(u32 a, u32 b, u32 sa, u32 sb) {
  u32 r = 0;
  for (u32 k = 0; k < 4; k++) {
    i32 d = byte_of(a, k, sa) - byte_of(b, k, sb);
    r += (u32)(d < 0 ? -d : d);
  }
  return r;
}
#endif
