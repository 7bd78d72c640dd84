/* Is the model that was trained the model that is evaluated? Five numbered checks, each with its figures. */
#ifndef SAMEBITS_MODEL_EQUIVALENCE_H
#define SAMEBITS_MODEL_EQUIVALENCE_H

#include "samebits/model_eval.h"

enum { SB_EQUIVALENCE_CHECKS = 5, SB_EQUIVALENCE_FIGURES = 20, SB_EQUIVALENCE_CAUSES = 8 };

typedef enum sb_check_state { SB_CHECK_OPEN, SB_CHECK_HOLDS, SB_CHECK_FAILS } sb_check_state;

typedef struct sb_equivalence_check {
  const char *name;
  sb_check_state state; /* SB_CHECK_OPEN: nothing to judge it by; the note says what is missing */
  int figure_count;
  struct {
    const char *name;
    double value;
  } figures[SB_EQUIVALENCE_FIGURES];
  char note[512];
} sb_equivalence_check;

typedef struct sb_equivalence {
  sb_equivalence_check checks[SB_EQUIVALENCE_CHECKS]; /* configurations, parameters, logits, rebuilt, steps */
  bool equal;                                         /* no check fails */
  int cause_count;
  char causes[SB_EQUIVALENCE_CAUSES][512]; /* the likely ones, the first to mend first */
  const char *recipe;                      /* NULL: none */
  sb_format dtype;
  int64_t rows; /* of tokens that were run */
} sb_equivalence;

typedef struct sb_equivalence_options {
  const char *adapter; /* folder of a LoRA adapter of `train` as PEFT saves it; NULL: none */
  const char *recipe;  /* where `eval` is not quantized; NULL: none */
  int64_t group;       /* with `recipe`; 0: upstream's */
  sb_format dtype;     /* what both are loaded in; SB_FORMATS: the dtype of `eval` */
  int threads;
} sb_equivalence_options;

/* (1) configurations, field by field; (2) parameters: names, shapes, formats, bits: those of `eval` are what `train`
 * gives, the adapter merged, converted as `eval` is; (3) logits: `train` as training runs it (prepare, the adapter
 * beside the weight) against `eval` as it is deployed; (4) the weight rebuilt in both orders, the adapter merged in its
 * own dtype before or after quantizing; (5) prepare against convert of the same weights. SB_FILE, SB_UNSUPPORTED,
 * SB_USAGE as for sb_model_eval. */
sb_status sb_model_equivalence(const sb_model *train, const sb_model *eval, const sb_tensor *tokens,
                               const sb_equivalence_options *options, sb_equivalence *result);

#endif
