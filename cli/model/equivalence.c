/* samebits model equivalence TRAIN EVAL --tokens FILE: five checks. */
#include "cli/command.h"
#include "cli/model/model.h"
#include "samebits/model_equivalence.h"
#include "samebits/safetensors.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct options {
  const char *paths[2], *tokens;
  int count;
  bool json;
  sb_equivalence_options equivalence;
} options;

static error_t parse(int key, char *word, struct argp_state *state) {
  options *o = state->input;
  switch (key) {
  case 't':
    o->tokens = word;
    return 0;
  case 'a':
    o->equivalence.adapter = word;
    return 0;
  case 'r':
    o->equivalence.recipe = word;
    return 0;
  case 'd':
    return sb_argp_error(sb_format_parse(word, &o->equivalence.dtype));
  case 'g':
    return sb_take_group(word, &o->equivalence.group);
  case 'j':
    o->json = true;
    return 0;
  case ARGP_KEY_ARG:
    if (o->count == 2) return sb_argp_error(sb_fail(SB_USAGE, "two models, not '%.200s' too", word));
    o->paths[o->count++] = word;
    return 0;
  case ARGP_KEY_END:
    if (o->count != 2 || !o->tokens)
      return sb_argp_error(sb_fail(SB_USAGE, "TRAIN, EVAL and --tokens FILE are needed"));
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

static json_t *figure(double value) {
  return value == floor(value) && fabs(value) < 0x1p53 ? json_integer((json_int_t)value) : sb_json_number(value);
}

static void print_json(const options *o, const sb_equivalence *e) {
  json_t *checks = json_array(), *causes = json_array();
  for (int i = 0; i < SB_EQUIVALENCE_CHECKS; i++) {
    const sb_equivalence_check *c = &e->checks[i];
    json_t *figures = json_object();
    for (int k = 0; k < c->figure_count; k++)
      json_object_set_new(figures, c->figures[k].name, figure(c->figures[k].value));
    json_array_append_new(checks,
                          json_pack("{s:i,s:s,s:o,s:o,s:s}", "number", i + 1, "name", c->name, "ok",
                                    c->state == SB_CHECK_OPEN ? json_null() : json_boolean(c->state == SB_CHECK_HOLDS),
                                    "figures", figures, "note", c->note));
  }
  for (int i = 0; i < e->cause_count; i++) json_array_append_new(causes, json_string(e->causes[i]));
  json_t *object = json_pack("{s:b,s:o,s:o,s:s?,s:s,s:I}", "equal", e->equal, "checks", checks, "causes", causes,
                             "recipe", e->recipe, "dtype", sb_format_of(e->dtype)->name, "rows", (json_int_t)e->rows);
  json_object_set_new(object, "train", json_string(o->paths[0]));
  json_object_set_new(object, "eval", json_string(o->paths[1]));
  json_dumpf(object, stdout, JSON_COMPACT);
  putchar('\n');
  json_decref(object);
}

static void print_text(const sb_equivalence *e) {
  static const char *const marks[] = {"–", "✓", "✗"};
  char text[SB_VISIBLE];
  for (int i = 0; i < SB_EQUIVALENCE_CHECKS; i++) {
    const sb_equivalence_check *c = &e->checks[i];
    printf("%s %d. %s", marks[c->state], i + 1, c->name);
    for (int k = 0; k < c->figure_count; k++)
      printf("%s%s %.6g", k ? ", " : ": ", c->figures[k].name, c->figures[k].value);
    printf("\n%s%s%s", *c->note ? "     " : "", sb_visible(c->note, text), *c->note ? "\n" : "");
  }
  for (int i = 0; i < e->cause_count; i++) printf("likely cause: %s\n", sb_visible(e->causes[i], text));
  printf("%s (%s%s%s, %" PRId64 " rows of tokens)\n", e->equal ? "equal" : "not equal", sb_format_of(e->dtype)->name,
         e->recipe ? ", " : "", e->recipe ? e->recipe : "", e->rows);
}

static sb_status judge(const options *o, sb_equivalence *e) {
  sb_safetensors *file = NULL;
  sb_model *train = NULL, *eval = NULL;
  sb_status status = sb_safetensors_open(o->tokens, &file);
  const sb_tensor *tokens = status ? NULL : sb_safetensors_find(file, "tokens");
  if (!status && !tokens) status = sb_fail(SB_FILE, "%s: no tensor \"tokens\"", o->tokens);
  if (!status) status = sb_model_open(o->paths[0], &train);
  if (!status) status = sb_model_open(o->paths[1], &eval);
  if (!status) status = sb_model_equivalence(train, eval, tokens, &o->equivalence, e);
  sb_model_close(train);
  sb_model_close(eval);
  sb_safetensors_close(file);
  return status;
}

int sb_cli_model_equivalence(int argc, char **argv) {
  static const struct argp_option table[] = {
      {"tokens", 't', "FILE", 0, "safetensors with the tensor `tokens`, integers [rows, length]", 0},
      {"adapter", 'a', "LORA_DIR", 0, "a LoRA adapter of TRAIN, as PEFT saves it", 0},
      {"recipe", 'r', "R", 0, "how EVAL is quantized when it runs, where its file is in float", 0},
      {"group", 'g', "N", 0, "group size of --recipe (default: upstream's)", 0},
      {"dtype", 'd', "f32|bf16", 0, "what both are loaded in (default: that of EVAL)", 0},
      {"json", 'j', NULL, 0, "one JSON object", 0},
      {0}};
  static const struct argp argp = {
      table,
      parse,
      "TRAIN EVAL",
      "Is the model that was trained the one that is evaluated? Five checks: configurations, parameters, logits, the "
      "checkpoint rebuilt in both merge orders, prepare against convert.",
      NULL,
      NULL,
      NULL};
  options o = {.equivalence.dtype = SB_FORMATS};
  const int exit_code = sb_parse_options(&argp, argc, argv, &o);
  if (exit_code) return exit_code;
  sb_equivalence e;
  const sb_status status = judge(&o, &e);
  if (status) return sb_report(argv[0], status);
  if (o.json)
    print_json(&o, &e);
  else
    print_text(&e);
  return e.equal ? SB_EXIT_OK : SB_EXIT_DIFFERS;
}
