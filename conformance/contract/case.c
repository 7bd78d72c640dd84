/* The name of a computation: from text, from metadata, to text. */
#include "samebits/contract.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static bool copy(char *to, size_t size, const char *from, size_t length) {
  if (length >= size) return false;
  memcpy(to, from, length);
  to[length] = 0;
  return true;
}

void sb_contract_case_name(const sb_contract_case *c, char *name, size_t size) {
  const char *plus = c->variant[0] ? "+" : "";
  if (strcmp(c->recipe, "affine") == 0)
    snprintf(name, size, "affine/%s@%s", c->mapping, c->flavor);
  else
    snprintf(name, size, "%s/%s/%s@%s%s%s", c->recipe, c->side, c->step, c->flavor, plus, c->variant);
}

sb_status sb_contract_case_parse(const char *name, sb_format dtype, int64_t group_size, sb_contract_case *c) {
  const char *a = strchr(name, '/'), *b = a ? strchr(a + 1, '/') : NULL, *at = strchr(name, '@'),
             *plus = at ? strchr(at, '+') : NULL, *end = name + strlen(name);
  *c = (sb_contract_case){.dtype = dtype,
                          .group_size = group_size,
                          .eps = (double)NAN,
                          .preserve_zero = true,
                          .quant_min = -128,
                          .quant_max = 127,
                          .scale_dtype = dtype,
                          .zero_point_dtype = SB_I32,
                          .output_dtype = dtype};
  if (a && at && at > a && strncmp(name, "affine/", 7) == 0 && copy(c->recipe, sizeof c->recipe, name, 6) &&
      copy(c->mapping, sizeof c->mapping, a + 1, (size_t)(at - a - 1)) &&
      copy(c->flavor, sizeof c->flavor, at + 1, (size_t)(end - at - 1)))
    return SB_OK;
  if (!b || !at || at < b || !copy(c->recipe, sizeof c->recipe, name, (size_t)(a - name)) ||
      !copy(c->side, sizeof c->side, a + 1, (size_t)(b - a - 1)) ||
      !copy(c->step, sizeof c->step, b + 1, (size_t)(at - b - 1)) ||
      !copy(c->flavor, sizeof c->flavor, at + 1, (size_t)((plus ? plus : end) - at - 1)) ||
      (plus && !copy(c->variant, sizeof c->variant, plus + 1, (size_t)(end - plus - 1))))
    return sb_fail(SB_USAGE,
                   "'%s' is no name of a contract: RECIPE/SIDE/STEP@FLAVOR[+VARIANT] or affine/MAPPING@FLAVOR", name);
  return SB_OK;
}

typedef struct reader {
  sb_metadata_get *get;
  const void *context;
} reader;

static sb_status text(const reader *r, const char *key, char *to, size_t size, bool required) {
  const char *value = r->get(r->context, key);
  if (required && (!value || !*value)) return sb_fail(SB_FILE, "the metadata have no %s", key);
  if (value && !copy(to, size, value, strlen(value))) return sb_fail(SB_FILE, "the metadata's %s is too long", key);
  return SB_OK;
}

static sb_status number(const reader *r, const char *key, double *to) {
  const char *value = r->get(r->context, key);
  char *end;
  if (!value) return sb_fail(SB_FILE, "the metadata have no %s", key);
  if (strcmp(key, "eps") == 0 && strcmp(value, "default") == 0) return *to = (double)NAN, SB_OK;
  *to = strtod(value, &end);
  if (*end || end == value || !isfinite(*to))
    return sb_fail(SB_FILE, "the metadata's %s is '%s', not a number", key, value);
  return SB_OK;
}

static sb_status format(const reader *r, const char *key, sb_format dtype, sb_format *to) {
  const char *value = r->get(r->context, key);
  *to = dtype;
  if (!value || strcmp(value, "input") == 0 || strcmp(value, "default") == 0) return SB_OK;
  sb_status s = sb_format_parse(value, to);
  return s == SB_OK ? s : sb_fail(SB_FILE, "the metadata's %s is '%s', no format", key, value);
}

static sb_status affine(const reader *r, sb_contract_case *c) {
  static const char *const names[][2] = {
      {"SYMMETRIC", "symmetric"}, {"ASYMMETRIC", "asymmetric"}, {"SYMMETRIC_NO_CLIPPING_ERR", "noclip"}};
  char mapping[40] = "", preserve[8] = "true";
  sb_status s = text(r, "mapping", mapping, sizeof mapping, true);
  for (char *p = mapping; *p; p++) *p = (char)toupper((unsigned char)*p);
  for (int i = 0; i < 3; i++)
    if (strcmp(mapping, names[i][0]) == 0) copy(c->mapping, sizeof c->mapping, names[i][1], strlen(names[i][1]));
  if (s == SB_OK && !c->mapping[0]) s = sb_fail(SB_FILE, "the metadata's mapping is '%s'", mapping);
  if (s == SB_OK) s = number(r, "quant_min", &c->quant_min);
  if (s == SB_OK) s = number(r, "quant_max", &c->quant_max);
  if (s == SB_OK) s = number(r, "eps", &c->eps);
  if (s == SB_OK) s = format(r, "scale_dtype", c->dtype, &c->scale_dtype);
  if (s == SB_OK) s = format(r, "zero_point_dtype", SB_I32, &c->zero_point_dtype);
  if (s == SB_OK) s = format(r, "output_dtype", c->dtype, &c->output_dtype);
  if (s == SB_OK) s = text(r, "preserve_zero", preserve, sizeof preserve, false);
  c->preserve_zero = strcmp(preserve, "false") != 0;
  c->variant[0] = 0; /* an affine file's variant names its parameters, which are all here */
  return s;
}

sb_status sb_contract_case_read(sb_metadata_get *get, const void *context, sb_contract_case *c) {
  reader r = {get, context};
  char dtype[16] = "", group[24] = "0", *end;
  *c = (sb_contract_case){.eps = (double)NAN, .preserve_zero = true};
  sb_status s = text(&r, "recipe", c->recipe, sizeof c->recipe, true);
  bool is_affine = strcmp(c->recipe, "affine") == 0;
  if (s == SB_OK) s = text(&r, "side", c->side, sizeof c->side, !is_affine);
  if (s == SB_OK) s = text(&r, "step", c->step, sizeof c->step, !is_affine);
  if (s == SB_OK) s = text(&r, "flavor", c->flavor, sizeof c->flavor, true);
  if (s == SB_OK) s = text(&r, "variant", c->variant, sizeof c->variant, false);
  if (s == SB_OK) s = text(&r, "dtype", dtype, sizeof dtype, true);
  if (s == SB_OK && sb_format_parse(dtype, &c->dtype) != SB_OK)
    s = sb_fail(SB_FILE, "the metadata's dtype is '%s', no format", dtype);
  if (s == SB_OK) s = text(&r, "group_size", group, sizeof group, false);
  c->group_size = strtoll(group, &end, 10);
  if (s == SB_OK && (*end || c->group_size < 0 || c->group_size > (int64_t)1 << 40))
    s = sb_fail(SB_FILE, "the metadata's group_size is '%s'", group);
  c->scale_dtype = c->output_dtype = c->dtype;
  c->zero_point_dtype = SB_I32;
  return s == SB_OK && is_affine ? affine(&r, c) : s;
}
