/* The subcommands of `samebits kernel` that have a file of their own. */
#ifndef SAMEBITS_CLI_KERNEL_H
#define SAMEBITS_CLI_KERNEL_H

int sb_cli_kernel_audit(int argc, char **argv);
int sb_cli_kernel_extract(int argc, char **argv);

#endif
