/* Kernels in further styles (cub, cooperative groups, pipelines, packed formats, tensor-core integers), as nvcc
   compiles them for five architectures, against host C. None of these kernels may be accused of anything. */
#include "harness.h"
#include "host.h"

enum { N = 1000 };
#define FOR   for (int i = 0; i < N; i++)
#define IN(x) in(x, sizeof x)
#define GRID  4, 256, 0
static float floats[8192];
static int ints[8192];

static void fill(void) { fill_numbers(ints, floats, 8192); }

static void by_struct(void) {
  enum { R = 5, C = 777, STRIDE = 800 };
  struct {
    uint64_t x, scale, codes;
    int64_t rows, cols, stride;
    float floor;
  } p = {.rows = R, .cols = C, .stride = STRIDE, .floor = 0x1p-20f};
  static float scale[R];
  static int8_t codes[R * C];
  for (int k = 0; k < STRIDE; k++) floats[3 * STRIDE + k] = 0.0f; /* a row of zeros has the floor for its scale */
  Buf x = IN(floats), s = out(sizeof scale), q = out(sizeof codes);
  p.x = x.device, p.scale = s.device, p.codes = q.device;
  for (int r = 0; r < R; r++) {
    float a = 0.0f;
    for (int c = 0; c < C; c++) a = fmaxf(a, fabsf(floats[r * STRIDE + c]));
    scale[r] = fmaxf(a / 127.0f, p.floor);
    for (int c = 0; c < C; c++) {
      float v = rintf(floats[r * STRIDE + c] / scale[r]);
      codes[r * C + c] = (int8_t)(v < -128 ? -128 : v > 127 ? 127 : v);
    }
  }
  RUN("quantize_struct", 3, 256, 0, P(&p));
  expect_f32("scales of quantize_struct", s, scale);
  expect_bytes("codes of quantize_struct", q, codes);
}

static int ascending(const void *a, const void *b) {
  uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  return x < y ? -1 : x > y;
}
static void libraries(void) {
  static int inclusive[1024], exclusive[1024], total[2], o[1024], positive[N];
  static uint32_t keys[256];
  static float most[4];
  int n = N, n80 = 80, zero = 0, count = 0;
  for (int b = 0; b < 2; b++)
    for (int k = 0, sum = 0; k < 512; k++) {
      exclusive[b * 512 + k] = sum, inclusive[b * 512 + k] = sum += ints[b * 512 + k];
      total[b] = sum;
    }
  Buf x = IN(ints), bi = out(sizeof inclusive), be = out(sizeof exclusive), bt = out(sizeof total);
  RUN("cub_scan", 2, 128, 0, P(&x.device, &bi.device, &be.device, &bt.device));
  expect_bytes("cub_scan, inclusive", bi, inclusive), expect_bytes("cub_scan, exclusive", be, exclusive);
  expect_bytes("cub_scan, total", bt, total);
  for (int k = 0; k < 256; k++) keys[k] = (uint32_t)random_bits();
  Buf bk = IN(keys), bs = out(sizeof keys);
  RUN("cub_sort", 1, 64, 0, P(&bk.device, &bs.device));
  qsort(keys, 256, sizeof *keys, ascending);
  expect_bytes("cub_sort", bs, keys);
  for (int b = 0; b < 4; b++) {
    most[b] = 0;
    for (int k = 0; k < 80; k++) most[b] = fmaxf(most[b], fabsf(floats[b * 80 + k]));
  }
  Buf f = IN(floats), bm = out(sizeof most);
  RUN("cub_reduce", 4, 96, 0, P(&f.device, &bm.device, &n80));
  expect_f32("cub_reduce", bm, most);
  for (int t = 0; t < 256; t++) {
    int sum = 0, max = INT32_MIN, any = 0, first = t & ~7;
    for (int k = 0; k < 8; k++)
      sum += ints[first + k], max = ints[first + k] > max ? ints[first + k] : max, any |= ints[first + k] > 90;
    o[4 * t] = sum, o[4 * t + 1] = max, o[4 * t + 2] = t % 8 >= 3 ? ints[t - 3] : ints[t], o[4 * t + 3] = any;
  }
  Buf bg = out(sizeof o);
  RUN("groups", 1, 256, 0, P(&x.device, &bg.device));
  expect_bytes("groups", bg, o);
  FOR if (ints[i] > 0) positive[count++] = ints[i];
  Buf bp = out((size_t)count * 4), bc = in(&zero, 4);
  RUN("compact", GRID, P(&x.device, &bp.device, &bc.device, &n));
  expect_bytes("compact, count", bc, &count);
  int *got = fetch_buffer(bp), balance[201] = {0};
  for (int k = 0; k < count; k++) balance[got[k] + 100]++, balance[positive[k] + 100]--; /* in any order */
  for (int k = 0; k < 201; k++) ck_assert_int_eq(balance[k], 0);
}

