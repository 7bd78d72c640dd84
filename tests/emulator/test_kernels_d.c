/* Quantizers as people write them, atomics made by hand, look-back scans and small formats, as nvcc compiles them for
   five architectures, against host C. None of these kernels may be accused of anything. */
#include "harness.h"
#include "host.h"
#include <fenv.h>

enum { N = 1000 };
#define FOR   for (int i = 0; i < N; i++)
#define IN(x) in(x, sizeof x)
#define GRID  4, 256, 0
static float floats[8192];
static int ints[8192];

static void fill(void) { fill_numbers(ints, floats, 8192); }
static uint32_t clamped(float v, int zero, int least, int most) {
  int c = to_int(rintf(v)) + zero;
  return (uint32_t)(c < least ? least : c > most ? most : c) & 255;
}

static void tensors(void) {
  static uint32_t symmetric[2048], affine[2048];
  float most = 0, zero = 0, inverse = 0x1.8p+2f, scale = 0.21f;
  int n = N, n4 = 2048, z = 117;
  FOR most = fmaxf(most, fabsf(floats[i]));
  for (int k = 0; k < 8192; k++) {
    symmetric[k / 4] = (k % 4 ? symmetric[k / 4] : 0) | clamped(floats[k] * inverse, 0, -127, 127) << (8 * (k % 4));
    affine[k / 4] = (k % 4 ? affine[k / 4] : 0) | clamped(floats[k] / scale, z, 0, 255) << (8 * (k % 4));
  }
  Buf x = IN(floats), cas = in(&zero, 4), asks = in(&zero, 4), s = out(sizeof symmetric), a = out(sizeof affine);
  RUN("amax_cas", 3, 64, 0, P(&x.device, &cas.device, &n));
  RUN("amax_asks", GRID, P(&x.device, &asks.device, &n));
  RUN("quantize_symmetric", 5, 96, 0, P(&x.device, &s.device, &n4, &inverse));
  RUN("quantize_affine", 3, 128, 0, P(&x.device, &a.device, &n4, &scale, &z));
  expect_f32("amax_cas", cas, &most), expect_f32("amax_asks", asks, &most);
  expect_bytes("quantize_symmetric", s, symmetric), expect_bytes("quantize_affine", a, affine);
}

static void rows(void) {
  enum { R = 4, PAIRS = 77 };
  static uint16_t h[R * PAIRS * 2], b[R * PAIRS * 2], scale[R];
  static int8_t q[R * PAIRS * 2];
  float most[R];
  int pairs = PAIRS;
  for (int k = 0; k < R * PAIRS * 2; k++) h[k] = bits16((_Float16)floats[k]), b[k] = brain((__float128)floats[k]);
  for (int r = 0; r < R; r++) {
    float m = 0;
    most[r] = 0;
    for (int k = r * PAIRS * 2; k < (r + 1) * PAIRS * 2; k++) {
      m = fmaxf(m, fabsf((float)half_of(h[k])));
      most[r] = fmaxf(most[r], fabsf(float_of((uint32_t)b[k] << 16)));
    }
    scale[r] = bits16((_Float16)(m / 127.0f));
    float inverse = 1.0f / (float)half_of(scale[r]);
    for (int k = r * PAIRS * 2; k < (r + 1) * PAIRS * 2; k++)
      q[k] = (int8_t)to_int(rintf((float)half_of(h[k]) * inverse));
  }
  Buf bh = IN(h), bb = IN(b), bs = out(sizeof scale), bq = out(sizeof q), bm = out(sizeof most);
  RUN("rows_bf16x2", R, 32, 0, P(&bb.device, &bm.device, &pairs));
  expect_f32("rows_bf16x2", bm, most);
  RUN("rows_half2", R, 32, 0, P(&bh.device, &bs.device, &bq.device, &pairs));
  expect_16("rows_half2, scales", bs, scale, 0x7c00), expect_bytes("rows_half2, codes", bq, q);
}

