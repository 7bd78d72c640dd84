/* Lines and directives. The grammar is in docs/contracts.md; every limit and every error names file, line and column.
 */
#include "conformance/contract/parser.h"

#include <ctype.h>
#include <stdio.h>

/* Depth as the later passes recurse: chains count, too. */
static int depth_of(const sb_node *n) {
  int deepest = 0;
  for (int i = 0; i < n->nargs; i++) {
    int d = depth_of(n->arg[i]);
    if (d > deepest) deepest = d;
  }
  return deepest + 1;
}

static bool end_of_line(parser *s) {
  sb_parse_blanks(s);
  if (s->p < s->end && *s->p != '\n') return sb_parse_fail(s, "the line should end here");
  return true;
}

static bool integer(parser *s, int64_t *value) {
  sb_parse_blanks(s);
  *value = 0;
  if (s->p >= s->end || !isdigit((unsigned char)*s->p)) return sb_parse_fail(s, "a whole number is expected here");
  while (s->p < s->end && isdigit((unsigned char)*s->p)) {
    *value = *value * 10 + (*s->p++ - '0');
    if (*value > 1 << 30) return sb_parse_fail(s, "a size is larger than 2^30");
  }
  return *value > 0 ? true : sb_parse_fail(s, "a size must be at least 1");
}

static bool over(parser *s, sb_over *o) {
  char name[SB_MAX_NAME + 1];
  static const char *const kinds[] = {"element", "row", "group", "tensor", "block"};
  if (!sb_parse_word(s, name)) return false;
  for (int k = 0; k < 5; k++) {
    if (strcmp(name, kinds[k]) != 0) continue;
    *o = (sb_over){.kind = (sb_over_kind)k};
    if (k == OVER_BLOCK) return integer(s, &o->r) && sb_parse_need(s, "x") && integer(s, &o->c) && end_of_line(s);
    sb_parse_blanks(s);
    if (k == OVER_GROUP && s->p < s->end && isdigit((unsigned char)*s->p)) return integer(s, &o->c) && end_of_line(s);
    return end_of_line(s);
  }
  return sb_parse_fail(s, "over what: element, row, group, tensor or block ROWSxCOLS");
}

static bool operations(parser *s, sb_contract *c) {
  char slot[SB_MAX_NAME + 1], name[SB_MAX_NAME + 1];
  do {
    int k = 0;
    if (!sb_parse_word(s, slot)) return false;
    while (k < SB_SLOTS && strcmp(slot, sb_slot_names[k]) != 0) k++;
    if (k == SB_SLOTS) return sb_parse_fail(s, "the name of a tensor is expected here");
    if (!sb_parse_need(s, "=") || !sb_parse_word(s, name)) return false;
    c->operation[k] = sb_arena_string(s->arena, name, strlen(name));
  } while (sb_parse_take(s, ","));
  return end_of_line(s);
}

static bool contract_line(parser *s, sb_contract *c, const char *name, sb_over o, bool said, bool replaces) {
  char format[SB_MAX_NAME + 1];
  int at = sb_line_find(c, name), number = s->line;
  if (sb_cf_parse(name) != CF_NONE) return sb_parse_fail(s, "a line cannot have the name of a format");
  if (strcmp(name, "x") == 0) return sb_parse_fail(s, "x is the input; a line cannot have this name");
  if (at >= 0 && !replaces) return sb_parse_fail(s, "there is a line of this name already");
  if (at < 0 && c->line_count == SB_MAX_LINES) return sb_parse_fail(s, "a contract has at most 48 lines");
  if (!sb_parse_word(s, format)) return false;
  int f = sb_cf_parse(format);
  if (f == CF_NONE) return sb_parse_fail(s, "the name of a format is expected here (f32, bf16, i8, T ...)");
  if (!sb_parse_need(s, "=")) return false;
  sb_node *e = sb_parse_expression(s);
  if (!e || !end_of_line(s)) return false;
  if (depth_of(e) > 2 * SB_MAX_DEPTH) return sb_parse_fail(s, "expressions are nested too deep");
  if (at < 0)
    at = c->line_count++;
  else if (!said)
    o = c->lines[at].over;
  c->lines[at] = (sb_line){.name = sb_arena_string(s->arena, name, strlen(name)),
                           .format = (int8_t)f,
                           .stored = CF_NONE,
                           .over = o,
                           .expr = e,
                           .number = number};
  return c->lines[at].name != NULL;
}

