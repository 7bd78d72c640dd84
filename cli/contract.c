/* samebits contract show|run|list: the numerics as text, and that text run. */
#include "samebits/contract.h"
#include "cli/command.h"
#include "samebits/safetensors.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_DTYPE = 'd', KEY_GROUP = 'g', KEY_INPUT = 'i', KEY_OUTPUT = 'o', KEY_CONTRACTS = 'c' };

typedef struct options {
  const char *name, *input, *output, *dtype, *group;
  bool too_many;
} options;

static error_t parse(int key, char *word, struct argp_state *state) {
  options *o = state->input;
  switch (key) {
  case KEY_DTYPE:
    o->dtype = word;
    return 0;
  case KEY_GROUP:
    o->group = word;
    return 0;
  case KEY_INPUT:
    o->input = word;
    return 0;
  case KEY_OUTPUT:
    o->output = word;
    return 0;
  case KEY_CONTRACTS:
    return sb_take_contracts(word);
  case ARGP_KEY_ARG:
    if (o->name) o->too_many = true;
    o->name = word;
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

static const struct argp_option table[] = {
    {"contracts", KEY_CONTRACTS, "DIR", 0, SB_CONTRACTS_HELP, 0},
    {"input", KEY_INPUT, "FILE", 0, "tensors: CASE.x (and what a single operation takes)", 0},
    {"output", KEY_OUTPUT, "FILE", 0, "where the results go, in the golden format", 0},
    {"dtype", KEY_DTYPE, "f32|bf16|f16", 0, "where the file's metadata do not say", 0},
    {"group", KEY_GROUP, "N", 0, "group size, where the file's metadata do not say", 0},
    {0}};

static int list(int argc, char **argv) {
  static const struct argp argp = {table, parse, "", "Lists the contracts.", NULL, NULL, NULL};
  options o = {0};
  int exit_code = sb_parse_options(&argp, argc, argv, &o);
  for (int i = 0; !exit_code && i < sb_contracts_count(); i++)
    if (sb_contracts_offers(i)) puts(sb_contracts_name(i));
  return exit_code;
}

static int show(int argc, char **argv) {
  static const struct argp argp = {table, parse, "NAME", "Prints a contract.", NULL, NULL, NULL};
  options o = {0};
  int exit_code = sb_parse_options(&argp, argc, argv, &o);
  if (exit_code) return exit_code;
  if (!o.name || o.too_many) {
    fprintf(stderr, "%s: one name is expected (samebits contract list)\n", argv[0]);
    return SB_EXIT_USAGE;
  }
  char *text;
  sb_status status = sb_contract_text(o.name, &text);
  if (status) return sb_report(argv[0], status);
  fputs(text, stdout);
  free(text);
  return SB_EXIT_OK;
}

static const char *get(const void *context, const char *key) { return sb_safetensors_metadata(context, key); }

/* The case of NAME; what the name does not say comes from the options, then from the metadata. */
static sb_status case_of(const options *o, const sb_safetensors *f, sb_contract_case *c) {
  const char *dtype = o->dtype ? o->dtype : get(f, "dtype"), *group = o->group ? o->group : get(f, "group_size");
  sb_format format;
  char *end = "";
  if (!dtype) return sb_fail(SB_USAGE, "neither the metadata nor --dtype give the dtype");
  sb_status status = sb_format_parse(dtype, &format);
  long long size = group ? strtoll(group, &end, 10) : 0;
  if (status == SB_OK && (*end || size < 0)) status = sb_fail(SB_USAGE, "the group size is '%s'", group);
  if (status == SB_OK) status = sb_contract_case_parse(o->name, format, size, c);
  if (status != SB_OK || strcmp(c->recipe, "affine") != 0 || !get(f, "quant_min")) return status;
  sb_contract_case from;
  status = sb_contract_case_read(get, f, &from);
  if (status != SB_OK) return status;
  c->quant_min = from.quant_min, c->quant_max = from.quant_max, c->eps = from.eps;
  c->scale_dtype = from.scale_dtype, c->zero_point_dtype = from.zero_point_dtype, c->output_dtype = from.output_dtype;
  c->preserve_zero = from.preserve_zero;
  return SB_OK;
}

static sb_status put_metadata(sb_safetensors_writer *w, const sb_safetensors *f, const sb_contract_case *c) {
  char group[32];
  sb_status status = sb_safetensors_put_metadata(w, "samebits.golden", "1");
  snprintf(group, sizeof group, "%lld", (long long)c->group_size);
  const char *own[][2] = {{"recipe", c->recipe},   {"side", c->side},
                          {"step", c->step},       {"flavor", c->flavor},
                          {"variant", c->variant}, {"dtype", sb_format_of(c->dtype)->name},
                          {"group_size", group},   {"upstream", "samebits contract run"}};
  for (size_t i = 0; i < sizeof own / sizeof *own && status == SB_OK; i++)
    if (*own[i][1]) status = sb_safetensors_put_metadata(w, own[i][0], own[i][1]);
  static const char *const affine[] = {"mapping",     "quant_min",        "quant_max",    "eps",
                                       "scale_dtype", "zero_point_dtype", "output_dtype", "preserve_zero"};
  for (size_t i = 0; i < sizeof affine / sizeof *affine && status == SB_OK && strcmp(c->recipe, "affine") == 0; i++)
    if (get(f, affine[i])) status = sb_safetensors_put_metadata(w, affine[i], get(f, affine[i]));
  return status;
}

typedef struct held {
  int count;
  sb_tensor *tensors;
} held;

static sb_status run_case(const sb_safetensors *f, const char *name, size_t length, const sb_contract_case *c,
                          sb_safetensors_writer *w, held *h) {
  sb_tensor in[SB_SLOTS] = {{0}}, out[SB_SLOTS];
  char full[512];
  for (int s = 0; s < SB_SLOTS; s++) {
    snprintf(full, sizeof full, "%.*s.%s", (int)length, name, sb_slot_names[s]);
    const sb_tensor *t = sb_safetensors_find(f, length ? full : full + 1);
    if (t) in[s] = *t;
  }
  sb_status status = sb_contract_run(c, in, out);
  if (status == SB_INVALID) status = SB_FILE; /* the tensors do not fit the step */
  if (status != SB_OK) return sb_fail_in(status, "%s: case %.*s", sb_safetensors_path(f), (int)length, name);
  for (int s = 0; s < SB_SLOTS && status == SB_OK; s++) {
    if (!out[s].data && !(s == SB_X && in[s].data)) continue;
    const sb_tensor *t = out[s].data ? &out[s] : &in[s];
    snprintf(full, sizeof full, "%.*s.%s", (int)length, name, sb_slot_names[s]);
    status = sb_safetensors_put(w, length ? full : full + 1, t);
    if (!out[s].data) continue;
    sb_tensor *grown = realloc(h->tensors, (size_t)(h->count + 1) * sizeof *grown);
    if (!grown) return sb_fail(SB_NO_MEMORY, "no memory for the results");
    h->tensors = grown;
    grown[h->count++] = out[s];
  }
  return status;
}

static sb_status run_file(const options *o) {
  sb_safetensors *f = NULL;
  sb_safetensors_writer *w = NULL;
  sb_contract_case c = {0};
  held h = {0};
  int cases = 0;
  sb_status status = sb_safetensors_open(o->input, &f);
  if (status == SB_OK && (status = case_of(o, f, &c))) sb_fail_in(status, "%s", o->input);
  if (status == SB_OK) status = sb_safetensors_writer_new(&w);
  const char *anchor = strcmp(c.step, "dequantize") == 0 ? "codes" : "x";
  for (int i = 0; status == SB_OK && i < sb_safetensors_count(f); i++) {
    const char *name = sb_safetensors_name(f, i), *dot = strrchr(name, '.');
    if (strcmp(dot ? dot + 1 : name, anchor) != 0) continue;
    status = run_case(f, name, dot ? (size_t)(dot - name) : 0, &c, w, &h);
    cases++;
  }
  if (status == SB_OK && cases == 0) status = sb_fail(SB_FILE, "%s: there is no tensor CASE.%s", o->input, anchor);
  if (status == SB_OK) status = put_metadata(w, f, &c);
  if (status == SB_OK) status = sb_safetensors_write(w, o->output);
  if (status == SB_OK) printf("%s: %d cases by %s\n", o->output, cases, o->name);
  for (int i = 0; i < h.count; i++) sb_tensor_free(&h.tensors[i]);
  free(h.tensors);
  sb_safetensors_writer_free(w);
  sb_safetensors_close(f);
  return status;
}

static int run_contract(int argc, char **argv) {
  static const struct argp argp = {table, parse, "NAME", "Runs a contract, exactly, on the inputs of a file.",
                                   NULL,  NULL,  NULL};
  options o = {0};
  int exit_code = sb_parse_options(&argp, argc, argv, &o);
  if (exit_code) return exit_code;
  if (!o.name || o.too_many || !o.input || !o.output) {
    fprintf(stderr, "%s: a name, --input and --output are expected\n", argv[0]);
    return SB_EXIT_USAGE;
  }
  sb_status status = sb_refuse_overwriting(o.output, o.input);
  if (status == SB_OK) status = run_file(&o);
  return status ? sb_report(argv[0], status) : SB_EXIT_OK;
}

static int run(int argc, char **argv) {
  static const sb_subcommand commands[] = {{"list", "the names of all contracts", list},
                                           {"show", "the text of a contract", show},
                                           {"run", "a contract on the inputs of a file", run_contract}};
  return sb_dispatch("contract", commands, 3, argc, argv);
}

const sb_command sb_command_contract = {"contract", "numerics as text that runs: list, show, run", run};
