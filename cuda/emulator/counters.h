/* counters.h: what a launch counts. All are exact sums over threads, the same on every run. */
#ifndef EMU_COUNTERS_H
#define EMU_COUNTERS_H
#include "emu.h"

typedef enum {
  CLASS_INTEGER,
  CLASS_F32,
  CLASS_F64,
  CLASS_F16,
  CLASS_CONVERT,
  CLASS_MOVE,
  CLASS_GLOBAL,
  CLASS_SHARED,
  CLASS_LOCAL,
  CLASS_PARAM,
  CLASS_ATOMIC,
  CLASS_WARP,
  CLASS_BARRIER,
  CLASS_CONTROL,
  CLASS_COUNT
} InsnClass;
InsnClass class_of(const char *opcode);
const char *class_name(InsnClass c);

typedef struct {
  u64 requests, bytes, sectors;
} Traffic;
typedef struct Counters {
  u64 warp_insns, thread_insns, warp[CLASS_COUNT], thread[CLASS_COUNT], branches, divergent, barriers;
  Traffic load, store, atomic;
  u64 shared_requests, shared_bytes, shared_wavefronts, shared_ideal;
} Counters;

/* Adds a worker's counts to the launch's; the launch is locked. */
void counters_add(Launch *l, Block *b);
/* The counts as a JSON object. */
void counters_json(const Launch *l, const Counters *c, char *out, size_t size);
/* Forgets which bytes were touched. */
void counters_reset_memory(void);
#endif
