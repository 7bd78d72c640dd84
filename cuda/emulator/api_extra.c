/* api_extra.c: what the library has beyond the driver API (include/samebits/emulator.h). */
#include "approx.h"
#include "counters.h"
#include "cuda_api.h"
#include "parse.h"
#include "samebits/emulator.h"
#include <stdio.h>
#include <stdlib.h>

API const char *samebitsEmuLastFault(void) { return driver.last_json; }
API const char *samebitsEmuUnchecked(void) { return driver.unchecked; }
API void samebitsEmuSetChecks(const char *list) { driver.checks = checks_from_text(list); }
API void samebitsEmuSetBudget(unsigned long long n) { driver.options.max_insns = n ? n : 1ull << 40; }
API void samebitsEmuSetSchedule(const char *steps) { driver.options.schedule = steps; }
API void samebitsEmuSetQuiet(int quiet) { driver.options.quiet = quiet != 0; }
API const char *samebitsEmuIsa(void) { return isa_name(); }
API int samebitsEmuProtect(uint64_t address, int on) {
  Alloc *al = mem_find(address);
  if (al) al->readonly = on != 0;
  return al != NULL;
}
API int samebitsEmuForget(uint64_t address, size_t bytes) {
  Alloc *al = mem_find(address);
  if (!al || al->size - (address - al->base) < bytes) return 0;
  mem_forget(al, address, bytes);
  return 1;
}
API int samebitsEmuWritten(uint64_t address, size_t bytes, unsigned char *flags) {
  const Alloc *al = mem_find(address);
  if (!al || al->size - (address - al->base) < bytes) return 0;
  for (size_t k = 0; k < bytes; k++) flags[k] = mem_is_init(al, address + k, 1);
  return 1;
}
API void samebitsEmuSetCounting(int on) { driver.options.counting = on != 0; }
API const char *samebitsEmuCounters(void) { return driver.counters; }
API void samebitsEmuSetApprox(int mode, uint64_t seed, long site, int fused) {
  driver.options.approx = mode < 0 || mode > 2 ? 0u : (u32)mode;
  driver.options.seed = seed, driver.options.site = site, driver.options.fuse = fused != 0;
}
API void samebitsEmuFree(void *p) { free(p); }

