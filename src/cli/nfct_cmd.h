/* cli/nfct_cmd.h - the `nfct` command for scripts of weir run, and for the snapshot's nfct.conf: timeout policies. */
#ifndef WEIR_CLI_NFCT_CMD_H
#define WEIR_CLI_NFCT_CMD_H

#include "base/strbuf.h"
#include "instance.h"

/* One nfct command line, argv[0] "nfct"; upstream's exit code, its output in @out, its complaint in @err. */
int nfct_command(struct instance *inst, int argc, char **argv, struct strbuf *out, struct strbuf *err);
/* The lines that make the policies that there are. */
void nfct_conf_text(const struct instance *inst, struct strbuf *out);
/* Lines of nfct commands, with or without the word; the first that fails is refused. */
int nfct_conf_load(struct instance *inst, const char *text, size_t len, const char *file, struct refusal *why);

#endif
