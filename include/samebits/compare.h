/* Comparison of two tensors, element by element, and digests for comparing without the tensors. Never a tolerance. */
#ifndef SAMEBITS_COMPARE_H
#define SAMEBITS_COMPARE_H

#include "samebits/tensor.h"
#include <stddef.h>

typedef struct sb_comparison {
  int64_t elements, different;
  int64_t first; /* row-major index of the first difference, -1: none */
} sb_comparison;

/* Called for each differing element in order; returning false stops the calls, not the count. */
typedef bool sb_on_difference(void *context, int64_t index);

/* Compares: integer tensors by value; floating-point ones bit by bit, NaN as one class, -0 unlike +0; two
 * floating-point formats after exact widening to f64; an integer tensor against a floating-point one by value (where -0
 * is 0). SB_INVALID: shapes differ. `on` may be NULL. */
sb_status sb_compare(const sb_tensor *expected, const sb_tensor *got, sb_comparison *result, sb_on_difference *on,
                     void *context);

/* Whether the elements at one index of two tensors are equal in the sense of sb_compare. */
bool sb_same_element(const sb_tensor *expected, const sb_tensor *got, int64_t index);

/* Distance in representable numbers between two elements of one floating-point format, by their bits; -1: one is NaN.
 */
int64_t sb_ulps(sb_format format, uint64_t a, uint64_t b);

/* An element as text: "0x3f800000 (1)"; enough digits to tell neighbours apart. Returns `text`. */
enum { SB_ELEMENT_TEXT = 64 };
const char *sb_element_text(const sb_tensor *tensor, int64_t index, char text[SB_ELEMENT_TEXT]);

/* XXH3-128, as 32 hexadecimal digits, of the row-major little-endian elements, NaN replaced by 0x7fc00000 (f32), 0x7fc0
 * (bf16), 0x7e00 (f16), 0x7ff8000000000000 (f64), 0x7f (e4m3, e5m2), integers widened to i64, e2m1 to a byte. */
enum { SB_DIGEST_TEXT = 33 };
sb_status sb_digest(const sb_tensor *tensor, char text[SB_DIGEST_TEXT]);

/* The same of all tensors of a file: names, formats, sizes and elements. */
struct sb_safetensors;
sb_status sb_digest_file(const struct sb_safetensors *file, char text[SB_DIGEST_TEXT]);

#endif
