/* samebits explain: which mechanism makes tensors differ from a contract. */
#include "samebits/explain.h"
#include "cli/command.h"
#include "samebits/apply.h"
#include "samebits/check.h"
#include "samebits/device.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct options {
  int count;
  char **words;
  const char *device, *input, *write;
  sb_device_options how;
  bool json;
} options;

static error_t parse(int key, char *word, struct argp_state *state) {
  options *o = state->input;
  switch (key) {
  case 'j':
    o->json = true;
    return 0;
  case 'd':
    o->device = word;
    return 0;
  case 'w':
    o->write = word;
    return 0;
  case 'i':
    o->input = word;
    return 0;
  case 'k':
    o->how.kernels = word;
    return 0;
  case 'l':
    o->how.lift_gates = true;
    return 0;
  case 'c':
    return sb_take_contracts(word);
  case ARGP_KEY_ARGS:
    o->words = state->argv + state->next;
    o->count = state->argc - state->next;
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

static json_t *ids_of(const sb_explained_set *set) {
  json_t *list = json_array();
  for (int i = 0; i < set->count; i++) {
    bool seen = false;
    for (int j = 0; j < i; j++) seen = seen || strcmp(set->steps[i].id, set->steps[j].id) == 0;
    if (!seen) json_array_append_new(list, json_string(set->steps[i].id));
  }
  return list;
}

static void print_json(const sb_explanation *e, const sb_explained_case *c) {
  json_t *o = json_object(), *alternatives = json_array(), *forms = json_array();
  bool explained = c->verdict == SB_EXPLAINED;
  const sb_explained_set *set = &e->sets[0];
  json_t *inputs = json_array(), *first = NULL;
  for (int i = 1; explained && i < e->set_count; i++) {
    json_t *input = json_loads(e->sets[i].distinguishing_input, 0, NULL);
    if (!first && input) first = json_incref(input);
    json_array_append_new(alternatives, ids_of(&e->sets[i]));
    json_array_append_new(inputs, input ? input : json_null());
  }
  for (int i = 0; explained && i < set->count; i++)
    json_array_append_new(forms, json_pack("{s:s,s:s,s:s,s:s}", "id", set->steps[i].id, "form", set->steps[i].what,
                                           "parameter", set->steps[i].parameter, "diff", set->steps[i].diff));
  json_object_set_new(o, "case", json_string(c->name));
  json_object_set_new(o, "contract", json_string(e->contract));
  json_object_set_new(o, "verdict", json_string(sb_verdict_names[c->verdict]));
  json_object_set_new(o, "mechanisms", explained ? ids_of(set) : json_array());
  json_object_set_new(o, "alternatives", alternatives);
  json_object_set_new(o, "forms", forms);
  if (c->verdict == SB_SAME)
    json_object_set_new(o, "first_difference", json_null());
  else
    json_object_set_new(o, "first_difference",
                        json_pack("{s:s,s:I,s:s,s:s,s:I,s:s,s:s,s:I,s:I}", "tensor", c->tensor, "index",
                                  (json_int_t)c->index, "expected", c->expected, "got", c->got, "ulps",
                                  (json_int_t)c->ulps, "line", c->line, "operands", c->operands, "different",
                                  (json_int_t)c->different, "elements", (json_int_t)c->elements));
  const char *before = "", *after = "";
  for (int i = 0; explained && i < set->count && !*before; i++)
    before = set->steps[i].before, after = set->steps[i].after;
  json_object_set_new(o, "contract_line_before", *before ? json_string(before) : json_null());
  json_object_set_new(o, "contract_line_after", *after ? json_string(after) : json_null());
  json_object_set_new(o, "distinguishing_input", first ? first : json_null());
  json_object_set_new(o, "distinguishing_inputs", inputs); /* one an alternative */
  json_dumpf(o, stdout, JSON_COMPACT);
  putchar('\n');
  json_decref(o);
}

/* The rows of x that tell the alternatives from the answer, as a file in the golden format for the kernel to run on. */
static sb_status write_input(const sb_explanation *e, const char *path) {
  sb_safetensors_writer *w = NULL;
  sb_tensor x = {0};
  json_t *rows = json_array();
  char group[32];
  for (int i = 1; i < e->set_count; i++) {
    json_t *input = json_loads(e->sets[i].distinguishing_input, 0, NULL);
    if (input) json_array_append(rows, json_object_get(input, "x"));
    json_decref(input);
  }
  const size_t count = json_array_size(rows), cols = count ? json_array_size(json_array_get(rows, 0)) : 0;
  sb_status status = count ? SB_OK : sb_fail(SB_UNSUPPORTED, "%s: there is no input to write", path);
  x = sb_tensor_2d(e->at.dtype, (int64_t)count, (int64_t)cols);
  if (!status) status = sb_tensor_alloc(&x);
  for (size_t i = 0; !status && i < count * cols; i++)
    sb_store(x.format, x.data, (int64_t)i,
             strtod(json_string_value(json_array_get(json_array_get(rows, i / cols), i % cols)), NULL));
  snprintf(group, sizeof group, "%" PRId64, e->at.group_size);
  const char *pairs[][2] = {{"samebits.golden", "1"}, {"recipe", e->at.recipe},
                            {"side", e->at.side},     {"step", e->at.step},
                            {"flavor", e->at.flavor}, {"variant", e->at.variant},
                            {"group_size", group},    {"dtype", sb_format_of(e->at.dtype)->name}};
  if (!status) status = sb_safetensors_writer_new(&w);
  for (size_t i = 0; !status && i < sizeof pairs / sizeof *pairs; i++)
    status = sb_safetensors_put_metadata(w, pairs[i][0], pairs[i][1]);
  if (!status) status = sb_safetensors_put(w, "case.x", &x);
  if (!status) status = sb_safetensors_write(w, path);
  sb_safetensors_writer_free(w);
  sb_tensor_free(&x);
  json_decref(rows);
  return status;
}

/* Fills x, computes what the step takes by ref/, and the step itself on the device. */
static sb_status run_case(const options *o, const sb_case *c, sb_spec *spec, sb_tensor in[SB_SLOTS],
                          sb_tensor out[SB_SLOTS]) {
  sb_device_reply reply = {0};
  sb_device *device = NULL;
  sb_safetensors *file = NULL;
  sb_tensor all[SB_SLOTS] = {{0}}, takes[SB_SLOTS];
  sb_case adapted = *c;
  sb_status status = o->input ? sb_safetensors_open(o->input, &file) : SB_OK;
  if (!status) status = sb_device_open(*c->device ? c->device : o->device, &o->how, &device);
  if (!status) status = sb_device_adapt(device, &adapted.spec);
  *spec = adapted.spec;
  if (!status && spec->step == SB_BOTH) status = sb_spec_step(&adapted.spec, SB_CONVERT, false, spec);
  if (!status) status = sb_spec_tensors(spec, c->rows, c->cols, takes, NULL);
  if (!status) status = sb_case_input(&adapted, file, &all[SB_X]);
  if (!status) status = sb_apply_before(spec, true, c->rows, c->cols, all);
  for (int s = 0; s < SB_SLOTS; s++)
    if (all[s].data && (s == SB_X || (!status && takes[s].rank)))
      in[s] = all[s];
    else
      sb_tensor_free(&all[s]);
  if (!status) status = sb_device_run(device, spec, c->rows, c->cols, in, out, &reply);
  if (!status && reply.outcome != SB_PASS)
    status = sb_fail(SB_DEVICE, "the device gave no bits: %s %s", sb_case_status_names[reply.outcome], reply.reason);
  sb_device_close(device);
  sb_safetensors_close(file);
  return status;
}

/* A canonical case: the device's bits against the contract; `both`: convert's bits against the contract of prepare. */
static sb_status explain_case(const options *o, sb_explanation **e) {
  sb_case c;
  sb_spec spec, left;
  sb_contract_case at;
  sb_tensor in[SB_SLOTS] = {{0}}, out[SB_SLOTS] = {{0}};
  sb_explain_options how = {0};
  sb_status status = sb_case_parse(o->words[0], &c);
  if (!status) status = run_case(o, &c, &spec, in, out);
  if (!status) {
    left = spec;
    if (c.spec.step == SB_BOTH) status = sb_spec_step(&c.spec, SB_PREPARE, false, &left);
    how.any_size = c.spec.step == SB_BOTH;
    sb_contract_case_of(&left, &at);
  }
  if (!status) status = sb_explain_tensors(&at, o->words[0], in, out, &how, e);
  for (int s = 0; s < SB_SLOTS; s++) {
    sb_tensor_free(&in[s]);
    sb_guard_free(&out[s]);
  }
  return status;
}

static bool is_case(const char *word) { return strchr(word, '@') && strchr(word, ':') && access(word, F_OK) != 0; }

static int run(int argc, char **argv) {
  static const struct argp_option table[] = {
      {"json", 'j', NULL, 0, "one JSON object a case", 0},
      {"device", 'd', "D", 0, "of a case that names none (default: ref)", 0},
      {"write-input", 'w', "FILE", 0,
       "x that tells the alternatives apart, a row for each, in the golden format: run the kernel on it", 0},
      {"input", 'i', "FILE", 0, "the tensors of cases with the fill `file`", 0},
      {"kernels", 'k', "MANIFEST", 0, "other people's kernels, as in check", 0},
      {"lift-gates", 'l', NULL, 0, "run what upstream's architecture gates refuse", 0},
      {"contracts", 'c', "DIR", 0, SB_CONTRACTS_HELP, 0},
      {0}};
  static const struct argp argp = {
      table,
      parse,
      "CASE | FILE | LEFT RIGHT",
      "Names the mechanism by which tensors differ from their contract: those of a case on "
      "its device, of a file in the golden format (a saved failure is one), or, of two such "
      "files, the right one's from the left one's.",
      NULL,
      NULL,
      NULL};
  options o = {.device = "ref"};
  int exit_code = sb_parse_options(&argp, argc, argv, &o);
  if (exit_code) return exit_code;
  if (o.count < 1 || o.count > 2) {
    fprintf(stderr, "%s: one file, or a left and a right one, are expected\n", argv[0]);
    return SB_EXIT_USAGE;
  }
  sb_explanation *e;
  sb_status status = o.count == 2          ? sb_explain_files(o.words[0], o.words[1], NULL, &e)
                     : is_case(o.words[0]) ? explain_case(&o, &e)
                                           : sb_explain_file(o.words[0], NULL, &e);
  if (status) return sb_report(argv[0], status);
  for (int i = 0; o.json && i < e->case_count; i++) print_json(e, &e->cases[i]);
  if (!o.json) sb_explanation_print(stdout, o.words[o.count - 1], e);
  status = o.write ? write_input(e, o.write) : SB_OK;
  exit_code = status ? sb_report(argv[0], status) : e->verdict == SB_SAME ? SB_EXIT_OK : SB_EXIT_DIFFERS;
  sb_explanation_free(e);
  return exit_code;
}

const sb_command sb_command_explain = {"explain", "which step differs, and by which mechanism", run};
