/* Any bytes as PTX: a module or one line of error, without harm. */
#include "cuda/emulator/parse.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char message[256];
  Module *module = module_parse((const char *)data, size, message, sizeof message);
  if (!module && !message[0]) abort();
  module_free(module);
  return 0;
}
