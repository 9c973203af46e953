/* cli/nfnl_osf_cmd.h - the `nfnl_osf` command's half in the daemon. */
#ifndef WEIR_CLI_NFNL_OSF_CMD_H
#define WEIR_CLI_NFNL_OSF_CMD_H

#include "base/strbuf.h"
#include "instance.h"

/* argv: "nfnl_osf", "-f" or "-d", a pf.os file's text. The exit code, complaints in @err. */
int nfnl_osf_text(struct instance *inst, int argc, char **argv, struct strbuf *err);

#endif
