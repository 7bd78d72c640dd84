/* The plots of a report: throughput by size, devices side by side, divergence by mechanism. */
#include "reports/gnuplot.h"
#include "reports/report.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* A timing that can be drawn, with the words of its case. */
typedef struct point {
  const sb_run_entry *entry;
  char series[200], shape[64];
  double elements;
} point;

/* "recipe/side/step@flavor/dtype on device" and rows x cols; false where it is no case (the yardstick). */
static bool read_point(const sb_run_entry *e, point *p) {
  char recipe[96], side[24], step[96], dtype[16];
  double rows, cols;
  *p = (point){.entry = e};
  if (sscanf(e->key, "%95[^/]/%23[^/]/%95[^/]/%15[^/]/%63[^/]", recipe, side, step, dtype, p->shape) != 5) return false;
  if (sscanf(p->shape, "%lfx%lf", &rows, &cols) != 2 || !(e->bytes_per_second > 0)) return false;
  p->elements = rows * cols;
  snprintf(p->series, sizeof p->series, "%s %s %s %s, %s%s", recipe, side, step, dtype, e->device,
           e->predicted ? " (predicted)" : "");
  return true;
}

static int by_series(const void *a, const void *b) {
  const point *x = a, *y = b;
  const int order = strcmp(x->series, y->series);
  return order ? order : (x->elements > y->elements) - (x->elements < y->elements);
}

static int take_points(const sb_run_report *r, point **points) {
  int count = 0;
  *points = malloc(sizeof **points * (size_t)(r->bench_count + 1));
  for (int i = 0; *points && i < r->bench_count; i++) count += read_point(r->benches[i], &(*points)[count]);
  if (*points) qsort(*points, (size_t)count, sizeof **points, by_series);
  return *points ? count : -1;
}

/* Throughput against size, a line a series; dashed, each device's roofline. */
static sb_status plot_throughput(const sb_run_report *r, const point *points, int count, const char *folder) {
  enum { MOST = 16 };
  sb_plot plot;
  int series = 0, devices = 0;
  double rooflines[8];
  const char *names[8];
  bool predicted[8];
  sb_status status = sb_plot_begin(folder, "throughput", &plot);
  if (status) return status;
  for (int i = 0; i < count; i++) {
    if (i == 0 || strcmp(points[i].series, points[i - 1].series) != 0) {
      if (series == MOST) break;
      fprintf(plot.to, "%s$s%d << EOD\n", series ? "EOD\n" : "", series);
      series++;
    }
    fprintf(plot.to, "%.9g %.9g\n", points[i].elements, points[i].entry->bytes_per_second * 1e-9);
  }
  fputs("EOD\n", plot.to);
  for (int d = 0; d < r->merged->header_count && devices < 8; d++) {
    rooflines[devices] = 0;
    for (int i = 0; i < count; i++)
      if (strcmp(points[i].entry->device, r->merged->headers[d].device) == 0 &&
          points[i].entry->roofline > rooflines[devices]) {
        rooflines[devices] = points[i].entry->roofline;
        predicted[devices] = points[i].entry->predicted;
      }
    names[devices] = r->merged->headers[d].device;
    devices += rooflines[devices] > 0;
  }
  sb_plot_draw(&plot, "Throughput by size", 0.62);
  fputs("set logscale x 2; set format x '2^{%L}'; set format x '2^%L'; set logscale y 10\n"
        "set xlabel \"elements (rows x columns)\\n \"; set ylabel 'GB/s read and written'\n"
        "set key outside below left Left reverse samplen 2 width 1 maxcols 1 font ',11'\nplot ",
        plot.to);
  for (int i = 0, s = 0; i < count && s < series; i++) {
    if (i && strcmp(points[i].series, points[i - 1].series) == 0) continue;
    fprintf(plot.to, "%s$s%d using 1:2 with linespoints lt %d title ", s ? ", " : "", s, s % 8 + 1);
    sb_put_gnuplot(plot.to, points[i].series);
    s++;
  }
  for (int d = 0; d < devices; d++) {
    char title[160];
    snprintf(title, sizeof title, "roofline of %.80s: %s", names[d],
             predicted[d] ? "published bandwidth, not measured" : "the fastest copy of its run");
    fprintf(plot.to, ", %.9g with lines lc rgb soft dt %d lw 1.5 title ", rooflines[d] * 1e-9, d % 4 + 2);
    sb_put_gnuplot(plot.to, title);
  }
  fputs("\n", plot.to);
  return sb_plot_end(&plot);
}

