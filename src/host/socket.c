/*
 * host/socket.c - declared sockets, found by protocol and local port: one bucket for each pair. Who is the best among
 * several follows Linux's own scores: the exact address before any, then the peer, the device, the family.
 */
#include "host/socket.h"

#include <stdlib.h>

#include "base/sysctl.h"
#include "hook/record.h"

enum { BUCKETS = 1024 };

struct host_sockets {
	struct list buckets[BUCKETS];
	unsigned int count, connected;
	struct host_socket *kernel;
	int early_demux, tcp_early_demux, udp_early_demux;
};

static struct list *bucket_of(const struct host_sockets *sockets, uint8_t proto, be16 port)
{
	return (struct list *)&sockets->buckets[(ntohs(port) ^ (unsigned int)proto * 31) % BUCKETS];
}

struct host_sockets *host_sockets_new(struct instance *inst)
{
	struct host_sockets *sockets = calloc(1, sizeof(*sockets));
	const struct sysctl list[] = {
		{ "net.ipv4.ip_early_demux", SYSCTL_INT, sockets ? &sockets->early_demux : NULL, 0, 255 },
		{ "net.ipv4.tcp_early_demux", SYSCTL_INT, sockets ? &sockets->tcp_early_demux : NULL, 0, 255 },
		{ "net.ipv4.udp_early_demux", SYSCTL_INT, sockets ? &sockets->udp_early_demux : NULL, 0, 255 },
	};

	if (!sockets)
		return NULL;
	sockets->early_demux = sockets->tcp_early_demux = sockets->udp_early_demux = 1;
	for (unsigned int i = 0; i < BUCKETS; i++)
		list_init(&sockets->buckets[i]);
	sockets->kernel = calloc(1, sizeof(*sockets->kernel));
	for (size_t i = 0; sockets->kernel && i < ARRAY_SIZE(list); i++) {
		if (sysctl_register(inst->sysctls, &list[i])) {
			host_sockets_free(sockets);
			return NULL;
		}
	}
	if (!sockets->kernel) {
		host_sockets_free(sockets);
		return NULL;
	}
	sockets->kernel->shares = 1;
	sockets->kernel->spec.no_program = true;
	return sockets;
}

void host_sockets_free(struct host_sockets *sockets)
{
	if (!sockets)
		return;
	for (unsigned int i = 0; i < BUCKETS; i++) {
		while (!list_is_empty(&sockets->buckets[i])) {
			struct host_socket *socket = list_entry(sockets->buckets[i].next, struct host_socket, node);

			list_remove(&socket->node);
			host_socket_put(socket);
		}
	}
	host_socket_put(sockets->kernel);
	free(sockets);
}

unsigned int host_sockets_count(const struct host_sockets *sockets)
{
	return sockets->count;
}

unsigned int host_sockets_connected(const struct host_sockets *sockets)
{
	return sockets->connected;
}

struct host_socket *host_socket_get(struct host_socket *socket)
{
	if (socket)
		socket->shares++;
	return socket;
}

void host_socket_put(struct host_socket *socket)
{
	if (!socket || --socket->shares)
		return;
	free((char *)socket->spec.name);
	free((char *)socket->spec.cgroup);
	free(socket);
}

void pkt_socket_set(struct pkt *pkt, struct host_socket *socket)
{
	host_socket_get(socket);
	host_socket_put(pkt->socket);
	pkt->socket = socket;
}

struct host_socket *host_socket_kernel(const struct instance *inst)
{
	return inst->sockets->kernel;
}

struct host_socket *host_socket_named(const struct instance *inst, const char *name)
{
	for (unsigned int i = 0; i < BUCKETS; i++) {
		list_for_each(node, &inst->sockets->buckets[i]) {
			struct host_socket *socket = list_entry(node, struct host_socket, node);

			if (strcmp(socket->spec.name, name) == 0)
				return socket;
		}
	}
	return NULL;
}

