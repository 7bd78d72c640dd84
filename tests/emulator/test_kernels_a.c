/* Element-wise kernels, as nvcc compiles them for four architectures, against host C that shares no code with the
   emulator: the host's own arithmetic and rounding modes, _Float16, and searches over all codes. */
#include "harness.h"
#include "host.h"
#include <fenv.h>

enum { N = 2000 };
static float a32[N], b32[N];
static int ai[N], bi[N];

static void fill(void) {
  for (int k = 0; k < N; k++)
    a32[k] = edge_f32(k), b32[k] = edge_f32((k * 7 + 3) % N < 38 ? (k * 7 + 3) % 38 : 1000 + k);
  for (int k = 0; k < N; k++) ai[k] = (int)random_bits() >> (k % 31), bi[k] = (int)random_bits() >> (k * 7 % 31);
  ai[0] = INT32_MIN, bi[0] = 1, ai[1] = 0, bi[1] = INT32_MIN, ai[2] = INT32_MIN, bi[2] = INT32_MIN;
}
#define FOR   for (int i = 0; i < N; i++)
#define IN(x) in(x, sizeof x)
#define GRID  8, 256, 0
static float in_mode(int mode, float (*f)(float, float), float x, float y) {
  fesetround(mode);
  volatile float r = f(x, y);
  fesetround(FE_TONEAREST);
  return r;
}
static float h_add(float x, float y) {
  volatile float a = x, b = y;
  return a + b;
}
static float h_mul(float x, float y) {
  volatile float a = x, b = y;
  return a * b;
}
static float h_div(float x, float y) {
  volatile float a = x, b = y;
  return a / b;
}
static float h_sqrt(float x, float y) {
  volatile float a = x;
  (void)y;
  return sqrtf(a);
}
static float h_fma1(float x, float y) {
  volatile float a = x, b = y;
  return fmaf(a, b, 1.0f);
}
static void floats(void) {
  static float o[N * 8], y[N];
  int n = N;
  float c = 0x1.8p-3f;
  FOR y[i] = fmaf(c, a32[i], b32[i]);
  Buf x = IN(a32), z = IN(b32);
  RUN("axpy", 3, 128, 0, P(&x.device, &z.device, &c, &n));
  expect_f32("axpy", z, y);
  FOR {
    float p = a32[i], q = b32[i], *r = o + i * 8;
    r[0] = in_mode(FE_TOWARDZERO, h_add, p, q), r[1] = in_mode(FE_UPWARD, h_add, p, q),
    r[2] = in_mode(FE_DOWNWARD, h_mul, p, q), r[3] = in_mode(FE_UPWARD, h_div, p, q);
    r[4] = in_mode(FE_TOWARDZERO, h_sqrt, fabsf(p), 0), r[5] = in_mode(FE_DOWNWARD, h_div, 1.0f, q),
    r[6] = in_mode(FE_TOWARDZERO, h_fma1, p, q);
    r[7] = p > 0 ? (p < 1 ? p : 1.0f) : 0.0f;
  }
  Buf w = IN(b32), r8 = out(sizeof o);
  RUN("directed", GRID, P(&x.device, &w.device, &r8.device, &n));
  expect_f32("directed", r8, o);
  FOR {
    float p = a32[i], *r = o + i * 6;
    r[0] = rintf(p), r[1] = floorf(p), r[2] = ceilf(p), r[3] = truncf(p), r[4] = roundf(p),
    r[5] = signbit(p) ? -1.0f : 1.0f;
  }
  Buf r6 = out(N * 6 * 4);
  RUN("rounding", GRID, P(&x.device, &r6.device, &n));
  expect_f32("rounding", r6, o);
}
static void conversions(void) {
  static int o[N * 8];
  int n = N;
  FOR {
    float p = a32[i], q = rintf(p);
    int *r = o + i * 8;
    r[0] = to_int(q), r[1] = to_int(truncf(p)), r[2] = to_int(ceilf(p)), r[3] = to_int(floorf(p));
    r[4] = (int)(isnan(q) || q <= 0 ? 0u : q >= 0x1p32f ? UINT32_MAX : (uint32_t)q);
    int64_t l = isnan(q) || q < -0x1p63f ? INT64_MIN : q >= 0x1p63f ? INT64_MAX : (int64_t)q;
    r[5] = (int)(l >> 32), r[6] = (int)fminf(fmaxf(p, 0.f), 255.f), r[7] = (int)l;
    if (isnan(p)) r[6] = 0;
  }
  Buf x = IN(a32), r = out(sizeof o);
  RUN("to_ints", GRID, P(&x.device, &r.device, &n));
  expect_bytes("to_ints", r, o);
}
static void small_formats(void) {
  static double e4[127], e5[124];
  static uint16_t h[N * 4];
  static uint8_t c4[N], c5[N], all[256];
  static float wide[512];
  int n = N, n256 = 256;
  for (int c = 0; c < 127; c++) e4[c] = c < 8 ? c * 0x1p-9 : ldexp(1.0 + (c & 7) / 8.0, (c >> 3) - 7);
  for (int c = 0; c < 124; c++) e5[c] = c < 4 ? c * 0x1p-16 : ldexp(1.0 + (c & 3) / 4.0, (c >> 2) - 15);
  FOR {
    float v = a32[i];
    h[4 * i] = isnan(v) ? 0x7fff : bits16((_Float16)v), h[4 * i + 1] = half_toward(v, 0),
          h[4 * i + 2] = half_toward(v, 1);
    h[4 * i + 3] = isnan(v) ? 0x7fff : (uint16_t)(bits32(v) >> 16);
    c4[i] = fp8(e4, 127, 0x7f, v), c5[i] = fp8(e5, 124, 0x7f, v);
  }
  for (int c = 0; c < 256; c++) {
    all[c] = (uint8_t)c;
    int m = c & 127;
    wide[2 * c] = m == 127 ? NAN : (float)(c & 128 ? -e4[m] : e4[m]);
    wide[2 * c + 1] = m > 124 ? NAN : (c & 128 ? -1.0f : 1.0f) * (m == 124 ? INFINITY : (float)e5[m]);
  }
  Buf x = IN(a32), hb = out(sizeof h), b4 = out(N), b5 = out(N), codes = IN(all), w = out(sizeof wide);
  RUN("narrow", GRID, P(&x.device, &hb.device, &b4.device, &b5.device, &n));
  static uint16_t hn[N * 4];
  memcpy(hn, h, sizeof h);
  expect_16("narrow to f16 and bf16", hb, hn, 0x7f80);
  expect_bytes("narrow to e4m3", b4, c4);
  expect_bytes("narrow to e5m2", b5, c5);
  RUN("widen", 1, 256, 0, P(&codes.device, &w.device, &n256));
  expect_f32("widen", w, wide);
}
static void sixteen_bits(int arch) {
  static uint16_t a[N], b[N], o[N * 6], o4[N * 4];
  int n = N;
  FOR a[i] = edge_16(i * 2), b[i] = edge_16((i * 37 + 5) % 4096);
  FOR {
    _Float16 x = half_of(a[i]), y = half_of(b[i]);
    float fx = (float)x, fy = (float)y, d = (float)(_Float16)(fx - fy);
    o[6 * i] = bits16((_Float16)(fx + fy)), o[6 * i + 1] = bits16((_Float16)(fx * fy)),
          o[6 * i + 2] = bits16((_Float16)((__float128)fx * fy + fx));
    float m = max_f(fx, fy);
    o[6 * i + 3] = isnan(fx) && isnan(fy) ? 0x7fff : bits16((_Float16)m);
    o[6 * i + 4] = bits16((_Float16)(d > 0 ? (d < 1 ? d : 1.0f) : 0.0f));
    o[6 * i + 5] = (uint16_t)((fx < fy) | (fx == fy) << 1 | (!(fx <= fy)) << 2);
  }
  Buf x = IN(a), y = IN(b), r = out(sizeof o);
  RUN("halves", GRID, P(&x.device, &y.device, &r.device, &n));
  expect_16("halves", r, o, 0x7c00);
  FOR {
    float fx = float_of((uint32_t)a[i] << 16), fy = float_of((uint32_t)b[i] << 16);
    o4[4 * i] = brain((__float128)fx + fy), o4[4 * i + 1] = brain((__float128)fx * fy),
           o4[4 * i + 2] = arch < 80 ? o4[4 * i + 1] : brain_fma(fx, fy, fx),
           o4[4 * i + 3] = brain((__float128)fx * 3.0f);
    float t = fx * 3.0f; /* rounded to f32 first */
    o4[4 * i + 3] = brain((__float128)t);
    float s = fx + fy, p = fx * fy;
    if (s == 0) o4[4 * i] = (uint16_t)(bits32(s) >> 16);
    if (p == 0 && (fx == 0 || fy == 0)) o4[4 * i + 1] = (uint16_t)(bits32(p) >> 16);
    float z = arch < 80 ? p : fmaf(fx, fy, fx);
    if (z == 0) o4[4 * i + 2] = (uint16_t)(bits32(z) >> 16);
    if (t == 0) o4[4 * i + 3] = (uint16_t)(bits32(t) >> 16);
  }
  Buf r4 = out(sizeof o4);
  RUN("brains", GRID, P(&x.device, &y.device, &r4.device, &n));
  expect_16("brains", r4, o4, 0x7f80);
}
static void integers(void) {
  static int o[N * 16], o4[N * 4];
  int n = N;
  FOR {
    int x = ai[i], y = bi[i], *p = o + i * 16;
    uint32_t u = (uint32_t)x, v = (uint32_t)y;
    int d = y | 1;
    p[0] = d == -1 ? (int)(0u - u) : x / d, p[1] = d == -1 ? 0 : x % d, p[2] = (int)(u / (v | 1)),
    p[3] = (int)(u % (v | 1)), p[4] = (int)(((int64_t)x * y) >> 32);
    p[5] = (int)(((uint64_t)u * v) >> 32), p[6] = __builtin_popcount(u), p[7] = u ? __builtin_clz(u) : 32,
    p[8] = (int)reverse(u), p[9] = __builtin_ffs(x);
    p[10] = (int)byte_perm(u, v, 0x3715), p[11] = (int)((((uint64_t)v << 32 | u) << (u & 31)) >> 32);
    int64_t diff = (int64_t)x - y;
    p[12] = (int)((uint32_t)(diff < 0 ? -diff : diff) + 7u), p[13] = (int)(((int64_t)x * y) >> 13),
    p[14] = (int)((uint64_t)u * v % 1000003ull);
    int x24 = (int)(u << 8) >> 8, y24 = (int)(v << 8) >> 8;
    p[15] = (int)(uint32_t)((int64_t)x24 * y24);
    int32_t s = i;
    uint32_t t = (uint32_t)i, m = 0;
    int32_t lo = i;
    for (int k = 0; k < 4; k++) {
      int sx = (int8_t)(u >> (8 * k)), sy = (int8_t)(v >> (8 * k)), ux = (uint8_t)(u >> (8 * k)),
          uy = (uint8_t)(v >> (8 * k));
      s += sx * sy, t += (uint32_t)(ux * uy), m |= (uint32_t)(ux > uy ? ux - uy : uy - ux) << (8 * k);
    }
    lo += (int16_t)u * (int8_t)v + (int16_t)(u >> 16) * (int8_t)(v >> 8);
    o4[4 * i] = s, o4[4 * i + 1] = (int)t, o4[4 * i + 2] = lo, o4[4 * i + 3] = (int)m;
  }
  Buf x = IN(ai), y = IN(bi), r = out(sizeof o), r4 = out(sizeof o4), rs = out(sizeof o4);
  RUN("integers", GRID, P(&x.device, &y.device, &r.device, &n));
  expect_bytes("integers", r, o);
  RUN("dots", GRID, P(&x.device, &y.device, &r4.device, &n));
  expect_bytes("dots", r4, o4);
  FOR {
    uint32_t u = (uint32_t)ai[i], v = (uint32_t)bi[i], add = 0, max = 0, min = 0, gt = 0;
    for (int k = 0; k < 4; k++) {
      uint32_t p = u >> (8 * k) & 255, q = v >> (8 * k) & 255;
      add |= ((p + q) & 255) << (8 * k), gt |= (p > q ? 255u : 0u) << (8 * k);
    }
    for (int k = 0; k < 2; k++) {
      uint32_t p = u >> (16 * k) & 65535, q = v >> (16 * k) & 65535;
      max |= ((int16_t)p > (int16_t)q ? p : q) << (16 * k), min |= (p < q ? p : q) << (16 * k);
    }
    o4[4 * i] = (int)add, o4[4 * i + 1] = (int)max, o4[4 * i + 2] = (int)min, o4[4 * i + 3] = (int)gt;
  }
  RUN("simd", GRID, P(&x.device, &y.device, &rs.device, &n));
  expect_bytes("simd", rs, o4);
}
static void longs_and_doubles(void) {
  static int64_t a[N], b[N], o[N * 8];
  static double x[N], y[N], z[N * 6];
  int n = N;
  FOR a[i] = (int64_t)random_bits() >> (i % 60), b[i] = (int64_t)random_bits() >> (i * 11 % 60), x[i] = edge_f64(i),
      y[i] = edge_f64((i * 13 + 7) % N);
  FOR {
    int64_t d = b[i] | 1, *p = o + 8 * i;
    double v = (double)a[i];
    p[0] = (int64_t)((uint64_t)a[i] * (uint64_t)b[i]), p[1] = d == -1 ? (int64_t)(0u - (uint64_t)a[i]) : a[i] / d,
    p[2] = d == -1 ? 0 : a[i] % d, p[3] = (int64_t)(((__int128)a[i] * b[i]) >> 64);
    p[4] = (int64_t)((uint64_t)a[i] << (b[i] & 63)), p[5] = a[i] >> (b[i] & 63),
    p[6] = __builtin_popcountll((uint64_t)a[i]) + (a[i] ? __builtin_clzll((uint64_t)a[i]) : 64);
    p[7] = v >= 0x1p63 ? INT64_MAX : (int64_t)v;
    volatile double p0 = x[i], q0 = y[i];
    double *r = z + 6 * i;
    r[0] = p0 + q0, r[2] = p0 / q0, r[3] = fma(p0, q0, 0.5), r[4] = sqrt(fabs(p0));
    r[5] = isnan(p0) ? q0 : isnan(q0) ? p0 : p0 < q0 ? p0 : q0 < p0 ? q0 : signbit(p0) ? p0 : q0;
    fesetround(FE_UPWARD);
    volatile double up = p0 * q0;
    fesetround(FE_TONEAREST);
    r[1] = up;
  }
  Buf ba = IN(a), bb = IN(b), r = out(sizeof o), bx = IN(x), by = IN(y), rz = out(sizeof z);
  RUN("longs", GRID, P(&ba.device, &bb.device, &r.device, &n));
  expect_bytes("longs", r, o);
  RUN("doubles", GRID, P(&bx.device, &by.device, &rz.device, &n));
  expect_f64("doubles", rz, z);
}
static void language(void) {
  static float o[N], nf[2 * 256];
  static int oi[N];
  static int8_t q[N];
  static uint8_t codes[256];
  static const float t[16] = {-1.0f,        -0.6961928f, -0.52507305f, -0.3949175f, -0.28444138f, -0.18477343f,
                              -0.09105004f, 0.0f,        0.0795803f,   0.1609302f,  0.2461123f,   0.33791524f,
                              0.44070983f,  0.562617f,   0.72295684f,  1.0f};
  static const float weights[4] = {1.5f, 2.5f, -3.5f, 0.25f};
  struct {
    float scale;
    int zero;
    int8_t lo, hi;
    int64_t n;
  } par = {0.37f, -3, -100, 99, N};
  int n = N, n100 = 100, n256 = 256, n40 = 40;
  Buf x = IN(a32), y = IN(b32), r = out(N), ro = out(N * 4);
  FOR {
    int v = (int)((unsigned)to_int(rintf(a32[i] * par.scale)) + (unsigned)par.zero);
    q[i] = (int8_t)(v < -100 ? -100 : v > 99 ? 99 : v);
  }
  RUN("by_struct", GRID, P(&x.device, &r.device, &par));
  expect_bytes("by_struct", r, q);
  for (int c = 0; c < 256; c++)
    codes[c] = (uint8_t)c, nf[2 * c] = t[c & 15] * a32[50 + c / 32], nf[2 * c + 1] = t[c >> 4] * a32[50 + c / 32];
  Buf cb = IN(codes), s = in(a32 + 50, 32), rn = out(sizeof nf);
  RUN("nf4", 1, 256, 0, P(&cb.device, &s.device, &rn.device, &n256));
  expect_f32("nf4", rn, nf);
  FOR o[i] = weights[i & 3] + 5.0f;
  RUN("globals", GRID, P(&ro.device, &n));
  expect_f32("globals", ro, o);
  for (int i = 0; i < 100; i++) {
    float v = 0;
    for (int k = 0; k < 7; k++) v = fmaf(a32[i * 7 + k], a32[i * 7 + k], v);
    o[i] = v;
  }
  Buf rc = out(400);
  RUN("calls", 1, 128, 0, P(&x.device, &rc.device, &n100));
  expect_f32("calls", rc, o);
  uint32_t fib[12] = {0, 1}, fibs[64];
  for (int k = 2; k < 12; k++) fib[k] = fib[k - 1] + fib[k - 2];
  for (int k = 0; k < 64; k++) fibs[k] = fib[k % 12];
  Buf rf = out(sizeof fibs);
  RUN("recursion", 1, 64, 0, P(&rf.device));
  expect_bytes("recursion", rf, fibs);
  FOR o[i] = i % 3 == 0 ? a32[i] + b32[i] : i % 3 == 1 ? a32[i] * b32[i] : max_f(a32[i], b32[i]);
  Buf rp = out(N * 4);
  RUN("pointers", GRID, P(&x.device, &y.device, &rp.device, &n));
  expect_f32("pointers", rp, o);
  FOR {
    unsigned u = (unsigned)ai[i];
    int v = ai[i];
    switch (v & 15) {
    case 0:
      u *= 3;
      break;
    case 1:
      u ^= 77;
      break;
    case 2:
      u *= u;
      break;
    case 3:
      u -= 9;
      break;
    case 4:
      u = ~u;
      break;
    case 5:
      u = (unsigned)(v >> 3);
      break;
    case 6:
      u += 1000;
      break;
    case 7:
      u = 0u - u;
      break;
    case 8:
      u |= 256;
      break;
    case 9:
      u = (unsigned)(v % 17);
      break;
    case 10:
      u = 10;
      break;
    default:
      u = (unsigned)__builtin_popcount(u);
    }
    oi[i] = (int)u;
  }
  Buf bi_ = IN(ai), rs = out(N * 4);
  RUN("switches", GRID, P(&bi_.device, &rs.device, &n));
  expect_bytes("switches", rs, oi);
  for (unsigned th = 0; th < 64; th++) {
    uint32_t v[24], h = 0;
    for (int k = 0; k < 24; k++) v[k] = (uint32_t)ai[k] + th;
    for (unsigned k = 0; k < 40; k++) v[(k * 5) % 24] += v[(k * 7 + th) % 24];
    for (int k = 0; k < 24; k++) h = h * 31 + v[k];
    oi[th] = (int)h;
  }
  Buf rl = out(256);
  RUN("local_array", 1, 64, 0, P(&bi_.device, &rl.device, &n40));
  expect_bytes("local_array", rl, oi);
}

/* Property: every kernel of part a gives the bits that host C gives, on each architecture. */
START_TEST(part_a) {
  open_arch(test_archs[_i], "kernels_a");
  fill();
  floats();
  free_buffers();
  conversions();
  free_buffers();
  small_formats();
  free_buffers();
  sixteen_bits(test_archs[_i]);
  free_buffers();
  integers();
  free_buffers();
  longs_and_doubles();
  free_buffers();
  language();
  close_arch();
}
END_TEST

int main(void) { return run_each_arch("emulator kernels, part a", part_a, TEST_ARCHS); }
