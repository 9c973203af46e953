/*
 * cli/netip.h - lines of `ip -batch`: links, addresses, routes, rules, neighbours.
 */
#ifndef WEIR_CLI_NETIP_H
#define WEIR_CLI_NETIP_H

#include "cli/words.h"
#include "instance.h"
#include "route/route.h"

struct netip {
	struct instance *inst;
	/*
	 * A snapshot's file describes a machine: `link set` then makes the interface it names, and a port of the
	 * run (-i) may be used without a link line. In a script an unknown interface is an error, as for ip(8).
	 */
	bool loading;
	/* ARPHRD_* of a port of the run, from its captures; 0: no port has this name. May be NULL. */
	unsigned short (*port_type)(void *priv, const char *name);
	void *priv;
};

enum { IP_OK = 0, IP_USAGE = 1, IP_REFUSED = 2, IP_UNKNOWN_OBJECT = 255 };	/* ip(8)'s exit codes */

/* One line, @first is its first word after "ip". Return: IP_OK, or ip's exit code with @why filled. */
int netip_line(struct netip *ip, const struct words *words, unsigned int first, struct refusal *why);
/* A whole file; stops at the first refusal. 0 or negative errno. */
int netip_load(struct netip *ip, const char *text, size_t len, const char *file, struct refusal *why);

#endif
