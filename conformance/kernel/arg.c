/* Arguments of a kernel as text. */
#include "samebits/kernel.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static sb_status put_value(sb_kernel_arg *arg, const void *value, size_t size) {
  arg->kind = SB_ARG_VALUE, arg->size = size;
  arg->value = malloc(size ? size : 1);
  if (!arg->value) return sb_fail(SB_NO_MEMORY, "argument: out of memory");
  memcpy(arg->value, value, size);
  return SB_OK;
}

/* A copy of the tensor TENSOR of "FILE#TENSOR". */
static sb_status read_tensor(const char *text, sb_tensor *tensor) {
  const char *hash = strrchr(text, '#');
  if (!hash || hash == text || !hash[1])
    return sb_fail(SB_USAGE, "argument '%s': expected FILE.safetensors#TENSOR", text);
  char *path = strndup(text, (size_t)(hash - text));
  if (!path) return sb_fail(SB_NO_MEMORY, "argument '%s': out of memory", text);
  sb_safetensors *file = NULL;
  sb_status status = sb_safetensors_open(path, &file);
  if (status == SB_OK) {
    const sb_tensor *found = sb_safetensors_find(file, hash + 1);
    if (!found)
      status = sb_fail(SB_FILE, "%s: there is no tensor '%s'", path, hash + 1);
    else {
      *tensor = *found;
      tensor->data = NULL;
      status = sb_tensor_alloc(tensor);
      if (status == SB_OK) memcpy(tensor->data, found->data, (size_t)sb_tensor_bytes(found));
    }
    sb_safetensors_close(file);
  }
  free(path);
  return status;
}

/* FORMAT[d0,d1,...] behind NAME=; without brackets a single element. */
static sb_status parse_shape(const char *argument, const char *text, sb_tensor *tensor) {
  char format[16];
  size_t n = strcspn(text, "[");
  if (n == 0 || n >= sizeof format) return sb_fail(SB_USAGE, "argument '%s': expected FORMAT[d0,d1,...]", argument);
  memcpy(format, text, n);
  format[n] = 0;
  sb_status status = sb_format_parse(format, &tensor->format);
  if (status) return sb_fail_in(status, "argument '%s'", argument);
  tensor->rank = 0;
  const char *at = text + n;
  if (*at == '[')
    for (at++; *at != ']';) {
      char *end;
      errno = 0;
      long long d = strtoll(at, &end, 10);
      if (end == at || errno || d < 0 || tensor->rank == SB_MAX_RANK || (*end != ',' && *end != ']'))
        return sb_fail(SB_USAGE, "argument '%s': a dimension is wrong, or there are more than %d", argument,
                       SB_MAX_RANK);
      tensor->dims[tensor->rank++] = d;
      at = *end == ',' ? end + 1 : end;
    }
  if (*at && at[1]) return sb_fail(SB_USAGE, "argument '%s': text behind the shape", argument);
  status = sb_tensor_alloc(tensor);
  return status ? sb_fail_in(status, "argument '%s'", argument) : SB_OK;
}

/* Splits "NAME=REST" and keeps NAME. */
static sb_status take_name(const char *text, sb_kernel_arg *arg, const char **rest) {
  const char *equals = strchr(text, '=');
  if (!equals || equals == text) return sb_fail(SB_USAGE, "argument '%s': expected NAME=...", text);
  arg->name = strndup(text, (size_t)(equals - text));
  *rest = equals + 1;
  return arg->name ? SB_OK : sb_fail(SB_NO_MEMORY, "argument '%s': out of memory", text);
}

static sb_status parse_bytes(const char *text, sb_kernel_arg *arg) {
  size_t n = strlen(text);
  if (n == 0 || n % 2 || n > 2 * 32764)
    return sb_fail(SB_USAGE, "argument 'bytes:%.40s': expected an even number of hex digits", text);
  unsigned char *bytes = malloc(n / 2);
  if (!bytes) return sb_fail(SB_NO_MEMORY, "argument: out of memory");
  for (size_t k = 0; k < n / 2; k++) {
    unsigned value;
    if (!isxdigit((unsigned char)text[2 * k]) || !isxdigit((unsigned char)text[2 * k + 1]) ||
        sscanf(text + 2 * k, "%2x", &value) != 1) {
      free(bytes);
      return sb_fail(SB_USAGE, "argument 'bytes:%.40s': no hex digit at %zu", text, 2 * k);
    }
    bytes[k] = (unsigned char)value;
  }
  sb_status status = put_value(arg, bytes, n / 2);
  free(bytes);
  return status;
}

