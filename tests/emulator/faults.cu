// One deliberate fault each. `// FAULT kind` marks the line that must be reported.
#include <assert.h>
#include <stdint.h>
#define K extern "C" __global__ void
#define ID (int)(blockIdx.x * blockDim.x + threadIdx.x)
#define FULL 0xffffffffu
K past_end(float *o, const float *x, int n) {
  int i = ID;
  o[i] = x[i]; // FAULT out-of-bounds
}
K before_start(float *o, const float *x, int n) {
  int i = ID;
  if (i < n) o[i] = __fadd_rn(x[i],
                              x[i - 40]); // FAULT out-of-bounds
}
K row_stride(float *o, const float *x, int n) {
  int r = blockIdx.x;
  if (threadIdx.x < 32) o[r * 32 + threadIdx.x] = x[(size_t)r * (n + 64) + threadIdx.x]; // FAULT out-of-bounds
}
K shared_past_end(float *o, const float *x, int n) {
  __shared__ float s[64];
  s[threadIdx.x] = x[threadIdx.x]; // FAULT out-of-bounds
  __syncthreads();
  o[threadIdx.x] = s[63];
}
K dynamic_past_end(float *o, const float *x, int n) {
  extern __shared__ float d[];
  d[threadIdx.x * 2] = x[threadIdx.x]; // FAULT out-of-bounds
  __syncthreads();
  o[threadIdx.x] = d[0];
}
K null_pointer(float *o, const float *x, int n) {
  float *p = (float *)(uint64_t)(n - 256);
  p[threadIdx.x] = 1.0f; // FAULT out-of-bounds
}
K misaligned_vector(float *o, const float *x, int n) {
  float4 v = *(const float4 *)(x + 1); // FAULT misaligned
  o[threadIdx.x] = __fadd_rn(__fadd_rn(v.x, v.y), __fadd_rn(v.z, v.w));
}
K misaligned_store(float *o, const float *x, int n) {
  *(int *)((char *)o + threadIdx.x * 6) = 3; // FAULT misaligned
}
K misaligned_shared(float *o, const float *x, int n) {
  __shared__ char s[1024];
  s[threadIdx.x] = (char)x[threadIdx.x];
  __syncthreads();
  if (threadIdx.x == 0) o[0] = *(float *)(s + n % 7 + 1); // FAULT misaligned
}
K reads_output(float *o, const float *x, int n) {
  int i = ID;
  if (i < n) o[i] = __fadd_rn(o[i], x[i]); // FAULT uninitialized-read
}
K shared_unwritten(float *o, const float *x, int n) {
  __shared__ float s[256];
  if (threadIdx.x < 100) s[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  o[threadIdx.x] = s[threadIdx.x]; // FAULT uninitialized-read
}
K accumulates_unset(float *o, const float *x, int n) {
  atomicAdd(o, x[threadIdx.x]); // FAULT uninitialized-read
}
K no_first_barrier(float *o, const float *x, int n) {
  __shared__ float s[256];
  s[threadIdx.x] = x[threadIdx.x];
  o[threadIdx.x] = s[255 - threadIdx.x]; // FAULT uninitialized-read|shared-race
}
K no_second_barrier(float *o, const float *x, int n) {
  __shared__ float s[256];
  for (int k = 0; k < 3; k++) {
    s[threadIdx.x] = __fadd_rn(x[threadIdx.x], (float)k); // FAULT shared-race
    __syncthreads();
    o[threadIdx.x + k * 256] = s[255 - threadIdx.x]; // FAULT shared-race
  }
}
K reduce_race(float *o, const float *x, int n) {
  __shared__ float s[256];
  s[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  for (int k = 128; k; k >>= 1) {
    if (threadIdx.x < k) s[threadIdx.x] = fmaxf(s[threadIdx.x], s[threadIdx.x + k]); // FAULT shared-race
  }
  if (!threadIdx.x) *o = s[0];
}
K warp_race(float *o, const float *x, int n) {
  __shared__ float s[32];
  s[threadIdx.x & 31] = x[threadIdx.x];
  __syncthreads();
  float v = s[31 - (threadIdx.x & 31)];
  s[threadIdx.x & 31] = __fadd_rn(v, 1.0f); // FAULT shared-race
  __syncthreads();
  o[threadIdx.x] = s[threadIdx.x & 31];
}
K blocks_overwrite(float *o, const float *x, int n) {
  o[threadIdx.x] = x[ID]; // FAULT global-race
}
K block_reads_other(float *o, const float *x, int n) {
  int i = ID, j = (i + blockDim.x) % (gridDim.x * blockDim.x);
  o[i] = x[i];
  if (n > 0) o[i] = __fmul_rn(*(volatile float *)&x[i], 2.0f);
  __syncthreads();
  float v = o[j]; // FAULT uninitialized-read|global-race
  o[i] = v;
}
K barrier_in_branch(float *o, const float *x, int n) {
  __shared__ float s[256];
  s[threadIdx.x] = x[threadIdx.x];
  if (threadIdx.x < 100) {
    __syncthreads(); // FAULT barrier-divergence
  }
  o[threadIdx.x] = s[threadIdx.x];
}
K two_barriers(float *o, const float *x, int n) {
  __shared__ float s[256];
  s[threadIdx.x] = x[threadIdx.x];
  if (threadIdx.x & 1) {
    __syncthreads(); // FAULT barrier-divergence
    o[threadIdx.x] = s[threadIdx.x];
  } else {
    o[threadIdx.x] = 0.0f;
    __syncthreads(); // FAULT barrier-divergence
    o[threadIdx.x] = s[threadIdx.x ^ 1];
  }
}
K shuffle_after_return(float *o, const float *x, int n) {
  int i = threadIdx.x;
  if (i >= 20) return;
  float v = x[i];
  for (int m = 16; m; m >>= 1) v = fmaxf(v, __shfl_xor_sync(FULL, v, m)); // FAULT missing-lane
  o[i] = v;
}
K shuffle_in_branch(float *o, const float *x, int n) {
  float v = x[threadIdx.x];
  if (threadIdx.x & 1) v = __shfl_sync(0xaaaaaaaau, v, 0); // FAULT missing-lane
  o[threadIdx.x] = v;
}
K endless(float *o, const float *x, int n) {
  volatile float *p = o;
  *p = 0.0f;
  while (*p < 1.0f) *p = *p; // FAULT timeout
}
K asserts(float *o, const float *x, int n) {
  assert(threadIdx.x < 40); // FAULT assert
  o[threadIdx.x] = 1.0f;
}
K traps(float *o, const float *x, int n) {
  if (x[threadIdx.x] > -1e30f) __trap(); // FAULT trap
  o[threadIdx.x] = 1.0f;
}
__device__ __noinline__ int deeper(int n, volatile int *p) { int v[64]; for (int k = 0; k < 64; k++) v[k] = n + *p; return n > 0 ? deeper(n + 1, p) + v[n & 63] : 0; } // FAULT stack-overflow
K too_deep(float *o, const float *x, int n) {
  o[0] = 1.0f;
  o[1] = (float)deeper(1, (volatile int *)o);
}
K writes_const_read(float *o, const float *x, int n) {
  int i = threadIdx.x;
  o[i] = 1.0f;
  __syncthreads();
  float v;
  asm volatile("ld.global.nc.f32 %0, [%1];" : "=f"(v) : "l"(o + i)); // FAULT nc-load-of-written
  o[i + 256] = v;
}
K wrong_width(float *o, const float *x, int n) {
  int i = ID;
  if (i < n) ((double *)o)[i] = x[i]; // FAULT out-of-bounds
}
// ---- further styles ----
struct Job { float *o; const float *x; int n; };
template <int V> __device__ __noinline__ void move_rows(const Job &j) {
  for (int i = threadIdx.x * V; i < j.n + V; i += blockDim.x * V)
    for (int k = 0; k < V; k++) j.o[i + k] = j.x[i + k]; // FAULT out-of-bounds
}
K job_by_template(float *o, const float *x, int n) { Job j = {o, x, n}; move_rows<2>(j); }
K index_overflow(float *o, const float *x, int n) {
  int i = threadIdx.x * 16777216 * 8 + threadIdx.x;
  o[i] = 1.0f; // FAULT out-of-bounds
}
K vector_tail(float *o, const float *x, int n) {
  ((float2 *)o)[threadIdx.x] = make_float2(x[0], x[1]);
  if (threadIdx.x == 3) ((float4 *)o)[(n * 3 - 2) / 4 + 1] = make_float4(x[0], x[1], x[2], x[3]); // FAULT out-of-bounds
}
K packed_halves(float *o, const float *x, int n) {
  unsigned v = *(const unsigned *)((const char *)x + 2 * threadIdx.x + 2); // FAULT misaligned
  o[threadIdx.x] = __uint_as_float(v);
}
K async_not_waited(float *o, const float *x, int n) {
  __shared__ float s[256];
  unsigned to = (unsigned)__cvta_generic_to_shared(&s[threadIdx.x]);
#if __CUDA_ARCH__ >= 800
  if (threadIdx.x < 200) asm volatile("cp.async.ca.shared.global [%0], [%1], 4;" ::"r"(to), "l"(x + threadIdx.x));
#else
  if (to != 1 && threadIdx.x < 200) s[threadIdx.x] = x[threadIdx.x];
#endif
  o[threadIdx.x] = s[(threadIdx.x + 64) & 127]; // FAULT shared-race|uninitialized-read
}
K mixed_widths(float *o, const float *x, int n) {
  __shared__ uint32_t s[64];
  ((uint8_t *)s)[threadIdx.x] = (uint8_t)threadIdx.x;
  __syncwarp();
  o[threadIdx.x] = (float)s[(threadIdx.x / 4 + 9) & 63]; // FAULT shared-race|uninitialized-read
}
K volatile_tail(float *o, const float *x, int n) {
  __shared__ float s[256];
  volatile float *v = s;
  s[threadIdx.x] = x[threadIdx.x & 127];
  __syncthreads();
  if (threadIdx.x < 32) {
    float t = __fadd_rn(v[threadIdx.x], v[threadIdx.x + 16]);
    v[threadIdx.x] = t; // FAULT shared-race
    o[threadIdx.x] = v[0];
  }
}
K named_barrier_short(float *o, const float *x, int n) {
  if (threadIdx.x < 96) asm volatile("bar.sync 1, 128;" ::: "memory"); // FAULT barrier-divergence
  o[threadIdx.x] = x[threadIdx.x & 127];
}
K local_unset(float *o, const float *x, int n) {
  float v[16];
  for (int k = 0; k < 8; k++) v[(k * 3 + n) & 15] = x[k];
  float r = v[(n + 1) & 15]; // FAULT uninitialized-read
  o[threadIdx.x] = r;
}
K block_counts_wrong(float *o, const float *x, int n) {
  unsigned *c = (unsigned *)o;
  if (threadIdx.x == 0) c[n + blockIdx.x] = blockIdx.x;
  if (blockIdx.x == 3 && threadIdx.x == 1) {
    unsigned v = c[n + 1]; // FAULT uninitialized-read|global-race
    c[0] = v;
  }
}
K member_not_named(float *o, const float *x, int n) {
  unsigned m = threadIdx.x & 1 ? 0x55555555u : 0xaaaaaaaau;
  o[threadIdx.x] = __shfl_sync(m, x[threadIdx.x & 127], 2); // FAULT missing-lane
}
K named_halves(float *o, const float *x, int n) { // each half of the block has waited for itself only
  __shared__ float s[256];
  s[threadIdx.x] = x[threadIdx.x & 127];
  if (threadIdx.x < 128) asm volatile("bar.sync 1, 128;" ::: "memory");
  else asm volatile("bar.sync 2, 128;" ::: "memory");
  o[threadIdx.x] = s[(threadIdx.x + 128) & 255]; // FAULT shared-race|uninitialized-read
}
