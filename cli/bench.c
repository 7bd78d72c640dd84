/* samebits bench: throughput of the reference, verified bit by bit in the same run. */
#include "samebits/bench.h"
#include "cli/bench_emulated.h"
#include "cli/select.h"
#include "samebits/run.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { DEVICE = 0x2000, TIMED, KERNELS, THREADS, ISA, REPETITIONS, INTERLEAVE, MIN_TIME, JSON, OUTPUT };

enum { REPETITIONS_USUAL = 9 };

static const struct argp_option options[] = {
    {NULL, 0, NULL, 0, "How:", 2},
    {"device", DEVICE, "D", 0,
     "ref (default); emu:sm_XX,...: exact counts and a predicted roofline; cuda:N: timed by its events, cold and hot",
     2},
    {"timed", TIMED, NULL, 0, "time the emulator like a GPU: its own time, which is of no GPU", 2},
    {"kernels", KERNELS, "MANIFEST", 0, "other people's kernels in the place of ours (docs/kernels.md)", 2},
    {"threads", THREADS, "N", 0, "threads (default: 1; 0: one a core)", 2},
    {"isa", ISA, "I", 0, "best, portable, avx2, avx512 (default: best)", 2},
    {"repetitions", REPETITIONS, "N", 0, "of which the median counts (default: 9, the least that `compare` judges)", 2},
    {"interleave", INTERLEAVE, NULL, 0,
     "repetitions of all cases in random order: a machine that drifts then does so for all of them", 2},
    {"min-time", MIN_TIME, "SECONDS", 0, "of each repetition (default: 0.2)", 2},
    {NULL, 0, NULL, 0, "What comes out:", 3},
    {"json", JSON, NULL, 0, "Google Benchmark's JSON on standard output", 3},
    {"output", OUTPUT, "RUN.jsonl", 0, "the run as JSON lines in a file: medians, samples, digests of what was written",
     3},
    {0}};

typedef struct request {
  sb_selection selection;
  const char *device, *kernels, *output;
  bool timed;
  sb_bench_options how;
  sb_run_writer *writer;
  sb_status written; /* the first failure to write a result */
} request;

static sb_status parse_seconds(const char *text, double *seconds) {
  char *end = NULL;
  errno = 0;
  *seconds = strtod(text, &end);
  if (end == text || *end != '\0' || errno != 0 || !(*seconds >= 1e-3 && *seconds <= 1e3))
    return sb_fail(SB_USAGE, "--min-time %.60s: seconds from 0.001 to 1000 are needed", text);
  return SB_OK;
}

static sb_status parse_isa(const char *name, sb_isa *isa) {
  for (int i = 0; i < SB_ISAS; i++)
    if (strcmp(sb_isa_names[i], name) == 0) {
      *isa = (sb_isa)i;
      if (sb_isa_available(*isa)) return SB_OK;
      return sb_fail(SB_USAGE, "--isa %s: this machine does not have it", name);
    }
  return sb_fail(SB_USAGE, "--isa %.60s: there are best, portable, avx2, avx512", name);
}

