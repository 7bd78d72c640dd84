/* samebits model compare A B: two models, or captured runs of them. */
#include "cli/command.h"
#include "cli/model/model.h"
#include "samebits/model_compare.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct options {
  const char *paths[2], *activations[2], *logits[2];
  int count;
  bool json;
} options;

/* The option's second word is the next one. */
static error_t take_two(const char *pair[2], char *word, struct argp_state *state) {
  pair[0] = word;
  if (state->next >= state->argc)
    return sb_argp_error(sb_fail(SB_USAGE, "the option takes two words, after '%.200s' too", word));
  pair[1] = state->argv[state->next++];
  return 0;
}

static error_t parse(int key, char *word, struct argp_state *state) {
  options *o = state->input;
  switch (key) {
  case 'a':
    return take_two(o->activations, word, state);
  case 'l':
    return take_two(o->logits, word, state);
  case 'j':
    o->json = true;
    return 0;
  case ARGP_KEY_ARG:
    if (o->count == 2) return sb_argp_error(sb_fail(SB_USAGE, "two models, not '%.200s' too", word));
    o->paths[o->count++] = word;
    return 0;
  case ARGP_KEY_END:
    if (o->count == 1 || (o->count == 0 && !o->activations[0] && !o->logits[0]))
      return sb_argp_error(sb_fail(SB_USAGE, "two models, A and B, are needed"));
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

typedef struct compared {
  sb_model *a, *b;
  sb_model_comparison models;
  sb_activations_comparison activations;
  sb_logits_comparison logits;
} compared;

static bool is_exact(const options *o, const compared *c) {
  return (!o->count || c->models.exact) && (!o->activations[0] || c->activations.differing == 0) &&
         (!o->logits[0] || c->logits.different == 0);
}

static const sb_first_difference *first_of(const options *o, const compared *c) {
  return o->activations[0] && c->activations.first.tensor ? &c->activations.first : &c->models.first;
}

/* ---- JSON ---- */

/* JSON has no NaN: null. */
static json_t *value_of(const char *text) {
  json_t *value = text ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;
  return value ? value : json_null();
}

static json_t *count_of(int64_t count) { return count < 0 ? json_null() : json_integer(count); }

static json_t *weight_json(const sb_weight_difference *w) {
  json_t *mechanisms = json_array();
  for (int i = 0; i < w->mechanism_count; i++) json_array_append_new(mechanisms, json_string(w->mechanisms[i]));
  return json_pack("{s:s,s:I,s:{s:o,s:o,s:o,s:o},s:o,s:o,s:s}", "name", w->name, "elements", (json_int_t)w->elements,
                   "different", "scale", count_of(w->scale), "zero_point", count_of(w->zero_point), "codes",
                   count_of(w->codes), "output", count_of(w->output), "max_abs", sb_json_number(w->max_abs),
                   "mechanisms", mechanisms, "note", w->note);
}

static json_t *first_json(const sb_first_difference *f) {
  if (!f->tensor) return json_null();
  return json_pack("{s:s,s:I,s:I,s:b}", "tensor", f->tensor, "different", (json_int_t)f->different, "elements",
                   (json_int_t)f->elements, "operands_equal", f->operands_equal);
}

static void print_json(const options *o, const compared *c) {
  const sb_model_comparison *m = &c->models;
  json_t *config = json_array(), *parameters = json_array(), *weights = json_array();
  for (int i = 0; i < m->field_count; i++)
    json_array_append_new(config, json_pack("{s:s,s:o,s:o}", "field", m->fields[i].field, "a", value_of(m->fields[i].a),
                                            "b", value_of(m->fields[i].b)));
  for (int i = 0; i < m->parameter_count; i++)
    json_array_append_new(parameters,
                          json_pack("{s:s,s:I,s:I,s:o,s:s}", "name", m->parameters[i].name, "elements",
                                    (json_int_t)m->parameters[i].elements, "different",
                                    (json_int_t)m->parameters[i].different, "max_abs",
                                    sb_json_number(m->parameters[i].max_abs), "note", m->parameters[i].note));
  for (int i = 0; i < m->weight_count; i++) json_array_append_new(weights, weight_json(&m->weights[i]));
  json_t *object = json_pack("{s:o,s:o,s:o,s:o,s:b}", "config", config, "parameters", parameters, "weights", weights,
                             "first_difference", first_json(first_of(o, c)), "exact", is_exact(o, c));
  if (o->count) {
    json_object_set_new(object, "a", json_string(o->paths[0]));
    json_object_set_new(object, "b", json_string(o->paths[1]));
  }
  if (o->activations[0])
    json_object_set_new(object, "activations",
                        json_pack("{s:i,s:i,s:o,s:o}", "modules", c->activations.modules, "different",
                                  c->activations.differing, "max_abs", sb_json_number(c->activations.max_abs),
                                  "mean_abs", sb_json_number(c->activations.mean_abs)));
  if (o->logits[0])
    json_object_set_new(object, "logits",
                        json_pack("{s:I,s:I,s:o,s:o,s:I,s:I,s:b}", "elements", (json_int_t)c->logits.elements,
                                  "different", (json_int_t)c->logits.different, "max_abs",
                                  sb_json_number(c->logits.max_abs), "mean_abs", sb_json_number(c->logits.mean_abs),
                                  "predictions", (json_int_t)c->logits.predictions, "predictions_differ",
                                  (json_int_t)c->logits.predictions_differ, "predictions_match",
                                  c->logits.predictions_differ == 0));
  json_dumpf(object, stdout, JSON_COMPACT);
  putchar('\n');
  json_decref(object);
}

/* ---- text ---- */

static void print_count(int64_t count) {
  if (count < 0)
    printf(" %10s", "-");
  else
    printf(" %10" PRId64, count);
}

static void print_models(const sb_model_comparison *m) {
  char text[SB_VISIBLE], other[SB_VISIBLE];
  int64_t parameters = 0, elements = 0, different = 0, output = 0, scales = 0, scale = 0, codes = 0;
  for (int i = 0; i < m->field_count; i++) {
    const char *a = m->fields[i].a, *b = m->fields[i].b;
    printf("config: %s: %.60s | ", sb_visible(m->fields[i].field, text), a ? sb_visible(a, other) : "absent");
    printf("%.60s%s\n", b ? sb_visible(b, other) : "absent", m->fields[i].expected ? " (as converting does)" : "");
  }
  for (int i = 0; i < m->parameter_count; i++) {
    const sb_parameter *p = &m->parameters[i];
    parameters += p->different;
    if (p->different)
      printf("parameter %s: %" PRId64 " of %" PRId64 " differ, at most %g%s%s\n", sb_visible(p->name, text),
             p->different, p->elements, p->max_abs, *p->note ? ": " : "", p->note);
  }
  printf("parameters: %d compared, %" PRId64 " elements differ\n", m->parameter_count, parameters);
  if (m->weight_count) printf("\n%-40s %10s %10s %10s %10s\n", "differ of weight", "scale", "codes", "output", "of");
  for (int i = 0; i < m->weight_count; i++) {
    const sb_weight_difference *w = &m->weights[i];
    elements += w->elements;
    scales += w->scales;
    different += w->output != 0;
    output += w->output > 0 ? w->output : 0;
    scale += w->scale > 0 ? w->scale : 0;
    codes += w->codes > 0 ? w->codes : 0;
    printf("%-40s", sb_visible(w->name, text));
    print_count(w->scale);
    print_count(w->codes);
    print_count(w->output);
    printf(" %10" PRId64, w->elements);
    for (int k = 0; k < w->mechanism_count; k++) printf("%s%s", k ? "+" : "  ", w->mechanisms[k]);
    printf("%s%s\n", *w->note ? "  " : "", w->note);
  }
  if (m->weight_count)
    printf("weights: %" PRId64 " of %" PRId64 " elements differ in %" PRId64 " of %d layers; %" PRId64 " of %" PRId64
           " scales, %" PRId64 " codes\n",
           output, elements, different, m->weight_count, scale, scales, codes);
}

static void print_text(const options *o, const compared *c) {
  if (o->count) print_models(&c->models);
  if (o->activations[0])
    printf("activations: outputs of %d of %d modules differ, at most %g, mean %g\n", c->activations.differing,
           c->activations.modules, c->activations.max_abs, c->activations.mean_abs);
  if (o->logits[0])
    printf("logits: %" PRId64 " of %" PRId64 " differ, at most %g, mean %g; %" PRId64 " of %" PRId64
           " predictions differ\n",
           c->logits.different, c->logits.elements, c->logits.max_abs, c->logits.mean_abs, c->logits.predictions_differ,
           c->logits.predictions);
  const sb_first_difference *f = first_of(o, c);
  if (f->tensor)
    printf("first difference: %s, %" PRId64 " of %" PRId64 "%s\n", f->tensor, f->different, f->elements,
           !f->operands_equal           ? ""
           : f == &c->activations.first ? "; its operands are equal: the sum is the cause"
                                        : "; codes and scales are equal: the dequantization is the cause");
  puts(is_exact(o, c) ? "exact" : "not exact");
}

/* ---- the command ---- */

static sb_status compare_all(const options *o, compared *c) {
  sb_status status = SB_OK;
  if (o->count) {
    status = sb_model_open(o->paths[0], &c->a);
    if (!status) status = sb_model_open(o->paths[1], &c->b);
    if (!status) status = sb_model_compare(c->a, c->b, &c->models);
  }
  if (!status && o->activations[0])
    status =
        sb_activations_compare(o->activations[0], o->activations[1], o->count ? &c->models : NULL, &c->activations);
  if (!status && o->logits[0]) status = sb_logits_compare(o->logits[0], o->logits[1], &c->logits);
  return status;
}

int sb_cli_model_compare(int argc, char **argv) {
  static const struct argp_option table[] = {
      {"activations", 'a', "FA FB", 0, "captured runs: the first module whose output differs, and why", 0},
      {"logits", 'l', "FA#T FB#T", 0, "captured logits: differences, and whether predictions match", 0},
      {"json", 'j', NULL, 0, "one JSON object", 0},
      {0}};
  static const struct argp argp = {
      table, parse, "A B", "Compares two checkpoints: a QAT master and its artifact, or any two.", NULL, NULL, NULL};
  options o = {0};
  const int exit_code = sb_parse_options(&argp, argc, argv, &o);
  if (exit_code) return exit_code;
  compared c = {0};
  const sb_status status = compare_all(&o, &c);
  int result = status ? sb_report(argv[0], status) : is_exact(&o, &c) ? SB_EXIT_OK : SB_EXIT_DIFFERS;
  if (!status) {
    if (o.json)
      print_json(&o, &c);
    else
      print_text(&o, &c);
  }
  free(c.activations.first.tensor);
  sb_model_comparison_free(&c.models);
  sb_model_close(c.a);
  sb_model_close(c.b);
  return result;
}
