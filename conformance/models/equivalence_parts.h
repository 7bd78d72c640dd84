/* What the files of the five checks share. */
#ifndef SAMEBITS_MODELS_EQUIVALENCE_PARTS_H
#define SAMEBITS_MODELS_EQUIVALENCE_PARTS_H

#include "conformance/models/compare.h"
#include "conformance/models/llama.h"
#include "conformance/models/quantize.h"
#include "samebits/model_equivalence.h"

enum { CONFIGURATIONS, PARAMETERS, LOGITS, REBUILT, STEPS };

typedef struct sb_equivalence_job {
  const sb_model *train, *eval;
  const sb_equivalence_options *options;
  sb_equivalence *result;
  sb_model_comparison models;
  const sb_stored *row; /* NULL: no recipe is known */
  int64_t group;
  sb_lora adapter;
  sb_tensor tokens;
  int64_t vocabulary, logits;
  float *of_eval, *of_train, *other;
} sb_equivalence_job;
typedef sb_equivalence_job job;

typedef struct distance {
  int64_t different, flips;
  double max_abs, mean_abs;
} distance;

void sb_figure(sb_equivalence_check *c, const char *name, double value);
void sb_judge(sb_equivalence_check *c, bool holds);
void sb_note(sb_equivalence_check *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
void sb_cause(job *j, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The float weight of a layer of `train` in the run's dtype, its adapter merged. */
sb_status sb_merged_weight(const job *j, const sb_model_layer *l, sb_tensor *weight);

/* Logits of one model; of `train`, `step` and the adapter's place. */
sb_status sb_equivalence_forward(const job *j, const sb_model *model, sb_linear_step step, sb_adapter_place place,
                                 float *logits);
distance sb_distance(const job *j, const float *a, const float *b);

sb_status sb_check_parameters(job *j);
sb_status sb_check_rebuilt(job *j);

#endif
