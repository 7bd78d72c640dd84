/* Reading runs: the JSON lines that check and bench write (samebits/run.h). */
#ifndef SAMEBITS_RUN_FILE_H
#define SAMEBITS_RUN_FILE_H

#include "samebits/case.h"
#include <stddef.h>

struct json_t; /* jansson's */

/* One device of a run: its header line. */
typedef struct sb_run_header {
  const char *device;          /* "ref", "emu:sm_90" */
  const char *git, *time;      /* "" where absent */
  const struct json_t *record; /* the device record, NULL where absent */
  struct json_t *line;
} sb_run_header;

/* A tensor of a case: what check compared, and the digest of what was got ("prepare.codes": of step both, prepare's).
 */
typedef struct sb_run_tensor {
  const char *name, *digest; /* digest "" where there is none */
  int64_t different;         /* -1: not compared */
} sb_run_tensor;

typedef struct sb_run_counter {
  const char *name;
  int64_t value;
} sb_run_counter;

enum { SB_RUN_TENSORS = 16 };

/* A line of type case or bench. Text belongs to the file; "" where the line has none. */
typedef struct sb_run_entry {
  bool bench;
  const char *text;   /* the canonical case, ?device= included; of a bench's baseline "copy/BYTES" */
  const char *device; /* of the header before it, or of the text */
  const char *as;     /* the text, or what the device took in its place */
  char *key;          /* the text without ?device= */
  sb_case_status status;
  const char *reason, *repro, *not_compared;
  char *mechanisms; /* joined by commas */
  int64_t elements;
  int tensor_count;
  sb_run_tensor tensors[SB_RUN_TENSORS];
  double seconds; /* check: of the case; bench: the median of a call */
  /* bench only */
  int sample_count;
  double *samples;         /* seconds a call, all positive */
  double bytes_per_second; /* 0: not known */
  double roofline;         /* bytes a second of the yardstick in the same run: 0 not known */
  bool predicted;          /* not measured: computed from counters */
  int counter_count;
  sb_run_counter *counters; /* exact counts, by name */
  struct json_t *line;
} sb_run_entry;

typedef struct sb_run_file {
  char *path;
  int header_count, entry_count;
  sb_run_header *headers;
  sb_run_entry *entries;
  int problem_count;
  const char **problems; /* of the summary: rows and cells that made the run fail */
  bool complete;         /* it has its summary */
  bool cut_short;        /* its last line is not whole */
  int exit_code;         /* of the summary; -1 */
  size_t whole;          /* bytes of whole lines: where a resumed run goes on */
  struct json_t *summary;
} sb_run_file;

/* Reads a run. SB_FILE names the line that is no line of a run; only the last may be incomplete (a run that was
 * killed), and then it does not count. `*file` is NULL on failure. */
sb_status sb_run_file_open(const char *path, sb_run_file **file);
void sb_run_file_close(sb_run_file *file); /* NULL is allowed */

/* The entry of that kind and text (of several the last: a resumed run), or NULL. */
const sb_run_entry *sb_run_file_find(const sb_run_file *file, bool bench, const char *text);

/* The value of an entry of a device record, or "". */
const char *sb_run_record(const sb_run_header *header, const char *key);

/* Whether the device is as the header's record has it, but for threads, cores and instruction set, which change no bit.
 * SB_USAGE names what differs. */
struct sb_device;
sb_status sb_run_same_record(const sb_run_header *header, const struct sb_device *device);

/* Whether the header's selection is this one, the input's bits included. SB_USAGE says what it was. */
struct sb_selection;
sb_status sb_run_same_selection(const sb_run_header *header, const struct sb_selection *selection, bool whole);

/* The header of a device, or NULL. */
const sb_run_header *sb_run_file_header(const sb_run_file *file, const char *device);

/* The digest of a tensor of an entry, or "". */
const char *sb_run_digest(const sb_run_entry *entry, const char *tensor);

#endif
