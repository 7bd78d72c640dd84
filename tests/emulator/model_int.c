/* model_int.c: integer, logic and bit rows, in 128-bit integers and bit by bit. */
#include "model.h"
#include <string.h>

typedef __int128 Wide;
static uint64_t low(int bits) { return bits >= 64 ? ~0ull : (1ull << bits) - 1; }
static Wide value(uint64_t v, int bits, bool is_signed) {
  v &= low(bits);
  return is_signed && v >> (bits - 1) & 1 ? (Wide)v - ((Wide)1 << bits) : (Wide)v;
}
static Wide clamp(Wide v, int bits, bool is_signed) {
  const Wide most = ((Wide)1 << (is_signed ? bits - 1 : bits)) - 1, least = is_signed ? -most - 1 : 0;
  return v < least ? least : v > most ? most : v;
}
static bool type_of(const char *name, int *bits, bool *is_signed) {
  static const char *const names[] = {"u8", "u16", "u32", "u64", "s8", "s16", "s32", "s64", "b8", "b16", "b32", "b64"};
  for (int k = 0; k < 12; k++)
    if (!strcmp(name, names[k])) {
      *bits = 8 << k % 4, *is_signed = k / 4 == 1;
      return true;
    }
  return false;
}
static bool is(const Opcode *o, const char *name) { return !strcmp(o->part[0], name); }
static int bit(uint64_t v, int k) { return k >= 0 && k < 64 ? (int)(v >> k & 1) : 0; }

/* add, sub, mul, mad and their halves, division, extremes. */
static bool arithmetic(const Opcode *o, int n, bool s, const uint64_t in[4], Wide *r, int *bits) {
  const Wide a = value(in[0], n, s), b = value(in[1], n, s), c = value(in[2], n, s);
  const bool hi = opcode_has(o, "hi"), wide = opcode_has(o, "wide"), sat = opcode_has(o, "sat");
  if (is(o, "add") || is(o, "sub")) {
    *r = is(o, "add") ? a + b : a - b;
    if (sat) *r = clamp(*r, n, s);
  } else if (is(o, "mul") || is(o, "mad")) {
    Wide p;
    if (n == 64 && hi) { /* the upper half by parts, as signed numbers */
      const unsigned __int128 u = (unsigned __int128)(in[0] & low(n)) * (in[1] & low(n));
      p = (Wide)(u >> 64);
      if (s) p -= (a < 0 ? (Wide)(in[1] & low(n)) : 0) + (b < 0 ? (Wide)(in[0] & low(n)) : 0);
    } else {
      p = (Wide)((unsigned __int128)a * (unsigned __int128)b);
      if (hi) p >>= n;
    }
    if (wide) *bits = 2 * n;
    *r = p + (is(o, "mad") ? (wide ? value(in[2], 2 * n, s) : c) : 0);
    if (sat) *r = clamp(*r, n, s);
  } else if (is(o, "mul24") || is(o, "mad24")) {
    const Wide p = value(in[0], 24, s) * value(in[1], 24, s);
    *r = (hi ? p >> 16 : p) + (is(o, "mad24") ? c : 0);
  } else if (is(o, "div") || is(o, "rem")) { /* by zero: unspecified; all ones, and the dividend */
    *r = is(o, "div") ? (b ? a / b : -1) : (b ? a % b : a);
  } else if (is(o, "min") || is(o, "max")) {
    *r = (a < b) == is(o, "min") ? a : b;
    if (opcode_has(o, "relu") && *r < 0) *r = 0;
  } else if (is(o, "sad")) {
    *r = c + (a < b ? b - a : a - b);
  } else if (is(o, "abs")) {
    *r = a < 0 ? -a : a;
  } else if (is(o, "neg")) {
    *r = -a;
  } else if (is(o, "addc") || is(o, "subc")) {
    const Wide carry = in[2] & 1;
    *r = is(o, "addc") ? a + b + carry : a - b - carry;
  } else
    return false;
  return true;
}

