/* Directed: rows that were searched for each mechanism (`samebits directed make`, conformance/fills/directed.txt), such
 * that each rewrite of a contract differs from it on one of them. A block of x (what shares a scale) repeats one row of
 * the pool. */
#include "samebits/fill.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

extern const char sb_directed_rows[]; /* lines: recipe side dtype, then COLS numbers */
enum { COLS = 32, MAX_ROWS = 4096 };

static struct {
  int count;
  struct {
    const char *key; /* "recipe side dtype ", in the text */
    double x[COLS];
  } rows[MAX_ROWS];
} pool;

static void read_pool(void) {
  for (const char *line = sb_directed_rows; *line && pool.count < MAX_ROWS;) {
    const char *p = line, *end = strchr(line, '\n');
    for (int word = 0; word < 3 && *p; word++) {
      p += strcspn(p, " \n");
      p += *p == ' ';
    }
    pool.rows[pool.count].key = line;
    for (int j = 0; j < COLS; j++) {
      char *stop;
      pool.rows[pool.count].x[j] = strtod(p, &stop);
      p = stop;
    }
    pool.count++;
    if (!end) break;
    line = end + 1;
  }
}

static sb_status make(const sb_spec *spec, uint64_t seed, sb_tensor *x) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  char key[160];
  int found[MAX_ROWS], count = 0;
  pthread_once(&once, read_pool);
  bool sided = spec->path->side == SB_ACTIVATION || spec->path->side == SB_WEIGHT;
  /* The primitives have the recipes' arithmetic: int8 per row and int4 per group. */
  const char *recipe = sided ? spec->recipe->name : "int8-dynamic-act-int4-weight";
  const char *side = sided ? sb_side_names[spec->path->side] : spec->group_size ? "weight" : "activation";
  int length = snprintf(key, sizeof key, "%s %s %s ", recipe, side, sb_format_of(spec->dtype)->name);
  for (int i = 0; i < pool.count; i++)
    if (strncmp(pool.rows[i].key, key, (size_t)length) == 0) found[count++] = i;
  if (count == 0) return sb_fail(SB_UNSUPPORTED, "directed: no rows for %s(samebits directed make)", key);
  const int64_t n = sb_tensor_count(x), block = sb_fill_block(spec, x->dims[1]);
  for (int64_t i = 0; i < n; i++) {
    const int64_t b = i / block, e = i % block;
    const double *row = pool.rows[found[(uint64_t)(b + (int64_t)(seed % 65536)) % (uint64_t)count]].x;
    sb_store(x->format, x->data, i, row[e % COLS]);
  }
  return SB_OK;
}

const sb_fill sb_fill_directed = {.name = "directed",
                                  .summary = "rows searched for each mechanism, on which it differs from its contract",
                                  .make = make};
