/* Plots through gnuplot: a script that draws itself in SVG and PNG, in light and dark. Private to reports/. */
#ifndef SAMEBITS_REPORTS_GNUPLOT_H
#define SAMEBITS_REPORTS_GNUPLOT_H

#include "samebits/status.h"
#include <stdio.h>

/* A script being written: first data blocks ("$name << EOD" ... "EOD"), then, after sb_plot_draw, what draws. */
typedef struct sb_plot {
  FILE *to;
  char folder[1024], name[64], path[1200];
} sb_plot;

/* Opens FOLDER/NAME.gp. SB_FILE. */
sb_status sb_plot_begin(const char *folder, const char *name, sb_plot *plot);

/* Between data and drawing: themes, title ("" none) and output; height in parts of the width. */
void sb_plot_draw(sb_plot *plot, const char *title, double height);

/* Closes the script and runs it: FOLDER/NAME.light.svg, .dark.svg, .light.png, .dark.png. SB_FILE: gnuplot is not
 * installed or refused it; the script stays. */
sb_status sb_plot_end(sb_plot *plot);

/* Text as a gnuplot string or field, quoted. */
void sb_put_gnuplot(FILE *to, const char *text);

#endif
