/* One entry of a PTX text, with what it needs. */
#include "samebits/fatbin.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* One statement at the level of the module: its text, and the name that it declares. */
typedef struct item {
  const char *start, *name;
  size_t size, name_size;
  bool entry, shared, keep;
} item;

static bool is_word(char c) { return isalnum((unsigned char)c) || c == '_' || c == '$' || c == '%'; }

static const char *skip_comment(const char *at, const char *end) {
  if (at[1] == '/')
    while (at < end && *at != '\n') at++;
  else {
    for (at += 2; end - at > 1 && !(at[0] == '*' && at[1] == '/');) at++;
    at = end - at > 1 ? at + 2 : end;
  }
  return at;
}
static bool at_comment(const char *at, const char *end) {
  return end - at > 1 && at[0] == '/' && (at[1] == '/' || at[1] == '*');
}

/* The end of the statement at `at`: behind its semicolon, its body, or, of a directive such as .version, its line. */
static const char *item_end(const char *at, const char *end) {
  static const char *const lines[] = {".version", ".target", ".address_size", ".file"};
  for (size_t k = 0; k < sizeof lines / sizeof *lines; k++)
    if ((size_t)(end - at) > strlen(lines[k]) && !memcmp(at, lines[k], strlen(lines[k]))) {
      while (at < end && *at != '\n') at++;
      return at;
    }
  bool initialiser = false;
  for (int depth = 0; at < end;) {
    if (at_comment(at, end)) {
      at = skip_comment(at, end);
      continue;
    }
    const char c = *at++;
    if (c == '"')
      while (at < end && *at++ != '"') {
      }
    else if (c == '=')
      initialiser = true;
    else if (c == '{')
      depth++;
    else if (c == '}' && --depth <= 0 && !initialiser)
      return at;
    else if (c == ';' && depth == 0)
      return at;
  }
  return end;
}

static bool has(const char *text, size_t size, const char *word, size_t n) {
  const char *end = text + size;
  for (const char *at = text; (at = memmem(at, (size_t)(end - at), word, n)); at += n)
    if ((at == text || !is_word(at[-1])) && (at + n == end || !is_word(at[n]))) return true;
  return false;
}

/* The name that a declaration gives: the last word before a bracket, a parenthesis, a sign or the end. */
static void name_of(item *i) {
  const char *at = i->start, *end = i->start + i->size;
  while (at < end && !strchr("[({=;", *at)) at++;
  while (at > i->start && !is_word(at[-1])) at--;
  const char *last = at;
  while (at > i->start && is_word(at[-1])) at--;
  i->name = at, i->name_size = (size_t)(last - at);
}

static bool starts_with(const item *i, const char *word) {
  const char *end = i->start + i->size, *at = i->start;
  while (at < end && !strchr("[({=;", *at)) at++;
  return has(i->start, (size_t)(at - i->start), word, strlen(word));
}

sb_status sb_kernel_single(const char *text, size_t size, const char *entry, char **single) {
  const char *end = text + size;
  item *items = NULL;
  size_t count = 0, room = 0;
  *single = NULL;
  for (const char *at = text; at < end;) {
    if (isspace((unsigned char)*at)) {
      at++;
      continue;
    }
    if (at_comment(at, end)) {
      at = skip_comment(at, end);
      continue;
    }
    if (count == room) {
      item *grown = realloc(items, (room = room ? 2 * room : 64) * sizeof *items);
      if (!grown) {
        free(items);
        return sb_fail(SB_NO_MEMORY, "out of memory");
      }
      items = grown;
    }
    item *i = &items[count++];
    *i = (item){.start = at, .size = (size_t)(item_end(at, end) - at)};
    name_of(i);
    i->entry = starts_with(i, ".entry"), i->shared = starts_with(i, ".shared");
    at += i->size;
  }
  bool found = false;
  for (size_t k = 0; k < count; k++) {
    items[k].keep =
        !items[k].shared && (!items[k].entry || has(items[k].name, items[k].name_size, entry, strlen(entry)));
    found |= items[k].entry && items[k].keep;
  }
  for (size_t k = 0; k < count && found; k++) /* shared variables that what is kept names */
    for (size_t u = 0; items[k].shared && u < count && !items[k].keep; u++)
      items[k].keep = u != k && items[u].keep && !items[u].shared &&
                      has(items[u].start, items[u].size, items[k].name, items[k].name_size);
  char *out = found ? malloc(size + count + 1) : NULL, *to = out;
  for (size_t k = 0; k < count && out; k++) {
    if (!items[k].keep) continue;
    memcpy(to, items[k].start, items[k].size);
    to += items[k].size;
    *to++ = '\n';
  }
  free(items);
  if (!found) return sb_fail(SB_USAGE, "no entry '%s'", entry);
  if (!out) return sb_fail(SB_NO_MEMORY, "out of memory");
  *to = 0;
  *single = out;
  return SB_OK;
}
