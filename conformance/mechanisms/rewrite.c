/* From a mechanism and a contract to the rewritten contracts. */
#include "conformance/mechanisms/match.h"
#include "conformance/mechanisms/mechanism.h"

#include <stdio.h>
#include <string.h>

static const char *const eps_values[] = {"eps(T)",
                                         "smallest_normal(T)",
                                         "eps(f32)",
                                         "smallest_normal(f32)",
                                         "1e-5",
                                         "1e-6",
                                         "1e-12",
                                         "0x1p-9",
                                         "6.1e-5",
                                         "1e-8",
                                         "1e-10",
                                         "1e-7",
                                         "1e-4",
                                         "eps(bf16)",
                                         "eps(f16)",
                                         "1e-3",
                                         "1e-9",
                                         "0x1p-24",
                                         "0x1.2492492492492p-18"};
static const double divisors[] = {7, 7.5, 8, 127, 127.5, 128, 1, 1.5, 2, 3, 3.5, 4, 15, 15.5, 16, 31, 31.5, 32, 6.5};
static const int64_t groups[] = {32, 64, 128, 256, 0, 16};

typedef struct rewriter {
  const sb_contract *from;
  const sb_env *env;
  sb_arena *arena;
  sb_contract *to;
  sb_meta meta;
  int site, seen, changed; /* which match to change (-1: all), how many matched, how many changed */
  int first_line;
} rewriter;

sb_contract *sb_contract_copy(const sb_contract *from, sb_arena *arena) {
  sb_contract *to = sb_arena_get(arena, sizeof *to);
  if (!to) return NULL;
  *to = *from;
  to->arena = arena;
  for (int i = 0; i < from->line_count; i++) {
    if (!(to->lines[i].expr = sb_node_copy(from->lines[i].expr, arena))) return NULL;
    const char *name = from->lines[i].name;
    if (!(to->lines[i].name = sb_arena_string(arena, name, strlen(name)))) return NULL;
  }
  return to;
}

static bool listed(const char *names, const char *name) {
  size_t n = strlen(name);
  if (strcmp(names, "*") == 0) return true;
  for (const char *p = names; *p;) {
    size_t k = strcspn(p, " ");
    if (k == n && memcmp(p, name, n) == 0) return true;
    p += k;
    while (*p == ' ') p++;
  }
  return false;
}

static void mark(rewriter *r, int line) {
  if (r->first_line < 0 || line < r->first_line) r->first_line = line;
  r->changed++;
}

static sb_node *cast_to(rewriter *r, sb_node *n, int format, sb_rule rule) {
  sb_node *c = sb_node_make(r->arena, C_CAST, n, n, NULL);
  if (c) c->at = (int8_t)format, c->rule = (uint8_t)rule;
  return c;
}

static sb_node *replace(rewriter *r, const sb_change *c, sb_node *n, int line) {
  const sb_node *pattern = sb_pattern(c->pattern);
  sb_meta meta = r->meta;
  if (!pattern || !n) return NULL;
  if (sb_match(pattern, n, &meta)) {
    int k = r->seen++;
    if (c->kind == CHANGE_BIND) {
      r->meta = meta;
      return n;
    }
    if (r->site < 0 || r->site == k) {
      const sb_node *replacement = sb_pattern(c->replacement);
      sb_node *built = replacement ? sb_build(replacement, &meta, n->fmt, r->arena) : NULL;
      if (built && c->kind == CHANGE_ALL) r->meta = meta;
      if (built && !sb_node_equal(built, n)) mark(r, line);
      return built;
    }
  }
  for (int i = 0; i < n->nargs; i++)
    if (!(n->arg[i] = replace(r, c, n->arg[i], line))) return NULL;
  return n;
}

static bool is_arithmetic(const sb_node *n) {
  return n->op >= C_ADD && n->op <= C_FMA && !n->constant && n->fmt >= 0 && n->fmt < SB_FORMATS &&
         sb_format_of((sb_format)n->fmt)->is_float;
}

