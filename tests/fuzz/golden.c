/* Any bytes as a golden file: an error, or a file whose every case is computed and compared without harm. */
#include "samebits/golden.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  sb_safetensors *file;
  sb_golden golden;
  sb_golden_counts counts = {0};
  if (sb_safetensors_parse("fuzz", data, size, &file) || sb_golden_adopt(file, &golden)) return 0;
  sb_status status = sb_golden_verify(&golden, NULL, NULL, &counts, NULL, NULL);
  if (!status && counts.cases != golden.count) abort();
  sb_golden_close(&golden);
  return 0;
}
