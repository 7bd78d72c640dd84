/* alloc.c: global memory. Device addresses are host addresses inside one reserved arena, whose granules of 64 KiB know
   their allocation, so that the owner of an address is found with one load. Between allocations lie gaps that nobody
   owns. */
#include "race.h"
#include <stdlib.h>
#include <sys/mman.h>

enum { GAP_GRANULES = 1 };
static const u64 sizes[] = {1ull << 38, 1ull << 36, 1ull << 34, 1ull << 32};
u64 mem_arena_base, mem_arena_size;
u32 *mem_owner; /* per granule: index into mem_table, 0 none */
Alloc **mem_table;
static u32 table_count, table_capacity;
static u64 next_granule, used_bytes;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
typedef struct Free {
  u64 first, count;
  struct Free *next;
} Free;
static Free *free_list;
static const u64 total_bytes = 16ull << 30;

/* Zeroed memory for notes about an allocation. What is small comes from the heap: clearing pages that the process has
   is several times cheaper than getting them from the system and giving them back, allocation after allocation. */
enum { SMALL = 4 << 20 };
static void *notes_new(size_t bytes) {
  if (bytes <= SMALL) return calloc(1, bytes);
  void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return p == MAP_FAILED ? NULL : p;
}
static void notes_clear(void *notes, size_t bytes) {
  if (bytes <= SMALL)
    memset(notes, 0, bytes);
  else
    (void)madvise(notes, bytes, MADV_DONTNEED);
}
static void notes_free(void *notes, size_t bytes) {
  if (bytes <= SMALL)
    free(notes);
  else if (notes)
    (void)munmap(notes, bytes);
}

