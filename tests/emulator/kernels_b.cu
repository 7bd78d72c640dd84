// Correct kernels in varied styles, part b: reductions, scans, shared memory, warps, atomics, GEMM.
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_pipeline.h>
#include <stdint.h>
#define K extern "C" __global__ void
#define FULL 0xffffffffu
#define ID (int)(blockIdx.x * blockDim.x + threadIdx.x)

K row_max(const float *x, float *o, int n) {
  extern __shared__ float s[];
  float m = -INFINITY; for (int i = threadIdx.x; i < n; i += blockDim.x) m = fmaxf(m, x[blockIdx.x * (size_t)n + i]);
  s[threadIdx.x] = m; __syncthreads();
  for (int k = blockDim.x / 2; k; k >>= 1) { if (threadIdx.x < k) s[threadIdx.x] = fmaxf(s[threadIdx.x], s[threadIdx.x + k]); __syncthreads(); }
  if (!threadIdx.x) o[blockIdx.x] = s[0];
}
K warp_sum(const float *x, float *o, int n) { float v = ID < n ? x[ID] : 0.0f; for (int m = 16; m; m >>= 1) v = __fadd_rn(v, __shfl_down_sync(FULL, v, m)); if ((threadIdx.x & 31) == 0) o[ID / 32] = v; }
K scan_block(const int *x, int *o) {
  __shared__ int w[32]; int t = threadIdx.x, v = x[ID];
  for (int d = 1; d < 32; d <<= 1) { int u = __shfl_up_sync(FULL, v, d); if ((t & 31) >= d) v += u; }
  if ((t & 31) == 31) w[t >> 5] = v; __syncthreads();
  if (t < 32) { int s = t < blockDim.x / 32 ? w[t] : 0; for (int d = 1; d < 32; d <<= 1) { int u = __shfl_up_sync(FULL, s, d); if (t >= d) s += u; } w[t] = s; } __syncthreads();
  o[ID] = v + (t >= 32 ? w[(t >> 5) - 1] : 0);
}
K transpose(const float *x, float *y, int rows, int cols) {
  __shared__ float tile[32][33]; int c = blockIdx.x * 32 + threadIdx.x, r = blockIdx.y * 32 + threadIdx.y;
  for (int k = 0; k < 32; k += 8) if (r + k < rows && c < cols) tile[threadIdx.y + k][threadIdx.x] = x[(r + k) * cols + c];
  __syncthreads(); c = blockIdx.y * 32 + threadIdx.x, r = blockIdx.x * 32 + threadIdx.y;
  for (int k = 0; k < 32; k += 8) if (r + k < cols && c < rows) y[(r + k) * rows + c] = tile[threadIdx.x][threadIdx.y + k];
}
K histogram(const uint8_t *x, unsigned *h, int n) {
  __shared__ unsigned s[256]; for (int i = threadIdx.x; i < 256; i += blockDim.x) s[i] = 0; __syncthreads();
  for (int i = ID; i < n; i += gridDim.x * blockDim.x) atomicAdd(&s[x[i]], 1u); __syncthreads();
  for (int i = threadIdx.x; i < 256; i += blockDim.x) if (s[i]) atomicAdd(&h[i], s[i]);
}
K gemm_f32(const float *a, const float *b, float *c, int m, int n, int k) {
  __shared__ float as[16][16], bs[16][16]; int r = blockIdx.y * 16 + threadIdx.y, q = blockIdx.x * 16 + threadIdx.x; float s = 0;
  for (int t = 0; t < k; t += 16) {
    as[threadIdx.y][threadIdx.x] = r < m && t + threadIdx.x < k ? a[r * k + t + threadIdx.x] : 0.0f; bs[threadIdx.y][threadIdx.x] = q < n && t + threadIdx.y < k ? b[(t + threadIdx.y) * n + q] : 0.0f; __syncthreads();
    for (int i = 0; i < 16; i++) s = __fmaf_rn(as[threadIdx.y][i], bs[i][threadIdx.x], s); __syncthreads();
  }
  if (r < m && q < n) c[r * n + q] = s;
}
K gemm_s8(const int *a, const int *b, int *c, int m, int n, int k4) { int r = blockIdx.y, q = ID; if (q < n) { int s = 0; for (int i = 0; i < k4; i++) s = __dp4a(a[r * k4 + i], b[q * k4 + i], s); c[r * n + q] = s; } }
K ballots(const int *x, unsigned *o) { int v = x[ID]; unsigned b = __ballot_sync(FULL, v & 1); int all = __all_sync(FULL, v > -1000), any = __any_sync(FULL, v == 7); o[ID * 3] = b; o[ID * 3 + 1] = all * 2 + any; o[ID * 3 + 2] = __popc(b & ((1u << (threadIdx.x & 31)) - 1)); }
K shuffles(const int *x, int *o) { int v = x[ID], l = threadIdx.x & 31; o[ID * 4] = __shfl_sync(FULL, v, 31 - l); o[ID * 4 + 1] = __shfl_xor_sync(FULL, v, 5); o[ID * 4 + 2] = __shfl_up_sync(FULL, v, 3, 8); o[ID * 4 + 3] = __shfl_down_sync(FULL, v, 2, 16); }
K matches(const int *x, unsigned *o) {
#if __CUDA_ARCH__ >= 700
  int v = x[ID] & 3, p; o[ID * 2] = __match_any_sync(FULL, v); o[ID * 2 + 1] = __match_all_sync(FULL, x[0], &p) + p;
#endif
}
K divergent(const int *x, int *o, int n) { int i = ID; if (i >= n) return; int v = x[i], steps = 0; while (v != 1 && steps < 200) { v = v & 1 ? 3 * v + 1 : v / 2; steps++; } if (steps & 1) { if (v & 2) steps += 10; else steps += 20; } else steps -= 5; o[i] = steps; }
K half_warps(const float *x, float *o) { int l = threadIdx.x & 31; float v = x[ID]; unsigned m = l < 16 ? 0xffffu : 0xffff0000u; if (l < 16) { for (int d = 8; d; d >>= 1) v = fmaxf(v, __shfl_xor_sync(m, v, d)); } else { for (int d = 8; d; d >>= 1) v = fminf(v, __shfl_xor_sync(m, v, d)); } o[ID] = v; }
K atomics(int *a, unsigned *u, float *f, unsigned long long *w) { int t = ID; atomicMax(a, t * 7 % 1000); atomicMin(a + 1, t * 13 % 997 - 500); atomicOr(u, 1u << (t & 31)); atomicXor(u + 1, (unsigned)t); atomicInc(u + 2, 100u); atomicAdd(f, 1.0f); atomicAdd(w, 3ull); atomicCAS(u + 3, 0u, 9u); atomicAnd(u + 4, ~(1u << (t & 15))); }
K last_block(const float *x, float *part, unsigned *ticket, float *o, int n) {
  __shared__ float s[256]; __shared__ bool last; float v = 0; for (int i = ID; i < n; i += gridDim.x * blockDim.x) v = fmaxf(v, fabsf(x[i])); s[threadIdx.x] = v; __syncthreads();
  for (int k = 128; k; k >>= 1) { if (threadIdx.x < k) s[threadIdx.x] = fmaxf(s[threadIdx.x], s[threadIdx.x + k]); __syncthreads(); }
  if (!threadIdx.x) { part[blockIdx.x] = s[0]; __threadfence(); last = atomicAdd(ticket, 1u) == gridDim.x - 1; } __syncthreads();
  if (last) { v = 0; for (int i = threadIdx.x; i < gridDim.x; i += 256) v = fmaxf(v, ((volatile float *)part)[i]); s[threadIdx.x] = v; __syncthreads(); for (int k = 128; k; k >>= 1) { if (threadIdx.x < k) s[threadIdx.x] = fmaxf(s[threadIdx.x], s[threadIdx.x + k]); __syncthreads(); } if (!threadIdx.x) *o = s[0]; }
}
K async_copy(const float4 *x, float *o, int tiles) {
  __shared__ float4 buf[2][128]; float a = 0; __pipeline_memcpy_async(&buf[0][threadIdx.x], x + threadIdx.x, 16); __pipeline_commit();
  for (int k = 0; k < tiles; k++) { if (k + 1 < tiles) __pipeline_memcpy_async(&buf[(k + 1) & 1][threadIdx.x], x + (k + 1) * 128 + threadIdx.x, 16); __pipeline_commit(); __pipeline_wait_prior(1); __syncthreads(); float4 v = buf[k & 1][127 - threadIdx.x]; a = fmaxf(a, fmaxf(fmaxf(v.x, v.y), fmaxf(v.z, v.w))); __syncthreads(); }
  o[threadIdx.x] = a;
}
K named_barriers(const int *x, int *o) { __shared__ int s[64]; int t = threadIdx.x; if (t < 64) { s[t] = x[t] * 2; asm volatile("bar.sync 1, 64;" ::: "memory"); o[t] = s[63 - t]; } else { __shared__ int r[64]; r[t - 64] = x[t] * 3; asm volatile("bar.sync 2, 64;" ::: "memory"); o[t] = r[127 - t]; } __syncthreads(); o[128 + t] = s[t & 63]; }
K producer_consumer(const int *x, int *o, int rounds) { __shared__ int b[32]; int t = threadIdx.x; for (int k = 0; k < rounds; k++) { if (t < 32) { b[t] = x[k * 32 + t]; asm volatile("bar.arrive 1, 64;" ::: "memory"); asm volatile("bar.sync 2, 64;" ::: "memory"); } else { asm volatile("bar.sync 1, 64;" ::: "memory"); o[k * 32 + t - 32] = b[63 - t] + 1; asm volatile("bar.arrive 2, 64;" ::: "memory"); } } }
K count_nan(const float *x, int *o) { int c = __syncthreads_count(isnan(x[ID])), a = __syncthreads_and(x[ID] > -100.f), b = __syncthreads_or(x[ID] > 2.5f); if (!threadIdx.x) { o[blockIdx.x * 3] = c; o[blockIdx.x * 3 + 1] = a != 0; o[blockIdx.x * 3 + 2] = b != 0; } }
K early_return(const float *x, float *o, int n) { __shared__ float s[128]; int t = threadIdx.x; if (t >= n) return; s[t] = x[t]; __syncthreads(); o[t] = s[n - 1 - t]; }
K spin_lock(unsigned *lock, int *total) { if ((threadIdx.x & 31) == 0) { while (atomicCAS(lock, 0u, 1u)) {} __threadfence(); int v = *(volatile int *)total; *(volatile int *)total = v + 1; __threadfence(); atomicExch(lock, 0u); } }
K bytes_shared(const uint8_t *x, uint8_t *o) { __shared__ uint8_t s[256]; s[threadIdx.x] = x[threadIdx.x]; __syncthreads(); o[threadIdx.x] = s[255 - threadIdx.x] ^ 0x5a; }
K syncwarp(const int *x, int *o) { __shared__ int s[32]; int l = threadIdx.x; s[l] = x[l]; __syncwarp(); for (int d = 16; d; d >>= 1) { int v = 0; if (l < d) v = s[l + d]; __syncwarp(); if (l < d) s[l] += v; __syncwarp(); } if (!l) *o = s[0]; }
template <int R> __device__ void unrolled(const uint4 *x, uint32_t *o, int n) { uint4 v[R]; int i = ID * R; if (i + R > n) return; _Pragma("unroll") for (int k = 0; k < R; k++) v[k] = x[i + k]; uint32_t s = 0; _Pragma("unroll") for (int k = 0; k < R; k++) s += v[k].x ^ v[k].y ^ (v[k].z + v[k].w); o[ID] = s; }
K vectors(const uint4 *x, uint32_t *o, int n) { unrolled<4>(x, o, n); }
K flag_same(const int *x, int *flag, int n) { int i = ID; if (i < n && x[i] > 90) *flag = 1; }
K int4_pack(const float *x, const float *s, uint8_t *q, int n) { int i = ID; if (2 * i + 1 < n) { int a = min(max(__float2int_rn(__fdiv_rn(x[2 * i], s[i / 16])), -8), 7), b = min(max(__float2int_rn(__fdiv_rn(x[2 * i + 1], s[i / 16])), -8), 7); q[i] = (uint8_t)((a & 15) | b << 4); } }