static bool logic(const Opcode *o, int n, const uint64_t in[4], uint64_t *r) {
  const uint64_t a = in[0] & low(n), b = in[1] & low(n), c = in[2] & low(n);
  if (is(o, "and"))
    *r = a & b;
  else if (is(o, "or"))
    *r = a | b;
  else if (is(o, "xor"))
    *r = a ^ b;
  else if (is(o, "not"))
    *r = ~a;
  else if (is(o, "cnot"))
    *r = !a;
  else if (is(o, "mov"))
    *r = a;
  else if (is(o, "selp"))
    *r = in[2] & 1 ? a : b;
  else if (is(o, "lop3")) {
    *r = 0;
    for (int k = 0; k < 32; k++) *r |= (in[3] >> (4 * bit(a, k) + 2 * bit(b, k) + bit(c, k)) & 1) << k;
  } else
    return false;
  return true;
}

/* Bit by bit. */
static bool bits_of(const Opcode *o, int n, bool s, const uint64_t in[4], uint64_t *r, int *result_bits) {
  const uint64_t a = in[0] & low(n), b = in[1];
  const int shift = (int)((b & 0xffffffff) > (uint64_t)n ? (uint64_t)n : b & 0xffffffff);
  *r = 0;
  if (is(o, "shl")) {
    for (int k = shift; k < n; k++) *r |= (uint64_t)bit(a, k - shift) << k;
  } else if (is(o, "shr")) {
    for (int k = 0; k < n; k++) *r |= (uint64_t)(k + shift < n ? bit(a, k + shift) : s ? bit(a, n - 1) : 0) << k;
  } else if (is(o, "shf")) {
    const uint64_t pool = (in[1] & low(32)) << 32 | (in[0] & low(32)), count = in[2] & low(32);
    const int by = opcode_has(o, "wrap") ? (int)(count & 31) : (int)(count > 32 ? 32 : count);
    for (int k = 0; k < 32; k++) *r |= (uint64_t)bit(pool, opcode_has(o, "l") ? 32 + k - by : k + by) << k;
  } else if (is(o, "brev")) {
    for (int k = 0; k < n; k++) *r |= (uint64_t)bit(a, n - 1 - k) << k;
  } else if (is(o, "popc")) {
    for (int k = 0; k < n; k++) *r += (uint64_t)bit(a, k);
    *result_bits = 32;
  } else if (is(o, "clz")) {
    for (int k = n - 1; k >= 0 && !bit(a, k); k--) ++*r;
    *result_bits = 32;
  } else if (is(o, "bfind")) {
    const int sign = s ? bit(a, n - 1) : 0;
    int at = n - 1;
    while (at >= 0 && bit(a, at) == sign) at--;
    *r = at < 0 ? low(32) : opcode_has(o, "shiftamt") ? (uint64_t)(n - 1 - at) : (uint64_t)at;
    *result_bits = 32;
  } else if (is(o, "bfe")) {
    const int at = (int)(in[1] & 255), width = (int)(in[2] & 255),
              top = at + width - 1 < n - 1 ? at + width - 1 : n - 1;
    const int sign = !s || width == 0 ? 0 : bit(a, top);
    for (int k = 0; k < n; k++) *r |= (uint64_t)(k < width && at + k < n ? bit(a, at + k) : sign) << k;
  } else if (is(o, "bfi")) {
    const int at = (int)(in[2] & 255), width = (int)(in[3] & 255);
    for (int k = 0; k < n; k++) *r |= (uint64_t)(k >= at && k < at + width ? bit(a, k - at) : bit(in[1], k)) << k;
  } else if (is(o, "bmsk")) {
    const uint64_t from = in[0] & low(32), width = in[1] & low(32);
    const bool wrap = opcode_has(o, "wrap");
    const uint64_t first = wrap ? from & 31 : from, count = wrap ? width & 31 : width;
    for (uint64_t k = 0; k < 32; k++) *r |= (uint64_t)(k >= first && k - first < count) << k;
  } else if (is(o, "szext")) {
    uint64_t width = in[1] & low(32);
    if (opcode_has(o, "wrap")) width &= 31;
    const int sign = s && width && width <= 32 ? bit(a, (int)width - 1) : 0;
    for (int k = 0; k < 32; k++) *r |= (uint64_t)((uint64_t)k < width ? bit(a, k) : sign) << k;
  } else if (is(o, "fns")) {
    const int base = (int)(in[1] & 31), want = (int)(int32_t)in[2];
    int found = -1, count = 0;
    if (want == 0)
      found = bit(a, base) ? base : -1;
    else
      for (int k = base; k >= 0 && k < 32 && found<0; k += want> 0 ? 1 : -1)
        if (bit(a, k) && ++count == (want > 0 ? want : want < -64 ? 65 : -want)) found = k;
    *r = found < 0 ? low(32) : (uint64_t)found;
  } else
    return false;
  return true;
}

