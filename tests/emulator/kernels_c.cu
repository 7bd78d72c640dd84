// Correct kernels in further styles, part c: libraries (cub, cooperative groups), templates over structs, pipelines, packed formats.
#include <cooperative_groups.h>
#include <cooperative_groups/reduce.h>
#include <cub/block/block_radix_sort.cuh>
#include <cub/block/block_reduce.cuh>
#include <cub/block/block_scan.cuh>
#include <cub/warp/warp_scan.cuh>
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>
#include <cuda_pipeline.h>
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#define K extern "C" __global__ void
#define FULL 0xffffffffu
namespace cg = cooperative_groups;

// ---- a struct of pointers by value, a template over the vector width, a 64-bit grid stride ----
struct Rows { const float *x; float *scale; int8_t *codes; int64_t rows, cols, stride; float floor; };
template <int WARPS> __device__ float block_amax(float v) {
  __shared__ float part[WARPS];
  for (int m = 16; m; m >>= 1) v = fmaxf(v, __shfl_xor_sync(FULL, v, m));
  if ((threadIdx.x & 31) == 0) part[threadIdx.x / 32] = v;
  __syncthreads();
  v = part[threadIdx.x % WARPS];
  for (int m = WARPS / 2; m; m >>= 1) v = fmaxf(v, __shfl_xor_sync(FULL, v, m));
  __syncthreads();
  return v;
}
template <int WARPS> __device__ void symmetric_rows(const Rows &p) {
  for (int64_t r = blockIdx.x; r < p.rows; r += gridDim.x) {
    const float *x = p.x + r * p.stride;
    float a = 0.0f;
    for (int64_t c = threadIdx.x; c < p.cols; c += WARPS * 32) a = fmaxf(a, fabsf(x[c]));
    a = block_amax<WARPS>(a);
    float s = fmaxf(__fdiv_rn(a, 127.0f), p.floor);
    if (threadIdx.x == 0) p.scale[r] = s;
    for (int64_t c = threadIdx.x; c < p.cols; c += WARPS * 32) {
      int q = __float2int_rn(__fdiv_rn(x[c], s));
      p.codes[r * p.cols + c] = (int8_t)max(-128, min(127, q));
    }
  }
}
extern "C" __global__ void __launch_bounds__(256, 2) quantize_struct(const __grid_constant__ Rows p) { symmetric_rows<8>(p); }

// ---- cub ----
K cub_scan(const int *x, int *inclusive, int *exclusive, int *total) {
  typedef cub::BlockScan<int, 128> Scan;
  __shared__ typename Scan::TempStorage temp;
  int v[4], e[4], i[4], sum;
  for (int k = 0; k < 4; k++) v[k] = x[threadIdx.x * 4 + k + blockIdx.x * 512];
  Scan(temp).ExclusiveSum(v, e, sum);
  __syncthreads();
  Scan(temp).InclusiveSum(v, i);
  for (int k = 0; k < 4; k++) inclusive[threadIdx.x * 4 + k + blockIdx.x * 512] = i[k], exclusive[threadIdx.x * 4 + k + blockIdx.x * 512] = e[k];
  if (threadIdx.x == 0) total[blockIdx.x] = sum;
}
K cub_sort(const unsigned *x, unsigned *sorted) {
  typedef cub::BlockRadixSort<unsigned, 64, 4> Sort;
  __shared__ typename Sort::TempStorage temp;
  unsigned v[4];
  for (int k = 0; k < 4; k++) v[k] = x[threadIdx.x * 4 + k];
  Sort(temp).Sort(v);
  for (int k = 0; k < 4; k++) sorted[threadIdx.x * 4 + k] = v[k];
}
struct MaxAbs { __device__ float operator()(float a, float b) const { return fmaxf(fabsf(a), fabsf(b)); } };
K cub_reduce(const float *x, float *o, int n) {
  typedef cub::BlockReduce<float, 96, cub::BLOCK_REDUCE_RAKING> Reduce;
  __shared__ typename Reduce::TempStorage temp;
  float v = threadIdx.x < n ? x[blockIdx.x * n + threadIdx.x] : 0.0f;
  float r = Reduce(temp).Reduce(v, MaxAbs());
  if (threadIdx.x == 0) o[blockIdx.x] = fabsf(r);
}

