/* The expressions of launch records: a recursive descent over exact rationals of int64_t. A text has at most 1024
 * characters, which bounds the recursion. */
#include "samebits/kernels.h"

#include <ctype.h>
#include <stddef.h>
#include <stdlib.h>

typedef struct rational {
  int64_t n, d; /* d > 0 */
} rational;

typedef struct parser {
  const char *text, *at;
  const sb_variables *variables;
  const char *error; /* the first one */
} parser;

static const struct {
  const char *name;
  size_t offset;
} names[] = {
#define NAME(field)                                                                                                    \
  { #field, offsetof(sb_variables, field) }
    NAME(rows),
    NAME(cols),
    NAME(group),
    NAME(x_stride),
    NAME(codes_stride),
    NAME(output_stride),
    NAME(scale_row_stride),
    NAME(scale_group_stride),
    NAME(high_first),
    NAME(sm),
#undef NAME
};

static rational fail(parser *p, const char *error) {
  if (!p->error) p->error = error;
  return (rational){0, 1};
}

static int64_t gcd(int64_t a, int64_t b) {
  while (b) {
    const int64_t rest = a % b;
    a = b;
    b = rest;
  }
  return a < 0 ? -a : a;
}

static rational reduced(parser *p, __int128 n, __int128 d) {
  if (d < 0) n = -n, d = -d;
  __int128 a = n < 0 ? -n : n, b = d;
  while (b) {
    const __int128 rest = a % b;
    a = b;
    b = rest;
  }
  if (a > 1) n /= a, d /= a;
  if (n > INT64_MAX || n < -INT64_MAX || d > INT64_MAX) return fail(p, "overflow");
  return (rational){(int64_t)n, (int64_t)d};
}

static rational add(parser *p, rational a, rational b, int sign) {
  const int64_t shared = gcd(a.d, b.d);
  return reduced(p, (__int128)a.n * (b.d / shared) + sign * ((__int128)b.n * (a.d / shared)),
                 (__int128)a.d * (b.d / shared));
}

static int64_t floor_of(rational a) { return a.n / a.d - (a.n % a.d < 0 ? 1 : 0); }

static int order(parser *p, rational a, rational b) {
  const rational difference = add(p, a, b, -1);
  return (difference.n > 0) - (difference.n < 0);
}

static bool accept(parser *p, const char *token) {
  while (isspace((unsigned char)*p->at)) p->at++;
  const size_t length = strlen(token);
  if (strncmp(p->at, token, length)) return false;
  p->at += length;
  return true;
}

static rational alternative(parser *p);

static rational named(parser *p) {
  const char *start = p->at;
  while (isalnum((unsigned char)*p->at) || *p->at == '_') p->at++;
  const size_t length = (size_t)(p->at - start);
#define IS(word) (length == sizeof(word) - 1 && !memcmp(start, word, length))
  if (IS("ceil") || IS("floor")) {
    if (!accept(p, "(")) return fail(p, "( expected");
    const rational a = alternative(p);
    if (!accept(p, ")")) return fail(p, ") expected");
    if (IS("floor")) return (rational){floor_of(a), 1};
    return (rational){-floor_of((rational){-a.n, a.d}), 1};
  }
  if (IS("min") || IS("max")) {
    if (!accept(p, "(")) return fail(p, "( expected");
    const rational a = alternative(p);
    if (!accept(p, ",")) return fail(p, ", expected");
    const rational b = alternative(p);
    if (!accept(p, ")")) return fail(p, ") expected");
    return (order(p, a, b) < 0) == IS("min") ? a : b;
  }
#undef IS
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    if (strlen(names[i].name) == length && !memcmp(names[i].name, start, length)) {
      int64_t value;
      memcpy(&value, (const char *)p->variables + names[i].offset, sizeof value);
      return (rational){value, 1};
    }
  }
  p->at = start;
  return fail(p, "unknown name");
}

static rational primary(parser *p) {
  if (accept(p, "-")) {
    const rational a = primary(p);
    return (rational){-a.n, a.d};
  }
  if (accept(p, "(")) {
    const rational a = alternative(p);
    return accept(p, ")") ? a : fail(p, ") expected");
  }
  if (isdigit((unsigned char)*p->at)) {
    int64_t value = 0;
    for (; isdigit((unsigned char)*p->at); p->at++) {
      if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, *p->at - '0', &value))
        return fail(p, "overflow");
    }
    return (rational){value, 1};
  }
  if (isalpha((unsigned char)*p->at)) return named(p);
  return fail(p, "a value expected");
}

static rational product(parser *p) {
  rational a = primary(p);
  while (!p->error) {
    if (accept(p, "*")) {
      const rational b = primary(p);
      a = reduced(p, (__int128)a.n * b.n, (__int128)a.d * b.d);
    } else if (accept(p, "/")) {
      const rational b = primary(p);
      if (b.n == 0) return fail(p, "division by zero");
      a = reduced(p, (__int128)a.n * b.d, (__int128)a.d * b.n);
    } else if (accept(p, "%")) {
      const rational b = primary(p);
      if (a.d != 1 || b.d != 1 || b.n == 0) return fail(p, "% takes integers, the second not 0");
      a = (rational){a.n % b.n, 1};
    } else {
      break;
    }
  }
  return a;
}

static rational sum(parser *p) {
  rational a = product(p);
  while (!p->error) {
    if (accept(p, "+"))
      a = add(p, a, product(p), 1);
    else if (accept(p, "-"))
      a = add(p, a, product(p), -1);
    else
      break;
  }
  return a;
}

static rational comparison(parser *p) {
  const rational a = sum(p);
  static const struct {
    const char *token;
    bool below, equal, above;
  } relations[] = {{"==", false, true, false}, {"!=", true, false, true}, {"<=", true, true, false},
                   {">=", false, true, true},  {"<", true, false, false}, {">", false, false, true}};
  for (size_t i = 0; i < sizeof relations / sizeof *relations; i++) {
    if (!accept(p, relations[i].token)) continue;
    const int sign = order(p, a, sum(p));
    return (rational){sign < 0 ? relations[i].below : sign ? relations[i].above : relations[i].equal, 1};
  }
  return a;
}

static rational conjunction(parser *p) {
  rational a = comparison(p);
  while (!p->error && accept(p, "&&")) {
    const rational b = comparison(p);
    a = (rational){a.n && b.n, 1};
  }
  return a;
}

static rational alternative(parser *p) {
  rational a = conjunction(p);
  while (!p->error && accept(p, "||")) {
    const rational b = conjunction(p);
    a = (rational){a.n || b.n, 1};
  }
  return a;
}

sb_status sb_expression(const char *text, const sb_variables *variables, int64_t *value) {
  parser p = {text, text, variables, NULL};
  if (strlen(text) > 1024) return sb_fail(SB_INVALID, "expression of %zu characters, at most 1024", strlen(text));
  const rational result = alternative(&p);
  while (isspace((unsigned char)*p.at)) p.at++;
  if (!p.error && *p.at) p.error = "operator expected";
  if (p.error)
    return sb_fail(SB_INVALID, "expression '%s', at character %zu: %s", text, (size_t)(p.at - text), p.error);
  *value = floor_of(result);
  return SB_OK;
}