static int8_t byte_at(const int *words, int k) { return (int8_t)((uint32_t)words[k / 4] >> (8 * (k % 4))); }
static void matrices(void) {
  enum { D = 24 };
  static int a[32 * D], b[32 * D], c[32 * 32], d[16 * 8];
  int k4 = D;
  for (int k = 0; k < 32 * D; k++) a[k] = (int)random_bits(), b[k] = (int)random_bits();
  for (int r = 0; r < 32; r++)
    for (int q = 0; q < 32; q++) {
      int s = 0;
      for (int k = 0; k < 4 * D; k++) s += byte_at(a + r * D, k) * byte_at(b + q * D, k);
      c[r * 32 + q] = s;
    }
  Buf ba = IN(a), bb = IN(b), bc = out(sizeof c), bd = out(sizeof d);
  RUN("gemm_pipeline", 1, 256, 0, P(&ba.device, &bb.device, &bc.device, &k4));
  expect_bytes("gemm_pipeline", bc, c);
  for (int r = 0; r < 16; r++)
    for (int q = 0; q < 8; q++) {
      int s = 1 + (q & 1) + (r >= 8 ? 2 : 0);
      for (int k = 0; k < 32; k++) s += byte_at(a + r * 8, k) * byte_at(b + q * 8, k);
      d[r * 8 + q] = s;
    }
  RUN("mma_s8", 1, 32, 0, P(&ba.device, &bb.device, &bd.device));
  expect_bytes("mma_s8", bd, d);
}

static void packed(void) {
  static double e4[127];
  static uint32_t codes[N];
  static float wide[4 * N], x[4 * N], f[2 * N];
  static uint16_t a[2 * N], b[2 * N], o[8 * N], brains[2 * N];
  int n = N;
  for (int c = 0; c < 127; c++) e4[c] = c < 8 ? c * 0x1p-9 : ldexp(1.0 + (c & 7) / 8.0, (c >> 3) - 7);
  for (int k = 0; k < 4 * N; k++) {
    x[k] = edge_f32(k);
    uint32_t c = fp8(e4, 127, 0x7f, x[k]);
    codes[k / 4] |= c << (8 * (k % 4));
    wide[k] = (c & 127) == 127 ? NAN : (float)(c & 128 ? -e4[c & 127] : e4[c & 127]);
  }
  Buf bx = IN(x), bc = out(sizeof codes), bw = out(sizeof wide);
  RUN("fp8x4", GRID, P(&bx.device, &bc.device, &bw.device, &n));
  expect_bytes("fp8x4, codes", bc, codes), expect_f32("fp8x4, values", bw, wide);
  memset(codes, 0, sizeof codes);
  for (int k = 0; k < 2 * N; k++) a[k] = edge_16(2 * k), b[k] = edge_16((k * 37 + 5) % 4096);
  for (int k = 0; k < 2 * N; k++) {
    float p = (float)half_of(a[k]), q = (float)half_of(b[k]), m = (float)(_Float16)(p * q);
    int i = k / 2, h = k % 2;
    o[8 * i + h] = bits16((_Float16)(p + q));
    o[8 * i + 2 + h] = bits16((_Float16)(m > 0 ? (m < 1 ? m : 1.0f) : 0.0f));
    o[8 * i + 4 + h] = a[k] | 0x8000, o[8 * i + 6 + (1 - h)] = a[k];
    f[k] = p;
  }
  Buf ba = IN(a), bb = IN(b), bo = out(sizeof o), bf = out(sizeof f);
  RUN("half2s", GRID, P(&ba.device, &bb.device, &bo.device, &bf.device, &n));
  expect_16("half2s", bo, o, 0x7c00), expect_f32("half2s, f32", bf, f);
  for (int k = 0; k < 2 * N; k++) {
    f[k] = float_of((uint32_t)a[k] << 16);
    float v = f[k] * (k % 2 ? -0.375f : 1.5f);
    brains[k] = v == 0 ? (uint16_t)(bits32(v) >> 16) : brain((__float128)v);
  }
  Buf br = out(sizeof brains);
  RUN("brain2", GRID, P(&ba.device, &br.device, &bf.device, &n));
  expect_16("brain2", br, brains, 0x7f80), expect_f32("brain2, f32", bf, f);
  for (int k = 0; k < 2 * N; k++) a[k] = bits16((_Float16)floats[k]), b[k] = bits16((_Float16)floats[k + N]);
  float lane[32] = {0}, next[32];
  for (int k = 0; k < N; k++)
    for (int h = 0; h < 2; h++)
      lane[k % 32] = fmaf((float)half_of(a[2 * k + h]), (float)half_of(b[2 * k + h]), lane[k % 32]);
  for (int m = 1; m < 32; m <<= 1) {
    for (int l = 0; l < 32; l++) next[l] = lane[l] + lane[l ^ m];
    memcpy(lane, next, sizeof lane);
  }
  Buf ha = IN(a), hb = IN(b), hd = out(4);
  RUN("dot_halves", 1, 32, 0, P(&ha.device, &hb.device, &hd.device, &n));
  expect_f32("dot_halves", hd, lane);
}