static void formats(void) {
  enum { HALVES = 8192 };
  static double e4[127], e5[124];
  static uint16_t h[HALVES], back[2 * HALVES];
  static uint8_t c4[HALVES], c5[HALVES], scale[N / 32 + 1], codes[N / 2];
  static const float fp4[8] = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6};
  static uint32_t packed[N];
  static uint16_t s16[N / 4], o16[8 * N];
  int all = HALVES, n = N / 32 * 32, whole = N;
  for (int c = 0; c < 127; c++) e4[c] = c < 8 ? c * 0x1p-9 : ldexp(1.0 + (c & 7) / 8.0, (c >> 3) - 7);
  for (int c = 0; c < 124; c++) e5[c] = c < 4 ? c * 0x1p-16 : ldexp(1.0 + (c & 3) / 4.0, (c >> 2) - 15);
  for (int k = 0; k < HALVES; k++) {
    float v = (float)half_of(h[k] = (uint16_t)(8 * k + (int)(random_bits() & 7)));
    int sign = h[k] >> 15;
    c4[k] = fp8(e4, 127, 0x7f, v);
    c5[k] = (uint8_t)(isnan(v) ? 0x7f : isinf(v) || fabsf(v) >= 61440.0f ? 0x7c | sign << 7 : fp8(e5, 124, 0x7f, v));
    double w4 = e4[c4[k] & 127 & -((c4[k] & 127) != 127)],
           w5 = (c5[k] & 127) < 124 ? e5[c5[k] & 127] : (double)INFINITY;
    back[2 * k] = (c4[k] & 127) == 127 ? 0x7fff : bits16((_Float16)(sign ? -w4 : w4));
    back[2 * k + 1] = (c5[k] & 127) > 124 ? 0x7fff : bits16((_Float16)(sign ? -w5 : w5));
  }
  Buf bh = IN(h), b4 = out(sizeof c4), b5 = out(sizeof c5), bb = out(sizeof back);
  RUN("eights", HALVES / 256, 256, 0, P(&bh.device, &b4.device, &b5.device, &bb.device, &all));
  const uint8_t *got4 = fetch_buffer(b4), *got5 = fetch_buffer(b5);
  for (int k = 0; k < HALVES; k++) { /* the sign of a NaN is nowhere said */
    ck_assert_msg(got4[k] == c4[k] || ((c4[k] & 127) == 127 && (got4[k] & 127) == 127), "e4m3 of %04x", k);
    ck_assert_msg(got5[k] == c5[k] || ((c5[k] & 127) > 124 && (got5[k] & 127) > 124), "e5m2 of %04x", k);
  }
  expect_16("eights, back", bb, back, 0x7c00);
  for (int g = 0; g < n / 32; g++) {
    float m = 0;
    for (int k = 0; k < 32; k++) m = fmaxf(m, fabsf(floats[32 * g + k]));
    int e = (int)(bits32(m) >> 23) - 2;
    scale[g] = (uint8_t)(e < 1 ? 1 : e);
    for (int k = 0; k < 32; k++) {
      float w = ldexpf(floats[32 * g + k], 127 - scale[g]), a = fabsf(w);
      int best = 0;
      for (int c = 1; c < 8; c++) {
        float d = fabsf(fp4[c] - a), f = fabsf(fp4[best] - a);
        if (d < f || (d == f && c % 2 == 0)) best = c;
      }
      best |= signbit(w) ? 8 : 0;
      if (k % 2)
        codes[16 * g + k / 2] |= (uint8_t)(best << 4);
      else
        codes[16 * g + k / 2] = (uint8_t)best;
    }
  }
  Buf bx = in(floats, (size_t)n * 4), bs = out((size_t)n / 32), bc = out((size_t)n / 2);
  RUN("mx_block", (unsigned)n / 32, 32, 0, P(&bx.device, &bs.device, &bc.device, &n));
  expect_bytes("mx_block, scales", bs, scale), expect_bytes("mx_block, codes", bc, codes);
  FOR packed[i] = (uint32_t)random_bits(), s16[i / 4] = bits16((_Float16)(0.01f * (float)(i / 4 + 1)));
  FOR for (int k = 0; k < 4; k++) for (int half = 0; half < 2; half++) {
    float v = (float)((packed[i] >> (4 * k + 16 * half) & 15)) - 8.0f;
    o16[8 * i + 2 * k + half] = bits16((_Float16)(v * (float)half_of(s16[i / 4])));
  }
  Buf bp = IN(packed), bq = IN(s16), bo = out(sizeof o16);
  RUN("int4_magic", GRID, P(&bp.device, &bq.device, &bo.device, &whole));
  expect_16("int4_magic", bo, o16, 0x7c00);
}

