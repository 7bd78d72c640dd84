/* samebits kernel audit: what ptxas makes of a kernel, and whether anything in it was asked for by nobody. */
#include "samebits/audit.h"
#include "cli/command.h"
#include "cli/kernel/kernel.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct options {
  const char *arch;
  char **files;
  int count;
  bool json, strict, bad_only, quick;
} options;

enum { KEY_ARCH = 1, KEY_JSON, KEY_STRICT, KEY_BAD, KEY_QUICK };
static const char *const class_names[SB_AUDIT_CLASSES] = {"fma", "approx", "flush"};

static error_t parse(int key, char *word, struct argp_state *state) {
  options *o = state->input;
  if (key == KEY_ARCH)
    o->arch = word;
  else if (key == KEY_JSON)
    o->json = true;
  else if (key == KEY_STRICT)
    o->strict = true;
  else if (key == KEY_BAD)
    o->bad_only = true;
  else if (key == KEY_QUICK)
    o->quick = true;
  else if (key == ARGP_KEY_ARG)
    o->files[o->count++] = word;
  else
    return ARGP_ERR_UNKNOWN;
  return 0;
}

static int sum(const int counts[SB_AUDIT_CLASSES]) {
  return counts[SB_AUDIT_FMA] + counts[SB_AUDIT_APPROX] + counts[SB_AUDIT_FLUSH];
}

/* Whether the kernel fails: something unasked; with --strict also approximations and flushes of its own PTX. */
static bool is_bad(const options *o, const sb_audit_kernel *k) {
  return sum(k->unasked) > 0 || (o->strict && k->ptx[SB_AUDIT_APPROX] + k->ptx[SB_AUDIT_FLUSH] > 0);
}

static json_t *classes(const int counts[SB_AUDIT_CLASSES]) {
  json_t *o = json_object();
  for (int c = 0; c < SB_AUDIT_CLASSES; c++) json_object_set_new(o, class_names[c], json_integer(counts[c]));
  return o;
}

static void print_json(const options *o, const char *file, const sb_audit *audit) {
  json_t *kernels = json_array();
  for (int k = 0; k < audit->count; k++) {
    const sb_audit_kernel *kernel = &audit->kernels[k];
    json_t *examples = json_array(), *row;
    for (int e = 0; e < kernel->example_count; e++) json_array_append_new(examples, json_string(kernel->examples[e]));
    row = json_pack("{s:s,s:b,s:i,s:i,s:i,s:o}", "name", kernel->name, "entry", kernel->entry, "registers",
                    kernel->registers, "spill_stores", kernel->spill_stores, "spill_loads", kernel->spill_loads,
                    "machine", classes(kernel->total));
    if (audit->compared) {
      json_object_set_new(row, "ptx", classes(kernel->ptx));
      json_object_set_new(row, "unasked", classes(kernel->unasked));
      json_object_set_new(row, "examples", examples);
      json_object_set_new(row, "ok", json_boolean(!is_bad(o, kernel)));
    } else
      json_decref(examples);
    json_array_append_new(kernels, row);
  }
  json_t *all = json_pack("{s:s,s:s?,s:o}", "file", file, "ptxas", audit->ptxas, "kernels", kernels);
  char *text = json_dumps(all, JSON_COMPACT);
  if (text) puts(text);
  free(text);
  json_decref(all);
}

static void print_cell(const sb_audit *audit, const sb_audit_kernel *k, sb_audit_class c) {
  char cell[48];
  if (audit->compared)
    snprintf(cell, sizeof cell, "%d/%d/%d", k->total[c], k->ptx[c], k->unasked[c]);
  else
    snprintf(cell, sizeof cell, "%d", k->total[c]);
  printf(" %14s", cell);
}

