/* Explanations: which mechanism makes captured tensors differ from a contract.
 *
 * A mechanism is named only if the contract rewritten by it gives every bit of every tensor that was captured,
 * evaluated exactly; what explains as well is listed, too. */
#ifndef SAMEBITS_EXPLAIN_H
#define SAMEBITS_EXPLAIN_H

#include "samebits/contract.h"
#include "samebits/expect.h"
#include "samebits/safetensors.h"
#include <stdio.h>

typedef enum sb_verdict { SB_SAME, SB_EXPLAINED, SB_UNEXPLAINED } sb_verdict;
extern const char *const sb_verdict_names[3];

typedef struct sb_explained_step {
  char id[48];                       /* of the mechanism */
  char what[160];                    /* which form of it */
  char parameter[48];                /* "eps = 1e-05"; "" */
  char before[320], after[400];      /* the first changed line of the contract; "" for layouts */
  char diff[2400];                   /* all of them: lines "- old" and "+ new" */
  const char *says, *evidence, *fix; /* of the catalogue */
} sb_explained_step;

enum { SB_EXPLAINED_STEPS = 12, SB_EXPLAINED_SETS = 32 };
typedef struct sb_explained_set {
  int count;
  sb_explained_step steps[SB_EXPLAINED_STEPS];
  char distinguishing_input[4096]; /* of an alternative: "" or, as JSON, a row of x on which it and the answer differ */
} sb_explained_set;

typedef struct sb_explained_case {
  char name[256];
  sb_verdict verdict;
  /* The first difference from the contract: tensor, index, bits as text. */
  char tensor[16], expected[64], got[64], operands[640], line[400];
  int64_t index, different, elements;
  int64_t ulps; /* -1: of integers, NaN, or values of other formats */
  int shape_differs;
} sb_explained_case;

typedef struct sb_explanation {
  char contract[300]; /* the one that was rewritten */
  sb_verdict verdict; /* of the file: explained only if every case is */
  int case_count;
  sb_explained_case *cases;
  int set_count; /* sets[0] is the answer, the rest are alternatives */
  sb_explained_set sets[SB_EXPLAINED_SETS];
  sb_contract_case at; /* the computation */
  int64_t rewrites_tried;
  bool ended_early; /* the search did as much as it may before it had tried everything */
} sb_explanation;

typedef struct sb_explain_options {
  int most;     /* the largest set; 0: pairs for one file, 4 between two contracts */
  int any_size; /* between two contracts: sets */
} sb_explain_options;

/* One file in the golden format against the contract that its metadata name. */
sb_status sb_explain_file(const char *path, const sb_explain_options *options, sb_explanation **explanation);

/* Two files of the same inputs: how the right one follows from the left one's contract. */
sb_status sb_explain_files(const char *left, const char *right, const sb_explain_options *options,
                           sb_explanation **explanation);

/* Tensors in memory: in[] and out[] of one computation that should follow contract `at`. */
sb_status sb_explain_tensors(const sb_contract_case *at, const char *name, const sb_tensor in[SB_SLOTS],
                             const sb_tensor out[SB_SLOTS], const sb_explain_options *options,
                             sb_explanation **explanation);

/* Verification of expected divergences (sb_check_options.verify). The rewritten contract of a row is evaluated on every
 * element of a case by the fast kernels, and exactly on one differing row of each band of 32768 elements whose rows
 * have at most 4096; it was derived under exact evaluation. Prepare's tensors must be those of its own contract as
 * well. sb_verifier_new: SB_FILE names the line of a row with an unknown mechanism; `rows` must outlive the verifier.
 */
typedef struct sb_verifier sb_verifier;
sb_status sb_verifier_new(const sb_expectations *rows, sb_verifier **verifier);
void sb_verifier_free(sb_verifier *verifier);

/* Other rows for the same verifier, say those of another device: what was derived stays. Errors as sb_verifier_new. */
sb_status sb_verifier_rows(sb_verifier *verifier, const sb_expectations *rows);

/* Derives what a case will need, so that processes started later share it. */
sb_status sb_verifier_prepare(sb_verifier *verifier, const sb_case *c);

/* Sets result->verified and result->verification; `verifier` is the context. */
sb_status sb_verify_case(void *verifier, const sb_case *c, const sb_tensor in[SB_SLOTS],
                         const sb_tensor expected[SB_SLOTS], const sb_tensor got[SB_SLOTS], sb_result *result);

/* As `samebits explain` prints it; `label` NULL: without "LABEL: " before the first line. */
void sb_explanation_print(FILE *to, const char *label, const sb_explanation *explanation);
void sb_explanation_free(sb_explanation *explanation);

/* The mechanisms, for `samebits list mechanisms`. */
typedef struct sb_mechanism_info {
  const char *id, *says, *evidence, *fix;
  int number, forms;
} sb_mechanism_info;
int sb_mechanisms_listed(void);
sb_mechanism_info sb_mechanism_listed(int index);

#endif