static void sums(void) {
  enum { TILES = 7, BLOCKS = 5 };
  static int prefix[TILES * 256], steps[N];
  static uint64_t state[TILES];
  uint32_t zero = 0, last = 0;
  int n = N;
  float part[BLOCKS], total = 0;
  memset(state, 0, sizeof state);
  for (int k = 0, sum = 0; k < TILES * 256; k++) prefix[k] = sum += ints[k];
  for (int b = 0; b < BLOCKS; b++) {
    float lane[128], warp[4];
    for (int t = 0; t < 128; t++) {
      lane[t] = 0;
      for (int i = b * 128 + t; i < N; i += BLOCKS * 128) lane[t] += floats[i];
    }
    for (int w = 0; w < 4; w++) {
      for (int m = 16; m; m /= 2)
        for (int l = 0; l < m; l++) lane[32 * w + l] += lane[32 * w + l + m];
      warp[w] = lane[32 * w];
    }
    part[b] = (warp[0] + warp[1]) + (warp[2] + warp[3]), total += part[b];
  }
  FOR {
    int v = ints[i], s = 0;
    do v = v & 1 ? v * 3 + 1 : v >> 1, s++;
    while (v > 1 && s < 100);
    steps[i] = s;
  }
  Buf x = IN(ints), f = IN(floats), t = in(&zero, 4), st = IN(state), o = out(sizeof prefix), p = out(sizeof part),
      d = in(&zero, 4), r = out(4), next = in(&zero, 4), q = out(sizeof steps);
  RUN("look_back", TILES, 256, 0, P(&x.device, &o.device, &t.device, &st.device));
  expect_bytes("look_back", o, prefix);
  RUN("ring_sum", BLOCKS, 128, 0, P(&f.device, &p.device, &d.device, &r.device, &n));
  expect_f32("ring_sum, parts", p, part), expect_f32("ring_sum", r, &total), expect_bytes("ring_sum, count", d, &last);
  RUN("warp_queue", 3, 96, 0, P(&x.device, &q.device, &next.device, &n));
  expect_bytes("warp_queue", q, steps);
}

static int8_t byte_at(const int *words, int k) { return (int8_t)((uint32_t)words[k / 4] >> (8 * (k % 4))); }
static void matrices(void) {
  enum { M = 128, Q = 64, K16 = 3, R = 64, W = 24 };
  static int a[M * K16 * 4], b[Q * K16 * 4], c[M * Q];
  static uint8_t x[R * W * 4], y[R * W * 4];
  int n = Q, k16 = K16, words = W;
  for (int k = 0; k < M * K16 * 4; k++) a[k] = (int)random_bits(), b[k % (Q * K16 * 4)] = (int)random_bits();
  for (int r = 0; r < M; r++)
    for (int q = 0; q < Q; q++) {
      int s = 0;
      for (int k = 0; k < 16 * K16; k++) s += byte_at(a + r * K16 * 4, k) * byte_at(b + q * K16 * 4, k);
      c[r * Q + q] = s;
    }
  for (int r = 0; r < R; r++)
    for (int q = 0; q < W * 4; q++) y[q * R + r] = x[r * W * 4 + q] = (uint8_t)random_bits();
  Buf ba = IN(a), bb = IN(b), bc = out(sizeof c), bx = IN(x), by = out(sizeof y);
  ck_assert_msg(try_launch("gemm_tile", 1, 2, 256, 1, 8 * 65 * 4, P(&ba.device, &bb.device, &bc.device, &n, &k16)) ==
                    SB_OK,
                "%s", sb_message());
  expect_bytes("gemm_tile", bc, c);
  RUN2("transpose_bytes", 3, 2, 256, 1, P(&bx.device, &by.device, &words));
  expect_bytes("transpose_bytes", by, y);
}