static void print_table(const options *o, const char *file, const sb_audit *audit) {
  char room[SB_VISIBLE];
  printf("%s%s%s\n", sb_visible(file, room), audit->ptxas ? ": ptxas " : "", audit->ptxas ? audit->ptxas : "");
  printf("%-52s %5s %7s %14s %14s %14s\n",
         audit->compared ? "  in machine code / asked in the PTX / unasked" : "  in machine code", "regs", "spilled",
         class_names[0], class_names[1], class_names[2]);
  for (int k = 0; k < audit->count; k++) {
    const sb_audit_kernel *kernel = &audit->kernels[k];
    if (o->bad_only && !is_bad(o, kernel)) continue;
    printf("  %-50s %5d %7d", sb_visible(kernel->name, room), kernel->registers,
           kernel->spill_stores + kernel->spill_loads);
    for (int c = 0; c < SB_AUDIT_CLASSES; c++) print_cell(audit, kernel, (sb_audit_class)c);
    putchar('\n');
    for (int e = 0; e < kernel->example_count; e++)
      printf("      unasked: %s\n", sb_visible(kernel->examples[e], room));
  }
}

static int audit_file(const options *o, const char *name, const char *file, int *bad, int *kernels) {
  sb_audit audit;
  sb_status status = sb_audit_run(file, o->arch, o->quick, &audit);
  if (status) return sb_report(name, sb_fail_in(status, "%s", file));
  int code = SB_EXIT_OK, found = 0;
  for (int k = 0; k < audit.count; k++) {
    *kernels += audit.kernels[k].entry;
    if (audit.compared ? is_bad(o, &audit.kernels[k]) : sum(audit.kernels[k].total) > 0) found++;
  }
  *bad += found;
  if (found) code = audit.compared ? SB_EXIT_DIFFERS : SB_EXIT_INCONCLUSIVE;
  if (o->json)
    print_json(o, file, &audit);
  else if (!o->bad_only || found)
    print_table(o, file, &audit);
  sb_audit_free(&audit);
  return code;
}

int sb_cli_kernel_audit(int argc, char **argv) {
  static const struct argp_option table[] = {
      {"arch", KEY_ARCH, "sm_XX", 0, "what ptxas assembles for (default: the target of the PTX; of a .cu file sm_90)",
       0},
      {"strict", KEY_STRICT, NULL, 0, "approximations and flushes that the PTX itself asks for fail too", 0},
      {"failed", KEY_BAD, NULL, 0, "print only the kernels that fail", 0},
      {"quick", KEY_QUICK, NULL, 0, "only what is unasked: no registers, spills and totals, in half the time", 0},
      {"json", KEY_JSON, NULL, 0, "one JSON object a file", 0},
      {0}};
  static const struct argp argp = {
      table,
      parse,
      "FILE.ptx|FILE.cu|FILE.cubin...",
      "Assembles PTX with ptxas and reads the machine code: fused multiply-adds, approximations (reciprocals) and "
      "flushes "
      "of subnormals that neither the PTX nor ptxas' own expansion of div, rcp and sqrt asked for; registers and "
      "spills. "
      "Exit 1 when a kernel has any; 3 without ptxas or nvdisasm; 4 for a .cubin that has some: what was asked for is "
      "not known.",
      NULL,
      NULL,
      NULL};
  options *o = &(options){.files = calloc((size_t)argc + 1, sizeof(char *))};
  int code =
      o->files ? sb_parse_options(&argp, argc, argv, o) : sb_report(argv[0], sb_fail(SB_NO_MEMORY, "out of memory"));
  if (!code && o->count == 0) code = sb_report(argv[0], sb_fail(SB_USAGE, "no file is given"));
  int bad = 0, kernels = 0;
  if (!code) {
    for (int k = 0; k < o->count; k++) code = sb_exit_join(code, audit_file(o, argv[0], o->files[k], &bad, &kernels));
    if (!o->json) printf("%d files, %d kernels, %d with something unasked\n", o->count, kernels, bad);
  }
  free(o->files);
  return code;
}