/* ---- descriptions ---- */
typedef struct {
  char *text;
  size_t used, size;
} Buffer;
static void put(Buffer *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(Buffer *b, const char *format, ...) {
  for (int k = 0; k < 2 && b->text; k++) {
    __builtin_va_list args;
    __builtin_va_start(args, format);
    int n = vsnprintf(b->text + b->used, b->size - b->used, format, args);
    __builtin_va_end(args);
    if (n < 0) return;
    if ((size_t)n < b->size - b->used) {
      b->used += (size_t)n;
      return;
    }
    size_t size = 2 * (b->size + (size_t)n);
    char *grown = realloc(b->text, size);
    if (!grown) free(b->text);
    b->text = grown, b->size = size;
  }
}
static void put_text(Buffer *b, const char *s) {
  put(b, "\"");
  for (; *s; s++) {
    if (*s == '"' || *s == '\\')
      put(b, "\\%c", *s);
    else if ((u8)*s < 0x20)
      put(b, "\\u%04x", (u8)*s);
    else
      put(b, "%c", *s);
  }
  put(b, "\"");
}
static Buffer buffer_new(void) { return (Buffer){calloc(1, 4096), 0, 4096}; }

static int compare_names(const void *a, const void *b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}
static void put_census(Buffer *b, const Function *f) {
  const char **names = calloc(f->count + 1, sizeof *names);
  u32 n = 0;
  for (u32 k = 0; names && k < f->count; k++)
    if (k == 0 || f->info[k].ptx_line != f->info[k - 1].ptx_line || strcmp(f->info[k].opcode, f->info[k - 1].opcode))
      names[n++] = f->info[k].opcode;
  if (names) qsort(names, n, sizeof *names, compare_names);
  put(b, "{");
  for (u32 k = 0, run; names && k < n; k += run) {
    for (run = 1; k + run < n && !strcmp(names[k], names[k + run]);) run++;
    put(b, "%s", k ? "," : "");
    put_text(b, names[k]);
    put(b, ":%u", run);
  }
  put(b, "}");
  free(names);
}
static const char *file_of(const Function *f, u32 info) {
  u32 file = f->info[info].file;
  return file && file < f->module->file_count && f->module->files[file] ? f->module->files[file] : "";
}
/* FILE:LINE: of the .cu, where the PTX has it. */
static const char *place_of(const Function *f, u32 info, char *text, size_t size) {
  text[0] = 0;
  if (*file_of(f, info)) (void)snprintf(text, size, "%s:%u: ", file_of(f, info), f->info[info].line);
  return text;
}
static void put_lint(Buffer *b, const Function *f) {
  bool any = false;
  char line[768], place[300];
  put(b, "[");
  for (u32 k = 0; k < f->fusable_count; k++, any = true) {
    u32 mul = f->code[f->fusable[k].mul].info, add = f->code[f->fusable[k].add].info;
    (void)snprintf(line, sizeof line,
                   "%s%s and %s (PTX lines %u, %u) may be fused by ptxas: compile with -fmad=false, or say fma",
                   place_of(f, add, place, sizeof place), f->info[mul].opcode, f->info[add].opcode,
                   f->info[mul].ptx_line, f->info[add].ptx_line);
    put(b, "%s", any ? "," : "");
    put_text(b, line);
  }
  for (u32 k = 0; k < f->count; k++) {
    bool refused = f->code[k].flags & INSN_REFUSED, approximate = f->code[k].flags & INSN_APPROX;
    if (!refused && !approximate) continue;
    (void)snprintf(line, sizeof line, "%s%s (PTX line %u) is %s", place_of(f, k, place, sizeof place),
                   f->info[k].opcode, f->info[k].ptx_line,
                   approximate ? "approximate: refused, unless --allow-approx" : "refused");
    put(b, "%s", any ? "," : "");
    put_text(b, line);
    any = true;
  }
  if (f->has_ftz) {
    put(b, "%s\"the kernel flushes subnormals (.ftz), exactly as the PTX ISA says\"", any ? "," : "");
  }
  put(b, "]");
}

API char *samebitsEmuDescribe(const char *ptx, size_t size) {
  char message[512];
  Buffer b = buffer_new();
  Module *m = module_parse(ptx, size, message, sizeof message);
  if (!m) {
    put(&b, "{\"error\":");
    put_text(&b, message);
    put(&b, "}");
    return b.text;
  }
  put(&b, "{\"version\":\"%u.%u\",\"target\":\"%s\",\"entries\":{", m->version_major, m->version_minor, m->target);
  bool any = false;
  for (u32 k = 0; k < m->function_count; k++) {
    const Function *f = m->functions[k];
    if (!f->is_entry || !f->defined) continue;
    put(&b, "%s", any ? "," : "");
    any = true;
    put_text(&b, f->name);
    put(&b, ":{\"parameters\":[");
    for (u32 p = 0; p < f->param_count; p++)
      put(&b, "%s{\"type\":\"%s\",\"size\":%u,\"offset\":%u}", p ? "," : "", type_name(f->params[p].type),
          f->params[p].size, f->params[p].offset);
    put(&b,
        "],\"registers32\":%u,\"registers64\":%u,\"shared\":%u,\"local\":%u,\"instructions\":%u,\"max_threads\":%u,"
        "\"opcodes\":",
        f->reg_count[0], f->reg_count[1], f->shared_bytes, f->local_bytes, f->count, f->max_threads);
    put_census(&b, f);
    put(&b, ",\"lint\":");
    put_lint(&b, f);
    put(&b, "}");
  }
  put(&b, "}}");
  module_free(m);
  return b.text;
}

static void put_sites(Buffer *b, const Function *f, u8 *seen, bool *any) {
  if (seen[f->index]) return;
  seen[f->index] = 1;
  for (u32 k = 0; k < f->count; k++) {
    bool fusable = false;
    for (u32 p = 0; p < f->fusable_count; p++) fusable |= f->fusable[p].add == k;
    if (!(f->code[k].flags & INSN_APPROX) && !fusable) continue;
    put(b, "%s{\"site\":%u,\"fusable\":%s,\"instruction\":", *any ? "," : "", f->code_base + k,
        fusable ? "true" : "false");
    put_text(b, f->info[k].opcode);
    put(b, ",\"file\":");
    put_text(b, file_of(f, k));
    put(b, ",\"line\":%u,\"ptx_line\":%u}", f->info[k].line, f->info[k].ptx_line);
    *any = true;
  }
  for (u32 k = 0; k < f->callee_count; k++) put_sites(b, f->callees[k], seen, any);
}
API char *samebitsEmuSites(void *module, const char *entry) {
  const Module *m = module_of(module);
  Buffer b = buffer_new();
  bool any = false;
  put(&b, "[");
  u8 *seen = m ? calloc(m->function_count + 1, 1) : NULL;
  for (u32 k = 0; seen && k < m->function_count; k++)
    if (!strcmp(m->functions[k]->name, entry)) put_sites(&b, m->functions[k], seen, &any);
  free(seen);
  put(&b, "]");
  return b.text;
}

API int samebitsEmuRow(int index, const char **opcodes, const char **types, const char **expression) {
  static _Thread_local char text[64];
  u32 at = (u32)index;
  for (u32 t = 0; index >= 0 && isa_current()->tables[t]; at -= isa_current()->tables[t++]->count) {
    if (at >= isa_current()->tables[t]->count) continue;
    const Row *row = &isa_current()->tables[t]->rows[at];
    text[0] = 0;
    for (u32 k = 0; k < 6 && row->types[k] != T_none; k++) {
      size_t n = strlen(text);
      (void)snprintf(text + n, sizeof text - n, "%s%s", k ? " " : "", type_name((Type)row->types[k]));
    }
    *opcodes = row->names, *types = text, *expression = row->text;
    return 1;
  }
  return 0;
}
