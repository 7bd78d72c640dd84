/* The timings of runs that can be drawn. Private to reports/. */
#ifndef SAMEBITS_REPORTS_POINTS_H
#define SAMEBITS_REPORTS_POINTS_H

#include "reports/report.h"

typedef struct sb_point {
  const sb_run_entry *entry;
  char kernel[224]; /* "recipe side step@flavor" */
  char dtype[16];
  double elements;
} sb_point;

/* All timings that are of a case, in the order of kernel, dtype, device, size; how many, -1: no memory. The yardstick
 * is none. The caller frees them. */
int sb_points(const sb_run_report *report, sb_point **points);

/* Small multiples: a row a kernel, a column a dtype, a line a device, and dashed each device's roofline. */
sb_status sb_plot_throughput(const sb_run_report *report, const sb_point *points, int count, const char *folder);

#endif
