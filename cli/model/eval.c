/* samebits model eval PATH --tokens FILE: evaluation loss, and the three-way comparison. */
#include "cli/command.h"
#include "cli/model/growth.h"
#include "cli/model/model.h"
#include "samebits/model_eval.h"
#include "samebits/safetensors.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct options {
  const char *paths[3], *tokens, *plots;
  int count;
  bool three_way, json, step_given, both;
  sb_eval_options eval;
} options;

static error_t parse_step(options *o, const char *word) {
  o->step_given = true;
  o->both = strcmp(word, "both") == 0;
  if (o->both) return 0;
  for (int i = 0; i < 3; i++) {
    o->eval.step = (sb_linear_step)i;
    if (strcmp(word, sb_linear_step_names[i]) == 0) return 0;
  }
  return sb_argp_error(sb_fail(SB_USAGE, "--linear takes float, prepare, convert or both, not '%.60s'", word));
}

static sb_status check(const options *o) {
  if (!o->tokens) return sb_fail(SB_USAGE, "--tokens FILE is needed");
  if (o->count != (o->three_way ? 3 : 1))
    return sb_fail(SB_USAGE, o->three_way ? "--three-way takes BASELINE PTQ QAT" : "one PATH is needed");
  if (o->step_given && o->eval.step != SB_LINEAR_FLOAT && !o->eval.recipe)
    return sb_fail(SB_USAGE, "--linear %s needs --recipe", sb_linear_step_names[o->eval.step]);
  if ((o->both || o->eval.mechanisms) && !o->eval.recipe)
    return sb_fail(SB_USAGE, "--linear both and --mechanism need --recipe");
  if (o->plots && !o->both && !o->eval.mechanisms)
    return sb_fail(SB_USAGE, "--plots draws what --mechanism or --linear both finds");
  if (o->both && o->eval.mechanisms)
    return sb_fail(SB_USAGE, "--mechanism changes one step: --linear prepare or convert, not both");
  if (o->three_way && (o->eval.recipe || o->step_given))
    return sb_fail(SB_USAGE, "--three-way takes models as they are: no --recipe, no --linear");
  return SB_OK;
}

