/* table.c: finds the row of an opcode. One set of handlers is chosen at start, by what the processor can do. */
#include "emu.h"
#include <stdlib.h>

#if defined __x86_64__ && !defined EMU_BASELINE_ONLY
extern const Isa emu_isa_baseline, emu_isa_avx2, emu_isa_avx512;
#else
extern const Isa emu_isa_baseline;
#endif

typedef struct {
  const char *name;
  size_t length;
  const Row *row;
} Entry;
enum { BUCKETS = 1 << 14 };
static Entry entries[BUCKETS];
static const Isa *isa;
static const char *name_of_isa = "baseline";
static pthread_once_t once = PTHREAD_ONCE_INIT;

static u32 hash(const char *s, size_t n) {
  u32 h = 2166136261u;
  for (size_t k = 0; k < n; k++) h = (h ^ (u8)s[k]) * 16777619u;
  return h ^ h >> 15;
}
static Entry *slot_of(const char *s, size_t n) {
  for (u32 h = hash(s, n);; h++) {
    Entry *e = &entries[h & (BUCKETS - 1)];
    if (!e->name || (e->length == n && !memcmp(e->name, s, n))) return e;
  }
}
static void choose(void) {
  isa = &emu_isa_baseline;
#if defined __x86_64__ && !defined EMU_BASELINE_ONLY
  const char *env = getenv("SAMEBITS_EMU_ISA");
  __builtin_cpu_init();
  bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"),
       avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
  if (env && !strcmp(env, "baseline")) avx2 = avx512 = false;
  if (env && !strcmp(env, "avx2")) avx512 = false;
  if (avx2) isa = &emu_isa_avx2, name_of_isa = "avx2";
  if (avx512) isa = &emu_isa_avx512, name_of_isa = "avx512";
#endif
  for (u32 t = 0; isa->tables[t] != NULL; t++)
    for (u32 k = 0; k < isa->tables[t]->count; k++) {
      const Row *row = &isa->tables[t]->rows[k];
      for (const char *at = row->names; *at;) {
        size_t n = strcspn(at, " ");
        Entry *e = slot_of(at, n);
        if (!e->name) *e = (Entry){at, n, row};
        at += n;
        while (*at == ' ') at++;
      }
    }
}
const Isa *isa_current(void) {
  (void)pthread_once(&once, choose);
  return isa;
}
const char *isa_name(void) {
  (void)isa_current();
  return name_of_isa;
}
const Row *row_find(const char *opcode) {
  (void)isa_current();
  return slot_of(opcode, strlen(opcode))->row;
}
