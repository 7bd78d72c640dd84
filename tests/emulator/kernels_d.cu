// Correct kernels in further styles, part d: quantizers as people write them, atomics by hand, look-back scans, small formats.
#include <cooperative_groups.h>
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp4.h>
#include <cuda_fp8.h>
#include <stdint.h>
#define K extern "C" __global__ void
#define FULL 0xffffffffu
#define ID (int)(blockIdx.x * blockDim.x + threadIdx.x)
namespace cg = cooperative_groups;

// ---- one scale for a whole tensor: a maximum by hand-made atomics, in two ways ----
__device__ float max_by_cas(float *at, float v) {
  int *bits = (int *)at, seen = *bits, guess;
  do {
    guess = seen;
    seen = atomicCAS(bits, guess, __float_as_int(fmaxf(v, __int_as_float(guess))));
  } while (seen != guess);
  return __int_as_float(seen);
}
K amax_cas(const float *x, float *most, int n) {
  for (int i = ID; i < n; i += gridDim.x * blockDim.x) max_by_cas(most, fabsf(x[i]));
}
K amax_asks(const float *x, int *most, int n) { // an atomic only where it may change something
  int i = ID;
  if (i >= n) return;
  int v = __float_as_int(fabsf(x[i]));
  if (v > *most) atomicMax(most, v);
}
// ---- a quantizer with functors, its output packed by four ----
struct Symmetric { float inverse; __device__ int operator()(float x) const { return max(-127, min(127, __float2int_rn(__fmul_rn(x, inverse)))); } };
struct Affine { float scale; int zero; __device__ int operator()(float x) const { return max(0, min(255, __float2int_rn(__fdiv_rn(x, scale)) + zero)); } };
template <class Q> __device__ void quantize_by_four(const float4 *__restrict__ x, uint32_t *__restrict__ q, int n4, Q f) {
  auto byte = [&](float v) { return (uint32_t)(f(v) & 255); };
  for (int i = ID; i < n4; i += gridDim.x * blockDim.x) {
    const float4 v = __ldg(x + i);
    __stcs(q + i, byte(v.x) | byte(v.y) << 8 | byte(v.z) << 16 | byte(v.w) << 24);
  }
}
K quantize_symmetric(const float4 *x, uint32_t *q, int n4, float inverse) { quantize_by_four(x, q, n4, Symmetric{inverse}); }
K quantize_affine(const float4 *x, uint32_t *q, int n4, float scale, int zero) { quantize_by_four(x, q, n4, Affine{scale, zero}); }
// ---- rows of half2 and bf16x2: amax by packed maxima ----
K rows_half2(const __half2 *x, __half *scale, char2 *q, int pairs) { // one warp a row
  const __half2 *row = x + (size_t)blockIdx.x * pairs;
  __half2 m = __float2half2_rn(0.0f);
  for (int i = threadIdx.x; i < pairs; i += 32) m = __hmax2(m, __habs2(row[i]));
  for (int k = 16; k; k >>= 1) m = __hmax2(m, __shfl_xor_sync(FULL, m, k));
  const __half s = __float2half_rn(__fdiv_rn(__half2float(__hmax(__low2half(m), __high2half(m))), 127.0f));
  if (threadIdx.x == 0) scale[blockIdx.x] = s;
  const float inverse = __frcp_rn(__half2float(s));
  for (int i = threadIdx.x; i < pairs; i += 32) {
    const float2 v = __half22float2(row[i]);
    q[(size_t)blockIdx.x * pairs + i] = make_char2((signed char)__float2int_rn(__fmul_rn(v.x, inverse)), (signed char)__float2int_rn(__fmul_rn(v.y, inverse)));
  }
}
K rows_bf16x2(const __nv_bfloat162 *x, float *most, int pairs) {
  __nv_bfloat162 m = __float2bfloat162_rn(0.0f);
  for (int i = threadIdx.x; i < pairs; i += 32) m = __hmax2(m, __habs2(x[(size_t)blockIdx.x * pairs + i]));
  for (int k = 16; k; k >>= 1) m = __hmax2(m, __shfl_xor_sync(FULL, m, k));
  if (threadIdx.x == 0) most[blockIdx.x] = fmaxf(__low2float(m), __high2float(m));
}
// ---- small formats ----
K eights(const uint16_t *h, uint8_t *e4, uint8_t *e5, uint16_t *back, int n) {
  int i = ID;
  if (i >= n) return;
  __half_raw x;
  x.x = h[i];
  e4[i] = __nv_cvt_halfraw_to_fp8(x, __NV_SATFINITE, __NV_E4M3);
  e5[i] = __nv_cvt_halfraw_to_fp8(x, __NV_NOSAT, __NV_E5M2);
  back[2 * i] = __nv_cvt_fp8_to_halfraw(e4[i], __NV_E4M3).x, back[2 * i + 1] = __nv_cvt_fp8_to_halfraw(e5[i], __NV_E5M2).x;
}
K mx_block(const float *x, uint8_t *scale, uint8_t *codes, int n) { // groups of 32: scale ue8m0, elements e2m1 by two
  int i = ID;
  float v = i < n ? x[i] : 0.0f, m = fabsf(v);
  for (int k = 16; k; k >>= 1) m = fmaxf(m, __shfl_xor_sync(FULL, m, k));
  int exponent = ((__float_as_int(m) >> 23) & 255) - 2;
  exponent = exponent < 1 ? 1 : exponent;
  if ((threadIdx.x & 31) == 0) scale[i / 32] = (uint8_t)exponent;
  const float w = __fmul_rn(v, __int_as_float((254 - exponent) << 23)), next = __shfl_down_sync(FULL, w, 1);
  if (!(threadIdx.x & 1)) codes[i / 2] = __nv_cvt_float2_to_fp4x2(make_float2(w, next), __NV_E2M1, cudaRoundNearest);
}
K int4_magic(const uint32_t *packed, const __half *scale, __half2 *o, int n) { // eight int4 of a word become halves by their exponent field
  int i = ID;
  if (i >= n) return;
  const __half2 s = __half2half2(scale[i / 4]), bias = __float2half2_rn(1032.0f);
  for (int k = 0; k < 4; k++) {
    uint32_t w = packed[i] >> (4 * k), v;
    asm("lop3.b32 %0, %1, 0x000f000f, 0x64006400, 0xea;" : "=r"(v) : "r"(w));
    o[4 * i + k] = __hmul2(__hsub2(*(__half2 *)&v, bias), s);
  }
}
// ---- sums and scans over blocks ----
K look_back(const int *x, int *o, unsigned *ticket, unsigned long long *state) { // one pass; a tile publishes its sum, then its prefix
  __shared__ int tile, before, sums[8];
  if (threadIdx.x == 0) tile = (int)atomicAdd(ticket, 1u);
  __syncthreads();
  const int t = tile, lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
  int v = x[t * 256 + threadIdx.x];
  for (int d = 1; d < 32; d <<= 1) {
    int u = __shfl_up_sync(FULL, v, d);
    if (lane >= d) v += u;
  }
  if (lane == 31) sums[warp] = v;
  __syncthreads();
  for (int k = 0; k < warp; k++) v += sums[k];
  if (threadIdx.x == 255) {
    volatile unsigned long long *s = state;
    int run = 0;
    s[t] = (t ? 1ull : 2ull) << 32 | (unsigned)v;
    for (int k = t - 1; k >= 0;) {
      unsigned long long w = s[k];
      if (!(w >> 32)) continue;
      run += (int)(unsigned)w;
      if (w >> 33) break;
      k--;
    }
    s[t] = 2ull << 32 | (unsigned)(run + v);
    before = run;
  }
  __syncthreads();
  o[t * 256 + threadIdx.x] = v + before;
}
K ring_sum(const float *x, float *part, unsigned *done, float *o, int n) { // the last block adds in the order of the blocks
  auto block = cg::this_thread_block();
  auto warp = cg::tiled_partition<32>(block);
  __shared__ float s[4];
  __shared__ unsigned mine;
  float v = 0.0f;
  for (int i = ID; i < n; i += gridDim.x * blockDim.x) v = __fadd_rn(v, x[i]);
  for (int k = warp.size() / 2; k; k /= 2) v = __fadd_rn(v, warp.shfl_down(v, k));
  if (warp.thread_rank() == 0) s[warp.meta_group_rank()] = v;
  block.sync();
  if (block.thread_rank() == 0) {
    part[blockIdx.x] = __fadd_rn(__fadd_rn(s[0], s[1]), __fadd_rn(s[2], s[3]));
    __threadfence();
    mine = atomicInc(done, gridDim.x - 1);
  }
  block.sync();
  if (mine == gridDim.x - 1 && block.thread_rank() == 0) {
    __threadfence();
    float r = 0.0f;
    for (unsigned b = 0; b < gridDim.x; b++) r = __fadd_rn(r, part[b]);
    *o = r;
  }
}
K warp_queue(const int *x, int *o, unsigned *next, int n) { // warps fetch their tasks
  for (;;) {
    unsigned t = 0;
    if ((threadIdx.x & 31) == 0) t = atomicAdd(next, 32u);
    t = __shfl_sync(FULL, t, 0) + (threadIdx.x & 31);
    if (!__any_sync(FULL, t < (unsigned)n)) return;
    if (t < (unsigned)n) {
      int v = x[t], steps = 0;
      do v = v & 1 ? v * 3 + 1 : v >> 1, steps++;
      while (v > 1 && steps < 100);
      o[t] = steps;
    }
  }
}
// ---- matrices ----
template <int ROWS, int COLS> __device__ __forceinline__ void outer(int (&c)[ROWS][COLS], const int (&a)[ROWS], const int (&b)[COLS]) {
#pragma unroll
  for (int r = 0; r < ROWS; r++)
#pragma unroll
    for (int q = 0; q < COLS; q++) c[r][q] = __dp4a(a[r], b[q], c[r][q]);
}
K gemm_tile(const int4 *a, const int4 *b, int *c, int n, int k16) { // 64 x 64 by 256 threads, 4 x 4 each; two shared arrays in one buffer
  extern __shared__ __align__(16) unsigned char raw[];
  int(*as)[65] = (int(*)[65])raw, (*bs)[65] = (int(*)[65])(raw + 4 * 65 * sizeof(int));
  const int tx = threadIdx.x & 15, ty = threadIdx.x >> 4;
  int acc[4][4] = {};
  for (int t = 0; t < k16; t++) {
    const int r = threadIdx.x & 63;
    if (threadIdx.x < 64) {
      int4 v = a[(blockIdx.y * 64 + r) * k16 + t];
      as[0][r] = v.x, as[1][r] = v.y, as[2][r] = v.z, as[3][r] = v.w;
    } else if (threadIdx.x < 128) {
      int4 v = b[(blockIdx.x * 64 + r) * k16 + t];
      bs[0][r] = v.x, bs[1][r] = v.y, bs[2][r] = v.z, bs[3][r] = v.w;
    }
    __syncthreads();
    for (int k = 0; k < 4; k++) {
      int ra[4], rb[4];
      for (int j = 0; j < 4; j++) ra[j] = as[k][ty * 4 + j], rb[j] = bs[k][tx * 4 + j];
      outer(acc, ra, rb);
    }
    __syncthreads();
  }
  for (int r = 0; r < 4; r++)
    *(int4 *)(c + (blockIdx.y * 64 + ty * 4 + r) * n + blockIdx.x * 64 + tx * 4) = make_int4(acc[r][0], acc[r][1], acc[r][2], acc[r][3]);
}
K transpose_bytes(const uint32_t *x, uint32_t *y, int words) { // 4 x 4 bytes by byte_perm, tiles of 32 x 32 bytes swizzled
  __shared__ uint32_t s[32][8];
  const int t = threadIdx.x, r = t / 8, q = t % 8;
  s[r][q ^ (r / 4)] = x[(blockIdx.y * 32 + r) * words + blockIdx.x * 8 + q];
  __syncthreads();
  if (t >= 64) return;
  const int R = t / 8, C = t % 8;
  uint32_t a = s[4 * C][R ^ C], b = s[4 * C + 1][R ^ C], c = s[4 * C + 2][R ^ C], d = s[4 * C + 3][R ^ C];
  const uint32_t ab = __byte_perm(a, b, 0x5140), cd = __byte_perm(c, d, 0x5140), AB = __byte_perm(a, b, 0x7362), CD = __byte_perm(c, d, 0x7362);
  uint32_t *o = y + (blockIdx.x * 32 + 4 * R) * (gridDim.y * 8) + blockIdx.y * 8 + C;
  o[0] = __byte_perm(ab, cd, 0x5410), o[gridDim.y * 8] = __byte_perm(ab, cd, 0x7632);
  o[gridDim.y * 16] = __byte_perm(AB, CD, 0x5410), o[gridDim.y * 24] = __byte_perm(AB, CD, 0x7632);
}
// ---- numbers ----
K numbers(const float *a, const float *b, float *o, int *e, int n) {
  int i = ID;
  if (i >= n) return;
  int exponent = 0;
  o[6 * i] = ldexpf(a[i], (int)(b[i] < 0.0f ? -9 : 7)), o[6 * i + 1] = frexpf(a[i], &exponent), o[6 * i + 2] = nextafterf(a[i], b[i]);
  o[6 * i + 3] = fdimf(a[i], b[i]), o[6 * i + 4] = truncf(__fmul_rz(a[i], 0.125f)), o[6 * i + 5] = fmaxf(fminf(a[i], b[i]), __fsub_rd(a[i], b[i]));
  e[3 * i] = exponent, e[3 * i + 1] = ilogbf(a[i]), e[3 * i + 2] = isfinite(a[i]) | signbit(a[i]) << 1 | isnan(b[i]) << 2;
}
K stochastic(const float *x, const uint32_t *random, uint16_t *o, int n) { // bf16 with random bits below
  int i = ID;
  if (i >= n) return;
  uint32_t u = __float_as_uint(x[i]);
  o[i] = (u & 0x7fffffffu) > 0x7f800000u ? 0x7fff : (u & 0x7f800000u) == 0x7f800000u ? (uint16_t)(u >> 16) : (uint16_t)((u + (random[i] & 0xffffu)) >> 16);
}
K wide_ints(const long long *a, const double *d, double *o, long long *q, int n) {
  int i = ID;
  if (i >= n) return;
  o[4 * i] = __ll2double_rz(a[i]), o[4 * i + 1] = (double)__ll2float_ru(a[i]), o[4 * i + 2] = (double)__double2float_rd(d[i]), o[4 * i + 3] = __dsub_rd(d[i], 1.0);
  q[3 * i] = __double2ll_rn(d[i]), q[3 * i + 1] = (long long)__double2uint_rz(d[i]), q[3 * i + 2] = (long long)__float2ull_rd(fabsf((float)a[i]));
}
// ---- atomics of other widths ----
K atomic_widths(__half2 *h, unsigned short *c, long long *w, unsigned *d, float *x, int *s) {
  __shared__ int block;
  if (threadIdx.x == 0) block = 0;
  __syncthreads();
  atomicAdd(h, __floats2half2_rn(1.0f, 0.5f));
  unsigned short was = 0, now;
  do now = was, was = atomicCAS(c, now, (unsigned short)(now + 3));
  while (was != now);
  atomicMin(w, -(long long)ID), atomicMax(w + 1, (long long)ID << 33);
  atomicDec(d, 1000u), atomicSub((int *)d + 1, ID);
  if (ID == 37) atomicExch(x, 2.5f);
  atomicAdd_block(&block, (int)threadIdx.x);
  __syncthreads();
  if (threadIdx.x == 0) atomicAdd(s, block);
}
// ---- warps ----
K warp_stats(const int *x, int *o) {
  int v = x[ID], l = threadIdx.x & 31;
#if __CUDA_ARCH__ >= 800
  int sum = __reduce_add_sync(FULL, v), low = __reduce_min_sync(FULL, v);
  unsigned bits = __reduce_xor_sync(FULL, (unsigned)v);
#else
  int sum = v, low = v;
  unsigned bits = (unsigned)v;
  for (int m = 16; m; m >>= 1) sum += __shfl_xor_sync(FULL, sum, m), low = min(low, __shfl_xor_sync(FULL, low, m)), bits ^= __shfl_xor_sync(FULL, bits, m);
#endif
  auto warp = cg::tiled_partition<32>(cg::this_thread_block());
  auto odd = cg::binary_partition(warp, (v & 1) != 0);
  int rank = odd.thread_rank(), first = odd.shfl(v, 0), size = odd.size();
  long long pair = __shfl_sync(FULL, (long long)v << 32 | (unsigned)l, 31 - l);
  int *p = o + 7 * ID;
  p[0] = sum, p[1] = low, p[2] = (int)bits, p[3] = rank, p[4] = first, p[5] = size, p[6] = (int)(pair >> 32) ^ (int)pair;
}
K cube(const float *x, float *o) { // a block of 8 x 4 x 2, its warps laid over y and z
  __shared__ float s[2][4][8 + 1];
  const int t = threadIdx.x, u = threadIdx.y, v = threadIdx.z, block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
  s[v][u][t] = x[block * 64 + (v * 4 + u) * 8 + t];
  __syncthreads();
  float r = s[1 - v][3 - u][7 - t];
  r = __fsub_rn(r, __shfl_xor_sync(FULL, r, 8));
  o[block * 64 + (v * 4 + u) * 8 + t] = r;
}
K hints(const float4 *x, float4 *o, long long *clocks, int n) {
  int i = ID;
  long long begin = clock64();
  if (i < n) {
    float4 v = __ldcg(x + i), w = __ldcs(x + i), u = __ldlu(x + i);
    __nanosleep(20);
    __stwt(o + 2 * i, make_float4(v.w, w.z, u.y, v.x));
    __stcg(o + 2 * i + 1, __ldca(x + i));
  }
  if (i == 0) *clocks = clock64() >= begin;
}
