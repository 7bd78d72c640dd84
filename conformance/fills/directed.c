/* Directed: rows that were searched for each mechanism (`samebits directed make`, conformance/fills/directed.txt), such
 * that each rewrite of a contract differs from it on one of them. A block of x (what shares a scale) repeats one row of
 * the pool. Where groups share a scale of their row, a row of the pool can have a second line, whose dtype ends in +:
 * every second group repeats that one. */
#include "samebits/fill.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

extern const char sb_directed_rows[]; /* lines: recipe side dtype, then COLS numbers */
enum { COLS = 32, MAX_ROWS = 4096 };

static struct {
  int count;
  struct {
    const char *key; /* "recipe side dtype ", in the text */
    bool continues;  /* the row before */
    double x[COLS];
  } rows[MAX_ROWS];
} pool;

/* Reads lines until the end of the text; which one is wrong, or 0. */
static int read_lines(const char *text) {
  int number = 1;
  for (const char *line = text; *line; line++, number++) {
    const char *p = line, *end = line + strcspn(line, "\n");
    bool valid = pool.count < MAX_ROWS;
    for (int word = 0; word < 3 && p < end; word++) {
      p += strcspn(p, " \n");
      p += *p == ' ';
    }
    const bool continues = p - line > 1 && p[-2] == '+';
    for (int j = 0; j < COLS && valid; j++) {
      char *stop = NULL;
      valid = p < end;
      if (valid) pool.rows[pool.count].x[j] = strtod(p, &stop);
      valid = valid && stop != p && stop <= end;
      p = stop;
    }
    if (!valid || p != end) return number;
    pool.rows[pool.count].continues = continues;
    pool.rows[pool.count++].key = line;
    if (!*end) break;
    line = end;
  }
  return 0;
}

static void read_pool(void) { read_lines(sb_directed_rows); }
static pthread_once_t once = PTHREAD_ONCE_INIT;

sb_status sb_directed_add(const char *path) {
  enum { MOST = 1 << 24 };
  struct stat info;
  FILE *file = stat(path, &info) == 0 && S_ISREG(info.st_mode) ? fopen(path, "r") : NULL; /* a pipe would block */
  char *text = file ? malloc(MOST + 1) : NULL; /* it stays: keys point to it */
  const size_t size = text ? fread(text, 1, MOST, file) : 0;
  const bool whole = text && feof(file) && !memchr(text, 0, size);
  if (file) fclose(file);
  char *kept = whole ? realloc(text, size + 1) : NULL;
  if (!kept) {
    free(text);
    return sb_fail(SB_FILE, "%s: it cannot be read, or is no text of at most 16 MiB", path);
  }
  kept[size] = 0;
  pthread_once(&once, read_pool);
  const int before = pool.count, wrong = read_lines(kept);
  if (wrong) {
    pool.count = before;
    free(kept);
  }
  /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): the pool's keys point into `kept` */
  return wrong ? sb_fail(SB_FILE, "%s:%d: RECIPE SIDE DTYPE and %d numbers are expected, in at most %d lines", path,
                         wrong, COLS, MAX_ROWS)
               : SB_OK;
}

/* The rows of a spec; how many. */
static int find_rows(const sb_spec *spec, char key[160], int found[MAX_ROWS]) {
  int count = 0;
  pthread_once(&once, read_pool);
  bool sided = spec->path->side == SB_ACTIVATION || spec->path->side == SB_WEIGHT;
  /* The primitives have the recipes' arithmetic: int8 per row and int4 per group. */
  const char *recipe = sided ? spec->recipe->name : "int8-dynamic-act-int4-weight";
  const char *side = sided ? sb_side_names[spec->path->side] : spec->group_size ? "weight" : "activation";
  int length = snprintf(key, 160, "%s %s %s ", recipe, side, sb_format_of(spec->dtype)->name);
  for (int i = 0; i < pool.count; i++)
    if (strncmp(pool.rows[i].key, key, (size_t)length) == 0) found[count++] = i;
  return count;
}

/* A contract of the user's has rows once they were searched. */
static bool applies(const sb_spec *spec) {
  char key[160];
  int found[MAX_ROWS];
  return !spec->recipe->methods || find_rows(spec, key, found) > 0;
}

/* Whether groups of a row share something: then the row repeats one row of the pool. */
static bool has_row_scale(const sb_spec *spec, const sb_tensor *x) {
  sb_tensor in[SB_SLOTS], out[SB_SLOTS];
  return !sb_spec_tensors(spec, x->dims[0], x->dims[1], in, out) && (in[SB_ROW_SCALE].rank || out[SB_ROW_SCALE].rank);
}

static sb_status make(const sb_spec *spec, uint64_t seed, sb_tensor *x) {
  char key[160];
  int found[MAX_ROWS];
  const int count = find_rows(spec, key, found);
  if (count == 0) return sb_fail(SB_UNSUPPORTED, "directed: no rows for %s(samebits directed make)", key);
  const int64_t n = sb_tensor_count(x), cols = x->dims[1];
  const int64_t block = has_row_scale(spec, x) ? cols : sb_fill_block(spec, cols);
  const int64_t group = block == cols ? spec->group_size : 0;
  const int64_t tall = spec->recipe->tile[0], across = (cols + block - 1) / block;
  for (int64_t i = 0; i < n; i++) {
    const int64_t column = i % cols, b = tall ? i / cols / tall * across + column / block : i / block,
                  e = tall ? column % block : i % block;
    const int row = found[((uint64_t)b + (seed + (uint64_t)count - 1) % 65536) % (uint64_t)count];
    const bool second = group > 0 && e / group % 2 && row + 1 < pool.count && pool.rows[row + 1].continues;
    sb_store(x->format, x->data, i, pool.rows[row + second].x[e % COLS]);
  }
  return SB_OK;
}

const sb_fill sb_fill_directed = {.name = "directed",
                                  .summary = "rows searched for each mechanism, on which it differs from its contract",
                                  .make = make,
                                  .applies = applies};