/* Two devices side by side: the share of each one's roofline, for the cases that both timed. */
static sb_status plot_sides(const sb_run_report *r, const point *points, int count, const char *folder) {
  enum { MOST = 24 };
  const char *a = NULL, *b = NULL;
  bool computed[2] = {false, false};
  char title[SB_DEVICE_NAME + 32];
  for (int i = 0; i < count; i++) {
    const char *device = points[i].entry->device;
    if (!a)
      a = device;
    else if (!b && strcmp(device, a) != 0)
      b = device;
  }
  if (!b) return SB_OK;
  sb_plot plot;
  int pairs = 0;
  sb_status status = sb_plot_begin(folder, "side-by-side", &plot);
  if (status) return status;
  fputs("$pairs << EOD\n", plot.to);
  for (int i = 0; i < count && pairs < MOST; i++)
    for (int k = 0; k < count && pairs < MOST && strcmp(points[i].entry->device, a) == 0; k++) {
      const sb_run_entry *x = points[i].entry, *y = points[k].entry;
      if (strcmp(y->device, b) != 0 || strcmp(x->key, y->key) != 0 || !(x->roofline > 0 && y->roofline > 0)) continue;
      sb_put_gnuplot(plot.to, x->key);
      fprintf(plot.to, " %.6g %.6g\n", 100 * x->bytes_per_second / x->roofline,
              100 * y->bytes_per_second / y->roofline);
      computed[0] |= x->predicted;
      computed[1] |= y->predicted;
      pairs++;
    }
  fputs("EOD\n", plot.to);
  (void)r;
  sb_plot_draw(&plot, "Share of the roofline, side by side", 0.2 + 0.05 * (pairs > 4 ? pairs : 4));
  fprintf(plot.to, "set lmargin at screen 0.52; set rmargin at screen 0.97; set yrange [%d.5:-0.5]\n", pairs - 1);
  fputs("unset grid; set grid xtics lc rgb line lw 1 lt 1\nset xlabel '% of the "
        "device'.\"'\".'s own "
        "roofline'.\"\\n \"; set xrange [0:*]; set ytics font ',10'\nset key outside below center horizontal Left "
        "reverse\nset style fill solid 0.9 noborder\n"
        "plot $pairs using ($2/2):($0-0.18):($2/2):(0.16):ytic(1) with boxxyerror lt 1 title ",
        plot.to);
  snprintf(title, sizeof title, "%s%s", a, computed[0] ? " (predicted)" : "");
  sb_put_gnuplot(plot.to, title);
  fputs(", $pairs using ($3/2):($0+0.18):($3/2):(0.16) with boxxyerror lt 2 title ", plot.to);
  snprintf(title, sizeof title, "%s%s", b, computed[1] ? " (predicted)" : "");
  sb_put_gnuplot(plot.to, title);
  fputs("\n", plot.to);
  if (pairs) return sb_plot_end(&plot);
  fclose(plot.to);
  remove(plot.path);
  return SB_OK;
}

typedef struct share {
  char id[64];
  int64_t elements;
  int cases;
} share;

static int by_elements(const void *a, const void *b) {
  const share *x = a, *y = b;
  return (x->elements < y->elements) - (x->elements > y->elements);
}

/* How many elements differ in cases where a mechanism is at work (a case may have several). */
static sb_status plot_mechanisms(const sb_run_report *r, const char *folder) {
  enum { MOST = 32 };
  share shares[MOST];
  int count = 0;
  for (int i = 0; i < r->case_count; i++) {
    const sb_run_entry *e = r->cases[i].entry;
    for (const char *at = e->mechanisms; *at;) {
      const size_t length = strcspn(at, ",");
      int k = 0;
      while (k < count && (strlen(shares[k].id) != length || strncmp(shares[k].id, at, length) != 0)) k++;
      if (k == count && count < MOST) {
        shares[count] = (share){{0}, 0, 0};
        snprintf(shares[count++].id, sizeof shares[0].id, "%.*s", (int)length, at);
      }
      if (k < count) {
        shares[k].elements += sb_report_different(e);
        shares[k].cases++;
      }
      at += length + (at[length] == ',');
    }
  }
  if (count == 0) return SB_OK;
  qsort(shares, (size_t)count, sizeof *shares, by_elements);
  sb_plot plot;
  sb_status status = sb_plot_begin(folder, "mechanisms", &plot);
  if (status) return status;
  fputs("$shares << EOD\n", plot.to);
  for (int i = 0; i < count; i++) {
    char label[96];
    snprintf(label, sizeof label, "%s (%d case%s)", shares[i].id, shares[i].cases, shares[i].cases == 1 ? "" : "s");
    sb_put_gnuplot(plot.to, label);
    fprintf(plot.to, " %" PRId64 "\n", shares[i].elements);
  }
  fputs("EOD\n", plot.to);
  sb_plot_draw(&plot, "Divergence by mechanism", 0.2 + 0.045 * (count > 4 ? count : 4));
  fprintf(plot.to, "set yrange [%d.5:-0.5]\n", count - 1);
  fputs("unset grid; set grid xtics lc rgb line lw 1 lt 1\n"
        "set xlabel 'elements that differ in the cases where it is at work (a case may have several)'\n"
        "set xrange [0:*]; set format x '%.0s%c'; unset key\nset style fill solid 0.9 noborder\n"
        "plot $shares using ($2/2):0:($2/2):(0.34):ytic(1) with boxxyerror lt 5\n",
        plot.to);
  return sb_plot_end(&plot);
}

static void note(sb_run_report *r, const char *name, const char *says) {
  if (r->plot_count < SB_REPORT_PLOTS) r->plots[r->plot_count++] = (sb_report_plot){name, says};
}

sb_status sb_report_plots(sb_run_report *r, const char *folder) {
  point *points;
  const int count = take_points(r, &points);
  char path[1200];
  sb_status status = count < 0 ? sb_fail(SB_NO_MEMORY, "no memory for %d points", r->bench_count) : SB_OK;
  r->plot_folder = folder;
  if (!status && count > 0) {
    status = plot_throughput(r, points, count, folder);
    note(r, "throughput", "Throughput by size. Dashed: the roofline; what is predicted was not measured.");
  }
  if (!status && count > 0) status = plot_sides(r, points, count, folder);
  snprintf(path, sizeof path, "%s/side-by-side.gp", folder);
  FILE *made = status || count == 0 ? NULL : fopen(path, "r");
  if (made) {
    fclose(made);
    note(r, "side-by-side", "The cases that two devices timed, as shares of each one's own roofline.");
  }
  if (!status) status = plot_mechanisms(r, folder);
  snprintf(path, sizeof path, "%s/mechanisms.gp", folder);
  made = status ? NULL : fopen(path, "r");
  if (made) {
    fclose(made);
    note(r, "mechanisms", "Expected divergences, by the mechanisms that reproduce them.");
  }
  free(points);
  if (!status && r->failures) status = sb_plot_failures(r, folder);
  return status;
}
