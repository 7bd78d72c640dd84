/* A worker of ours: any device behind the protocol. */
#include "samebits/worker.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* More than any tensor: a length beyond it is no length, and nothing is allocated for it. */
#define MOST_REQUEST ((size_t)1 << 38)

static sb_status put(sb_safetensors_writer *response, const char *key, const char *value) {
  return sb_safetensors_put_metadata(response, key, value);
}

static const char *word(const sb_safetensors *request, const char *key) {
  const char *value = sb_safetensors_metadata(request, key);
  return value ? value : "";
}

static sb_status number(const sb_safetensors *request, const char *key, int64_t *value) {
  char *end;
  const char *text = word(request, key);
  errno = 0;
  *value = strtoll(text, &end, 10);
  if (errno || end == text || *end || *value < 0) return sb_fail(SB_USAGE, "%s '%.40s' is no number", key, text);
  return SB_OK;
}

static sb_status read_spec(const sb_safetensors *request, sb_spec *spec, int64_t *rows, int64_t *cols) {
  sb_side side;
  sb_step step;
  sb_flavor flavor;
  sb_format dtype;
  int64_t group;
  sb_status status = sb_side_parse(word(request, "side"), &side);
  if (!status) status = sb_step_parse(word(request, "step"), &step);
  if (!status) status = sb_flavor_parse(word(request, "flavor"), &flavor);
  if (!status) status = sb_format_parse(word(request, "dtype"), &dtype);
  if (!status) status = number(request, "group_size", &group);
  if (!status) status = number(request, "rows", rows);
  if (!status) status = number(request, "cols", cols);
  if (!status && step == SB_BOTH) status = sb_fail(SB_USAGE, "the step both is a comparison");
  if (!status)
    status = sb_spec_make(word(request, "recipe"), side, step, flavor, word(request, "variant"), dtype, group, spec);
  return status;
}

/* Computes into a response. What it refuses or fails at is the response, too; the result is what prevents one. */
static sb_status compute(sb_device *device, const sb_safetensors *request, sb_tensor out[SB_SLOTS],
                         sb_safetensors_writer *response) {
  sb_spec spec;
  sb_tensor in[SB_SLOTS] = {0}, wanted[SB_SLOTS];
  sb_device_reply reply = {.outcome = SB_ERROR};
  int64_t rows, cols;
  sb_status status = read_spec(request, &spec, &rows, &cols);
  if (!status) status = sb_spec_tensors(&spec, rows, cols, wanted, NULL);
  for (int slot = 0; slot < SB_SLOTS && !status; slot++) {
    if (!wanted[slot].rank) continue;
    const sb_tensor *given = sb_safetensors_find(request, sb_slot_names[slot]);
    if (!given || given->rank != 2 || given->dims[0] != wanted[slot].dims[0] || given->dims[1] != wanted[slot].dims[1])
      status = sb_fail(SB_USAGE, "the request has no %s of that shape", sb_slot_names[slot]);
    else
      in[slot] = *given;
  }
  const double start = sb_now();
  if (!status) status = sb_device_run(device, &spec, rows, cols, in, out, &reply);
  char elapsed[32];
  snprintf(elapsed, sizeof elapsed, "%" PRIu64,
           reply.nanoseconds ? reply.nanoseconds : (uint64_t)((sb_now() - start) * 1e9));
  if (status == SB_UNSUPPORTED) reply.outcome = SB_CASE_UNSUPPORTED;
  if (status) snprintf(reply.reason, sizeof reply.reason, "%s", sb_message());
  const bool ok = !status && reply.outcome == SB_PASS;
  status = put(response, "status", ok ? "ok" : reply.outcome == SB_CASE_UNSUPPORTED ? "unsupported" : "error");
  if (!status) status = put(response, "message", reply.reason);
  if (!status) status = put(response, "elapsed_ns", elapsed);
  for (int slot = 0; slot < SB_SLOTS && !status && ok; slot++)
    if (out[slot].rank && out[slot].data) status = sb_safetensors_put(response, sb_slot_names[slot], &out[slot]);
  return status;
}

sb_status sb_worker_serve(sb_device *device, int in, int out) {
  sb_status status = SB_OK;
  for (bool quit = false; !status && !quit;) {
    sb_safetensors *request = NULL;
    sb_safetensors_writer *response = NULL;
    sb_tensor tensors[SB_SLOTS] = {0};
    bool timeout;
    status = sb_blob_get(in, "the request", MOST_REQUEST, INFINITY, &request, &timeout);
    if (status || !request) break;
    const char *op = word(request, "op");
    quit = strcmp(op, "quit") == 0;
    if (!quit) status = sb_safetensors_writer_new(&response);
    if (!status && response) status = put(response, "device", device->name);
    if (!status && strcmp(op, "hello") == 0)
      status = put(response, "status", "ok");
    else if (!status && strcmp(op, "run") == 0)
      status = compute(device, request, tensors, response);
    else if (!status && !quit) {
      status = put(response, "status", "error");
      if (!status) status = put(response, "message", "op is not hello, run or quit");
    }
    if (!status && response) status = sb_blob_put(out, response, INFINITY, &timeout);
    for (int slot = 0; slot < SB_SLOTS; slot++) sb_guard_free(&tensors[slot]);
    sb_safetensors_writer_free(response);
    sb_safetensors_close(request);
  }
  return status;
}
