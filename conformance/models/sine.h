/* sin and cos in f32 as PyTorch's CPU build has them (MKL's vmsSin and vmsCos, high accuracy). Up to 10,000 they are,
 * found by comparing outputs only, sin(r) for x = n pi + r (for cos: (n - 1/2) pi + r) by the odd polynomial of degree
 * 9 in r, in f64, whose greatest relative error on [0, pi/2] is the smallest that one beginning with r can have;
 * rounded once to f32. 5 % of the results are not the nearest f32. tests/torchao/sine.py derives the coefficients
 * (Remez' algorithm) and compares with torch: of 20 million angles below 128 none differs, of as many below 10,000
 * eight. */
#ifndef SAMEBITS_MODELS_SINE_H
#define SAMEBITS_MODELS_SINE_H

#include <math.h>

/* From n half turns: sin of x - (n - before) pi, times (-1)^n. `before` is 0 (sin) or 1/2 (cos). */
static inline float sb_half_turns(double x, double before) {
  const double n = rint(fma(x, 0x1.45f306dc9c883p-2, before)), k = n - before;
  const double r = fma(-k, 0x1.1a62633145c07p-53, fma(-k, 0x1.921fb54442d18p+1, x)), t = r * r;
  double p = fma(0x1.5dbdf0e314e64p-19, t, -0x1.9f6ffeea56840p-13);
  p = fma(p, t, 0x1.110ed3804c2a1p-7);
  p = fma(p, t, -0x1.55554bc83656dp-3);
  p = fma(r * t, p, r);
  return (float)(fmod(n, 2.0) == 0.0 ? p : -p);
}

/* Beyond 10,000 MKL rounds correctly but for some 1e-5 of the angles, as the C library's f64 does once rounded. */
static inline float sb_sine(float x) {
  if (x == 0.0F) return x;
  return fabsf(x) <= 10000.0F ? sb_half_turns((double)x, 0.0) : (float)sin((double)x);
}
static inline float sb_cosine(float x) {
  return fabsf(x) <= 10000.0F ? sb_half_turns((double)x, 0.5) : (float)cos((double)x);
}

#endif
