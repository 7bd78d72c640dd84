#include "cli/bench_emulated.h"

#include "samebits/run.h"

#include <stdio.h>
#include <string.h>

typedef struct output {
  sb_run_writer *writer;
  sb_status written;
  bool quiet;
} output;

/* The line of one result. What is not precise says so. */
static void take_result(void *context, const sb_bench_result *result) {
  output *o = context;
  const sb_timing *cold = result->gpu->cold, *hot = result->gpu->hot;
  if (!o->written) o->written = sb_run_write_bench(o->writer, result);
  if (o->quiet) return;
  const int fill = result->item < 0 ? (int)strlen(result->name) : (int)(strrchr(result->name, '/') - result->name);
  printf("%-88.*s %9.4f %9.4f %8.2f", fill, result->name, cold->median * 1e3, hot->median * 1e3,
         result->bytes_per_second * 1e-9);
  if (cold->share_of_peak > 0)
    printf(" %6.1f%%", 100 * cold->share_of_peak);
  else
    printf(" %7s", "");
  if (cold->end != SB_TIMING_PRECISE || hot->end != SB_TIMING_PRECISE)
    printf("  cold: %s, hot: %s", sb_timing_ends[cold->end], sb_timing_ends[hot->end]);
  if (cold->discarded) printf("  %d samples discarded, the device was slowed", cold->discarded);
  putchar('\n');
  fflush(stdout);
}

/* Drops what has nothing to time. */
static void keep_timeable(sb_case_list *list, const char *device) {
  int kept = 0;
  for (int i = 0; i < list->count; i++) {
    const sb_case *c = &list->cases[i];
    if (c->spec.step == SB_BOTH || !c->fill) continue;
    if (sb_spec_tensors(&c->spec, c->rows, c->cols, NULL, NULL)) {
      fprintf(stderr, "bench: %s: left out: %s\n", device, sb_message());
      continue;
    }
    list->cases[kept++] = *c;
  }
  list->count = kept;
}

int sb_bench_timed(const char *program, const sb_bench_gpu_options *options, const sb_selection *selection,
                   const char *path) {
  const sb_device_options device_options = {.kernels = options->kernels};
  sb_selection chosen = *selection;
  if (!chosen.steps) chosen.steps = "prepare,convert";
  if (!chosen.flavors) chosen.flavors = "aligned";
  sb_bench_summary summary = {0};
  sb_bench_gpu_options how = *options;
  output o = {.quiet = options->json};
  how.on_result = take_result;
  how.context = &o;
  sb_device *device = NULL;
  sb_case_list list = {0};
  sb_status status = sb_device_open(options->device, &device_options, &device);
  if (!status) status = sb_select(&chosen, device, &list);
  if (!status) keep_timeable(&list, options->device);
  if (!status && !list.count) status = sb_fail(SB_DEVICE, "nothing to time: everything selected was left out");
  if (!status) status = sb_run_writer_open(path, false, &o.writer);
  if (!status) status = sb_run_write_header(o.writer, device);
  const bool emulator = strncmp(options->device, "emu:", 4) == 0;
  if (!status && !o.quiet)
    printf("%-88s %9s %9s %8s %7s\n", emulator ? "the emulator's own time, of no GPU" : options->device, "cold ms",
           "hot ms", "GB/s", "of peak");
  if (!status) status = sb_bench_gpu_run(list.cases, list.count, &how, &summary);
  if (!status) status = o.written;
  const int exit_code = summary.failed ? SB_EXIT_DIFFERS
                        : summary.broken || !summary.ran
                            ? (summary.unstable && !summary.broken ? SB_EXIT_INCONCLUSIVE : SB_EXIT_INFRASTRUCTURE)
                        : summary.unstable ? SB_EXIT_INCONCLUSIVE
                                           : SB_EXIT_OK;
  const int64_t statuses[SB_CASE_STATUSES] = {[SB_PASS] = summary.ran,
                                              [SB_FAIL] = summary.failed,
                                              [SB_ERROR] = summary.broken,
                                              [SB_MISTRUSTED] = summary.unstable};
  if (!status) status = sb_run_write_summary(o.writer, statuses, exit_code, NULL, 0);
  const sb_status closed = sb_run_writer_close(o.writer);
  sb_case_list_free(&list);
  sb_device_close(device);
  if (status || closed) return sb_report(program, status ? status : closed);
  if (!o.quiet)
    printf("%d timed on %s, the outputs of the timed launches verified against the reference%s\n", summary.ran,
           options->device, emulator ? "; no GPU was involved" : "");
  return exit_code;
}
