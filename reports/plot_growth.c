/* The curve of a model: how a difference grows from layer to layer. */
#include "reports/gnuplot.h"
#include "samebits/plots.h"

#include <string.h>

sb_status sb_plot_growth(const char *folder, const sb_growth *growth, const char *title) {
  sb_plot plot;
  const sb_status status = sb_plot_begin(folder, "growth", &plot);
  if (status) return status;
  int layers = 0;
  double modules = 0;
  fputs("$layers << EOD\n", plot.to);
  for (int i = 0; i < growth->point_count; i++)
    if (growth->points[i].is_layer) fprintf(plot.to, "%d %.9g\n", ++layers, growth->points[i].relative);
  fputs("EOD\n$modules << EOD\n", plot.to);
  layers = 0;
  for (int i = 0; i < growth->point_count; i++) {
    const sb_growth_point *p = &growth->points[i];
    modules = p->is_layer ? 0 : modules + 1;
    if (p->is_layer)
      layers++;
    else
      fprintf(plot.to, "%.6g %.9g\n", layers + modules / 8, p->relative);
  }
  fputs("EOD\n", plot.to);
  sb_plot_draw(&plot, title, 0.5);
  fprintf(plot.to,
          "set ylabel 'relative difference (root of squares)'; set yrange [0:*]; set xrange [0:%d.3]; set key outside "
          "below samplen 2\nset xtics (",
          layers);
  for (int i = 1; i <= layers; i++) {
    char name[32];
    snprintf(name, sizeof name, i == layers ? "logits" : "block %d", i - 1);
    fputs(i > 1 ? ", " : "", plot.to);
    sb_put_gnuplot(plot.to, name);
    fprintf(plot.to, " %d", i);
  }
  fputs(
      ")\nplot $layers using 1:2 with linespoints lt 1 title 'after a block, and the logits', $modules using 1:2 with "
      "points lt 2 title 'output of each Linear'\n",
      plot.to);
  return sb_plot_end(&plot);
}
