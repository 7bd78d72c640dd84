/* api_module.c: modules from PTX text, functions and their attributes, module globals. */
#include "cuda_api.h"
#include "cuda_entry.h"
#include "parse.h"
#include <stdio.h>
#include <stdlib.h>

/* CUjit_option values that matter. */
enum { JIT_INFO_LOG = 3, JIT_INFO_LOG_SIZE = 4, JIT_ERROR_LOG = 5, JIT_ERROR_LOG_SIZE = 6 };

const Module *module_of(CUmodule h) {
  u32 k = handle_index(h);
  return handle_is(h, HANDLE_MODULE) && k < driver.module_count ? driver.modules[k] : NULL;
}
const Function *function_of(CUfunction h, u32 *device) {
  u32 k = handle_index(h), f = handle_sub(h);
  if (!handle_is(h, HANDLE_FUNCTION) || k >= driver.module_count || !driver.modules[k] ||
      f >= driver.modules[k]->function_count)
    return NULL;
  if (device) *device = driver.module_device[k];
  return driver.modules[k]->functions[f];
}

/* Gives variables their addresses and puts them into initialisers and constants. */
static CUresult place_variables(Module *m) {
  for (u32 k = 0; k < m->variable_count; k++) {
    Variable *v = &m->variables[k];
    if (v->space == SPACE_SHARED || !v->size) continue;
    v->address = mem_alloc(v->size, v->space == SPACE_CONST ? ALLOC_CONST : ALLOC_MODULE);
    if (!v->address) return CUDA_ERROR_OUT_OF_MEMORY;
    if (v->init) memcpy((void *)(uintptr_t)v->address, v->init, v->init_bytes);
  }
  for (u32 k = 0; k < m->variable_count; k++) {
    const Variable *v = &m->variables[k];
    for (u32 r = 0; r < v->reloc_count; r++) {
      u64 value = 0;
      for (u32 o = 0; o < m->variable_count; o++)
        if (!strcmp(m->variables[o].name, v->relocs[r].symbol)) value = m->variables[o].address;
      for (u32 o = 0; o < m->function_count; o++)
        if (!strcmp(m->functions[o]->name, v->relocs[r].symbol)) value = CODE_WINDOW + 16ull * o;
      if (!value || v->relocs[r].at + 8 > v->size || !v->address) return CUDA_ERROR_INVALID_PTX;
      value += (u64)v->relocs[r].addend;
      memcpy((void *)(uintptr_t)(v->address + v->relocs[r].at), &value, 8);
    }
  }
  for (u32 f = 0; f < m->function_count; f++)
    for (u32 c = 0; c < m->functions[f]->const_count; c++) {
      ConstSlot *s = &m->functions[f]->consts[c];
      if (!s->variable) continue;
      s->value += m->variables[s->variable - 1].address;
      s->variable = 0;
    }
  return CUDA_SUCCESS;
}
static void free_variables(Module *m) {
  for (u32 k = 0; k < m->variable_count; k++)
    if (m->variables[k].space != SPACE_SHARED && m->variables[k].address) (void)mem_free(m->variables[k].address);
}

/* sm_XYa runs on that architecture alone, sm_XYf within its family, others on every later one. */
static bool target_fits(const Module *m, u32 sm) {
  char last = m->target[0] ? m->target[strlen(m->target) - 1] : 0;
  if (last == 'a') return m->target_sm == sm;
  if (last == 'f') return m->target_sm <= sm && m->target_sm / 10 == sm / 10;
  return m->target_sm <= sm;
}

static CUresult keep(Module *m, u32 device, CUmodule *h) {
  CUresult r = CUDA_SUCCESS;
  pthread_mutex_lock(&driver.lock);
  if (driver.module_count == driver.module_capacity) {
    u32 room = driver.module_capacity ? 2 * driver.module_capacity : 64;
    Module **modules = realloc(driver.modules, room * sizeof *modules);
    if (modules) driver.modules = modules;
    u32 *devices = realloc(driver.module_device, room * sizeof *devices);
    if (devices) driver.module_device = devices;
    if (modules && devices)
      driver.module_capacity = room;
    else
      r = CUDA_ERROR_OUT_OF_MEMORY;
  }
  if (!r) {
    driver.modules[driver.module_count] = m, driver.module_device[driver.module_count] = device;
    *h = MAKE_HANDLE(HANDLE_MODULE, driver.module_count, 0);
    driver.module_count++;
  }
  pthread_mutex_unlock(&driver.lock);
  return r;
}

