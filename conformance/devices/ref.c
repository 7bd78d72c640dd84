/* The reference as a device: what every other device is compared with, and itself checked against itself. */
#include "samebits/device.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>
#include <unistd.h>

extern const sb_device_family sb_device_family_ref;

typedef struct ref_device {
  sb_device device;
  sb_run_options options;
} ref_device;

static void list(void (*found)(void *context, const char *name, const char *what), void *context) {
  found(context, "ref", "the pure-C reference on this processor");
}

static sb_status open_ref(const char *name, const sb_device_options *options, sb_device **device) {
  if (strcmp(name, "ref") != 0) return sb_fail(SB_USAGE, "unknown device '%.60s'; the reference is 'ref'", name);
  ref_device *ref = calloc(1, sizeof *ref);
  if (!ref) return sb_fail(SB_NO_MEMORY, "no memory for the device");
  ref->device.family = &sb_device_family_ref;
  strcpy(ref->device.name, "ref");
  ref->options.threads = options->threads;
  *device = &ref->device;
  return SB_OK;
}

static sb_status run(sb_device *device, const sb_spec *spec, const sb_tensor in[SB_SLOTS], sb_tensor out[SB_SLOTS],
                     sb_device_reply *reply) {
  (void)reply;
  return sb_run(spec, in, out, &((ref_device *)device)->options);
}

static void describe(const sb_device *device, void (*say)(void *context, const char *key, const char *value),
                     void *context) {
  struct utsname host;
  char text[64];
  snprintf(text, sizeof text, "%d", ((const ref_device *)device)->options.threads);
  say(context, "threads", text);
  snprintf(text, sizeof text, "%ld", sysconf(_SC_NPROCESSORS_ONLN));
  say(context, "cores", text);
  for (int isa = SB_ISAS - 1; isa > SB_ISA_BEST; isa--)
    if (sb_isa_available((sb_isa)isa)) {
      say(context, "isa", sb_isa_names[isa]);
      break;
    }
  if (uname(&host) == 0) say(context, "machine", host.machine);
}

static void close_ref(sb_device *device) { free(device); }

const sb_device_family sb_device_family_ref = {.scheme = "ref",
                                               .summary = "the reference: prepare against convert, and itself",
                                               .list = list,
                                               .open = open_ref,
                                               .run = run,
                                               .describe = describe,
                                               .close = close_ref,
                                               .default_flavors = (1u << SB_FLAVORS) - 1,
                                               .forks = true};
