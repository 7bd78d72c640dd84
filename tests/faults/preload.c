/* Makes the Nth call of one kind fail, as a full machine would: SAMEBITS_FAULT=KIND:N. What fired is told in the file
 * SAMEBITS_FAULT_LOG. For LD_PRELOAD; the kinds are those of the table in tests/test_faults.c. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *block, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

static const char *wanted; /* "KIND:", not ended */
static size_t length;
static long left;

__attribute__((constructor)) static void begin(void) {
  const char *fault = getenv("SAMEBITS_FAULT");
  const char *colon = fault ? strchr(fault, ':') : NULL;
  if (!colon) return;
  left = atol(colon + 1);
  length = (size_t)(colon - fault);
  wanted = fault;
}

/* Whether this call of the kind is the one that fails. */
static bool fails(const char *kind, int error) {
  if (!wanted || left <= 0 || strlen(kind) != length || strncmp(kind, wanted, length) != 0) return false;
  if (__atomic_sub_fetch(&left, 1, __ATOMIC_SEQ_CST) != 0) return false;
  const char *path = getenv("SAMEBITS_FAULT_LOG");
  const long file = path ? syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND, 0666) : -1;
  if (file >= 0) {
    if (syscall(SYS_write, file, "fired\n", 6) < 0) errno = 0;
    syscall(SYS_close, file);
  }
  errno = error;
  return true;
}

void *malloc(size_t size) { return fails("malloc", ENOMEM) ? NULL : __libc_malloc(size); }
void *calloc(size_t count, size_t size) { return fails("calloc", ENOMEM) ? NULL : __libc_calloc(count, size); }
void *realloc(void *block, size_t size) { return fails("realloc", ENOMEM) ? NULL : __libc_realloc(block, size); }
void *aligned_alloc(size_t alignment, size_t size) {
  return fails("aligned_alloc", ENOMEM) ? NULL : __libc_memalign(alignment, size);
}
char *strdup(const char *text) {
  const size_t size = strlen(text) + 1;
  char *copy = fails("strdup", ENOMEM) ? NULL : __libc_malloc(size);
  return copy ? memcpy(copy, text, size) : NULL;
}

/* The next definition of a name; dlsym is taken below, so it is asked for by its versions. */
static void *next_of(const char *name) {
  static void *(*real)(void *, const char *);
  static const char *const versions[] = {"GLIBC_2.34", "GLIBC_2.17", "GLIBC_2.2.5"};
  for (int i = 0; i < 3 && !real; i++) {
    void *found = dlvsym(RTLD_NEXT, "dlsym", versions[i]);
    memcpy(&real, &found, sizeof found);
  }
  return real ? real(RTLD_NEXT, name) : NULL;
}

#define NEXT(type, name, ...)                                                                                          \
  static type (*next)(__VA_ARGS__);                                                                                    \
  if (!next) {                                                                                                         \
    void *found = next_of(name);                                                                                       \
    memcpy(&next, &found, sizeof found);                                                                               \
  }

