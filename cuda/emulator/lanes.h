/* lanes.h: what the handlers do with 32 lanes at once: predicates to a mask, one value to all running lanes. */
#ifndef EMU_LANES_H
#define EMU_LANES_H
#include "emu.h"
#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* The lanes whose predicate is true, as a mask. A predicate register holds 0 or 1. */
static inline __attribute__((always_inline, unused)) u32 lanes_true(const u32 *p) {
#ifdef __SSE2__
  const __m128i *v = (const __m128i *)(const void *)p;
  __m128i low = _mm_packs_epi16(_mm_packs_epi32(v[0], v[1]), _mm_packs_epi32(v[2], v[3]));
  __m128i high = _mm_packs_epi16(_mm_packs_epi32(v[4], v[5]), _mm_packs_epi32(v[6], v[7]));
  return (u32)_mm_movemask_epi8(_mm_slli_epi16(low, 7)) | (u32)_mm_movemask_epi8(_mm_slli_epi16(high, 7)) << 16;
#else
  u32 bits = 0;
  for (u32 l = 0; l < LANES; l++) bits |= (p[l] & 1u) << l;
  return bits;
#endif
}

/* d[l] = value for the lanes of the mask; LANES_SET is a loop over l that `value` may use. */
#define LANES_SET(d, value)                                                                                            \
  do {                                                                                                                 \
    const u32 lanes_mask = w->mask;                                                                                    \
    if (LIKELY(lanes_mask == ALL_LANES)) {                                                                             \
      for (u32 l = 0; l < LANES; l++) (d)[l] = (value);                                                                \
    } else                                                                                                             \
      for (u32 l = 0; l < LANES; l++) (d)[l] = lanes_mask >> l & 1u ? (value) : (d)[l];                                \
  } while (0)
#endif
