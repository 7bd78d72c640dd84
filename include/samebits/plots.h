/* Plots of a history. */
#ifndef SAMEBITS_PLOTS_H
#define SAMEBITS_PLOTS_H

#include "samebits/history.h"
#include "samebits/model_growth.h"

typedef struct sb_plot_history sb_plot_history;

/* Timings over commits, a line a case and device, with the quartiles: points in the order of sb_history_show. Draws
 * history.gp and history.{light,dark}.{svg,png} into the folder; where `draw` is false it only tidies up. */
sb_status sb_plot_history_begin(const char *folder, sb_plot_history **plot);
void sb_plot_history_add(sb_plot_history *plot, const sb_history_point *point);
sb_status sb_plot_history_end(sb_plot_history *plot, bool draw);

/* How a difference grows from layer to layer: growth.gp and growth.{light,dark}.{svg,png}. */
sb_status sb_plot_growth(const char *folder, const sb_growth *growth, const char *title);

#endif
