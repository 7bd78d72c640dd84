/* sweep-formats: all 2^32 values of f32 to f16, bf16, e4m3 (both policies) and e5m2 (both), the long tier of
 * test_formats. formats.c and the lanes against the list of values in format_table.h, walked in step with the input.
 *
 *   sweep-formats [--checkpoint FILE] [--shard I/N] [--jobs N] [--chunks N]
 *
 * The work is 256 chunks of 2^24 inputs. A chunk that ended well is a line of the checkpoint file, and is not done
 * again. --shard does every Nth chunk from I on, --chunks at most so many. Exit 0: all chunks of the shard are done;
 * 1: a conversion is wrong; 3: chunks are left, or a file failed. */
#include "ref/lanes.h"
#include "tests/format_table.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { CHUNKS = 256, CHUNK_BITS = 24, F16 = 0, BF16, E4M3, E5M2 };

static format_table tables[TABLE_FORMATS];

static struct {
  pthread_mutex_t lock;
  bool done[CHUNKS];
  int next, shard, shards, budget, finished, wrong;
  FILE *checkpoint;
} work = {.lock = PTHREAD_MUTEX_INITIALIZER, .shards = 1, .budget = CHUNKS};

static int differ(uint32_t bits, const char *what, uint32_t got, uint32_t want) {
  if (got == want) return 0;
  fprintf(stderr, "f32 0x%08x (%a): %s is 0x%x, not 0x%x\n", bits, (double)sb_f32_from_bits(bits), what, got, want);
  return 1;
}

/* The lanes of one value, as bits; -1 where a NaN is one, so that NaN is one class. */
static int lanes_differ(uint32_t bits, float v, const uint32_t want[4]) {
  const float e4m3 = sb_lane_e4m3(sb_lane_clamp(v, -448.0F, 448.0F));
  uint16_t f16, bf16;
  sb_lane_store(SB_F16, &f16, 0, sb_lane_f16(v));
  sb_lane_store(SB_BF16, &bf16, 0, sb_lane_bf16(v));
  if (v != v) {
    const bool nan = (f16 & 0x7fff) > 0x7c00 && (bf16 & 0x7fff) > 0x7f80 && (sb_lane_e4m3_bits(e4m3) & 0x7f) == 0x7f;
    return differ(bits, "NaN in the lanes", nan, true);
  }
  return differ(bits, "f16 lane", f16, want[F16]) + differ(bits, "bf16 lane", bf16, want[BF16]) +
         differ(bits, "e4m3 lane", sb_lane_e4m3_bits(e4m3), want[E4M3]);
}

/* One chunk; inputs of one sign ascend in magnitude, so the place in each list only moves up. */
static int chunk_differs(int chunk) {
  int place[4] = {0, 0, 0, 0}, wrong = 0;
  const uint32_t begin = (uint32_t)chunk << CHUNK_BITS;
  for (uint32_t i = 0; i < 1U << CHUNK_BITS && wrong < 20; i++) {
    const uint32_t bits = begin + i, magnitude_bits = bits & 0x7fffffffU;
    const float v = sb_f32_from_bits(bits);
    const double magnitude = (double)sb_f32_from_bits(magnitude_bits);
    uint32_t infinity[4], most[4], nan;
    for (int t = 0; t < 4; t++) {
      const format_table *table = &tables[t];
      while (place[t] < table->finite && table->value[place[t] + 1] <= magnitude) place[t]++;
      const uint32_t sign = bits >> 31 ? table->sign_bit : 0;
      infinity[t] = v != v ? table->nan : sign | format_table_nearest(table, place[t], magnitude, TABLE_TO_INFINITY);
      most[t] = v != v ? table->nan : sign | format_table_nearest(table, place[t], magnitude, TABLE_TO_MAX);
    }
    nan = v != v ? 0x7f
                 : (bits >> 31 ? 0x80 : 0) | format_table_nearest(&tables[E4M3], place[E4M3], magnitude, TABLE_TO_NAN);
    wrong += differ(bits, "sb_f32_to_f16", sb_f32_to_f16(v), infinity[F16]);
    wrong += differ(bits, "sb_f32_to_bf16", sb_f32_to_bf16(v), infinity[BF16]);
    wrong += differ(bits, "sb_f32_to_e4m3_nan", sb_f32_to_e4m3_nan(v), nan);
    wrong += differ(bits, "sb_f32_to_e4m3_sat", sb_f32_to_e4m3_sat(v), most[E4M3]);
    wrong += differ(bits, "sb_f32_to_e5m2_inf", sb_f32_to_e5m2_inf(v), infinity[E5M2]);
    wrong += differ(bits, "sb_f32_to_e5m2_sat", sb_f32_to_e5m2_sat(v), most[E5M2]);
    const uint32_t lanes[4] = {infinity[F16], infinity[BF16], most[E4M3], 0};
    wrong += lanes_differ(bits, v, lanes);
  }
  return wrong;
}

