/* An open device: its driver, and the modules and functions that were loaded so far. */
#include "cuda/modules.h"

#include "cuda/ptx.h"
#include "samebits/driver.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct entry {
  char file[256], name[160];
  sb_function function;
} entry;

typedef struct module {
  char file[256];
  sb_module *handle;
} module;

struct sb_cuda {
  sb_driver *driver;
  pthread_mutex_t lock; /* of what follows */
  module *modules;
  int module_count;
  entry *entries;
  int entry_count;
};

/* Room for one more element: the array doubles at each power of two. */
static void *grown(void *array, int count, size_t size) {
  return count & (count - 1) ? array : realloc(array, (count ? 2 * (size_t)count : 1) * size);
}

static const sb_ptx *newest(const sb_ptx *table, int count, const char *name, int sm) {
  const sb_ptx *best = NULL;
  for (int i = 0; i < count; i++) {
    const sb_ptx *ptx = &table[i];
    if (!strcmp(ptx->module, name) && ptx->sm <= sm && (!best || ptx->sm > best->sm)) best = ptx;
  }
  return best;
}

const char *sb_modules_text(const sb_cuda *cuda, const char *name) {
  const sb_ptx *best = newest(sb_ptx_table, sb_ptx_count, name, sb_cuda_sm(cuda));
  return best ? best->text : NULL;
}

/* Machine code runs on its own architecture and on later ones of the same major version. */
const sb_ptx *sb_ptx_cubin(const sb_ptx *table, int count, const char *name, int sm) {
  const sb_ptx *best = newest(table, count, name, sm);
  return best && best->cubin && best->sm / 10 == sm / 10 ? best : NULL;
}

/* Our own module as machine code, where there is some for this GPU, unless SAMEBITS_JIT asks for the driver's own
 * compilation of the PTX. NULL: it is to be loaded as PTX, also where the driver did not take the machine code. The
 * emulator runs PTX. */
static sb_module *load_cubin(sb_cuda *cuda, const char *name) {
  sb_module *handle = NULL;
  const sb_ptx *row = sb_ptx_cubin(sb_ptx_table, sb_ptx_count, name, sb_cuda_sm(cuda));
  if (!row || getenv("SAMEBITS_JIT") || sb_driver_is_emulator(cuda->driver)) return NULL;
  return sb_driver_load(cuda->driver, row->cubin, (size_t)(row->cubin_end - row->cubin), &handle) ? NULL : handle;
}

/* What SAMEBITS_PTX/<module>.ptx holds: a kernel under work, or a mutant, in the place of the built one. NULL: there is
 * none. */
static char *read_override(const char *module_name) {
  char path[1024];
  const char *folder = getenv("SAMEBITS_PTX");
  if (!folder || strchr(module_name, '/')) return NULL;
  const int length = snprintf(path, sizeof path, "%s/%s.ptx", folder, module_name);
  FILE *file = length > 0 && (size_t)length < sizeof path ? fopen(path, "rb") : NULL;
  if (!file) return NULL;
  char *text = NULL;
  size_t size = 0;
  if (getdelim(&text, &size, 0, file) < 0) {
    free(text);
    text = NULL;
  }
  fclose(file);
  return text;
}

static sb_status load(sb_cuda *cuda, const char *file, const char *text, sb_module **handle) {
  for (int i = 0; i < cuda->module_count; i++) {
    if (strcmp(cuda->modules[i].file, file)) continue;
    *handle = cuda->modules[i].handle;
    return SB_OK;
  }
  char *override = text ? NULL : read_override(file);
  if (override) text = override;
  const bool built = !text;
  if (built) text = sb_modules_text(cuda, file);
  if (!text) return sb_fail(SB_DEVICE, "%s: no kernel module '%s' for it", sb_cuda_name(cuda), file);
  module *modules = grown(cuda->modules, cuda->module_count, sizeof *modules);
  if (modules) cuda->modules = modules;
  sb_status status = modules ? SB_OK : sb_fail(SB_NO_MEMORY, "out of memory: modules");
  *handle = !status && built ? load_cubin(cuda, file) : NULL;
  if (!status && !*handle) status = sb_driver_load(cuda->driver, text, strlen(text), handle);
  free(override);
  if (status) return sb_fail_in(status, "%s", file);
  module *m = &modules[cuda->module_count++];
  snprintf(m->file, sizeof m->file, "%s", file);
  m->handle = *handle;
  return SB_OK;
}

static sb_status find(sb_cuda *cuda, const char *file, const char *text, const char *name, sb_function *function) {
  for (int i = 0; i < cuda->entry_count; i++) {
    const entry *e = &cuda->entries[i];
    if (strcmp(e->name, name) || strcmp(e->file, file)) continue;
    *function = e->function;
    return SB_OK;
  }
  sb_module *handle;
  sb_status status = load(cuda, file, text, &handle);
  if (!status) status = sb_driver_function(handle, name, function);
  if (status) return sb_fail_in(status, "%s", file);
  entry *entries = grown(cuda->entries, cuda->entry_count, sizeof *entries);
  if (!entries) return sb_fail(SB_NO_MEMORY, "out of memory: entries");
  cuda->entries = entries;
  entry *e = &entries[cuda->entry_count++];
  snprintf(e->file, sizeof e->file, "%s", file);
  snprintf(e->name, sizeof e->name, "%s", name);
  e->function = *function;
  return SB_OK;
}

