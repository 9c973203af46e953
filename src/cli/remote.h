/* cli/remote.h - a command that the daemon of an instance carries out. */
#ifndef WEIR_CLI_REMOTE_H
#define WEIR_CLI_REMOTE_H

#include "cli/cli.h"
#include "wire/wire.h"

/* Is @word the option, with its value behind "=" or in the next word? */
bool remote_option(const char *word, const char *option, int argc, char **argv, int *at, const char **value);
/* A word that all commands who ask a daemon take: --help, which is answered; --instance and --socket, with their value. */
enum remote_word { REMOTE_OTHER, REMOTE_TAKEN, REMOTE_HELPED };
enum remote_word remote_word(int argc, char **argv, int *at, const char *help, const char **instance);
/* @words: each with its NUL. @instance: a name, or a path with "/"; NULL: the usual one. 0; negative errno, and said why. */
int remote_call(const char *command, const char *instance, const struct strbuf *words, struct wire_record *reply);
/* What it wrote, to stdout and stderr; its exit code. Frees @reply. */
int remote_print(struct wire_record *reply);

#endif