int host_socket_add(struct instance *inst, const struct host_socket_spec *spec, struct refusal *why)
{
	struct host_socket *socket;

	if (!*spec->name || strlen(spec->name) >= SOCKET_NAME_MAX)
		return refuse(why, -EINVAL, "socket: a name has 1 to %d bytes", SOCKET_NAME_MAX - 1);
	if (host_socket_named(inst, spec->name))
		return refuse(why, -EEXIST, "socket: there is a \"%s\" already", spec->name);
	socket = calloc(1, sizeof(*socket));
	if (!socket)
		return refuse(why, -ENOMEM, "socket: no memory");
	socket->shares = 1;
	socket->spec = *spec;
	socket->spec.name = strdup(spec->name);
	socket->spec.cgroup = strdup(spec->cgroup ? spec->cgroup : "");
	if (!socket->spec.name || !socket->spec.cgroup) {
		host_socket_put(socket);
		return refuse(why, -ENOMEM, "socket: no memory");
	}
	/* the newest is asked first */
	list_push(bucket_of(inst->sockets, spec->proto, spec->local_port), &socket->node);
	inst->sockets->count++;
	inst->sockets->connected += socket->spec.connected;
	inst->changes++;
	return 0;
}

int host_socket_del(struct instance *inst, const char *name, struct refusal *why)
{
	struct host_socket *socket = host_socket_named(inst, name);

	if (!socket)
		return refuse(why, -ENOENT, "socket: there is no \"%s\"", name);
	list_remove(&socket->node);
	inst->sockets->count--;
	inst->sockets->connected -= socket->spec.connected;
	inst->changes++;
	host_socket_put(socket);
	return 0;
}

static bool addr_is_any(const union nf_inet_addr *addr)
{
	return !(addr->all[0] | addr->all[1] | addr->all[2] | addr->all[3]);
}