static void chain(rewriter *r, sb_node *n, int format, bool one, int line) {
  for (int i = 0; i < n->nargs; i++) chain(r, n->arg[i], format, one, line);
  if (!is_arithmetic(n) || n->fmt == format) return;
  int k = r->seen++;
  if (one && k != r->site && r->site >= 0) return;
  n->at = (int8_t)format;
  mark(r, line);
}

static sb_node *flush(rewriter *r, sb_node *n, bool inputs, int line) {
  for (int i = 0; i < n->nargs; i++)
    if (!(n->arg[i] = flush(r, n->arg[i], inputs, line))) return NULL;
  bool x = n->op == C_INPUT && inputs, narrow = n->fmt == SB_F32 || n->fmt == SB_BF16;
  if (!narrow || !(x || is_arithmetic(n))) return n;
  mark(r, line);
  return sb_node_make(r->arena, C_FLUSH, n, n, NULL);
}

static sb_rule rule_named(const char *name) {
  for (int k = 0; k < R_COUNT; k++)
    if (strcmp(name, sb_rule_names[k]) == 0) return (sb_rule)k;
  return R_DEFAULT;
}

static sb_node *rounding(rewriter *r, sb_node *n, const char *rule, int line) {
  for (int i = 0; i < n->nargs; i++)
    if (!(n->arg[i] = rounding(r, n->arg[i], rule, line))) return NULL;
  if (n->fmt != SB_BF16) return n;
  if (n->op == C_CAST && n->rule == R_DEFAULT && n->arg[0]->fmt != SB_BF16) {
    n->rule = (uint8_t)rule_named(rule);
    mark(r, line);
  } else if (is_arithmetic(n)) {
    n->at = SB_F32;
    mark(r, line);
    return cast_to(r, n, SB_BF16, rule_named(rule));
  }
  return n;
}

static void rename_all(sb_node *n, const char *from, const char *to) {
  if (n->op == C_NAME && strcmp(n->name, from) == 0) n->name = to;
  for (int i = 0; i < n->nargs; i++) rename_all(n->arg[i], from, to);
}

/* $a of a whole line: not what an earlier change of the alternative called $a. */
static bool bind_whole(sb_meta *meta, const sb_node *whole) {
  for (int i = 0; i < meta->count; i++)
    if (strcmp(meta->bound[i].name, "a") == 0) return meta->bound[i].node = whole, true;
  return sb_meta_bind(meta, "a", whole);
}

/* The line keeps its value under another name for the other lines; the tensor is something else. */
static bool store_only(rewriter *r, const sb_change *c, int line) {
  sb_contract *k = r->to;
  if (k->line_count == SB_MAX_LINES) return false;
  for (int i = k->line_count; i > line; i--) k->lines[i] = k->lines[i - 1];
  k->line_count++;
  char exact[SB_MAX_NAME + 8];
  snprintf(exact, sizeof exact, "exact_%s", k->lines[line + 1].name);
  const char *name = sb_arena_string(r->arena, exact, strlen(exact));
  if (!name) return false;
  k->lines[line].name = name;
  for (int i = line + 2; i < k->line_count; i++) rename_all(k->lines[i].expr, k->lines[line + 1].name, name);
  sb_node *used = sb_node_make(r->arena, C_NAME, k->lines[line].expr, NULL, NULL);
  if (!used) return false;
  used->name = name;
  sb_meta meta = r->meta;
  const sb_node *replacement = sb_pattern(c->replacement);
  if (!replacement || !bind_whole(&meta, used)) return false;
  k->lines[line + 1].expr = sb_build(replacement, &meta, used->fmt, r->arena);
  mark(r, line);
  return k->lines[line + 1].expr != NULL;
}

static bool declared_float(const rewriter *r, const sb_line *l) {
  int f = sb_cf_resolve(r->env, l->format);
  return f == CF_FNUZ || (f >= 0 && f < SB_FORMATS && sb_format_of((sb_format)f)->is_float);
}

