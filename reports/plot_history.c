/* Timings over commits. */
#include "samebits/plots.h"

#include "reports/gnuplot.h"

#include <stdlib.h>
#include <string.h>

enum { SERIES = 12, COMMITS = 400 };

typedef struct dot {
  int series, commit;
  double q1, median, q3;
} dot;

struct sb_plot_history {
  char folder[1024], series[SERIES][512], commits[COMMITS][64], when[COMMITS][32];
  int series_count, commit_count, count, room;
  dot *dots;
  bool no_memory;
};

sb_status sb_plot_history_begin(const char *folder, sb_plot_history **plot) {
  *plot = calloc(1, sizeof **plot);
  if (!*plot) return sb_fail(SB_NO_MEMORY, "no memory for a plot");
  snprintf((*plot)->folder, sizeof(*plot)->folder, "%s", folder);
  return SB_OK;
}

/* Commits in the order of their first run's time. */
static int commit_of(sb_plot_history *p, const sb_history_run *run) {
  const char *name = *run->git ? run->git : "?";
  for (int i = 0; i < p->commit_count; i++)
    if (strcmp(p->commits[i], name) == 0) return i;
  if (p->commit_count == COMMITS) return -1;
  int at = p->commit_count++;
  for (; at > 0 && strcmp(p->when[at - 1], run->time) > 0; at--) {
    memcpy(p->commits[at], p->commits[at - 1], sizeof p->commits[0]);
    memcpy(p->when[at], p->when[at - 1], sizeof p->when[0]);
  }
  snprintf(p->commits[at], sizeof p->commits[0], "%s", name);
  snprintf(p->when[at], sizeof p->when[0], "%s", run->time);
  for (int i = 0; i < p->count; i++) p->dots[i].commit += p->dots[i].commit >= at;
  return at;
}

void sb_plot_history_add(sb_plot_history *p, const sb_history_point *point) {
  char name[512];
  if (strncmp(point->text, "copy/", 5) == 0 || !(point->median > 0)) return;
  snprintf(name, sizeof name, "%.380s, %.100s", point->text, point->run.device);
  int series = 0;
  while (series < p->series_count && strcmp(p->series[series], name) != 0) series++;
  if (series == SERIES) return;
  if (series == p->series_count) snprintf(p->series[p->series_count++], sizeof p->series[0], "%s", name);
  if (p->count == p->room) {
    dot *more = realloc(p->dots, sizeof *more * (size_t)(p->room ? 2 * p->room : 64));
    p->no_memory |= !more;
    if (!more) return;
    p->dots = more;
    p->room = p->room ? 2 * p->room : 64;
  }
  const int commit = commit_of(p, &point->run);
  if (commit >= 0) p->dots[p->count++] = (dot){series, commit, point->q1, point->median, point->q3};
}

static sb_status draw(const sb_plot_history *p) {
  sb_plot plot;
  if (p->count == 0) return sb_fail(SB_USAGE, "nothing to draw: no case that matches was timed");
  sb_status status = sb_plot_begin(p->folder, "history", &plot);
  if (status) return status;
  for (int s = 0; s < p->series_count; s++) {
    fprintf(plot.to, "$s%d << EOD\n", s);
    for (int c = 0; c < p->commit_count; c++)
      for (int i = 0; i < p->count; i++)
        if (p->dots[i].series == s && p->dots[i].commit == c)
          fprintf(plot.to, "%d %.9g %.9g %.9g\n", c, p->dots[i].median * 1e3, p->dots[i].q1 * 1e3, p->dots[i].q3 * 1e3);
    fputs("EOD\n", plot.to);
  }
  sb_plot_draw(&plot, "Time of a call over the commits", 0.45 + 0.022 * p->series_count);
  fprintf(plot.to,
          "set ylabel 'ms (median and middle half of the samples)'; set yrange [0:*]; set xrange [-0.5:%d.5]\nset key "
          "outside "
          "below left Left reverse samplen 2 maxcols 1 font ',11'\nset xtics rotate by -40 font ',11' (",
          p->commit_count - 1);
  const int step = (p->commit_count + 39) / 40;
  for (int c = 0; c < p->commit_count; c += step) {
    fputs(c ? ", " : "", plot.to);
    sb_put_gnuplot(plot.to, p->commits[c]);
    fprintf(plot.to, " %d", c);
  }
  fputs(")\nplot ", plot.to);
  for (int s = 0; s < p->series_count; s++) {
    fprintf(plot.to, "%s$s%d using 1:2 with linespoints lt %d title ", s ? ", " : "", s, s % 8 + 1);
    sb_put_gnuplot(plot.to, p->series[s]);
    fprintf(plot.to, ", $s%d using 1:2:3:4 with yerrorbars lt %d notitle", s, s % 8 + 1);
  }
  fputs("\n", plot.to);
  return sb_plot_end(&plot);
}

sb_status sb_plot_history_end(sb_plot_history *p, bool wanted) {
  sb_status status = p->no_memory ? sb_fail(SB_NO_MEMORY, "no memory for a plot") : SB_OK;
  if (!status && wanted) status = draw(p);
  free(p->dots);
  free(p);
  return status;
}
