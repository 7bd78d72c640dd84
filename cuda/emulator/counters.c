/* counters.c: exact counts of one launch: instructions by class, memory traffic in requests, bytes and 32-byte sectors,
   bank wavefronts, barriers, divergence. */
#include "counters.h"
#include "handlers.h"
#include <stdio.h>
#include <stdlib.h>

enum { SECTOR_SHIFT = 5, BANKS = 32 };

const char *class_name(InsnClass c) {
  static const char *const names[] = {"integer", "f32",   "f64",   "f16",    "convert", "move",    "global",
                                      "shared",  "local", "param", "atomic", "warp",    "barrier", "control"};
  return names[c];
}
InsnClass class_of(const char *op) {
  static const struct {
    const char *prefix;
    InsnClass kind;
  } prefixes[] = {
      {"ld.param", CLASS_PARAM}, {"ld.shared", CLASS_SHARED}, {"st.shared", CLASS_SHARED}, {"ld.local", CLASS_LOCAL},
      {"st.local", CLASS_LOCAL}, {"st.param", CLASS_PARAM},   {"ld", CLASS_GLOBAL},        {"st.", CLASS_GLOBAL},
      {"cp.", CLASS_GLOBAL},     {"atom", CLASS_ATOMIC},      {"red.", CLASS_ATOMIC},      {"bar.warp", CLASS_WARP},
      {"bar", CLASS_BARRIER},    {"shfl", CLASS_WARP},        {"vote", CLASS_WARP},        {"match", CLASS_WARP},
      {"redux", CLASS_WARP},     {"activemask", CLASS_WARP},  {"elect", CLASS_WARP},       {"membar", CLASS_BARRIER},
      {"fence", CLASS_BARRIER},  {"bra", CLASS_CONTROL},      {"brx", CLASS_CONTROL},      {"ret", CLASS_CONTROL},
      {"exit", CLASS_CONTROL},   {"call", CLASS_CONTROL},     {"trap", CLASS_CONTROL},     {"cvta", CLASS_MOVE},
      {"cvt", CLASS_CONVERT},    {"mov", CLASS_MOVE},         {"selp", CLASS_MOVE},        {"setp", CLASS_INTEGER}};
  for (size_t k = 0; k < sizeof prefixes / sizeof prefixes[0]; k++)
    if (prefixes[k].kind != CLASS_INTEGER && !strncmp(op, prefixes[k].prefix, strlen(prefixes[k].prefix)))
      return prefixes[k].kind;
  if (strstr(op, ".f64")) return CLASS_F64;
  if (strstr(op, ".f32")) return CLASS_F32;
  return strstr(op, "f16") ? CLASS_F16 : CLASS_INTEGER;
}

/* Distinct units of 1 << shift bytes that the lanes' accesses touch. */
static u32 distinct_units(const u64 *address, u32 mask, u32 bytes, u32 shift) {
  u64 seen[LANES * 32];
  u32 n = 0;
  for (u32 k = mask; k; k &= k - 1) {
    u64 a = address[__builtin_ctz(k)];
    for (u64 x = a >> shift; x <= (a + bytes - 1) >> shift; x++) {
      u32 at = n;
      while (at > 0 && seen[at - 1] > x) at--;
      if (at > 0 && seen[at - 1] == x) continue;
      memmove(seen + at + 1, seen + at, (n - at) * sizeof *seen);
      seen[at] = x, n++;
    }
  }
  return n;
}

static void touch(Alloc *al, u32 which, u64 at, u64 bytes) {
  if (!al->touched[which]) {
    static pthread_mutex_t once = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&once);
    if (!al->touched[which]) al->touched[which] = calloc((size_t)(al->size / 64 + 2), sizeof(u64));
    pthread_mutex_unlock(&once);
  }
  _Atomic(u64) *bits = al->touched[which];
  (void)atomic_fetch_add_explicit(&al->requested[which], bytes, memory_order_relaxed);
  for (u64 end = at + bytes; bits && at < end;) {
    u64 bit = at % 64, n = 64 - bit < end - at ? 64 - bit : end - at;
    (void)atomic_fetch_or_explicit(&bits[at / 64], (n == 64 ? ~0ull : (1ull << n) - 1) << bit, memory_order_relaxed);
    at += n;
  }
}

void count_global(Warp *w, const Insn *i, const MemOp *m, const u64 *address, u32 mask, u32 bytes) {
  Counters *c = w->block->counters;
  Traffic *t = m->atomic ? &c->atomic : m->store ? &c->store : &c->load;
  (void)i;
  t->requests++, t->bytes += (u64)(u32)__builtin_popcount(mask) * bytes;
  t->sectors += distinct_units(address, mask, bytes, SECTOR_SHIFT);
  for (u32 k = mask; k; k &= k - 1) {
    u64 a = address[__builtin_ctz(k)];
    Alloc *al = mem_find(a);
    if (!al || al->size - (a - al->base) < bytes) continue;
    if (!m->store || m->atomic) touch(al, 0, a - al->base, bytes);
    if (m->store) touch(al, 1, a - al->base, bytes);
  }
}

/* Shared memory has 32 banks of 4 bytes. An access of 4 bytes or less goes out once for the warp, one of 8 bytes for
   each half, one of 16 for each quarter; each goes out again for every further word that a bank must give. */
