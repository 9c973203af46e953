/* cli/nfacct_cmd.h - the `nfacct` command, carried out by a daemon. */
#ifndef WEIR_CLI_NFACCT_CMD_H
#define WEIR_CLI_NFACCT_CMD_H

#include "base/strbuf.h"
#include "instance.h"

/* One nfacct command line, argv[0] "nfacct"; upstream's exit code, its output in @out, its complaint in @err. */
int nfacct_words(struct instance *inst, int argc, char **argv, struct strbuf *out, struct strbuf *err);

#endif
