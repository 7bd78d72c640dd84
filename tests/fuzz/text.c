/* Any text as a case string, as rows of expectations, and as a shape: an error or a value; a case's canonical text is a
 * fixed point. */
#include "samebits/case.h"
#include "samebits/expect.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char *text = malloc(size + 1), once[SB_CASE_TEXT], twice[SB_CASE_TEXT];
  sb_case c, again;
  sb_expectations expectations;
  int64_t rows, cols;
  if (!text) return 0;
  if (size) memcpy(text, data, size);
  text[size] = 0;
  if (!sb_case_parse(text, &c)) {
    sb_case_print(&c, once);
    if (sb_case_parse(once, &again)) abort();
    if (strcmp(once, sb_case_print(&again, twice)) != 0) abort();
  }
  if (!sb_expectations_parse("fuzz", text, &expectations)) sb_expectations_free(&expectations);
  if (!sb_shape_parse(text, &rows, &cols) && (rows < 0 || cols < 0)) abort();
  free(text);
  return 0;
}