// ---- cooperative groups ----
K groups(const int *x, int *o) {
  auto block = cg::this_thread_block();
  auto tile = cg::tiled_partition<8>(block);
  int v = x[block.thread_rank()];
  int sum = cg::reduce(tile, v, cg::plus<int>()), most = cg::reduce(tile, v, cg::greater<int>()), up = tile.shfl_up(v, 3), any = tile.any(v > 90);
  o[4 * block.thread_rank()] = sum, o[4 * block.thread_rank() + 1] = most, o[4 * block.thread_rank() + 2] = up, o[4 * block.thread_rank() + 3] = any;
}
K compact(const int *x, int *o, int *count, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n && x[i] > 0) {
    cg::coalesced_group active = cg::coalesced_threads();
    int base = 0;
    if (active.thread_rank() == 0) base = atomicAdd(count, (int)active.size());
    o[active.shfl(base, 0) + active.thread_rank()] = x[i];
  }
}

// ---- an integer GEMM fed by cp.async in two stages, dp4a; the tensor-core form of it ----
K gemm_pipeline(const int *a, const int *b, int *c, int k4) { // c[32][32] = a[32][4 k4] b[32][4 k4]^T, tiles of 8 words
  __shared__ __align__(16) int as[2][32][8], bs[2][32][8];
  int t = threadIdx.x, r = t / 2 % 32, h = t % 2 * 4, s = 0;
  bool loads_a = t < 64;
  if (t < 128) { loads_a ? __pipeline_memcpy_async(&as[0][r][h], a + r * k4 + h, 16) : __pipeline_memcpy_async(&bs[0][r][h], b + r * k4 + h, 16); }
  __pipeline_commit();
  int row = t / 8, q = t % 8 * 4, sum[4] = {0, 0, 0, 0};
  for (int k = 0; k < k4; k += 8, s ^= 1) {
    if (k + 8 < k4 && t < 128) { loads_a ? __pipeline_memcpy_async(&as[s ^ 1][r][h], a + r * k4 + k + 8 + h, 16) : __pipeline_memcpy_async(&bs[s ^ 1][r][h], b + r * k4 + k + 8 + h, 16); }
    __pipeline_commit();
    __pipeline_wait_prior(1);
    __syncthreads();
    for (int i = 0; i < 8; i++)
      for (int j = 0; j < 4; j++) sum[j] = __dp4a(as[s][row][i], bs[s][q + j][i], sum[j]);
    __syncthreads();
  }
  for (int j = 0; j < 4; j++) c[row * 32 + q + j] = sum[j];
}
K mma_s8(const int *a, const int *b, int *c) { // c[16][8] = a[16][32] b[8][32]^T, one warp
  int g = threadIdx.x / 4, t = threadIdx.x % 4;
#if __CUDA_ARCH__ >= 800
  int d0 = 1, d1 = 2, d2 = 3, d3 = 4;
  asm("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+r"(d0), "+r"(d1), "+r"(d2), "+r"(d3) : "r"(a[g * 8 + t]), "r"(a[(g + 8) * 8 + t]), "r"(a[g * 8 + t + 4]), "r"(a[(g + 8) * 8 + t + 4]), "r"(b[g * 8 + t]), "r"(b[g * 8 + t + 4]));
  c[g * 8 + 2 * t] = d0, c[g * 8 + 2 * t + 1] = d1, c[(g + 8) * 8 + 2 * t] = d2, c[(g + 8) * 8 + 2 * t + 1] = d3;
#else
  for (int half = 0; half < 2; half++) {
    int d0 = 1 + 2 * half, d1 = 2 + 2 * half;
    for (int k = 0; k < 2; k++)
      asm("mma.sync.aligned.m8n8k16.row.col.s32.s8.s8.s32 {%0,%1}, {%2}, {%3}, {%0,%1};" : "+r"(d0), "+r"(d1) : "r"(a[(g + 8 * half) * 8 + t + 4 * k]), "r"(b[g * 8 + t + 4 * k]));
    c[(g + 8 * half) * 8 + 2 * t] = d0, c[(g + 8 * half) * 8 + 2 * t + 1] = d1;
  }
#endif
}