static error_t parse(int key, char *word, struct argp_state *state) {
  request *r = state->input;
  int64_t number = 0;
  sb_status status = SB_OK;
  switch (key) {
  case ARGP_KEY_INIT:
    state->child_inputs[0] = &r->selection;
    return 0;
  case DEVICE:
    r->device = word;
    return 0;
  case TIMED:
    r->timed = true;
    return 0;
  case KERNELS:
    r->kernels = word;
    return 0;
  case INTERLEAVE:
    r->how.interleave = true;
    return 0;
  case THREADS:
    status = sb_option_number("threads", word, 0, 1024, &number);
    r->how.threads = (int)number;
    return sb_argp_error(status);
  case ISA:
    return sb_argp_error(parse_isa(word, &r->how.isa));
  case REPETITIONS:
    status = sb_option_number("repetitions", word, 1, 1000, &number);
    r->how.repetitions = (int)number;
    return sb_argp_error(status);
  case MIN_TIME:
    return sb_argp_error(parse_seconds(word, &r->how.min_seconds));
  case JSON:
    r->how.json = true;
    return 0;
  case OUTPUT:
    r->output = word;
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

/* What was not said: a few cases worth a look; under a glob everything that it may name, in the shape that it names. */
static void set_defaults(sb_selection *s) {
  const char *glob = s->pattern_count > 0 ? s->patterns[0] : NULL;
  sb_case c;
  for (int i = 0; i < s->pattern_count; i++)
    if (sb_pattern_case(s, s->patterns[i], &c)) return; /* it says everything */
  if (!s->steps && !glob) s->steps = "prepare,convert";
  if (!s->flavors && !glob) s->flavors = "torchao-0.18-cpu";
  if (!s->dtypes && !glob) s->dtypes = "f32,bf16";
  if (!s->fills) s->fills = "normal";
  static char shape[64], group[32];
  for (const char *at = glob; at && !s->shapes; at = strchr(at, '/'), at = at ? at + 1 : NULL) {
    int64_t rows, cols, size;
    if (sscanf(at, "%" SCNd64 "x%" SCNd64 ":g%" SCNd64, &rows, &cols, &size) != 3) continue;
    snprintf(shape, sizeof shape, "%" PRId64 "x%" PRId64, rows, cols);
    s->shapes = shape;
    if (size <= 0 || s->groups) continue;
    snprintf(group, sizeof group, "%" PRId64, size);
    s->groups = group;
  }
  if (!s->shapes) s->shapes = "4096x4096";
}

/* Drops what upstream refuses, with its reason. A comparison has nothing to time: under a glob it is left out, asked
 * for by its name it is an error. */
static sb_status keep_timeable(sb_case_list *list, bool all_steps) {
  int kept = 0;
  for (int i = 0; i < list->count; i++) {
    const sb_case *c = &list->cases[i];
    if (c->spec.step == SB_BOTH && all_steps) continue;
    if (c->spec.step == SB_BOTH) return sb_fail(SB_USAGE, "the step both is a comparison: nothing to time");
    if (!c->fill) return sb_fail(SB_USAGE, "the fill file is for check: bench makes its own input");
    const sb_status status = sb_spec_tensors(&c->spec, c->rows, c->cols, NULL, NULL);
    if (status == SB_UNSUPPORTED)
      fprintf(stderr, "bench: left out: %s\n", sb_message());
    else if (status)
      return status;
    else
      list->cases[kept++] = *c;
  }
  list->count = kept;
  return kept ? SB_OK : sb_fail(SB_DEVICE, "nothing to time: everything selected was left out");
}

/* The line of one result: what a person looks for first is the last column, the share of the copy bandwidth. */
static void take_result(void *context, const sb_bench_result *result) {
  request *r = context;
  if (!r->written) r->written = sb_run_write_bench(r->writer, result);
  if (r->how.json) return;
  const int fill = result->item < 0 ? (int)strlen(result->name) : (int)(strrchr(result->name, '/') - result->name);
  printf("%-88.*s ", fill, result->name);
  if (result->item < 0)
    printf("%8s %9.3f %8.2f\n", "", result->seconds * 1e3, result->bytes_per_second * 1e-9);
  else
    printf("%8.3f %9.3f %8.2f %6.1f%%\n", result->items_per_second * 1e-9, result->seconds * 1e3,
           result->bytes_per_second * 1e-9, result->copy_fraction * 100);
  fflush(stdout);
}

/* Times the selection; `exit_code`: what the figures are worth. */
static sb_status time_all(request *r, const sb_device *device, int *exit_code) {
  sb_case_list list;
  sb_bench_summary summary = {0};
  sb_status status = sb_select(&r->selection, device, &list);
  const bool all_steps = !r->selection.steps && list.count > 1;
  if (!status) status = keep_timeable(&list, all_steps);
  if (!status) status = sb_run_writer_open(r->output, false, &r->writer);
  if (!status) status = sb_run_write_header(r->writer, device);
  if (!status) {
    if (!r->how.json) printf("%-88s %8s %9s %8s %7s\n", "case", "G elem/s", "ms", "GB/s", "of copy");
    r->how.on_result = take_result;
    r->how.context = r;
    status = sb_bench_run(list.cases, list.count, &r->how, &summary);
  }
  if (!status) status = r->written;
  *exit_code = summary.failed > 0                       ? SB_EXIT_DIFFERS
               : summary.ran > 0 && summary.broken == 0 ? SB_EXIT_OK
                                                        : SB_EXIT_INFRASTRUCTURE;
  const int64_t statuses[SB_CASE_STATUSES] = {
      [SB_PASS] = summary.ran, [SB_FAIL] = summary.failed, [SB_ERROR] = summary.broken};
  if (!status) status = sb_run_write_summary(r->writer, statuses, *exit_code, NULL, 0);
  const sb_status closed = sb_run_writer_close(r->writer);
  sb_case_list_free(&list);
  if (status || closed) return status ? status : closed;
  if (!r->how.json && *exit_code == SB_EXIT_OK)
    printf("%d timed on %d thread%s, every bit verified against the portable code\n", summary.ran, r->how.threads,
           r->how.threads == 1 ? "" : "s");
  return SB_OK;
}

static int run(int argc, char **argv) {
  request r = {.how = {.threads = 1, .isa = SB_ISA_BEST, .repetitions = REPETITIONS_USUAL, .min_seconds = 0.2}};
  static const struct argp_child children[] = {{&sb_select_argp, 0, NULL, 1}, {0}};
  static const struct argp argp = {
      options,
      parse,
      "[CASE|GLOB...]",
      "Times the reference. The timed call writes scale, zero_point, codes and output, and they are verified bit by "
      "bit in this run. Without a selection: prepare and convert of torchao-0.18-cpu on 4096x4096, f32 and bf16.\v"
      "GLOB selects by canonical case. The last column is the bytes moved in a second relative to memcpy's, measured "
      "in the same run with as many threads.",
      children,
      NULL,
      NULL};
  int exit_code = sb_parse_options(&argp, argc, argv, &r);
  if (exit_code) return exit_code;
  const bool emulated = r.device && strncmp(r.device, "emu:", 4) == 0;
  const bool gpu = r.device && strncmp(r.device, "cuda:", 5) == 0;
  if ((emulated || gpu) && !r.selection.flavors && !r.selection.pattern_count) r.selection.flavors = "aligned";
  set_defaults(&r.selection);
  if (gpu || (emulated && r.timed)) {
    sb_bench_gpu_options how = {
        .device = r.device, .kernels = r.kernels, .policy = sb_timing_usual, .json = r.how.json};
    if (r.how.repetitions != REPETITIONS_USUAL) how.policy.least = how.policy.most = (int)r.how.repetitions;
    return sb_bench_timed(argv[0], &how, &r.selection, r.output);
  }
  if (emulated && r.how.json)
    return sb_report(argv[0], sb_fail(SB_USAGE, "--json is Google Benchmark's; the emulator's counts go to --output"));
  if (emulated) return sb_bench_emulated(argv[0], r.device, r.kernels, &r.selection, r.output);
  if (r.kernels || r.timed)
    return sb_report(argv[0],
                     sb_fail(SB_USAGE, "--kernels and --timed need a device that runs kernels: --device cuda:0 "
                                       "or emu:sm_90"));
  sb_device_options how = {0};
  sb_device *device = NULL;
  sb_status status = SB_OK;
  if (r.device && strcmp(r.device, "ref") != 0)
    status = sb_fail(SB_DEVICE, "--device %s: there are ref, emu:sm_XX and cuda:N", r.device);
  if (!status) status = sb_device_open("ref", &how, &device);
  if (!status) status = time_all(&r, device, &exit_code);
  sb_device_close(device);
  return status ? sb_report(argv[0], status) : exit_code;
}

const sb_command sb_command_bench = {"bench", "throughput of the reference, verified in the same run", run};