static sb_status parse_integer(const char *type, const char *text, sb_kernel_arg *arg) {
  char *end;
  bool is_signed = type[0] == 'i';
  int bits = atoi(type + 1);
  errno = 0;
  unsigned long long value = is_signed ? (unsigned long long)strtoll(text, &end, 0) : strtoull(text, &end, 0);
  bool negative = strchr(text, '-') != NULL, in_range = errno == 0 && end != text && !*end && !(negative && !is_signed);
  if (in_range && bits == 32) {
    long long v = (long long)value;
    in_range = is_signed ? v >= INT32_MIN && v <= INT32_MAX : value <= UINT32_MAX;
  }
  if (!in_range) return sb_fail(SB_USAGE, "argument '%s:%s': no %s number", type, text, type);
  return put_value(arg, &value, (size_t)bits / 8);
}

static sb_status parse_float(const char *type, const char *text, sb_kernel_arg *arg) {
  char *end;
  if (!*text) return sb_fail(SB_USAGE, "argument '%s:': no number", type);
  const bool narrow = !strcmp(type, "f32");
  errno = 0;
  const float f = narrow ? strtof(text, &end) : 0.0f;
  const double d = narrow ? (double)f : strtod(text, &end);
  if (!*end && errno == ERANGE && (isinf(d) || d == 0.0)) /* a subnormal is rounded like any other number */
    return sb_fail(SB_USAGE, "argument '%s:%s': beyond the range of %s", type, text, type);
  if (!*end) return narrow ? put_value(arg, &f, sizeof f) : put_value(arg, &d, sizeof d);
  return sb_fail(SB_USAGE, "argument '%s:%s': no number", type, text);
}

sb_status sb_kernel_arg_parse(const char *text, sb_kernel_arg *arg) {
  static const char *const integers[] = {"i32", "u32", "i64", "u64"};
  *arg = (sb_kernel_arg){.kind = SB_ARG_VALUE};
  const char *colon = strchr(text, ':'), *rest = colon ? colon + 1 : NULL;
  char type[8] = "";
  if (!colon || colon == text || colon - text >= (long)sizeof type)
    return sb_fail(SB_USAGE, "argument '%s': expected in: out: inout: i32: u32: i64: u64: f32: f64: or bytes:", text);
  memcpy(type, text, (size_t)(colon - text));
  sb_status status = SB_OK;
  if (!strcmp(type, "in")) {
    arg->kind = SB_ARG_IN;
    return read_tensor(rest, &arg->tensor);
  }
  if (!strcmp(type, "out")) {
    arg->kind = SB_ARG_OUT;
    status = take_name(rest, arg, &rest);
    return status ? status : parse_shape(text, rest, &arg->tensor);
  }
  if (!strcmp(type, "inout")) {
    arg->kind = SB_ARG_INOUT;
    status = take_name(rest, arg, &rest);
    return status ? status : read_tensor(rest, &arg->tensor);
  }
  if (!strcmp(type, "bytes")) return parse_bytes(rest, arg);
  if (!strcmp(type, "f32") || !strcmp(type, "f64")) return parse_float(type, rest, arg);
  for (int k = 0; k < 4; k++)
    if (!strcmp(type, integers[k])) return parse_integer(type, rest, arg);
  return sb_fail(SB_USAGE, "argument '%s': unknown kind '%s'", text, type);
}

void sb_kernel_arg_free(sb_kernel_arg *arg) {
  free(arg->name), free(arg->value);
  sb_tensor_free(&arg->tensor);
  *arg = (sb_kernel_arg){.kind = SB_ARG_VALUE};
}
