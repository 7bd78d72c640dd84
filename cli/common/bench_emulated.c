#include "cli/bench_emulated.h"

#include "samebits/predict.h"
#include "samebits/run.h"

#include <stdio.h>
#include <string.h>

static void print_prediction(const sb_case *c, const sb_prediction *p) {
  char text[SB_CASE_TEXT];
  const double elements = (double)c->rows * (double)c->cols;
  printf("%-110s %8.2f %8.2f %10.2f  %s\n", sb_case_print(c, text), (double)p->counters[0] / elements,
         (double)p->bytes / elements, (double)p->bytes / p->seconds * 1e-9,
         p->memory_bound ? "memory" : "instructions");
}

/* One device: its cases, each counted once: counts are exact. */
static sb_status count_device(const char *name, const char *kernels, const sb_selection *selection,
                              sb_run_writer *writer, int64_t statuses[SB_CASE_STATUSES], bool *failed) {
  const sb_device_options how = {.kernels = kernels};
  sb_device *device = NULL;
  sb_case_list list = {0};
  sb_status status = sb_device_open(name, &how, &device);
  if (!status) status = sb_select(selection, device, &list);
  if (!status) status = sb_run_write_header(writer, device);
  for (int i = 0; i < list.count && !status; i++) {
    const sb_case *c = &list.cases[i];
    char text[SB_CASE_TEXT];
    sb_prediction p;
    if (c->spec.step == SB_BOTH || !c->fill) continue;
    const sb_status predicted = sb_predict(name, kernels, c, &p);
    if (!predicted) {
      statuses[SB_PASS]++;
      print_prediction(c, &p);
      status = sb_run_write_prediction(writer, c, &p);
    } else if (predicted == SB_UNSUPPORTED)
      fprintf(stderr, "bench: left out: %s: %s\n", sb_case_print(c, text), sb_message());
    else if (predicted == SB_INTERNAL) { /* bits differ */
      fprintf(stderr, "bench: %s\n", sb_message());
      statuses[SB_FAIL]++;
      *failed = true;
    } else
      status = predicted;
  }
  sb_case_list_free(&list);
  sb_device_close(device);
  return status;
}

int sb_bench_emulated(const char *program, const char *devices, const char *kernels, const sb_selection *selection,
                      const char *output) {
  int64_t statuses[SB_CASE_STATUSES] = {0};
  sb_run_writer *writer = NULL;
  bool failed = false;
  sb_selection chosen = *selection;
  if (!chosen.steps) chosen.steps = "prepare,convert";
  if (!chosen.flavors) chosen.flavors = "aligned";
  sb_status status = sb_run_writer_open(output, false, &writer);
  if (!status)
    printf("%-110s %8s %8s %10s\n",
           "exact counts of the PTX, nothing was timed; GB/s: a PREDICTION from published figures", "instr/el",
           "bytes/el", "most GB/s");
  for (const char *at = devices; *at && !status;) {
    char name[SB_DEVICE_NAME];
    const size_t length = strcspn(at, ",");
    snprintf(name, sizeof name, "%.*s", (int)length, at);
    status = count_device(name, kernels, &chosen, writer, statuses, &failed);
    at += length + (at[length] == ',');
  }
  const int exit_code = failed ? SB_EXIT_DIFFERS : statuses[SB_PASS] ? SB_EXIT_OK : SB_EXIT_INFRASTRUCTURE;
  if (!status) status = sb_run_write_summary(writer, statuses, exit_code, NULL, 0);
  const sb_status closed = sb_run_writer_close(writer);
  if (status || closed) return sb_report(program, status ? status : closed);
  printf("%lld counted%s; no GPU was involved\n", (long long)statuses[SB_PASS],
         statuses[SB_PASS] ? ", every bit that the kernels gave verified against the reference" : "");
  return exit_code;
}
