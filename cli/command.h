/* What a subcommand is, and what all of them share. */
#ifndef SAMEBITS_CLI_COMMAND_H
#define SAMEBITS_CLI_COMMAND_H

#include "samebits/status.h"
#include <argp.h>
#include <stdbool.h>

typedef struct sb_command {
  const char *name;                  /* "golden": `samebits golden ...` */
  const char *summary;               /* one line of `samebits --help` */
  int (*run)(int argc, char **argv); /* argv[0] is "samebits NAME"; returns the exit code */
} sb_command;

extern const sb_command *const sb_command_table[];
extern const int sb_command_table_count;

/* Exit codes; of several, the first of usage, differs, infrastructure, inconclusive. */
enum { SB_EXIT_OK = 0, SB_EXIT_DIFFERS = 1, SB_EXIT_USAGE = 2, SB_EXIT_INFRASTRUCTURE = 3, SB_EXIT_INCONCLUSIVE = 4 };

/* The exit code of a failed call. */
int sb_exit_of(sb_status status);

/* The more urgent of two exit codes. */
int sb_exit_join(int a, int b);

/* Prints "NAME: <sb_message()>" on standard error and returns sb_exit_of(status). */
int sb_report(const char *name, sb_status status);

/* Runs argp without its own error text: a bad option is one line on standard error and the result SB_EXIT_USAGE; --help
 * prints and ends the program with 0. A parser reports its own error by sb_fail and returns sb_argp_error(status). */
int sb_parse_options(const struct argp *argp, int argc, char **argv, void *input);
error_t sb_argp_error(sb_status status);

/* The option --contracts: the folder's contracts, as recipes too, and its directed.txt for the fill `directed`. */
#define SB_CONTRACTS_HELP "contracts of your own: DIR/RECIPE/SIDE-STEP@FLAVOR[+VARIANT].contract"
error_t sb_take_contracts(const char *folder);

/* The comma list of the recipes that --contracts gave, NULL: none. It is what a command is about that names no recipe.
 */
const char *sb_contracts_recipes(void);

/* SB_USAGE where a command would write over the file that it reads. Either may be NULL. */
sb_status sb_refuse_overwriting(const char *output, const char *read);

/* For a command with subcommands (`golden verify`): a table and its dispatch. */
typedef struct sb_subcommand {
  const char *name, *summary;
  int (*run)(int argc, char **argv);
} sb_subcommand;
int sb_dispatch(const char *command, const sb_subcommand *table, int count, int argc, char **argv);

/* The text with control characters as \xNN, for a terminal: names from files may hold any. Returns `room`; what does
 * not fit is cut. */
enum { SB_VISIBLE = 2400 };
const char *sb_visible(const char *text, char room[SB_VISIBLE]);

#endif
