/* samebits kernel extract: the PTX that a library carries. */
#include "cli/command.h"
#include "cli/kernel/kernel.h"
#include "samebits/fatbin.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

typedef struct options {
  const char *file, *output, *entry;
} options;

static error_t parse(int key, char *word, struct argp_state *state) {
  options *o = state->input;
  if (key == 'o')
    o->output = word;
  else if (key == 'e')
    o->entry = word;
  else if (key == ARGP_KEY_ARG && !o->file)
    o->file = word;
  else if (key == ARGP_KEY_ARG)
    return sb_argp_error(sb_fail(SB_USAGE, "more than one file: '%s'", word));
  else
    return ARGP_ERR_UNKNOWN;
  return 0;
}

static sb_status write_text(const char *path, const sb_fatbin_ptx *ptx) {
  FILE *f = fopen(path, "wb");
  const bool written = f && fwrite(ptx->text, 1, ptx->size, f) == ptx->size;
  if ((f && fclose(f)) || !written) return sb_fail(SB_FILE, "%s: cannot be written", path);
  return SB_OK;
}

/* How many entries a text has. */
static int entries(const char *text) {
  int count = 0;
  for (const char *at = text; (at = strstr(at, ".entry ")); at++) count++;
  return count;
}

int sb_cli_kernel_extract(int argc, char **argv) {
  static const struct argp_option table[] = {
      {"output", 'o', "FOLDER", 0, "where the texts go, as NAME.N.sm_XX.ptx (default: they are only listed)", 0},
      {"entry", 'e', "NAME", 0, "only the text with this entry (its mangled name), and of it only what the entry needs",
       0},
      {0}};
  static const struct argp argp = {
      table, parse, "LIB.so|FILE.fatbin", "Takes the PTX out of a library that was built with nvcc.", NULL, NULL, NULL};
  options *o = &(options){0};
  int code = sb_parse_options(&argp, argc, argv, o);
  if (code) return code;
  if (!o->file) return sb_report(argv[0], sb_fail(SB_USAGE, "no file is given"));
  sb_fatbin fatbin;
  sb_status status = sb_fatbin_read(o->file, &fatbin);
  if (status) return sb_report(argv[0], status);
  if (o->output && mkdir(o->output, 0777) && errno != EEXIST)
    status = sb_fail(SB_FILE, "%s: cannot be made", o->output);
  const char *slash = strrchr(o->file, '/'), *name = slash ? slash + 1 : o->file;
  int taken = 0;
  for (int k = 0; k < fatbin.count && status == SB_OK; k++) {
    sb_fatbin_ptx *ptx = &fatbin.ptx[k];
    char *single = NULL;
    if (o->entry && sb_kernel_single(ptx->text, ptx->size, o->entry, &single)) continue;
    if (single) free(ptx->text), ptx->text = single, ptx->size = strlen(single);
    taken++;
    char path[PATH_MAX], room[SB_VISIBLE];
    snprintf(path, sizeof path, "%s%s%.*s.%d.sm_%d.ptx", o->output ? o->output : "", o->output ? "/" : "",
             (int)strcspn(name, "."), name, k + 1, ptx->sm);
    if (o->output) status = write_text(path, ptx);
    if (status == SB_OK)
      printf("%s: sm_%d, %d entries, %zu bytes\n", sb_visible(path, room), ptx->sm, entries(ptx->text), ptx->size);
  }
  sb_fatbin_free(&fatbin);
  if (status == SB_OK && !taken) status = sb_fail(SB_USAGE, "%s: no entry '%s'", o->file, o->entry);
  return status ? sb_report(argv[0], status) : SB_EXIT_OK;
}
