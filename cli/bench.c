/* samebits bench: throughput of the reference, verified bit by bit in the same run. */
#include "samebits/bench.h"
#include "cli/command.h"

#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  OPTION_RECIPE = 256,
  OPTION_SIDE,
  OPTION_STEP,
  OPTION_FLAVOR,
  OPTION_DTYPE,
  OPTION_SHAPE,
  OPTION_GROUP,
  OPTION_SEED,
  OPTION_DEVICE,
  OPTION_THREADS,
  OPTION_ISA,
  OPTION_REPETITIONS,
  OPTION_MIN_TIME,
  OPTION_JSON
};

static const struct argp_option options[] = {
    {"recipe", OPTION_RECIPE, "R,...", 0, "recipes (default: all)", 0},
    {"side", OPTION_SIDE, "S,...", 0, "activation, weight (default: both)", 0},
    {"step", OPTION_STEP, "S,...", 0,
     "prepare, convert, choose_qparams, quantize, dequantize (default: prepare,convert)", 0},
    {"flavor", OPTION_FLAVOR, "F,...", 0, "FLAVOR or FLAVOR+VARIANT (default: torchao-0.18-cpu)", 0},
    {"dtype", OPTION_DTYPE, "T,...", 0, "f32, bf16, f16 (default: f32,bf16)", 0},
    {"shape", OPTION_SHAPE, "RxC,...", 0, "rows x columns (default: 4096x4096)", 0},
    {"group", OPTION_GROUP, "G,...", 0, "group sizes (default: each recipe's)", 0},
    {"seed", OPTION_SEED, "N", 0, "of the random input (default: 1)", 0},
    {"device", OPTION_DEVICE, "D", 0, "ref", 0},
    {"threads", OPTION_THREADS, "N", 0, "threads (default: 1; 0: one a core)", 0},
    {"isa", OPTION_ISA, "I", 0, "best, portable, avx2, avx512 (default: best)", 0},
    {"repetitions", OPTION_REPETITIONS, "N", 0, "of which the median counts (default: 5)", 0},
    {"min-time", OPTION_MIN_TIME, "SECONDS", 0, "of each repetition (default: 0.2)", 0},
    {"json", OPTION_JSON, NULL, 0, "Google Benchmark's JSON on standard output", 0},
    {0}};

typedef struct request {
  const char *device, *recipe, *side, *step, *flavor, *dtype, *shape, *group;
  char **globs;
  int glob_count;
  uint64_t seed;
  sb_bench_options how;
  sb_bench_item *items;
  int count, unsupported;
} request;

/* One number in a range, or SB_USAGE naming the option. */
static sb_status number(const char *option, const char *text, double least, double most, double *value) {
  char *end = NULL;
  errno = 0;
  *value = strtod(text, &end);
  if (end == text || *end != '\0' || errno != 0 || !(*value >= least && *value <= most))
    return sb_fail(SB_USAGE, "--%s '%s': a number from %g to %g is needed", option, text, least, most);
  return SB_OK;
}

static sb_status parse_isa(const char *name, sb_isa *isa) {
  for (int i = 0; i < SB_ISAS; i++)
    if (strcmp(sb_isa_names[i], name) == 0) {
      *isa = (sb_isa)i;
      if (sb_isa_available(*isa)) return SB_OK;
      return sb_fail(SB_USAGE, "--isa %s: this machine does not have it", name);
    }
  return sb_fail(SB_USAGE, "--isa '%s': there are best, portable, avx2, avx512", name);
}