/* Somebody else's record against the entry's own parameters: too few would be read from beyond, of other sizes shifted.
 */
static sb_status check_params(sb_cuda *cuda, const sb_launch *launch, sb_function function) {
  size_t size = 0;
  for (int i = 0; i < launch->arg_count; i++) {
    const sb_status status = sb_driver_param(cuda->driver, function, (size_t)i, &size);
    if (status == SB_UNSUPPORTED) return SB_OK;
    if (status == SB_INVALID)
      return sb_fail(SB_INVALID, "%s: %s has %d parameters, the manifest gives %d args", launch->file, launch->entry, i,
                     launch->arg_count);
    if (status) return status;
    if (launch->sizes[i] && size != launch->sizes[i])
      return sb_fail(SB_INVALID, "%s: %s: parameter %d has %zu bytes, args[%d] of the manifest has %d", launch->file,
                     launch->entry, i, size, i, launch->sizes[i]);
  }
  int count = launch->arg_count;
  while (sb_driver_param(cuda->driver, function, (size_t)count, &size) == SB_OK) count++;
  if (count == launch->arg_count) return SB_OK;
  return sb_fail(SB_INVALID, "%s: %s has %d parameters, the manifest gives %d args", launch->file, launch->entry, count,
                 launch->arg_count);
}

sb_status sb_modules_launch(sb_cuda *cuda, const sb_launch *launch, const sb_on *on) {
  sb_function function;
  pthread_mutex_lock(&cuda->lock);
  sb_status status = find(cuda, launch->file, on->text, launch->entry, &function);
  pthread_mutex_unlock(&cuda->lock);
  if (!status && on->text) status = check_params(cuda, launch, function);
  if (status) return status;
  const sb_grid grid = {{launch->grid[0], launch->grid[1], launch->grid[2]},
                        {launch->block[0], launch->block[1], launch->block[2]},
                        launch->shared};
  void *args[SB_KERNEL_MAX_ARGS];
  for (int i = 0; i < launch->arg_count; i++) args[i] = (void *)(uintptr_t)&launch->values[i];
  uint64_t nanoseconds = 0;
  status = on->wait ? sb_driver_launch(cuda->driver, function, &grid, args, on->nanoseconds ? &nanoseconds : NULL)
                    : sb_driver_queue(cuda->driver, function, &grid, args, on->stream);
  if (on->nanoseconds) *on->nanoseconds += nanoseconds;
  if (status && on->wait && sb_driver_is_emulator(cuda->driver)) {
    /* The fault would answer every later call; on the emulator a reset keeps memory and modules. */
    char message[1024];
    snprintf(message, sizeof message, "%s", sb_message());
    (void)sb_driver_reset(cuda->driver);
    return sb_fail(status, "%s: %s", launch->entry, message);
  }
  return status ? sb_fail_in(status, "%s", launch->entry) : SB_OK;
}

sb_status sb_cuda_open(const char *device, sb_cuda **result) {
  *result = NULL;
  sb_cuda *cuda = calloc(1, sizeof *cuda);
  if (!cuda) return sb_fail(SB_NO_MEMORY, "out of memory: device");
  pthread_mutex_init(&cuda->lock, NULL);
  sb_status status = sb_driver_open(device, &cuda->driver);
  if (!status && sb_cuda_sm(cuda) < 75)
    status = sb_fail(SB_DEVICE, "%s: sm_%d; the kernels need sm_75 or later", device, sb_cuda_sm(cuda));
  if (status)
    sb_cuda_close(cuda);
  else
    *result = cuda;
  return status;
}

void sb_cuda_close(sb_cuda *cuda) {
  if (!cuda) return;
  for (int i = 0; i < cuda->module_count; i++) sb_driver_unload(cuda->modules[i].handle);
  sb_driver_close(cuda->driver);
  pthread_mutex_destroy(&cuda->lock);
  free(cuda->modules);
  free(cuda->entries);
  free(cuda);
}

sb_driver *sb_cuda_driver(const sb_cuda *cuda) { return cuda->driver; }
int sb_cuda_sm(const sb_cuda *cuda) { return sb_driver_sm(cuda->driver); }
const char *sb_cuda_name(const sb_cuda *cuda) { return sb_driver_title(cuda->driver); }

sb_status sb_cuda_alloc(sb_cuda *cuda, int64_t bytes, uint64_t *pointer) {
  if (bytes < 0) return sb_fail(SB_INVALID, "an allocation of %lld bytes", (long long)bytes);
  return sb_driver_alloc(cuda->driver, (size_t)bytes, pointer);
}
sb_status sb_cuda_free(sb_cuda *cuda, uint64_t pointer) { return sb_driver_free(cuda->driver, pointer); }
sb_status sb_cuda_copy_in(sb_cuda *cuda, uint64_t to, const void *from, int64_t bytes) {
  if (bytes < 0) return sb_fail(SB_INVALID, "a copy of %lld bytes", (long long)bytes);
  return sb_driver_upload(cuda->driver, to, from, (size_t)bytes);
}
sb_status sb_cuda_copy_out(sb_cuda *cuda, void *to, uint64_t from, int64_t bytes) {
  if (bytes < 0) return sb_fail(SB_INVALID, "a copy of %lld bytes", (long long)bytes);
  return sb_driver_download(cuda->driver, to, from, (size_t)bytes);
}
sb_status sb_cuda_wait(sb_cuda *cuda, void *stream) { return sb_driver_wait(cuda->driver, stream); }