static float down_from(double v) {
  float f = (float)v;
  return (double)f > v ? nextafterf(f, -INFINITY) : f;
}
static void numbers(void) {
  static float a[N], b[N], o[6 * N];
  static int e[3 * N];
  static uint32_t random[N];
  static uint16_t s[N];
  static int64_t w[N], q[3 * N];
  static double d[N], wide[4 * N];
  int n = N;
  FOR {
    a[i] = edge_f32(i), b[i] = edge_f32((i * 31 + 7) % N), random[i] = (uint32_t)random_bits();
    if (isnan(a[i])) a[i] = 1.5f;
    int exponent = 0;
    o[6 * i] = ldexpf(a[i], b[i] < 0 ? -9 : 7), o[6 * i + 1] = frexpf(a[i], &exponent);
    o[6 * i + 2] = nextafterf(a[i], b[i]), o[6 * i + 3] = fdimf(a[i], b[i]);
    o[6 * i + 4] = truncf(a[i] * 0.125f); /* inexact only below 2^-126 */
    float least = a[i];
    if (!isnan(b[i]) && (b[i] < a[i] || (b[i] == a[i] && signbit(b[i])))) least = b[i];
    (void)fesetround(FE_DOWNWARD);
    volatile float difference = a[i] - b[i];
    (void)fesetround(FE_TONEAREST);
    o[6 * i + 5] = max_f(least, difference);
    e[3 * i] = isinf(a[i]) ? 0 : exponent;
    e[3 * i + 1] = a[i] == 0 ? INT32_MIN : isinf(a[i]) ? INT32_MAX : ilogbf(a[i]);
    e[3 * i + 2] = (isfinite(a[i]) != 0) | (signbit(a[i]) != 0) << 1 | (isnan(b[i]) != 0) << 2;
    uint32_t u = bits32(a[i]);
    s[i] = (uint16_t)((isinf(a[i]) ? u : u + (random[i] & 0xffff)) >> 16);
  }
  Buf ba = IN(a), bb = IN(b), bo = out(sizeof o), be = out(sizeof e), br = IN(random), bs = out(sizeof s);
  RUN("numbers", GRID, P(&ba.device, &bb.device, &bo.device, &be.device, &n));
  expect_f32("numbers", bo, o), expect_bytes("numbers, integers", be, e);
  RUN("stochastic", GRID, P(&ba.device, &br.device, &bs.device, &n));
  expect_16("stochastic", bs, s, 0x7f80);
  FOR {
    w[i] = (int64_t)random_bits() >> i % 60, d[i] = (double)((int64_t)random_bits() >> (12 + i % 40)) * 0x1p-8;
    double toward = (double)w[i];
    if (fabs(toward) > 0x1p53 && (__int128)toward != w[i] &&
        ((__int128)toward < 0 ? -(__int128)toward : (__int128)toward) > (w[i] < 0 ? -(__int128)w[i] : w[i]))
      toward = nextafter(toward, 0.0);
    float up = (float)w[i];
    if ((__int128)up < w[i]) up = nextafterf(up, INFINITY);
    wide[4 * i] = toward, wide[4 * i + 1] = (double)up, wide[4 * i + 2] = (double)down_from(d[i]);
    double minus = d[i] - 1.0; /* exact: below 2^53 in units of 2^-8 */
    wide[4 * i + 3] = minus == 0 ? -0.0 : minus;
    q[3 * i] = (int64_t)rint(d[i]);
    q[3 * i + 1] = d[i] <= 0 ? 0 : d[i] >= 0x1p32 ? 0xffffffffll : (int64_t)d[i];
    float f = fabsf((float)w[i]);
    q[3 * i + 2] = (int64_t)(uint64_t)f;
  }
  Buf bw = IN(w), bd = IN(d), bx = out(sizeof wide), bq = out(sizeof q);
  RUN("wide_ints", GRID, P(&bw.device, &bd.device, &bx.device, &bq.device, &n));
  expect_f64("wide_ints", bx, wide), expect_bytes("wide_ints, integers", bq, q);
}

