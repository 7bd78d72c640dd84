/* What a kernel would take at the least: exact counts of the emulator, and a roofline made of published figures. A
 * prediction, never a measurement: no GPU is involved. */
#ifndef SAMEBITS_PREDICT_H
#define SAMEBITS_PREDICT_H

#include "samebits/case.h"
#include "samebits/compare.h"

/* A product of an architecture, as its maker publishes it (bench/products.c tells where the rows come from). */
typedef struct sb_product {
  int sm;
  const char *name;
  double bytes_per_second; /* of its memory */
  double bits_per_pin;     /* a second: twice the memory's clock, or what its name states */
  int bus_width;           /* bits; bits_per_pin * bus_width / 8 is bytes_per_second */
  int processors;          /* each issues at most 4 warp instructions a cycle */
  double hertz;            /* boost clock */
} sb_product;
const sb_product *sb_product_of(int sm); /* NULL: none is listed */

enum { SB_COUNTERS = 8 };

typedef struct sb_prediction {
  const sb_product *product;
  const char *const *counter_names; /* "thread_instructions", ... */
  int64_t counters[SB_COUNTERS];
  int64_t bytes;                          /* distinct bytes read and written: each must cross the memory once */
  double seconds;                         /* the greater of bytes / bandwidth and instructions / issue rate */
  bool memory_bound;                      /* which of them it was */
  char digests[SB_SLOTS][SB_DIGEST_TEXT]; /* of what the kernel gave, verified bit by bit against the reference */
} sb_prediction;

/* Runs the case's kernel on the emulator ("emu:sm_90") with exact counting and compares its bits with the reference's.
 * SB_USAGE: another device, or step both. SB_UNSUPPORTED: no kernel takes it, upstream's gates refuse it, or it takes
 * several launches, which are not added up. SB_INTERNAL: bits differ. `kernels`: a manifest, whose kernels are taken in
 * the place of ours; NULL: ours. */
sb_status sb_predict(const char *device, const char *kernels, const sb_case *c, sb_prediction *prediction);

#endif
