/* The one device interface: the CUDA driver API, opened at run time from NVIDIA's libcuda.so.1 (device cuda:N) or from
 * the emulator's (device emu:sm_XX). The same calls, the same PTX and the same launch record go to both. */
#ifndef SAMEBITS_DRIVER_H
#define SAMEBITS_DRIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "samebits/status.h"

typedef struct sb_driver sb_driver;      /* an opened library, a device of it, and its primary context */
typedef struct sb_module sb_module;      /* PTX loaded on that device */
typedef struct sb_function *sb_function; /* an entry of a module; lives as long as the module */

typedef struct sb_grid {
  unsigned grid[3], block[3];
  unsigned shared; /* bytes of dynamic shared memory */
} sb_grid;

/* Opens "emu:sm_75|80|86|89|90|100|120" or "cuda:N". The emulator is looked for in $SAMEBITS_EMULATOR, then in the
 * folder emulator/ beside the running program, then in ../lib/samebits/. SB_USAGE: no such name; SB_DEVICE: not there.
 */
sb_status sb_driver_open(const char *device, sb_driver **driver);
void sb_driver_close(sb_driver *driver); /* NULL is allowed */

const char *sb_driver_device(const sb_driver *driver); /* the name it was opened by */
const char *sb_driver_title(const sb_driver *driver);  /* the name the device gives itself */
int sb_driver_sm(const sb_driver *driver);             /* 90 for compute capability 9.0 */
bool sb_driver_is_emulator(const sb_driver *driver);
/* A CUdevice_attribute by number; 0 when the library does not know it. */
int sb_driver_attribute(const sb_driver *driver, int which);
/* Makes its context current in the calling thread, for libraries that work in whatever context is. */
sb_status sb_driver_enter(sb_driver *driver);
/* A function that a library has beyond the driver API, or NULL: the emulator's samebitsEmu…. */
void *sb_driver_symbol(const sb_driver *driver, const char *name);

/* Loads PTX text (`text[size]` need not be zero) and finds an entry by its full name. SB_FILE: cannot be parsed or
 * compiled; SB_DEVICE: not for this device. */
sb_status sb_driver_load(sb_driver *driver, const char *text, size_t size, sb_module **module);
sb_status sb_driver_function(sb_module *module, const char *entry, sb_function *function);
/* The bytes of an entry's parameter. SB_INVALID: it has no such parameter; SB_UNSUPPORTED: the driver cannot tell.
 * Neither leaves a message. */
sb_status sb_driver_param(sb_driver *driver, sb_function function, size_t index, size_t *size);
void sb_driver_unload(sb_module *module);
void *sb_driver_module_handle(sb_module *module); /* the library's CUmodule */

/* Device memory. A new allocation holds nothing that may be read before it is written. */
sb_status sb_driver_alloc(sb_driver *driver, size_t bytes, uint64_t *address);
sb_status sb_driver_free(sb_driver *driver, uint64_t address);
sb_status sb_driver_upload(sb_driver *driver, uint64_t to, const void *from, size_t bytes);
sb_status sb_driver_download(sb_driver *driver, void *to, uint64_t from, size_t bytes);
sb_status sb_driver_fill(sb_driver *driver, uint64_t to, unsigned char value, size_t bytes);

/* From device memory to device memory; queued on the default stream, as a fill is. */
sb_status sb_driver_copy(sb_driver *driver, uint64_t to, uint64_t from, size_t bytes);

/* Launches and waits. params[k] points to the k-th parameter's value. SB_DEVICE: a fault, an error of the API;
 * SB_REFUSED: the PTX uses what cannot be executed exactly; sb_driver_fault() tells more. `nanoseconds` may be NULL; a
 * device times itself with events. */
sb_status sb_driver_launch(sb_driver *driver, sb_function function, const sb_grid *grid, void **params,
                           uint64_t *nanoseconds);
/* Queues a launch on a stream (a CUstream; NULL: the default one) and returns; the kernel's own errors come from the
 * next call that waits. sb_driver_wait waits for the stream. */
sb_status sb_driver_queue(sb_driver *driver, sb_function function, const sb_grid *grid, void **params, void *stream);
sb_status sb_driver_wait(sb_driver *driver, void *stream);
/* The device's time between the two, on the default stream; sb_driver_end waits for it. */
sb_status sb_driver_begin(sb_driver *driver);
sb_status sb_driver_end(sb_driver *driver, double *seconds);
/* The JSON object of the last fault or refusal on the emulator (cuda/emulator), "" elsewhere. */
const char *sb_driver_fault(const sb_driver *driver);
/* Clears a sticky error by resetting the context's error state (the emulator) or the context (a GPU; modules and memory
 * die with it). */
sb_status sb_driver_reset(sb_driver *driver);

#endif