static error_t parse(int key, char *word, struct argp_state *state) {
  options *o = state->input;
  char *end;
  switch (key) {
  case 't':
    o->tokens = word;
    return 0;
  case 'd':
    return sb_argp_error(sb_format_parse(word, &o->eval.dtype));
  case 'r':
    o->eval.recipe = word;
    return 0;
  case 'l':
    return parse_step(o, word);
  case 'p':
    o->eval.threads = (int)strtol(word, &end, 10);
    if (*end || o->eval.threads < 1) return sb_argp_error(sb_fail(SB_USAGE, "'%.60s' is no number of threads", word));
    return 0;
  case 'g':
    return sb_take_group(word, &o->eval.group);
  case 'm':
    o->eval.mechanisms = word;
    return 0;
  case 'P':
    o->plots = word;
    return 0;
  case '3':
    o->three_way = true;
    return 0;
  case 'j':
    o->json = true;
    return 0;
  case ARGP_KEY_ARG:
    if (o->count == 3) return sb_argp_error(sb_fail(SB_USAGE, "'%.200s' is one model too many", word));
    o->paths[o->count++] = word;
    return 0;
  case ARGP_KEY_END:
    return sb_argp_error(check(o));
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

static sb_status evaluate(const options *o, const char *path, const sb_tensor *tokens, sb_evaluation *e) {
  sb_model *model;
  sb_status status = sb_model_open(path, &model);
  if (!status) status = sb_model_eval(model, &o->eval, tokens, e);
  sb_model_close(model);
  return status;
}

json_t *sb_evaluation_json(const sb_evaluation *e) {
  json_t *rows = json_array();
  for (int64_t r = 0; r < e->rows; r++) json_array_append_new(rows, sb_json_number(e->row_loss[r]));
  return json_pack("{s:o,s:o,s:I,s:I,s:s,s:s?,s:s,s:b,s:i,s:i,s:o}", "eval_loss", sb_json_number(e->loss), "perplexity",
                   sb_json_number(e->perplexity), "rows", (json_int_t)e->rows, "predictions",
                   (json_int_t)e->predictions, "dtype", sb_format_of(e->dtype)->name, "recipe", e->recipe, "linear",
                   sb_linear_step_names[e->step], "ours", e->ours, "linear_layers", e->linears, "quantized_layers",
                   e->quantized, "row_loss", rows);
}

static void print_json(json_t *object) {
  json_dumpf(object, stdout, JSON_COMPACT);
  putchar('\n');
  json_decref(object);
}

static void print_one(const char *path, const sb_evaluation *e) {
  char text[SB_VISIBLE], left[64] = "";
  if (e->recipe && e->quantized < e->linears)
    snprintf(left, sizeof left, ", %d of %d Linear layers left in float", e->linears - e->quantized, e->linears);
  printf("%s: eval loss %.6f, perplexity %.4f (%s, %s%s%s%s; %" PRId64 " rows, %" PRId64 " predictions)%s\n",
         sb_visible(path, text), e->loss, e->perplexity, sb_format_of(e->dtype)->name, sb_linear_step_names[e->step],
         e->recipe ? " of " : "", e->recipe ? e->recipe : "", left, e->rows, e->predictions,
         e->ours ? "; upstream refuses this forward on a CPU: the number is ours" : "");
}

static int three_way(const options *o, const char *name, const sb_tensor *tokens) {
  static const char *const names[3] = {"baseline", "PTQ", "QAT"};
  sb_evaluation e[3] = {0};
  sb_status status = SB_OK;
  json_t *list = json_array();
  for (int i = 0; !status && i < 3; i++) {
    status = evaluate(o, o->paths[i], tokens, &e[i]);
    if (status) break;
    json_t *object = sb_evaluation_json(&e[i]);
    json_object_set_new(object, "model", json_string(names[i]));
    json_object_set_new(object, "path", json_string(o->paths[i]));
    json_object_set_new(object, "difference", sb_json_number(e[i].loss - e[0].loss));
    json_array_append_new(list, object);
  }
  if (!status && o->json)
    print_json(json_pack("{s:O}", "three_way", list));
  else if (!status) {
    printf("%-10s %-34s %6s %12s %12s %12s\n", "model", "recipe", "dtype", "eval loss", "perplexity", "difference");
    for (int i = 0; i < 3; i++)
      printf("%-10s %-34s %6s %12.6f %12.4f %+12.6f%s\n", names[i], e[i].recipe ? e[i].recipe : "float",
             sb_format_of(e[i].dtype)->name, e[i].loss, e[i].perplexity, e[i].loss - e[0].loss,
             e[i].ours ? "  (ours: upstream refuses this forward on a CPU)" : "");
  }
  json_decref(list);
  for (int i = 0; i < 3; i++) sb_evaluation_free(&e[i]);
  return status ? sb_report(name, status) : SB_EXIT_OK;
}

int sb_cli_model_eval(int argc, char **argv) {
  static const struct argp_option table[] = {
      {"tokens", 't', "FILE", 0, "safetensors with the tensor `tokens`, integers [rows, length]", 0},
      {"dtype", 'd', "f32|bf16", 0, "what the model is loaded in (default: its own)", 0},
      {"recipe", 'r', "R", 0, "of a float model: how its Linear layers are quantized", 0},
      {"group", 'g', "N", 0, "group size of --recipe (default: upstream's)", 0},
      {"linear", 'l', "STEP", 0,
       "float, prepare (as in training), convert (as deployed; the default with --recipe), or both: convert against "
       "prepare",
       0},
      {"mechanism", 'm', "ID[@SIDE],...", 0,
       "a catalogued mechanism in every Linear (SIDE: activation or weight), against none: loss, predictions, growth",
       0},
      {"plots", 'P', "DIR", 0, "draw the growth from layer to layer", 0},
      {"threads", 'p', "N", 0, "threads (default: one a core); the result does not depend on it", 0},
      {"three-way", '3', NULL, 0, "BASELINE PTQ QAT: one table", 0},
      {"json", 'j', NULL, 0, "one JSON object", 0},
      {0}};
  static const struct argp argp = {
      table, parse, "PATH | --three-way BASELINE PTQ QAT", "Evaluation loss and perplexity of a Llama.", NULL,
      NULL,  NULL};
  options o = {.eval = {.dtype = SB_FORMATS, .step = SB_LINEAR_CONVERT}};
  const int exit_code = sb_parse_options(&argp, argc, argv, &o);
  if (exit_code) return exit_code;
  sb_safetensors *file;
  sb_status status = sb_safetensors_open(o.tokens, &file);
  if (status) return sb_report(argv[0], status);
  const sb_tensor *tokens = sb_safetensors_find(file, "tokens");
  int result;
  sb_evaluation e = {0};
  if (!tokens)
    result = sb_report(argv[0], sb_fail(SB_FILE, "%s: no tensor \"tokens\"", o.tokens));
  else if (o.three_way)
    result = three_way(&o, argv[0], tokens);
  else if (o.both || o.eval.mechanisms) {
    sb_eval_options base = o.eval, other = o.eval;
    base.mechanisms = NULL;
    if (o.both) base.step = SB_LINEAR_PREPARE, other.step = SB_LINEAR_CONVERT;
    result = sb_cli_growth(argv[0], o.paths[0], &base, &other, tokens, o.plots, o.json);
  } else {
    status = evaluate(&o, o.paths[0], tokens, &e);
    result = status ? sb_report(argv[0], status) : SB_EXIT_OK;
    if (!status && o.json) {
      json_t *object = sb_evaluation_json(&e);
      json_object_set_new(object, "path", json_string(o.paths[0]));
      print_json(object);
    } else if (!status)
      print_one(o.paths[0], &e);
  }
  sb_evaluation_free(&e);
  sb_safetensors_close(file);
  return result;
}