static uint32_t lanes_of(uint32_t x, uint32_t y, int bits, int which) {
  uint32_t r = 0;
  for (int k = 0; k < 32; k += bits) {
    uint32_t m = (bits == 8 ? 255u : 65535u), p = x >> k & m, q = y >> k & m, v;
    int sp = bits == 8 ? (int8_t)p : (int16_t)p, sq = bits == 8 ? (int8_t)q : (int16_t)q, t;
    switch (which) {
    case 0: /* absolute difference of signed numbers, an unsigned one */
      v = (uint32_t)abs(sp - sq);
      break;
    case 1: /* signed sum, saturated */
      t = sp + sq, v = (uint32_t)(t > 32767 ? 32767 : t < -32768 ? -32768 : t);
      break;
    case 2: /* unsigned difference, saturated */
      v = p > q ? p - q : 0;
      break;
    case 3:
      v = p == q ? m : 0;
      break;
    case 4:
      v = (p + q + 1) / 2;
      break;
    default:
      v = p < q ? p : q;
    }
    r |= (v & m) << k;
  }
  return r;
}
static void video_of(uint32_t x, uint32_t y, uint32_t p[8]) {
  uint32_t sad = 0;
  for (int k = 0; k < 32; k += 8) sad += (uint32_t)abs((int)(x >> k & 255) - (int)(y >> k & 255));
  for (int k = 0; k < 6; k++) p[k ? k + 1 : 0] = lanes_of(x, y, k == 1 ? 16 : 8, k);
  p[1] = sad;
  p[7] = (uint32_t)(7 + (int16_t)x * (int8_t)(y >> 16) + (int16_t)(x >> 16) * (int8_t)(y >> 24));
}
static void integers(void) {
  static uint32_t a[N], b[N], o[8 * N], random[4 * N];
  static uint64_t w[N], v[6 * N];
  static int s[N];
  int n = N;
  uint32_t key = 0x12345678;
  FOR a[i] = (uint32_t)random_bits() >> i % 20, b[i] = i % 7 ? (uint32_t)random_bits() : a[i] ^ 0x10000,
      w[i] = random_bits() >> i % 50;
  w[0] = 0;
  FOR {
    video_of(a[i], b[i], o + 8 * i);
    uint64_t u = w[i], *r = v + 6 * i;
    uint32_t lo = (uint32_t)u, hi = (uint32_t)(u >> 32), z = lo ^ hi << 3;
    r[0] = (uint64_t)reverse(lo) << 32 | reverse(hi);
    r[1] = (uint64_t)(u ? __builtin_clzll(u) : 64) << 32 | (uint32_t)__builtin_ffsll((int64_t)u);
    r[2] = (uint64_t)(((unsigned __int128)u * u) >> 64);
    r[3] = lo >> 5 & 0x7ff, r[4] = (hi & ~(0x1fffu << 9)) | (lo & 0x1fff) << 9;
    uint32_t shift = (hi & 63) > 32 ? 32 : hi & 63;
    r[5] = (uint64_t)(uint32_t)(((uint64_t)hi << 32 | lo) >> shift) << 32 | ((lo & hi) | (lo & z) | (hi & z));
    uint32_t t = a[i];
    s[i] = (int)((t & 3) == 0 ? t + 100 : (t & 3) == 1 ? t * 3 : (t & 3) == 2 ? 0u - t : (uint32_t)((int)t >> 1));
    uint32_t c[4] = {(uint32_t)i, 1, 2, 3}, k0 = key, k1 = ~key;
    for (int round = 0; round < 10; round++, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u) {
      uint64_t p0 = 0xD2511F53ull * c[0], p1 = 0xCD9E8D57ull * c[2];
      uint32_t next[4] = {(uint32_t)(p1 >> 32) ^ c[1] ^ k0, (uint32_t)p1, (uint32_t)(p0 >> 32) ^ c[3] ^ k1,
                          (uint32_t)p0};
      memcpy(c, next, sizeof c);
    }
    memcpy(random + 4 * i, c, sizeof c);
  }
  Buf ba = IN(a), bb = IN(b), bo = out(sizeof o), bw = IN(w), bv = out(sizeof v), bs = out(sizeof s);
  RUN("video", GRID, P(&ba.device, &bb.device, &bo.device, &n));
  expect_bytes("video", bo, o);
  RUN("bits", GRID, P(&bw.device, &bv.device, &n));
  expect_bytes("bits", bv, v);
  RUN("big_switch", GRID, P(&ba.device, &bs.device, &n));
  expect_bytes("big_switch", bs, s);
  Buf br = out(sizeof random);
  RUN("philox", 8, 125, 0, P(&br.device, &key));
  expect_bytes("philox", br, random);
}

