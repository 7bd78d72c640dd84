/* What ptxas makes of PTX: `samebits kernel audit`. */
#ifndef SAMEBITS_AUDIT_H
#define SAMEBITS_AUDIT_H

#include "samebits/status.h"

#include <stdbool.h>
#include <stddef.h>

/* What is looked for in the machine code. */
typedef enum sb_audit_class {
  SB_AUDIT_FMA,    /* FFMA, HFMA2, DFMA that round a product and a sum once: a factor 1, -1, 0 or an addend 0 does not
                      count */
  SB_AUDIT_APPROX, /* MUFU: reciprocal, root and the other approximations */
  SB_AUDIT_FLUSH,  /* .FTZ: subnormals become zero */
  SB_AUDIT_CLASSES
} sb_audit_class;

enum { SB_AUDIT_EXAMPLES = 4 };

/* One function of the machine code. `total` counts its instructions; `ptx` the instructions of its PTX that ask for the
 * class by themselves (fma; approx and full; ftz); `unasked` what stays in the machine code when every instruction of
 * the PTX that may be expanded to the class is replaced by integer logic. */
typedef struct sb_audit_kernel {
  char *name;
  bool entry; /* else a function that is called */
  int registers, spill_stores, spill_loads;
  int total[SB_AUDIT_CLASSES], ptx[SB_AUDIT_CLASSES], unasked[SB_AUDIT_CLASSES];
  char *examples[SB_AUDIT_EXAMPLES]; /* unasked instructions, with the line of the source where it is known */
  int example_count;
} sb_audit_kernel;

typedef struct sb_audit {
  char *ptxas;   /* its version */
  bool quick;    /* of the replaced text only */
  bool compared; /* false for a .cubin: `ptx` and `unasked` are not known */
  sb_audit_kernel *kernels;
  int count;
} sb_audit;

/* Assembles `path` (.ptx; .cu, which is compiled first; .cubin as it is) for sm_<sm><suffix> and reads the machine
 * code. `arch` is "sm_90" or "sm_90a"; NULL takes the target of the PTX (of a .cu file sm_90). SB_FILE: no ptxas, no
 * disassembler, or one of them failed; SB_REFUSED: an instruction that cannot be told apart. */
sb_status sb_audit_run(const char *path, const char *arch, bool quick, sb_audit *audit);
void sb_audit_free(sb_audit *audit);

/* The PTX text with each instruction that asks for a class, or is expanded into it (div, rem, rcp, sqrt, rsqrt, fma,
 * the approximations), replaced by integer logic on the same registers, and without .ftz; freed by free(). `ptx`
 * receives what the text asks for by itself in the function `name` (NULL: in all). */
sb_status sb_audit_replace(const char *text, size_t size, char **replaced);
sb_status sb_audit_asked(const char *text, size_t size, const char *name, int ptx[SB_AUDIT_CLASSES]);

#endif