static bool keep_format(rewriter *r, sb_line *l, int format, int line) {
  if (!declared_float(r, l) || sb_cf_resolve(r->env, l->format) == sb_cf_resolve(r->env, format)) return true;
  if (l->stored == CF_NONE) l->stored = l->format;
  l->format = (int8_t)format;
  mark(r, line);
  return true;
}

static bool change_line(rewriter *r, const sb_change *c, int i) {
  sb_line *l = &r->to->lines[i];
  int format = c->format == CF_T || c->format == CF_O ? sb_cf_resolve(r->env, c->format) : c->format;
  switch (c->kind) {
  case CHANGE_MATCH:
  case CHANGE_ALL:
  case CHANGE_BIND:
    return (l->expr = replace(r, c, l->expr, i)) != NULL;
  case CHANGE_ROOT: {
    sb_meta meta = r->meta;
    const sb_node *replacement = sb_pattern(c->replacement);
    if (!replacement || !bind_whole(&meta, l->expr)) return false;
    l->expr = sb_build(replacement, &meta, l->expr->fmt, r->arena);
    mark(r, i);
    return l->expr != NULL;
  }
  case CHANGE_CHAIN:
    chain(r, l->expr, format, false, i);
    return true;
  case CHANGE_ONE_OP:
    chain(r, l->expr, format, true, i);
    return true;
  case CHANGE_KEEP:
    chain(r, l->expr, format, false, i);
    return keep_format(r, l, format, i);
  case CHANGE_FORMAT:
    if (declared_float(r, l) && !(c->flags & TENSOR_TOO)) return keep_format(r, l, c->format, i);
    l->format = (int8_t)c->format;
    mark(r, i);
    return true;
  case CHANGE_FLUSH:
    if (strcmp(c->replacement, "lines") != 0)
      return (l->expr = flush(r, l->expr, strcmp(c->replacement, "inputs") == 0, i)) != NULL;
    if (l->expr->fmt != SB_F32 && l->expr->fmt != SB_BF16) return true;
    mark(r, i);
    return (l->expr = sb_node_make(r->arena, C_FLUSH, l->expr, l->expr, NULL)) != NULL;
  case CHANGE_ROUNDING:
    return (l->expr = rounding(r, l->expr, c->replacement, i)) != NULL;
  case CHANGE_GROUP: {
    double p = r->meta.count ? r->meta.bound[0].node->number : 0;
    if (l->over.kind != OVER_GROUP && !(l->over.kind == OVER_ROW && r->env->group > 0)) return true;
    if (l->over.kind != OVER_GROUP) return true;
    l->over = p > 0 ? (sb_over){OVER_GROUP, 0, (int64_t)p} : (sb_over){OVER_ROW, 0, 0};
    mark(r, i);
    return true;
  }
  case CHANGE_STORED:
    return store_only(r, c, i);
  default:
    return true;
  }
}

/* Applies an alternative; false where it does not apply. */
static bool apply(rewriter *r, const sb_alternative *a, int site) {
  sb_meta start = r->meta;
  r->to = sb_contract_copy(r->from, r->arena);
  r->site = site, r->seen = 0, r->changed = 0, r->first_line = -1;
  if (!r->to) return false;
  bool ok = true;
  for (int k = 0; k < SB_MAX_CHANGES && a->changes[k].kind != CHANGE_END && ok; k++) {
    const sb_change *c = &a->changes[k];
    int seen = r->seen, changed = r->changed;
    if (c->kind != CHANGE_MATCH && c->kind != CHANGE_ONE_OP) r->site = -1;
    int count = r->to->line_count;
    for (int i = 0; i < count && ok; i++)
      if (listed(c->lines, r->to->lines[i].name)) {
        ok = change_line(r, c, i);
        if (c->kind == CHANGE_STORED) break;
      }
    if (c->kind != CHANGE_MATCH && c->kind != CHANGE_ONE_OP) r->site = site;
    if (!(c->flags & OPTIONAL) && r->seen == seen && r->changed == changed) ok = false;
  }
  r->meta = start;
  return ok && r->changed > 0;
}

