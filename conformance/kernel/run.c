/* One launch from text to tensors. */
#include "samebits/emulator.h"
#include "samebits/kernel.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { POISON = 0xa5 };

/* The emulator's own functions; all NULL on a GPU. */
typedef struct {
  void (*budget)(unsigned long long);
  void (*quiet)(int);
  int (*protect)(uint64_t, int);
  int (*forget)(uint64_t, size_t);
  int (*written)(uint64_t, size_t, unsigned char *);
  char *(*describe)(const char *, size_t);
  void (*counting)(int);
  const char *(*counters)(void);
  void (*approx)(int, uint64_t, long, int);
  char *(*sites)(void *, const char *);
  void (*release)(void *);
  const char *(*unchecked)(void);
} Extension;

static void find(const sb_driver *d, const char *name, void *function) {
  void *p = sb_driver_is_emulator(d) ? sb_driver_symbol(d, name) : NULL;
  memcpy(function, &p, sizeof p);
}
static Extension extension_of(const sb_driver *d) {
  Extension e;
  find(d, "samebitsEmuSetBudget", &e.budget), find(d, "samebitsEmuSetQuiet", &e.quiet);
  find(d, "samebitsEmuProtect", &e.protect), find(d, "samebitsEmuForget", &e.forget);
  find(d, "samebitsEmuSetCounting", &e.counting), find(d, "samebitsEmuCounters", &e.counters);
  find(d, "samebitsEmuSetApprox", &e.approx);
  find(d, "samebitsEmuWritten", &e.written), find(d, "samebitsEmuDescribe", &e.describe);
  find(d, "samebitsEmuSites", &e.sites), find(d, "samebitsEmuFree", &e.release);
  find(d, "samebitsEmuUnchecked", &e.unchecked);
  return e;
}

