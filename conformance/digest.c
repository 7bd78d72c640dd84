/* Digests: one canonical byte string a tensor, so that equal bits (NaN as one class) and nothing else give equal
 * digests. */
#include "samebits/compare.h"
#include "samebits/safetensors.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

/* What each floating-point format's NaN becomes, and the magnitude bits above which an element is one. */
typedef struct nan_rule {
  uint64_t quiet, magnitude, greatest;
} nan_rule;

static const nan_rule rules[SB_FORMATS] = {
    [SB_F32] = {0x7fc00000, 0x7fffffff, 0x7f800000},
    [SB_F16] = {0x7e00, 0x7fff, 0x7c00},
    [SB_BF16] = {0x7fc0, 0x7fff, 0x7f80},
    [SB_F64] = {0x7ff8000000000000, 0x7fffffffffffffff, 0x7ff0000000000000},
    [SB_E4M3] = {0x7f, 0x7f, 0x7e},
    [SB_E5M2] = {0x7f, 0x7f, 0x7c},
};

enum { STRIDE = 1024 };

/* Copies of `n` elements with NaN replaced; one loop a width, which the compiler vectorizes. */
#define SB_CANONICAL(type)                                                                                             \
  static void canonical_##type(const nan_rule *rule, const type *from, type *to, int64_t n) {                          \
    const type quiet = (type)rule->quiet, magnitude = (type)rule->magnitude, greatest = (type)rule->greatest;          \
    for (int64_t i = 0; i < n; i++) to[i] = (type)(from[i] & magnitude) > greatest ? quiet : from[i];                  \
  }
SB_CANONICAL(uint8_t)
SB_CANONICAL(uint16_t)
SB_CANONICAL(uint32_t)
SB_CANONICAL(uint64_t)

/* The bytes of elements [from, to) in canonical form; returns how many. */
static size_t canonical(const sb_tensor *tensor, int64_t from, int64_t to, uint64_t room[STRIDE]) {
  const sb_format_info *format = sb_format_of(tensor->format);
  const nan_rule *rule = &rules[tensor->format];
  const char *data = tensor->data;
  int64_t n = to - from;
  if (!format->is_float || !rule->magnitude) {
    bool bytes = format->is_float; /* e8m0 (one NaN) and e2m1 (none): a byte each */
    for (int64_t i = 0; i < n; i++) {
      if (bytes)
        ((uint8_t *)room)[i] = (uint8_t)sb_load_bits(tensor->format, data, from + i);
      else
        room[i] = tensor->format == SB_I8 ? (uint64_t)(int64_t)((const int8_t *)data)[from + i]
                                          : (uint64_t)sb_load_int(tensor->format, data, from + i);
    }
    return (size_t)n * (bytes ? 1 : 8);
  }
  switch (format->bits) {
  case 8:
    canonical_uint8_t(rule, (const uint8_t *)data + from, (uint8_t *)room, n);
    break;
  case 16:
    canonical_uint16_t(rule, (const uint16_t *)data + from, (uint16_t *)room, n);
    break;
  case 32:
    canonical_uint32_t(rule, (const uint32_t *)data + from, (uint32_t *)room, n);
    break;
  default:
    canonical_uint64_t(rule, (const uint64_t *)data + from, room, n);
    break;
  }
  return (size_t)(n * format->bits / 8);
}

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "digests are of little-endian bytes");

static sb_status begin(XXH3_state_t **state) {
  *state = XXH3_createState();
  if (!*state) return sb_fail(SB_NO_MEMORY, "no memory for a digest");
  XXH3_128bits_reset(*state);
  return SB_OK;
}

static void elements(XXH3_state_t *state, const sb_tensor *tensor) {
  uint64_t room[STRIDE];
  const int64_t count = sb_tensor_count(tensor);
  for (int64_t from = 0; from < count; from += STRIDE) {
    int64_t to = count - from < STRIDE ? count : from + STRIDE;
    XXH3_128bits_update(state, room, canonical(tensor, from, to, room));
  }
}

static void end(XXH3_state_t *state, char text[SB_DIGEST_TEXT]) {
  XXH128_canonical_t digest;
  XXH128_canonicalFromHash(&digest, XXH3_128bits_digest(state));
  XXH3_freeState(state);
  for (size_t i = 0; i < sizeof digest.digest; i++) snprintf(text + 2 * i, 3, "%02x", digest.digest[i]);
}

sb_status sb_digest(const sb_tensor *tensor, char text[SB_DIGEST_TEXT]) {
  XXH3_state_t *state;
  const sb_status status = begin(&state);
  if (status) return status;
  elements(state, tensor);
  end(state, text);
  return SB_OK;
}

sb_status sb_digest_file(const sb_safetensors *file, char text[SB_DIGEST_TEXT]) {
  XXH3_state_t *state;
  const sb_status status = begin(&state);
  if (status) return status;
  for (int i = 0; i < sb_safetensors_count(file); i++) {
    const sb_tensor *tensor = sb_safetensors_at(file, i);
    const char *name = sb_safetensors_name(file, i), *format = sb_format_of(tensor->format)->name;
    XXH3_128bits_update(state, name, strlen(name) + 1);
    XXH3_128bits_update(state, format, strlen(format) + 1);
    XXH3_128bits_update(state, tensor->dims, sizeof tensor->dims[0] * (size_t)tensor->rank);
    elements(state, tensor);
  }
  end(state, text);
  return SB_OK;
}
