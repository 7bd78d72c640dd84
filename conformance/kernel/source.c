/* PTX from a file, from nvcc, and the entries in it. */
#include "samebits/kernel.h"

#include <ctype.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
extern char *__cxa_demangle(const char *name, char *buffer, size_t *size, int *status);

static sb_status read_file(const char *path, char **text, size_t *size) {
  struct stat info;
  FILE *f = fopen(path, "rb");
  if (!f) return sb_fail(SB_FILE, "%s: cannot be opened", path);
  sb_status status = SB_OK;
  *text = NULL;
  if (fstat(fileno(f), &info) || !S_ISREG(info.st_mode))
    status = sb_fail(SB_FILE, "%s: not a regular file", path);
  else if (info.st_size > 1 << 30)
    status = sb_fail(SB_FILE, "%s: larger than 1 GiB", path);
  else if (!(*text = calloc(1, (size_t)info.st_size + 8)))
    status = sb_fail(SB_NO_MEMORY, "%s: out of memory", path);
  else if (fread(*text, 1, (size_t)info.st_size, f) != (size_t)info.st_size)
    status = sb_fail(SB_FILE, "%s: cannot be read", path);
  else
    *size = (size_t)info.st_size;
  (void)fclose(f);
  if (status) free(*text), *text = NULL;
  return status;
}

static int run_nvcc(const char *nvcc, const char *path, int sm, const char *out) {
  char arch[24];
  (void)snprintf(arch, sizeof arch, "-arch=sm_%d", sm);
  const char *argv[] = {nvcc, "-ptx", "-fmad=false", "-lineinfo", arch, "-o", out, path, NULL};
  posix_spawn_file_actions_t actions;
  pid_t child;
  int state = -1;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, 2, 1); /* nvcc's words are no result of ours */
  int failed = posix_spawnp(&child, nvcc, &actions, NULL, (char *const *)(uintptr_t)argv, environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed) return -1;
  while (waitpid(child, &state, 0) < 0) {
  }
  return WIFEXITED(state) ? WEXITSTATUS(state) : -1;
}

static sb_status compile(const char *path, int sm, char **text, size_t *size) {
  char out[] = "/tmp/samebits-XXXXXX.ptx";
  int fd = mkstemps(out, 4);
  if (fd < 0) return sb_fail(SB_FILE, "%s: no temporary file can be made", path);
  (void)close(fd);
  int code = run_nvcc("nvcc", path, sm, out);
  if (code == 127 || code == -1) code = run_nvcc("/usr/local/cuda/bin/nvcc", path, sm, out);
  sb_status status = code == 127 || code == -1 ? sb_fail(SB_FILE, "%s: nvcc is not installed", path)
                     : code                    ? sb_fail(SB_FILE, "%s: nvcc failed with exit code %d", path, code)
                                               : read_file(out, text, size);
  (void)unlink(out);
  return status;
}

sb_status sb_kernel_read(const char *path, int sm, char **text, size_t *size) {
  size_t n = strlen(path);
  *text = NULL;
  if (n > 3 && !strcmp(path + n - 3, ".cu"))
    return access(path, R_OK) ? sb_fail(SB_FILE, "%s: cannot be read", path) : compile(path, sm, text, size);
  return read_file(path, text, size);
}

/* The next name behind `.entry`, comments skipped. */
static const char *next_entry(const char *at, const char *end, char *name, size_t size) {
  while (at < end) {
    if (at[0] == '/' && end - at > 1 && at[1] == '/') {
      while (at < end && *at != '\n') at++;
    } else if (at[0] == '/' && end - at > 1 && at[1] == '*') {
      for (at += 2; at + 1 < end && !(at[0] == '*' && at[1] == '/');) at++;
      at += 2;
    } else if (*at == '.' && end - at > 7 && !memcmp(at, ".entry", 6) && isspace((unsigned char)at[6])) {
      for (at += 6; at < end && isspace((unsigned char)*at);) at++;
      size_t n = 0;
      while (at + n < end && (isalnum((unsigned char)at[n]) || strchr("_$%.", at[n]))) n++;
      if (n == 0 || n >= size) return NULL;
      memcpy(name, at, n);
      name[n] = 0;
      return at + n;
    } else
      at++;
  }
  return NULL;
}

sb_status sb_kernel_entry(const char *text, size_t size, const char *part, char *name, size_t name_size) {
  char found[2048], list[512] = "";
  int matches = 0, all = 0;
  const char *end = text + size;
  for (const char *at = text; (at = next_entry(at, end, found, sizeof found));) {
    int failed = 0;
    all++;
    char *readable = __cxa_demangle(found, NULL, NULL, &failed);
    bool exact = !strcmp(found, part) || (readable && !strcmp(readable, part));
    bool match = exact || strstr(found, part) || (readable && strstr(readable, part));
    size_t used = strlen(list);
    if (match)
      (void)snprintf(list + used, sizeof list - used, "%s%.200s", used ? ", " : "", readable ? readable : found);
    free(readable);
    if (!match) continue;
    if (strlen(found) >= name_size) return sb_fail(SB_USAGE, "entry '%.60s...': the name is too long", found);
    memcpy(name, found, strlen(found) + 1);
    if (exact) return SB_OK;
    matches++;
  }
  if (matches == 1) return SB_OK;
  if (matches) return sb_fail(SB_USAGE, "entry '%s': %d entries match: %s", part, matches, list);
  return sb_fail(SB_USAGE, "entry '%s': none of the %d entries matches", part, all);
}
