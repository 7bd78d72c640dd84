#ifndef SAMEBITS_CLI_MODEL_GROWTH_H
#define SAMEBITS_CLI_MODEL_GROWTH_H

#include "samebits/model_growth.h"
#include <jansson.h>

/* Runs, draws into the folder `plots` where it is not NULL, prints; the exit code. */
int sb_cli_growth(const char *name, const char *path, const sb_eval_options *base, const sb_eval_options *other,
                  const sb_tensor *tokens, const char *plots, bool json);

/* What `model eval --json` says of one evaluation. */
json_t *sb_evaluation_json(const sb_evaluation *e);

#endif