typedef struct job {
  rewriter r;
  bool fit; /* the parameter was read off the data */
  const sb_fitted *fitted;
  sb_each_candidate *each;
  void *context;
  bool stop;
} job;

static void alternative(job *j, const sb_mechanism *m, const sb_alternative *a, const char *parameter) {
  sb_candidate c = {.mechanism = m, .alternative = a, .fitted = j->fit};
  snprintf(c.parameter, sizeof c.parameter, "%s", parameter);
  bool sites =
      a->changes[1].kind == CHANGE_END && (a->changes[0].kind == CHANGE_MATCH || a->changes[0].kind == CHANGE_ONE_OP);
  int seen = 1;
  for (c.site = -1; !j->stop && c.site < seen; c.site++) {
    if (c.site >= 0 && (!sites || seen < 2)) break;
    if (!apply(&j->r, a, c.site)) return;
    if (c.site < 0) seen = j->r.seen;
    c.contract = j->r.to;
    c.line = j->r.first_line;
    j->stop = !j->each(j->context, &c);
  }
}

static void with_number(job *j, const sb_mechanism *m, const sb_alternative *a, const char *name, const sb_node *node) {
  char text[48], number[32];
  sb_node_print(node, number, sizeof number);
  snprintf(text, sizeof text, "%s = %s", name, number);
  j->r.meta.count = 0;
  sb_meta_bind(&j->r.meta, "p", node);
  alternative(j, m, a, text);
  j->r.meta.count = 0;
}

static void with_value(job *j, const sb_mechanism *m, const sb_alternative *a, const char *name, double value,
                       bool integer) {
  sb_node n = {.op = C_NUM, .at = CF_NONE, .integer = integer, .number = value, .constant = true};
  if (!j->stop) with_number(j, m, a, name, &n);
}

static void parameters(job *j, const sb_mechanism *m, const sb_alternative *a) {
  const sb_fitted *f = j->fitted;
  switch (a->param) {
  case PARAM_NONE:
    j->r.meta.count = 0;
    alternative(j, m, a, "");
    return;
  case PARAM_EPS:
    for (size_t i = 0; i < sizeof eps_values / sizeof *eps_values && !j->stop; i++)
      if (sb_pattern(eps_values[i])) with_number(j, m, a, "eps", sb_pattern(eps_values[i]));
    j->fit = true;
    for (int i = 0; f && i < f->eps_count; i++) with_value(j, m, a, "eps", f->eps[i], false);
    j->fit = false;
    return;
  case PARAM_DIVISOR:
    for (size_t i = 0; i < sizeof divisors / sizeof *divisors; i++)
      with_value(j, m, a, "divisor", divisors[i], divisors[i] == (double)(int)divisors[i]);
    j->fit = true;
    for (int i = 0; f && i < f->divisor_count; i++) with_value(j, m, a, "divisor", f->divisor[i], false);
    j->fit = false;
    return;
  case PARAM_GROUP:
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++)
      if (groups[i] != j->r.env->group && groups[i] < j->r.env->cols &&
          (groups[i] == 0 || j->r.env->cols % groups[i] == 0))
        with_value(j, m, a, "group_size", (double)groups[i], true);
    return;
  }
}

sb_status sb_rewrite_each(const sb_contract *contract, const sb_env *env, const sb_fitted *fitted,
                          const sb_mechanism *only, sb_arena *arena, sb_each_candidate *each, void *context) {
  job j = {.r = {.from = contract, .env = env, .arena = arena}, .fitted = fitted, .each = each, .context = context};
  for (int i = 0; i < sb_mechanism_count() && !j.stop; i++) {
    const sb_mechanism *m = sb_mechanism_at(i);
    if (only && m != only) continue;
    for (int a = 0; a < m->alternative_count && !j.stop; a++) parameters(&j, m, &m->alternatives[a]);
  }
  return SB_OK;
}
