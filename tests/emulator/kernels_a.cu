// Correct kernels in varied styles, part a: element-wise, conversions, integers, bits.
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>
#include <stdint.h>
#define K extern "C" __global__ void
#define ID (int)(blockIdx.x * blockDim.x + threadIdx.x)

K axpy(const float *x, float *y, float a, int n) { for (int i = ID; i < n; i += gridDim.x * blockDim.x) y[i] = __fmaf_rn(a, x[i], y[i]); }
K directed(const float *a, const float *b, float *o, int n) {
  int i = ID; if (i >= n) return;
  o[i * 8 + 0] = __fadd_rz(a[i], b[i]); o[i * 8 + 1] = __fadd_ru(a[i], b[i]); o[i * 8 + 2] = __fmul_rd(a[i], b[i]); o[i * 8 + 3] = __fdiv_ru(a[i], b[i]);
  o[i * 8 + 4] = __fsqrt_rz(fabsf(a[i])); o[i * 8 + 5] = __frcp_rd(b[i]); o[i * 8 + 6] = __fmaf_rz(a[i], b[i], 1.0f); o[i * 8 + 7] = __saturatef(a[i]);
}
K doubles(const double *a, const double *b, double *o, int n) {
  int i = ID; if (i >= n) return;
  o[i * 6 + 0] = __dadd_rn(a[i], b[i]); o[i * 6 + 1] = __dmul_ru(a[i], b[i]); o[i * 6 + 2] = __ddiv_rn(a[i], b[i]); o[i * 6 + 3] = __fma_rn(a[i], b[i], 0.5);
  o[i * 6 + 4] = __dsqrt_rn(fabs(a[i])); o[i * 6 + 5] = fmin(a[i], b[i]);
}
K to_ints(const float *a, int *o, int n) {
  int i = ID; if (i >= n) return;
  float x = a[i];
  o[i * 8 + 0] = __float2int_rn(x); o[i * 8 + 1] = __float2int_rz(x); o[i * 8 + 2] = __float2int_ru(x); o[i * 8 + 3] = __float2int_rd(x);
  o[i * 8 + 4] = (int)__float2uint_rn(x); o[i * 8 + 5] = (int)(__float2ll_rn(x) >> 32); o[i * 8 + 6] = (int)(unsigned char)__float2uint_rz(fminf(fmaxf(x, 0.f), 255.f)); o[i * 8 + 7] = (int)lrintf(x);
}
K rounding(const float *a, float *o, int n) {
  int i = ID; if (i >= n) return;
  float x = a[i];
  o[i * 6 + 0] = rintf(x); o[i * 6 + 1] = floorf(x); o[i * 6 + 2] = ceilf(x); o[i * 6 + 3] = truncf(x); o[i * 6 + 4] = roundf(x); o[i * 6 + 5] = copysignf(1.0f, x);
}
K halves(const uint16_t *a, const uint16_t *b, uint16_t *o, int n) {
  int i = ID; if (i >= n) return;
  __half x = __ushort_as_half(a[i]), y = __ushort_as_half(b[i]);
  o[i * 6 + 0] = __half_as_ushort(__hadd_rn(x, y)); o[i * 6 + 1] = __half_as_ushort(__hmul_rn(x, y)); o[i * 6 + 2] = __half_as_ushort(__hfma(x, y, x));
  o[i * 6 + 3] = __half_as_ushort(__hmax(x, y)); o[i * 6 + 4] = __half_as_ushort(__hsub_sat(x, y)); o[i * 6 + 5] = __hlt(x, y) | __heq(x, y) << 1 | __hgtu(x, y) << 2;
}
K halves2(const __half2 *a, const __half2 *b, __half2 *o, int n) { int i = ID; if (i < n) { o[3 * i] = __hadd2(a[i], b[i]); o[3 * i + 1] = __hfma2(a[i], b[i], a[i]); o[3 * i + 2] = __hmin2(a[i], b[i]); } }
#if __CUDA_ARCH__ >= 800
#define BRAIN_FMA(x, y, z) __hfma(x, y, z)
#else
#define BRAIN_FMA(x, y, z) __hmul(x, y) // sm_75 has none
#endif
K brains(const uint16_t *a, const uint16_t *b, uint16_t *o, int n) {
  int i = ID; if (i >= n) return;
  __nv_bfloat16 x = __ushort_as_bfloat16(a[i]), y = __ushort_as_bfloat16(b[i]);
  o[i * 4 + 0] = __bfloat16_as_ushort(__hadd(x, y)); o[i * 4 + 1] = __bfloat16_as_ushort(__hmul(x, y)); o[i * 4 + 2] = __bfloat16_as_ushort(BRAIN_FMA(x, y, x));
  o[i * 4 + 3] = __bfloat16_as_ushort(__float2bfloat16_rn(__fmul_rn(__bfloat162float(x), 3.0f)));
}
K narrow(const float *a, uint16_t *h, uint8_t *e4, uint8_t *e5, int n) {
  int i = ID; if (i >= n) return;
  h[i * 4 + 0] = __half_as_ushort(__float2half_rn(a[i])); h[i * 4 + 1] = __half_as_ushort(__float2half_rz(a[i])); h[i * 4 + 2] = __half_as_ushort(__float2half_ru(a[i])); h[i * 4 + 3] = __bfloat16_as_ushort(__float2bfloat16_rz(a[i]));
  e4[i] = __nv_cvt_float_to_fp8(a[i], __NV_SATFINITE, __NV_E4M3); e5[i] = __nv_cvt_float_to_fp8(a[i], __NV_SATFINITE, __NV_E5M2);
}
K widen(const uint8_t *a, float *o, int n) { int i = ID; if (i < n) { __nv_fp8_e4m3 x; x.__x = a[i]; __nv_fp8_e5m2 y; y.__x = a[i]; o[2 * i] = (float)x; o[2 * i + 1] = (float)y; } }
K integers(const int *a, const int *b, int *o, int n) {
  int i = ID; if (i >= n) return;
  int x = a[i], y = b[i]; unsigned u = (unsigned)x, v = (unsigned)y;
  int *p = o + i * 16;
  p[0] = x / (y | 1); p[1] = x % (y | 1); p[2] = (int)(u / (v | 1)); p[3] = (int)(u % (v | 1)); p[4] = __mulhi(x, y); p[5] = (int)__umulhi(u, v); p[6] = __popc(u); p[7] = __clz(x);
  p[8] = (int)__brev(u); p[9] = __ffs(x); p[10] = (int)__byte_perm(u, v, 0x3715); p[11] = (int)__funnelshift_l(u, v, x); p[12] = (int)__sad(x, y, 7u); p[13] = (int)(((long long)x * y) >> 13);
  p[14] = (int)((unsigned long long)u * v % 1000003ull); p[15] = __mul24(x, y);
}
K longs(const long long *a, const long long *b, long long *o, int n) {
  int i = ID; if (i >= n) return;
  long long x = a[i], y = b[i];
  long long *p = o + i * 8;
  p[0] = x * y; p[1] = x / (y | 1); p[2] = x % (y | 1); p[3] = __mul64hi(x, y); p[4] = x << (y & 63); p[5] = x >> (y & 63); p[6] = __popcll(x) + __clzll(x); p[7] = (long long)((double)x);
}
K shorts(const short *a, const short *b, short *o, int n) { int i = ID; if (i < n) { o[3 * i] = (short)(a[i] * b[i]); o[3 * i + 1] = a[i] > b[i] ? a[i] : b[i]; o[3 * i + 2] = (short)((unsigned short)a[i] >> (b[i] & 15)); } }
K dots(const int *a, const int *b, int *o, int n) { int i = ID; if (i < n) { o[4 * i] = __dp4a(a[i], b[i], i); o[4 * i + 1] = (int)__dp4a((unsigned)a[i], (unsigned)b[i], (unsigned)i); o[4 * i + 2] = __dp2a_lo(a[i], b[i], i); o[4 * i + 3] = (int)__vabsdiffu4((unsigned)a[i], (unsigned)b[i]); } }
K simd(const unsigned *a, const unsigned *b, unsigned *o, int n) { int i = ID; if (i < n) { o[4 * i] = __vadd4(a[i], b[i]); o[4 * i + 1] = __vmaxs2(a[i], b[i]); o[4 * i + 2] = __vminu2(a[i], b[i]); o[4 * i + 3] = __vcmpgtu4(a[i], b[i]); } }
struct Par { float scale; int zero; int8_t lo, hi; int64_t n; };
K by_struct(const float *x, int8_t *q, Par p) { int64_t i = ID; if (i < p.n) { int v = __float2int_rn(__fmul_rn(x[i], p.scale)) + p.zero; q[i] = (int8_t)min(max(v, (int)p.lo), (int)p.hi); } }
__constant__ float table[16] = {-1.0f, -0.6961928f, -0.52507305f, -0.3949175f, -0.28444138f, -0.18477343f, -0.09105004f, 0.0f, 0.0795803f, 0.1609302f, 0.2461123f, 0.33791524f, 0.44070983f, 0.562617f, 0.72295684f, 1.0f};
K nf4(const uint8_t *q, const float *s, float *o, int n) { int i = ID; if (i < n) { o[2 * i] = __fmul_rn(table[q[i] & 15], s[i / 32]); o[2 * i + 1] = __fmul_rn(table[q[i] >> 4], s[i / 32]); } }
__device__ int counter = 5; __device__ float weights[4] = {1.5f, 2.5f, -3.5f, 0.25f};
K globals(float *o, int n) { int i = ID; if (i < n) o[i] = __fadd_rn(weights[i & 3], (float)counter); }
__device__ __noinline__ float square_sum(const float *v, int n) { float s = 0; for (int i = 0; i < n; i++) s = __fmaf_rn(v[i], v[i], s); return s; }
K calls(const float *x, float *o, int n) { int i = ID; if (i < n) o[i] = square_sum(x + i * 7, 7); }
__device__ __noinline__ unsigned fib(unsigned n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
K recursion(unsigned *o) { o[threadIdx.x] = fib(threadIdx.x % 12); }
__device__ float f_add(float a, float b) { return __fadd_rn(a, b); }
__device__ float f_mul(float a, float b) { return __fmul_rn(a, b); }
__device__ float f_max(float a, float b) { return fmaxf(a, b); }
typedef float (*Fn)(float, float);
__device__ Fn functions[3] = {f_add, f_mul, f_max};
K pointers(const float *a, const float *b, float *o, int n) { int i = ID; if (i < n) o[i] = functions[i % 3](a[i], b[i]); }
K switches(const int *a, int *o, int n) {
  int i = ID; if (i >= n) return;
  int r = a[i];
  switch (a[i] & 15) { case 0: r *= 3; break; case 1: r ^= 77; break; case 2: r = r * r; break; case 3: r -= 9; break; case 4: r = ~r; break; case 5: r = r >> 3; break; case 6: r += 1000; break; case 7: r = -r; break; case 8: r |= 256; break; case 9: r = r % 17; break; case 10: r = 10; break; default: r = __popc(r); }
  o[i] = r;
}
K local_array(const int *a, int *o, int n) { int v[24]; for (int k = 0; k < 24; k++) v[k] = a[k] + (int)threadIdx.x; for (int k = 0; k < n; k++) v[(k * 5) % 24] += v[(k * 7 + threadIdx.x) % 24]; int s = 0; for (int k = 0; k < 24; k++) s = s * 31 + v[k]; o[threadIdx.x] = s; }
K strided(const float *x, float *y, int rows, int cols, int64_t sx, int64_t sy) { int r = blockIdx.y; for (int c = ID; c < cols; c += gridDim.x * blockDim.x) y[r * sy + c] = x[r * sx + c]; }