static CUresult load(CUmodule *h, const void *image, char *message, size_t message_size) {
  CUresult r = api_ready();
  const Context *c = current_context();
  if (r) return r;
  if (!h || !image) return CUDA_ERROR_INVALID_VALUE;
  if (!memcmp(image, "\177ELF", 4)) {
    (void)snprintf(message, message_size, "machine code (a cubin) cannot be run here; load PTX");
    return CUDA_ERROR_NO_BINARY_FOR_GPU;
  }
  if (!memcmp(image, "\x50\xed\x55\xba", 4)) {
    (void)snprintf(message, message_size, "a fat binary: take the PTX out of it (cuobjdump -xptx) and load that");
    return CUDA_ERROR_INVALID_IMAGE;
  }
  u32 sm = driver.devices[c->device].arch->sm;
  Module *m = module_parse(image, strlen(image), message, message_size);
  if (!m) return strstr(message, "versions 6 to 9") ? CUDA_ERROR_UNSUPPORTED_PTX_VERSION : CUDA_ERROR_INVALID_PTX;
  if (!target_fits(m, sm)) {
    (void)snprintf(message, message_size, "PTX for %s does not run on sm_%u", m->target, sm);
    module_free(m);
    return CUDA_ERROR_NO_BINARY_FOR_GPU;
  }
  r = place_variables(m);
  if (!r) r = keep(m, c->device, h);
  if (r) {
    free_variables(m);
    module_free(m);
  }
  return r;
}

API CUresult cuModuleLoadDataEx(CUmodule *h, const void *image, unsigned int count, int *options, void **values) {
  char message[512] = "", *log = NULL;
  size_t size = 0;
  u32 size_at = count;
  if (count && (!options || !values)) return CUDA_ERROR_INVALID_VALUE;
  for (u32 k = 0; k < count; k++) {
    if (options[k] == JIT_ERROR_LOG) log = values[k];
    if (options[k] == JIT_ERROR_LOG_SIZE) size = (size_t)(uintptr_t)values[k] & 0xffffffffu, size_at = k;
    if (options[k] == JIT_INFO_LOG_SIZE) values[k] = NULL;
  }
  CUresult r = load(h, image, message, sizeof message);
  if (log && size) {
    (void)snprintf(log, size, "%s", message);
    if (size_at < count) values[size_at] = (void *)(uintptr_t)(strlen(log) + (log[0] != 0));
  } else if (r && message[0] && !driver.options.quiet)
    (void)fprintf(stderr, "samebits emulator: %s\n", message);
  return r;
}
API CUresult cuModuleLoadData(CUmodule *h, const void *image) { return cuModuleLoadDataEx(h, image, 0, NULL, NULL); }
API CUresult cuModuleLoadFatBinary(CUmodule *h, const void *image) {
  return cuModuleLoadDataEx(h, image, 0, NULL, NULL);
}
API CUresult cuModuleLoad(CUmodule *h, const char *path) {
  CUresult r = CUDA_ERROR_FILE_NOT_FOUND;
  FILE *f = path ? fopen(path, "rb") : NULL;
  if (!f) return path ? r : CUDA_ERROR_INVALID_VALUE;
  if (!fseek(f, 0, SEEK_END)) {
    long n = ftell(f);
    rewind(f);
    char *text = n >= 0 && n < 1l << 30 ? calloc(1, (size_t)n + 8) : NULL;
    if (text && fread(text, 1, (size_t)n, f) == (size_t)n) r = cuModuleLoadData(h, text);
    free(text);
  }
  (void)fclose(f);
  return r;
}
API CUresult cuModuleUnload(CUmodule h) {
  CUresult r = CUDA_ERROR_INVALID_HANDLE;
  if (api_initialized()) return CUDA_ERROR_NOT_INITIALIZED;
  pthread_mutex_lock(&driver.lock);
  u32 k = handle_index(h);
  if (module_of(h)) {
    Module *m = driver.modules[k];
    driver.modules[k] = NULL;
    free_variables(m);
    module_free(m);
    r = CUDA_SUCCESS;
  }
  pthread_mutex_unlock(&driver.lock);
  return r;
}
API CUresult cuModuleGetLoadingMode(int *mode) {
  if (!mode) return CUDA_ERROR_INVALID_VALUE;
  *mode = 1;
  return CUDA_SUCCESS;
}
API CUresult cuModuleGetFunction(CUfunction *f, CUmodule h, const char *name) {
  CUresult r = api_ready();
  const Module *m = module_of(h);
  if (r) return r;
  if (!f || !name) return CUDA_ERROR_INVALID_VALUE;
  if (!m) return CUDA_ERROR_INVALID_HANDLE;
  for (u32 k = 0; k < m->function_count; k++)
    if (m->functions[k]->is_entry && m->functions[k]->defined && !strcmp(m->functions[k]->name, name)) {
      *f = MAKE_HANDLE(HANDLE_FUNCTION, handle_index(h), k);
      return CUDA_SUCCESS;
    }
  return CUDA_ERROR_NOT_FOUND;
}
API CUresult cuModuleGetFunctionCount(unsigned int *count, CUmodule h) {
  const Module *m = module_of(h);
  if (!m) return CUDA_ERROR_INVALID_HANDLE;
  if (!count) return CUDA_ERROR_INVALID_VALUE;
  *count = 0;
  for (u32 k = 0; k < m->function_count; k++) *count += m->functions[k]->is_entry && m->functions[k]->defined;
  return CUDA_SUCCESS;
}
API CUresult cuModuleEnumerateFunctions(CUfunction *functions, unsigned int count, CUmodule h) {
  const Module *m = module_of(h);
  u32 n = 0;
  if (!m) return CUDA_ERROR_INVALID_HANDLE;
  if (!functions) return CUDA_ERROR_INVALID_VALUE;
  for (u32 k = 0; k < m->function_count && n < count; k++)
    if (m->functions[k]->is_entry && m->functions[k]->defined)
      functions[n++] = MAKE_HANDLE(HANDLE_FUNCTION, handle_index(h), k);
  return CUDA_SUCCESS;
}
API CUresult cuModuleGetGlobal_v2(CUdeviceptr *address, size_t *bytes, CUmodule h, const char *name) {
  CUresult r = api_ready();
  const Module *m = module_of(h);
  if (r) return r;
  if (!name || (!address && !bytes)) return CUDA_ERROR_INVALID_VALUE;
  if (!m) return CUDA_ERROR_INVALID_HANDLE;
  for (u32 k = 0; k < m->variable_count; k++) {
    const Variable *v = &m->variables[k];
    if (v->space == SPACE_SHARED || !v->address || strcmp(v->name, name)) continue;
    if (address) *address = v->address;
    if (bytes) *bytes = v->size;
    return CUDA_SUCCESS;
  }
  return CUDA_ERROR_NOT_FOUND;
}