// ---- warp-specialised: warps 0-1 fetch, warps 2-3 compute, two buffers, named barriers full[2] = 1, 2 and empty[2] = 3, 4 ----
#define BAR(op, id) asm volatile(op " %0, 128;" ::"r"(id) : "memory")
K specialised(const float *x, float *o, int tiles) {
  __shared__ float buf[2][64];
  int t = threadIdx.x;
  if (t < 64) {
    for (int k = 0; k < tiles; k++) {
      if (k >= 2) BAR("bar.sync", 3 + (k & 1));
      buf[k & 1][t] = x[k * 64 + t];
      __threadfence_block();
      BAR("bar.arrive", 1 + (k & 1));
    }
  } else {
    float s = 0.0f;
    for (int k = 0; k < tiles; k++) {
      BAR("bar.sync", 1 + (k & 1));
      s = __fadd_rn(s, buf[k & 1][(t * 5) & 63]);
      if (k + 2 < tiles) BAR("bar.arrive", 3 + (k & 1));
    }
    o[t - 64] = s;
  }
}

// ---- packed formats and intrinsics ----
K fp8x4(const float4 *x, unsigned *e4, float4 *back, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  __nv_fp8x4_e4m3 p(x[i]);
  e4[i] = p.__x;
  back[i] = (float4)p;
}
K half2s(const __half2 *a, const __half2 *b, __half2 *o, float2 *f, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  o[4 * i] = __hadd2_rn(a[i], b[i]), o[4 * i + 1] = __hmul2_sat(a[i], b[i]), o[4 * i + 2] = __hneg2(__habs2(a[i])), o[4 * i + 3] = __lowhigh2highlow(a[i]);
  f[i] = __half22float2(a[i]);
}
K dot_halves(const __half2 *a, const __half2 *b, float *o, int n) { // sums in f32, pair by pair
  float s = 0.0f;
  for (int k = threadIdx.x; k < n; k += 32) { float2 x = __half22float2(a[k]), y = __half22float2(b[k]); s = __fmaf_rn(x.x, y.x, s), s = __fmaf_rn(x.y, y.y, s); }
  for (int m = 1; m < 32; m <<= 1) s = __fadd_rn(s, __shfl_xor_sync(FULL, s, m));
  if (threadIdx.x == 0) *o = s;
}
K brain2(const __nv_bfloat162 *a, __nv_bfloat162 *o, float2 *f, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  f[i] = __bfloat1622float2(a[i]);
  o[i] = __float22bfloat162_rn(make_float2(__fmul_rn(f[i].x, 1.5f), __fmul_rn(f[i].y, -0.375f)));
}

