/* Any bytes as a safetensors file of flattened subclasses: a model or an error. */
#include "tests/fuzz/model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  sb_model *model;
  if (size >= 2 && data[0] == 'P' && data[1] == 'K') return 0;
  if (sb_model_parse("fuzz", data, size, NULL, &model) == SB_OK) look_at(model);
  return 0;
}
