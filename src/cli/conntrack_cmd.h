/* cli/conntrack_cmd.h - the `conntrack` command for scripts of weir run. */
#ifndef WEIR_CLI_CONNTRACK_CMD_H
#define WEIR_CLI_CONNTRACK_CMD_H

#include "base/strbuf.h"
#include "instance.h"

/**
 * conntrack_command() - One conntrack command line, as typed
 * @argv: argv[0] is "conntrack"; getopt may reorder it; with -R argv[2] is the file's text (conntrack_file_read())
 * @out:  what the program prints on stdout; @err: on stderr
 * Return: upstream's exit code: 0; 1 failed or nothing done; 2 wrong parameters.
 */
int conntrack_command(struct instance *inst, int argc, char **argv, struct strbuf *out, struct strbuf *err);

/* Is it -R FILE? */
bool conntrack_is_file(int argc, char **argv);
/* The text of the file at @path, or of stdin ("-"). 0, or the exit code with the sentence in @err. */
int conntrack_file_read(const char *path, struct strbuf *text, struct strbuf *err);
/* Does what the lines of @text say. */
int conntrack_file_command(struct instance *inst, const char *text, struct strbuf *out, struct strbuf *err);

#endif
