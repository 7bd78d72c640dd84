/* Matching and building. Sums and products match in either order. */
#include "conformance/mechanisms/match.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

/* Every pattern is a string literal of the tables: its address is its name. */
static struct {
  pthread_mutex_t lock;
  sb_arena *arena;
  int count;
  struct {
    const char *text;
    sb_node *node;
  } table[1024];
} cache = {.lock = PTHREAD_MUTEX_INITIALIZER};

const sb_node *sb_pattern(const char *text) {
  sb_node *node = NULL;
  pthread_mutex_lock(&cache.lock);
  size_t h = ((size_t)text >> 2) * 2654435761u % 1024;
  while (cache.table[h].text && cache.table[h].text != text) h = (h + 1) % 1024;
  if (cache.table[h].text)
    node = cache.table[h].node;
  else {
    if (!cache.arena) cache.arena = sb_arena_new();
    if (cache.arena && cache.count < 1000 && sb_expression_parse(text, text, cache.arena, &node) == SB_OK) {
      cache.table[h].text = text;
      cache.table[h].node = node;
      cache.count++;
    }
  }
  pthread_mutex_unlock(&cache.lock);
  return node;
}

bool sb_node_equal(const sb_node *a, const sb_node *b) {
  if (a->constant && b->constant) return a->number == b->number;
  bool names = (a->op == C_NAME || a->op == C_INPUT) && (b->op == C_NAME || b->op == C_INPUT);
  if (names) return strcmp(a->name, b->name) == 0;
  if (a->op != b->op || a->nargs != b->nargs || a->at != b->at || a->rule != b->rule) return false;
  if (a->op == C_NUM) return a->number == b->number;
  for (int i = 0; i < a->nargs; i++)
    if (!sb_node_equal(a->arg[i], b->arg[i])) return false;
  return true;
}

static const sb_node *find(const sb_meta *meta, const char *name) {
  for (int i = 0; i < meta->count; i++)
    if (strcmp(meta->bound[i].name, name) == 0) return meta->bound[i].node;
  return NULL;
}

bool sb_meta_bind(sb_meta *meta, const char *name, const sb_node *node) {
  if (meta->count == SB_MAX_META) return false;
  meta->bound[meta->count].name = name;
  meta->bound[meta->count++].node = node;
  return true;
}

static bool guard(const sb_node *p, const sb_node *n) {
  bool element = n->tile.r == 1 && n->tile.c == 1;
  if (p->integer) {
    if (!n->constant) return false;
    if (strcmp(p->name, "eps") == 0) return n->number > 0 && n->number < 0.1;
    if (strcmp(p->name, "div") == 0) return n->number >= 0.5 && n->number <= 256;
    return true;
  }
  if (strcmp(p->name, "e") == 0) return element && !n->constant;
  if (strcmp(p->name, "g") == 0) return !element && !n->constant;
  return true;
}

/* max($a, ?eps), of which there are two kinds: one gives NaN for NaN, the other its bound. */
static bool is_floor(const sb_node *p) { return p->op == C_MAX && p->arg[1]->op == C_META && p->arg[1]->integer; }

bool sb_match(const sb_node *p, const sb_node *n, sb_meta *meta) {
  int before = meta->count;
  if (p->op == C_META) {
    const sb_node *bound = find(meta, p->name);
    if (bound) return sb_node_equal(bound, n);
    return guard(p, n) && sb_meta_bind(meta, p->name, n);
  }
  if (p->op == C_NUM) return n->constant && n->number == p->number;
  if (p->op == C_NAME) return (n->op == C_NAME || n->op == C_INPUT) && strcmp(p->name, n->name) == 0;
  const bool floor = is_floor(p) && n->op == C_MAXNUM;
  if ((p->op != n->op && !floor) || p->nargs != n->nargs) return false;
  if (p->op == C_CAST && (p->at != n->at || p->rule != n->rule)) return false;
  for (int swap = 0; swap < (p->op == C_ADD || p->op == C_MUL ? 2 : 1); swap++) {
    bool all = true;
    for (int i = 0; i < p->nargs && all; i++) all = sb_match(p->arg[i], n->arg[swap ? 1 - i : i], meta);
    if (all) return meta->ignores_nan |= floor, true;
    meta->count = before;
  }
  return false;
}

sb_node *sb_node_copy(const sb_node *n, sb_arena *arena) {
  sb_node *copy = sb_arena_get(arena, sizeof *copy);
  if (!copy) return NULL;
  *copy = *n;
  if (n->name && !(copy->name = sb_arena_string(arena, n->name, strlen(n->name)))) return NULL;
  for (int i = 0; i < n->nargs; i++)
    if (!(copy->arg[i] = sb_node_copy(n->arg[i], arena))) return NULL;
  return copy;
}

sb_node *sb_node_make(sb_arena *arena, sb_cop op, const sb_node *like, sb_node *a, sb_node *b) {
  sb_node *n = sb_arena_get(arena, sizeof *n);
  if (!n) return NULL;
  *n = (sb_node){.op = (uint8_t)op,
                 .nargs = (uint8_t)(b   ? 2
                                    : a ? 1
                                        : 0),
                 .at = CF_NONE,
                 .line = like->line,
                 .column = like->column,
                 .arg = {a, b},
                 .fmt = like->fmt,
                 .tile = like->tile};
  return n;
}

sb_node *sb_build(const sb_node *r, const sb_meta *meta, int format, sb_arena *arena) {
  if (r->op == C_META) {
    const sb_node *bound = find(meta, r->name);
    return bound ? sb_node_copy(bound, arena) : NULL;
  }
  sb_node *n = sb_arena_get(arena, sizeof *n);
  if (!n) return NULL;
  *n = *r;
  if (meta->ignores_nan && is_floor(r)) n->op = C_MAXNUM;
  if (n->at == CF_R) n->at = (int8_t)format;
  for (int i = 0; i < r->nargs; i++)
    if (!(n->arg[i] = sb_build(r->arg[i], meta, format, arena))) return NULL;
  return n;
}