FILE *fopen(const char *path, const char *mode) {
  NEXT(FILE *, "fopen", const char *, const char *)
  return fails("fopen", EMFILE) ? NULL : next(path, mode);
}
int fflush(FILE *file) {
  NEXT(int, "fflush", FILE *)
  return fails("fflush", ENOSPC) ? EOF : next(file);
}
int fclose(FILE *file) {
  NEXT(int, "fclose", FILE *)
  const bool failed = fails("fclose", EIO);
  const int result = next(file);
  if (failed) errno = EIO;
  return failed ? EOF : result;
}
size_t fread(void *data, size_t size, size_t count, FILE *file) {
  NEXT(size_t, "fread", void *, size_t, size_t, FILE *)
  return fails("fread", EIO) ? 0 : next(data, size, count, file);
}
ssize_t getline(char **line, size_t *room, FILE *file) {
  NEXT(ssize_t, "getline", char **, size_t *, FILE *)
  return fails("getline", ENOMEM) ? -1 : next(line, room, file);
}
ssize_t read(int file, void *data, size_t size) {
  if (fails("read", EIO)) return -1;
  if (fails("short-read", 0)) size = size > 1 ? size / 2 : size;
  return syscall(SYS_read, file, data, size);
}
ssize_t write(int file, const void *data, size_t size) {
  if (fails("write", ENOSPC)) return -1;
  if (fails("short-write", 0)) size = size > 1 ? size / 2 : size;
  return syscall(SYS_write, file, data, size);
}
int pipe(int ends[2]) { return fails("pipe", EMFILE) ? -1 : (int)syscall(SYS_pipe2, ends, 0); }
int pipe2(int ends[2], int flags) { return fails("pipe", EMFILE) ? -1 : (int)syscall(SYS_pipe2, ends, flags); }
pid_t fork(void) {
  NEXT(pid_t, "fork", void)
  return fails("fork", EAGAIN) ? -1 : next();
}
int posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
                 const posix_spawnattr_t *attributes, char *const argv[], char *const environment[]) {
  NEXT(int, "posix_spawnp", pid_t *, const char *, const posix_spawn_file_actions_t *, const posix_spawnattr_t *,
       char *const[], char *const[])
  return fails("spawn", EAGAIN) ? EAGAIN : next(pid, file, actions, attributes, argv, environment);
}
void *mmap(void *at, size_t size, int protection, int flags, int file, off_t offset) {
  return fails("mmap", ENOMEM) ? MAP_FAILED : (void *)syscall(SYS_mmap, at, size, protection, flags, file, offset);
}
void *dlopen(const char *path, int flags) {
  NEXT(void *, "dlopen", const char *, int)
  return fails("dlopen", ENOENT) ? NULL : next(path, flags);
}
int rename(const char *from, const char *to) {
  NEXT(int, "rename", const char *, const char *)
  return fails("rename", EXDEV) ? -1 : next(from, to);
}
int mkdir(const char *path, mode_t mode) {
  NEXT(int, "mkdir", const char *, mode_t)
  return fails("mkdir", EACCES) ? -1 : next(path, mode);
}
int truncate(const char *path, off_t size) {
  NEXT(int, "truncate", const char *, off_t)
  return fails("truncate", EIO) ? -1 : next(path, size);
}
int poll(struct pollfd *files, nfds_t count, int timeout) {
  NEXT(int, "poll", struct pollfd *, nfds_t, int)
  return fails("poll", EINTR) ? -1 : next(files, count, timeout);
}
int fsync(int file) { return fails("fsync", EIO) ? -1 : (int)syscall(SYS_fsync, file); }
int fdatasync(int file) { return fails("fsync", EIO) ? -1 : (int)syscall(SYS_fdatasync, file); }
int ftruncate(int file, off_t size) { return fails("truncate", EIO) ? -1 : (int)syscall(SYS_ftruncate, file, size); }
int unlink(const char *path) { return fails("unlink", EACCES) ? -1 : (int)syscall(SYS_unlink, path); }
ssize_t pwrite(int file, const void *data, size_t size, off_t offset) {
  return fails("pwrite", ENOSPC) ? -1 : syscall(SYS_pwrite64, file, data, size, offset);
}
ssize_t pwrite64(int file, const void *data, size_t size, off_t offset) {
  return fails("pwrite", ENOSPC) ? -1 : syscall(SYS_pwrite64, file, data, size, offset);
}
ssize_t pread64(int file, void *data, size_t size, off_t offset) {
  return fails("pread", EIO) ? -1 : syscall(SYS_pread64, file, data, size, offset);
}

/* Of a driver, whose functions the program finds by name: a launch that fails, memory that is not there, a copy. */
static int (*real_launch)(void *, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, void *, void **,
                          void **);
static int launch(void *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                  unsigned shared, void *stream, void **params, void **extra) {
  if (fails("launch", 0)) return 719; /* CUDA_ERROR_LAUNCH_FAILED */
  return real_launch(function, gx, gy, gz, bx, by, bz, shared, stream, params, extra);
}
static int (*real_alloc)(unsigned long *, size_t);
static int device_alloc(unsigned long *pointer, size_t size) {
  return fails("device-alloc", 0) ? 2 : real_alloc(pointer, size); /* CUDA_ERROR_OUT_OF_MEMORY */
}
static int (*real_copy)(void *, unsigned long, size_t);
static int device_copy(void *to, unsigned long from, size_t size) {
  return fails("device-copy", 0) ? 700 : real_copy(to, from, size); /* CUDA_ERROR_ILLEGAL_ADDRESS */
}
void *dlsym(void *library, const char *name) {
  static const struct {
    const char *name;
    void *real, *ours;
  } taken[] = {{"cuLaunchKernel", &real_launch, launch},
               {"cuMemAlloc_v2", &real_alloc, device_alloc},
               {"cuMemcpyDtoH_v2", &real_copy, device_copy}};
  NEXT(void *, "dlsym", void *, const char *)
  void *found = next(library, name);
  for (size_t i = 0; found && i < sizeof taken / sizeof *taken; i++) {
    if (strcmp(taken[i].name, name) != 0) continue;
    memcpy(taken[i].real, &found, sizeof found);
    return taken[i].ours;
  }
  return found;
}