static error_t parse(int key, char *text, struct argp_state *state) {
  request *self = state->input;
  double value = 0;
  sb_status status = SB_OK;
  switch (key) {
  case OPTION_RECIPE:
    self->recipe = text;
    break;
  case OPTION_SIDE:
    self->side = text;
    break;
  case OPTION_STEP:
    self->step = text;
    break;
  case OPTION_FLAVOR:
    self->flavor = text;
    break;
  case OPTION_DTYPE:
    self->dtype = text;
    break;
  case OPTION_SHAPE:
    self->shape = text;
    break;
  case OPTION_GROUP:
    self->group = text;
    break;
  case OPTION_SEED:
    status = number("seed", text, 0, 0x1p53, &value);
    self->seed = (uint64_t)value;
    break;
  case OPTION_DEVICE:
    self->device = text;
    break;
  case OPTION_THREADS:
    status = number("threads", text, 0, 1024, &value);
    self->how.threads = (int)value;
    break;
  case OPTION_ISA:
    status = parse_isa(text, &self->how.isa);
    break;
  case OPTION_REPETITIONS:
    status = number("repetitions", text, 1, 1000, &value);
    self->how.repetitions = (int)value;
    break;
  case OPTION_MIN_TIME:
    status = number("min-time", text, 1e-3, 1e3, &self->how.min_seconds);
    break;
  case OPTION_JSON:
    self->how.json = true;
    break;
  case ARGP_KEY_ARG:
    self->globs = &state->argv[state->next - 1];
    self->glob_count = state->argc - state->next + 1;
    state->next = state->argc;
    break;
  default:
    return ARGP_ERR_UNKNOWN;
  }
  return status == SB_OK ? 0 : sb_argp_error(status);
}

/* Calls `on` with each part of a comma list. */
typedef sb_status on_part(request *self, const char *part, sb_bench_item *item);
static sb_status each(request *self, const char *list, on_part *on, sb_bench_item item) {
  char part[128];
  for (const char *at = list;; at++) {
    const size_t length = strcspn(at, ",");
    if (length == 0 || length >= sizeof part) return sb_fail(SB_USAGE, "'%s': an empty or endless part", list);
    memcpy(part, at, length);
    part[length] = '\0';
    sb_bench_item copy = item;
    const sb_status status = on(self, part, &copy);
    if (status != SB_OK) return status;
    at += length;
    if (*at == '\0') return SB_OK;
  }
}

