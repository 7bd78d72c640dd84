/* The plots of a report: devices side by side, divergence by mechanism; throughput by size is in plot_throughput.c. */
#include "reports/gnuplot.h"
#include "reports/points.h"
#include "reports/report.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Two devices side by side: the share of each one's roofline, of the largest case of each kernel that both timed. */
static sb_status plot_sides(const sb_run_report *r, const sb_point *points, int count, const char *folder) {
  enum { MOST = 24 };
  const char *a = NULL, *b = NULL;
  bool computed[2] = {false, false};
  char title[SB_DEVICE_NAME + 64];
  for (int i = 0; i < count; i++) {
    const char *device = points[i].entry->device;
    if (!a)
      a = device;
    else if (!b && strcmp(device, a) != 0)
      b = device;
  }
  if (!a || !b) return SB_OK;
  sb_plot plot;
  int pairs = 0, left = 0;
  sb_status status = sb_plot_begin(folder, "side-by-side", &plot);
  if (status) return status;
  fputs("$pairs << EOD\n", plot.to);
  for (int i = 0; i < count; i++) {
    if (strcmp(points[i].entry->device, a) != 0 || !(points[i].entry->roofline > 0)) continue;
    /* the largest size only: the next point is of another kernel, dtype or device */
    if (i + 1 < count && strcmp(points[i + 1].kernel, points[i].kernel) == 0 &&
        strcmp(points[i + 1].dtype, points[i].dtype) == 0 && strcmp(points[i + 1].entry->device, a) == 0)
      continue;
    const sb_run_entry *x = points[i].entry;
    for (int k = 0; k < count; k++) {
      const sb_run_entry *y = points[k].entry;
      char label[280];
      if (strcmp(y->device, b) != 0 || strcmp(x->key, y->key) != 0 || !(y->roofline > 0)) continue;
      left += pairs == MOST;
      if (pairs == MOST) continue;
      snprintf(label, sizeof label, "%s %s", points[i].kernel, points[i].dtype);
      sb_put_gnuplot(plot.to, label);
      fprintf(plot.to, " %.6g %.6g\n", 100 * x->bytes_per_second / x->roofline,
              100 * y->bytes_per_second / y->roofline);
      computed[0] |= x->predicted;
      computed[1] |= y->predicted;
      pairs++;
    }
  }
  fputs("EOD\n", plot.to);
  (void)r;
  snprintf(title, sizeof title, "Share of the roofline, largest size%s", left ? "; the rest: in the table" : "");
  sb_plot_draw(&plot, title, 0.2 + 0.04 * (pairs > 4 ? pairs : 4));
  fprintf(plot.to, "set lmargin at screen 0.5; set rmargin at screen 0.97; set yrange [%d.5:-0.5]\n", pairs - 1);
  fputs("unset grid; set grid xtics lc rgb line lw 1 lt 1\nset xlabel '% of the "
        "device'.\"'\".'s own "
        "roofline'.\"\\n \"; set xrange [0:*]; set ytics font ',11'\nset key outside below center horizontal Left "
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
  sb_point *points;
  const int count = sb_points(r, &points);
  char path[1200];
  sb_status status = count < 0 ? sb_fail(SB_NO_MEMORY, "no memory for %d points", r->bench_count) : SB_OK;
  r->plot_folder = folder;
  if (!status && count > 0) {
    status = sb_plot_throughput(r, points, count, folder);
    note(r, "throughput",
         "Throughput by size, kernel and dtype. Dashed: each device's roofline; what is predicted was not measured.");
  }
  if (!status && count > 0) status = plot_sides(r, points, count, folder);
  snprintf(path, sizeof path, "%s/side-by-side.gp", folder);
  FILE *made = status || count == 0 ? NULL : fopen(path, "r");
  if (made) {
    fclose(made);
    note(r, "side-by-side",
         "The largest case of each kernel that two devices timed, as shares of each one's own roofline.");
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
