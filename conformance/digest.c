/* Digests: one canonical byte string a tensor, so that equal bits (NaN as one class) and nothing else give equal
 * digests. */
#include "samebits/compare.h"

#include <stdio.h>
#include <xxhash.h>

/* The bytes of elements [from, to) in canonical form; returns how many. */
static size_t canonical(const sb_tensor *tensor, int64_t from, int64_t to, unsigned char *bytes) {
  static const uint64_t quiet[SB_FORMATS] = {[SB_F32] = 0x7fc00000,         [SB_F16] = 0x7e00, [SB_BF16] = 0x7fc0,
                                             [SB_F64] = 0x7ff8000000000000, [SB_E4M3] = 0x7f,  [SB_E5M2] = 0x7f};
  const sb_format_info *format = sb_format_of(tensor->format);
  int width = format->is_float ? (format->bits + 7) / 8 : 8;
  size_t at = 0;
  for (int64_t i = from; i < to; i++) {
    uint64_t bits;
    if (!format->is_float)
      bits = (uint64_t)sb_load_int(tensor->format, tensor->data, i);
    else {
      bits = sb_load_bits(tensor->format, tensor->data, i);
      double value = quiet[tensor->format] ? sb_load(tensor->format, tensor->data, i) : 0;
      if (value != value) bits = quiet[tensor->format];
    }
    for (int b = 0; b < width; b++) bytes[at++] = (unsigned char)(bits >> 8 * b);
  }
  return at;
}

sb_status sb_digest(const sb_tensor *tensor, char text[SB_DIGEST_TEXT]) {
  enum { STRIDE = 1024 };
  unsigned char bytes[STRIDE * 8];
  int64_t count = sb_tensor_count(tensor);
  XXH3_state_t *state = XXH3_createState();
  if (!state) return sb_fail(SB_NO_MEMORY, "no memory for a digest");
  XXH3_128bits_reset(state);
  for (int64_t from = 0; from < count; from += STRIDE) {
    int64_t to = count - from < STRIDE ? count : from + STRIDE;
    XXH3_128bits_update(state, bytes, canonical(tensor, from, to, bytes));
  }
  XXH128_canonical_t digest;
  XXH128_canonicalFromHash(&digest, XXH3_128bits_digest(state));
  XXH3_freeState(state);
  for (size_t i = 0; i < sizeof digest.digest; i++) snprintf(text + 2 * i, 3, "%02x", digest.digest[i]);
  return SB_OK;
}
