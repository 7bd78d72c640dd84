/* Assembles PTX twice, as it is and with what asks for an fma, an approximation or a flush replaced, and counts. */
#include "samebits/audit.h"
#include "conformance/kernel/audit_sass.h"
#include "samebits/kernel.h"

#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* Runs a program with what it prints in `log`; its exit code, 127 where there is none. */
static int run_into(const char *const argv[], const char *log) {
  posix_spawn_file_actions_t actions;
  pid_t child;
  int state = -1;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
  const int failed = posix_spawnp(&child, argv[0], &actions, NULL, (char *const *)(uintptr_t)argv, environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed) return 127;
  while (waitpid(child, &state, 0) < 0) {
  }
  return WIFEXITED(state) ? WEXITSTATUS(state) : -1;
}

/* What a log begins with, on one line. */
static void first_words(const char *path, char words[160]) {
  FILE *f = fopen(path, "r");
  size_t n = f ? fread(words, 1, 159, f) : 0;
  words[n] = 0;
  for (size_t k = 0; k < n; k++)
    if (words[k] == '\n') words[k] = ' ';
  if (f) (void)fclose(f);
}

/* Runs the first of the places where `tool` may be: $variable, PATH, the toolkit, the folders that ci/nvcc and
 * ci/nvdisasm install into beside the program. */
static sb_status run_tool(const char *tool, const char *variable, const char *const rest[], const char *log) {
  char program[PATH_MAX] = "", beside[3][PATH_MAX + 64];
  const ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
  program[n > 0 ? n : 0] = 0;
  char *slash = strrchr(program, '/');
  if (slash) *slash = 0;
  snprintf(beside[0], sizeof beside[0], "%s/toolkit/nvidia/cu13/bin/%s", program, tool);
  snprintf(beside[1], sizeof beside[1], "%s/nvdisasm/nvidia/cu13/bin/%s", program, tool);
  snprintf(beside[2], sizeof beside[2], "/usr/local/cuda/bin/%s", tool);
  const char *own = getenv(variable);
  const char *places[] = {tool, beside[0], beside[1], beside[2]};
  for (int k = own ? -1 : 0; k < 4; k++) {
    const char *argv[16] = {k < 0 ? own : places[k]};
    for (int a = 0; rest[a] && a < 14; a++) argv[a + 1] = rest[a];
    const int code = run_into(argv, log);
    char words[160];
    if (code == 0) return SB_OK;
    if (code == 127 && k >= 0) continue;
    first_words(log, words);
    return sb_fail(SB_FILE, "%s failed with exit code %d: %s", argv[0], code, words);
  }
  return sb_fail(SB_FILE,
                 "%s is not installed (the CUDA toolkit has it, or the Python packages nvidia-cuda-nvcc and "
                 "nvidia-cuda-nvdisasm); %s can name it",
                 tool, variable);
}

/* The folder of one audit. */
typedef struct place {
  char folder[32], ptx[64], cubin[64], log[64], sass[64];
} place;

static sb_status make_place(place *p) {
  snprintf(p->folder, sizeof p->folder, "/tmp/samebits-audit-XXXXXX");
  if (!mkdtemp(p->folder)) return sb_fail(SB_FILE, "no temporary folder can be made");
  snprintf(p->ptx, sizeof p->ptx, "%s/k.ptx", p->folder);
  snprintf(p->cubin, sizeof p->cubin, "%s/k.cubin", p->folder);
  snprintf(p->log, sizeof p->log, "%s/log", p->folder);
  snprintf(p->sass, sizeof p->sass, "%s/sass", p->folder);
  return SB_OK;
}
static void remove_place(place *p) {
  (void)unlink(p->ptx), (void)unlink(p->cubin), (void)unlink(p->log), (void)unlink(p->sass);
  (void)rmdir(p->folder);
}