static uint64_t prmt_byte(uint64_t pool, unsigned pick, bool sign) {
  const uint64_t byte = pool >> (8 * (pick & 7)) & 255;
  return sign ? (byte & 128 ? 255 : 0) : byte;
}
static uint64_t prmt(const Opcode *o, const uint64_t in[4]) {
  static const char *const modes[] = {"f4e", "b4e", "rc8", "ecl", "ecr", "rc16"};
  static const unsigned table[6][4] = {/* PTX ISA, prmt: the selectors of the modes, by the low two bits of c */
                                       {0x3210, 0x4321, 0x5432, 0x6543}, {0x5670, 0x6701, 0x7012, 0x0123},
                                       {0x0000, 0x1111, 0x2222, 0x3333}, {0x3210, 0x3211, 0x3222, 0x3333},
                                       {0x0000, 0x1110, 0x2210, 0x3210}, {0x1010, 0x3232, 0x1010, 0x3232}};
  const uint64_t pool = (in[1] & low(32)) << 32 | (in[0] & low(32));
  unsigned selector = (unsigned)in[2] & 0xffff;
  bool plain = true;
  for (int m = 0; m < 6; m++)
    if (opcode_has(o, modes[m])) selector = table[m][in[2] & 3], plain = false;
  uint64_t r = 0;
  for (int k = 0; k < 4; k++) {
    const unsigned nibble = selector >> (4 * k) & 15;
    r |= prmt_byte(pool, nibble, plain && nibble & 8) << (8 * k);
  }
  return r;
}
/* dp4a, dp2a, vabsdiff4: the types of a and b are words of the opcode. */
static bool dots(const Opcode *o, const uint64_t in[4], uint64_t *r) {
  int bits;
  bool sa, sb;
  const int skip = is(o, "vabsdiff4") ? 2 : o->count - 2;
  if (!is(o, "dp4a") && !is(o, "dp2a") && !is(o, "vabsdiff4")) return false;
  if (!type_of(o->part[skip], &bits, &sa) || !type_of(o->part[skip + 1], &bits, &sb)) return false;
  Wide sum = value(in[2], 32, sa || sb);
  *r = 0;
  if (is(o, "dp4a"))
    for (int k = 0; k < 4; k++) sum += value(in[0] >> (8 * k), 8, sa) * value(in[1] >> (8 * k), 8, sb);
  else if (is(o, "dp2a"))
    for (int k = 0; k < 2; k++)
      sum += value(in[0] >> (16 * k), 16, sa) * value(in[1] >> (8 * k + (opcode_has(o, "hi") ? 16 : 0)), 8, sb);
  else {
    Wide all = 0;
    for (int k = 0; k < 4; k++) {
      const Wide d = value(in[0] >> (8 * k), 8, sa) - value(in[1] >> (8 * k), 8, sb), m = d < 0 ? -d : d;
      *r |= (uint64_t)(m & 255) << (8 * k), all += m;
    }
    if (!opcode_has(o, "add")) return true;
    sum = value(in[2], 32, false) + all;
  }
  *r = (uint64_t)sum;
  return true;
}

static bool compare(const Opcode *o, int n, bool s, const uint64_t in[4], uint64_t *r) {
  const char *c = o->part[1];
  if (c[0] == 'l' || c[0] == 'g' || c[0] == 'h' || c[0] == 'e' || c[0] == 'n') {
    const bool is_unsigned = !strcmp(c, "lo") || !strcmp(c, "ls") || !strcmp(c, "hi") || !strcmp(c, "hs");
    const Wide a = value(in[0], n, s && !is_unsigned), b = value(in[1], n, s && !is_unsigned);
    *r = !strcmp(c, "eq")                       ? a == b
         : !strcmp(c, "ne")                     ? a != b
         : !strcmp(c, "lt") || !strcmp(c, "lo") ? a < b
         : !strcmp(c, "le") || !strcmp(c, "ls") ? a <= b
         : !strcmp(c, "gt") || !strcmp(c, "hi") ? a > b
                                                : a >= b;
    return true;
  }
  return false;
}

