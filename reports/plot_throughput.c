/* Throughput by size as small multiples: a row a kernel, a column a dtype, the devices as lines of the same colors in
 * all of them. */
#include "reports/gnuplot.h"
#include "reports/points.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 12, COLUMNS = 3, DEVICES = 8, SIZES = 5 };

/* Pixels of a page 960 wide: the head with title and legend, a row with its name above, the foot. */
enum { WIDTH = 960, HEAD = 92, ROW = 132, NAME = 34, FOOT = 62, LEFT = 78, RIGHT = 24, BETWEEN = 22 };

static bool read_point(const sb_run_entry *e, sb_point *p) {
  char recipe[96], side[24], step[96], shape[64];
  double rows, cols;
  *p = (sb_point){.entry = e};
  if (sscanf(e->key, "%95[^/]/%23[^/]/%95[^/]/%15[^/]/%63[^/]", recipe, side, step, p->dtype, shape) != 5) return false;
  if (sscanf(shape, "%lfx%lf", &rows, &cols) != 2 || !(e->bytes_per_second > 0)) return false;
  p->elements = rows * cols;
  snprintf(p->kernel, sizeof p->kernel, "%s %s %s", recipe, side, step);
  return true;
}

static int in_order(const void *a, const void *b) {
  const sb_point *x = a, *y = b;
  int order = strcmp(x->kernel, y->kernel);
  if (!order) order = strcmp(x->dtype, y->dtype);
  if (!order) order = strverscmp(x->entry->device, y->entry->device);
  return order ? order : (x->elements > y->elements) - (x->elements < y->elements);
}

int sb_points(const sb_run_report *r, sb_point **points) {
  int count = 0;
  *points = malloc(sizeof **points * (size_t)(r->bench_count + 1));
  for (int i = 0; *points && i < r->bench_count; i++) count += read_point(r->benches[i], &(*points)[count]);
  if (*points) qsort(*points, (size_t)count, sizeof **points, in_order);
  return *points ? count : -1;
}

typedef struct device {
  const char *name;
  double roofline;
  bool predicted;
} device;

/* What the panels share. */
typedef struct grid {
  const char *kernels[ROWS], *dtypes[COLUMNS];
  device devices[DEVICES];
  int kernel_count, kernels_left, dtype_count, device_count, size_count;
  double sizes[SIZES], least_size, most_size, low, high;
} grid;

static bool add(const char **names, int most, int *count, const char *name) {
  for (int i = 0; i < *count; i++)
    if (strcmp(names[i], name) == 0) return true;
  if (*count == most) return false;
  names[(*count)++] = name;
  return true;
}

static void take_device(grid *g, const sb_run_entry *e) {
  int d = 0;
  while (d < g->device_count && strcmp(g->devices[d].name, e->device) != 0) d++;
  if (d == DEVICES) return;
  if (d == g->device_count) g->devices[g->device_count++] = (device){.name = e->device};
  if (e->roofline > g->devices[d].roofline) g->devices[d].roofline = e->roofline;
  g->devices[d].predicted |= e->predicted;
}

static void take_size(grid *g, double elements) {
  for (int i = 0; i < g->size_count && i < SIZES; i++)
    if (g->sizes[i] == elements) return;
  if (g->size_count < SIZES) g->sizes[g->size_count] = elements;
  g->size_count++;
}

static grid make_grid(const sb_point *points, int count) {
  static const char *const order[COLUMNS] = {"f32", "bf16", "f16"};
  grid g = {.least_size = HUGE_VAL, .low = HUGE_VAL};
  for (int c = 0; c < COLUMNS; c++)
    for (int i = 0; i < count; i++)
      if (strcmp(points[i].dtype, order[c]) == 0) add(g.dtypes, COLUMNS, &g.dtype_count, order[c]);
  for (int i = 0; i < count; i++) {
    const sb_point *p = &points[i];
    if (!add(g.kernels, ROWS, &g.kernel_count, p->kernel))
      g.kernels_left += strcmp(p->kernel, points[i - 1].kernel) != 0;
    take_device(&g, p->entry);
    take_size(&g, p->elements);
    g.least_size = fmin(g.least_size, p->elements);
    g.most_size = fmax(g.most_size, p->elements);
    g.low = fmin(g.low, p->entry->bytes_per_second * 1e-9);
    g.high = fmax(g.high, fmax(p->entry->bytes_per_second, p->entry->roofline) * 1e-9);
  }
  g.low = pow(10, floor(log10(g.low) - 0.1));
  g.high = pow(10, ceil(log10(g.high) + 0.05));
  return g;
}

/* $p<row>_<column>_<device>: the points of one line; of a line without points, none. */
static void put_data(const grid *g, const sb_point *points, int count, FILE *to) {
  for (int k = 0; k < g->kernel_count; k++)
    for (int c = 0; c < g->dtype_count; c++)
      for (int d = 0; d < g->device_count; d++) {
        fprintf(to, "$p%d_%d_%d << EOD\n", k, c, d);
        for (int i = 0; i < count; i++)
          if (strcmp(points[i].kernel, g->kernels[k]) == 0 && strcmp(points[i].dtype, g->dtypes[c]) == 0 &&
              strcmp(points[i].entry->device, g->devices[d].name) == 0)
            fprintf(to, "%.9g %.9g\n", points[i].elements, points[i].entry->bytes_per_second * 1e-9);
        fputs("EOD\n", to);
      }
}

