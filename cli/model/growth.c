/* samebits model eval --mechanism ID, --linear both: what a difference costs and how it grows. */
#include "cli/model/growth.h"
#include "cli/command.h"
#include "cli/model/model.h"
#include "samebits/plots.h"

#include <inttypes.h>
#include <stdio.h>

static void print_json(const sb_growth *g, const char *path, const char *mechanisms) {
  json_t *layers = json_array(), *modules = json_array(), *object = sb_evaluation_json(&g->other);
  for (int i = 0; i < g->point_count; i++) {
    const sb_growth_point *p = &g->points[i];
    json_array_append_new(p->is_layer ? layers : modules,
                          json_pack("{s:s,s:I,s:I,s:o,s:o,s:o}", "name", p->name, "elements", (json_int_t)p->elements,
                                    "different", (json_int_t)p->different, "max_abs", sb_json_number(p->max_abs),
                                    "mean_abs", sb_json_number(p->mean_abs), "relative", sb_json_number(p->relative)));
  }
  json_object_set_new(object, "mechanism", mechanisms ? json_string(mechanisms) : json_null());
  json_object_set_new(object, "applied", json_string(g->says));
  json_object_set_new(object, "base", sb_evaluation_json(&g->base));
  json_object_set_new(object, "difference", sb_json_number(g->other.loss - g->base.loss));
  json_object_set_new(object, "predictions_different", json_integer(g->flips));
  json_object_set_new(object, "layers", layers);
  json_object_set_new(object, "modules", modules);
  json_object_set_new(object, "path", json_string(path));
  json_dumpf(object, stdout, JSON_COMPACT);
  putchar('\n');
  json_decref(object);
}

static void print_text(const sb_growth *g) {
  if (*g->says) printf("%s\n", g->says);
  printf("eval loss %.6f, was %.6f: %+.6f; %" PRId64 " of %" PRId64 " predictions differ (%s, %s, %s against %s)\n",
         g->other.loss, g->base.loss, g->other.loss - g->base.loss, g->flips, g->base.predictions,
         sb_format_of(g->base.dtype)->name, g->base.recipe ? g->base.recipe : "float",
         sb_linear_step_names[g->other.step], sb_linear_step_names[g->base.step]);
  printf("%-20s %12s %12s %12s %12s\n", "after", "differ", "at most", "mean", "relative");
  for (int i = 0; i < g->point_count; i++) {
    const sb_growth_point *p = &g->points[i];
    if (p->is_layer)
      printf("%-20s %11.3f%% %12.4g %12.4g %12.4g\n", p->name, 100.0 * (double)p->different / (double)p->elements,
             p->max_abs, p->mean_abs, p->relative);
  }
}

int sb_cli_growth(const char *name, const char *path, const sb_eval_options *base, const sb_eval_options *other,
                  const sb_tensor *tokens, const char *plots, bool json) {
  sb_model *model;
  sb_growth g;
  sb_status status = sb_model_open(path, &model);
  if (!status) status = sb_model_growth(model, base, other, tokens, &g);
  if (!status && plots) {
    char title[400];
    snprintf(title, sizeof title, "%.120s: %.200s", g.base.recipe ? g.base.recipe : "float",
             other->mechanisms ? other->mechanisms : "convert against prepare");
    status = sb_plot_growth(plots, &g, title);
    if (status) sb_growth_free(&g);
  }
  sb_model_close(model);
  if (status) return sb_report(name, status);
  if (json)
    print_json(&g, path, other->mechanisms);
  else
    print_text(&g);
  sb_growth_free(&g);
  return SB_EXIT_OK;
}