static void shared(void) {
  enum { NX = 37, NY = 5, NZ = 3, TILES = 7 };
  static int sorted[256];
  static uint8_t bytes[N];
  static float y[NX * NY * NZ], o[64];
  static const float w[7] = {0.0625f, -0.125f, 0.25f, 1.0f, 0.25f, -0.125f, 0.0625f};
  uint32_t h[16] = {0}, zeros[16] = {0};
  int n = N, nx = NX, ny = NY, nz = NZ, tiles = TILES;
  memcpy(sorted, ints, sizeof sorted);
  for (int k = 0; k < 256; k++) /* by insertion */
    for (int j = k; j > 0 && sorted[j - 1] > sorted[j]; j--) {
      int t = sorted[j];
      sorted[j] = sorted[j - 1], sorted[j - 1] = t;
    }
  Buf x = IN(ints), bs = out(sizeof sorted);
  RUN("bitonic", 1, 256, 0, P(&x.device, &bs.device));
  expect_bytes("bitonic", bs, sorted);
  FOR bytes[i] = (uint8_t)random_bits(), h[bytes[i] & 15]++;
  Buf bb = IN(bytes), bh = IN(zeros);
  RUN("histogram_match", 1, 160, 0, P(&bb.device, &bh.device, &n));
  expect_bytes("histogram_match", bh, h);
  for (int r = 0; r < NY * NZ; r++)
    for (int i = 0; i < NX; i++) {
      float s = 0;
      for (int t = 0; t < 7; t++) {
        int p = i + t - 3;
        s = fmaf(w[t], floats[r * NX + (p < 0 ? 0 : p >= NX ? NX - 1 : p)], s);
      }
      y[r * NX + i] = s;
    }
  Buf f = in(floats, sizeof y), by = out(sizeof y);
  ck_assert(try_launch_3d("stencil", (unsigned[]){2, 2, 2}, (unsigned[]){32, 4, 2},
                          P(&f.device, &by.device, &nx, &ny, &nz)) == SB_OK);
  expect_f32("stencil", by, y);
  for (int t = 0; t < 64; t++) {
    o[t] = 0;
    for (int k = 0; k < TILES; k++) o[t] += floats[k * 64 + ((t + 64) * 5 & 63)];
  }
  Buf all = IN(floats), bo = out(sizeof o);
  RUN("specialised", 1, 128, 0, P(&all.device, &bo.device, &tiles));
  expect_f32("specialised", bo, o);
}