static bool convert(const Opcode *o, const uint64_t in[4], uint64_t *r, int *bits) {
  int n, m;
  bool s, t;
  if (opcode_has(o, "pack")) { /* cvt.pack.sat.T.s32{.b32}: b below a, then the low bits of c above */
    const bool three = !strcmp(o->part[o->count - 1], "b32");
    const char *to = o->part[o->count - 2 - three];
    n = to[1] == '4' ? 4 : to[1] == '8' ? 8 : 16, s = to[0] == 's';
    const uint64_t a = (uint64_t)clamp(value(in[0], 32, true), n, s) & low(n),
                   b = (uint64_t)clamp(value(in[1], 32, true), n, s) & low(n);
    *r = b | a << n | (three ? in[2] << (2 * n) : 0), *bits = 32;
    return true;
  }
  if (!type_of(o->part[o->count - 2], &n, &s) || !type_of(o->part[o->count - 1], &m, &t)) return false;
  const Wide v = value(in[0], m, t);
  *r = (uint64_t)(opcode_has(o, "sat") ? clamp(v, n, s) : v), *bits = n;
  return true;
}

bool model_int(const Opcode *o, const uint64_t in[4], uint64_t *out, uint64_t *mask) {
  int n = 32;
  bool s = false, known = true;
  Wide r;
  const char *last = o->part[o->count - 1];
  *out = 0;
  if (is(o, "prmt")) {
    *out = prmt(o, in), *mask = low(32);
    return true;
  }
  if (is(o, "slct")) { /* by the sign of c; a NaN is not >= 0 */
    uint32_t c = (uint32_t)in[2];
    const bool f = !strcmp(last, "f32"), nan = (c & 0x7fffffff) > 0x7f800000;
    if (f && opcode_has(o, "ftz") && !(c & 0x7f800000)) c = 0;
    const bool first = f ? !nan && (!(c >> 31) || c == 0x80000000) : (int32_t)c >= 0;
    *mask = low(opcode_has(o, "b64") ? 64 : 32), *out = first ? in[0] : in[1];
    return true;
  }
  if (is(o, "carry")) { /* carry.add, carry.sub: what leaves the top of the sum or difference */
    if (!type_of(last, &n, &s)) return false;
    const Wide a = value(in[0], n, false), b = value(in[1], n, false), c = in[2] & 1;
    *out = !strcmp(o->part[1], "add") ? a + b + c > value(~0ull, n, false) : a - b - c < 0, *mask = 1;
    return true;
  }
  if (is(o, "cvt")) {
    if (!convert(o, in, out, &n)) return false;
    *mask = low(n);
    return true;
  }
  if (!strcmp(last, "pred"))
    n = 1;
  else if (!strcmp(last, "s16x2") || !strcmp(last, "u16x2")) {
    for (int k = 1; k >= 0; k--) {
      const uint64_t lane[4] = {in[0] >> (16 * k) & 0xffff, in[1] >> (16 * k) & 0xffff, in[2], in[3]};
      if (!arithmetic(o, 16, last[0] == 's', lane, &r, &n)) return false;
      *out = *out << 16 | ((uint64_t)r & 0xffff);
    }
    *mask = low(32);
    return true;
  } else
    known = type_of(last, &n, &s);
  if (is(o, "setp")) {
    *mask = 1;
    return known && compare(o, n, s, in, out);
  }
  *mask = low(32);
  if (dots(o, in, out)) return true;
  if (!known) return false;
  int result = n;
  if (arithmetic(o, n, s, in, &r, &result))
    *out = (uint64_t)r;
  else if (!logic(o, n, in, out) && !bits_of(o, n, s, in, out, &result))
    return false;
  *mask = low(result);
  return true;
}
