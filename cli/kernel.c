/* samebits kernel run | show | audit | extract: one kernel with tensors in and out; what a PTX file holds. */
#include "samebits/kernel.h"
#include "cli/command.h"
#include "cli/kernel/kernel.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

enum {
  MAX_ARGS = 256,
  KEY_GRID = 1,
  KEY_BLOCK,
  KEY_SHARED,
  KEY_ARG,
  KEY_OUTPUT,
  KEY_MAX,
  KEY_COUNTERS,
  KEY_JSON,
  KEY_APPROX,
  KEY_ENTRY,
  KEY_DEVICE
};

typedef struct options {
  const char *file, *entry, *device, *output;
  const char *args[MAX_ARGS];
  sb_kernel_run run;
  bool has_grid, has_block, json;
} options;

static sb_status parse_number(const char *word, const char *what, unsigned long long most, unsigned long long *value) {
  char *end;
  errno = 0;
  *value = strtoull(word, &end, 0);
  if (errno || end == word || *end || *word == '-' || *value > most)
    return sb_fail(SB_USAGE, "%s '%s': expected a number up to %llu", what, word, most);
  return SB_OK;
}
/* X[,Y[,Z]] */
static sb_status parse_dims(const char *word, const char *what, unsigned dims[3]) {
  const char *at = word;
  for (int k = 0; k < 3; k++) dims[k] = 1;
  for (int k = 0; k < 3; k++) {
    char *end;
    errno = 0;
    unsigned long v = strtoul(at, &end, 10);
    if (errno || end == at || *at == '-' || v == 0 || v > 2147483647ul) break;
    dims[k] = (unsigned)v;
    if (!*end) return SB_OK;
    if (*end != ',') break;
    at = end + 1;
  }
  return sb_fail(SB_USAGE, "%s '%s': expected X[,Y[,Z]], each from 1", what, word);
}

static error_t parse(int key, char *word, struct argp_state *state) {
  options *o = state->input;
  unsigned long long n = 0;
  sb_status status = SB_OK;
  switch (key) {
  case KEY_GRID:
    status = parse_dims(word, "--grid", o->run.grid.grid), o->has_grid = true;
    break;
  case KEY_BLOCK:
    status = parse_dims(word, "--block", o->run.grid.block), o->has_block = true;
    break;
  case KEY_SHARED:
    status = parse_number(word, "--shared", 1u << 20, &n), o->run.grid.shared = (unsigned)n;
    break;
  case KEY_ARG:
    if (o->run.arg_count == MAX_ARGS)
      status = sb_fail(SB_USAGE, "more than %d arguments", MAX_ARGS);
    else
      o->args[o->run.arg_count++] = word;
    break;
  case KEY_MAX:
    status = parse_number(word, "--max-instructions", 1ull << 62, &o->run.max_instructions);
    break;
  case KEY_APPROX:
    status = word ? parse_number(word, "--allow-approx", 10000, &n) : SB_OK, o->run.approx = word ? (int)n : 0;
    break;
  case KEY_OUTPUT:
    o->output = word;
    break;
  case KEY_COUNTERS:
    o->run.counters = true;
    break;
  case KEY_JSON:
    o->json = true;
    break;
  case KEY_ENTRY:
    o->entry = word;
    break;
  case KEY_DEVICE:
    o->device = word;
    break;
  case ARGP_KEY_ARG:
    if (o->file) status = sb_fail(SB_USAGE, "more than one file: '%s'", word);
    o->file = word;
    break;
  default:
    return ARGP_ERR_UNKNOWN;
  }
  return status ? sb_argp_error(status) : 0;
}

/* The file of an argument in:FILE#TENSOR or inout:NAME=FILE#TENSOR must not be the one that is written. */
static sb_status keep_input(const options *o, const char *argument) {
  const char *from = strncmp(argument, "in:", 3) == 0      ? argument + 3
                     : strncmp(argument, "inout:", 6) == 0 ? strchr(argument, '=')
                                                           : NULL;
  const char *hash = strrchr(argument, '#');
  char path[4096];
  if (!from || !hash) return SB_OK;
  from += *from == '=';
  snprintf(path, sizeof path, "%.*s", (int)(hash - from), from);
  return sb_refuse_overwriting(o->output, path);
}