/* Whether `name` is a part of the comma list; no list has everything. */
static bool listed(const char *list, const char *name) {
  const size_t length = strlen(name);
  for (const char *at = list; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
    if (strncmp(at, name, length) == 0 && (at[length] == ',' || at[length] == '\0')) return true;
  return list == NULL;
}

static bool chosen_by_glob(const request *self, const sb_bench_item *item) {
  char name[SB_BENCH_NAME];
  sb_bench_name(item, name);
  for (int i = 0; i < self->glob_count; i++)
    if (fnmatch(self->globs[i], name, 0) == 0) return true;
  return self->glob_count == 0;
}

static sb_status on_group(request *self, const char *part, sb_bench_item *item) {
  double group = -1;
  if (strcmp(part, "default") != 0) {
    const sb_status status = number("group", part, 0, 0x1p31, &group);
    if (status != SB_OK) return status;
  }
  const sb_spec *spec = &item->spec;
  sb_status status = sb_spec_make(spec->recipe->name, spec->path->side, spec->step, spec->path->flavor,
                                  spec->path->variant, spec->dtype, (int64_t)group, &item->spec);
  if (status == SB_OK) status = sb_spec_tensors(&item->spec, item->rows, item->cols, NULL, NULL);
  if (status == SB_UNSUPPORTED) {
    fprintf(stderr, "bench: left out: %s\n", sb_message());
    self->unsupported++;
    return SB_OK;
  }
  if (status != SB_OK || !chosen_by_glob(self, item)) return status;
  sb_bench_item *more = realloc(self->items, ((size_t)self->count + 1) * sizeof *more);
  if (!more) return sb_fail(SB_NO_MEMORY, "bench: no memory for %d items", self->count + 1);
  self->items = more;
  self->items[self->count++] = *item;
  return SB_OK;
}

static sb_status on_shape(request *self, const char *part, sb_bench_item *item) {
  char extra;
  if (sscanf(part, "%" SCNd64 "x%" SCNd64 "%c", &item->rows, &item->cols, &extra) != 2 || item->rows < 1 ||
      item->cols < 1 || item->rows > INT_MAX || item->cols > INT_MAX)
    return sb_fail(SB_USAGE, "--shape '%s': ROWSxCOLUMNS, each from 1 to %d, is needed", part, INT_MAX);
  return each(self, self->group, on_group, *item);
}

static sb_status on_dtype(request *self, const char *part, sb_bench_item *item) {
  const sb_status status = sb_format_parse(part, &item->spec.dtype);
  return status == SB_OK ? each(self, self->shape, on_shape, *item) : status;
}

static sb_status on_step(request *self, const char *part, sb_bench_item *item) {
  const sb_status status = sb_step_parse(part, &item->spec.step);
  if (status != SB_OK) return status;
  if (item->spec.step == SB_BOTH) return sb_fail(SB_USAGE, "--step both is a comparison: nothing to time");
  const sb_path *path = item->spec.path;
  const bool exists = item->spec.step == SB_CONVERT ? path->convert : path->prepare;
  return exists ? each(self, self->dtype, on_dtype, *item) : SB_OK;
}

/* Every path of the recipe that the sides allow. */
static sb_status every_path(request *self, sb_bench_item *item) {
  const sb_recipe *recipe = item->spec.recipe;
  for (int i = 0; i < recipe->path_count; i++) {
    item->spec.path = &recipe->paths[i];
    if (!listed(self->side, sb_side_names[item->spec.path->side])) continue;
    const sb_status status = each(self, self->step, on_step, *item);
    if (status != SB_OK) return status;
  }
  return SB_OK;
}

static sb_status on_flavor(request *self, const char *part, sb_bench_item *item) {
  char name[128];
  snprintf(name, sizeof name, "%s", part);
  char *plus = strchr(name, '+');
  if (plus) *plus++ = '\0';
  sb_flavor flavor;
  const sb_status status = sb_flavor_parse(name, &flavor);
  if (status != SB_OK) return status;
  const sb_recipe *recipe = item->spec.recipe;
  for (int i = 0; i < recipe->path_count; i++) {
    const sb_path *path = &recipe->paths[i];
    if (path->flavor != flavor || strcmp(path->variant, plus ? plus : "") != 0) continue;
    if (!listed(self->side, sb_side_names[path->side])) continue;
    item->spec.path = path;
    const sb_status done = each(self, self->step, on_step, *item);
    if (done != SB_OK) return done;
  }
  return SB_OK;
}

static sb_status on_side(request *self, const char *part, sb_bench_item *item) {
  (void)self;
  sb_side side;
  item->rows = 0;
  return sb_side_parse(part, &side);
}

static sb_status select_items(request *self) {
  sb_bench_item item = {.seed = self->seed};
  if (self->side) {
    const sb_status status = each(self, self->side, on_side, item);
    if (status != SB_OK) return status;
  }
  for (const char *at = self->recipe; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
    char name[128];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(at, ","), at);
    if (!sb_recipe_find(name)) return sb_fail(SB_USAGE, "--recipe '%s': there is none (samebits list recipes)", name);
  }
  for (int i = 0; i < sb_recipe_count(); i++) {
    item.spec.recipe = sb_recipe_at(i);
    if (!listed(self->recipe, item.spec.recipe->name)) continue;
    const sb_status status = self->flavor ? each(self, self->flavor, on_flavor, item) : every_path(self, &item);
    if (status != SB_OK) return status;
  }
  if (self->count > 0) return SB_OK;
  return self->unsupported > 0 ? sb_fail(SB_UNSUPPORTED, "nothing to time: everything selected was left out")
                               : sb_fail(SB_USAGE, "the selection has nothing to time");
}

