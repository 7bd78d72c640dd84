/* What every model that was read must allow: its layers' codes and weights are computed without harm. */
#ifndef SAMEBITS_FUZZ_MODEL_H
#define SAMEBITS_FUZZ_MODEL_H

#include "conformance/models/parts.h"

#include <stdlib.h>

static inline void look_at(sb_model *model) {
  sb_model_report report;
  if (sb_model_inspect(model, &report) == SB_OK) {
    if (report.layer_count <= 0 || report.quantized > report.layer_count) abort();
    for (int i = 0; i < report.layer_count; i++) {
      sb_tensor weight;
      if (report.layers[i].rows * report.layers[i].cols > 1 << 16) continue; /* its time, not its safety */
      if (sb_model_layer_weight(&report.layers[i], SB_BF16, &weight) == SB_OK) sb_tensor_free(&weight);
    }
    sb_model_report_free(&report);
  }
  sb_model_close(model);
}

#endif
