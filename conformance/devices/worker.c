/* worker:COMMAND: anybody's program as the device. It costs a case when it crashes, hangs, lies or talks nonsense, and
 * is started again for the next. */
#include "samebits/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { HELLO_LIMIT = 1 << 20 };

extern const sb_device_family sb_device_family_worker;

typedef struct worker {
  sb_device device;
  char *command, *says; /* says: what it calls itself */
  double timeout;
  pid_t pid; /* 0: not running */
  int to, from;
} worker;

static void list(void (*found)(void *context, const char *name, const char *what), void *context) {
  found(context, "worker:COMMAND", "any program that speaks the protocol of docs/worker.md");
}

/* Ends it and says in `how` why it had ended, where it had. */
static void stop(worker *w, char *how, size_t room) {
  int status = 0;
  if (how) snprintf(how, room, "it closed its output");
  if (w->pid == 0) return;
  pid_t ended = 0;
  for (int i = 0; how && i < 50 && !(ended = waitpid(w->pid, &status, WNOHANG)); i++) poll(NULL, 0, 2);
  if (ended <= 0) {
    kill(-w->pid, SIGKILL);
    while (waitpid(w->pid, &status, 0) < 0 && errno == EINTR) continue;
  } else {
    kill(-w->pid, SIGKILL); /* what it left behind */
    if (WIFSIGNALED(status))
      snprintf(how, room, "it ended by %s", strsignal(WTERMSIG(status)));
    else
      snprintf(how, room, "it ended with status %d%s%s", WEXITSTATUS(status),
               WEXITSTATUS(status) > 128 ? ", which the shell gives for: " : "",
               WEXITSTATUS(status) > 128 ? strsignal(WEXITSTATUS(status) - 128) : "");
  }
  close(w->to);
  close(w->from);
  w->pid = 0;
}

static sb_status start(worker *w) {
  int in[2], out[2];
  if (pipe2(in, O_CLOEXEC)) return sb_fail(SB_DEVICE, "no pipe for a worker: %s", strerror(errno));
  if (pipe2(out, O_CLOEXEC)) {
    close(in[0]);
    close(in[1]);
    return sb_fail(SB_DEVICE, "no pipe for a worker: %s", strerror(errno));
  }
  fflush(NULL);
  const pid_t parent = getpid();
  w->pid = fork();
  if (w->pid == 0) {
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(127);
    signal(SIGPIPE, SIG_DFL);
    dup2(in[0], STDIN_FILENO);
    dup2(out[1], STDOUT_FILENO);
    execl("/bin/sh", "sh", "-c", w->command, (char *)NULL);
    _exit(127);
  }
  close(in[0]);
  close(out[1]);
  w->to = in[1];
  w->from = out[0];
  if (w->pid < 0) {
    w->pid = 0;
    close(w->to);
    close(w->from);
    return sb_fail(SB_DEVICE, "no process for a worker: %s", strerror(errno));
  }
  setpgid(w->pid, w->pid);
  return SB_OK;
}

/* Asks and waits. On anything but SB_OK the worker was ended and the message says why; *outcome is what that makes of a
 * case. */
static sb_status ask(worker *w, const sb_safetensors_writer *request, size_t limit, sb_safetensors **response,
                     sb_case_status *outcome) {
  const double deadline = sb_now() + w->timeout;
  bool timeout = false;
  char how[128];
  *response = NULL;
  *outcome = SB_CRASH;
  sb_status status = sb_blob_put(w->to, request, deadline, &timeout);
  if (!status) status = sb_blob_get(w->from, "the worker's response", limit, deadline, response, &timeout);
  if (!status && *response) {
    struct pollfd more = {.fd = w->from, .events = POLLIN};
    if (poll(&more, 1, 0) <= 0 || !(more.revents & POLLIN)) return SB_OK;
    sb_safetensors_close(*response);
    *response = NULL;
    *outcome = SB_ERROR;
    stop(w, NULL, 0);
    return sb_fail(SB_DEVICE, "the worker wrote more than its response");
  }
  if (status && timeout) {
    *outcome = SB_TIMEOUT;
    stop(w, NULL, 0);
    return sb_fail(SB_DEVICE, "the worker was not done in %g s", w->timeout);
  }
  if (status == SB_FILE || status == SB_NO_MEMORY) { /* it talks, but not sense */
    *outcome = SB_ERROR;
    stop(w, NULL, 0);
    return SB_DEVICE;
  }
  stop(w, how, sizeof how);
  return sb_fail(SB_DEVICE, "the worker died: %s", how);
}

/* What it wrote behind its last response must not become the next one. */
static void drop_chatty(worker *w) {
  struct pollfd more = {.fd = w->from, .events = POLLIN};
  if (w->pid && poll(&more, 1, 0) > 0 && (more.revents & POLLIN)) stop(w, NULL, 0);
}

