/* Machine code as the disassembler prints it. */
#ifndef SAMEBITS_KERNEL_AUDIT_SASS_H
#define SAMEBITS_KERNEL_AUDIT_SASS_H

#include "samebits/audit.h"

/* Counts what belongs to each class, function by function, and gives it to `found` with the instruction's text and the
 * source line that the disassembler named last ("" where it named none). A function is given once with class
 * SB_AUDIT_CLASSES before its instructions. */
typedef void sb_sass_found(void *context, const char *function, sb_audit_class kind, const char *instruction,
                           const char *line);
void sb_sass_scan(char *text, sb_sass_found *found, void *context);

#endif