/* atom.add.f32 flushes subnormals in global memory and keeps them in shared memory (PTX ISA, atom). */
static void atomics(void) {
  float start = 0x1p-130f, flushed = 0, sum = 32 * 0x1p-140f;
  double d = 0, e = 0;
  uint64_t most = 0, top = 1ull << 31;
  for (int k = 0; k < 32; k++) e += 0.1;
  Buf g = in(&start, 4), s = out(4), w = in(&d, 8), m = in(&most, 8);
  RUN("float_atomics", 1, 32, 0, P(&g.device, &s.device, &w.device, &m.device));
  expect_f32("atomicAdd, global", g, &flushed), expect_f32("atomicAdd, shared", s, &sum);
  expect_f64("atomicAdd, f64", w, &e), expect_bytes("atomicMax, 64 bits", m, &top);
}

static void objects(void) {
  static int o[N];
  static uint8_t b[N];
  static double x[64];
  int n = N, n64 = 64;
  FOR o[i] = ints[i] * (i & 1 ? ints[i] : i), memcpy(&b[i], (const uint8_t *)&floats[i] + (i & 31), 1);
  Buf bx = IN(ints), bo = out(sizeof o), bf = IN(floats), bb = out(N);
  RUN("virtuals", GRID, P(&bx.device, &bo.device, &n));
  expect_bytes("virtuals", bo, o);
  RUN("unions", GRID, P(&bf.device, &bb.device, &n));
  expect_bytes("unions", bb, b);
  double mean[32] = {0}, m2[32] = {0};
  int c = 2;
  for (int k = 0; k < 64; k++) x[k] = (double)floats[k] + 0x1p-30 * k;
  for (int k = 0; k < 64; k++) {
    int l = k % 32;
    double d = x[k] - mean[l];
    mean[l] += d / (k / 32 + 1), m2[l] = fma(d, x[k] - mean[l], m2[l]);
  }
  for (int m = 16; m; m >>= 1, c *= 2)
    for (int l = 0; l < m; l++) {
      double d = mean[l + m] - mean[l];
      mean[l] += d * 0.5, m2[l] = m2[l] + m2[l + m] + d * d * (c * 0.5);
    }
  double expected[2] = {mean[0], m2[0]};
  Buf bd = IN(x), bw = out(sizeof expected);
  RUN("welford", 1, 32, 0, P(&bd.device, &bw.device, &n64));
  expect_f64("welford", bw, expected);
}

/* Locks, barriers with counts and chains of warps: not accused, and right. */
static void warps(void) {
  int32_t lock[256], sums[96] = {0}, chain[256], tiles = 9;
  for (int k = 0; k < 256; k++) lock[k] = 32 * (0 + 1 + 2 + 3 + 4 + 5 + 6 + 7), chain[k] = ints[k & 31] * (2 << k / 32);
  for (int k = 0; k < 9 * 96; k++) sums[k % 96] += ints[k];
  Buf x = IN(ints), bl = out(sizeof lock), bs = out(sizeof sums), bc = out(sizeof chain);
  RUN("shared_lock", 1, 256, 0, P(&bl.device));
  expect_bytes("shared_lock", bl, lock);
  RUN("producer", 1, 128, 0, P(&x.device, &bs.device, &tiles));
  expect_bytes("producer", bs, sums);
  RUN("hand_over", 1, 256, 0, P(&x.device, &bc.device));
  expect_bytes("hand_over", bc, chain);
}

/* Property: every kernel of part c gives the bits that host C gives, on each architecture. */
START_TEST(part_c) {
  static void (*const parts[])(void) = {by_struct, libraries, matrices, packed, integers,
                                        shared,    atomics,   objects,  warps};
  open_arch(test_archs[_i], "kernels_c");
  for (size_t k = 0; k < sizeof parts / sizeof *parts; k++) {
    fill();
    parts[k]();
    free_buffers();
  }
  close_arch();
}
END_TEST

int main(void) { return run_each_arch("emulator kernels, part c", part_c, TEST_ARCHS); }
