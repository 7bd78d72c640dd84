/* The canonical text of a case, and statuses. */
#include "samebits/case.h"

#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

const char *const sb_case_status_names[SB_CASE_STATUSES] = {
    [SB_PASS] = "PASS",
    [SB_FAIL] = "FAIL",
    [SB_EXPECTED] = "EXPECTED",
    [SB_XPASS] = "XPASS",
    [SB_ERROR] = "ERROR",
    [SB_CRASH] = "CRASH",
    [SB_TIMEOUT] = "TIMEOUT",
    [SB_SKIP] = "SKIP",
    [SB_CASE_UNSUPPORTED] = "UNSUPPORTED",
    [SB_MISTRUSTED] = "MISTRUSTED",
    [SB_UNPROVEN] = "UNPROVEN",
    [SB_NOTRUN] = "NOTRUN",
};

sb_status sb_case_status_parse(const char *name, sb_case_status *status) {
  for (int i = 0; i < SB_CASE_STATUSES; i++)
    if (strcmp(name, sb_case_status_names[i]) == 0) {
      *status = (sb_case_status)i;
      return SB_OK;
    }
  return sb_fail(SB_USAGE, "unknown status '%.40s'", name);
}

static const char marker[] = "?device=";

const char *sb_case_print(const sb_case *c, char text[SB_CASE_TEXT]) {
  const sb_spec *spec = &c->spec;
  char fill[SB_CASE_NAME + 32];
  if (c->fill)
    snprintf(fill, sizeof fill, "%s:%" PRIu64, c->fill->name, c->seed);
  else
    snprintf(fill, sizeof fill, "file:%s", c->tensor);
  /* a tensor's name may look like a device: the last one counts */
  const char *device = !*c->device && !c->fill && strstr(c->tensor, marker) ? "ref" : c->device;
  snprintf(text, SB_CASE_TEXT, "%s/%s/%s@%s%s%s/%s/%" PRId64 "x%" PRId64 ":g%" PRId64 "/%s%s%s", spec->recipe->name,
           sb_side_names[spec->path->side], sb_step_names[spec->step], sb_flavor_names[spec->path->flavor],
           *spec->path->variant ? "+" : "", spec->path->variant, sb_format_of(spec->dtype)->name, c->rows, c->cols,
           spec->group_size, fill, *device ? marker : "", device);
  return text;
}

static bool parse_number(const char **text, uint64_t limit, uint64_t *number) {
  char *end;
  if (**text < '0' || **text > '9') return false;
  errno = 0;
  *number = strtoull(*text, &end, 10);
  *text = end;
  return errno == 0 && *number <= limit;
}

static bool parse_dimensions(const char **text, int64_t *rows, int64_t *cols) {
  uint64_t r, c;
  if (!parse_number(text, INT64_MAX, &r) || *(*text)++ != 'x' || !parse_number(text, INT64_MAX, &c)) return false;
  *rows = (int64_t)r;
  *cols = (int64_t)c;
  return true;
}

sb_status sb_shape_parse(const char *text, int64_t *rows, int64_t *cols) {
  const char *at = text;
  if (!parse_dimensions(&at, rows, cols) || *at) return sb_fail(SB_USAGE, "shape '%.60s' is not ROWSxCOLS", text);
  return SB_OK;
}

/* Cuts the text before the next `end` into `part`; returns what follows, or NULL. */
static const char *cut(const char *text, char end, char part[SB_CASE_NAME]) {
  const char *stop = strchr(text, end);
  if (!stop || stop - text >= SB_CASE_NAME) return NULL;
  memcpy(part, text, (size_t)(stop - text));
  part[stop - text] = 0;
  return stop + 1;
}

static sb_status parse_fill(const char *text, sb_case *c) {
  char name[SB_CASE_NAME];
  const char *rest = cut(text, ':', name);
  if (!rest) return sb_fail(SB_USAGE, "FILL:SEED is missing in '%.100s'", text);
  c->fill = NULL;
  if (strcmp(name, "file") == 0) {
    if (!*rest || strlen(rest) >= sizeof c->tensor)
      return sb_fail(SB_USAGE, "the tensor's name after file: is empty or too long");
    strcpy(c->tensor, rest);
    return SB_OK;
  }
  sb_status status = sb_fill_parse(name, &c->fill);
  if (status) return status;
  if (!parse_number(&rest, UINT64_MAX, &c->seed) || *rest)
    return sb_fail(SB_USAGE, "the seed in '%.100s' is not a number", text);
  return SB_OK;
}

static sb_status parse_parts(const char *text, sb_case *c) {
  char recipe[SB_CASE_NAME], word[SB_CASE_NAME], step_name[SB_CASE_NAME], dtype_name[SB_CASE_NAME];
  sb_side side;
  sb_step step;
  sb_flavor flavor;
  sb_format dtype;
  int64_t group = -1;
  const char *rest = cut(text, '/', recipe);
  if (rest) rest = cut(rest, '/', word);
  if (!rest) return sb_fail(SB_USAGE, "it is not RECIPE/SIDE/STEP@FLAVOR/DTYPE/SHAPE:gN/FILL:SEED");
  sb_status status = sb_side_parse(word, &side);
  if (status) return status;
  rest = cut(rest, '@', step_name);
  if (rest) rest = cut(rest, '/', word);
  if (rest) rest = cut(rest, '/', dtype_name);
  if (!rest) return sb_fail(SB_USAGE, "it is not RECIPE/SIDE/STEP@FLAVOR/DTYPE/SHAPE:gN/FILL:SEED");
  char *variant = strchr(word, '+');
  if (variant) *variant++ = 0;
  if ((status = sb_step_parse(step_name, &step)) || (status = sb_flavor_parse(word, &flavor)) ||
      (status = sb_format_parse(dtype_name, &dtype)))
    return status;
  if (!parse_dimensions(&rest, &c->rows, &c->cols)) return sb_fail(SB_USAGE, "the shape is not ROWSxCOLS");
  if (strncmp(rest, ":g", 2) == 0) {
    uint64_t number;
    rest += 2;
    if (!parse_number(&rest, INT32_MAX, &number)) return sb_fail(SB_USAGE, "the group size is not a number");
    group = (int64_t)number;
  }
  if (*rest++ != '/') return sb_fail(SB_USAGE, "after the shape, ':gN' or '/FILL:SEED' is due");
  status = sb_spec_make(recipe, side, step, flavor, variant ? variant : "", dtype, group, &c->spec);
  return status ? status : parse_fill(rest, c);
}

sb_status sb_case_parse(const char *text, sb_case *c) {
  char copy[SB_CASE_TEXT];
  *c = (sb_case){0};
  if (strlen(text) >= sizeof copy)
    return sb_fail(SB_USAGE, "case '%.60s...' is longer than %d characters", text, SB_CASE_TEXT);
  strcpy(copy, text);
  char *device = NULL;
  for (char *at = copy; (at = strstr(at, marker)); at++) device = at;
  if (device) {
    *device = 0;
    device += strlen(marker);
    if (!*device || strlen(device) >= sizeof c->device)
      return sb_fail(SB_USAGE, "case '%.200s': the device's name is empty or too long", text);
    if (strcmp(device, "ref") != 0) strcpy(c->device, device);
  }
  sb_status status = parse_parts(copy, c);
  return status ? sb_fail_in(status, "case '%.200s'", text) : SB_OK;
}

bool sb_case_matches(const char *pattern, const char *text) { return fnmatch(pattern, text, FNM_NOESCAPE) == 0; }