static sb_status write_outputs(const options *o) {
  sb_safetensors_writer *writer = NULL;
  sb_status status = sb_safetensors_writer_new(&writer);
  for (int k = 0; k < o->run.arg_count && status == SB_OK; k++)
    if (o->run.args[k].name) status = sb_safetensors_put(writer, o->run.args[k].name, &o->run.args[k].tensor);
  if (status == SB_OK) status = sb_safetensors_write(writer, o->output);
  sb_safetensors_writer_free(writer);
  return status;
}

/* A fault for people. */
static void print_fault(const char *name, const char *json) {
  json_t *o = json_loads(json, 0, NULL);
  const char *kind = "", *kernel = "", *file = "", *message = "", *instruction = "";
  int line = 0, b[3] = {0}, t[3] = {0};
  if (o)
    (void)json_unpack(o, "{s:s,s:s,s:s,s:i,s:[iii],s:[iii],s?s,s?s}", "kind", &kind, "kernel", &kernel, "file", &file,
                      "line", &line, "block", &b[0], &b[1], &b[2], "thread", &t[0], &t[1], &t[2], "message", &message,
                      "instruction", &instruction);
  fprintf(stderr, "%s: %s: %s%s%s in %s, %s:%d, block (%d,%d,%d), thread (%d,%d,%d)\n", name, kind, message,
          *instruction ? " at " : "", instruction, kernel, *file ? file : "?", line, b[0], b[1], b[2], t[0], t[1],
          t[2]);
  json_decref(o);
}

/* What a clean run still has to say: elements that are no result, rules that were not checked, and what ptxas may do
 * otherwise. */
static void print_remarks(const char *name, const char *json) {
  json_t *all = json_loads(json, 0, NULL), *one;
  size_t k;
  json_array_foreach(json_object_get(all, "unwritten"), k, one) {
    fprintf(stderr, "%s: %lld elements of %s were never written, the first is %lld: they hold no result\n", name,
            (long long)json_integer_value(json_object_get(one, "elements")),
            json_string_value(json_object_get(one, "tensor")),
            (long long)json_integer_value(json_object_get(one, "first")));
  }
  const char *unchecked = json_string_value(json_object_get(all, "unchecked"));
  if (unchecked) fprintf(stderr, "%s: %s\n", name, unchecked);
  json_array_foreach(json_object_get(all, "lint"), k, one)
      fprintf(stderr, "%s: lint: %s\n", name, json_string_value(one));
  json_decref(all);
}

static int report(const char *name, const options *o, sb_kernel_outcome outcome, const char *json) {
  if (outcome == SB_KERNEL_OK || outcome == SB_KERNEL_UNPROVEN) print_remarks(name, json);
  if (o->json) {
    puts(json);
    if (outcome == SB_KERNEL_REFUSED) print_fault(name, json);
  } else if (outcome == SB_KERNEL_FAULT || outcome == SB_KERNEL_REFUSED)
    print_fault(name, json);
  else if (outcome == SB_KERNEL_UNPROVEN || o->run.counters)
    puts(json);
  return outcome == SB_KERNEL_FAULT     ? SB_EXIT_DIFFERS
         : outcome == SB_KERNEL_REFUSED ? SB_EXIT_INCONCLUSIVE
                                        : SB_EXIT_OK;
}