/* CUfunction_attribute by number. Registers are those that the PTX declares, not those of a device. */
API CUresult cuFuncGetAttribute(int *value, int which, CUfunction h) {
  u32 device;
  const Function *f = function_of(h, &device);
  if (!driver.initialized) return CUDA_ERROR_NOT_INITIALIZED;
  if (!value) return CUDA_ERROR_INVALID_VALUE;
  if (!f) return CUDA_ERROR_INVALID_HANDLE;
  u32 registers = f->reg_count[0] + 2 * f->reg_count[1];
  switch (which) {
  case 0:
    *value = f->max_threads ? (int)f->max_threads : MAX_THREADS;
    break;
  case 1:
    *value = (int)f->shared_bytes;
    break;
  case 2:
    *value = 0;
    break;
  case 3:
    *value = (int)f->local_bytes;
    break;
  case 4:
    *value = registers > 255 ? 255 : (int)registers;
    break;
  case 5:
    *value = (int)(f->module->version_major * 10 + f->module->version_minor);
    break;
  case 6:
    *value = (int)driver.devices[device].arch->sm;
    break;
  case 8:
    *value = (int)(f->max_dynamic_shared ? f->max_dynamic_shared
                                         : driver.devices[device].arch->shared_block - f->shared_bytes);
    break;
  default:
    *value = 0;
    break;
  }
  return which < 0 || which > 64 ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}
API CUresult cuFuncSetAttribute(CUfunction h, int which, int value) {
  u32 device;
  const Function *f = function_of(h, &device);
  if (!driver.initialized) return CUDA_ERROR_NOT_INITIALIZED;
  if (!f) return CUDA_ERROR_INVALID_HANDLE;
  if (which == 8) {
    if (value < 0 || (u32)value + f->shared_bytes > driver.devices[device].arch->shared_optin)
      return CUDA_ERROR_INVALID_VALUE;
    driver.modules[handle_index(h)]->functions[handle_sub(h)]->max_dynamic_shared = (u32)value;
  }
  return CUDA_SUCCESS;
}
API CUresult cuFuncSetCacheConfig(CUfunction h, int config) {
  (void)config;
  return function_of(h, NULL) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}
API CUresult cuFuncGetModule(CUmodule *m, CUfunction h) {
  if (!m) return CUDA_ERROR_INVALID_VALUE;
  if (!function_of(h, NULL)) return CUDA_ERROR_INVALID_HANDLE;
  *m = MAKE_HANDLE(HANDLE_MODULE, handle_index(h), 0);
  return CUDA_SUCCESS;
}
API CUresult cuFuncGetName(const char **name, CUfunction h) {
  const Function *f = function_of(h, NULL);
  if (!name) return CUDA_ERROR_INVALID_VALUE;
  if (!f) return CUDA_ERROR_INVALID_HANDLE;
  *name = f->name;
  return CUDA_SUCCESS;
}
API CUresult cuFuncGetParamInfo(CUfunction h, size_t index, size_t *offset, size_t *size) {
  const Function *f = function_of(h, NULL);
  if (!f) return CUDA_ERROR_INVALID_HANDLE;
  if (index >= f->param_count || !offset) return CUDA_ERROR_INVALID_VALUE;
  *offset = f->params[index].offset;
  if (size) *size = f->params[index].size;
  return CUDA_SUCCESS;
}
