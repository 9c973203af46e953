/* cli/conntrack_cmd.h - the `conntrack` command for scripts of weir run. */
#ifndef WEIR_CLI_CONNTRACK_CMD_H
#define WEIR_CLI_CONNTRACK_CMD_H

#include "base/strbuf.h"
#include "instance.h"

/**
 * conntrack_command() - One conntrack command line, as typed
 * @argv: argv[0] is "conntrack"; getopt may reorder it
 * @out:  what the program prints on stdout; @err: on stderr
 * Return: upstream's exit code: 0; 1 failed or nothing done; 2 wrong parameters.
 */
int conntrack_command(struct instance *inst, int argc, char **argv, struct strbuf *out, struct strbuf *err);

#endif
