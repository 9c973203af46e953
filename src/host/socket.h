/*
 * host/socket.h - the sockets of the host's programs, as somebody declared them: whose packets are whose.
 * weir has no programs; who runs it says which sockets there are (`socket add ...` in a script or a snapshot's `host`
 * file, weir_socket_add()). A packet that the host sends belongs to the socket whose tuple it has, one that arrives finds
 * its socket as in Linux. What -m owner, -m cgroup, -m socket and -j TPROXY ask is written there.
 */
#ifndef WEIR_HOST_SOCKET_H
#define WEIR_HOST_SOCKET_H

#include "base/list.h"
#include "base/refuse.h"
#include "instance.h"
#include "packet/packet.h"

enum { SOCKET_NAME_MAX = 64, SOCKET_GROUPS_MAX = 64, SOCKET_CGROUP_MAX = 4096 };

/* What is said of a socket that is being declared; texts are borrowed. */
struct host_socket_spec {
	const char *name;		/* unique; how it is closed */
	uint8_t family;			/* NFPROTO_IPV4, NFPROTO_IPV6 */
	uint8_t proto;			/* IPPROTO_*; IPPROTO_RAW: a raw socket that sends packets of any protocol */
	union nf_inet_addr local, peer;	/* local: zero = any address */
	be16 local_port, peer_port;
	bool connected;			/* peer is set */
	bool v6only, transparent;
	bool no_program;		/* the kernel's own: it exists, but no program holds it */
	unsigned int dev;		/* bound to this interface's index; 0 any */
	uint32_t uid, gid, mark, classid;
	uint32_t groups[SOCKET_GROUPS_MAX];
	unsigned int group_count;
	const char *cgroup;		/* path below the root of cgroup2, "" is the root */
};

struct host_socket {
	struct list node;		/* in its bucket */
	unsigned int shares;		/* the table's own and one for each packet */
	struct host_socket_spec spec;	/* name and cgroup are owned */
};

struct host_sockets;

struct host_sockets *host_sockets_new(struct instance *inst);
void host_sockets_free(struct host_sockets *sockets);
unsigned int host_sockets_count(const struct host_sockets *sockets);
/* Of these: only they find packets before routing does (early demux). */
unsigned int host_sockets_connected(const struct host_sockets *sockets);
/* -EEXIST: the name is taken; -EINVAL, -ENOMEM. */
int host_socket_add(struct instance *inst, const struct host_socket_spec *spec, struct refusal *why);
int host_socket_del(struct instance *inst, const char *name, struct refusal *why);	/* -ENOENT */
struct host_socket *host_socket_named(const struct instance *inst, const char *name);
/* The kernel's own socket: what weir itself sends as an ICMP error or neighbour message leaves through it. */
struct host_socket *host_socket_kernel(const struct instance *inst);

struct host_socket *host_socket_get(struct host_socket *socket);
void host_socket_put(struct host_socket *socket);
/* The packet belongs to @socket from now on (NULL: to nobody). */
void pkt_socket_set(struct pkt *pkt, struct host_socket *socket);

/* Whom a received packet with this tuple is for. */
struct host_tuple {
	uint8_t family, proto;
	union nf_inet_addr saddr, daddr;
	be16 sport, dport;
	const struct iface *in;
};
enum host_find { HOST_FIND_ANY, HOST_FIND_CONNECTED, HOST_FIND_LISTENING };
/* Borrowed; NULL: nobody listens. TCP and UDP only. */
struct host_socket *host_socket_find(const struct instance *inst, const struct host_tuple *tuple, enum host_find kind);
/* Whose a packet is that the host sends. Borrowed. */
struct host_socket *host_socket_of_sent(const struct instance *inst, const struct pkt *pkt);
/* A packet on its way in, before it is routed: a connected socket takes it, when there is one (early demultiplexing). */
void host_demux(struct instance *inst, struct pkt *pkt);

#endif
