/* A table of inputs by the case's text without its step. */
#include "conformance/recall.h"

#include <stdlib.h>
#include <xxhash.h>

enum { PLACES = 1024, MOST_BYTES = 96 << 20 };

typedef struct place {
  char *text;
  sb_tensor x;
} place;

static _Thread_local place places[PLACES];
static _Thread_local int64_t bytes;
static _Thread_local const sb_recipe *recipe;
static _Thread_local sb_side side;

static void forget(place *p) {
  if (!p->text) return;
  bytes -= sb_tensor_bytes(&p->x);
  free(p->text);
  sb_tensor_free(&p->x);
  *p = (place){0};
}

void sb_input_key(const sb_case *c, char text[SB_CASE_TEXT]) {
  sb_case key = *c;
  key.spec.step = SB_BOTH;
  key.device[0] = 0;
  sb_case_print(&key, text);
}

/* The case's place; `text` is what it must hold. */
static place *find(const sb_case *c, char text[SB_CASE_TEXT]) {
  if (recipe != c->spec.recipe || side != c->spec.path->side) {
    for (int i = 0; i < PLACES; i++) forget(&places[i]);
    recipe = c->spec.recipe;
    side = c->spec.path->side;
  }
  sb_input_key(c, text);
  return &places[XXH3_64bits(text, strlen(text)) % PLACES];
}

bool sb_input_recall(const sb_case *c, sb_tensor *x) {
  char text[SB_CASE_TEXT];
  const place *p = find(c, text);
  return p->text && strcmp(p->text, text) == 0 && sb_tensor_cast(&p->x, p->x.format, x) == SB_OK;
}

void sb_input_remember(const sb_case *c, const sb_tensor *x) {
  char text[SB_CASE_TEXT];
  place *p = find(c, text);
  forget(p);
  if (bytes + sb_tensor_bytes(x) > MOST_BYTES || sb_tensor_cast(x, x->format, &p->x)) return;
  p->text = strdup(text);
  if (p->text)
    bytes += sb_tensor_bytes(x);
  else
    sb_tensor_free(&p->x);
}