/* With --json an error that sb_report has said is an object on standard output, too. */
static int error_object(bool json, int code) {
  const char *kind = code == SB_EXIT_USAGE ? "usage" : code == SB_EXIT_INCONCLUSIVE ? "refused" : "file";
  if (!json) return code;
  json_t *message = json_string(sb_message());
  if (!message) { /* a name that is not UTF-8 */
    char plain[1024];
    snprintf(plain, sizeof plain, "%s", sb_message());
    for (char *at = plain; *at; at++)
      if ((unsigned char)*at >= 0x80) *at = '?';
    message = json_string(plain);
  }
  json_t *o = json_pack("{s:s,s:o}", "status", kind, "message", message);
  char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;
  if (text) puts(text);
  free(text), json_decref(o);
  return code;
}
static bool asks_for_json(int argc, char **argv) {
  for (int k = 1; k < argc; k++)
    if (!strcmp(argv[k], "--json")) return true;
  return false;
}

static int run_kernel(int argc, char **argv) {
  static const struct argp_option table[] = {
      {"entry", KEY_ENTRY, "NAME", 0, "the entry, or a unique part of its name, mangled or not", 0},
      {"device", KEY_DEVICE, "DEVICE", 0, "emu:sm_75|80|86|89|90|100|120 or cuda:N (default emu:sm_90)", 0},
      {"grid", KEY_GRID, "X[,Y[,Z]]", 0, "blocks", 0},
      {"block", KEY_BLOCK, "X[,Y[,Z]]", 0, "threads a block", 0},
      {"shared", KEY_SHARED, "BYTES", 0, "dynamic shared memory", 0},
      {"arg", KEY_ARG, "SPEC", 0,
       "a parameter, in order: in:FILE#TENSOR, out:NAME=FORMAT[d0,d1], inout:NAME=FILE#TENSOR, i32: u32: i64: u64: "
       "f32: f64: bytes:HEX",
       0},
      {"output", KEY_OUTPUT, "FILE", 0, "where out and inout tensors go (safetensors)", 0},
      {"max-instructions", KEY_MAX, "N", 0, "the most warp instructions (emulator)", 0},
      {"counters", KEY_COUNTERS, NULL, 0, "exact counts of the launch (emulator)", 0},
      {"allow-approx", KEY_APPROX, "N", OPTION_ARG_OPTIONAL,
       "run approximate instructions: correctly rounded, and N times varied", 0},
      {"json", KEY_JSON, NULL, 0, "the result as one JSON object", 0},
      {0}};
  static const struct argp argp = {
      table, parse, "FILE.ptx|FILE.cu", "Runs one kernel with tensors in and tensors out.", NULL, NULL, NULL};
  options *o = &(options){.device = "emu:sm_90", .run = {.approx = -1}};
  int code = sb_parse_options(&argp, argc, argv, o);
  if (code) return error_object(asks_for_json(argc, argv), code);
  if (!o->file || !o->entry || !o->has_grid || !o->has_block)
    return error_object(o->json, sb_report(argv[0], sb_fail(SB_USAGE, "FILE, --entry, --grid and --block are needed")));
  o->run.file = o->file, o->run.entry = o->entry;
  o->run.args = calloc((size_t)o->run.arg_count + 1, sizeof *o->run.args);
  sb_status status = o->run.args ? SB_OK : sb_fail(SB_NO_MEMORY, "out of memory");
  bool has_outputs = false;
  for (int k = 0; k < o->run.arg_count && status == SB_OK; k++) {
    status = sb_kernel_arg_parse(o->args[k], &o->run.args[k]);
    has_outputs |= o->run.args[k].name != NULL;
    if (status == SB_OK) status = keep_input(o, o->args[k]);
  }
  if (status == SB_OK && has_outputs && !o->output)
    status = sb_fail(SB_USAGE, "--output is needed for out: and inout: arguments");
  sb_driver *driver = NULL;
  sb_kernel_outcome outcome = SB_KERNEL_OK;
  char *json = NULL;
  if (status == SB_OK) status = sb_driver_open(o->device, &driver);
  if (status == SB_OK) status = sb_kernel_execute(driver, &o->run, &outcome, &json);
  if (status == SB_OK && (outcome == SB_KERNEL_OK || outcome == SB_KERNEL_UNPROVEN) && has_outputs)
    status = write_outputs(o);
  code = status ? error_object(o->json, sb_report(argv[0], status)) : report(argv[0], o, outcome, json);
  free(json);
  sb_driver_close(driver);
  for (int k = 0; o->run.args && k < o->run.arg_count; k++) sb_kernel_arg_free(&o->run.args[k]);
  free(o->run.args);
  return code;
}