// ---- integers ----
K video(const unsigned *a, const unsigned *b, unsigned *o, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  unsigned x = a[i], y = b[i], *p = o + 8 * i;
  p[0] = __vabsdiffs4(x, y), p[1] = __vsadu4(x, y), p[2] = __vaddss2(x, y), p[3] = __vsubus4(x, y), p[4] = __vcmpeq4(x, y), p[5] = __vavgu4(x, y), p[6] = __vminu4(x, y), p[7] = __dp2a_hi((int)x, (int)y, 7);
}
K bits(const unsigned long long *a, unsigned long long *o, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  unsigned long long x = a[i], *p = o + 6 * i;
  unsigned lo = (unsigned)x, hi = (unsigned)(x >> 32), v;
  p[0] = __brevll(x), p[1] = (unsigned long long)__clzll((long long)x) << 32 | (unsigned)__ffsll((long long)x), p[2] = __umul64hi(x, x);
  asm("bfe.u32 %0, %1, 5, 11;" : "=r"(v) : "r"(lo)); p[3] = v;
  asm("bfi.b32 %0, %1, %2, 9, 13;" : "=r"(v) : "r"(lo), "r"(hi)); p[4] = v;
  asm("lop3.b32 %0, %1, %2, %3, 0xe8;" : "=r"(v) : "r"(lo), "r"(hi), "r"(lo ^ hi << 3)); p[5] = (unsigned long long)__funnelshift_rc(lo, hi, hi & 63) << 32 | v;
}
K big_switch(const int *x, int *o, int n) { // a dense switch, as an indirect branch
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  int r = 0;
  asm volatile("{\n.reg .u32 t;\nand.b32 t, %1, 3;\nts: .branchtargets L0, L1, L2, L3;\nbrx.idx t, ts;\nL0: add.s32 %0, %1, 100;\nbra D;\nL1: mul.lo.s32 %0, %1, 3;\nbra D;\nL2: neg.s32 %0, %1;\nbra D;\nL3: shr.s32 %0, %1, 1;\nD:\n}" : "=r"(r) : "r"(x[i]));
  o[i] = r;
}
K philox(unsigned *o, unsigned key) { // counter-based random numbers
  unsigned c0 = blockIdx.x * blockDim.x + threadIdx.x, c1 = 1, c2 = 2, c3 = 3, k0 = key, k1 = ~key, out = 4 * c0;
#pragma unroll
  for (int r = 0; r < 10; r++) {
    unsigned h0 = __umulhi(0xD2511F53u, c0), l0 = 0xD2511F53u * c0, h1 = __umulhi(0xCD9E8D57u, c2), l1 = 0xCD9E8D57u * c2;
    c0 = h1 ^ c1 ^ k0, c1 = l1, c2 = h0 ^ c3 ^ k1, c3 = l0, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u;
  }
  o[out] = c0, o[out + 1] = c1, o[out + 2] = c2, o[out + 3] = c3;
}

// ---- shared memory ----
K bitonic(const int *x, int *o) {
  __shared__ int s[256];
  int t = threadIdx.x;
  s[t] = x[t];
  for (int k = 2; k <= 256; k <<= 1)
    for (int j = k >> 1; j; j >>= 1) {
      __syncthreads();
      int other = t ^ j;
      if (other > t) { bool up = (t & k) == 0; int p = s[t], q = s[other]; if ((p > q) == up) s[t] = q, s[other] = p; }
    }
  __syncthreads();
  o[t] = s[t];
}
K histogram_match(const uint8_t *x, unsigned *h, int n) { // one atomic for the lanes of a warp that have the same value
  __shared__ unsigned s[16];
  if (threadIdx.x < 16) s[threadIdx.x] = 0;
  __syncthreads();
  for (int i = threadIdx.x; i < n; i += blockDim.x) {
    unsigned v = x[i] & 15u, same = __match_any_sync(__activemask(), v);
    if ((threadIdx.x & 31) == __ffs(same) - 1) atomicAdd(&s[v], __popc(same));
  }
  __syncthreads();
  if (threadIdx.x < 16) atomicAdd(&h[threadIdx.x], s[threadIdx.x]);
}
__constant__ struct { int taps; float w[7]; } filter = {7, {0.0625f, -0.125f, 0.25f, 1.0f, 0.25f, -0.125f, 0.0625f}};
K stencil(const float *__restrict__ x, float *__restrict__ y, int nx, int ny, int nz) {
  int i = blockIdx.x * blockDim.x + threadIdx.x, j = blockIdx.y * blockDim.y + threadIdx.y, k = blockIdx.z * blockDim.z + threadIdx.z;
  if (i >= nx || j >= ny || k >= nz) return;
  float s = 0.0f;
  for (int t = 0; t < filter.taps; t++) { int p = min(max(i + t - 3, 0), nx - 1); s = __fmaf_rn(filter.w[t], __ldg(&x[(k * ny + j) * nx + p]), s); }
  y[(k * ny + j) * nx + i] = s;
}

// ---- atomics on what the ISA treats apart ----
K float_atomics(float *global, float *from_shared, double *wide, unsigned long long *most) {
  __shared__ float s;
  if (threadIdx.x == 0) s = 0.0f;
  __syncthreads();
  atomicAdd(&s, 0x1p-140f);
  atomicAdd(global, 0x1p-140f);
  atomicAdd(wide, 0.1);
  atomicMax(most, 1ull << threadIdx.x);
  __syncthreads();
  if (threadIdx.x == 0) *from_shared = s;
}