static bool addr_equal(const union nf_inet_addr *a, const union nf_inet_addr *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

/* A socket of IPv6 that is bound to no address hears IPv4 as well, unless it was told not to. */
static bool hears_family(const struct host_socket_spec *s, uint8_t family)
{
	return s->family == family || (family == NFPROTO_IPV4 && !s->v6only && addr_is_any(&s->local) && !s->connected);
}

static bool hears_device(const struct host_socket_spec *s, const struct iface *in)
{
	return !s->dev || !in || in->index == s->dev;
}

static bool is_peer(const struct host_socket_spec *s, const struct host_tuple *t)
{
	return s->peer_port == t->sport && addr_equal(&s->peer, &t->saddr);
}

/* How well a socket serves; 0: not at all. @exact: only those bound to the packet's own address, else only to any. */
static int score_of(const struct host_socket_spec *s, const struct host_tuple *t, bool exact)
{
	int score = 1;

	if (s->proto != t->proto || s->local_port != t->dport || !hears_family(s, t->family) || !hears_device(s, t->in))
		return 0;
	if (exact ? s->family != t->family || !addr_equal(&s->local, &t->daddr) : !addr_is_any(&s->local))
		return 0;
	if (s->connected) {
		if (!is_peer(s, t))
			return 0;
		score += 8;
	}
	if (s->dev)
		score += t->proto == IPPROTO_UDP ? 4 : 1;
	return score + (s->family == NFPROTO_IPV4);
}

struct host_socket *host_socket_find(const struct instance *inst, const struct host_tuple *t, enum host_find kind)
{
	struct list *bucket = bucket_of(inst->sockets, t->proto, t->dport);

	if (!inst->sockets->count)
		return NULL;
	for (int exact = 1; exact >= 0; exact--) {
		struct host_socket *best = NULL;
		int best_score = 0;

		list_for_each(node, bucket) {
			struct host_socket *socket = list_entry(node, struct host_socket, node);
			bool wanted = kind == HOST_FIND_ANY || socket->spec.connected == (kind == HOST_FIND_CONNECTED);
			int score = wanted ? score_of(&socket->spec, t, exact) : 0;

			if (score > best_score) {
				best = socket;
				best_score = score;
			}
		}
		if (best)
			return best;
	}
	return NULL;
}

static void tuple_addrs(const struct pkt *pkt, uint8_t family, struct host_tuple *t)
{
	*t = (struct host_tuple){ .family = family };
	if (family == NFPROTO_IPV4) {
		t->saddr.ip = pkt_ip4(pkt)->saddr;
		t->daddr.ip = pkt_ip4(pkt)->daddr;
	} else {
		memcpy(&t->saddr.in6, &pkt_ip6(pkt)->saddr, 16);
		memcpy(&t->daddr.in6, &pkt_ip6(pkt)->daddr, 16);
	}
}

/* The packet as the tuple of an answer to it: its sender is whom that would find. */
static struct host_socket *sent_by_port(const struct instance *inst, const struct pkt *pkt, const struct host_tuple *sent)
{
	const be16 *ports = pkt_l4(pkt, 4);
	struct host_tuple t = *sent;

	if (!ports)
		return NULL;
	t.proto = pkt->l.l4proto;
	t.saddr = sent->daddr;
	t.daddr = sent->saddr;
	t.sport = ports[1];
	t.dport = ports[0];
	return host_socket_find(inst, &t, HOST_FIND_ANY);
}

struct host_socket *host_socket_of_sent(const struct instance *inst, const struct pkt *pkt)
{
	struct host_socket *best = NULL;
	struct host_tuple t;

	if (!inst->sockets->count)
		return NULL;
	tuple_addrs(pkt, pkt->l.family, &t);
	if (pkt->l.l4proto == IPPROTO_TCP || pkt->l.l4proto == IPPROTO_UDP || pkt->l.l4proto == IPPROTO_UDPLITE ||
	    pkt->l.l4proto == IPPROTO_SCTP || pkt->l.l4proto == IPPROTO_DCCP)
		best = sent_by_port(inst, pkt, &t);
	for (unsigned int raw = 0; raw < 2 && !best; raw++) {	/* by its protocol, then any */
		uint8_t proto = raw ? IPPROTO_RAW : pkt->l.l4proto;

		list_for_each(node, bucket_of(inst->sockets, proto, 0)) {
			struct host_socket *socket = list_entry(node, struct host_socket, node);
			const struct host_socket_spec *s = &socket->spec;
			bool any = addr_is_any(&s->local);

			if (s->proto != proto || s->local_port || s->family != t.family ||
			    (!any && !addr_equal(&s->local, &t.saddr)) ||
			    (s->connected && !addr_equal(&s->peer, &t.daddr)))
				continue;
			if (!best || addr_is_any(&best->spec.local) > any)
				best = socket;
		}
	}
	return best;
}

static bool wants_demux(const struct host_sockets *sockets, const struct pkt *pkt, uint8_t proto)
{
	if (!sockets->connected || !sockets->early_demux || pkt->socket || pkt->type != PACKET_HOST)
		return false;
	return (proto == IPPROTO_TCP && sockets->tcp_early_demux) || (proto == IPPROTO_UDP && sockets->udp_early_demux);
}

void host_demux(struct instance *inst, struct pkt *pkt)
{
	bool v4 = pkt->l.family == NFPROTO_IPV4;
	uint8_t proto = v4 ? pkt_ip4(pkt)->protocol : pkt_ip6(pkt)->nexthdr;
	uint32_t l4 = v4 ? pkt_ip4(pkt)->ihl * 4u : sizeof(struct ipv6hdr);
	uint32_t need = proto == IPPROTO_TCP ? sizeof(struct tcphdr) : sizeof(struct udphdr);
	const uint8_t *head = pkt->data + l4;
	struct host_tuple t;

	if (!wants_demux(inst->sockets, pkt, proto) || pkt->len < l4 + need)
		return;
	if (v4 && pkt_ip4(pkt)->frag_off & htons(IP4_MF | IP4_OFFSET_MASK))
		return;
	if (proto == IPPROTO_TCP && head[12] >> 4 < 5)
		return;
	tuple_addrs(pkt, pkt->l.family, &t);
	t.proto = proto;
	memcpy(&t.sport, head, 2);
	memcpy(&t.dport, head + 2, 2);
	t.in = pkt->in;
	pkt_socket_set(pkt, host_socket_find(inst, &t, HOST_FIND_CONNECTED));
	if (pkt->socket && inst->record)	/* whose it is must be found anew for each packet */
		inst->record->is_spoiled = true;
}