/* ---- show ---- */
static void print_entry(const char *name, json_t *e) {
  size_t k;
  json_t *p;
  const char *op;
  printf("%s\n", name);
  printf("  registers %lld x 32 bit, %lld x 64 bit; shared %lld bytes static; local %lld bytes; %lld instructions\n",
         (long long)json_integer_value(json_object_get(e, "registers32")),
         (long long)json_integer_value(json_object_get(e, "registers64")),
         (long long)json_integer_value(json_object_get(e, "shared")),
         (long long)json_integer_value(json_object_get(e, "local")),
         (long long)json_integer_value(json_object_get(e, "instructions")));
  json_array_foreach(json_object_get(e, "parameters"), k, p)
      printf("  parameter %zu: %s, %lld bytes at %lld\n", k, json_string_value(json_object_get(p, "type")),
             (long long)json_integer_value(json_object_get(p, "size")),
             (long long)json_integer_value(json_object_get(p, "offset")));
  json_object_foreach(json_object_get(e, "opcodes"), op, p)
      printf("  %6lld %s\n", (long long)json_integer_value(p), op);
  json_array_foreach(json_object_get(e, "lint"), k, p) printf("  lint: %s\n", json_string_value(p));
}
static int show(int argc, char **argv) {
  static const struct argp_option table[] = {
      {"json", KEY_JSON, NULL, 0, "one JSON object", 0},
      {"device", KEY_DEVICE, "DEVICE", 0, "the architecture that a .cu file is compiled for", 0},
      {0}};
  static const struct argp argp = {
      table, parse, "FILE.ptx|FILE.cu", "Entries, parameters, registers, shared memory, opcode census and lint.", NULL,
      NULL,  NULL};
  options *o = &(options){.device = "emu:sm_90"};
  int code = sb_parse_options(&argp, argc, argv, o);
  if (code) return code;
  if (!o->file) return sb_report(argv[0], sb_fail(SB_USAGE, "no file is given"));
  const char *sm = strstr(o->device, "sm_");
  char *text = NULL, *json = NULL;
  size_t size = 0;
  sb_status status = sb_kernel_read(o->file, sm ? atoi(sm + 3) : 90, &text, &size);
  if (status == SB_OK) status = sb_kernel_describe(text, size, &json);
  json_t *all = status == SB_OK ? json_loads(json, 0, NULL) : NULL;
  const char *error = json_string_value(json_object_get(all, "error"));
  if (status == SB_OK && error) status = sb_fail(SB_FILE, "%s: %s", o->file, error);
  if (status)
    code = sb_report(argv[0], status);
  else if (o->json)
    puts(json);
  else {
    const char *name;
    json_t *e;
    printf("PTX %s, target %s\n", json_string_value(json_object_get(all, "version")),
           json_string_value(json_object_get(all, "target")));
    json_object_foreach(json_object_get(all, "entries"), name, e) print_entry(name, e);
  }
  json_decref(all);
  free(text), free(json);
  return code;
}

static int run(int argc, char **argv) {
  static const sb_subcommand table[] = {
      {"audit", "what ptxas makes of it: contractions, reciprocals, flushes", sb_cli_kernel_audit},
      {"extract", "the PTX that a library carries", sb_cli_kernel_extract},
      {"run", "one kernel, tensors in, tensors out", run_kernel},
      {"show", "what a PTX file holds", show}};
  return sb_dispatch("kernel", table, sizeof table / sizeof *table, argc, argv);
}

const sb_command sb_command_kernel = {
    "kernel", "run one kernel; show what a PTX file holds; audit what ptxas makes of it; extract PTX from a library",
    run};