// ---- virtual functions, local unions, printf and assert that hold ----
struct Shape { __device__ virtual int area(int) const = 0; };
struct Square : Shape { __device__ int area(int a) const override { return a * a; } };
struct Strip : Shape { int w; __device__ Strip(int v) : w(v) {} __device__ int area(int a) const override { return a * w; } };
K virtuals(const int *x, int *o, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  Square square; Strip strip(i);
  const Shape *s = i & 1 ? (const Shape *)&square : (const Shape *)&strip;
  o[i] = s->area(x[i]);
  assert(i < n);
  if (i == n) printf("never %d\n", i);
}
K unions(const float *x, unsigned char *o, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  union { float f[8]; unsigned char b[32]; } u;
  if (i >= n) return;
  for (int k = 0; k < 8; k++) u.f[k] = x[i + k];
  o[i] = u.b[i & 31];
}
K welford(const double *x, double *o, int n) { // f64 through shuffles
  double mean = 0.0, m2 = 0.0;
  int c = 0;
  for (int k = threadIdx.x; k < n; k += 32) { c++; double d = __dsub_rn(x[k], mean); mean = __dadd_rn(mean, __ddiv_rn(d, (double)c)); m2 = __fma_rn(d, __dsub_rn(x[k], mean), m2); }
  for (int m = 16; m; m >>= 1) {
    double om = __shfl_down_sync(FULL, mean, m), o2 = __shfl_down_sync(FULL, m2, m), d = __dsub_rn(om, mean);
    mean = __dadd_rn(mean, __dmul_rn(d, 0.5)), m2 = __dadd_rn(__dadd_rn(m2, o2), __dmul_rn(__dmul_rn(d, d), (double)c * 0.5)), c *= 2;
  }
  if (threadIdx.x == 0) o[0] = mean, o[1] = m2;
}
// ---- warps that are ordered otherwise than by a barrier of the whole block ----
K shared_lock(int *o) { // one lane of each warp adds to a sum under a lock
  __shared__ int lock;
  __shared__ volatile int sum;
  if (threadIdx.x == 0) lock = 0, sum = 0;
  __syncthreads();
  if ((threadIdx.x & 31) == 0) {
    while (atomicCAS(&lock, 0, 1)) {}
    __threadfence_block();
    sum = sum + (int)threadIdx.x;
    __threadfence_block();
    atomicExch(&lock, 0);
  }
  __syncthreads();
  o[threadIdx.x] = sum;
}
K producer(const int *x, int *o, int tiles) { // warp 0 fills two buffers in turn, warps 1 to 3 empty them
  __shared__ int s[2][96];
  int t = threadIdx.x, sum = 0;
  for (int k = 0; k < tiles; k++) {
    int b = k & 1;
    if (t < 32) {
      if (k >= 2) asm volatile("bar.sync %0, 128;" ::"r"(3 + b) : "memory");
      for (int i = t; i < 96; i += 32) s[b][i] = x[k * 96 + i];
      asm volatile("bar.arrive %0, 128;" ::"r"(1 + b) : "memory");
    } else {
      asm volatile("bar.sync %0, 128;" ::"r"(1 + b) : "memory");
      sum += s[b][t - 32];
      if (k + 2 < tiles) asm volatile("bar.arrive %0, 128;" ::"r"(3 + b) : "memory");
    }
  }
  if (t >= 32) o[t - 32] = sum;
}
K hand_over(const int *x, int *o) { // a chain of warps, each doubles in place what the one before it has read
  __shared__ int s[32];
  int l = threadIdx.x & 31, w = threadIdx.x >> 5, v;
  if (w == 0) s[l] = x[l];
  if (w > 0) asm volatile("bar.sync %0, 64;" ::"r"(w) : "memory");
  v = s[l];
  s[l] = v * 2;
  v = s[l];
  if (w < 7) asm volatile("bar.arrive %0, 64;" ::"r"(w + 1) : "memory");
  o[threadIdx.x] = v;
}