static sb_status put_op(sb_safetensors_writer **request, const char *op) {
  sb_status status = sb_safetensors_writer_new(request);
  return status ? status : sb_safetensors_put_metadata(*request, "op", op);
}

static sb_status hello(worker *w) {
  sb_safetensors_writer *request = NULL;
  sb_safetensors *response = NULL;
  sb_case_status outcome;
  sb_status status = start(w);
  if (!status) status = put_op(&request, "hello");
  if (!status) status = ask(w, request, HELLO_LIMIT, &response, &outcome);
  if (!status) {
    const char *word = sb_safetensors_metadata(response, "status"), *name = sb_safetensors_metadata(response, "device");
    if (!word || strcmp(word, "ok") != 0)
      status = sb_fail(SB_DEVICE, "the worker's answer to hello has no status ok");
    else if (!w->says && name)
      w->says = strdup(name);
  }
  if (status) stop(w, NULL, 0);
  sb_safetensors_close(response);
  sb_safetensors_writer_free(request);
  return status;
}

static void close_worker(sb_device *device) {
  worker *w = (worker *)device;
  sb_safetensors_writer *request = NULL;
  bool timeout;
  if (w->pid && !put_op(&request, "quit") && !sb_blob_put(w->to, request, sb_now() + 1, &timeout)) {
    char how[128];
    close(w->to);
    w->to = open("/dev/null", O_WRONLY | O_CLOEXEC);
    stop(w, how, sizeof how);
  }
  sb_safetensors_writer_free(request);
  stop(w, NULL, 0);
  free(w->command);
  free(w->says);
  free(w);
}

static sb_status open_worker(const char *name, const sb_device_options *options, sb_device **device) {
  const char *command = strchr(name, ':');
  if (!command || !command[1]) return sb_fail(SB_USAGE, "worker: has no command: worker:COMMAND");
  worker *w = calloc(1, sizeof *w);
  if (!w) return sb_fail(SB_NO_MEMORY, "no memory for a worker");
  w->device.family = &sb_device_family_worker;
  w->timeout = options->timeout > 0 ? options->timeout : 60;
  w->command = strdup(command + 1);
  sb_status status = SB_OK;
  if (strlen(name) >= sizeof w->device.name)
    status = sb_fail(SB_USAGE, "worker: the command is longer than %zu characters: put it in a script",
                     sizeof w->device.name - 1);
  else if (!w->command)
    status = sb_fail(SB_NO_MEMORY, "no memory for a worker");
  snprintf(w->device.name, sizeof w->device.name, "%s", name);
  if (!status) status = hello(w);
  if (status)
    close_worker(&w->device);
  else
    *device = &w->device;
  return status ? sb_fail_in(status, "%.120s", name) : SB_OK;
}

static sb_status put_request(const sb_device *device, const sb_spec *spec, const sb_tensor in[SB_SLOTS],
                             sb_safetensors_writer *request) {
  char group[32], rows[32], cols[32], text[SB_CASE_TEXT] = "";
  snprintf(group, sizeof group, "%" PRId64, spec->group_size);
  /* every step takes x or codes, of the same shape */
  const sb_tensor *shape = in[SB_X].data ? &in[SB_X] : &in[SB_CODES];
  snprintf(rows, sizeof rows, "%" PRId64, shape->dims[0]);
  snprintf(cols, sizeof cols, "%" PRId64, shape->dims[1]);
  if (device->now) sb_case_print(device->now, text);
  const char *pairs[][2] = {{"case", text},
                            {"recipe", spec->recipe->name},
                            {"side", sb_side_names[spec->path->side]},
                            {"step", sb_step_names[spec->step]},
                            {"flavor", sb_flavor_names[spec->path->flavor]},
                            {"variant", spec->path->variant},
                            {"dtype", sb_format_of(spec->dtype)->name},
                            {"group_size", group},
                            {"rows", rows},
                            {"cols", cols}};
  sb_status status = SB_OK;
  for (size_t i = 0; i < sizeof pairs / sizeof *pairs && !status; i++)
    status = sb_safetensors_put_metadata(request, pairs[i][0], pairs[i][1]);
  for (int slot = 0; slot < SB_SLOTS && !status; slot++)
    if (in[slot].rank && in[slot].data) status = sb_safetensors_put(request, sb_slot_names[slot], &in[slot]);
  return status;
}