static sb_audit_kernel *kernel_named(sb_audit *audit, const char *name, bool add) {
  for (int k = 0; k < audit->count; k++)
    if (!strcmp(audit->kernels[k].name, name)) return &audit->kernels[k];
  if (!add) return NULL;
  sb_audit_kernel *grown = realloc(audit->kernels, ((size_t)audit->count + 1) * sizeof *grown);
  if (!grown) return NULL;
  audit->kernels = grown;
  sb_audit_kernel *kernel = &grown[audit->count];
  *kernel = (sb_audit_kernel){.name = strdup(name)};
  if (!kernel->name) return NULL;
  audit->count++;
  return kernel;
}

/* Where a scan puts its counts. */
typedef struct counts {
  sb_audit *audit;
  bool unasked, failed;
} counts;

static void count(void *context, const char *function, sb_audit_class kind, const char *instruction, const char *line) {
  counts *c = context;
  sb_audit_kernel *kernel = kernel_named(c->audit, function, true);
  if (!kernel) c->failed = true;
  if (!kernel || kind == SB_AUDIT_CLASSES) return;
  if (!c->unasked)
    kernel->total[kind]++;
  else {
    kernel->unasked[kind]++;
    if (kernel->example_count == SB_AUDIT_EXAMPLES) return;
    char text[768];
    snprintf(text, sizeof text, "%s%s%s", instruction, *line ? " at " : "", line);
    kernel->examples[kernel->example_count] = strdup(text);
    kernel->example_count += kernel->examples[kernel->example_count] != NULL;
  }
}

static sb_status disassemble(const place *p, const char *cubin, bool lines, counts *c) {
  char *sass = NULL;
  size_t size = 0;
  const char *rest[] = {lines ? "-g" : "-c", cubin, NULL};
  sb_status status = run_tool("nvdisasm", "SAMEBITS_NVDISASM", rest, p->sass);
  if (status == SB_OK) status = sb_kernel_read(p->sass, 0, &sass, &size);
  if (status) return status;
  sb_sass_scan(sass, count, c);
  free(sass);
  return c->failed ? sb_fail(SB_NO_MEMORY, "out of memory") : SB_OK;
}

static sb_status assemble(const place *p, const char *text, size_t size, const char *arch) {
  char option[32];
  snprintf(option, sizeof option, "-arch=%s", arch);
  FILE *f = fopen(p->ptx, "wb");
  const bool written = f && fwrite(text, 1, size, f) == size;
  if ((f && fclose(f)) || !written) return sb_fail(SB_FILE, "%s: cannot be written", p->ptx);
  const char *rest[] = {"-v", "-lineinfo", option, "-o", p->cubin, p->ptx, NULL};
  return run_tool("ptxas", "SAMEBITS_PTXAS", rest, p->log);
}

/* What ptxas -v said of each function. */
static sb_status read_figures(const place *p, sb_audit *audit) {
  char *text = NULL, *save = NULL;
  size_t size = 0;
  sb_status status = sb_kernel_read(p->log, 0, &text, &size);
  if (status) return status;
  sb_audit_kernel *kernel = NULL;
  for (char *at = strtok_r(text, "\n", &save); at; at = strtok_r(NULL, "\n", &save)) {
    char name[2048];
    const char *figure = strstr(at, "bytes stack frame, ");
    if (sscanf(at, "ptxas info : Compiling entry function '%2047[^']'", name) == 1 &&
        (kernel = kernel_named(audit, name, true)))
      kernel->entry = true;
    else if (sscanf(at, "ptxas info : Function properties for %2047s", name) == 1)
      kernel = kernel_named(audit, name, true);
    else if (figure && kernel)
      (void)sscanf(figure, "bytes stack frame, %d bytes spill stores, %d bytes spill loads", &kernel->spill_stores,
                   &kernel->spill_loads);
    else if ((figure = strstr(at, "Used ")) && kernel)
      (void)sscanf(figure, "Used %d registers", &kernel->registers);
  }
  free(text);
  return SB_OK;
}

