/* Errors as values. Every fallible function returns sb_status; on anything but SB_OK, sb_message() holds one line that
 * names the thing, its value, the limit and the place. The message belongs to the calling thread and lives until its
 * next failure. */
#ifndef SAMEBITS_STATUS_H
#define SAMEBITS_STATUS_H

typedef enum sb_status {
  SB_OK = 0,
  SB_USAGE,       /* an unknown name, a malformed option or case string            (exit 2) */
  SB_INVALID,     /* input of a wrong shape, format, rank or size                  (exit 2) */
  SB_UNSUPPORTED, /* upstream, or the device, refuses it; the message is the reason          */
  SB_FILE,        /* a file is missing, broken, or cannot be written               (exit 3) */
  SB_NO_MEMORY,   /* an allocation failed                                          (exit 3) */
  SB_DEVICE,      /* no such device, or its API reported an error                  (exit 3) */
  SB_REFUSED,     /* the PTX uses what cannot be executed exactly                  (exit 4) */
  SB_INTERNAL     /* our own mistake                                               (exit 3) */
} sb_status;

/* Records the message (printf-style) for this thread and returns `status`, so that `return sb_fail(...)` reads as one
 * step. */
sb_status sb_fail(sb_status status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Puts "<prefix>: " before the recorded message (to add the file or case it concerns) and returns `status`. */
sb_status sb_fail_in(sb_status status, const char *prefix_format, ...) __attribute__((format(printf, 2, 3)));

#ifdef __clang_analyzer__ /* which does not see into their file: what they return is what they were given */
#define sb_fail(status, ...)    ((void)sb_fail(status, __VA_ARGS__), (status))
#define sb_fail_in(status, ...) ((void)sb_fail_in(status, __VA_ARGS__), (status))
#endif

/* The message of this thread's last failure; "" before the first. */
const char *sb_message(void);

#endif
