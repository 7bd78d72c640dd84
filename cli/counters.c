/* samebits counters: exact counts of the fused kernels on the emulator, and the pinned ones in bench/counters/. */
#include "cli/command.h"

#include "cuda/modules.h"
#include "cuda/ptx.h"
#include "samebits/emulator.h"
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

enum { COLS = 4096, DEVICE = 0x3000, FOLDER, WRITE, HEIGHT };

typedef struct request {
  const char *device, *folder;
  bool write;
  int rows;
} request;

typedef struct counter_run {
  sb_cuda *cuda;
  int rows;
  void (*set_counting)(int on);
  const char *(*counters)(void);
  FILE *out;
} counter_run;

static error_t parse(int key, char *word, struct argp_state *state) {
  request *r = state->input;
  switch (key) {
  case DEVICE:
    r->device = word;
    return 0;
  case FOLDER:
    r->folder = word;
    return 0;
  case WRITE:
    r->write = true;
    return 0;
  case HEIGHT: {
    char *end;
    const long rows = strtol(word, &end, 10);
    if (end == word || *end || rows < 1 || rows > 65536)
      return sb_argp_error(sb_fail(SB_USAGE, "rows '%.60s' is no number from 1 to 65536", word));
    r->rows = (int)rows;
    return 0;
  }
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

static const struct argp_option table[] = {
    {"device", DEVICE, "emu:sm_XX", 0, "whose PTX (default: emu:sm_90)", 0},
    {"folder", FOLDER, "DIR", 0, "where the pinned counts are (default: bench/counters)", 0},
    {"rows", HEIGHT, "N", 0, "rows of the matrix (default: 16; the counts an element are the same for any)", 0},
    {"write", WRITE, NULL, 0, "pin what is counted", 0},
    {0}};

static double number(const json_t *object, const char *part, const char *key) {
  const json_t *at = part ? json_object_get(object, part) : object;
  return json_number_value(json_object_get(at, key));
}

/* One line a kernel: what it costs an element, and how much more than the least it moves. */
static sb_status print_counts(counter_run *run, const char *entry, double least) {
  json_error_t error;
  json_t *counts = json_loads(run->counters(), 0, &error);
  if (!counts) return sb_fail(SB_INTERNAL, "%s: counters: %s", entry, error.text);
  double distinct = 0;
  size_t i;
  json_t *buffer;
  json_array_foreach(json_object_get(counts, "buffers"), i, buffer) distinct +=
      number(buffer, "load", "distinct_bytes") + number(buffer, "store", "distinct_bytes");
  const double loads = number(counts, "global_load", "requests"), stores = number(counts, "global_store", "requests");
  const double requested = number(counts, "global_load", "bytes") + number(counts, "global_store", "bytes");
  fprintf(run->out, "%-46s %7.2f %9.4f %9.4f %7.2f %7.2f %5.0f\n", entry,
          number(counts, NULL, "thread_instructions") / ((double)run->rows * COLS), distinct / least, requested / least,
          number(counts, "global_load", "sectors") / loads, number(counts, "global_store", "sectors") / stores,
          number(counts, "shared", "wavefronts") - number(counts, "shared", "ideal_wavefronts"));
  json_decref(counts);
  return SB_OK;
}

/* Fills x with a spread of values; nothing counted depends on them but NaN paths. */
static void fill(sb_tensor *x) {
  uint32_t state = 1;
  for (int64_t i = 0; i < sb_tensor_count(x); i++) {
    state = state * 1664525u + 1013904223u;
    sb_store(x->format, x->data, i, ((double)state - 0x1p31) * 0x1p-31);
  }
}

/* The deployed form of a step: int4 codes packed and nothing else, no output beside codes. */
static bool is_counted(const sb_spec *spec, int slot, const sb_tensor out[SB_SLOTS]) {
  if (spec->step == SB_PREPARE) return slot != SB_CODES;
  return slot != SB_OUTPUT && !(slot == SB_CODES && out[SB_PACKED].rank);
}

static sb_status count_step(counter_run *run, const sb_spec *spec) {
  sb_tensor in[SB_SLOTS], out[SB_SLOTS];
  sb_cuda_step step = {.spec = *spec, .rows = run->rows, .cols = COLS};
  sb_status status = sb_spec_tensors(spec, run->rows, COLS, in, out);
  if (!status) status = sb_tensor_alloc(&in[SB_X]);
  if (status) return status;
  fill(&in[SB_X]);
  double least = (double)sb_tensor_bytes(&in[SB_X]);
  status = sb_cuda_alloc(run->cuda, sb_tensor_bytes(&in[SB_X]), &step.data[SB_X]);
  if (!status) status = sb_cuda_copy_in(run->cuda, step.data[SB_X], in[SB_X].data, sb_tensor_bytes(&in[SB_X]));
  for (int slot = SB_SCALE; slot < SB_SLOTS && !status; slot++) {
    if (!out[slot].rank || !is_counted(spec, slot, out)) continue;
    if (out[slot].format == SB_I32) out[slot].format = SB_I8; /* the kernels' zero point */
    least += (double)sb_tensor_bytes(&out[slot]);
    status = sb_cuda_alloc(run->cuda, sb_tensor_bytes(&out[slot]), &step.data[slot]);
  }
  run->set_counting(1);
  if (!status) status = sb_cuda_launch_on(run->cuda, &step, &(sb_on){.wait = true});
  run->set_counting(0);
  char entry[192] = "";
  for (int i = 0; i < sb_kernel_count() && !status && !*entry; i++) {
    const sb_variables v = sb_variables_of(spec, run->rows, COLS, sb_cuda_sm(run->cuda));
    sb_launch launch;
    if (!sb_kernel_matches(sb_kernel_at(i), spec)) continue;
    status = sb_launch_fill(sb_kernel_at(i), spec->dtype, &v, step.data, &launch);
    snprintf(entry, sizeof entry, "%s", launch.entry);
  }
  if (!status) status = print_counts(run, entry, least);
  for (int slot = 0; slot < SB_SLOTS; slot++)
    if (step.data[slot]) (void)sb_cuda_free(run->cuda, step.data[slot]);
  sb_tensor_free(&in[SB_X]);
  return status;
}

/* The version that made the PTX, whether it shipped or was built here. */
static const char *compiler(void) {
  const char *nvcc = strstr(sb_ptx_made_by, "nvcc");
  return nvcc ? nvcc : sb_ptx_made_by;
}

/* The fused kernels, each once: float8_row serves three sides. */
static sb_status count_all(counter_run *run) {
  static const struct {
    const char *recipe;
    sb_side side;
  } sides[] = {{"int8-dynamic-act-int4-weight", SB_ACTIVATION},
               {"int8-dynamic-act-int4-weight", SB_WEIGHT},
               {"int4-weight-only", SB_WEIGHT},
               {"float8-dynamic-act-float8-weight", SB_WEIGHT},
               {"float8-dynamic-act-int4-weight", SB_WEIGHT}};
  static const sb_format dtypes[] = {SB_F32, SB_BF16, SB_F16};
  static const sb_flavor flavors[] = {SB_ALIGNED, SB_TORCHAO_0_18_CUDA};
  fprintf(run->out,
          "# Exact counts of the fused kernels' PTX (%s) for rows of %d elements, aligned, by `samebits counters "
          "--device emu:sm_%d --write`.\n"
          "# Columns: thread-instructions an element; distinct and requested bytes over the least; sectors a load and "
          "a store request; bank "
          "conflicts.\n",
          compiler(), COLS, sb_cuda_sm(run->cuda));
  sb_status status = SB_OK;
  for (size_t s = 0; s < sizeof sides / sizeof *sides; s++)
    for (int step = SB_PREPARE; step <= SB_CONVERT; step++)
      for (int f = 0; f < 2; f++)
        for (int d = 0; d < 3 && !status; d++) {
          sb_spec spec;
          status = sb_spec_make(sides[s].recipe, sides[s].side, (sb_step)step, flavors[f], "", dtypes[d],
                                sides[s].side == SB_WEIGHT && strstr(sides[s].recipe, "int4") ? 128 : 0, &spec);
          if (!status) status = count_step(run, &spec);
        }
  return status;
}

static sb_status open_run(const request *r, counter_run *run) {
  sb_status status = sb_cuda_open(r->device, &run->cuda);
  if (status) return status;
  void *set = sb_driver_symbol(sb_cuda_driver(run->cuda), "samebitsEmuSetCounting");
  void *get = sb_driver_symbol(sb_cuda_driver(run->cuda), "samebitsEmuCounters");
  if (!set || !get) return sb_fail(SB_USAGE, "%s has no counters; they are the emulator's", r->device);
  memcpy(&run->set_counting, &set, sizeof set);
  memcpy(&run->counters, &get, sizeof get);
  return SB_OK;
}

/* Compares what was counted with what is pinned for the same compiler. */
static int compare(const char *path, const char *counted) {
  FILE *file = fopen(path, "rb");
  if (!file) return sb_report("samebits counters", sb_fail(SB_FILE, "%s: no pinned counts (--write makes them)", path));
  char *pinned = NULL;
  size_t size = 0;
  const bool read = getdelim(&pinned, &size, 0, file) >= 0;
  fclose(file);
  const bool same = read && strcmp(pinned, counted) == 0;
  if (read && !strstr(pinned, compiler())) {
    printf("%s: pinned for another compiler than %s, whose counts may differ: not compared\n", path, compiler());
    free(pinned);
    return SB_EXIT_OK;
  }
  free(pinned);
  printf("%s: %s\n", path, same ? "as pinned" : "counts differ; --write pins them anew, as a change to be reviewed");
  return same ? SB_EXIT_OK : SB_EXIT_DIFFERS;
}

static int run_counters(int argc, char **argv) {
  static const struct argp argp = {table,
                                   parse,
                                   NULL,
                                   "Counts the fused kernels on the emulator and compares with the pinned counts. "
                                   "Exit: 0 as pinned, 1 different.",
                                   NULL,
                                   NULL,
                                   NULL};
  request r = {.device = "emu:sm_90", .folder = "bench/counters", .rows = 16};
  int exit_code = sb_parse_options(&argp, argc, argv, &r);
  if (exit_code) return exit_code;
  counter_run run = {.rows = r.rows};
  char *counted = NULL, path[1024];
  size_t size = 0;
  sb_status status = open_run(&r, &run);
  if (!status) run.out = open_memstream(&counted, &size);
  if (!status && !run.out) status = sb_fail(SB_NO_MEMORY, "no memory for the counts");
  if (!status) status = count_all(&run);
  if (run.out) fclose(run.out);
  snprintf(path, sizeof path, "%s/%s.txt", r.folder, strchr(r.device, ':') ? strchr(r.device, ':') + 1 : r.device);
  if (!status && r.write) {
    FILE *file = fopen(path, "wb");
    if (!file || fputs(counted, file) < 0 || fclose(file)) status = sb_fail(SB_FILE, "%s: cannot be written", path);
    fputs(counted, stdout);
  }
  if (status)
    exit_code = sb_report(argv[0], status);
  else if (!r.write)
    exit_code = compare(path, counted);
  free(counted);
  sb_cuda_close(run.cuda);
  return exit_code;
}

const sb_command sb_command_counters = {"counters", "exact counts of the fused kernels, against the pinned ones",
                                        run_counters};