static sb_status read_version(const place *p, sb_audit *audit) {
  const char *rest[] = {"--version", NULL};
  char *text = NULL, version[32] = "?";
  size_t size = 0;
  sb_status status = run_tool("ptxas", "SAMEBITS_PTXAS", rest, p->log);
  if (status == SB_OK) status = sb_kernel_read(p->log, 0, &text, &size);
  if (status) return status;
  const char *at = strstr(text, ", V");
  if (at) (void)sscanf(at, ", V%31[0-9.]", version);
  free(text);
  audit->ptxas = strdup(version);
  return audit->ptxas ? SB_OK : sb_fail(SB_NO_MEMORY, "out of memory");
}

/* The target of the PTX. */
static sb_status target_of(const char *path, const char *text, char arch[16]) {
  const char *at = strstr(text, ".target");
  if (!at || sscanf(at, ".target %15[a-z0-9_]", arch) != 1)
    return sb_fail(SB_FILE, "%s: no .target in it: not PTX", path);
  return SB_OK;
}

static bool ends_with(const char *text, const char *end) {
  const size_t n = strlen(text), m = strlen(end);
  return n > m && !strcmp(text + n - m, end);
}

static sb_status audit_ptx(const place *p, const char *path, const char *arch, bool quick, sb_audit *audit) {
  char *text = NULL, *replaced = NULL, target[16];
  size_t size = 0;
  const bool source = ends_with(path, ".cu");
  int sm = 90;
  if (arch && sscanf(arch, "sm_%d", &sm) != 1) return sb_fail(SB_USAGE, "--arch '%s': expected sm_XX", arch);
  sb_status status = sb_kernel_read(path, sm, &text, &size);
  if (status == SB_OK && (!arch || source)) {
    status = target_of(path, text, target);
    if (!arch) arch = target;
  }
  if (status == SB_OK) status = sb_audit_replace(text, size, &replaced);
  if (status == SB_OK && !quick) status = assemble(p, text, size, arch);
  if (status == SB_OK && !quick) status = read_figures(p, audit);
  if (status == SB_OK && !quick) status = disassemble(p, p->cubin, false, &(counts){audit, false, false});
  if (status == SB_OK) status = assemble(p, replaced, strlen(replaced), arch);
  if (status == SB_OK && quick) status = read_figures(p, audit);
  if (status == SB_OK) status = disassemble(p, p->cubin, !quick, &(counts){audit, true, false});
  for (int k = 0; k < audit->count && status == SB_OK; k++) {
    sb_audit_kernel *kernel = &audit->kernels[k];
    if (sb_audit_asked(text, size, kernel->name, kernel->ptx) && kernel->entry) status = SB_FILE;
  }
  audit->compared = true, audit->quick = quick;
  free(replaced), free(text);
  return status;
}

sb_status sb_audit_run(const char *path, const char *arch, bool quick, sb_audit *audit) {
  place p;
  *audit = (sb_audit){0};
  if (access(path, R_OK)) return sb_fail(SB_FILE, "%s: cannot be read", path);
  sb_status status = make_place(&p);
  if (status) return status;
  if (ends_with(path, ".cubin"))
    status = disassemble(&p, path, false, &(counts){audit, false, false});
  else {
    status = read_version(&p, audit);
    if (status == SB_OK) status = audit_ptx(&p, path, arch, quick, audit);
  }
  if (status == SB_OK && audit->count == 0) status = sb_fail(SB_FILE, "%s: no kernel in it", path);
  remove_place(&p);
  if (status) sb_audit_free(audit);
  return status;
}

void sb_audit_free(sb_audit *audit) {
  for (int k = 0; k < audit->count; k++) {
    for (int e = 0; e < audit->kernels[k].example_count; e++) free(audit->kernels[k].examples[e]);
    free(audit->kernels[k].name);
  }
  free(audit->kernels), free(audit->ptxas);
  *audit = (sb_audit){0};
}
