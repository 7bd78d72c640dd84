/* Throughput on the page: medians, the spread of the samples, and the share of the roofline. */
#include "reports/report.h"

#include "bench/statistics.h"

#include <stdlib.h>
#include <string.h>

static void put_time(double seconds, FILE *to) {
  static const struct {
    double unit;
    const char *name;
  } units[] = {{1, "s"}, {1e-3, "ms"}, {1e-6, "&micro;s"}, {1e-9, "ns"}};
  int i = 0;
  while (i < 3 && seconds < units[i].unit) i++;
  fprintf(to, "%.3g&nbsp;%s", seconds / units[i].unit, units[i].name);
}

/* A box from quartile to quartile with the median in it, whiskers to the least and the most, from 0 to `most`. */
static void put_box(const sb_quartiles *q, double most, FILE *to) {
  const double scale = most > 0 ? 100 / most : 0;
  fprintf(
      to,
      "<svg class=\"box\" viewBox=\"0 0 100 12\" preserveAspectRatio=\"none\" aria-hidden=\"true\"><g fill=\"none\" "
      "stroke=\"currentColor\" vector-effect=\"non-scaling-stroke\"><path d=\"M%.2f 6H%.2fM%.2f 6H%.2f\"/><rect "
      "x=\"%.2f\" y=\"2\" width=\"%.2f\" height=\"8\"/><path stroke-width=\"2\" d=\"M%.2f 2V10\"/></g></svg>",
      q->least * scale, q->q1 * scale, q->q3 * scale, q->most * scale, q->q1 * scale, (q->q3 - q->q1) * scale,
      q->median * scale);
}

static void put_bench(const sb_run_entry *e, double most, FILE *to) {
  fprintf(to, "<tr%s><td class=\"case\">", e->predicted ? " class=\"predicted\"" : "");
  sb_put_xml(to, e->key);
  fputs("</td><td>", to);
  sb_put_xml(to, e->device);
  fputs(e->predicted ? "</td><td class=\"number\">predicted&nbsp;" : "</td><td class=\"number\">", to);
  put_time(e->seconds, to);
  fputs("</td><td>", to);
  double *copy = e->sample_count ? malloc(sizeof *copy * (size_t)e->sample_count) : NULL;
  if (copy) {
    memcpy(copy, e->samples, sizeof *copy * (size_t)e->sample_count);
    const sb_quartiles q = sb_quartiles_of(copy, e->sample_count);
    put_box(&q, most, to);
  }
  free(copy);
  fprintf(to, "</td><td class=\"number\">%d</td><td class=\"number\">", e->sample_count);
  if (e->bytes_per_second > 0) fprintf(to, "%.3g&nbsp;GB/s", e->bytes_per_second * 1e-9);
  fputs("</td><td class=\"number\">", to);
  const double share = e->roofline > 0 ? e->bytes_per_second / e->roofline : 0;
  if (share > 0)
    fprintf(to, "<span class=\"bar\"><i style=\"width:%.1f%%\"></i></span> %.0f&nbsp;%%",
            share < 1 ? share * 100 : 100.0, share * 100);
  fputs("</td></tr>\n", to);
}

void sb_report_html_benches(const sb_run_report *r, FILE *to) {
  double most = 0;
  for (int i = 0; i < r->bench_count; i++)
    for (int s = 0; s < r->benches[i]->sample_count; s++)
      if (r->benches[i]->samples[s] > most) most = r->benches[i]->samples[s];
  fputs("<h2 id=\"speed\">Speed</h2>\n<p>Medians of the samples; the box spans the middle half of them, the whiskers "
        "all. The "
        "last column is the share of the roofline: the bandwidth of a copy, measured in the same run; of a prediction, "
        "the published bandwidth. A prediction is "
        "computed from exact counts and was not measured.</p>\n<div class=\"scroll\"><table>\n<thead><tr><th>case</th>"
        "<th>device</th><th class=\"number\">time</th><th>samples</th><th class=\"number\">n</th><th "
        "class=\"number\">throughput</th><th class=\"number\">of the roofline</th></tr></thead>\n<tbody>\n",
        to);
  for (int i = 0; i < r->bench_count; i++) put_bench(r->benches[i], most, to);
  fputs("</tbody></table></div>\n", to);
}
