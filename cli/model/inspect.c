/* samebits model inspect PATH: recipe, layers and traps of a checkpoint. */
#include "cli/command.h"
#include "cli/model/model.h"
#include "samebits/model.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

typedef struct options {
  const char *path;
  bool json;
} options;

static error_t parse(int key, char *word, struct argp_state *state) {
  options *o = state->input;
  switch (key) {
  case 'j':
    o->json = true;
    return 0;
  case ARGP_KEY_ARG:
    if (o->path) return sb_argp_error(sb_fail(SB_USAGE, "one PATH, not '%.200s' too", word));
    o->path = word;
    return 0;
  case ARGP_KEY_NO_ARGS:
    return sb_argp_error(sb_fail(SB_USAGE, "no PATH given"));
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

static json_t *layer_json(const sb_model_layer *l) {
  return json_pack("{s:s,s:[I,I],s:s,s:s?,s:I,s:b,s:I}", "name", l->name, "shape", (json_int_t)l->rows,
                   (json_int_t)l->cols, "format", sb_format_of(l->format)->name, "scale_format",
                   l->scale_format == SB_FORMATS ? NULL : sb_format_of(l->scale_format)->name, "group_size",
                   (json_int_t)l->group_size, "quantized", l->quantized, "bytes", (json_int_t)l->bytes);
}

static void print_json(const sb_model_report *r, const char *path) {
  json_t *unquantized = json_array(), *warnings = json_array(), *layers = json_array();
  for (int i = 0; i < r->layer_count; i++) {
    if (!r->layers[i].quantized) json_array_append_new(unquantized, json_string(r->layers[i].name));
    json_array_append_new(layers, layer_json(&r->layers[i]));
  }
  for (int i = 0; i < r->warning_count; i++) json_array_append_new(warnings, json_string(r->warnings[i]));
  json_t *object =
      json_pack("{s:s?,s:I,s:s,s:i,s:i,s:o,s:i,s:o,s:o}", "recipe", r->recipe, "group_size", (json_int_t)r->group_size,
                "source", sb_model_source_names[r->source], "linear_layers", r->layer_count, "quantized_layers",
                r->quantized, "unquantized", unquantized, "shards", r->shards, "warnings", warnings, "layers", layers);
  json_object_set_new(object, "path", json_string(path));
  json_dumpf(object, stdout, JSON_COMPACT);
  putchar('\n');
  json_decref(object);
}

static void print_text(const sb_model_report *r, const char *path) {
  char text[SB_VISIBLE];
  int64_t bytes = 0;
  printf("%s: %s", sb_visible(path, text), r->recipe ? r->recipe : "not quantized");
  if (r->group_size) printf(", group size %" PRId64, r->group_size);
  printf(" (told by: %s); %d of %d Linear layers quantized, %d weights file%s\n\n", sb_model_source_names[r->source],
         r->quantized, r->layer_count, r->shards, r->shards == 1 ? "" : "s");
  printf("%-44s %14s %-6s %-6s %6s %12s\n", "layer", "shape", "format", "scale", "group", "bytes");
  for (int i = 0; i < r->layer_count; i++) {
    const sb_model_layer *l = &r->layers[i];
    char shape[48];
    snprintf(shape, sizeof shape, "%" PRId64 "x%" PRId64, l->rows, l->cols);
    printf("%-44s %14s %-6s %-6s %6" PRId64 " %12" PRId64 "%s\n", sb_visible(l->name, text), shape,
           sb_format_of(l->format)->name, l->scale_format == SB_FORMATS ? "-" : sb_format_of(l->scale_format)->name,
           l->group_size, l->bytes, l->quantized || !r->recipe ? "" : "  left in float");
    bytes += l->bytes;
  }
  printf("%-44s %14s %-6s %-6s %6s %12" PRId64 "\n", "all", "", "", "", "", bytes);
  if (r->warning_count) putchar('\n');
  for (int i = 0; i < r->warning_count; i++) printf("warning: %s\n", sb_visible(r->warnings[i], text));
}

int sb_cli_model_inspect(int argc, char **argv) {
  static const struct argp_option table[] = {{"json", 'j', NULL, 0, "one JSON object", 0}, {0}};
  static const struct argp argp = {
      table, parse, "PATH", "Tells what a checkpoint is: a model's folder, or one weights file.", NULL, NULL, NULL};
  options o = {0};
  const int exit_code = sb_parse_options(&argp, argc, argv, &o);
  if (exit_code) return exit_code;
  sb_model *model;
  sb_model_report report;
  sb_status status = sb_model_open(o.path, &model);
  if (status) return sb_report(argv[0], status);
  status = sb_model_inspect(model, &report);
  if (!status) {
    if (o.json)
      print_json(&report, o.path);
    else
      print_text(&report, o.path);
    sb_model_report_free(&report);
  }
  const int result = status ? sb_report(argv[0], status) : SB_EXIT_OK;
  sb_model_close(model);
  return result;
}
