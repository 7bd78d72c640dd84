/* fault.h: which checks there are, and what they report. */
#ifndef EMU_FAULT_H
#define EMU_FAULT_H
#include "base.h"

typedef enum {
  CHECK_BOUNDS = 1,
  CHECK_ALIGN = 2,
  CHECK_INIT_GLOBAL = 4,
  CHECK_INIT_SHARED = 8,
  CHECK_INIT_LOCAL = 16,
  CHECK_SHARED_RACE = 32,
  CHECK_GLOBAL_RACE = 64,
  CHECK_BARRIER = 128,
  CHECK_LANES = 256,
  CHECK_NC = 512,
  CHECK_LEAK = 1024,
  CHECK_BUDGET = 2048,
  CHECK_ALL = 4095
} Check;
u32 checks_from_text(const char *text);

typedef enum {
  FAULT_NONE,
  FAULT_OUT_OF_BOUNDS,
  FAULT_MISALIGNED,
  FAULT_UNINITIALIZED,
  FAULT_SHARED_RACE,
  FAULT_GLOBAL_RACE,
  FAULT_BARRIER,
  FAULT_LANE,
  FAULT_PARAMETER,
  FAULT_TRAP,
  FAULT_ASSERT,
  FAULT_TIMEOUT,
  FAULT_STACK,
  FAULT_WRITE_TO_INPUT,
  FAULT_NC,
  FAULT_LEAK,
  FAULT_REFUSED,
  FAULT_INTERNAL
} FaultKind;
const char *fault_name(FaultKind k);

typedef struct {
  FaultKind kind;
  char kernel[256], file[256], opcode[96], message[400], allocation[96];
  u32 line, ptx_line;
  u32 block[3], thread[3];
  u64 address, block_index;
  bool has_address;
} Fault;

/* Records a fault for the first lane of `lanes`; the warp stops. Returns i, for handlers to return. */
const Insn *fault_at(Warp *w, const Insn *i, FaultKind kind, u32 lane, bool has_address, u64 address,
                     const char *format, ...) __attribute__((format(printf, 7, 8)));
#endif
