/* cli/daemon_web.h - metrics and a live page of a daemon, over HTTP. */
#ifndef WEIR_CLI_DAEMON_WEB_H
#define WEIR_CLI_DAEMON_WEB_H

#include "base/refuse.h"

struct daemon;
struct web;

/* Listens at "ADDRESS:PORT" or "PORT" (loopback), behind the daemon's server. *out is given, also with an error: web_end(). */
int web_begin(struct daemon *daemon, const char *address, struct web **out, struct refusal *why);
/* Before server_free(). NULL is fine. */
void web_end(struct web *web);

#endif
