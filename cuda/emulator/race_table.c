/* race_table.c: what the check of global memory keeps beside its cells: words whose bytes differ, who wrote what
   several blocks wrote, and who holds which words now. */
#include "race.h"
#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { CHUNK = 1 << 14, CHUNKS = 1 << 9, KEYS_MAX = 1 << 24 };
struct RaceTable {
  pthread_mutex_t lock;
  RaceBytes *_Atomic chunk[CHUNKS];
  u32 used;
  u64 *keys; /* open addressing; 0: free */
  u64 key_room, key_count;
  bool full;
};

RaceTable *race_table_new(void) {
  RaceTable *t = calloc(1, sizeof *t);
  if (t) pthread_mutex_init(&t->lock, NULL);
  return t;
}
void race_table_free(RaceTable *t) {
  if (!t) return;
  for (u32 k = 0; k < CHUNKS; k++) free(t->chunk[k]);
  pthread_mutex_destroy(&t->lock);
  free(t->keys), free(t);
}

RaceBytes *race_bytes(RaceTable *t, u32 writer) {
  u32 at = (writer >> RACE_BLOCK) - 1;
  return &t->chunk[at / CHUNK][at % CHUNK];
}
RaceBytes *race_spill(RaceTable *t, u32 *writer, u32 *reader) {
  pthread_mutex_lock(&t->lock);
  u32 at = t->used;
  RaceBytes *room = NULL;
  if (at < CHUNK * CHUNKS - 1) {
    if (!t->chunk[at / CHUNK]) t->chunk[at / CHUNK] = calloc(CHUNK, sizeof *room);
    room = t->chunk[at / CHUNK];
  }
  if (room) t->used++;
  pthread_mutex_unlock(&t->lock);
  if (!room) return NULL;
  *writer = (at + 1) << RACE_BLOCK, *reader = 0;
  return room + at % CHUNK;
}

/* Cells are kept from launch to launch; the epoch tells whose they are. Clearing is cheaper than new pages while it is
   short. */
enum { CELLS_SMALL = 8 << 20 };
void race_cells_free(Alloc *al) {
  size_t bytes = (size_t)race_words(al) * 2 * sizeof *al->race;
  if (bytes <= CELLS_SMALL)
    free(al->race);
  else if (al->race)
    (void)munmap(al->race, bytes);
}
u32 *race_cells(Launch *l, Alloc *al) {
  if (LIKELY(atomic_load_explicit(&al->race_epoch, memory_order_acquire) == l->race_epoch)) return al->race;
  size_t bytes = (size_t)race_words(al) * 2 * sizeof *al->race;
  pthread_mutex_lock(&l->lock);
  if (atomic_load(&al->race_epoch) != l->race_epoch) {
    if (al->race && bytes <= CELLS_SMALL)
      memset(al->race, 0, bytes);
    else if (al->race)
      (void)madvise(al->race, bytes, MADV_DONTNEED);
    else if (bytes <= CELLS_SMALL)
      al->race = calloc(1, bytes);
    else {
      void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
      if (p != MAP_FAILED) al->race = p, (void)madvise(p, bytes, MADV_HUGEPAGE);
    }
    atomic_store_explicit(&al->race_epoch, l->race_epoch, memory_order_release);
  }
  pthread_mutex_unlock(&l->lock);
  if (!al->race) atomic_fetch_or(&l->race_gaps, RACE_GAP_MEMORY);
  return al->race;
}

/* ---- pairs of byte and block ---- */
static u64 key_of(u64 address, u64 block) { return 1ull << 63 | (address - mem_arena_base) << 25 | block; }
static u64 slot_of(const RaceTable *t, u64 key) {
  u64 at = key * 0x9e3779b97f4a7c15ull >> 20 & (t->key_room - 1);
  while (t->keys[at] && t->keys[at] != key) at = (at + 1) & (t->key_room - 1);
  return at;
}
static bool keys_grow(RaceTable *t) {
  RaceTable bigger = {.key_room = t->key_room ? 2 * t->key_room : 1024};
  if (bigger.key_room > KEYS_MAX || !(bigger.keys = calloc(bigger.key_room, sizeof *bigger.keys))) return false;
  for (u64 k = 0; k < t->key_room; k++)
    if (t->keys[k]) bigger.keys[slot_of(&bigger, t->keys[k])] = t->keys[k];
  free(t->keys);
  t->keys = bigger.keys, t->key_room = bigger.key_room;
  return true;
}
void race_wrote(RaceTable *t, u64 address, u64 block) {
  u64 key = key_of(address, block);
  pthread_mutex_lock(&t->lock);
  if (!t->full && 2 * (t->key_count + 1) > t->key_room) t->full = !keys_grow(t);
  if (!t->full) {
    u64 at = slot_of(t, key);
    t->key_count += !t->keys[at];
    t->keys[at] = key;
  }
  pthread_mutex_unlock(&t->lock);
}
bool race_has_written(RaceTable *t, u64 address, u64 block) {
  u64 key = key_of(address, block);
  pthread_mutex_lock(&t->lock);
  bool found = t->full || (t->key_room && t->keys[slot_of(t, key)] == key);
  pthread_mutex_unlock(&t->lock);
  return found;
}

/* ---- holding words ---- */
enum { LOCKS = 512, LOCK_SHIFT = 10, PATIENCE = 200 };
static struct { _Alignas(64) _Atomic(u32) busy; } locks[LOCKS];

static void take(u32 k) {
  for (u32 tries = 0; atomic_exchange_explicit(&locks[k].busy, 1, memory_order_acquire); tries++)
    while (atomic_load_explicit(&locks[k].busy, memory_order_relaxed))
      if (++tries > PATIENCE) (void)sched_yield();
}
RaceHold race_hold(u64 address, u32 bytes) {
  u32 a = (u32)(address >> LOCK_SHIFT) % LOCKS, b = (u32)((address + bytes - 1) >> LOCK_SHIFT) % LOCKS;
  RaceHold h = {a < b ? a : b, a == b ? ~0u : a < b ? b : a};
  take(h.first);
  if (h.second != ~0u) take(h.second);
  return h;
}
void race_release(RaceHold h) {
  if (h.first != ~0u) atomic_store_explicit(&locks[h.first].busy, 0, memory_order_release);
  if (h.second != ~0u) atomic_store_explicit(&locks[h.second].busy, 0, memory_order_release);
}