/* A result that the launch itself did not make: bad-parameter, or a GPU's fault of which only the error is known. */
static char *make_fault(const char *kind, const char *kernel, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static char *make_fault(const char *kind, const char *kernel, const char *format, ...) {
  char message[512];
  va_list args;
  va_start(args, format);
  (void)vsnprintf(message, sizeof message, format, args);
  va_end(args);
  json_t *o =
      json_pack("{s:s,s:s,s:s,s:s,s:i,s:[iii],s:[iii],s:n,s:s}", "status", "fault", "kind", kind, "kernel", kernel,
                "file", "", "line", 0, "block", 0, 0, 0, "thread", 0, 0, 0, "address", "message", message);
  char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;
  json_decref(o);
  return text;
}

/* The parameters of the entry against the arguments: SB_USAGE when there are more or fewer, *fault when one has another
 * size. */
static sb_status check_parameters(sb_driver *d, sb_function f, const char *entry, const sb_kernel_run *run,
                                  char **fault) {
  size_t size;
  int count = 0;
  sb_status status = sb_driver_param(d, f, 0, &size);
  if (status == SB_UNSUPPORTED) return SB_OK;
  while (sb_driver_param(d, f, (size_t)count, &size) == SB_OK) count++;
  if (count != run->arg_count)
    return sb_fail(SB_USAGE, "%s has %d parameters, %d arguments are given (--arg)", entry, count, run->arg_count);
  for (int k = 0; k < count && !*fault; k++) {
    (void)sb_driver_param(d, f, (size_t)k, &size);
    size_t given = run->args[k].kind == SB_ARG_VALUE ? run->args[k].size : sizeof(uint64_t);
    if (given != size)
      *fault = make_fault("bad-parameter", entry, "argument %d has %zu bytes, parameter %d of the entry has %zu", k,
                          given, k, size);
  }
  return SB_OK;
}

typedef struct {
  sb_driver *driver;
  Extension extension;
  sb_kernel_run *run;
  sb_function function;
  uint64_t *address;
  void **params;
} Session;

static size_t bytes_of(const sb_kernel_arg *a) {
  int64_t n = a->kind == SB_ARG_VALUE ? 0 : sb_tensor_bytes(&a->tensor);
  return n > 0 ? (size_t)n : 0;
}

/* Fills the buffers as before the launch: `before[k]` holds the bytes of the k-th argument. */
static sb_status fill_buffers(Session *s, unsigned char *const *before) {
  sb_status status = SB_OK;
  for (int k = 0; k < s->run->arg_count && status == SB_OK; k++) {
    sb_kernel_arg *a = &s->run->args[k];
    size_t n = bytes_of(a);
    if (a->kind == SB_ARG_VALUE) continue;
    if (a->kind == SB_ARG_OUT) {
      status = sb_driver_fill(s->driver, s->address[k], POISON, n);
      if (status == SB_OK && s->extension.forget && n) (void)s->extension.forget(s->address[k], n);
    } else {
      if (s->extension.protect) (void)s->extension.protect(s->address[k], 0);
      status = sb_driver_upload(s->driver, s->address[k], before[k], n);
      if (status == SB_OK && a->kind == SB_ARG_IN && s->extension.protect) (void)s->extension.protect(s->address[k], 1);
    }
  }
  return status;
}

static sb_status launch(Session *s, unsigned char *const *before) {
  sb_status status = fill_buffers(s, before);
  return status ? status : sb_driver_launch(s->driver, s->function, &s->run->grid, s->params, NULL);
}

static sb_status download(Session *s, int k, void *to) {
  return sb_driver_download(s->driver, to, s->address[k], bytes_of(&s->run->args[k]));
}

/* Runs once more and marks in changed[k][byte] (0: never changed) what differs from the tensors, with 1 + `cause`. */
static sb_status rerun(Session *s, unsigned char *const *before, unsigned short **changed, int cause) {
  sb_kernel_run *run = s->run;
  sb_status status = launch(s, before);
  for (int k = 0; k < run->arg_count && status == SB_OK; k++) {
    if (!changed[k]) continue;
    size_t bytes = bytes_of(&run->args[k]);
    unsigned char *now = malloc(bytes + 1);
    status = now ? download(s, k, now) : sb_fail(SB_NO_MEMORY, "kernel run: out of memory");
    for (size_t b = 0; b < bytes && status == SB_OK; b++)
      if (now[b] != ((unsigned char *)run->args[k].tensor.data)[b] && !changed[k][b])
        changed[k][b] = (unsigned short)(1 + cause);
    free(now);
  }
  return status;
}

static void list_outputs(const Session *s, unsigned short *const *changed, const json_t *sites, json_t *result) {
  json_t *unstable = json_array();
  json_int_t stable = 0;
  size_t count = json_array_size(sites);
  for (int k = 0; k < s->run->arg_count; k++) {
    if (!changed[k]) continue;
    const sb_tensor *t = &s->run->args[k].tensor;
    int bits = sb_format_of(t->format)->bits;
    for (int64_t e = 0, n = sb_tensor_count(t); e < n; e++) {
      size_t cause = 0;
      for (int64_t b = e * bits / 8; b < (e * bits + bits + 7) / 8; b++)
        if (changed[k][b]) cause = changed[k][b];
      stable += cause == 0;
      if (!cause || json_array_size(unstable) >= 100000) continue;
      json_t *one = json_pack("{s:s,s:I}", "tensor", s->run->args[k].name, "index", (json_int_t)e),
             *site = cause <= count ? json_array_get(sites, cause - 1) : NULL;
      if (site) {
        json_object_set(one, "instruction", json_object_get(site, "instruction"));
        json_object_set(one, "file", json_object_get(site, "file"));
        json_object_set(one, "line", json_object_get(site, "line"));
      }
      json_array_append_new(unstable, one);
    }
  }
  json_object_set_new(result, "stable", json_integer(stable));
  json_object_set_new(result, "unstable", unstable);
}

/* "unwritten": for each out tensor with elements that the kernel did not write, or not whole, their number and the
 * first one. They hold the poison, no result. */
static sb_status list_unwritten(const Session *s, json_t *result) {
  json_t *list = json_array();
  for (int k = 0; k < s->run->arg_count && s->extension.written; k++) {
    const sb_kernel_arg *a = &s->run->args[k];
    const size_t bytes = a->kind == SB_ARG_OUT ? bytes_of(a) : 0;
    if (!bytes) continue;
    unsigned char *flags = calloc(bytes, 1);
    if (!flags) return json_decref(list), sb_fail(SB_NO_MEMORY, "kernel run: out of memory");
    (void)s->extension.written(s->address[k], bytes, flags);
    const int64_t bits = sb_format_of(a->tensor.format)->bits, n = sb_tensor_count(&a->tensor);
    json_int_t missing = 0, first = 0;
    for (int64_t e = 0; e < n; e++) {
      bool whole = true;
      for (int64_t b = e * bits / 8; b < (e * bits + bits + 7) / 8; b++) whole &= flags[b];
      if (!whole && !missing++) first = e;
    }
    free(flags);
    if (missing)
      json_array_append_new(list, json_pack("{s:s,s:I,s:I}", "tensor", a->name, "elements", missing, "first", first));
  }
  if (json_array_size(list)) json_object_set(result, "unwritten", list);
  json_decref(list);
  return SB_OK;
}

/* The lint of the entry, as `kernel show` has it; NULL: nothing to say, or a GPU. */
static json_t *lint_of(const Extension *x, const char *text, size_t size, const char *entry) {
  char *found = x->describe && x->release ? x->describe(text, size) : NULL;
  json_t *all = found ? json_loads(found, 0, NULL) : NULL;
  json_t *lint = json_incref(json_object_get(json_object_get(json_object_get(all, "entries"), entry), "lint"));
  if (found) x->release(found);
  json_decref(all);
  if (json_array_size(lint)) return lint;
  json_decref(lint);
  return NULL;
}

/* The varied runs: each approximate instruction and each fusable pair alone, so that a change has a cause, then all
 * together. */
static sb_status vary(Session *s, unsigned char *const *before, const json_t *sites, json_t *result) {
  sb_kernel_run *run = s->run;
  size_t count = json_array_size(sites);
  unsigned short **changed = calloc((size_t)run->arg_count + 1, sizeof *changed);
  sb_status status = changed ? SB_OK : sb_fail(SB_NO_MEMORY, "kernel run: out of memory");
  for (int k = 0; k < run->arg_count && status == SB_OK; k++)
    if (run->args[k].kind == SB_ARG_OUT || run->args[k].kind == SB_ARG_INOUT) {
      changed[k] = calloc(bytes_of(&run->args[k]) + 1, sizeof **changed);
      if (!changed[k]) status = sb_fail(SB_NO_MEMORY, "kernel run: out of memory");
    }
  for (size_t k = 0; k < count && k < 64 && status == SB_OK; k++) {
    const json_t *site = json_array_get(sites, k);
    bool fusable = json_is_true(json_object_get(site, "fusable"));
    long number = (long)json_integer_value(json_object_get(site, "site"));
    for (int n = 0; n < (fusable ? 1 : run->approx) && status == SB_OK; n++) {
      s->extension.approx(fusable ? 1 : 2, (uint64_t)n + 1, number, fusable);
      status = rerun(s, before, changed, (int)k);
    }
  }
  for (int n = 0; n < run->approx && status == SB_OK; n++) {
    s->extension.approx(2, (uint64_t)n + 1, -1, n % 2);
    status = rerun(s, before, changed, (int)count);
  }
  s->extension.approx(0, 0, -1, 0);
  if (status == SB_OK) list_outputs(s, changed, sites, result);
  for (int k = 0; changed && k < run->arg_count; k++) free(changed[k]);
  free(changed);
  return status;
}

/* The outcome of a failed launch, with the emulator's own record of it. */
static char *failure(const Session *s, const char *entry, sb_status status, sb_kernel_outcome *outcome) {
  const char *fault = sb_driver_fault(s->driver);
  *outcome = status == SB_REFUSED ? SB_KERNEL_REFUSED : SB_KERNEL_FAULT;
  if (*fault && sb_driver_is_emulator(s->driver) && strchr(sb_message(), '{')) return strdup(fault);
  return make_fault("out-of-bounds", entry, "%s", sb_message());
}

static sb_status execute(Session *s, const char *entry, const json_t *sites, json_t *lint, unsigned char **before,
                         sb_kernel_outcome *outcome, char **json) {
  sb_kernel_run *run = s->run;
  sb_status status = SB_OK;
  for (int k = 0; k < run->arg_count && status == SB_OK; k++) {
    sb_kernel_arg *a = &run->args[k];
    s->params[k] = a->value;
    if (a->kind == SB_ARG_VALUE) continue;
    size_t n = bytes_of(a);
    s->params[k] = &s->address[k];
    before[k] = malloc(n + 1);
    if (!before[k]) return sb_fail(SB_NO_MEMORY, "kernel run: out of memory");
    memcpy(before[k], a->tensor.data, n);
    if (n) status = sb_driver_alloc(s->driver, n, &s->address[k]); /* no bytes: a null pointer, as cudaMalloc gives */
  }
  if (status) return status;
  bool approx = run->approx >= 0 && s->extension.approx && json_array_size(sites);
  if (s->extension.approx) s->extension.approx(approx ? 1 : 0, 0, -1, 0);
  if (s->extension.budget) s->extension.budget(run->max_instructions);
  if (s->extension.quiet) s->extension.quiet(1);
  if (s->extension.counting) s->extension.counting(run->counters);
  status = launch(s, before);
  if (status == SB_DEVICE && strstr(sb_message(), "INVALID_VALUE")) return sb_fail_in(SB_USAGE, "%s", entry);
  if (status == SB_DEVICE || status == SB_REFUSED) {
    *json = failure(s, entry, status, outcome);
    return *json ? SB_OK : sb_fail(SB_NO_MEMORY, "kernel run: out of memory");
  }
  for (int k = 0; k < run->arg_count && status == SB_OK; k++)
    if (run->args[k].kind == SB_ARG_OUT || run->args[k].kind == SB_ARG_INOUT)
      status = download(s, k, run->args[k].tensor.data);
  json_t *result = json_pack("{s:s,s:s,s:s}", "status", approx ? "unproven" : "ok", "kernel", entry, "device",
                             sb_driver_device(s->driver));
  if (run->counters && s->extension.counters)
    json_object_set_new(result, "counters", json_loads(s->extension.counters(), 0, NULL));
  if (lint) json_object_set(result, "lint", lint);
  if (s->extension.unchecked && *s->extension.unchecked())
    json_object_set_new(result, "unchecked", json_string(s->extension.unchecked()));
  if (status == SB_OK) status = list_unwritten(s, result);
  *outcome = approx ? SB_KERNEL_UNPROVEN : SB_KERNEL_OK;
  if (status == SB_OK && approx) status = vary(s, before, sites, result);
  if (status == SB_OK) *json = json_dumps(result, JSON_COMPACT);
  json_decref(result);
  return status;
}

sb_status sb_kernel_execute(sb_driver *driver, sb_kernel_run *run, sb_kernel_outcome *outcome, char **json) {
  char *text = NULL, entry[2048];
  size_t size = 0, n = (size_t)run->arg_count + 1;
  sb_module *module = NULL;
  Session s = {.driver = driver, .extension = extension_of(driver), .run = run};
  *json = NULL;
  sb_status status = sb_kernel_read(run->file, sb_driver_sm(driver), &text, &size);
  if (status == SB_OK) status = sb_driver_load(driver, text, size, &module);
  if (status == SB_FILE && text) status = sb_fail_in(SB_FILE, "%s", run->file);
  if (status == SB_OK) status = sb_kernel_entry(text, size, run->entry, entry, sizeof entry);
  if (status == SB_OK) status = sb_driver_function(module, entry, &s.function);
  json_t *lint = status == SB_OK ? lint_of(&s.extension, text, size, entry) : NULL;
  free(text);
  unsigned char **before = calloc(n, sizeof *before);
  s.address = calloc(n, sizeof *s.address), s.params = calloc(n, sizeof *s.params);
  if (status == SB_OK && (!before || !s.address || !s.params))
    status = sb_fail(SB_NO_MEMORY, "kernel run: out of memory");
  if (status == SB_OK) status = check_parameters(driver, s.function, entry, run, json);
  if (status == SB_OK) status = sb_kernel_grid_fits(driver, s.function, entry, &run->grid);
  if (status == SB_OK && *json)
    *outcome = SB_KERNEL_FAULT;
  else if (status == SB_OK) {
    char *text_of_sites =
        s.extension.sites && run->approx >= 0 ? s.extension.sites(sb_driver_module_handle(module), entry) : NULL;
    json_t *sites = text_of_sites ? json_loads(text_of_sites, 0, NULL) : NULL;
    if (text_of_sites) s.extension.release(text_of_sites);
    status = execute(&s, entry, sites, lint, before, outcome, json);
    json_decref(sites);
  }
  for (size_t k = 0; before && s.address && k < n; k++) {
    if (s.address[k]) (void)sb_driver_free(driver, s.address[k]);
    free(before[k]);
  }
  free(before), free(s.address), free(s.params);
  json_decref(lint);
  if (module) sb_driver_unload(module);
  return status;
}

sb_status sb_kernel_describe(const char *text, size_t size, char **json) {
  sb_driver *driver = NULL;
  char *(*describe)(const char *, size_t);
  void (*release)(void *);
  sb_status status = sb_driver_open("emu:sm_120", &driver);
  if (status) return status;
  find(driver, "samebitsEmuDescribe", &describe), find(driver, "samebitsEmuFree", &release);
  char *found = describe && release ? describe(text, size) : NULL;
  *json = found ? strdup(found) : NULL;
  if (found) release(found);
  sb_driver_close(driver);
  return *json ? SB_OK : sb_fail(SB_DEVICE, "the emulator cannot describe this module");
}
