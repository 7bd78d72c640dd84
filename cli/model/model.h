/* The subcommands of `samebits model`, one file each. */
#ifndef SAMEBITS_CLI_MODEL_H
#define SAMEBITS_CLI_MODEL_H

#include <argp.h>
#include <jansson.h>
#include <stdint.h>

int sb_cli_model_compare(int argc, char **argv);
int sb_cli_model_convert(int argc, char **argv);
int sb_cli_model_equivalence(int argc, char **argv);
int sb_cli_model_eval(int argc, char **argv);
int sb_cli_model_inspect(int argc, char **argv);

/* The option --group: a number of at least 1. */
error_t sb_take_group(const char *word, int64_t *group);

/* A JSON number; null of NaN and infinity, which JSON does not have. */
json_t *sb_json_number(double value);

#endif