void count_shared(Warp *w, const Insn *i, const MemOp *m, const u64 *address, u32 mask, u32 bytes) {
  Counters *c = w->block->counters;
  u32 parts = bytes <= 4 ? 1 : bytes <= 8 ? 2 : bytes <= 16 ? 4 : 8, lanes = LANES / parts;
  (void)i, (void)m;
  c->shared_requests++, c->shared_bytes += (u64)(u32)__builtin_popcount(mask) * bytes;
  for (u32 p = 0; p < parts; p++) {
    u32 part = mask & ((parts == 1 ? ALL_LANES : (1u << lanes) - 1u) << (p * lanes)), words = 0, worst = 0;
    u64 seen[LANES * 8];
    u32 load[BANKS] = {0};
    if (!part) continue;
    for (u32 k = part; k; k &= k - 1) {
      u64 a = (u32)address[__builtin_ctz(k)];
      for (u64 x = a / 4; x <= (a + bytes - 1) / 4; x++) {
        u32 at = 0;
        while (at < words && seen[at] != x) at++;
        if (at < words) continue;
        seen[words++] = x;
        u32 n = ++load[x % BANKS];
        worst = n > worst ? n : worst;
      }
    }
    c->shared_wavefronts += worst;
    c->shared_ideal += (words + BANKS - 1) / BANKS;
  }
}

void counters_add(Launch *l, Block *b) {
  Counters *c = b->counters, *to = l->counters;
  const Module *m = l->fn->module;
  c->branches = b->branches, c->divergent = b->divergent, c->barriers = b->barriers_hit;
  for (u32 f = 0; f < m->function_count; f++) {
    const Function *fn = m->functions[f];
    u64 warps = 0, threads = 0;
    for (u32 k = 0; k < fn->count; k++) {
      warps += b->diff_warp[fn->code_base + k], threads += b->diff_thread[fn->code_base + k];
      if (!warps) continue;
      InsnClass kind = class_of(fn->info[k].opcode);
      u64 on = threads - b->guarded_off[fn->code_base + k];
      c->warp[kind] += warps, c->thread[kind] += on;
      c->warp_insns += warps, c->thread_insns += on;
    }
  }
  u64 *sum = (u64 *)to;
  const u64 *part = (const u64 *)c;
  for (size_t k = 0; k < sizeof *c / sizeof(u64); k++) sum[k] += part[k];
}

static void reset(Alloc *al, void *unused) {
  (void)unused;
  for (int k = 0; k < 2; k++) {
    free((void *)al->touched[k]);
    al->touched[k] = NULL;
    atomic_store(&al->requested[k], 0);
  }
}
void counters_reset_memory(void) { mem_each(reset, NULL); }

typedef struct {
  char *out;
  size_t size;
  bool any;
} Text;
static void add(Text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(Text *t, const char *format, ...) {
  size_t n = strlen(t->out);
  __builtin_va_list args;
  __builtin_va_start(args, format);
  if (n < t->size) (void)vsnprintf(t->out + n, t->size - n, format, args);
  __builtin_va_end(args);
}
#define N(x) ((unsigned long long)(x))

static void add_traffic(Text *t, const char *name, const Traffic *x) {
  add(t, ",\"%s\":{\"requests\":%llu,\"bytes\":%llu,\"sectors\":%llu}", name, N(x->requests), N(x->bytes),
      N(x->sectors));
}
static void add_buffer(Alloc *al, void *arg) {
  Text *t = arg;
  if (strlen(t->out) + 512 > t->size || (!al->touched[0] && !al->touched[1])) return;
  add(t, "%s{\"allocation\":%u,\"size\":%llu", t->any ? "," : "", al->id, N(al->size));
  for (int k = 0; k < 2; k++) {
    u64 bytes = 0, sectors = 0;
    for (u64 x = 0; al->touched[k] && x < al->size / 64 + 1; x++) {
      u64 bits = al->touched[k][x];
      bytes += (u64)__builtin_popcountll(bits);
      sectors += (u64)((u32)bits != 0) + (u64)(bits >> 32 != 0);
    }
    add(t, ",\"%s\":{\"requested_bytes\":%llu,\"distinct_bytes\":%llu,\"distinct_sectors\":%llu}", k ? "store" : "load",
        N(al->requested[k]), N(bytes), N(sectors));
  }
  add(t, "}");
  t->any = true;
}

void counters_json(const Launch *l, const Counters *c, char *out, size_t size) {
  Text t = {out, size, false};
  out[0] = 0;
  add(&t,
      "{\"threads\":%llu,\"thread_instructions\":%llu,\"warp_instructions\":%llu,\"lane_efficiency\":%.6f,\"classes\":"
      "{",
      N(l->blocks * l->block[0] * l->block[1] * l->block[2]), N(c->thread_insns), N(c->warp_insns),
      c->warp_insns ? (double)c->thread_insns / (double)(c->warp_insns * LANES) : 0.0);
  for (InsnClass k = 0; k < CLASS_COUNT; k++)
    add(&t, "%s\"%s\":{\"warp\":%llu,\"thread\":%llu}", k ? "," : "", class_name(k), N(c->warp[k]), N(c->thread[k]));
  add(&t, "},\"branches\":%llu,\"divergent_branches\":%llu,\"barriers\":%llu", N(c->branches), N(c->divergent),
      N(c->barriers));
  add_traffic(&t, "global_load", &c->load);
  add_traffic(&t, "global_store", &c->store);
  add_traffic(&t, "global_atomic", &c->atomic);
  add(&t, ",\"shared\":{\"requests\":%llu,\"bytes\":%llu,\"wavefronts\":%llu,\"ideal_wavefronts\":%llu},\"buffers\":[",
      N(c->shared_requests), N(c->shared_bytes), N(c->shared_wavefronts), N(c->shared_ideal));
  mem_each(add_buffer, &t);
  add(&t, "]}");
}