static sb_status parse_into(sb_contract *c, const char *label, const char *text, size_t size,
                            sb_contract_loader *loader, void *context, int uses);

static bool use(parser *s, sb_contract *c, sb_contract_loader *loader, void *context, int uses) {
  char name[200];
  size_t n = 0;
  sb_parse_blanks(s);
  while (s->p < s->end && !isspace((unsigned char)*s->p) && n + 1 < sizeof name) name[n++] = *s->p++;
  name[n] = 0;
  if (uses >= 4) return sb_parse_fail(s, "`use` goes more than 4 contracts deep");
  const char *text = loader ? loader(context, name, s->arena) : NULL;
  if (!text) return sb_parse_fail(s, "`use` names a contract that does not exist");
  if (!end_of_line(s)) return false;
  s->status = parse_into(c, sb_arena_string(s->arena, name, n), text, strlen(text), loader, context, uses + 1);
  return s->status == SB_OK;
}

static sb_status parse_into(sb_contract *c, const char *label, const char *text, size_t size,
                            sb_contract_loader *loader, void *context, int uses) {
  parser s = {.label = label,
              .p = text,
              .end = text + size,
              .line_start = text,
              .line = 1,
              .arena = c->arena,
              .nodes = c->node_count};
  char name[SB_MAX_NAME + 1];
  sb_over o = {OVER_ROW, 0, 0};
  int before = 0;
  bool said = false;
  if (size > SB_MAX_TEXT) return sb_fail(SB_INVALID, "%s:1:1: a contract is at most 65536 bytes", label);
  if (memchr(text, 0, size))
    return sb_fail(SB_INVALID, "%s:1:1: a contract is text, and this holds a zero byte", label);
  while (s.p < s.end && s.status == SB_OK) {
    sb_parse_blanks(&s);
    if (s.p >= s.end) break;
    if (*s.p == '\n') {
      s.line++;
      s.line_start = ++s.p;
      continue;
    }
    s.inside = 0;
    if (!sb_parse_word(&s, name)) break;
    if (strcmp(name, "over") == 0 && !(s.p < s.end && *s.p == ':'))
      over(&s, &o), said = true;
    else if (strcmp(name, "operations") == 0)
      operations(&s, c);
    else if (strcmp(name, "use") == 0) {
      /* Lines that follow replace those of their name, in their place and section; new ones are in the last section. */
      if (use(&s, c, loader, context, uses) && c->line_count) o = c->lines[c->line_count - 1].over;
      before = c->line_count, said = false;
    } else if (sb_parse_need(&s, ":"))
      contract_line(&s, c, name, o, said, before > 0 && sb_line_find(c, name) < before);
  }
  c->node_count = s.nodes;
  return s.status;
}

sb_status sb_contract_parse(const char *name, const char *text, size_t size, sb_contract_loader *loader, void *context,
                            sb_contract **contract) {
  sb_arena *arena = sb_arena_new();
  sb_contract *c = arena ? sb_arena_get(arena, sizeof *c) : NULL;
  *contract = NULL;
  if (!c) {
    sb_arena_free(arena);
    return sb_fail(SB_NO_MEMORY, "%s: no memory for a contract", name);
  }
  c->arena = arena;
  c->name = sb_arena_string(arena, name, strlen(name));
  sb_status status = parse_into(c, c->name, text, size, loader, context, 0);
  if (status == SB_OK && c->line_count == 0)
    status = sb_fail(SB_INVALID, "%s:1:1: a contract needs at least one line", name);
  /* The first comment tells the source. */
  const char *hash = memchr(text, '#', size), *stop = hash ? memchr(hash, '\n', (size_t)(text + size - hash)) : NULL;
  if (hash && stop) {
    hash++;
    while (hash < stop && *hash == ' ') hash++;
    c->source = sb_arena_string(arena, hash, (size_t)(stop - hash));
  }
  if (status != SB_OK) {
    sb_arena_free(arena);
    return status;
  }
  *contract = c;
  return SB_OK;
}

void sb_contract_free(sb_contract *contract) {
  if (contract) sb_arena_free(contract->arena);
}

sb_status sb_expression_parse(const char *label, const char *text, sb_arena *arena, sb_node **out) {
  parser s = {.label = label,
              .p = text,
              .end = text + strlen(text),
              .line_start = text,
              .line = 1,
              .arena = arena,
              .pattern = true};
  *out = sb_parse_expression(&s);
  if (*out) end_of_line(&s);
  return s.status;
}