/* The line of one result: what a person looks for first is the last column, the share of the copy bandwidth. */
static void print_result(void *context, const sb_bench_result *result) {
  const request *self = context;
  if (result->item < 0) {
    printf("%-88s %8s %9.3f %8.2f\n", result->name, "", result->seconds * 1e3, result->bytes_per_second * 1e-9);
    return;
  }
  char name[SB_BENCH_NAME];
  sb_bench_name(&self->items[result->item], name);
  *strrchr(name, '/') = '\0'; /* the fill is always the same */
  printf("%-88s %8.3f %9.3f %8.2f %6.1f%%\n", name, result->items_per_second * 1e-9, result->seconds * 1e3,
         result->bytes_per_second * 1e-9, result->copy_fraction * 100);
  fflush(stdout);
}

/* What was not said: a few cases worth a look; under a glob everything that it may name, in the shape that it names. */
static void set_defaults(request *self) {
  const bool glob = self->glob_count > 0;
  if (!self->step) self->step = glob ? "prepare,convert,choose_qparams,quantize,dequantize" : "prepare,convert";
  if (!self->flavor) self->flavor = glob ? NULL : "torchao-0.18-cpu";
  if (!self->dtype) self->dtype = glob ? "f32,bf16,f16" : "f32,bf16";
  static char shape[64], group[32];
  for (const char *at = glob ? self->globs[0] : NULL; at && !self->shape;
       at = strchr(at, '/'), at = at ? at + 1 : NULL) {
    int64_t rows, cols, size;
    if (sscanf(at, "%" SCNd64 "x%" SCNd64 ":g%" SCNd64, &rows, &cols, &size) != 3) continue;
    snprintf(shape, sizeof shape, "%" PRId64 "x%" PRId64, rows, cols);
    snprintf(group, sizeof group, "%" PRId64, size);
    self->shape = shape;
    self->group = group;
  }
  if (!self->shape) self->shape = "4096x4096";
}

static int run(int argc, char **argv) {
  request self = {
      .group = "default", .seed = 1, .how = {.threads = 1, .isa = SB_ISA_BEST, .repetitions = 5, .min_seconds = 0.2}};
  static const struct argp argp = {
      options,
      parse,
      "[GLOB...]",
      "Times the reference. The timed call writes scale, zero_point, codes and output, and they are verified bit by "
      "bit "
      "in this run.\vGLOB selects by canonical case. The last column is the bytes moved in a second relative to "
      "memcpy's, measured in the same run with as many threads.",
      NULL,
      NULL,
      NULL};
  const int usage = sb_parse_options(&argp, argc, argv, &self);
  if (usage != SB_EXIT_OK) return usage;
  set_defaults(&self);
  sb_status status = SB_OK;
  if (self.device && strcmp(self.device, "ref") != 0)
    status = sb_fail(SB_DEVICE, "--device %s: there is ref", self.device);
  if (status == SB_OK) status = select_items(&self);
  sb_bench_summary summary = {0};
  if (status == SB_OK) {
    self.how.on_result = self.how.json ? NULL : print_result;
    self.how.context = &self;
    if (!self.how.json) printf("%-88s %8s %9s %8s %7s\n", "case", "G elem/s", "ms", "GB/s", "of copy");
    status = sb_bench_run(self.items, self.count, &self.how, &summary);
  }
  free(self.items);
  if (status == SB_UNSUPPORTED) {
    sb_report("bench", status);
    return SB_EXIT_INFRASTRUCTURE;
  }
  if (status != SB_OK) return sb_report("bench", status);
  if (summary.failed > 0) return SB_EXIT_DIFFERS;
  if (!self.how.json)
    printf("%d timed on %d thread%s, every bit verified against the portable code\n", summary.ran, self.how.threads,
           self.how.threads == 1 ? "" : "s");
  return summary.ran > 0 ? SB_EXIT_OK : SB_EXIT_INFRASTRUCTURE;
}

const sb_command sb_command_bench = {"bench", "throughput of the reference, verified in the same run", run};
