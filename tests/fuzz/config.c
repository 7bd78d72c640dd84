/* Any text as config.json, beside a small float model: a report or an error. */
#include "conformance/models/config.h"
#include "tests/fuzz/model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const char header[] = "{\"a.up_proj.weight\":{\"dtype\":\"BF16\",\"shape\":[1,2],\"data_offsets\":[0,4]}}  ";
  char file[8 + sizeof header - 1 + 4] = {(char)(sizeof header - 1)};
  memcpy(file + 8, header, sizeof header - 1);
  json_t *config;
  sb_model *model;
  if (sb_json_parse("fuzz", (const char *)data, size, &config)) return 0;
  if (sb_model_parse("fuzz", file, sizeof file, config, &model)) abort();
  look_at(model);
  json_decref(config);
  return 0;
}
