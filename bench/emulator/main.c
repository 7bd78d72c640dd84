/* bench-emulator: how fast the emulator executes nine kernels of the project, beside the C reference in the same run,
 * and what each check costs. Every kernel's outputs are compared with the reference's, bit by bit, before its figure
 * counts. */
#include "bench/emulator/kernels.h"
#include "bench/shim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is on in each measurement. The first is what the figure is stated with. */
typedef struct setting {
  const char *name, *checks;
} setting;
static const setting settings[] = {
    {"base", "bounds,align,uninitialized-shared,shared-race,barrier,lanes,budget"},
    {"+global init", "bounds,align,uninitialized-shared,shared-race,barrier,lanes,budget,uninitialized-global"},
    {"+global race", "bounds,align,uninitialized-shared,shared-race,barrier,lanes,budget,global-race"},
    {"+nc", "bounds,align,uninitialized-shared,shared-race,barrier,lanes,budget,nc"},
    {"all", "all"},
    {"bounds only", "bounds"}};
enum { SETTINGS = sizeof settings / sizeof *settings, REFERENCE = SETTINGS, COLUMNS };

typedef struct cell {
  bench_kernel *kernel;
  int column;
  double rate; /* thread-instructions a second; the reference: elements a second */
  char name[64];
} cell;
static cell cells[BENCH_KERNELS][COLUMNS];
static bench_device device;
static int failed;

static void body(void *context, sb_gb_state *state) {
  const cell *c = context;
  sb_status status = SB_OK;
  if (c->column == REFERENCE)
    while (!status && sb_gb_keep_running(state)) status = bench_kernel_reference(c->kernel);
  else {
    device.set_checks(settings[c->column].checks);
    while (!status && sb_gb_keep_running(state)) status = bench_kernel_launch(&device, c->kernel);
    if (!status) status = bench_kernel_verify(&device, c->kernel);
  }
  if (status) {
    sb_gb_fail(state, sb_message());
    return;
  }
  sb_gb_processed(state, c->column == REFERENCE ? c->kernel->elements : (int64_t)c->kernel->thread_instructions, 0);
}

static void on_result(void *context, const sb_gb_result *result) {
  (void)context;
  if (result->error) {
    fprintf(stderr, "bench-emulator: %s: %s\n", result->name, result->error);
    failed++;
    return;
  }
  if (*result->aggregate) return;
  for (int k = 0; k < BENCH_KERNELS; k++)
    for (int c = 0; c < COLUMNS; c++)
      if (strcmp(cells[k][c].name, result->name) == 0 && result->items_per_second > cells[k][c].rate)
        cells[k][c].rate = result->items_per_second;
}

static int ascending(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}
static double median(int column) {
  double rates[BENCH_KERNELS];
  for (int k = 0; k < BENCH_KERNELS; k++) rates[k] = cells[k][column].rate;
  qsort(rates, BENCH_KERNELS, sizeof *rates, ascending);
  return rates[BENCH_KERNELS / 2];
}

static void print_table(const char *name, int repetitions) {
  printf("%s, handlers %s, one thread, its CPU time, best of %d. G thread-instructions a second; Melem/s beside the C "
         "reference's\n",
         name, device.isa(), repetitions);
  printf("%-28s %6s", "", "i/elem");
  for (int c = 0; c < SETTINGS; c++) printf(" %12s", settings[c].name);
  printf(" %8s %8s\n", "Melem/s", "ref");
  for (int k = 0; k < BENCH_KERNELS; k++) {
    const bench_kernel *b = cells[k][0].kernel;
    const double each = (double)b->thread_instructions / (double)b->elements;
    printf("%-28s %6.2f", b->name, each);
    for (int c = 0; c < SETTINGS; c++) printf(" %12.2f", cells[k][c].rate * 1e-9);
    printf(" %8.0f %8.0f\n", cells[k][0].rate / each * 1e-6, cells[k][REFERENCE].rate * 1e-6);
  }
  printf("%-28s %6s", "median", "");
  for (int c = 0; c < SETTINGS; c++) printf(" %12.2f", median(c) * 1e-9);
  printf(" %8s %8.0f\n", "", median(REFERENCE) * 1e-6);
}

/* bench-emulator [emu:sm_XX [REPETITIONS [SECONDS [PART]]]]: only what has PART in its name, "KERNEL/SETTING" */
int main(int argc, char **argv) {
  static bench_kernel kernels[BENCH_KERNELS];
  const char *name = argc > 1 ? argv[1] : "emu:sm_90";
  const int repetitions = argc > 2 ? atoi(argv[2]) : 5;
  const double seconds = argc > 3 ? atof(argv[3]) : 0.1;
  const char *part = argc > 4 ? argv[4] : "";
  if (repetitions < 1 || !(seconds > 0)) {
    fprintf(stderr, "bench-emulator [emu:sm_XX [REPETITIONS [SECONDS [PART]]]]\n");
    return 2;
  }
  (void)setenv("SAMEBITS_EMU_THREADS", "1", 1);
  sb_status status = bench_device_open(name, &device);
  for (int k = 0; k < BENCH_KERNELS && !status; k++) {
    status = bench_kernel_make(&device, k, &kernels[k]);
    for (int c = 0; c < COLUMNS && !status; c++) {
      cell *at = &cells[k][c];
      *at = (cell){.kernel = &kernels[k], .column = c};
      snprintf(at->name, sizeof at->name, "%s/%s", kernels[k].name, c == REFERENCE ? "ref" : settings[c].name);
      if (strstr(at->name, part)) sb_gb_register(at->name, body, at, true);
    }
  }
  if (status) {
    fprintf(stderr, "bench-emulator: %s\n", sb_message());
    return 3;
  }
  const sb_gb_options how = {.repetitions = repetitions, .min_seconds = seconds, .on_result = on_result};
  const int ran = sb_gb_run(&how);
  if (ran <= 0) failed++;
  if (!failed) print_table(name, repetitions);
  for (int k = 0; k < BENCH_KERNELS; k++) bench_kernel_free(&device, &kernels[k]);
  bench_device_close(&device);
  return failed ? 1 : 0;
}