/* Puts the response's tensors in the place of out[]; what it has not is not compared, but something it must have. */
static sb_status take_tensors(const sb_safetensors *response, sb_tensor out[SB_SLOTS], sb_device_reply *reply) {
  int taken = 0;
  for (int i = 0; i < sb_safetensors_count(response); i++) {
    const char *name = sb_safetensors_name(response, i);
    int slot = 0;
    while (slot < SB_SLOTS && strcmp(name, sb_slot_names[slot]) != 0) slot++;
    if (slot == SB_SLOTS || !out[slot].rank) {
      reply->outcome = SB_ERROR;
      snprintf(reply->reason, sizeof reply->reason, "the worker gave a tensor '%.60s', which the step does not yield",
               name);
      return SB_OK;
    }
  }
  for (int slot = 0; slot < SB_SLOTS; slot++) {
    if (!out[slot].rank || !out[slot].data) continue;
    const sb_tensor *from = sb_safetensors_find(response, sb_slot_names[slot]);
    if (!from) {
      sb_guard_free(&out[slot]);
      continue;
    }
    if (from->rank != 2 || from->dims[0] != out[slot].dims[0] || from->dims[1] != out[slot].dims[1]) {
      reply->outcome = SB_ERROR;
      snprintf(reply->reason, sizeof reply->reason, "the worker's %s has not the shape [%" PRId64 ", %" PRId64 "]",
               sb_slot_names[slot], out[slot].dims[0], out[slot].dims[1]);
      return SB_OK;
    }
    if (from->format != out[slot].format) { /* of equal values, if all is well: the comparison tells */
      sb_guard_free(&out[slot]);
      out[slot].format = from->format;
      const sb_status status = sb_guard_alloc(&out[slot], 0);
      if (status) {
        out[slot].data = NULL;
        return status;
      }
    }
    memcpy(out[slot].data, from->data, (size_t)sb_tensor_bytes(from));
    taken++;
  }
  if (taken == 0) {
    reply->outcome = SB_ERROR;
    snprintf(reply->reason, sizeof reply->reason, "the worker gave no tensor");
  }
  return SB_OK;
}

static sb_status take_response(const sb_safetensors *response, sb_tensor out[SB_SLOTS], sb_device_reply *reply) {
  static const struct {
    const char *word;
    sb_case_status outcome;
  } words[] = {{"unsupported", SB_CASE_UNSUPPORTED}, {"error", SB_ERROR}};
  const char *word = sb_safetensors_metadata(response, "status"), *says = sb_safetensors_metadata(response, "message");
  const char *elapsed = sb_safetensors_metadata(response, "elapsed_ns");
  if (elapsed) reply->nanoseconds = strtoull(elapsed, NULL, 10);
  if (word && strcmp(word, "ok") == 0) return take_tensors(response, out, reply);
  reply->outcome = SB_ERROR;
  snprintf(reply->reason, sizeof reply->reason, "the worker's response has no status ok, unsupported or error");
  for (size_t i = 0; word && i < sizeof words / sizeof *words; i++) {
    if (strcmp(word, words[i].word) != 0) continue;
    reply->outcome = words[i].outcome;
    snprintf(reply->reason, sizeof reply->reason, "%s", says && *says ? says : word);
  }
  return SB_OK;
}

static sb_status run(sb_device *device, const sb_spec *spec, const sb_tensor in[SB_SLOTS], sb_tensor out[SB_SLOTS],
                     sb_device_reply *reply) {
  worker *w = (worker *)device;
  sb_safetensors_writer *request = NULL;
  sb_safetensors *response = NULL;
  size_t limit = HELLO_LIMIT; /* the tensors in the widest formats, and the header */
  for (int slot = 0; slot < SB_SLOTS; slot++)
    if (out[slot].data) limit += 8 * (size_t)sb_tensor_count(&out[slot]);
  drop_chatty(w);
  sb_status status = w->pid ? SB_OK : hello(w);
  if (!status) status = put_op(&request, "run");
  if (!status) status = put_request(device, spec, in, request);
  if (!status) {
    sb_case_status outcome;
    if (ask(w, request, limit, &response, &outcome)) {
      reply->outcome = outcome;
      snprintf(reply->reason, sizeof reply->reason, "%s", sb_message());
    } else
      status = take_response(response, out, reply);
  }
  sb_safetensors_close(response);
  sb_safetensors_writer_free(request);
  return status;
}

static void describe(const sb_device *device, void (*say)(void *context, const char *key, const char *value),
                     void *context) {
  const worker *w = (const worker *)device;
  say(context, "name", w->says ? w->says : "a worker");
  say(context, "command", w->command);
}

const sb_device_family sb_device_family_worker = {.scheme = "worker",
                                                  .summary = "anybody's program, by the protocol of docs/worker.md",
                                                  .list = list,
                                                  .open = open_worker,
                                                  .run = run,
                                                  .describe = describe,
                                                  .close = close_worker,
                                                  .default_flavors = 1u << SB_TORCHAO_0_18_CUDA | 1u << SB_ALIGNED};