/* Takes the next chunk of the shard that is not done; -1: none, or the budget is spent, or something was wrong. */
static int take(void) {
  int chunk = -1;
  pthread_mutex_lock(&work.lock);
  while (work.next < CHUNKS && (work.done[work.next] || work.next % work.shards != work.shard)) work.next++;
  if (work.next < CHUNKS && work.budget > 0 && work.wrong == 0) {
    chunk = work.next++;
    work.budget--;
  }
  pthread_mutex_unlock(&work.lock);
  return chunk;
}

static void note(int chunk, int wrong) {
  pthread_mutex_lock(&work.lock);
  work.wrong += wrong;
  if (wrong == 0) {
    work.done[chunk] = true;
    work.finished++;
    if (work.checkpoint) {
      fprintf(work.checkpoint, "chunk %d\n", chunk);
      fflush(work.checkpoint);
    }
    if (isatty(STDERR_FILENO)) fprintf(stderr, "\rsweep-formats: %d chunks of 2^24 f32", work.finished);
  }
  pthread_mutex_unlock(&work.lock);
}

static void *worker(void *unused) {
  (void)unused;
  for (int chunk; (chunk = take()) >= 0;) note(chunk, chunk_differs(chunk));
  return NULL;
}

static bool open_checkpoint(const char *path) {
  work.checkpoint = fopen(path, "a+");
  if (!work.checkpoint) return false;
  rewind(work.checkpoint);
  char line[64];
  int chunk;
  while (fgets(line, sizeof line, work.checkpoint)) {
    if (strchr(line, '\n') && sscanf(line, "chunk %d", &chunk) == 1 && chunk >= 0 && chunk < CHUNKS)
      work.done[chunk] = true;
  }
  return fseek(work.checkpoint, 0, SEEK_END) == 0;
}

int main(int argc, char **argv) {
  long jobs = sysconf(_SC_NPROCESSORS_ONLN);
  for (int i = 1; i < argc; i += 2) {
    const char *value = i + 1 < argc ? argv[i + 1] : "";
    bool good = false;
    if (strcmp(argv[i], "--checkpoint") == 0 && *value) {
      if (!open_checkpoint(value)) {
        perror(value);
        return 3;
      }
      good = true;
    } else if (strcmp(argv[i], "--shard") == 0) {
      good = sscanf(value, "%d/%d", &work.shard, &work.shards) == 2 && work.shard >= 0 && work.shard < work.shards;
    } else if (strcmp(argv[i], "--jobs") == 0) {
      good = sscanf(value, "%ld", &jobs) == 1 && jobs > 0;
    } else if (strcmp(argv[i], "--chunks") == 0) {
      good = sscanf(value, "%d", &work.budget) == 1 && work.budget > 0;
    }
    if (!good) {
      fprintf(stderr, "sweep-formats: bad option or value: %s %s\n", argv[i], value);
      return 2;
    }
  }
  for (int i = 0; i < TABLE_FORMATS; i++) {
    if (!format_table_make(i, &tables[i])) return 3;
  }
  enum { MOST_JOBS = 64 };
  pthread_t threads[MOST_JOBS];
  int started = 0;
  while (started < jobs - 1 && started < MOST_JOBS && pthread_create(&threads[started], NULL, worker, NULL) == 0)
    started++;
  worker(NULL);
  while (started > 0) pthread_join(threads[--started], NULL);
  int done = 0, all = 0;
  for (int chunk = work.shard; chunk < CHUNKS; chunk += work.shards) {
    all++;
    done += work.done[chunk];
  }
  if (isatty(STDERR_FILENO)) fprintf(stderr, "\n");
  printf("sweep-formats: %d of %d chunks done, %lld inputs, %d wrong%s\n", done, all, (long long)done << CHUNK_BITS,
         work.wrong, done == CHUNKS ? "" : ": NOT A PROOF");
  if (work.checkpoint && fclose(work.checkpoint) != 0) return 3;
  if (work.wrong) return 1;
  return done == all ? 0 : 3;
}
