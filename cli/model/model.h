/* The subcommands of `samebits model`, one file each. */
#ifndef SAMEBITS_CLI_MODEL_H
#define SAMEBITS_CLI_MODEL_H

int sb_cli_model_compare(int argc, char **argv);
int sb_cli_model_convert(int argc, char **argv);
int sb_cli_model_equivalence(int argc, char **argv);
int sb_cli_model_eval(int argc, char **argv);
int sb_cli_model_inspect(int argc, char **argv);

#endif
