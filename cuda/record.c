/* A launch record made concrete: its expressions evaluated and its parameters laid out. */
#include "samebits/kernels.h"

#include <stdio.h>

bool sb_kernel_matches(const sb_kernel *kernel, const sb_spec *spec) {
  return kernel->step == spec->step && kernel->side == spec->path->side && kernel->flavor == spec->path->flavor &&
         !strcmp(kernel->recipe, spec->recipe->name) &&
         (!kernel->variant || !strcmp(kernel->variant, spec->path->variant)) &&
         (!kernel->dtype || !strcmp(kernel->dtype, sb_format_of(spec->dtype)->name));
}

sb_variables sb_variables_of(const sb_spec *spec, int64_t rows, int64_t cols, int sm) {
  const int64_t group = spec->group_size > 0 ? spec->group_size : cols;
  return (sb_variables){.rows = rows,
                        .cols = cols,
                        .group = group,
                        .x_stride = cols,
                        .codes_stride = cols,
                        .output_stride = cols,
                        .scale_row_stride = group > 0 ? cols / group : 0,
                        .scale_group_stride = 1,
                        .sm = sm};
}

/* `text` with {dtype} replaced. */
static sb_status name(const char *what, const char *text, sb_format dtype, char *result, size_t size) {
  static const char mark[] = "{dtype}";
  const char *at = strstr(text, mark);
  const int length =
      at ? snprintf(result, size, "%.*s%s%s", (int)(at - text), text, sb_format_of(dtype)->name, at + sizeof mark - 1)
         : snprintf(result, size, "%s", text);
  if (length < 0 || (size_t)length >= size)
    return sb_fail(SB_INVALID, "%s '%s': at most %zu characters", what, text, size - 1);
  return SB_OK;
}

static sb_status bounded(const char *what, const char *text, const sb_variables *variables, int64_t low, int64_t high,
                         unsigned *value) {
  int64_t result;
  const sb_status status = sb_expression(text, variables, &result);
  if (status) return sb_fail_in(status, "%s", what);
  if (result < low || result > high)
    return sb_fail(SB_INVALID, "%s '%s' is %lld, not %lld to %lld", what, text, (long long)result, (long long)low,
                   (long long)high);
  *value = (unsigned)result;
  return SB_OK;
}

/* One parameter: a slot's name, or TYPE:expression. */
static sb_status fill_arg(const char *arg, size_t length, const sb_variables *variables,
                          const uint64_t pointers[SB_SLOTS], uint64_t *value, unsigned char *bytes) {
  *bytes = 8;
  for (int slot = 0; slot < SB_SLOTS; slot++) {
    if (strlen(sb_slot_names[slot]) == length && !memcmp(sb_slot_names[slot], arg, length)) {
      *value = pointers[slot];
      return SB_OK;
    }
  }
  static const struct {
    const char *name;
    int64_t low, high;
  } types[] = {
      {"i32", INT32_MIN, INT32_MAX}, {"u32", 0, UINT32_MAX}, {"i64", INT64_MIN, INT64_MAX}, {"u64", 0, INT64_MAX}};
  for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
    if (length < 4 || memcmp(arg, types[t].name, 3) || arg[3] != ':') continue;
    char text[256];
    if (length - 4 >= sizeof text) return sb_fail(SB_INVALID, "parameter of %zu characters, at most 255", length);
    memcpy(text, arg + 4, length - 4);
    text[length - 4] = 0;
    int64_t result;
    const sb_status status = sb_expression(text, variables, &result);
    if (status) return status;
    if (result < types[t].low || result > types[t].high)
      return sb_fail(SB_INVALID, "parameter '%.*s' is %lld, beyond its type", (int)length, arg, (long long)result);
    *value = (uint64_t)result;
    *bytes = types[t].high > UINT32_MAX ? 8 : 4;
    return SB_OK;
  }
  return sb_fail(SB_INVALID, "parameter '%.*s' is neither a tensor's name nor i32: u32: i64: u64: and an expression",
                 (int)length, arg);
}

sb_status sb_launch_fill(const sb_kernel *kernel, sb_format dtype, const sb_variables *variables,
                         const uint64_t pointers[SB_SLOTS], sb_launch *launch) {
  if (kernel->when) {
    int64_t holds;
    const sb_status status = sb_expression(kernel->when, variables, &holds);
    if (status) return sb_fail_in(status, "%s: when", kernel->entry);
    if (!holds) return sb_fail(SB_UNSUPPORTED, "%s takes only shapes with %s", kernel->entry, kernel->when);
  }
  sb_status status = name("entry", kernel->entry, dtype, launch->entry, sizeof launch->entry);
  if (!status) status = name("file", kernel->file, dtype, launch->file, sizeof launch->file);
  for (int i = 0; i < 3 && !status; i++) {
    const int64_t most[3] = {INT32_MAX, 65535, 65535};
    status = bounded("grid", kernel->grid[i] ? kernel->grid[i] : "1", variables, 1, most[i], &launch->grid[i]);
    if (!status)
      status = bounded("block", kernel->block[i] ? kernel->block[i] : "1", variables, 1, 1024, &launch->block[i]);
  }
  if (!status) status = bounded("shared", kernel->shared ? kernel->shared : "0", variables, 0, 232448, &launch->shared);
  launch->arg_count = 0;
  for (const char *at = kernel->args; !status && *at;) {
    const size_t length = strcspn(at, " ");
    if (launch->arg_count == SB_KERNEL_MAX_ARGS)
      return sb_fail(SB_INVALID, "%s: more than %d parameters", kernel->entry, SB_KERNEL_MAX_ARGS);
    uint64_t *value = &launch->values[launch->arg_count];
    status = fill_arg(at, length, variables, pointers, value, &launch->sizes[launch->arg_count]);
    launch->args[launch->arg_count++] = value;
    at += length;
    at += strspn(at, " ");
  }
  return status ? sb_fail_in(status, "%s", kernel->entry) : SB_OK;
}