static void atomics(void) {
  uint16_t h[2] = {0, 0}, h2[2] = {bits16((_Float16)128.0f), bits16((_Float16)64.0f)}, c[2] = {7, 1}, c2[2] = {391, 1};
  int64_t w[2] = {5, 5}, w2[2] = {-127, 127ll << 33};
  uint32_t d[2] = {100, 0}, d2[2] = {973, 0u - 127 * 64};
  float x = 0, x2 = 2.5f;
  int s = 0, s2 = 2 * (63 * 64 / 2);
  Buf bh = IN(h), bc = IN(c), bw = IN(w), bd = IN(d), bx = in(&x, 4), bs = in(&s, 4);
  RUN("atomic_widths", 2, 64, 0, P(&bh.device, &bc.device, &bw.device, &bd.device, &bx.device, &bs.device));
  expect_bytes("f16x2", bh, h2), expect_bytes("16 bits", bc, c2), expect_bytes("64 bits", bw, w2);
  expect_bytes("dec, sub", bd, d2), expect_bytes("exch", bx, &x2), expect_bytes("of a block", bs, &s2);
}

static void warps(void) {
  static int o[256 * 7];
  static float cube[64 * 12];
  static float hint[8 * N];
  int64_t one = 1;
  int n = N;
  for (int t = 0; t < 256; t++) {
    int sum = 0, low = INT32_MAX, xor = 0, rank = 0, size = 0, first = -1, base = t & ~31;
    for (int l = base; l < base + 32; l++) {
      sum += ints[l], low = ints[l] < low ? ints[l] : low, xor ^= ints[l];
      if ((ints[l] & 1) != (ints[t] & 1)) continue;
      if (first < 0) first = l;
      rank += l < t, size++;
    }
    int other = base + 31 - t % 32;
    int p[7] = {sum, low, xor, rank, ints[first], size, ints[other] ^ (other % 32)};
    memcpy(o + 7 * t, p, sizeof p);
  }
  for (int k = 0; k < 64 * 12; k++) {
    int block = k / 64 * 64, i = k % 64, mirror = 63 - i, partner = 63 - (i ^ 8);
    cube[k] = floats[block + mirror] - floats[block + partner];
  }
  FOR {
    const float *v = floats + 4 * i;
    float e[8] = {v[3], v[2], v[1], v[0], v[0], v[1], v[2], v[3]};
    memcpy(hint + 8 * i, e, sizeof e);
  }
  Buf x = IN(ints), f = IN(floats), bo = out(sizeof o), bc = out(sizeof cube), bh = out(sizeof hint), clk = out(8);
  RUN("warp_stats", 2, 128, 0, P(&x.device, &bo.device));
  expect_bytes("warp_stats", bo, o);
  ck_assert_msg(try_launch_3d("cube", (unsigned[]){3, 2, 2}, (unsigned[]){8, 4, 2}, P(&f.device, &bc.device)) == SB_OK,
                "%s", sb_message());
  expect_f32("cube", bc, cube);
  RUN("hints", GRID, P(&f.device, &bh.device, &clk.device, &n));
  expect_f32("hints", bh, hint), expect_bytes("clocks", clk, &one);
}

/* Property: every kernel of part d gives the bits that host C gives, on each architecture. */
START_TEST(part_d) {
  static void (*const parts[])(void) = {tensors, rows, formats, sums, matrices, numbers, atomics, warps};
  open_arch(test_archs[_i], "kernels_d");
  for (size_t k = 0; k < sizeof parts / sizeof *parts; k++) {
    fill();
    parts[k]();
    free_buffers();
  }
  close_arch();
}
END_TEST

int main(void) { return run_each_arch("emulator kernels, part d", part_d, TEST_ARCHS); }
