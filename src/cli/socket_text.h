/*
 * cli/socket_text.h - the text form of what weir is told about the host's programs: lines
 *   socket add NAME tcp|udp|raw|PROTO LOCAL[:PORT] [peer ADDR:PORT] [uid N] [gid N] [groups N,N] [mark N] [classid N]
 *          [cgroup PATH] [dev IFACE] [transparent] [v6only] [kernel]
 *   socket del NAME
 *   secctx add CONTEXT
 * in a script, in the file `host` of a snapshot, and through the API.
 */
#ifndef WEIR_CLI_SOCKET_TEXT_H
#define WEIR_CLI_SOCKET_TEXT_H

#include "cli/words.h"
#include "instance.h"

/* Words from @from on: "socket" or "secctx" and what follows. */
int host_line(struct instance *inst, struct words *words, unsigned int from, struct refusal *why);
/* All lines of a text; the first refused one ends it. */
int host_load(struct instance *inst, const char *text, size_t len, const char *file, struct refusal *why);

#endif
