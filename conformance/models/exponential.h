/* exp in f32 by the method of SLEEF's expf_u10 (Shibata and Petrogalli, IEEE TPDS 2020), which PyTorch's CPU kernels of
 * silu and softmax call: x = q ln 2 + s with ln 2 in two parts, a polynomial of degree 7 in s, 2^q. Every step is one
 * f32 operation or one fused multiply-add, so its bits are the same on any machine. */
#ifndef SAMEBITS_MODELS_EXPONENTIAL_H
#define SAMEBITS_MODELS_EXPONENTIAL_H

#include "samebits/formats.h"
#include <math.h>

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

#endif
