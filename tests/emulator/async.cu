// cp.async: what reads a destination before the wait that covers it, and what does not. Two blocks of 64 threads; x: 512
// words; o: 512 words that nobody has written, of which each block owns 256. `// FAULT kind` marks the line that must be
// reported; kernels without one are correct, and o must hold what the test says.
#include <stdint.h>
#define K extern "C" __global__ void
#define A uint32_t *o, uint32_t *x
#define T threadIdx.x
#define COPY(size, to, from)                                                                                           \
  asm volatile("cp.async.ca.shared.global [%0], [%1], " size ";" ::"r"((unsigned)__cvta_generic_to_shared(to)), "l"(from) : "memory")
#define COPY_PART(to, from, n)                                                                                         \
  asm volatile("cp.async.ca.shared.global [%0], [%1], 16, %2;" ::"r"((unsigned)__cvta_generic_to_shared(to)), "l"(from), "r"(n) : "memory")
#define COMMIT()      asm volatile("cp.async.commit_group;" ::: "memory")
#define WAIT(n)       asm volatile("cp.async.wait_group " n ";" ::: "memory")
#define WAIT_ALL()    asm volatile("cp.async.wait_all;" ::: "memory")
#define OUT(k)        o[blockIdx.x * 256 + (k)]
__device__ __forceinline__ uint32_t get(const volatile uint32_t *p) { return *p; }
K no_wait(A) {
  __shared__ uint32_t s[64];
  COPY("4", s + T, x + T);
  COMMIT();
  __syncthreads();
  OUT(T) = s[63 - T]; // FAULT shared-race
}
K no_wait_own(A) {
  __shared__ uint32_t s[64];
  COPY("4", s + T, x + T);
  COMMIT();
  OUT(T) = s[T]; // FAULT shared-race
}
K no_commit(A) {
  __shared__ uint32_t s[64];
  COPY("4", s + T, x + T);
  WAIT("0");
  OUT(T) = s[T]; // FAULT shared-race
}
K group_too_young(A) {
  __shared__ uint32_t s[128];
  COPY("4", s + T, x + T);
  COMMIT();
  COPY("4", s + 64 + T, x + 64 + T);
  COMMIT();
  WAIT("1");
  __syncthreads();
  OUT(T) = s[63 - T];
  OUT(64 + T) = s[127 - T]; // FAULT shared-race
}
K commit_lost_in_the_tail(A) { // the last round commits no group, so that waiting for all but one is too few
  __shared__ uint32_t s[2][64];
  COPY("4", s[0] + T, x + T);
  COMMIT();
  for (int k = 0; k < 4; k++) {
    if (k < 3) {
      COPY("4", s[(k + 1) & 1] + T, x + 64 * (k + 1) + T);
      COMMIT();
    }
    WAIT("1");
    __syncthreads();
    OUT(64 * k + T) = s[k & 1][63 - T]; // FAULT shared-race
    __syncthreads();
  }
}
K wait_behind_barrier(A) {
  __shared__ uint32_t s[64];
  COPY("4", s + T, x + T);
  __syncthreads();
  WAIT_ALL();
  OUT(T) = s[63 - T]; // FAULT shared-race
}
K only_some_wait(A) {
  __shared__ uint32_t s[64];
  COPY("4", s + T, x + T);
  COMMIT();
  if (T < 63) WAIT("0");
  __syncthreads();
  OUT(T) = s[63 - T]; // FAULT shared-race
}
K stored_before_wait(A) {
  __shared__ uint32_t s[64];
  COPY("4", s + T, x + T);
  s[T] = 1; // FAULT shared-race
  WAIT_ALL();
  OUT(T) = s[T];
}
K atomic_before_wait(A) {
  __shared__ uint32_t s[64];
  COPY("4", s + T, x + T);
  atomicAdd(s + T, 1); // FAULT shared-race
  WAIT_ALL();
  OUT(T) = s[T];
}
K two_copies_to_one_place(A) {
  __shared__ uint32_t s[64];
  COPY("4", s + T, x + T);
  COPY("4", s + T, x + 64 + T); // FAULT shared-race
  WAIT_ALL();
  OUT(T) = s[T];
}
K still_read_by_others(A) {
  __shared__ uint32_t s[64];
  s[T] = T;
  __syncthreads();
  if (T < 32) OUT(T) = s[32 + T];
  if (T >= 32) COPY("4", s + T, x + T); // FAULT shared-race
  WAIT_ALL();
}
K row_of_sixteen(A) {
  __shared__ __align__(16) uint32_t s[256];
  COPY("16", s + 4 * T, x + 4 * T);
  COMMIT();
  uint4 v = *(uint4 *)(s + 4 * T); // FAULT shared-race
  OUT(T) = v.x;
}
K byte_of_it(A) {
  __shared__ __align__(16) uint32_t s[256];
  COPY("16", s + 4 * T, x + 4 * T);
  COMMIT();
  OUT(T) = ((volatile uint8_t *)s)[16 * T + 15]; // FAULT shared-race
}
K source_changed(A) {
  __shared__ uint32_t s[64];
  uint32_t *p = x + 64 * blockIdx.x;
  COPY("4", s + T, p + T);
  p[T] = 1;
  WAIT_ALL(); // FAULT global-race
  OUT(T) = s[T];
}
K gone_without_waiting(A) {
  __shared__ uint32_t s[64];
  if (T < 32) {
    COPY("4", s + T, x + T);
    return;
  }
  __syncthreads();
  OUT(T) = s[T - 32]; // FAULT shared-race
}
K waits_and_reads_own(A) {
  __shared__ uint32_t s[64];
  COPY("4", s + T, x + T);
  WAIT_ALL();
  OUT(T) = s[T];
}
K waits_then_barrier(A) {
  __shared__ uint32_t s[64];
  COPY("4", s + T, x + T);
  COMMIT();
  WAIT("0");
  __syncthreads();
  OUT(T) = s[63 - T];
}
K warp_barrier(A) {
  __shared__ uint32_t s[64];
  COPY("4", s + T, x + T);
  WAIT_ALL();
  __syncwarp();
  OUT(T) = s[T ^ 31];
}
K stages(A) { // three stages, an empty group in each round of the tail
  __shared__ uint32_t s[3][64];
  for (int k = 0; k < 2; k++) {
    COPY("4", s[k] + T, x + 64 * k + T);
    COMMIT();
  }
  for (int k = 0; k < 4; k++) {
    WAIT("1");
    __syncthreads();
    OUT(64 * k + T) = s[k % 3][63 - T];
    if (k + 2 < 4) COPY("4", s[(k + 2) % 3] + T, x + 64 * (k + 2) + T);
    COMMIT();
  }
}
K elders_only(A) {
  __shared__ uint32_t s[128];
  COPY("4", s + T, x + T);
  COMMIT();
  COPY("4", s + 64 + T, x + 64 + T);
  COMMIT();
  WAIT("1");
  OUT(T) = s[T];
  WAIT("0");
  OUT(64 + T) = s[64 + T];
}
K parts(A) { // the rest of the sixteen bytes are zeros
  __shared__ __align__(16) uint32_t s[256];
  COPY_PART(s + 4 * T, x + 4 * T, 4 * (T & 3));
  WAIT_ALL();
  for (int k = 0; k < 4; k++) OUT(4 * T + k) = s[4 * T + k];
}
K reused(A) {
  __shared__ uint32_t s[64];
  for (int k = 0; k < 4; k++) {
    COPY("4", s + T, x + 64 * k + T);
    WAIT_ALL();
    __syncthreads();
    OUT(64 * k + T) = s[63 - T];
    __syncthreads();
  }
}
K all_copy_the_same(A) {
  __shared__ uint32_t s[1];
  COPY("4", s, x);
  WAIT_ALL();
  __syncthreads();
  OUT(T) = s[0];
}
K waits_for_nothing(A) {
  WAIT_ALL();
  COMMIT();
  WAIT("0");
  OUT(T) = x[T];
}
K nobody_reads(A) {
  __shared__ uint32_t s[64];
  COPY("4", s + T, x + T);
  OUT(T) = x[T];
}
