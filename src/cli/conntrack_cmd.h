/* cli/conntrack_cmd.h - one conntrack(8) command line, as typed in a script. */
#ifndef WEIR_CLI_CONNTRACK_CMD_H
#define WEIR_CLI_CONNTRACK_CMD_H

#include "base/strbuf.h"
#include "instance.h"

/*
 * @argv[0] is "conntrack". @out: what the command prints on stdout.
 * Return: 0, or upstream's exit code with @why filled.
 */
int conntrack_command(struct instance *inst, int argc, char **argv, struct strbuf *out, struct refusal *why);

#endif
