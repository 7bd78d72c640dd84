/* Two models, or two captured runs of them, compared: configuration, parameters, and what each Linear computes with. */
#ifndef SAMEBITS_MODEL_COMPARE_H
#define SAMEBITS_MODEL_COMPARE_H

#include "samebits/model.h"

typedef struct sb_field_difference {
  char *field, *a, *b; /* "rope_parameters.rope_theta", JSON texts; NULL: absent on that side */
  bool expected;       /* of a master and its artifact: what converting changes */
} sb_field_difference;

/* A tensor that is plain in both (bits), or that only one side has (a or b alone: all its elements count as different).
 */
typedef struct sb_parameter {
  const char *name;
  int64_t elements, different;
  double max_abs;
  const char *note; /* "" or why it is not the same kind of tensor */
} sb_parameter;

enum { SB_WEIGHT_MECHANISMS = 8 };

/* A Linear layer whose weight is quantized in at least one of the two: each side's scale, zero point, codes and weight.
 * A float master against an artifact is quantized as training does it (prepare). */
typedef struct sb_weight_difference {
  const char *name;
  int64_t elements, scales;
  int64_t scale, zero_point, codes, output; /* counts of different elements; -1: one side has none */
  double max_abs;                           /* of output */
  const char *note;
  int mechanism_count; /* 0: exact, or not explained */
  char mechanisms[SB_WEIGHT_MECHANISMS][48];
} sb_weight_difference;

typedef struct sb_first_difference {
  char *tensor; /* NULL: none */
  int64_t different, elements;
  bool operands_equal;
} sb_first_difference;

typedef struct sb_model_comparison {
  int field_count, parameter_count, weight_count;
  sb_field_difference *fields;
  sb_parameter *parameters;
  sb_weight_difference *weights;
  sb_first_difference first;
  bool exact; /* no unexpected field, no different parameter, no different weight */
  sb_model_report a, b;
} sb_model_comparison;

/* Compares everything. `recipe` quantizes both where neither is quantized; NULL: such weights are parameters. The
 * models must outlive the result. SB_UNSUPPORTED: the recipe refuses a weight (the message says why). */
sb_status sb_model_compare(const sb_model *a, const sb_model *b, sb_model_comparison *result);
void sb_model_comparison_free(sb_model_comparison *result);

/* Two captured runs: tensors `<module>.input` and `<module>.output`, in the order of the metadata `order`. */
typedef struct sb_activations_comparison {
  int modules, differing;
  double max_abs, mean_abs;  /* over all outputs */
  sb_first_difference first; /* the first module whose output differs; operands: its input, quantized, and its weight */
} sb_activations_comparison;

/* `comparison` (may be NULL) tells whether the weights are equal. SB_FILE: no such tensors, or of different shapes. */
sb_status sb_activations_compare(const char *file_a, const char *file_b, const sb_model_comparison *comparison,
                                 sb_activations_comparison *result);

typedef struct sb_logits_comparison {
  int64_t elements, different, predictions, predictions_differ;
  double max_abs, mean_abs;
} sb_logits_comparison;

/* Tensors [.., vocabulary] of two files, each named FILE#TENSOR. */
sb_status sb_logits_compare(const char *a, const char *b, sb_logits_comparison *result);

#endif
