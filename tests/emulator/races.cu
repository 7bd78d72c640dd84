// Blocks of one warp that meet in global memory. o: 256 words that the host has set to 7 (words) or 0 (from 128 on);
// u: 256 words that nobody has written. A kernel whose name begins with r_ races whatever the order of its blocks is
// (rn_: it loads non-coherently what is stored); one that begins with c_ is correct, and o must hold what the test says.
#include <stdint.h>
#define K extern "C" __global__ void
#define B blockIdx.x
#define T threadIdx.x
__device__ __forceinline__ void put(uint32_t *p, uint32_t v) { asm volatile("st.global.u32 [%0], %1;" ::"l"(p), "r"(v) : "memory"); }
__device__ __forceinline__ uint32_t get(const uint32_t *p) {
  uint32_t v;
  asm volatile("ld.global.u32 %0, [%1];" : "=r"(v) : "l"(p) : "memory");
  return v;
}
K r_row_one_differs(uint32_t *o, uint32_t *u) { u[T] = B == 0 ? T + 1 : 0; }
K r_word_each_its_own(uint32_t *o, uint32_t *u) { if (T == 0) o[0] = B; }
K r_word_one_differs(uint32_t *o, uint32_t *u) { if (T == 0) o[0] = B == 1 ? 8 : 7; }
K r_last_word_of_row(uint32_t *o, uint32_t *u) { o[T] = T == 31 && B == 2 ? 1 : 7; }
K r_stored_between(uint32_t *o, uint32_t *u) {
  if (T == 0 && B == 0) put(o, 5), put(o, 1);
  if (T == 0 && B == 1) put(o, 1);
}
K r_row_stored_between(uint32_t *o, uint32_t *u) {
  if (B == 0) put(o + T, 5), put(o + T, 1);
  if (B == 1) put(o + T, 1);
}
K r_load_of_same_value(uint32_t *o, uint32_t *u) {
  if (B == 0) put(o + 32 + T, get(o + T));
  if (B == 1) put(o + T, 7);
}
K r_load_behind_two_writers(uint32_t *o, uint32_t *u) {
  if (T == 0 && B != 1) put(o, 5);
  if (T == 0 && B == 1) put(o + 32, get(o));
}
K r_reader_among_readers(uint32_t *o, uint32_t *u) {
  uint32_t v = get(o + T);
  if (B == 1) put(o + T, v + 1);
}
K r_increment(uint32_t *o, uint32_t *u) { if (T == 0) put(o, get(o) + 1); }
K r_row_increment(uint32_t *o, uint32_t *u) { put(o + T, get(o + T) + 1); }
K r_byte_by_word(uint32_t *o, uint32_t *u) { if (T == 0) put(o + 128, get(o + 128) | (B + 1) << 8 * B); }
K r_half_in_word(uint32_t *o, uint32_t *u) {
  if (T) return;
  if (B == 0) put(o, 0x00020001u);
  if (B == 1) ((uint16_t *)o)[1] = 3;
}
K r_same_byte(uint32_t *o, uint32_t *u) { if (T == 0) ((uint8_t *)o)[B == 2 ? 1 : 0] = (uint8_t)B; }
K r_neighbour(uint32_t *o, uint32_t *u) { put(o + B * 32 + T, get(o + B * 32 + T + 1)); }
K r_wide(uint32_t *o, uint32_t *u) {
  if (B == 0) ((uint4 *)o)[T] = make_uint4(1, 2, 3, 4);
  if (B == 1) o[T * 4 + 3] = 5;
}
K r_strided(uint32_t *o, uint32_t *u) { o[T * 3 + (B == 2 ? 0 : B)] = B; }
K r_volatile_and_plain(uint32_t *o, uint32_t *u) {
  if (T == 0 && B == 0) *(volatile uint32_t *)o = 1;
  if (T == 0 && B == 1) put(o + 32, get(o));
}
K r_no_fence(uint32_t *o, uint32_t *u) {
  if (T) return;
  put(o + B, B);
  if (atomicAdd(o + 128, 1u) == gridDim.x - 1) put(o + 32, get(o) + get(o + 1) + get(o + 2));
}
K rn_load(uint32_t *o, uint32_t *u) {
  uint32_t v = 0;
  if (B == 0) {
    asm volatile("ld.global.nc.u32 %0, [%1];" : "=r"(v) : "l"(o + T) : "memory");
    put(o + 32 + T, v);
  } else if (B == 1)
    put(o + T, 9);
}
K c_bytes(uint32_t *o, uint32_t *u) { // in place: o8[i] = o8[i] + i, the blocks take turns byte by byte
  uint8_t *p = (uint8_t *)o;
  for (int i = B; i < 9; i += gridDim.x)
    if (T == 0) p[i] = (uint8_t)(p[i] + i);
}
K c_byte_rows(uint32_t *o, uint32_t *u) { // rows of 33 bytes: words at the seams belong to two blocks
  uint8_t *p = (uint8_t *)o + B * 33, *q = (uint8_t *)u + B * 33;
  q[T] = (uint8_t)(p[T] + B);
  p[T] = q[T];
  if (T == 0) p[32] = (uint8_t)B;
}
K c_halves(uint32_t *o, uint32_t *u) { ((uint16_t *)o)[T * gridDim.x + B] = (uint16_t)(T * gridDim.x + B); }
K c_same_value(uint32_t *o, uint32_t *u) { // every block stores the same, and reads its own back
  if (T) return;
  put(o, 5), put(o, 5);
  put(o + 1 + B, get(o) + B);
}
K c_same_row(uint32_t *o, uint32_t *u) {
  put(u + T, T);
  uint32_t v = get(u + T);
  put(o + 32 + T, v * 2);
}
K c_input(uint32_t *o, uint32_t *u) { o[32 + B * 32 + T] = o[31 - T] + __ldg(o + T) + B; }
K c_atomics(uint32_t *o, uint32_t *u) { atomicAdd(o + 128, B + T), atomicMax(o, B), atomicOr(o + 129, 1u << B); }
K c_hand_over(uint32_t *o, uint32_t *u) { // block 0, then 1, then 2
  if (T) return;
  volatile uint32_t *flag = o + 128;
  if (B) while (*flag != B) {}
  __threadfence();
  put(o, B ? get(o) + B : 1);
  __threadfence();
  *flag = B + 1;
}
K c_mutex(uint32_t *o, uint32_t *u) {
  if (T) return;
  while (atomicCAS(o + 128, 0u, 1u)) {}
  __threadfence();
  put(o, get(o) + B + 1);
  __threadfence();
  atomicExch(o + 128, 0u);
}
K c_last_block(uint32_t *o, uint32_t *u) {
  if (T) return;
  put(u + B, B + 1);
  __threadfence();
  if (atomicAdd(o + 128, 1u) == gridDim.x - 1) {
    __threadfence();
    put(o, get(u) + get(u + 1) + get(u + 2));
    put(o + 128, 0);
  }
}
K c_ticket(uint32_t *o, uint32_t *u) {
  uint32_t t = T ? 0 : atomicAdd(o + 128, 1u);
  t = __shfl_sync(0xffffffffu, t, 0);
  o[t * 32 + T] += t;
}
K c_look_back(uint32_t *o, uint32_t *u) { // a running sum over the blocks
  if (T) return;
  volatile uint32_t *flag = o + 128;
  uint32_t t = atomicAdd(o + 160, 1u), sum = t + 1;
  if (t) {
    while (!flag[t - 1]) {}
    __threadfence();
    sum += get(u + t - 1);
  }
  put(u + t, sum), put(o + t, sum);
  __threadfence();
  flag[t] = 1;
}
// ---- atomics against plain accesses ----
K r_zero_while_adding(uint32_t *o, uint32_t *u) { // one block clears, all add
  if (B == 0) put(o + 128 + T, 0);
  __syncthreads();
  atomicAdd(o + 128 + T, 1u);
}
K r_sum_too_early(uint32_t *o, uint32_t *u) { // what the blocks have added is read before all have
  atomicAdd(o + 128, T);
  __syncthreads();
  put(o + B * 32 + T, get(o + 128));
}
K r_store_under_max(uint32_t *o, uint32_t *u) {
  if (T == 0 && B < 2) atomicMax(o, 100u);
  if (T == 0 && B == 2) put(o, 5);
}
K rn_atomic(uint32_t *o, uint32_t *u) {
  uint32_t v = 0;
  if (B == 0) {
    asm volatile("ld.global.nc.u32 %0, [%1];" : "=r"(v) : "l"(o + T) : "memory");
    put(o + 32 + T, v);
  } else if (B == 1)
    atomicAdd(o + T, 9);
}
K c_cas_loop(uint32_t *o, uint32_t *u) { // the first guess is a plain load
  if (T) return;
  uint32_t seen = get(o), guess;
  do guess = seen, seen = atomicCAS(o, guess, guess + B + 1);
  while (seen != guess);
}
K c_asks_first(uint32_t *o, uint32_t *u) {
  if (get(o) < 50 + T) atomicMax(o, 50 + T);
}
K c_last_clears(uint32_t *o, uint32_t *u) { // no fence: nothing but the ticket is handed over
  if (T == 0 && atomicAdd(o + 128, 1u) == gridDim.x - 1) put(o + 128, 0), put(o, 9);
}
K c_last_sums(uint32_t *o, uint32_t *u) {
  atomicAdd(o + 129, T);
  __syncthreads();
  if (T) return;
  __threadfence();
  if (atomicAdd(o + 128, 1u) == gridDim.x - 1) {
    __threadfence();
    put(o, get(o + 129)), put(o + 129, 0), put(o + 128, 0);
  }
}
K c_volatile_unlock(uint32_t *o, uint32_t *u) {
  if (T) return;
  while (atomicCAS(o + 128, 0u, 1u)) {}
  __threadfence();
  put(o, get(o) + B + 1);
  __threadfence();
  *(volatile uint32_t *)(o + 128) = 0;
}
