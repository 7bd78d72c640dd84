/* A failed case as a file that another machine can explain: a golden file of what was got. Of `both` it holds convert's
 * tensors under the step prepare: what was got where prepare was expected. */
#include "samebits/run.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

static void say(void *context, const char *key, const char *value) {
  char name[128];
  snprintf(name, sizeof name, "device.%s", key);
  sb_safetensors_put_metadata(context, name, value);
}

static sb_status put_metadata(sb_safetensors_writer *writer, const sb_case *c, const sb_result *result,
                              const sb_device *device) {
  char text[SB_CASE_TEXT], group[32], seed[32];
  const sb_spec *spec = &c->spec;
  snprintf(group, sizeof group, "%" PRId64, spec->group_size);
  snprintf(seed, sizeof seed, "%" PRIu64, c->seed);
  const char *pairs[][2] = {{"samebits.golden", "1"},
                            {"recipe", spec->recipe->name},
                            {"side", sb_side_names[spec->path->side]},
                            {"step", sb_step_names[spec->step == SB_BOTH ? SB_PREPARE : spec->step]},
                            {"flavor", sb_flavor_names[spec->path->flavor]},
                            {"dtype", sb_format_of(spec->dtype)->name},
                            {"group_size", group},
                            {"seed", seed},
                            {"upstream", "samebits " SAMEBITS_VERSION},
                            {"case", sb_case_print(c, text)},
                            {"status", sb_case_status_names[result->status]},
                            {"reason", result->reason},
                            {"device", device->name}};
  sb_status status = SB_OK;
  for (size_t i = 0; i < sizeof pairs / sizeof *pairs && !status; i++)
    status = sb_safetensors_put_metadata(writer, pairs[i][0], pairs[i][1]);
  if (!status && *spec->path->variant) status = sb_safetensors_put_metadata(writer, "variant", spec->path->variant);
  if (!status) device->family->describe(device, say, writer);
  return status;
}

void sb_failure_name(char *text) {
  enum { MOST = 200 }; /* with .safetensors and the name that it is written under at first, a file's name */
  const size_t length = strlen(text);
  const unsigned long long hash = XXH3_64bits(text, length);
  for (char *at = text; *at; at++)
    if (*at == '/' || *at == ':' || *at == '?' || *at == '=' || *at == ' ' || *at == '\'' || *at == '"') *at = '_';
  if (length > MOST) snprintf(text + MOST - 17, 18, "-%016llx", hash);
}

sb_status sb_failures_make(const char *folder) {
  if (mkdir(folder, 0777) != 0 && errno != EEXIST)
    return sb_fail(SB_FILE, "%s: cannot make the folder: %s", folder, strerror(errno));
  return sb_failures_open(folder, W_OK);
}

sb_status sb_failures_open(const char *folder, int how) {
  struct stat what;
  if (stat(folder, &what) == 0 && !S_ISDIR(what.st_mode))
    errno = ENOTDIR;
  else if (access(folder, how | R_OK | X_OK) == 0)
    return SB_OK;
  return sb_fail(SB_FILE, "%s: cannot open the folder of failures: %s", folder, strerror(errno));
}

sb_status sb_save_failure(const char *folder, const sb_case *c, const sb_result *result, const sb_device *device) {
  char path[4096], text[SB_CASE_TEXT], name[64];
  if (!result->kept) return SB_OK; /* refused before there was anything to keep */
  const sb_status made = sb_failures_make(folder);
  if (made) return made;
  sb_case_print(c, text);
  sb_failure_name(text);
  snprintf(path, sizeof path, "%s/%s.safetensors", folder, text);
  sb_safetensors_writer *writer;
  sb_status status = sb_safetensors_writer_new(&writer);
  if (!status) status = put_metadata(writer, c, result, device);
  if (!status) status = sb_safetensors_put(writer, "case.x", &result->x);
  for (int slot = 0; slot < SB_SLOTS && !status; slot++) {
    snprintf(name, sizeof name, "expected.%s", sb_slot_names[slot]);
    if (slot != SB_X && result->expected[slot].data) status = sb_safetensors_put(writer, name, &result->expected[slot]);
    snprintf(name, sizeof name, "case.%s", sb_slot_names[slot]);
    const sb_tensor *kept = result->got[slot].data ? &result->got[slot] : &result->in[slot];
    if (!status && slot != SB_X && kept->data) status = sb_safetensors_put(writer, name, kept);
  }
  if (!status) status = sb_safetensors_write(writer, path);
  sb_safetensors_writer_free(writer);
  return status;
}
