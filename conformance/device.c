/* Running a step on a device, watched. */
#include "samebits/device.h"

#include "samebits/compare.h"

#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

enum { PAD = 256, GUARD = 0xC5, POISON = 0xA7 };

sb_status sb_guard_alloc(sb_tensor *tensor, unsigned char poison) {
  int64_t bytes = sb_tensor_bytes(tensor);
  if (bytes < 0 || bytes > INT64_MAX / 2) return sb_fail(SB_INVALID, "a tensor's size overflows");
  size_t size = (size_t)bytes, room = (size + 2 * PAD + PAD - 1) / PAD * PAD;
  unsigned char *block = aligned_alloc(PAD, room);
  if (!block) return sb_fail(SB_NO_MEMORY, "no memory for %zu bytes", room);
  memset(block, GUARD, room);
  memset(block + PAD, poison, size);
  tensor->data = block + PAD;
  return SB_OK;
}

bool sb_guard_intact(const sb_tensor *tensor) {
  const unsigned char *data = tensor->data;
  size_t size = (size_t)sb_tensor_bytes(tensor);
  for (int i = 0; i < PAD; i++)
    if (data[i - PAD] != GUARD || data[size + (size_t)i] != GUARD) return false;
  return true;
}

void sb_guard_free(sb_tensor *tensor) {
  if (tensor->data) free((unsigned char *)tensor->data - PAD);
  tensor->data = NULL;
}

sb_status sb_device_open(const char *name, const sb_device_options *options, sb_device **device) {
  *device = NULL;
  size_t length = strcspn(name, ":");
  char known[128] = "";
  for (int i = 0; i < sb_device_family_table_count; i++) {
    const sb_device_family *family = sb_device_family_table[i];
    if (strlen(family->scheme) == length && strncmp(name, family->scheme, length) == 0)
      return family->open(name, options, device);
    snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s", i ? ", " : "", family->scheme);
  }
  return sb_fail(SB_USAGE, "unknown device '%.60s'; there are: %s", name, known);
}

void sb_device_close(sb_device *device) {
  if (device) device->family->close(device);
}

sb_status sb_device_adapt(const sb_device *device, sb_spec *spec) {
  return device->family->adapt ? device->family->adapt(device, spec) : SB_OK;
}

static XXH128_hash_t hash(const sb_tensor *tensor) {
  return tensor->rank && tensor->data ? XXH3_128bits(tensor->data, (size_t)sb_tensor_bytes(tensor))
                                      : (XXH128_hash_t){0, 0};
}

/* Copies the inputs between guard pads. */
static sb_status copy_inputs(const sb_tensor wanted[SB_SLOTS], const sb_tensor in[SB_SLOTS],
                             sb_tensor copies[SB_SLOTS]) {
  for (int slot = 0; slot < SB_SLOTS; slot++) {
    if (!wanted[slot].rank) continue;
    if (!in[slot].rank || !in[slot].data)
      return sb_fail(SB_INTERNAL, "the step takes %s, which is absent", sb_slot_names[slot]);
    copies[slot] = in[slot];
    sb_status status = sb_guard_alloc(&copies[slot], 0);
    if (status) {
      copies[slot].data = NULL;
      return status;
    }
    memcpy(copies[slot].data, in[slot].data, (size_t)sb_tensor_bytes(&in[slot]));
  }
  return SB_OK;
}

static sb_status alloc_outputs(sb_tensor out[SB_SLOTS]) {
  for (int slot = 0; slot < SB_SLOTS; slot++) {
    if (!out[slot].rank) continue;
    sb_status status = sb_guard_alloc(&out[slot], POISON);
    if (status) {
      out[slot].data = NULL;
      return status;
    }
  }
  return SB_OK;
}

static void refuse(sb_device_reply *reply, sb_case_status outcome, const char *what, int slot) {
  if (reply->outcome != SB_PASS && reply->outcome != SB_UNPROVEN) return;
  reply->outcome = outcome;
  snprintf(reply->reason, sizeof reply->reason, "%s %s", what, sb_slot_names[slot]);
}

sb_status sb_device_run(sb_device *device, const sb_spec *spec, int64_t rows, int64_t cols,
                        const sb_tensor in[SB_SLOTS], sb_tensor out[SB_SLOTS], sb_device_reply *reply) {
  sb_tensor wanted[SB_SLOTS], copies[SB_SLOTS] = {0};
  XXH128_hash_t before[SB_SLOTS];
  *reply = (sb_device_reply){.outcome = SB_PASS};
  sb_status status = sb_spec_tensors(spec, rows, cols, wanted, out);
  for (int slot = 0; slot < SB_SLOTS; slot++) out[slot].data = NULL;
  if (!status) status = copy_inputs(wanted, in, copies);
  if (!status) status = alloc_outputs(out);
  for (int slot = 0; slot < SB_SLOTS && !status; slot++) before[slot] = hash(&copies[slot]);
  if (!status) status = device->family->run(device, spec, copies, out, reply);
  for (int slot = 0; slot < SB_SLOTS && !status; slot++) {
    XXH128_hash_t after = hash(&copies[slot]);
    if (!XXH128_isEqual(before[slot], after)) refuse(reply, SB_ERROR, "it changed its input", slot);
    if (copies[slot].data && !sb_guard_intact(&copies[slot]))
      refuse(reply, SB_ERROR, "it wrote beside its input", slot);
    if (out[slot].data && !sb_guard_intact(&out[slot])) refuse(reply, SB_ERROR, "it wrote beside its output", slot);
  }
  for (int slot = 0; slot < SB_SLOTS; slot++) sb_guard_free(&copies[slot]);
  static const struct {
    sb_status status;
    sb_case_status outcome;
  } turned[] = {{SB_UNSUPPORTED, SB_CASE_UNSUPPORTED}, {SB_REFUSED, SB_UNPROVEN}, {SB_DEVICE, SB_ERROR}};
  for (int i = 0; i < 3; i++)
    if (status == turned[i].status) {
      reply->outcome = turned[i].outcome;
      snprintf(reply->reason, sizeof reply->reason, "%s", sb_message());
      status = SB_OK;
    }
  return status;
}