static bool has_points(const grid *g, const sb_point *points, int count, int k, int c, int d) {
  for (int i = 0; i < count; i++)
    if (strcmp(points[i].kernel, g->kernels[k]) == 0 && strcmp(points[i].dtype, g->dtypes[c]) == 0 &&
        strcmp(points[i].entry->device, g->devices[d].name) == 0)
      return true;
  return false;
}

static void put_label(FILE *to, const char *text, double x, double y, const char *how) {
  fputs("set label ", to);
  sb_put_gnuplot(to, text);
  fprintf(to, " at screen %.5f,%.5f %s\n", x, y, how);
}

/* Title, the devices in their colors, what is dashed, the names of rows, columns and axes. */
static void put_words(const grid *g, double height, FILE *to) {
  const double left = (double)LEFT / WIDTH;
  put_label(to, "Throughput by size", left, 1 - 24 / height, "left tc rgb ink font ',17'");
  double x = left;
  for (int d = 0; d < g->device_count; d++) {
    char text[160], how[64];
    snprintf(text, sizeof text, "● %.100s%s", g->devices[d].name, g->devices[d].predicted ? " (predicted)" : "");
    snprintf(how, sizeof how, "left tc lt %d font ',13'", d + 1);
    put_label(to, text, x, 1 - 52 / height, how);
    x += (9.2 * (double)(strlen(text) - 2) + 22) / WIDTH;
  }
  put_label(to, "dashed: the device's roofline (predicted: its published bandwidth; else the fastest copy of its run)",
            left, 1 - 74 / height, "left tc rgb soft font ',12'");
  put_label(to, "elements (rows x columns)", 0.5 + left / 2, 18 / height, "center tc rgb soft font ',13'");
  put_label(to, "GB/s read and written", 14.0 / WIDTH, 0.5, "center rotate by 90 tc rgb soft font ',13'");
  if (g->kernels_left) {
    char text[80];
    snprintf(text, sizeof text, "%d more kernels: in the table", g->kernels_left);
    put_label(to, text, 1 - (double)RIGHT / WIDTH, 18 / height, "right tc rgb soft font ',12'");
  }
}

static void put_panel(const grid *g, const sb_point *points, int count, int k, int c, double height, FILE *to) {
  const double wide = (double)(WIDTH - LEFT - RIGHT - (g->dtype_count - 1) * BETWEEN) / g->dtype_count;
  const double left = LEFT + c * (wide + BETWEEN), top = HEAD + k * (double)ROW + NAME, bottom = top + ROW - NAME;
  char text[256];
  fprintf(to,
          "set lmargin at screen %.5f; set rmargin at screen %.5f; set tmargin at screen %.5f; set bmargin at screen "
          "%.5f\n",
          left / WIDTH, (left + wide) / WIDTH, 1 - top / height, 1 - bottom / height);
  snprintf(text, sizeof text, "%s %s", g->kernels[k], g->dtypes[c]);
  fprintf(to, "set format y '%s'; set format x '%s'\nset label 900 ", c ? "" : "%g",
          k == g->kernel_count - 1 ? "%.0b %B" : "");
  sb_put_gnuplot(to, g->dtype_count > 1 && c ? g->dtypes[c] : text);
  fprintf(to, " at graph 0,1.13 left tc rgb ink font ',12'\nplot ");
  for (int d = 0; d < g->device_count; d++)
    if (g->devices[d].roofline > 0)
      fprintf(to, "%.9g with lines lt %d dt 2 lw 1 notitle, ", g->devices[d].roofline * 1e-9, d + 1);
  for (int d = 0, first = 1; d < g->device_count; d++)
    if (has_points(g, points, count, k, c, d)) {
      fprintf(to, "%s$p%d_%d_%d using 1:2 with linespoints lt %d notitle", first ? "" : ", ", k, c, d, d + 1);
      first = 0;
    }
  fputs("\nunset label\n", to);
}

static bool is_empty(const grid *g, const sb_point *points, int count, int k, int c) {
  for (int d = 0; d < g->device_count; d++)
    if (has_points(g, points, count, k, c, d)) return false;
  return true;
}

sb_status sb_plot_throughput(const sb_run_report *r, const sb_point *points, int count, const char *folder) {
  (void)r;
  sb_plot plot;
  const grid g = make_grid(points, count);
  sb_status status = sb_plot_begin(folder, "throughput", &plot);
  if (status) return status;
  put_data(&g, points, count, plot.to);
  const double height = HEAD + g.kernel_count * (double)ROW + FOOT;
  sb_plot_draw(&plot, "", height / WIDTH);
  fprintf(plot.to,
          "unset key; unset title; set samples 2; set logscale x 2; set logscale y 10\nset xrange [%.9g:%.9g]; set "
          "yrange [%.9g:%.9g]\n"
          "set xtics font ',11'; set ytics 10 font ',11'; set mytics 1; set multiplot\n",
          g.least_size / 1.15, g.most_size * 1.15, g.low, g.high);
  if (g.size_count <= SIZES) {
    fputs("set xtics (", plot.to);
    for (int i = 0; i < g.size_count; i++) fprintf(plot.to, "%s%.9g", i ? ", " : "", g.sizes[i]);
    fputs(")\n", plot.to);
  }
  put_words(&g, height, plot.to);
  for (int k = 0; k < g.kernel_count; k++)
    for (int c = 0; c < g.dtype_count; c++)
      if (!is_empty(&g, points, count, k, c)) put_panel(&g, points, count, k, c, height, plot.to);
  fputs("unset multiplot\n", plot.to);
  return sb_plot_end(&plot);
}
