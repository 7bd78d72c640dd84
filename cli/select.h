/* The options SELECT, for every command that takes a selection, as an argp child whose input is a sb_selection. */
#ifndef SAMEBITS_CLI_SELECT_H
#define SAMEBITS_CLI_SELECT_H

#include "cli/command.h"
#include "samebits/select.h"

extern const struct argp sb_select_argp;

/* A whole number on the command line, for options. */
sb_status sb_option_number(const char *option, const char *text, int64_t least, int64_t most, int64_t *number);

#endif
