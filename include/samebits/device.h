/* Devices: where kernels run. `ref` is the reference itself; `emu:sm_90`, `cuda:0` and `worker:COMMAND` run somebody's
 * kernels.
 *
 * A family of devices is one file conformance/devices/NAME.c that defines `const sb_device_family
 * sb_device_family_NAME`. */
#ifndef SAMEBITS_DEVICE_H
#define SAMEBITS_DEVICE_H

#include "samebits/case.h"

typedef struct sb_device sb_device;
typedef struct sb_device_family sb_device_family;

/* What the user gave for all devices. */
typedef struct sb_device_options {
  int threads;         /* of ref/ and the emulator; 0: one a core */
  bool lift_gates;     /* run what upstream's architecture gates refuse */
  const char *kernels; /* --kernels MANIFEST, NULL: none */
  double timeout;      /* seconds a case; 0: the family's default */
} sb_device_options;

/* What a run says beside its tensors. */
typedef struct sb_device_reply {
  /* SB_PASS: it ran. UNPROVEN, CRASH, TIMEOUT, ERROR, SKIP, UNSUPPORTED: it did not give bits to compare, or they prove
   * nothing; `reason` says why. */
  sb_case_status outcome;
  char reason[512];
  uint64_t nanoseconds; /* 0: not known */
} sb_device_reply;

struct sb_device_family {
  const char *scheme;  /* "emu" of emu:sm_90 */
  const char *summary; /* one line of `samebits list devices` */
  /* Calls `found` with the name of each device that can be opened now ("emu:sm_90"). */
  void (*list)(void (*found)(void *context, const char *name, const char *what), void *context);
  /* Opens a device by its whole name. SB_USAGE: no such name; SB_DEVICE: it is not there. */
  sb_status (*open)(const char *name, const sb_device_options *options, sb_device **device);
  /* Computes a step (never BOTH) from in[] into the slots of out[] that have data, as sb_run does. out[] is poisoned.
   * The result is SB_OK when *reply says how it went; SB_UNSUPPORTED, SB_REFUSED and SB_DEVICE are turned into
   * UNSUPPORTED, UNPROVEN and ERROR with sb_message() as the reason. */
  sb_status (*run)(sb_device *device, const sb_spec *spec, const sb_tensor in[SB_SLOTS], sb_tensor out[SB_SLOTS],
                   sb_device_reply *reply);
  /* Calls `say` with each entry of the device record: name, sm, clocks, memory, driver, toolkit, flags. */
  void (*describe)(const sb_device *device, void (*say)(void *context, const char *key, const char *value),
                   void *context);
  void (*close)(sb_device *device);
  /* Puts the path that this device takes in the place of the case's (a GPU below sm_90 has other float8 kernels
   * upstream); the reference then computes the same. NULL: never. */
  sb_status (*adapt)(const sb_device *device, sb_spec *spec);
  unsigned default_flavors; /* bits 1u << sb_flavor */
  bool forks;               /* a process forked after `open` may open it again: its cases can run in several */
};

/* What every device starts with. */
struct sb_device {
  const sb_device_family *family;
  char name[SB_DEVICE_NAME];
  const sb_case *now; /* the case that is being run, NULL: none */
};

extern const sb_device_family *const sb_device_family_table[];
extern const int sb_device_family_table_count;

/* Opens the device of that name by its family. SB_USAGE: no such family; the message lists them. */
sb_status sb_device_open(const char *name, const sb_device_options *options, sb_device **device);
void sb_device_close(sb_device *device); /* NULL is allowed */

/* Puts the path that the device takes in the place of the spec's (sb_device_family.adapt). */
sb_status sb_device_adapt(const sb_device *device, sb_spec *spec);

/* Runs a step with guard pads around every buffer, poisoned outputs, and x and the other inputs hashed before and
 * after. Fills out[], allocated here and freed by sb_guard_free, with every slot that the step yields. A buffer overrun
 * or a changed input is the outcome ERROR. */
sb_status sb_device_run(sb_device *device, const sb_spec *spec, int64_t rows, int64_t cols,
                        const sb_tensor in[SB_SLOTS], sb_tensor out[SB_SLOTS], sb_device_reply *reply);

/* Buffers between guard pads of 256 bytes. */
sb_status sb_guard_alloc(sb_tensor *tensor, unsigned char poison);
bool sb_guard_intact(const sb_tensor *tensor);
void sb_guard_free(sb_tensor *tensor);

#endif
