/* api_launch.c: launches, and what becomes of a fault. */
#include "approx.h"
#include "counters.h"
#include "cuda_api.h"
#include "cuda_entry.h"
#include "race.h"
#include "shadow.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

CUresult fault_result(FaultKind k) {
  switch (k) {
  case FAULT_NONE:
    return CUDA_SUCCESS;
  case FAULT_OUT_OF_BOUNDS:
    return CUDA_ERROR_ILLEGAL_ADDRESS;
  case FAULT_MISALIGNED:
    return CUDA_ERROR_MISALIGNED_ADDRESS;
  case FAULT_TIMEOUT:
    return CUDA_ERROR_LAUNCH_TIMEOUT;
  case FAULT_ASSERT:
    return CUDA_ERROR_ASSERT;
  case FAULT_REFUSED:
    return CUDA_ERROR_NOT_SUPPORTED;
  default:
    return CUDA_ERROR_LAUNCH_FAILED;
  }
}

static void json_text(char *out, size_t size, const char *s) {
  size_t n = strlen(out);
  if (n + 2 >= size) return;
  out[n++] = '"';
  for (; *s && n + 8 < size; s++) {
    u8 c = (u8)*s;
    if (c == '"' || c == '\\')
      out[n++] = '\\', out[n++] = (char)c;
    else if (c < 0x20)
      n += (size_t)snprintf(out + n, size - n, "\\u%04x", c);
    else
      out[n++] = (char)c;
  }
  out[n++] = '"', out[n] = 0;
}
static void json_add(char *out, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void json_add(char *out, size_t size, const char *format, ...) {
  size_t n = strlen(out);
  __builtin_va_list args;
  __builtin_va_start(args, format);
  if (n < size) (void)vsnprintf(out + n, size - n, format, args);
  __builtin_va_end(args);
}

/* One line: the interface of `kernel run --json` and of samebitsEmuLastFault(). */
void fault_json(const Fault *f, char *text, size_t size) {
  text[0] = 0;
  json_add(text, size, "{\"status\":\"%s\",\"kind\":\"%s\",\"kernel\":", f->kind == FAULT_REFUSED ? "refused" : "fault",
           fault_name(f->kind));
  json_text(text, size, f->kernel);
  json_add(text, size, ",\"file\":");
  json_text(text, size, f->file);
  json_add(text, size, ",\"line\":%u,\"ptx_line\":%u,\"instruction\":", f->line, f->ptx_line);
  json_text(text, size, f->opcode);
  json_add(text, size, ",\"block\":[%u,%u,%u],\"thread\":[%u,%u,%u]", f->block[0], f->block[1], f->block[2],
           f->thread[0], f->thread[1], f->thread[2]);
  if (f->has_address)
    json_add(text, size, ",\"address\":\"0x%llx\"", (unsigned long long)f->address);
  else
    json_add(text, size, ",\"address\":null");
  if (f->allocation[0]) {
    json_add(text, size, ",\"allocation\":");
    json_text(text, size, f->allocation);
  }
  json_add(text, size, ",\"message\":");
  json_text(text, size, f->message);
  json_add(text, size, "}");
}

static CUresult settle(const Launch *l, Device *d) {
  CUresult r = fault_result(l->fault.kind);
  pthread_mutex_lock(&driver.lock);
  driver.last_fault = l->fault;
  fault_json(&l->fault, driver.last_json, sizeof driver.last_json);
  if (!driver.options.quiet) (void)fprintf(stderr, "%s\n", driver.last_json);
  if (l->fault.kind != FAULT_REFUSED) d->sticky = r;
  pthread_mutex_unlock(&driver.lock);
  return r;
}

/* A function with a refused instruction among those that `fn` may execute. `todo` and `seen` have room for all of its
   module. */
static const Function *find_refused(const Function *fn, const Function **todo, u8 *seen) {
  u32 count = 0;
  todo[count++] = fn, seen[fn->index] = 1;
  while (count) {
    const Function *f = todo[--count];
    if (f->refused || (f->approx && !driver.options.approx)) return f;
    for (u32 k = f->calls_pointers ? f->module->function_count : 0; k-- > 0;) {
      const Function *any = f->module->functions[k];
      if (any->defined && !any->is_entry && !seen[any->index]) todo[count++] = any, seen[any->index] = 1;
    }
    for (u32 k = f->callee_count; k-- > 0;)
      if (!seen[f->callees[k]->index]) todo[count++] = f->callees[k], seen[f->callees[k]->index] = 1;
  }
  return NULL;
}
static bool refused(Launch *l) {
  const size_t count = (size_t)l->fn->module->function_count + 1;
  const Function **todo = calloc(count, sizeof(Function *) + 1);
  const Function *f = todo ? find_refused(l->fn, todo, (u8 *)(todo + count)) : NULL;
  free(todo);
  if (!f) return false;
  const InsnInfo *info = &f->info[(f->refused ? f->refused : f->approx) - 1];
  Fault *x = &l->fault;
  *x = (Fault){.kind = FAULT_REFUSED, .line = info->line, .ptx_line = info->ptx_line};
  (void)snprintf(x->kernel, sizeof x->kernel, "%s", l->fn->name);
  (void)snprintf(x->opcode, sizeof x->opcode, "%s", info->opcode);
  if (info->file && info->file < f->module->file_count && f->module->files[info->file])
    (void)snprintf(x->file, sizeof x->file, "%s", f->module->files[info->file]);
  (void)snprintf(x->message, sizeof x->message, "PTX line %u: %s %s", info->ptx_line, info->opcode,
                 f->refused ? f->refused_why : "is approximate: the PTX ISA gives an error bound, not the bits");
  return true;
}

static bool calls_anything(const Function *f) { return f->callee_count || f->calls_pointers; }

static CUresult prepare(Launch *l, const Device *d, const u32 grid[3], const u32 block[3], u32 shared) {
  const Function *f = l->fn;
  u64 threads = (u64)block[0] * block[1] * block[2];
  if (!grid[0] || !grid[1] || !grid[2] || !threads || grid[0] > 2147483647u || grid[1] > 65535 || grid[2] > 65535)
    return CUDA_ERROR_INVALID_VALUE;
  if (block[0] > 1024 || block[1] > 1024 || block[2] > 64 || threads > (f->max_threads ? f->max_threads : MAX_THREADS))
    return CUDA_ERROR_INVALID_VALUE;
  if (f->req_threads[0] &&
      (block[0] != f->req_threads[0] || block[1] != f->req_threads[1] || block[2] != f->req_threads[2]))
    return CUDA_ERROR_INVALID_VALUE;
  u32 align = f->module->dynamic_align > 16 ? f->module->dynamic_align : 16,
      fixed = (f->shared_bytes + align - 1) & ~(align - 1);
  if (!shared) fixed = f->shared_bytes;
  u32 allowed = f->max_dynamic_shared + f->shared_bytes > d->arch->shared_block
                    ? f->max_dynamic_shared + f->shared_bytes
                    : d->arch->shared_block;
  if (shared > d->arch->shared_optin || f->shared_bytes + shared > allowed) return CUDA_ERROR_INVALID_VALUE;
  memcpy(l->grid, grid, sizeof l->grid), memcpy(l->block, block, sizeof l->block);
  l->dynamic_shared = shared, l->shared_bytes = fixed + shared;
  l->blocks = (u64)grid[0] * grid[1] * grid[2];
  l->local_size = f->local_bytes + (calls_anything(f) ? (u32)d->stack_limit : 0);
  l->local_size = (l->local_size + 15) & ~15u;
  l->sm = d->arch->sm;
  return CUDA_SUCCESS;
}

/* What a launch was not checked for, though it was asked to be: nothing of that is silent. */
static void tell_unchecked(const Launch *l) {
  const u32 gaps = atomic_load(&l->race_gaps);
  if (!gaps) return;
  pthread_mutex_lock(&driver.lock);
  if (gaps & RACE_GAP_BLOCKS)
    (void)snprintf(driver.unchecked, sizeof driver.unchecked,
                   "races between blocks and .nc loads were not looked for: the launch has %llu blocks, at most %d are "
                   "told apart",
                   (unsigned long long)l->blocks, RACE_BLOCK_MAX);
  else if (gaps & RACE_GAP_MEMORY)
    (void)snprintf(driver.unchecked, sizeof driver.unchecked,
                   "races between blocks and .nc loads were not looked for everywhere: there was no memory for it");
  else
    (void)snprintf(driver.unchecked, sizeof driver.unchecked,
                   "races in shared memory were not looked for after the barrier number %d of a block", TAG_TIME_MAX);
  if (!driver.options.quiet) (void)fprintf(stderr, "samebits emulator: %s: %s\n", l->fn->name, driver.unchecked);
  pthread_mutex_unlock(&driver.lock);
}

static void fuse_all(const Function *f, bool on) {
  for (u32 k = 0; k < f->module->function_count; k++)
    if (f->module->functions[k] == f || !f->module->functions[k]->is_entry)
      fuse(f->module->functions[k], on, driver.options.site);
}

static CUresult launch_alone(CUfunction h, const u32 grid[3], const u32 block[3], u32 shared, void **params,
                             void **extra) {
  static atomic_uint epoch;
  CUresult r = api_ready();
  u32 device;
  const Function *f = function_of(h, &device);
  Device *d = current_device();
  u8 buffer[32768];
  if (r) return r;
  if (!f) return CUDA_ERROR_INVALID_HANDLE;
  if (&driver.devices[device] != d) return CUDA_ERROR_INVALID_CONTEXT;
  Launch l = {.fn = f,
              .params = buffer,
              .checks = driver.checks,
              .max_insns = driver.checks & CHECK_BUDGET ? driver.options.max_insns : UINT64_MAX,
              .counting = driver.options.counting};
  r = prepare(&l, d, grid, block, shared);
  if (r) return r;
  if (params && extra) return CUDA_ERROR_INVALID_VALUE;
  if (extra) { /* CU_LAUNCH_PARAM_BUFFER_POINTER 1, _SIZE 2, _END 0 */
    const void *from = NULL;
    size_t size = 0;
    for (u32 k = 0; extra[k] && k < 8; k += 2) {
      if (extra[k] == (void *)1)
        from = extra[k + 1];
      else if (extra[k] == (void *)2 && extra[k + 1])
        size = *(const size_t *)extra[k + 1];
      else
        return CUDA_ERROR_INVALID_VALUE;
    }
    if (size < f->param_bytes || (!from && size)) return CUDA_ERROR_INVALID_VALUE;
    if (f->param_bytes) memcpy(buffer, from, f->param_bytes);
  } else if (f->param_count && !params)
    return CUDA_ERROR_INVALID_VALUE;
  else
    for (u32 k = 0; k < f->param_count; k++) {
      if (!params[k]) return CUDA_ERROR_INVALID_VALUE;
      memcpy(buffer + f->params[k].offset, params[k], f->params[k].size);
    }
  driver.last_json[0] = driver.unchecked[0] = 0;
  if (refused(&l)) return settle(&l, d);
  l.watch = (l.checks & (CHECK_INIT_GLOBAL | CHECK_GLOBAL_RACE | CHECK_NC)) || l.counting;
  l.race_epoch = atomic_fetch_add(&epoch, 1) + 1;
  size_t times = (size_t)l.blocks * sizeof(u32);
  if (l.checks & (CHECK_GLOBAL_RACE | CHECK_NC)) {
    if (l.blocks <= RACE_BLOCK_MAX) l.races = race_table_new();
    atomic_store(&l.race_gaps, l.races ? 0 : l.blocks > RACE_BLOCK_MAX ? RACE_GAP_BLOCKS : RACE_GAP_MEMORY);
  }
  if (l.checks & CHECK_GLOBAL_RACE && l.races && l.blocks > 1) {
    void *p = mmap(NULL, 2 * times, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p != MAP_FAILED) l.release_time = p, l.acquire_time = l.release_time + l.blocks;
  }
  Counters counters = {0};
  l.counters = &counters;
  l.approx.mode = driver.options.approx, l.approx.seed = driver.options.seed, l.approx.site = driver.options.site;
  if (l.counting) counters_reset_memory();
  if (driver.options.fuse) fuse_all(f, true);
  Schedule order;
  const char *steps = driver.options.schedule;
  if (steps && l.blocks <= 10) schedule_begin(l.schedule = &order, steps);
  bool ok = launch_run(&l);
  if (driver.options.fuse) fuse_all(f, false);
  if (l.counting) counters_json(&l, &counters, driver.counters, sizeof driver.counters);
  if (l.release_time) (void)munmap(l.release_time, 2 * times);
  race_table_free(l.races);
  tell_unchecked(&l);
  return ok ? CUDA_SUCCESS : settle(&l, d);
}

/* Launches of several host threads take place one after the other. */
static CUresult launch(CUfunction h, const u32 grid[3], const u32 block[3], u32 shared, void **params, void **extra) {
  static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;
  pthread_mutex_lock(&one_at_a_time);
  CUresult r = launch_alone(h, grid, block, shared, params, extra);
  pthread_mutex_unlock(&one_at_a_time);
  return r;
}

API CUresult cuLaunchKernel(CUfunction f, unsigned int gx, unsigned int gy, unsigned int gz, unsigned int bx,
                            unsigned int by, unsigned int bz, unsigned int shared, CUstream stream, void **params,
                            void **extra) {
  CUresult r = stream_ok(stream);
  return r ? r : launch(f, (u32[]){gx, gy, gz}, (u32[]){bx, by, bz}, shared, params, extra);
}
API CUresult cuLaunchCooperativeKernel(CUfunction f, unsigned int gx, unsigned int gy, unsigned int gz, unsigned int bx,
                                       unsigned int by, unsigned int bz, unsigned int shared, CUstream stream,
                                       void **params) {
  if ((u64)gx * gy * gz > 1) return not_supported("cuLaunchCooperativeKernel with more than one block");
  return cuLaunchKernel(f, gx, gy, gz, bx, by, bz, shared, stream, params, NULL);
}
/* CUlaunchConfig of the manual; of its attributes only those that change no result are accepted. */
typedef struct {
  unsigned int grid[3], block[3], shared;
  CUstream stream;
  struct {
    int id;
    char pad[4];
    char value[64];
  } * attributes;
  unsigned int attribute_count;
} LaunchConfig;
API CUresult cuLaunchKernelEx(const void *config, CUfunction f, void **params, void **extra) {
  const LaunchConfig *c = config;
  if (!c || (c->attribute_count && !c->attributes)) return CUDA_ERROR_INVALID_VALUE;
  for (u32 k = 0; k < c->attribute_count; k++) {
    const unsigned int *v = (const unsigned int *)(const void *)c->attributes[k].value;
    if (c->attributes[k].id == 2 && v[0]) return not_supported("cooperative launch");
    if (c->attributes[k].id == 4 && (v[0] > 1 || v[1] > 1 || v[2] > 1))
      return not_supported("clusters of more than one block");
  }
  return cuLaunchKernel(f, c->grid[0], c->grid[1], c->grid[2], c->block[0], c->block[1], c->block[2], c->shared,
                        c->stream, params, extra);
}
