/* Reductions, scans, transposes, histograms, GEMMs, warp exchanges, barriers and atomics, as nvcc compiles them for
   four architectures, against host C. None of these kernels may be accused of anything. */
#include "harness.h"

#define IN(x) in(x, sizeof x)
static int ints[8192];
static float floats[8192];

static void fill(void) { fill_numbers(ints, floats, 8192); }

static void reductions(void) {
  static float m[8], o[64], s[256];
  static int scan[1024];
  int n = 1000, n2 = 2040;
  Buf x = IN(floats), rm = out(sizeof m), rs = out(64 * 4), xi = IN(ints), ri = out(sizeof scan);
  for (int r = 0; r < 8; r++) {
    m[r] = -INFINITY;
    for (int k = 0; k < n; k++) m[r] = fmaxf(m[r], floats[r * n + k]);
  }
  RUN("row_max", 8, 128, 512, P(&x.device, &rm.device, &n));
  expect_f32("row_max", rm, m);
  for (int w = 0; w < 64; w++) {
    float v[32], t[32];
    for (int l = 0; l < 32; l++) v[l] = w * 32 + l < n2 ? floats[w * 32 + l] : 0.0f;
    for (int d = 16; d; d >>= 1) {
      for (int l = 0; l < 32; l++) t[l] = v[l] + v[l + d < 32 ? l + d : l];
      memcpy(v, t, sizeof v);
    }
    o[w] = v[0];
  }
  RUN("warp_sum", 8, 256, 0, P(&x.device, &rs.device, &n2));
  expect_f32("warp_sum", rs, o);
  for (int b = 0; b < 2; b++)
    for (int k = 0, sum = 0; k < 512; k++) scan[b * 512 + k] = sum += ints[b * 512 + k];
  RUN("scan_block", 2, 512, 0, P(&xi.device, &ri.device));
  expect_bytes("scan_block", ri, scan);
  (void)s;
}
static void shapes(void) {
  enum { R = 70, C = 45, M = 35, Q = 50, D = 40 };
  static float t[R * C], c[M * Q];
  static int g[16 * 100];
  int rows = R, cols = C, m = M, n = Q, k = D, n100 = 100, k4 = 9;
  for (int r = 0; r < R; r++)
    for (int q = 0; q < C; q++) t[q * R + r] = floats[r * C + q];
  Buf x = IN(floats), rt = out(sizeof t), b = in(floats + 3000, 4 * D * Q), rc = out(sizeof c), xi = IN(ints),
      rg = out(sizeof g);
  RUN2("transpose", 2, 3, 32, 8, P(&x.device, &rt.device, &rows, &cols));
  expect_f32("transpose", rt, t);
  for (int r = 0; r < M; r++)
    for (int q = 0; q < Q; q++) {
      float v = 0;
      for (int i = 0; i < 48; i++)
        v = fmaf(i < D ? floats[r * D + i] : 0.0f, i < D ? floats[3000 + i * Q + q] : 0.0f, v);
      c[r * Q + q] = v;
    }
  RUN2("gemm_f32", 4, 3, 16, 16, P(&x.device, &b.device, &rc.device, &m, &n, &k));
  expect_f32("gemm_f32", rc, c);
  const int8_t *bytes = (const int8_t *)ints;
  for (int r = 0; r < 16; r++)
    for (int q = 0; q < 100; q++) {
      int v = 0;
      for (int i = 0; i < 36; i++) v += bytes[r * 36 + i] * bytes[4000 + q * 36 + i];
      g[r * 100 + q] = v;
    }
  Buf bi = in(bytes + 4000, 3600);
  RUN2("gemm_s8", 1, 16, 128, 1, P(&xi.device, &bi.device, &rg.device, &n100, &n100, &k4));
  expect_bytes("gemm_s8", rg, g);
}
static void warps(void) {
  enum { N = 256 };
  static unsigned b[N * 3], m[N * 2];
  static int s[N * 4], d[1000];
  static float h[N];
  int n = 1000;
  Buf xi = IN(ints), x = IN(floats), rb = out(sizeof b), rs = out(sizeof s), rm = out(sizeof m), rd = out(sizeof d),
      rh = out(sizeof h);
  for (int i = 0; i < N; i++) {
    int w = i & ~31, l = i & 31;
    unsigned bits = 0, same = 0;
    bool any = false;
    for (int k = 0; k < 32; k++)
      bits |= (unsigned)(ints[w + k] & 1) << k, any |= ints[w + k] == 7,
          same |= (unsigned)((ints[w + k] & 3) == (ints[i] & 3)) << k;
    b[3 * i] = bits, b[3 * i + 1] = 2u + any, b[3 * i + 2] = (unsigned)__builtin_popcount(bits & ((1u << l) - 1));
    m[2 * i] = same, m[2 * i + 1] = 0u;
    s[4 * i] = ints[w + 31 - l], s[4 * i + 1] = ints[w + (l ^ 5)], s[4 * i + 2] = ints[(l & 7) >= 3 ? i - 3 : i],
          s[4 * i + 3] = ints[(l & 15) + 2 < 16 ? i + 2 : i];
    float v = floats[w + (l & 16)];
    for (int k = 0; k < 16; k++) v = l < 16 ? fmaxf(v, floats[w + (l & 16) + k]) : fminf(v, floats[w + (l & 16) + k]);
    h[i] = v;
    m[2 * i + 1] = 0xffffffffu + 1u;
  }
  RUN("ballots", 2, 128, 0, P(&xi.device, &rb.device));
  expect_bytes("ballots", rb, b);
  RUN("shuffles", 1, 256, 0, P(&xi.device, &rs.device));
  expect_bytes("shuffles", rs, s);
  RUN("matches", 1, 256, 0, P(&xi.device, &rm.device));
  expect_bytes("matches", rm, m);
  RUN("half_warps", 2, 128, 0, P(&x.device, &rh.device));
  expect_f32("half_warps", rh, h);
  for (int i = 0; i < n; i++) {
    int v = ints[i], steps = 0;
    while (v != 1 && steps < 200) v = v & 1 ? 3 * v + 1 : v / 2, steps++;
    d[i] = steps & 1 ? steps + (v & 2 ? 10 : 20) : steps - 5;
  }
  RUN("divergent", 4, 256, 0, P(&xi.device, &rd.device, &n));
  expect_bytes("divergent", rd, d);
}
static void memory(void) {
  static unsigned h[256], zero[256];
  static float part[16], a[128];
  static uint8_t bytes[256], packed[500];
  int n = 8192 * 4, fn = 8000, tiles = 8, n1000 = 1000;
  const uint8_t *raw = (const uint8_t *)ints;
  memset(h, 0, sizeof h);
  for (int k = 0; k < n; k++) h[raw[k]]++;
  Buf x = in(raw, (size_t)n), rh = IN(zero);
  RUN("histogram", 5, 128, 0, P(&x.device, &rh.device, &n));
  expect_bytes("histogram", rh, h);
  float best = 0, got;
  for (int k = 0; k < fn; k++) best = fmaxf(best, fabsf(floats[k]));
  Buf xf = IN(floats), rp = out(sizeof part), ticket = in(zero, 4), ro = out(4);
  RUN("last_block", 16, 256, 0, P(&xf.device, &rp.device, &ticket.device, &ro.device, &fn));
  expect_f32("last_block", ro, &best);
  (void)got;
  for (int t = 0; t < 128; t++) {
    a[t] = 0;
    for (int k = 0; k < tiles; k++)
      for (int e = 0; e < 4; e++) a[t] = fmaxf(a[t], floats[(k * 128 + 127 - t) * 4 + e]);
  }
  Buf ra = out(sizeof a);
  RUN("async_copy", 1, 128, 0, P(&xf.device, &ra.device, &tiles));
  expect_f32("async_copy", ra, a);
  for (int k = 0; k < 256; k++) bytes[k] = raw[255 - k] ^ 0x5a;
  Buf rb = out(256);
  RUN("bytes_shared", 1, 256, 0, P(&x.device, &rb.device));
  expect_bytes("bytes_shared", rb, bytes);
  static float scale[64];
  for (int k = 0; k < 64; k++) scale[k] = 0.25f + (float)k * 0x1p-5f;
  for (int i = 0; i < 500; i++) {
    int v[2];
    for (int e = 0; e < 2; e++) {
      float q = rintf(floats[2 * i + e] / scale[i / 16]);
      v[e] = (int)fminf(fmaxf(q, -8.f), 7.f);
    }
    packed[i] = (uint8_t)((v[0] & 15) | v[1] * 16);
  }
  Buf rq = out(500), sb = IN(scale);
  RUN("int4_pack", 4, 128, 0, P(&xf.device, &sb.device, &rq.device, &n1000));
  expect_bytes("int4_pack", rq, packed);
}
static void barriers(void) {
  static int o[256], pc[10 * 32], c[6];
  static float er[100];
  int rounds = 10, n100 = 100, sum = 0;
  for (int t = 0; t < 128; t++)
    o[t] = t < 64 ? ints[63 - t] * 2 : ints[64 + 127 - t] * 3, o[128 + t] = ints[t & 63] * 2;
  Buf x = IN(ints), xf = IN(floats), ro = out(1024), rp = out(sizeof pc), rc = out(sizeof c), re = out(sizeof er),
      rs = out(4);
  RUN("named_barriers", 1, 128, 0, P(&x.device, &ro.device));
  expect_bytes("named_barriers", ro, o);
  for (int k = 0; k < rounds; k++)
    for (int t = 0; t < 32; t++) pc[k * 32 + t] = ints[k * 32 + 31 - t] + 1;
  RUN("producer_consumer", 1, 64, 0, P(&x.device, &rp.device, &rounds));
  expect_bytes("producer_consumer", rp, pc);
  for (int b = 0; b < 2; b++) {
    c[3 * b] = 0, c[3 * b + 1] = 1, c[3 * b + 2] = 0;
    for (int k = 0; k < 128; k++)
      c[3 * b + 1] &= floats[b * 128 + k] > -100.f, c[3 * b + 2] |= floats[b * 128 + k] > 2.5f;
  }
  RUN("count_nan", 2, 128, 0, P(&xf.device, &rc.device));
  expect_bytes("count_nan", rc, c);
  for (int t = 0; t < n100; t++) er[t] = floats[99 - t];
  RUN("early_return", 1, 128, 0, P(&xf.device, &re.device, &n100));
  expect_f32("early_return", re, er);
  for (int k = 0; k < 32; k++) sum += ints[k];
  RUN("syncwarp", 1, 32, 0, P(&x.device, &rs.device));
  expect_bytes("syncwarp", rs, &sum);
}
static void atomics(void) {
  static int zero[8], a[2] = {0, 0}, total = 24, flag = 0;
  static unsigned u[5] = {0, 0, 0, 9, 0};
  float f = 0;
  uint64_t w = 0;
  unsigned first[5] = {0, 0, 0, 0, 0xffffffffu}, inc = 0, anded = 0xffffffffu;
  memset(a, 0, sizeof a);
  u[0] = u[1] = 0;
  for (int t = 0; t < 512; t++) {
    int p = t * 7 % 1000, q = t * 13 % 997 - 500;
    a[0] = p > a[0] ? p : a[0], a[1] = q < a[1] ? q : a[1];
    u[0] |= 1u << (t & 31), u[1] ^= (unsigned)t, inc = inc >= 100 ? 0 : inc + 1, f += 1.0f, w += 3,
                                                 anded &= ~(1u << (t & 15));
  }
  u[2] = inc, u[4] = anded;
  int n = 1000, any = 0;
  for (int k = 0; k < n; k++) any |= ints[k] > 90;
  Buf ba = in(zero, 8), bu = IN(first), bf = in(zero, 4), bw = in(zero, 8), lock = in(zero, 4), bt = in(zero, 4),
      x = IN(ints), fl = in(&flag, 4);
  RUN("atomics", 4, 128, 0, P(&ba.device, &bu.device, &bf.device, &bw.device));
  expect_bytes("atomic max, min", ba, a);
  expect_bytes("atomic or, xor, inc, cas, and", bu, u);
  expect_f32("atomic add f32", bf, &f);
  expect_bytes("atomic add u64", bw, &w);
  RUN("spin_lock", 3, 256, 0, P(&lock.device, &bt.device));
  expect_bytes("spin_lock", bt, &total);
  RUN("flag_same", 4, 256, 0, P(&x.device, &fl.device, &n));
  expect_bytes("flag_same", fl, &any);
}

/* Property: every kernel of part b gives the bits that host C gives, on each architecture, with all checks on. */
START_TEST(part_b) {
  void (*const groups[])(void) = {reductions, shapes, warps, memory, barriers, atomics};
  open_arch(test_archs[_i], "kernels_b");
  fill();
  for (size_t k = 0; k < sizeof groups / sizeof groups[0]; k++) {
    groups[k]();
    free_buffers();
  }
  close_arch();
}
END_TEST

int main(void) { return run_each_arch("emulator kernels, part b", part_b, TEST_ARCHS); }