static bool arena_open(void) {
  for (u32 k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
    void *p = mmap((void *)0x200000000000ull, sizes[k], PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) continue;
    size_t owners = (size_t)(sizes[k] >> GRANULE_SHIFT) * sizeof *mem_owner;
    void *o = mmap(NULL, owners, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (o == MAP_FAILED) {
      (void)munmap(p, sizes[k]);
      continue;
    }
    u64 base = (u64)(uintptr_t)p, aligned = (base + (1u << GRANULE_SHIFT) - 1) & ~((1ull << GRANULE_SHIFT) - 1);
    mem_arena_base = aligned, mem_arena_size = sizes[k] - (aligned - base) - (1u << GRANULE_SHIFT);
    mem_owner = o;
    return true;
  }
  return false;
}

static bool find_room(u64 granules, u64 *first) {
  for (Free **at = &free_list; *at; at = &(*at)->next) {
    Free *f = *at;
    if (f->count < granules) continue;
    *first = f->first;
    f->first += granules, f->count -= granules;
    if (!f->count) {
      *at = f->next;
      free(f);
    }
    return true;
  }
  if (next_granule + granules > mem_arena_size >> GRANULE_SHIFT) return false;
  *first = next_granule;
  next_granule += granules;
  return true;
}

static u32 table_add(Alloc *al) {
  for (u32 k = 1; k < table_count; k++)
    if (!mem_table[k]) {
      mem_table[k] = al;
      return k;
    }
  if (table_count == table_capacity) {
    u32 room = table_capacity ? 2 * table_capacity : 1024;
    Alloc **grown = calloc(room, sizeof(Alloc *)); /* the old table stays: a running launch may read it */
    if (!grown) return 0;
    if (table_count) memcpy(grown, mem_table, table_count * sizeof(Alloc *));
    mem_table = grown, table_capacity = room;
    if (!table_count) table_count = 1;
  }
  mem_table[table_count] = al;
  return table_count++;
}

/* Returns the address of `size` zeroed, not yet written bytes; 0 when there is no room. */
u64 mem_alloc(u64 size, AllocKind kind) {
  static u32 serial;
  u64 r = 0, granules = ((size + (1u << GRANULE_SHIFT) - 1) >> GRANULE_SHIFT) + GAP_GRANULES, first;
  pthread_mutex_lock(&lock);
  Alloc *al = NULL;
  if (size && size <= total_bytes && used_bytes + size <= total_bytes && (mem_owner || arena_open()) &&
      (al = calloc(1, sizeof *al)) && find_room(granules, &first)) {
    al->base = mem_arena_base + (first << GRANULE_SHIFT), al->size = size, al->kind = kind;
    al->all_init = kind == ALLOC_MODULE || kind == ALLOC_CONST;
    al->readonly = kind == ALLOC_CONST;
    size_t words = (size_t)((size + 63) / 64) + 2;
    void *bits = al->all_init ? NULL : notes_new(words * 8);
    u32 index = al->all_init || bits ? table_add(al) : 0;
    if (index) {
      al->init = bits;
      al->id = ++serial;
      for (u64 g = 0; g + GAP_GRANULES < granules; g++) mem_owner[first + g] = index;
      used_bytes += size;
      r = al->base;
    } else
      free(al);
  } else
    free(al);
  pthread_mutex_unlock(&lock);
  return r;
}

bool mem_free(u64 base) {
  pthread_mutex_lock(&lock);
  Alloc *al = mem_find(base);
  bool ok = al && al->base == base;
  if (ok) {
    u64 first = (base - mem_arena_base) >> GRANULE_SHIFT,
        granules = ((al->size + (1u << GRANULE_SHIFT) - 1) >> GRANULE_SHIFT) + GAP_GRANULES;
    u32 index = mem_owner[first];
    for (u64 g = 0; g < granules; g++) mem_owner[first + g] = 0;
    notes_clear((void *)(uintptr_t)base, (size_t)(al->size <= SMALL ? al->size : granules << GRANULE_SHIFT));
    mem_table[index] = NULL;
    used_bytes -= al->size;
    Free *f = malloc(sizeof *f);
    if (f) *f = (Free){first, granules, free_list}, free_list = f;
    notes_free((void *)(uintptr_t)al->init, (size_t)((al->size + 63) / 64 + 2) * 8);
    race_cells_free(al);
    free((void *)al->touched[0]), free((void *)al->touched[1]), free(al);
  }
  pthread_mutex_unlock(&lock);
  return ok;
}

/* Bits of written bytes. Whole words are stored, partial ones combined atomically, so that blocks may write neighbours.
 */
void mem_mark_init(Alloc *al, u64 address, u64 size) {
  if (al->all_init || !size) return;
  u64 at = address - al->base, end = at + size;
  if (at == 0 && size == al->size) {
    al->all_init = true;
    return;
  }
  while (at < end) {
    u64 word = at / 64, bit = at % 64, n = 64 - bit < end - at ? 64 - bit : end - at;
    u64 mask = (n == 64 ? ~0ull : ((1ull << n) - 1)) << bit;
    if (n == 64)
      atomic_store_explicit(&al->init[word], mask, memory_order_relaxed);
    else if ((atomic_load_explicit(&al->init[word], memory_order_relaxed) & mask) != mask)
      (void)atomic_fetch_or_explicit(&al->init[word], mask, memory_order_relaxed);
    at += n;
  }
}
/* Bytes that nobody has written again: an allocation that was whole gets its bits back. */
void mem_forget(Alloc *al, u64 address, u64 size) {
  u64 at = address - al->base, end = at + size;
  if (!al->init) return;
  if (al->all_init) {
    al->all_init = false;
    if (size < al->size) {
      mem_mark_init(al, al->base, at);
      mem_mark_init(al, al->base + end, al->size - end);
    }
  }
  for (; at < end; at++) (void)atomic_fetch_and(&al->init[at / 64], ~(1ull << at % 64));
}
bool mem_is_init(const Alloc *al, u64 address, u64 size) {
  if (al->all_init) return true;
  u64 at = address - al->base, end = at + size;
  while (at < end) {
    u64 word = at / 64, bit = at % 64, n = 64 - bit < end - at ? 64 - bit : end - at;
    u64 mask = (n == 64 ? ~0ull : ((1ull << n) - 1)) << bit;
    if ((atomic_load_explicit(&al->init[word], memory_order_relaxed) & mask) != mask) return false;
    at += n;
  }
  return true;
}

void mem_each(void (*f)(Alloc *, void *), void *arg) {
  for (u32 k = 1; k < table_count; k++)
    if (mem_table[k]) f(mem_table[k], arg);
}
u64 mem_used(void) { return used_bytes; }
u64 mem_total(void) { return total_bytes; }
