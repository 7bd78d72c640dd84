/* exp, log and pow in f32 by the methods of SLEEF's expf_u10, logf_u10 and powf_u10 (Shibata and Petrogalli, IEEE TPDS
 * 2020), which PyTorch's CPU kernels call. Every step is one operation or one fused multiply-add, so their bits are the
 * same on any machine. */
#ifndef SAMEBITS_MODELS_EXPONENTIAL_H
#define SAMEBITS_MODELS_EXPONENTIAL_H

#include "samebits/formats.h"
#include <math.h>

/* x = q ln 2 + s with ln 2 in two parts, a polynomial of degree 7 in s, 2^q. */
static inline float sb_exponential(float x) {
  const float q = rintf(x * 0x1.715476p+0f);
  float s = fmaf(q, -0x1.62e4p-1f, x), p = 0x1.a057b4p-13f;
  s = fmaf(q, -0x1.7f7d1cp-20f, s);
  p = fmaf(p, s, 0x1.6d2d92p-10f);
  p = fmaf(p, s, 0x1.11114cp-7f);
  p = fmaf(p, s, 0x1.5554f4p-5f);
  p = fmaf(p, s, 0x1.555556p-3f);
  p = fmaf(p, s, 0.5F);
  p = fmaf(s * s, p, s) + 1.0F;
  const float within = q < -150.0F ? -150.0F : q > 256.0F ? 256.0F : q;
  const int power = (int)within, half = power >> 1;
  p = p * sb_f32_from_bits((uint32_t)(half + 127) << 23) * sb_f32_from_bits((uint32_t)(power - half + 127) << 23);
  return x < -104.0F ? 0.0F : x > 100.0F ? INFINITY : p;
}

/* x = 2^power m with m in [3/4, 3/2), for a normal number; and z = (m - 1) / (m + 1), its first half in f32. */
typedef struct sb_halved {
  int power;
  double z;
  float first;
} sb_halved;
static inline sb_halved sb_halve(float x) {
  const uint32_t bits = sb_f32_bits(x), fraction = bits & 0x7fffff;
  const int above = fraction >= 0x400000; /* m of 3/2 or more is halved */
  const float m = sb_f32_from_bits((uint32_t)(127 - above) << 23 | fraction), below = m - 1.0F;
  return (sb_halved){(int)(bits >> 23) - 127 + above, (double)below / ((double)m + 1.0), below * (1.0F / (m + 1.0F))};
}

#define SB_LN2_PAIR (0x1.62e43p-1 - 0x1.05c61p-29)

/* power ln 2 + 2 z + z^3 p(z^2). SLEEF carries pairs of f32, which f64 holds; z^3 p is of the pair's first half. */
static inline float sb_logarithm(float x) {
  const sb_halved h = sb_halve(x);
  const float square = h.first * h.first;
  float p = fmaf(0x1.35feb8p-2f, square, 0x1.993394p-2f);
  p = fmaf(p, square, 0x1.5555b4p-1f);
  return (float)(SB_LN2_PAIR * h.power + 2.0 * h.z + (double)(square * h.first * p));
}

/* x^y = exp(y log x), x positive and normal: both with more terms, the product in pairs. */
static inline float sb_power(float x, float y) {
  const sb_halved h = sb_halve(x);
  const float first = h.first * h.first;
  const double square = h.z * h.z;
  float p = fmaf(0x1.ec2d14p-3f, first, 0x1.23f494p-2f);
  p = fmaf(p, first, 0x1.999bb2p-2f);
  const double logarithm = SB_LN2_PAIR * h.power + 2.0 * h.z +
                           square * h.z * (square * (double)p + (0x1.555554p-1 + 0x1.fb6706p-29)),
               d = logarithm * (double)y;
  const float q = rintf((float)d * 0x1.715476p+0f);
  const double s = d - (double)q * 0x1.62e4p-1 - (double)q * 0x1.7f7d1cp-20;
  p = fmaf(0x1.655decp-10f, (float)s, 0x1.1222d6p-7f);
  p = fmaf(p, (float)s, 0x1.555e98p-5f);
  p = fmaf(p, (float)s, 0x1.5554bcp-3f);
  p = fmaf(p, (float)s, 0x1.fffff6p-2f);
  return ldexpf((float)(1.0 + (s + s * s * (double)p)), (int)q);
}

#endif
